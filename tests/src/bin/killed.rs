//! A server with many sessions is killed and comes back: `fastchat-killed [SESSIONS]`. The last
//! line counts.

use std::process::ExitCode;
use std::time::Duration;

use tests::killed::{Outcome, Plan, run};

const USAGE: &str = "usage: fastchat-killed [SESSIONS], 3 to 3000 on the server that is killed";
/// Longer than any lease: what a seat may do without a home is over then.
const AWAY: Duration = Duration::from_secs(15);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let sessions = match words.as_slice() {
        [] => Some(1_000),
        [sessions] => sessions.parse().ok(),
        _ => None,
    };
    let Some(sessions) = sessions.filter(|sessions| (3..=3_000).contains(sessions)) else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    let outcome = run(Plan { sessions, away: AWAY });
    report(&outcome);
    ExitCode::from(u8::from(!outcome.is_good()))
}

fn report(outcome: &Outcome) {
    for wrong in outcome.wrongs.iter().take(20) {
        println!("wrong: {wrong}");
    }
    println!(
        "bystanders {} disturbed {} worst-accepted-ms {}",
        outcome.bystanders,
        outcome.disturbed,
        outcome.worst.as_millis()
    );
    println!(
        "moved {} resumed-ms {} median-ms {} homeless {} returned-ms {} passwords {} queued {} \
         accepted {} lost {} doubled {}",
        outcome.moved,
        outcome.resumed.as_millis(),
        outcome.resumed_median.as_millis(),
        outcome.homeless,
        outcome.returned.as_millis(),
        outcome.passwords,
        outcome.queued,
        outcome.accepted,
        outcome.lost,
        outcome.doubled
    );
}
