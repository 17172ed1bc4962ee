//! Slow steps, told on standard error: a spinner on a terminal, one line otherwise.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::core::event::Step;
use crate::core::{Notice, TransferProgress};
use crate::output::talk;

const TICK: Duration = Duration::from_millis(100);

/// Shows the present step until the next one, or until it is dropped.
#[derive(Debug)]
pub struct Progress {
    is_silent: bool,
    spinner: Option<ProgressBar>,
    bar: Option<ProgressBar>,
    step: Option<Step>,
}

impl Progress {
    /// Shows steps, unless the output is for a script.
    #[must_use]
    pub fn new(is_json: bool) -> Self {
        Self { is_silent: is_json, spinner: None, bar: None, step: None }
    }

    /// Shows what `notice` says about slow steps.
    pub fn show(&mut self, notice: &Notice) {
        match notice {
            Notice::Progress(step) if !self.is_silent && self.step != Some(*step) => {
                self.step = Some(*step);
                self.begin(*step);
            }
            Notice::Transfer(progress) if !self.is_silent && stderr().is_terminal() => {
                self.advance(*progress);
            }
            Notice::Progress(_) | Notice::Trouble(_) | Notice::Transfer(_) => {}
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
        for line in [self.spinner.take(), self.bar.take()].into_iter().flatten() {
            line.finish_and_clear();
        }
        self.step = None;
    }

    /// How far an attachment is, how fast it goes and how long it will take.
    fn advance(&mut self, progress: TransferProgress) {
        if let Some(spinner) = self.spinner.take() {
            spinner.finish_and_clear();
        }
        let bar = self.bar.get_or_insert_with(|| bar(progress));
        bar.set_length(progress.total);
        bar.set_position(progress.done);
        if progress.done >= progress.total {
            self.end();
        }
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

fn bar(progress: TransferProgress) -> ProgressBar {
    let template = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
    let style = ProgressStyle::with_template(template);
    let bar = ProgressBar::new(progress.total);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(if progress.is_upload { "uploading" } else { "downloading" });
    bar.enable_steady_tick(TICK);
    // What was there before counts as no speed.
    bar.set_position(progress.done);
    bar.reset_eta();
    bar
}

fn spinner() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg}");
    let spinner = ProgressBar::new_spinner();
    spinner.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    spinner.enable_steady_tick(TICK);
    spinner
}
