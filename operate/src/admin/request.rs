//! The head of a request: what is asked for, or why it is refused.

use super::answer::Status;

/// Largest head: a scraper's is a few hundred bytes, a browser's two thousand.
pub(super) const HEAD_LEN_MAX: usize = 8 * 1024;
/// Most header lines.
const HEADERS_MAX: usize = 64;

/// What was read so far.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Head<'a> {
    /// Its end is not there yet.
    Partial,
    /// Whole. Whatever follows it is ignored: the connection ends after one answer.
    Whole {
        /// Nothing but the head of the answer is wanted.
        is_head: bool,
        /// Without the query.
        path: &'a str,
    },
    /// To be answered with this.
    Refused(Status),
}

/// Reads what came in so far.
pub(super) fn read(bytes: &[u8]) -> Head<'_> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(status) if status.is_complete() => whole(request.method, request.path),
        Ok(_) if bytes.len() >= HEAD_LEN_MAX => Head::Refused(Status::TooLarge),
        Ok(_) => Head::Partial,
        Err(httparse::Error::TooManyHeaders) => Head::Refused(Status::TooLarge),
        Err(_) => Head::Refused(Status::BadRequest),
    }
}

fn whole<'a>(method: Option<&str>, path: Option<&'a str>) -> Head<'a> {
    let is_head = match method {
        Some("GET") => false,
        Some("HEAD") => true,
        _ => return Head::Refused(Status::MethodNotAllowed),
    };
    let path = path.and_then(|path| path.split('?').next()).unwrap_or_default();
    Head::Whole { is_head, path }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{HEAD_LEN_MAX, Head, read};
    use crate::admin::answer::Status;

    #[test]
    fn the_path_is_without_its_query() {
        let head = read(b"GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\n\r\nGET /next");
        assert_eq!(head, Head::Whole { is_head: false, path: "/metrics" });
        assert_eq!(read(b"HEAD / HTTP/1.0\r\n\r\n"), Head::Whole { is_head: true, path: "/" });
    }

    #[test]
    fn what_is_no_request_is_refused() {
        assert_eq!(read(b"GET /metrics HTTP/1.1\r\nHos"), Head::Partial);
        assert_eq!(read(b"\x16\x03\x01\x02\x00"), Head::Refused(Status::BadRequest));
        let post = b"POST /metrics HTTP/1.1\r\n\r\n";
        assert_eq!(read(post), Head::Refused(Status::MethodNotAllowed));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(65));
        assert_eq!(read(many.as_bytes()), Head::Refused(Status::TooLarge));
        let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(HEAD_LEN_MAX));
        assert_eq!(read(long.as_bytes()), Head::Refused(Status::TooLarge));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Head::Whole { path, .. } = read(&bytes) {
                prop_assert!(!path.contains('?'));
            }
        }

        #[test]
        fn a_cut_request_is_partial(cut in 0_usize..40) {
            let whole = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n";
            prop_assert_eq!(read(&whole[..cut.min(whole.len() - 1)]), Head::Partial);
        }
    }
}
