//! `fastchat-bench`: measures a cluster and prints what it found.

use std::io::{Write, stdout};
use std::process::ExitCode;

use bench::args::{Args, Balance, Compare, Connect, PeerRun, Scenario, Seal};
use bench::balance::plot;
use bench::balance::report::Report;
use bench::plan::{self, Plan, PlanError, SeriesPlan};
use bench::run::RunError;
use bench::{balance, compare, connect, peers, run, scale, seal, series};

const VERSION: &str = concat!("fastchat-bench ", env!("CARGO_PKG_VERSION"));

/// What was measured holds.
const SOUND: u8 = 0;
/// Something was lost, doubled or left without an answer, a bound was broken, or the flags are
/// wrong.
const UNSOUND: u8 = 1;
/// Nothing could be measured.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let args: Args = argh::from_env();
    if args.version {
        return ExitCode::from(u8::from(writeln!(stdout(), "{VERSION}").is_err()));
    }
    if cfg!(debug_assertions) {
        return fail(UNSOUND, "a debug build measures nothing; build with --release");
    }
    match &args.scenario {
        None => fail(UNSOUND, "nothing to measure; name a scenario, or see fastchat-bench --help"),
        Some(Scenario::Direct(direct)) => measure(|seed| Plan::direct(direct, seed)),
        Some(Scenario::Connect(connect)) => measure_connecting(connect),
        Some(Scenario::Group(group)) => measure(|seed| Plan::group(group, seed)),
        Some(Scenario::Offline(offline)) => measure(|seed| Plan::offline(offline, seed)),
        Some(Scenario::Faults(faults)) => measure(|seed| Plan::faults(faults, seed)),
        Some(Scenario::Servers(servers)) => measure_series(|seed| Plan::servers(servers, seed)),
        Some(Scenario::Sweep(sweep)) => measure_series(|seed| Plan::sweep(sweep, seed)),
        Some(Scenario::Scale(args)) => {
            match plan::random_seed().and_then(|seed| Plan::scale(args, seed)) {
                Ok(plan) => ended(scale::run(&plan)),
                Err(error) => fail(UNSOUND, &error.to_string()),
            }
        }
        Some(Scenario::Seal(seal)) => measure_sealing(seal),
        Some(Scenario::Balance(balance)) => measure_balance(balance),
        Some(Scenario::Compare(args)) => measure_all(args),
        Some(Scenario::Peer(peer)) => measure_peer(peer),
        Some(Scenario::Relay(relay)) => match peers::relay::serve(relay.address) {
            Ok(()) => ExitCode::from(SOUND),
            Err(error) => fail(FAILED, &error.to_string()),
        },
    }
}

fn measure(plan: impl FnOnce(u64) -> Result<Plan, PlanError>) -> ExitCode {
    match plan::random_seed().and_then(plan) {
        Ok(plan) => ended(run::run(&plan)),
        Err(error) => fail(UNSOUND, &error.to_string()),
    }
}

fn measure_series(plan: impl FnOnce(u64) -> Result<SeriesPlan, PlanError>) -> ExitCode {
    match plan::random_seed().and_then(plan) {
        Ok(plan) => ended(series::run(&plan)),
        Err(error) => fail(UNSOUND, &error.to_string()),
    }
}

fn ended(run: Result<bool, RunError>) -> ExitCode {
    match run {
        Ok(true) => ExitCode::from(SOUND),
        Ok(false) => ExitCode::from(UNSOUND),
        Err(error) => fail(FAILED, &error.to_string()),
    }
}

fn measure_connecting(args: &Connect) -> ExitCode {
    let plan = match connect::plan::Plan::new(args) {
        Ok(plan) => plan,
        Err(error) => return fail(UNSOUND, &error.to_string()),
    };
    match connect::run(&plan) {
        Ok(()) => ExitCode::from(SOUND),
        Err(error) => fail(FAILED, &error.to_string()),
    }
}

fn measure_sealing(args: &Seal) -> ExitCode {
    let costs = plan::random_seed()
        .map_err(|error| error.to_string())
        .and_then(|seed| seal::measure(args.text_len, seed).map_err(|error| error.to_string()));
    match costs {
        Ok(costs) if args.json => println!("{}", costs.json()),
        Ok(costs) => println!("{}", costs.table()),
        Err(error) => return fail(FAILED, &error),
    }
    ExitCode::from(SOUND)
}

fn measure_balance(args: &Balance) -> ExitCode {
    let plan = match balance::plan::Plan::new(args) {
        Ok(plan) => plan,
        Err(error) => return fail(UNSOUND, &error.to_string()),
    };
    // Before it takes its time.
    if let Err(error) = plan.plots.as_deref().map_or(Ok(()), plot::make_dir) {
        return fail(FAILED, &error.to_string());
    }
    let outcome = match balance::run(&plan) {
        Ok(outcome) => outcome,
        Err(error) => return fail(UNSOUND, &error.to_string()),
    };
    let report = Report { plan: &plan, outcome: &outcome };
    println!("{}", if plan.json { report.json() } else { report.table() });
    let plots = plan.plots.as_deref();
    let plotted = plots.map_or(Ok(()), |dir| plot::write_all(&outcome, dir));
    if let Err(error) = plotted {
        return fail(FAILED, &error.to_string());
    }
    ExitCode::from(if report.is_sound() { SOUND } else { UNSOUND })
}

fn measure_all(args: &Compare) -> ExitCode {
    let date = jiff::Zoned::now().date().to_string();
    let plan = match compare::plan::Plan::new(args, &date) {
        Ok(plan) => plan,
        Err(error) => return fail(UNSOUND, &error.to_string()),
    };
    match compare::run(plan) {
        Ok(true) => ExitCode::from(SOUND),
        Ok(false) => ExitCode::from(UNSOUND),
        Err(error) => fail(FAILED, &error.to_string()),
    }
}

fn measure_peer(args: &PeerRun) -> ExitCode {
    let plan = match plan::random_seed() {
        Ok(seed) => peers::plan::Plan::new(args, seed),
        Err(error) => Err(error.into()),
    };
    let plan = match plan {
        Ok(plan) => plan,
        Err(error) => return fail(UNSOUND, &error.to_string()),
    };
    match peers::run::run(&plan) {
        Ok(true) => ExitCode::from(SOUND),
        Ok(false) => ExitCode::from(UNSOUND),
        Err(error) => fail(FAILED, &error.to_string()),
    }
}

fn fail(code: u8, why: &str) -> ExitCode {
    eprintln!("fastchat-bench: {why}");
    ExitCode::from(code)
}
