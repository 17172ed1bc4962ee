//! The texts of a chaos run: each says who wrote it, where, the how manieth of these it is, and
//! when that was.

use std::fmt;
use std::str::FromStr;

use wire::{LogId, Name, Wall};

/// What one post says, and no other.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Text {
    /// Who wrote it.
    pub sender: Name,
    /// To which log.
    pub log: LogId,
    /// Counted from 1 for each sender and log.
    pub number: u64,
    /// When it was written, by the clock of the machine on which all of them run.
    pub at: Wall,
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sender, log, number, at } = self;
        write!(f, "{number} by {sender} to {log} at {}", at.0)
    }
}

/// It is no text of a chaos run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotOurs;

impl FromStr for Text {
    type Err = NotOurs;

    fn from_str(text: &str) -> Result<Self, NotOurs> {
        let words: Vec<&str> = text.split(' ').collect();
        let [number, "by", sender, "to", log, "at", at] = words.as_slice() else {
            return Err(NotOurs);
        };
        Ok(Self {
            sender: sender.parse().map_err(|_| NotOurs)?,
            log: log_id(log).ok_or(NotOurs)?,
            number: number.parse().map_err(|_| NotOurs)?,
            at: at.parse().map(Wall).map_err(|_| NotOurs)?,
        })
    }
}

/// A log as it is written: `@alice` or `#rust`.
#[must_use]
pub fn log_id(text: &str) -> Option<LogId> {
    let name = |name: &str| name.parse().ok();
    match text.strip_prefix('#') {
        Some(group) => name(group).map(LogId::group),
        None => name(text.strip_prefix('@')?).map(LogId::mailbox),
    }
}

#[cfg(test)]
mod tests {
    use wire::Wall;

    use super::{Text, log_id};

    #[test]
    fn what_is_written_is_read() {
        for log in ["@bob", "#rust"] {
            let log = log_id(log).expect("a log");
            let sender = "alice".parse().expect("a name");
            let text = Text { sender, log, number: 7, at: Wall(8) };
            assert_eq!(text.to_string().parse(), Ok(text));
        }
        for other in [
            "",
            "7 by alice to bob at 8",
            "x by alice to @bob at 8",
            "7 by alice to @bob",
            "alice has joined",
        ] {
            assert!(other.parse::<Text>().is_err(), "{other}");
        }
    }
}
