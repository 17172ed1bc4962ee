//! What each path answers.

use super::request::Head;
use crate::board::Board;
use crate::exposition::CONTENT_TYPE;

const PLAIN: &str = "text/plain; charset=utf-8";

/// How a request ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Status {
    Ok,
    BadRequest,
    NotFound,
    MethodNotAllowed,
    TimedOut,
    TooLarge,
    Unavailable,
}

impl Status {
    fn line(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::BadRequest => "400 Bad Request",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::TimedOut => "408 Request Timeout",
            Self::TooLarge => "431 Request Header Fields Too Large",
            Self::Unavailable => "503 Service Unavailable",
        }
    }
}

/// The bytes that answer `head`, from its status line to its end; `None` while it is not whole.
pub(super) fn answer(head: Head<'_>, board: &Board) -> Option<Vec<u8>> {
    match head {
        Head::Partial => None,
        Head::Refused(status) => Some(refuse(status)),
        Head::Whole { is_head, path } => Some(serve(is_head, path, board)),
    }
}

/// The bytes that say no more than `status`.
pub(super) fn refuse(status: Status) -> Vec<u8> {
    compose(false, status, PLAIN, &format!("{}\n", status.line()))
}

fn serve(is_head: bool, path: &str, board: &Board) -> Vec<u8> {
    let state = |state: Result<(), String>| match state {
        Ok(()) => compose(is_head, Status::Ok, PLAIN, "ok\n"),
        Err(why) => compose(is_head, Status::Unavailable, PLAIN, &format!("{why}\n")),
    };
    match path {
        "/metrics" => compose(is_head, Status::Ok, CONTENT_TYPE, &board.metrics()),
        "/livez" => state(board.liveness()),
        "/readyz" => state(board.readiness()),
        _ => {
            let paths = "there are /metrics, /livez and /readyz\n";
            compose(is_head, Status::NotFound, PLAIN, paths)
        }
    }
}

fn compose(is_head: bool, status: Status, media: &str, body: &str) -> Vec<u8> {
    let allow = if status == Status::MethodNotAllowed { "Allow: GET, HEAD\r\n" } else { "" };
    let body_len = body.len();
    let body = if is_head { "" } else { body };
    format!(
        "HTTP/1.1 {}\r\nContent-Type: {media}\r\nContent-Length: {body_len}\r\n{allow}\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n{body}",
        status.line()
    )
    .into_bytes()
}
