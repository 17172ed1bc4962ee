//! Lines for the screen, while the user may be typing. On a thread of its own, because the line
//! editor takes a line only while it edits.

use std::io::{Write, stdout};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use rustyline::ExternalPrinter;

use crate::failure::Failure;

/// How long the last lines may take.
const FAREWELL_TIME_MAX: Duration = Duration::from_millis(500);
/// How long the screen may take.
const FLUSH_TIME_MAX: Duration = Duration::from_secs(5);

enum Line {
    Text(String),
    /// Everything before this is out: tell it.
    Mark(Sender<()>),
}

/// Shows lines, in order.
#[derive(Debug)]
pub(super) struct Printer {
    lines: Option<Sender<Line>>,
    ended: Receiver<()>,
}

impl Printer {
    /// Writes straight to standard output.
    pub(super) fn plain() -> Result<Self, Failure> {
        Self::start(|line| {
            let mut out = stdout().lock();
            out.write_all(line.as_bytes()).and_then(|()| out.flush()).is_ok()
        })
    }

    /// Goes through the line editor, which draws the line being typed again below.
    pub(super) fn external(
        mut printer: impl ExternalPrinter + Send + 'static,
    ) -> Result<Self, Failure> {
        Self::start(move |line| printer.print(line).is_ok())
    }

    /// Shows one line, or several.
    pub(super) fn print(&self, text: &str) {
        if let Some(lines) = &self.lines
            && lines.send(Line::Text(format!("{text}\n"))).is_err()
        {
            tracing::debug!("nobody can see the screen any more");
        }
    }

    /// Whether everything printed so far is out, after waiting for it.
    pub(super) fn is_flushed(&self) -> bool {
        let (told, out) = channel();
        let asked = self.lines.as_ref().is_some_and(|l| l.send(Line::Mark(told)).is_ok());
        asked && out.recv_timeout(FLUSH_TIME_MAX).is_ok()
    }

    fn start(mut show: impl FnMut(String) -> bool + Send + 'static) -> Result<Self, Failure> {
        let (lines, waiting) = channel::<Line>();
        let (ending, ended) = channel();
        thread::Builder::new()
            .name("printer".to_owned())
            .spawn(move || {
                while let Ok(line) = waiting.recv() {
                    let is_well = match line {
                        Line::Text(text) => show(text),
                        Line::Mark(told) => told.send(()).is_ok(),
                    };
                    if !is_well {
                        break;
                    }
                }
                if ending.send(()).is_err() {
                    tracing::debug!("nobody waits for the last line");
                }
            })
            .map_err(|error| Failure::unexpected(format!("no thread: {error}")))?;
        Ok(Self { lines: Some(lines), ended })
    }
}

/// Waits until the last line is out.
impl Drop for Printer {
    fn drop(&mut self) {
        self.lines = None;
        if let Err(error) = self.ended.recv_timeout(FAREWELL_TIME_MAX) {
            tracing::debug!(%error, "the last lines are not out");
        }
    }
}
