//! What processes of one data directory say to each other on its socket: one line each.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use wire::Name;

use crate::core::{Reading, Request};
use crate::crypto::keys::KeyId;
use crate::failure::{Code, Failure};

/// Longest line; a longer one ends the conversation.
pub(super) const LINE_LEN_MAX: usize = 1024;

/// What the holder of the connection says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reply {
    /// The store holds something new.
    Changed,
    /// The request is answered.
    Answered(Result<(), Failure>),
}

/// The request as a line, without its end.
pub(super) fn write_request(request: &Request) -> String {
    match request {
        Request::Outbox => "outbox".to_owned(),
        Request::Attach(_) => "attach".to_owned(),
        Request::Fetch(name) => format!("fetch {name}"),
        Request::Trust { name, key, verified } => format!(
            "trust {name} {} {}",
            URL_SAFE_NO_PAD.encode(key.0),
            if *verified { "verified" } else { "pinned" }
        ),
        Request::SignOut => "signout".to_owned(),
    }
}

/// The request in a line.
pub(super) fn read_request(line: &str) -> Option<Request> {
    let words: Vec<&str> = line.split(' ').collect();
    Some(match words.as_slice() {
        ["outbox"] => Request::Outbox,
        ["attach"] => Request::Attach(Reading::All),
        ["fetch", name] => Request::Fetch(Name::parse(name).ok()?),
        ["trust", name, key, trust] => Request::Trust {
            name: Name::parse(name).ok()?,
            key: KeyId(URL_SAFE_NO_PAD.decode(key).ok()?.try_into().ok()?),
            verified: match *trust {
                "verified" => true,
                "pinned" => false,
                _ => return None,
            },
        },
        ["signout"] => Request::SignOut,
        _ => return None,
    })
}

/// The reply as a line, without its end.
pub(super) fn write_reply(reply: &Reply) -> String {
    match reply {
        Reply::Changed => "changed".to_owned(),
        Reply::Answered(Ok(())) => "done".to_owned(),
        Reply::Answered(Err(failure)) => {
            let text: String = failure
                .text
                .chars()
                .filter(|letter| !letter.is_control())
                .take(LINE_LEN_MAX / 8)
                .collect();
            format!("failed {} {text}", failure.code.name())
        }
    }
}

/// The reply in a line.
pub(super) fn read_reply(line: &str) -> Option<Reply> {
    if let Some(failed) = line.strip_prefix("failed ") {
        let (code, text) = failed.split_once(' ')?;
        let failure = Failure::new(Code::named(code)?, text);
        return Some(Reply::Answered(Err(failure)));
    }
    match line {
        "changed" => Some(Reply::Changed),
        "done" => Some(Reply::Answered(Ok(()))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use wire::Name;

    use super::{Reply, read_reply, read_request, write_reply, write_request};
    use crate::core::{Reading, Request};
    use crate::crypto::keys::KeyId;
    use crate::failure::{Code, Failure};

    #[test]
    fn every_request_and_reply_survives_its_line() {
        let name = Name::parse("bob").expect("a name");
        let key = KeyId([0xfb; 32]);
        for request in [
            Request::Outbox,
            Request::Attach(Reading::All),
            Request::Fetch(name),
            Request::Trust { name, key, verified: true },
            Request::Trust { name, key, verified: false },
            Request::SignOut,
        ] {
            assert_eq!(read_request(&write_request(&request)), Some(request));
        }
        for reply in [
            Reply::Changed,
            Reply::Answered(Ok(())),
            Reply::Answered(Err(Failure::new(Code::NoSuchUser, "no such user"))),
        ] {
            assert_eq!(read_reply(&write_reply(&reply)), Some(reply));
        }
    }

    #[test]
    fn other_lines_are_refused() {
        for line in ["", "fetch", "fetch 9", "trust bob x pinned", "outbox now"] {
            assert_eq!(read_request(line), None, "{line}");
        }
        assert_eq!(read_reply("failed nonsense text"), None);
    }
}
