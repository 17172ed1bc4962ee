//! What the user types, on a thread of its own: with line editing on a terminal, else plain lines.

use std::io::{BufRead, IsTerminal, Write, stdin, stdout};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use rustyline::error::ReadlineError;
use rustyline::{Config, DefaultEditor};
use zeroize::Zeroizing;

use super::dialogue::Prompt;
use super::printer::Printer;
use crate::commands::password::{self, Kind};
use crate::core::Password;
use crate::failure::Failure;
use crate::shell::Wake;

/// What came from the user.
#[derive(Debug)]
pub(super) enum Typed {
    /// A line.
    Line(String),
    /// A password, or why there is none.
    Secret(Result<Password, Failure>),
    /// The interrupt key: leave this place.
    Cancelled,
    /// There will be no more.
    Ended,
}

/// Asks, one question at a time.
#[derive(Debug)]
pub(super) struct Input {
    questions: Sender<Prompt>,
    answers: Receiver<Typed>,
}

impl Input {
    /// Starts the thread; `wake` is called for each answer. Lines for the screen go through the
    /// printer, which does not destroy the line being typed.
    pub(super) fn start(wake: Wake) -> Result<(Self, Printer), Failure> {
        let (questions, asked) = channel();
        let (typed, answers) = channel();
        let is_terminal = stdin().is_terminal() && stdout().is_terminal();
        let (mut reader, printer) = match is_terminal {
            true => edited()?,
            false => (Reader::Plain, Printer::plain()?),
        };
        thread::Builder::new()
            .name("input".to_owned())
            .spawn(move || serve(&mut reader, &asked, &typed, &wake))
            .map_err(|error| Failure::unexpected(format!("no thread: {error}")))?;
        Ok((Self { questions, answers }, printer))
    }

    /// Asks; the answer comes through [`Self::next`].
    pub(super) fn ask(&self, prompt: Prompt) -> Result<(), Failure> {
        self.questions.send(prompt).map_err(|_| Failure::unexpected("the input thread has ended"))
    }

    /// The answer, if it has come.
    pub(super) fn next(&self) -> Option<Typed> {
        self.answers.try_recv().ok()
    }
}

enum Reader {
    Edited(Box<DefaultEditor>),
    Plain,
}

fn edited() -> Result<(Reader, Printer), Failure> {
    let broken = |error: ReadlineError| Failure::unexpected(format!("the terminal: {error}"));
    let config = Config::builder().auto_add_history(true).build();
    let mut editor = DefaultEditor::with_config(config).map_err(broken)?;
    // A terminal without cursor movement has none; then lines are simply printed.
    let printer = match editor.create_external_printer() {
        Ok(external) => Printer::external(external)?,
        Err(_) => Printer::plain()?,
    };
    Ok((Reader::Edited(Box::new(editor)), printer))
}

fn serve(reader: &mut Reader, asked: &Receiver<Prompt>, typed: &Sender<Typed>, wake: &Wake) {
    while let Ok(prompt) = asked.recv() {
        let answer = match prompt {
            Prompt::Line(words) => reader.line(&words),
            Prompt::Secret(words, kind) => reader.secret(&words, kind),
            Prompt::Nothing => continue,
        };
        let is_last = matches!(answer, Typed::Ended);
        if typed.send(answer).is_err() {
            return;
        }
        wake();
        if is_last {
            return;
        }
    }
}

impl Reader {
    fn line(&mut self, words: &str) -> Typed {
        match self {
            Self::Plain => plain_line(words).map_or(Typed::Ended, Typed::Line),
            Self::Edited(editor) => match editor.readline(words) {
                Ok(line) => Typed::Line(line),
                Err(ReadlineError::Interrupted) => Typed::Cancelled,
                Err(_) => Typed::Ended,
            },
        }
    }

    fn secret(&mut self, words: &str, kind: Kind) -> Typed {
        match self {
            Self::Plain => plain_line(words).map_or(Typed::Ended, |line| {
                Typed::Secret(password::check(Zeroizing::new(line.into_bytes()), kind))
            }),
            Self::Edited(_) => match password::prompt_or_cancel(words, kind).transpose() {
                Some(typed) => Typed::Secret(typed),
                None => Typed::Cancelled,
            },
        }
    }
}

fn plain_line(words: &str) -> Option<String> {
    let mut out = stdout().lock();
    if write!(out, "{words}").and_then(|()| out.flush()).is_err() {
        return None;
    }
    drop(out);
    let mut line = String::new();
    match stdin().lock().read_line(&mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(line.trim_end_matches(['\r', '\n']).to_owned()),
    }
}
