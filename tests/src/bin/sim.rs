//! Runs simulated clusters, a seed each, and says what did not hold.

use std::io::{IsTerminal, stderr};
use std::process::ExitCode;
use std::time::Duration;

use tests::sim::runner::{self, Seeds, Summary, describe, run_all};
use tests::sim::{Verdict, run};
use wire::Instant;
use wire::net::Clock;

const USAGE: &str =
    "usage: fastchat-sim [--seeds N] [--from 0xSEED] [--threads N] [--trace] [--until PROPERTIES]";
/// How often the progress is shown.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

struct Options {
    seeds: Seeds,
    how: runner::Options,
}

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(what) => {
            eprintln!("{what}\n{USAGE}");
            return ExitCode::from(1);
        }
    };
    let clock = Clock::new();
    let begun = clock.now();
    let summary = run_many(&options, &clock);
    print!("{}", summary.tally);
    let seconds = clock.now().since(begun).as_secs_f64();
    let Summary { seeds, violations, tally, .. } = &summary;
    let faults = tally.total();
    if let Some(first) = summary.first {
        println!("{first}");
    }
    println!("events {} hash {:#018x}", summary.events, summary.hash);
    println!("seeds {seeds} violations {violations} faults {faults} seconds {seconds:.1}");
    ExitCode::from(u8::from(summary.violations > 0))
}

fn run_many(options: &Options, clock: &Clock) -> Summary {
    let is_shown = stderr().is_terminal();
    let mut shown = Instant(0);
    let summary = run_all(options.seeds, options.how, |summary, verdict| {
        report(verdict);
        let now = clock.now();
        if is_shown && now.since(shown) > PROGRESS_INTERVAL {
            shown = now;
            let Summary { seeds, violations, .. } = summary;
            eprint!("\r{seeds} of {} seeds, {violations} violations ", options.seeds.count);
        }
    });
    if is_shown {
        eprintln!();
    }
    summary
}

fn report(verdict: &Verdict) {
    if !verdict.violations.is_empty() {
        print!("{}", describe(verdict));
    }
}

fn options(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let seeds = Seeds { first: 1, count: 100 };
    let how = runner::Options { world: run, threads, is_traced: false, until: "" };
    let mut options = Options { seeds, how };
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--trace" => (options.how.is_traced, options.how.threads) = (true, 1),
            _ => set(&mut options, &arg, args.next())?,
        }
    }
    Ok(options)
}

fn set(options: &mut Options, arg: &str, value: Option<String>) -> Result<(), String> {
    let value = value.ok_or_else(|| format!("{arg} needs a value"))?;
    if arg == "--until" {
        options.how.until = value.leak();
        return Ok(());
    }
    let number = number(&value).ok_or_else(|| format!("{arg} {value}: not a number"))?;
    match arg {
        "--seeds" => options.seeds.count = number,
        "--from" => options.seeds.first = number,
        "--threads" => options.how.threads = usize::try_from(number).unwrap_or(1).max(1),
        _ => return Err(format!("{arg} is not known")),
    }
    Ok(())
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}
