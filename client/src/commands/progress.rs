//! Slow steps, told on standard error: a spinner on a terminal, one line otherwise.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::core::Notice;
use crate::core::event::Step;
use crate::output::talk;

const TICK: Duration = Duration::from_millis(100);

/// Shows the present step until the next one, or until it is dropped.
#[derive(Debug)]
pub struct Progress {
    is_silent: bool,
    spinner: Option<ProgressBar>,
    step: Option<Step>,
}

impl Progress {
    /// Shows steps, unless the output is for a script.
    #[must_use]
    pub fn new(is_json: bool) -> Self {
        Self { is_silent: is_json, spinner: None, step: None }
    }

    /// Shows what `notice` says about slow steps.
    pub fn show(&mut self, notice: &Notice) {
        match notice {
            Notice::Progress(step) if !self.is_silent && self.step != Some(*step) => {
                self.step = Some(*step);
                self.begin(*step);
            }
            Notice::Progress(_) | Notice::Trouble(_) => {}
            _ => self.end(),
        }
    }

    /// Tells something to be careful about, unless the output is for a script.
    pub fn warn(&mut self, text: &str) {
        self.end();
        if !self.is_silent {
            talk(&format!("warning: {text}"));
        }
    }

    /// Clears the line for other words.
    pub fn end(&mut self) {
        if let Some(spinner) = self.spinner.take() {
            spinner.finish_and_clear();
        }
        self.step = None;
    }

    fn begin(&mut self, step: Step) {
        let text = match step {
            Step::MakingKeys => "making your keys (two RSA-3072 pairs, some seconds) …",
            Step::Connecting => "connecting …",
            Step::Stretching => "checking the password …",
        };
        if !stderr().is_terminal() {
            // Short steps are worth no line in a log.
            if step == Step::MakingKeys {
                talk(text);
            }
            return;
        }
        let spinner = self.spinner.get_or_insert_with(spinner);
        spinner.set_message(text);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}

fn spinner() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg}");
    let spinner = ProgressBar::new_spinner();
    spinner.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    spinner.enable_steady_tick(TICK);
    spinner
}
