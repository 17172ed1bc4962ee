//! Tells a story in the terminal: chapters, commands with their answers, screens.

use std::io::{IsTerminal, stdout};

use crate::person::Person;
use crate::programs::Finished;
use crate::terminal::Terminal;

/// Prints what happens; colour only on a terminal.
#[derive(Debug)]
pub struct Story {
    colour: bool,
    chapters: u32,
}

impl Default for Story {
    fn default() -> Self {
        let colour = stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { colour, chapters: 0 }
    }
}

impl Story {
    /// Begins a chapter.
    pub fn chapter(&mut self, title: &str) {
        self.chapters += 1;
        let line = format!("{}. {title}", self.chapters);
        println!("\n{}", self.paint("1", &line));
    }

    /// Says something between the lines.
    pub fn say(&self, text: &str) {
        println!("   {}", self.paint("2", text));
    }

    /// Runs a command, shows it with its answer, and expects this exit code.
    ///
    /// # Panics
    /// When it ends otherwise.
    pub fn run(&self, person: &Person, machine: &str, arguments: &[&str], code: i32) -> Finished {
        let quoted: Vec<String> = arguments.iter().map(|word| quote(word)).collect();
        let prompt = self.paint("36", &format!("{machine} $"));
        println!("   {prompt} fastchat {}", quoted.join(" "));
        let finished = person.run(arguments);
        for line in finished.stdout.lines().chain(finished.stderr.lines()) {
            println!("      {line}");
        }
        if code != 0 {
            println!("      {}", self.paint("33", &format!("(exit status {})", finished.code())));
        }
        assert_eq!(finished.code(), code, "{machine}: {arguments:?}");
        finished
    }

    /// Shows a person's screen.
    pub fn screen(&self, person: &str, terminal: &Terminal) {
        println!("   {}", self.paint("36", &format!("{person}'s screen")));
        let rows = if self.colour { terminal.coloured_rows() } else { terminal.rows() };
        for row in rows {
            println!("   {} {row}", self.paint("36", "│"));
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

fn quote(word: &str) -> String {
    if word.contains(' ') { format!("\"{word}\"") } else { word.to_owned() }
}
