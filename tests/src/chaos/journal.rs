//! What one client's person has seen, line by line, in a file that outlives the client's process:
//! what was given to the system by one `write` stays when the process is killed.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::str::FromStr;

use wire::{LogId, Name, Number, Seq, Wall};

use super::text::{Text, log_id};

/// A message as it was shown.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Show {
    /// Its place in the reader's store, where that is known.
    pub id: Option<i64>,
    /// The log it came from.
    pub log: LogId,
    /// Its place there.
    pub seq: Seq,
    /// Who sent it.
    pub sender: Name,
    /// Its number.
    pub number: Number,
    /// When it was shown, where that is known.
    pub at: Option<Wall>,
    /// What it says; or what is said in its place.
    pub said: Result<Text, String>,
}

/// What became of a post, as its sender was told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// It is safe.
    Accepted,
    /// It was not stored, or not sent; and why.
    Rejected(String),
}

/// One line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Line {
    /// A process begins.
    Began,
    /// A text is in the outbox, in this place.
    Wrote(i64, Text),
    /// Its sender was told what became of it.
    Told(i64, Text, Answer),
    /// A message was shown.
    Shown(Show),
    /// Nothing waits to be sent or shown.
    Idle,
}

/// A file of lines, of which one process at a time writes more.
#[derive(Debug)]
pub struct Journal(File);

impl Journal {
    /// Opens it at its end.
    ///
    /// # Errors
    /// The file system's own.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(OpenOptions::new().create(true).append(true).open(path)?))
    }

    /// Adds lines, all at once.
    ///
    /// # Errors
    /// The file system's own.
    pub fn add(&mut self, lines: &[Line]) -> io::Result<()> {
        let mut text = String::new();
        lines.iter().for_each(|line| line.put(&mut text));
        if text.is_empty() { Ok(()) } else { self.0.write_all(text.as_bytes()) }
    }
}

/// The whole lines of a journal so far.
///
/// # Panics
/// When the file cannot be read, or holds something else.
#[must_use]
pub fn read(path: &Path) -> Vec<Line> {
    let bytes = std::fs::read(path).expect("a journal can be read");
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let text = std::str::from_utf8(&bytes[..end]).expect("a journal is text");
    let parse = |line: &str| line.parse().unwrap_or_else(|()| panic!("{}: {line}", path.display()));
    text.lines().map(parse).collect()
}

impl Line {
    fn put(&self, out: &mut String) {
        let written = match self {
            Self::Began => writeln!(out, "began"),
            Self::Wrote(id, text) => writeln!(out, "wrote\t{id}\t{text}"),
            Self::Told(id, text, Answer::Accepted) => writeln!(out, "accepted\t{id}\t{text}"),
            Self::Told(id, text, Answer::Rejected(why)) => {
                writeln!(out, "rejected\t{id}\t{text}\t{}", one_line(why))
            }
            Self::Shown(show) => {
                let Show { id, log, seq, sender, number, at, said } = show;
                let (id, seq, number) = (id.unwrap_or(0), seq.0, number.value());
                let at = at.map_or(0, |at| at.0);
                let place = format!("{id}\t{log}\t{seq}\t{sender}\t{number}\t{at}");
                match said {
                    Ok(text) => writeln!(out, "shown\t{place}\t{text}"),
                    Err(said) => writeln!(out, "shows\t{place}\t{}", one_line(said)),
                }
            }
            Self::Idle => writeln!(out, "idle"),
        };
        written.expect("a string takes everything");
    }
}

fn one_line(text: &str) -> String {
    text.replace(['\t', '\n', '\r'], " ")
}

impl FromStr for Line {
    type Err = ();

    fn from_str(line: &str) -> Result<Self, ()> {
        let words: Vec<&str> = line.split('\t').collect();
        let text = |word: &str| word.parse().map_err(|_| ());
        let id = |word: &str| word.parse().map_err(|_| ());
        Ok(match words.as_slice() {
            ["began"] => Self::Began,
            ["idle"] => Self::Idle,
            ["wrote", at, said] => Self::Wrote(id(at)?, text(said)?),
            ["accepted", at, said] => Self::Told(id(at)?, text(said)?, Answer::Accepted),
            ["rejected", at, said, why] => {
                Self::Told(id(at)?, text(said)?, Answer::Rejected((*why).to_owned()))
            }
            [kind @ ("shown" | "shows"), place, log, seq, sender, number, at, said] => {
                let number: u64 = number.parse().map_err(|_| ())?;
                Self::Shown(Show {
                    id: Some(id(place)?),
                    log: log_id(log).ok_or(())?,
                    seq: Seq(seq.parse().map_err(|_| ())?),
                    sender: sender.parse().map_err(|_| ())?,
                    number: numbered(number).ok_or(())?,
                    at: Some(Wall(at.parse().map_err(|_| ())?)),
                    said: if *kind == "shown" { Ok(text(said)?) } else { Err((*said).to_owned()) },
                })
            }
            _ => return Err(()),
        })
    }
}

/// A post's number; 0 is a statement's.
#[must_use]
pub fn numbered(number: u64) -> Option<Number> {
    if number == 0 { Some(Number::NONE) } else { Number::new(number) }
}

#[cfg(test)]
mod tests {
    use wire::{Number, Seq, Wall};

    use super::{Answer, Journal, Line, Show, log_id, numbered, read};
    use crate::chaos::text::Text;

    #[test]
    fn what_was_written_is_read_without_a_torn_line() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("journal");
        let sender = "alice".parse().expect("a name");
        let log = log_id("#rust").expect("a log");
        let text = Text { sender, log, number: 3, at: Wall(2) };
        let show = |said| {
            let number = numbered(9).expect("a number");
            let at = Some(Wall(6));
            Line::Shown(Show { id: Some(4), log, seq: Seq(5), sender, number, at, said })
        };
        let lines = [
            Line::Began,
            Line::Wrote(1, text),
            Line::Told(1, text, Answer::Accepted),
            Line::Told(1, text, Answer::Rejected("mailbox\tfull".to_owned())),
            show(Ok(text)),
            show(Err("cannot be\nopened".to_owned())),
            Line::Idle,
        ];
        Journal::open(&path).expect("opens").add(&lines).expect("writes");
        let mut torn = std::fs::read(&path).expect("reads");
        torn.extend_from_slice(b"accepted\t1");
        std::fs::write(&path, torn).expect("writes");
        let mut expected = lines.to_vec();
        expected[3] = Line::Told(1, text, Answer::Rejected("mailbox full".to_owned()));
        expected[5] = show(Err("cannot be opened".to_owned()));
        assert_eq!(read(&path), expected);
        assert_eq!(numbered(0), Some(Number::NONE));
    }
}
