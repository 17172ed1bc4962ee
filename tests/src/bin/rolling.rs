//! A rolling restart of real servers: `fastchat-rolling [CLIENTS [POSTS_PER_SECOND]]`. The last
//! line counts.

use std::process::ExitCode;
use std::time::Duration;

use tests::chaos::folders::{clean_up, keep, new_folders};
use tests::chaos::rolling::{Outcome, run};
use tests::chaos::{Options, rolling};
use tests::ending::clean_up_whatever_happens;
use tests::programs::program;

const USAGE: &str = "usage: fastchat-rolling [CLIENTS [POSTS_PER_SECOND]]; at least 3 clients";
/// A text is shown within this time, also while its reader's server is restarted.
const WORST_MAX: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some((children, rate)) = sizes(&words) else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    let program = program("fastchat-chaos");
    let options = Options { kills: 0, seed: 0, rate, children, people: 2, program };
    let (folder, clients) = new_folders("fastchat-rolling-");
    clean_up_whatever_happens(clean_up);
    let outcome = run(&options, folder.path(), clients.path());
    report(&outcome);
    let is_good = outcome.findings.is_clean() && outcome.worst < WORST_MAX;
    if outcome.worst >= WORST_MAX {
        println!("too slow: a text was shown after more than {WORST_MAX:?}");
    }
    if !outcome.findings.is_clean() {
        keep(folder, clients);
    }
    ExitCode::from(u8::from(!is_good))
}

fn sizes(words: &[String]) -> Option<(usize, u32)> {
    let (clients, rate) = match words {
        [] => (300, 600),
        [clients] => (clients.parse().ok()?, 600),
        [clients, rate] => (clients.parse().ok()?, rate.parse().ok()?),
        _ => return None,
    };
    (clients >= 3 && rate > 0).then_some((clients, rate))
}

fn report(outcome: &Outcome) {
    let rolling::Outcome { findings, restarts, rate, worst } = outcome;
    for violation in &findings.violations {
        println!("violated: {violation}");
    }
    for (why, count) in &findings.rejected {
        println!("rejected {count}: {why}");
    }
    println!("posts/s {rate:.0}; shown {} not opened {}", findings.shown, findings.unreadable);
    println!(
        "restarts {} accepted {} lost {} doubled {} reordered {} worst-delivery-ms {}",
        restarts.len(),
        findings.accepted,
        findings.lost,
        findings.doubled,
        findings.reordered,
        worst.as_millis()
    );
}
