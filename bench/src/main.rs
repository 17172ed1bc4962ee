//! `fastchat-bench`: measures a cluster and prints what it found.

use std::process::ExitCode;

use bench::args::Args;
use bench::plan::{self, Plan};
use bench::run;

/// What was measured holds.
const SOUND: u8 = 0;
/// Something was lost, doubled or left without an answer, or the flags are wrong.
const UNSOUND: u8 = 1;
/// Nothing could be measured.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let args: Args = argh::from_env();
    if cfg!(debug_assertions) {
        return fail(UNSOUND, "a debug build measures nothing; build with --release");
    }
    let plan = match plan::random_seed().and_then(|seed| Plan::new(&args, seed)) {
        Ok(plan) => plan,
        Err(error) => return fail(UNSOUND, &error.to_string()),
    };
    match run::run(&plan) {
        Ok(true) => ExitCode::from(SOUND),
        Ok(false) => ExitCode::from(UNSOUND),
        Err(error) => fail(FAILED, &error.to_string()),
    }
}

fn fail(code: u8, why: &str) -> ExitCode {
    eprintln!("fastchat-bench: {why}");
    ExitCode::from(code)
}
