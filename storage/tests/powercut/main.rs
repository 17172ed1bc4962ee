//! What a store holds after the power went, or after a system call failed, whichever it was.
//!
//! A child of this program commits like a server, under `strace`. Its file-system calls are
//! replayed into what a power cut may leave of them, and each such image is opened by the real
//! engine. Then single calls fail. `--images N --every 1` is `make powercut`; `cargo test` takes
//! fewer.

mod child;
mod cuts;
mod disk;
mod faults;
mod promise;
mod store;
mod trace;
mod workload;

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use crate::child::Plan;

/// What `cargo test` may ask for.
const NAME: &str = "powercut";
/// Images of a run that names no number.
const IMAGES: u64 = 160;
/// Of the calls of each kind every so many fail in a run that names no number.
const EVERY: u64 = 16;
const SEED: u64 = 0x0f_a57c;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == "--child") {
        return child::run(&Plan::parse(&words[1..]));
    }
    if words.first().is_some_and(|word| !word.starts_with("--") && !NAME.contains(word.as_str())) {
        // `cargo test` looks for another test.
        return ExitCode::SUCCESS;
    }
    if !can_trace() {
        return untraced(&words);
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let is_good = fail_calls(&words, folder.path()) & cut_power(&words, folder.path());
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Lets system calls fail; whether everything held.
fn fail_calls(words: &[String], folder: &Path) -> bool {
    let every = number(words, "--every").unwrap_or(EVERY);
    let tally = faults::run(number(words, "--first").unwrap_or(1), every, folder);
    say(&format!(
        "calls failed {} survived {} lost {} reused {} refused {} unheard {}",
        tally.failures, tally.survived, tally.lost, tally.reused, tally.refused, tally.unheard,
    ));
    tally.is_good()
}

/// Cuts the power; whether everything held.
#[expect(clippy::disallowed_methods, reason = "the last line says how long it took")]
fn cut_power(words: &[String], folder: &Path) -> bool {
    let (began, images) = (Instant::now(), number(words, "--images").unwrap_or(IMAGES));
    let tally = cuts::run(images, number(words, "--seed").unwrap_or(SEED), folder);
    say(&format!("rolled back {} refused {}", tally.rolled_back, tally.rolled_back_refused));
    say(&format!(
        "images {} lost {} reused {} refused {} seconds {}",
        tally.images,
        tally.lost,
        tally.reused,
        tally.refused,
        began.elapsed().as_secs(),
    ));
    tally.is_good()
}

fn say(line: &str) {
    writeln!(io::stdout(), "{line}").expect("standard output is open");
}

/// The number after `flag`.
fn number(words: &[String], flag: &str) -> Option<u64> {
    let at = words.iter().position(|word| word == flag)?;
    let word = words.get(at + 1).unwrap_or_else(|| panic!("{flag} needs a number"));
    let parsed = match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => word.parse(),
    };
    Some(parsed.unwrap_or_else(|_| panic!("{flag} {word}: not a number")))
}

/// Whether `strace` is there and may trace.
fn can_trace() -> bool {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-o", "/dev/null", "true"]).stdout(Stdio::null()).stderr(Stdio::null());
    strace.status().is_ok_and(|status| status.success())
}

/// Without `strace` nothing is shown. Whoever asked for images must hear that as a failure.
fn untraced(words: &[String]) -> ExitCode {
    eprintln!(
        "powercut: nothing was tested: strace is missing or may not trace here; \
         install it (apt-get install strace), and allow ptrace"
    );
    if number(words, "--images").is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
