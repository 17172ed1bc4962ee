//! A terminal with a program in it: type a line, wait for a text.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;

use portable_pty::{Child, CommandBuilder, PtySize, native_pty_system};

use crate::DEADLINE;

/// Columns of a test's terminal.
const COLUMNS: NonZeroU16 = NonZeroU16::new(100).expect("it is not 0");
/// Rows of a test's terminal: enough that nothing scrolls away.
const ROWS: NonZeroU16 = NonZeroU16::new(300).expect("it is not 0");

/// A pseudo-terminal and what the program has shown in it.
pub struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    keyboard: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    /// What was shown, in the order in which it came, without escape sequences.
    stream: String,
    read_to: usize,
    screen: vt100::Parser,
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terminal").field("screen", &self.rows()).finish_non_exhaustive()
    }
}

impl Terminal {
    /// Starts `command` in a new terminal.
    ///
    /// # Panics
    /// When the system has no pseudo-terminal left.
    #[must_use]
    pub fn open(command: &Command) -> Self {
        let size =
            PtySize { rows: ROWS.get(), cols: COLUMNS.get(), pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo-terminal can be opened");
        let child = pair.slave.spawn_command(builder(command)).expect("the program starts");
        let mut reader = pair.master.try_clone_reader().expect("a terminal can be read");
        let keyboard = pair.master.take_writer().expect("a terminal can be written");
        let (sender, output) = channel();
        thread::spawn(move || {
            let _master = pair.master;
            let mut buffer = [0; 4096];
            while let Ok(len @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..len].to_vec()).is_err() {
                    return;
                }
            }
        });
        let screen = vt100::Parser::new(ROWS, COLUMNS, 0);
        Self { child, keyboard, output, stream: String::new(), read_to: 0, screen }
    }

    /// Waits until `text` has appeared after what was waited for last; returns what lay between.
    ///
    /// # Panics
    /// When it does not appear before the deadline; the screen is shown.
    #[allow(clippy::disallowed_methods)] // a test's deadline is real time
    pub fn expect(&mut self, text: &str) -> String {
        let until = Instant::now() + DEADLINE;
        loop {
            let unread = self.stream.get(self.read_to..).expect("read_to ends a match");
            if let Some(at) = unread.find(text) {
                let between = unread.get(..at).expect("find returns a boundary").to_owned();
                self.read_to += at + text.len();
                return between;
            }
            let left = until.saturating_duration_since(Instant::now());
            let Ok(bytes) = self.output.recv_timeout(left) else {
                panic!("{text:?} did not appear; the screen is\n{}", self.rows().join("\n"))
            };
            self.screen.process(&bytes);
            self.stream.push_str(&plain(&String::from_utf8_lossy(&bytes)));
        }
    }

    /// The screen as a person sees it, as far as `expect` has read: rows without trailing blanks.
    #[must_use]
    pub fn rows(&self) -> Vec<String> {
        let mut rows: Vec<String> = self.screen.screen().rows(0, COLUMNS.get()).collect();
        while rows.pop_if(|row| row.is_empty()).is_some() {}
        rows
    }

    /// The rows with their colours, as a terminal takes them.
    #[must_use]
    pub fn coloured_rows(&self) -> Vec<String> {
        let rows = self.screen.screen().rows_formatted(0, COLUMNS.get());
        let coloured = |row: String| format!("{row}\u{1b}[m");
        rows.take(self.rows().len()).map(coloured).collect()
    }

    /// Waits for the program's end; its screen stays.
    ///
    /// # Panics
    /// When the program does not end before the deadline.
    pub fn finish(&mut self) {
        loop {
            match self.output.recv_timeout(DEADLINE) {
                Ok(bytes) => self.screen.process(&bytes),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => panic!("no end; {}", self.rows().join("\n")),
            }
        }
    }

    /// Types `text` without the enter key.
    ///
    /// # Panics
    /// When the program has closed its terminal.
    pub fn type_text(&mut self, text: &str) {
        let typed = self.keyboard.write_all(text.as_bytes()).and_then(|()| self.keyboard.flush());
        typed.expect("the program reads its terminal");
    }

    /// Types `line` and the enter key.
    pub fn type_line(&mut self, line: &str) {
        self.type_text(line);
        self.type_text("\r");
    }

    /// Waits for the program's end and returns its exit code.
    ///
    /// # Panics
    /// When the program does not end before the deadline.
    pub fn end(mut self) -> u32 {
        self.finish();
        self.child.wait().expect("the program has ended").exit_code()
    }
}

impl Drop for Terminal {
    /// Closes the terminal on its program.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None))
            && let Err(error) = self.child.kill().and_then(|()| self.child.wait().map(drop))
        {
            eprintln!("the program in the terminal does not end: {error}");
        }
    }
}

fn builder(command: &Command) -> CommandBuilder {
    let mut builder = CommandBuilder::new(command.get_program());
    builder.env_clear();
    builder.args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            builder.env(name, value);
        }
    }
    builder.env("TERM", "xterm");
    builder
}

/// The text without escape sequences (ECMA-48) and carriage returns.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' if chars.next_if_eq(&'[').is_some() => {
                while chars.next().is_some_and(|c| !('@'..='~').contains(&c)) {}
            }
            '\u{1b}' => {
                chars.next();
            }
            '\r' => {}
            c => out.push(c),
        }
    }
    out
}
