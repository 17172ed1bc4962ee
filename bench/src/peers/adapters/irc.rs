//! IRC, as InspIRCd and ngIRCd speak it. Nothing is acknowledged, and nobody hears what was said
//! while they were away.

use std::io::Write;

use crate::peers::adapter::{Adapter, AdapterError, Event, To, beginning, line};

/// A line with more is garbage: servers send at most 512 bytes, and may add tags.
const LINE_LEN_MAX: usize = 8_192;

/// A user of an IRC server.
#[derive(Debug)]
pub struct Irc {
    user: u32,
    is_ready: bool,
}

/// A line without its source: the command, its first parameters, and the last one.
struct Line<'a> {
    command: &'a [u8],
    trailing: &'a [u8],
}

impl Irc {
    /// The connection of a user.
    #[must_use]
    pub fn new(user: u32) -> Self {
        Self { user, is_ready: false }
    }

    fn heed(
        &mut self,
        line: &[u8],
        out: &mut Vec<u8>,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), AdapterError> {
        let parsed = Line::parse(line).ok_or_else(|| unexpected(line))?;
        match parsed.command {
            b"PRIVMSG" => tell(Event::Delivered(parsed.trailing)),
            b"PING" => {
                out.extend_from_slice(b"PONG :");
                out.extend_from_slice(parsed.trailing);
                out.extend_from_slice(b"\r\n");
            }
            // The end of the message of the day, or that there is none, ends signing in.
            b"376" | b"422" if !self.is_ready => {
                self.is_ready = true;
                tell(Event::Ready);
            }
            b"366" => tell(Event::Joined),
            b"ERROR" => return Err(AdapterError::Refused(beginning(line))),
            [b'4' | b'5', _, _] => return Err(AdapterError::Refused(beginning(line))),
            command if command.iter().all(u8::is_ascii_alphanumeric) => {}
            _ => return Err(unexpected(line)),
        }
        Ok(())
    }
}

impl<'a> Line<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let rest = match line.strip_prefix(b":") {
            Some(sourced) => split_at_space(sourced)?.1,
            None => line,
        };
        let (command, parameters) = split_at_space(rest).unwrap_or((rest, b""));
        let marked = parameters.windows(2).position(|two| two == b" :").map(|at| at + 2);
        let starts = parameters.starts_with(b":").then_some(1);
        let last = parameters.iter().rposition(|byte| *byte == b' ').map(|at| at + 1);
        let at = starts.or(marked).or(last).unwrap_or(0);
        (!command.is_empty()).then_some(Self { command, trailing: &parameters[at..] })
    }
}

fn split_at_space(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == b' ')?;
    Some((&text[..at], &text[at + 1..]))
}

fn unexpected(said: &[u8]) -> AdapterError {
    AdapterError::Unexpected { protocol: "IRC", said: beginning(said) }
}

impl Adapter for Irc {
    fn begin(&mut self, out: &mut Vec<u8>) {
        let name = format!("u{}", self.user);
        write!(out, "PASS secret\r\nNICK {name}\r\nUSER {name} 0 * :{name}\r\n")
            .expect("a vector takes all");
    }

    fn receive(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> Result<usize, AdapterError> {
        let mut read = 0;
        while let Some((line, len)) = line(&input[read..]) {
            read += len;
            self.heed(line, out, tell)?;
        }
        match input.len() - read > LINE_LEN_MAX {
            true => Err(unexpected(&input[read..])),
            false => Ok(read),
        }
    }

    fn join(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"JOIN #g\r\n");
    }

    fn post(&mut self, to: To, text: &[u8], out: &mut Vec<u8>) {
        match to {
            To::User(user) => write!(out, "PRIVMSG u{user} :").expect("a vector takes all"),
            To::Group => out.extend_from_slice(b"PRIVMSG #g :"),
        }
        out.extend_from_slice(text);
        out.extend_from_slice(b"\r\n");
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"QUIT\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::adapter::testing::{heard_however_cut, withstands};

    const STORY: &[u8] = b":irc.bench 001 u7 :Welcome\r\n:irc.bench 376 u7 :End\r\nPING :a b\r\n\
        PING c\r\n:u8!~u8@host PRIVMSG u7 :one :two\r\n:u7!u7@host JOIN :#g\r\n\
        :irc.bench 366 u7 #g :End of /NAMES list.\r\n";

    #[test]
    fn lines_are_found_wherever_they_are_cut() {
        let heard = heard_however_cut(|| Irc::new(7), STORY);
        assert_eq!(heard.told, ["ready", "delivered one :two", "joined"]);
        assert_eq!(heard.out, b"PONG :a b\r\nPONG :c\r\n");
    }

    #[test]
    fn garbage_and_refusals_are_errors() {
        let bad: [&[u8]; 5] = [
            b"ERROR :Closing link\r\n",
            b":irc.bench 433 * u7 :Nickname is already in use\r\n",
            b":only-a-source\r\n",
            b"\xff\xfe\r\n",
            &[b'x'; LINE_LEN_MAX + 1],
        ];
        withstands(|| Irc::new(7), STORY, &bad);
    }
}
