//! People with programs of their own: `fastchat recv` all the time, `fastchat send` again and
//! again, both killed now and then. What the programs print is what the people see.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use wire::net::Clock;
use wire::{LogId, Seq};

use super::journal::{Show, numbered};
use super::process::{Process, output};
use super::text::{Text, log_id};
use crate::person::Person;

/// Texts of one `fastchat send`.
const BATCH: u64 = 20;

/// A person and two programs.
#[derive(Debug)]
pub struct Human {
    /// The person and the machine.
    pub person: Person,
    /// `fastchat recv`.
    pub reader: Process,
    /// `fastchat send`.
    pub writer: Process,
    folder: PathBuf,
    logs: Vec<LogId>,
    numbers: BTreeMap<LogId, u64>,
    /// What each `fastchat send` was given.
    batches: Vec<Vec<Text>>,
}

impl Human {
    /// A person who writes to these logs, and whose programs print to files in `folder`.
    #[must_use]
    pub fn new(person: Person, folder: &Path, logs: Vec<LogId>) -> Self {
        Self {
            reader: Process::new(format!("{}'s recv", person.name)),
            writer: Process::new(format!("{}'s send", person.name)),
            folder: folder.to_owned(),
            person,
            logs,
            numbers: BTreeMap::new(),
            batches: Vec::new(),
        }
    }

    /// The same at another machine, which has a copy of all files of this one's.
    #[must_use]
    pub fn moved(&self, person: Person, folder: &Path) -> Self {
        let mut moved = Self::new(person, folder, self.logs.clone());
        moved.reader.lives = self.reader.lives;
        (moved.numbers, moved.batches) = (self.numbers.clone(), self.batches.clone());
        moved
    }

    /// Begins to read, or goes on with it.
    ///
    /// # Panics
    /// When the folder cannot be written, or the program not be started.
    pub fn read(&mut self) {
        let arguments = ["recv", "--json", "--wait", "7200", "--count", "1000000000"];
        let mut command = self.person.command(&arguments);
        let out = output(&self.shown_path(self.reader.lives)).expect("the folder can be written");
        let talk = output(&self.folder.join("recv.err")).expect("the folder can be written");
        command.stdin(Stdio::null()).stdout(out).stderr(talk);
        self.reader.start(command);
    }

    /// Sends some more texts.
    ///
    /// # Panics
    /// When the folder cannot be written, or the program not be started.
    pub fn write(&mut self) {
        let texts: Vec<Text> = (0..BATCH).map(|_| self.text()).collect();
        let line = |text: &Text| {
            let to = text.log.to_string();
            let object = json!({ "to": to.trim_start_matches('@'), "text": text.to_string() });
            format!("{object}\n")
        };
        let input: String = texts.iter().map(line).collect();
        let batch = self.batches.len();
        let path = self.folder.join(format!("send-{batch}.in"));
        fs::write(&path, input).expect("the folder can be written");
        self.batches.push(texts);
        let mut command = self.person.command(&["send", "--json-stdin", "--json", "--wait", "120"]);
        let input = fs::File::open(&path).expect("it was just written");
        let out = output(&self.told_path(batch)).expect("the folder can be written");
        let talk = output(&self.folder.join("send.err")).expect("the folder can be written");
        command.stdin(input).stdout(out).stderr(talk);
        self.writer.start(command);
    }

    fn text(&mut self) -> Text {
        let written: u64 = self.numbers.values().sum();
        let turn = usize::try_from(written).expect("few") % self.logs.len();
        let log = self.logs[turn];
        let number = self.numbers.entry(log).or_default();
        *number += 1;
        let sender = self.person.name.parse().expect("people have names");
        Text { sender, log, number: *number, at: Clock::new().wall() }
    }

    /// The texts that `fastchat send` called accepted.
    ///
    /// # Panics
    /// When it printed something else.
    #[must_use]
    pub fn accepted(&self) -> Vec<Text> {
        let mut accepted = Vec::new();
        for (batch, texts) in self.batches.iter().enumerate() {
            for object in objects(&self.told_path(batch)) {
                assert_eq!(object["status"], "accepted", "{object}");
                let line = object["line"].as_u64().expect("it names its line");
                let index = usize::try_from(line).expect("few") - 1;
                accepted.push(texts[index]);
            }
        }
        accepted
    }

    /// What each `fastchat recv` has shown.
    ///
    /// # Panics
    /// When it printed something else.
    #[must_use]
    pub fn shown(&self) -> Vec<Vec<Show>> {
        let lives = 0..self.reader.lives;
        let shows = |life| objects(&self.shown_path(life)).iter().filter_map(show).collect();
        lives.map(shows).collect()
    }

    fn shown_path(&self, life: u32) -> PathBuf {
        self.folder.join(format!("recv-{life}.out"))
    }

    fn told_path(&self, batch: usize) -> PathBuf {
        self.folder.join(format!("send-{batch}.out"))
    }
}

/// The whole lines of a program's output; a line that a kill tore was not printed.
fn objects(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("a started program has its output");
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let parse = |line| serde_json::from_str(line).expect("each line is JSON");
    whole.lines().map(parse).collect()
}

/// A message; nothing when the line tells of something that is missing, or a warning.
fn show(object: &Value) -> Option<Show> {
    let text = |key: &str| object[key].as_str();
    let number = object["number"].as_u64()?;
    let said = text("text").unwrap_or_default();
    let other = || format!("{}: {said}", text("kind").unwrap_or_default());
    Some(Show {
        id: None,
        log: log_id(text("log")?)?,
        seq: Seq(object["seq"].as_u64()?),
        sender: text("from")?.parse().ok()?,
        number: numbered(number)?,
        at: None,
        said: match text("kind")? {
            "text" => said.parse().map_err(|_| other()),
            _ => Err(other()),
        },
    })
}
