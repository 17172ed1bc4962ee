//! NATS core: subjects, lines and sized payloads. Nothing is kept and nothing acknowledged.

use std::io::Write;

use crate::peers::adapter::{Adapter, AdapterError, Event, To, beginning, line};

/// Who may connect: as the configuration says.
pub const HELLO: &str = "CONNECT {\"verbose\":false,\"pedantic\":false,\"echo\":false,\
    \"headers\":false,\"lang\":\"bench\",\"version\":\"1\",\"protocol\":1,\
    \"user\":\"bench\",\"pass\":\"secret\"}\r\n";

/// A payload with more is garbage: the server's own bound.
const PAYLOAD_LEN_MAX: usize = 1 << 20;

/// Something a server said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Word<'a> {
    /// About itself.
    Info,
    /// "Are you there?"
    Ping,
    /// "I am here", and have read all before your question.
    Pong,
    /// A message.
    Message {
        /// The number of the subscription.
        subscription: &'a [u8],
        /// Where an answer goes, or nothing.
        reply: &'a [u8],
        /// What it carries.
        payload: &'a [u8],
    },
}

/// The word at the beginning of `input`, and the bytes that it takes, when it is whole.
///
/// # Errors
/// [`AdapterError`]: the server refused something, or does not speak NATS.
pub fn word(input: &[u8]) -> Result<Option<(Word<'_>, usize)>, AdapterError> {
    let Some((line, len)) = line(input) else {
        return Ok(None);
    };
    if let Some(what) = line.strip_prefix(b"MSG ") {
        return message(what, input, len);
    }
    match line {
        b"PING" => Ok(Some((Word::Ping, len))),
        b"PONG" => Ok(Some((Word::Pong, len))),
        _ if line.starts_with(b"INFO ") => Ok(Some((Word::Info, len))),
        _ if line.starts_with(b"-ERR") => Err(AdapterError::Refused(beginning(line))),
        _ => Err(unexpected(line)),
    }
}

/// `MSG SUBJECT SUBSCRIPTION [REPLY] LENGTH`, a line, then the payload, and the end of a line.
fn message<'a>(
    what: &'a [u8],
    input: &'a [u8],
    head_len: usize,
) -> Result<Option<(Word<'a>, usize)>, AdapterError> {
    let mut words = what.split(|byte| *byte == b' ');
    let (_, Some(subscription), Some(third)) = (words.next(), words.next(), words.next()) else {
        return Err(unexpected(what));
    };
    let (reply, len) = words.next().map_or((&b""[..], third), |len| (third, len));
    let len = decimal(len).filter(|len| *len <= PAYLOAD_LEN_MAX);
    let len = len.ok_or_else(|| unexpected(what))?;
    let Some(rest) = input.get(head_len..head_len + len + 2) else {
        return Ok(None);
    };
    let payload = rest.strip_suffix(b"\r\n").ok_or_else(|| unexpected(what))?;
    Ok(Some((Word::Message { subscription, reply, payload }, head_len + len + 2)))
}

fn decimal(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// What is not NATS.
pub fn unexpected(said: &[u8]) -> AdapterError {
    AdapterError::Unexpected { protocol: "NATS", said: beginning(said) }
}

/// Appends `PUB`.
pub fn publish(subject: std::fmt::Arguments<'_>, payload: &[u8], out: &mut Vec<u8>) {
    write!(out, "PUB {subject} {}\r\n", payload.len()).expect("a vector takes all");
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\r\n");
}

/// A user of NATS core.
#[derive(Debug)]
pub struct Nats {
    user: u32,
    is_ready: bool,
}

impl Nats {
    /// The connection of a user.
    #[must_use]
    pub fn new(user: u32) -> Self {
        Self { user, is_ready: false }
    }
}

impl Adapter for Nats {
    /// The answer to `PING` says that the subscription stands.
    fn begin(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(HELLO.as_bytes());
        write!(out, "SUB u.{} 1\r\nPING\r\n", self.user).expect("a vector takes all");
    }

    fn receive(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> Result<usize, AdapterError> {
        let mut read = 0;
        while let Some((word, len)) = word(&input[read..])? {
            read += len;
            match word {
                Word::Info => {}
                Word::Ping => out.extend_from_slice(b"PONG\r\n"),
                Word::Pong if self.is_ready => tell(Event::Joined),
                Word::Pong => {
                    self.is_ready = true;
                    tell(Event::Ready);
                }
                Word::Message { payload, .. } => tell(Event::Delivered(payload)),
            }
        }
        Ok(read)
    }

    fn join(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"SUB g 2\r\nPING\r\n");
    }

    fn post(&mut self, to: To, text: &[u8], out: &mut Vec<u8>) {
        match to {
            To::User(user) => publish(format_args!("u.{user}"), text, out),
            To::Group => publish(format_args!("g"), text, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::adapter::testing::{heard_however_cut, withstands};

    const STORY: &[u8] = b"INFO {\"a\":1}\r\nPONG\r\nPING\r\nMSG u.7 1 3\r\none\r\nPONG\r\n\
        MSG g 2 answer.here 5\r\ntw\r\no\r\n";

    #[test]
    fn words_are_found_wherever_they_are_cut() {
        let heard = heard_however_cut(|| Nats::new(7), STORY);
        assert_eq!(heard.told, ["ready", "delivered one", "joined", "delivered tw\r\no"]);
        assert_eq!(heard.out, b"PONG\r\n");
    }

    #[test]
    fn garbage_and_refusals_are_errors() {
        let bad: [&[u8]; 5] = [
            b"-ERR 'Authorization Violation'\r\n",
            b"HELLO\r\n",
            b"MSG u.7 1\r\n",
            b"MSG u.7 1 99999999999\r\n",
            b"MSG u.7 1 1\r\none\r\n",
        ];
        withstands(|| Nats::new(7), STORY, &bad);
    }

    #[test]
    fn a_post_names_its_length() {
        let mut out = Vec::new();
        Nats::new(7).post(To::User(8), b"one", &mut out);
        assert_eq!(out, b"PUB u.8 3\r\none\r\n");
    }
}
