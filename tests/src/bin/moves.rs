//! Slots of real servers move under load, and either side is killed at each step:
//! `fastchat-moves [ROUNDS [POSTS_PER_SECOND]]`. The last line counts.

use std::process::ExitCode;
use std::time::Duration;

use tests::chaos::Options;
use tests::chaos::folders::{clean_up, keep, new_folders};
use tests::chaos::moving::{Outcome, run};
use tests::ending::clean_up_whatever_happens;
use tests::programs::program;

/// A slot whose server is there is away for less than this.
const AWAY_MAX: Duration = Duration::from_millis(500);
const USAGE: &str = "usage: fastchat-moves [ROUNDS [POSTS_PER_SECOND]]; a round is twelve kills";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some((rounds, rate)) = sizes(&words) else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    let program = program("fastchat-chaos");
    let options = Options { kills: 0, seed: 0, rate, children: 30, people: 2, program };
    let (folder, clients) = new_folders("fastchat-moves-");
    clean_up_whatever_happens(clean_up);
    let outcome = run(&options, rounds, folder.path(), clients.path());
    report(&outcome);
    let is_good = outcome.is_sound() && outcome.worst() < AWAY_MAX;
    if !is_good {
        keep(folder, clients);
    }
    ExitCode::from(u8::from(!is_good))
}

fn sizes(words: &[String]) -> Option<(usize, u32)> {
    let (rounds, rate) = match words {
        [] => (1, 600),
        [rounds] => (rounds.parse().ok()?, 600),
        [rounds, rate] => (rounds.parse().ok()?, rate.parse().ok()?),
        _ => return None,
    };
    (rate > 0).then_some((rounds, rate))
}

fn report(outcome: &Outcome) {
    let Outcome { findings, moves, rate } = outcome;
    for violation in &findings.violations {
        println!("violated: {violation}");
    }
    for (why, count) in &findings.rejected {
        println!("rejected {count}: {why}");
    }
    if outcome.worst() >= AWAY_MAX {
        println!("too slow: a slot was away for {AWAY_MAX:?} or longer");
    }
    println!("posts/s {rate:.0}; shown {} not opened {}", findings.shown, findings.unreadable);
    println!(
        "moves {} kills {} differ {} away-ms {} accepted {} lost {} doubled {} reordered {}",
        moves.len(),
        outcome.kills(),
        outcome.differ(),
        outcome.worst().as_millis(),
        findings.accepted,
        findings.lost,
        findings.doubled,
        findings.reordered
    );
}
