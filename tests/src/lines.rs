//! Lines of a running program, with a deadline for each wait.

use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;

use crate::DEADLINE;

/// The lines a program has printed so far, and those still to come.
#[derive(Debug)]
pub struct Lines {
    receiver: Receiver<String>,
    past: Vec<String>,
}

impl Lines {
    /// Begins to read `source` in the background, until it ends.
    #[must_use]
    pub fn of(source: impl Read + Send + 'static) -> Self {
        let (sender, receiver) = channel();
        thread::spawn(move || {
            for line in BufReader::new(source).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { receiver, past: Vec::new() }
    }

    /// Waits for the end, and returns all lines.
    ///
    /// # Panics
    /// When the end does not come before the deadline.
    #[allow(clippy::disallowed_methods)] // a test's deadline is real time
    pub fn all(&mut self) -> &[String] {
        let until = Instant::now() + DEADLINE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.receiver.recv_timeout(left) {
                Ok(line) => self.past.push(line),
                Err(RecvTimeoutError::Disconnected) => return &self.past,
                Err(RecvTimeoutError::Timeout) => panic!("no end; the lines: {:#?}", self.past),
            }
        }
    }

    /// Waits for the next line that contains `part`, and returns it.
    ///
    /// # Panics
    /// When none comes before the end or the deadline; what came instead is shown.
    #[allow(clippy::disallowed_methods)] // a test's deadline is real time
    pub fn wait_for(&mut self, part: &str) -> String {
        let until = Instant::now() + DEADLINE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(line) = self.receiver.recv_timeout(left) else {
                panic!("no line with {part:?}; the lines were {:#?}", self.past)
            };
            self.past.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
    }
}
