//! A rolling restart of real servers under load: each is emptied, ends, and is started again, one
//! after the other. Nobody types a password: the clients under load know none.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use wire::{ServerId, Wall};

use super::judge::{Findings, judge};
use super::party::Party;
use super::schedule::Target;
use super::stage::Stage;
use super::{Options, come_to_rest, setup, stop};

/// A server that is not empty and gone by then never will be.
const EMPTY_TIME_MAX: Duration = Duration::from_secs(60);
/// From the start of a server until it listens, and until everybody is at work again.
const RETURN_TIME_MAX: Duration = Duration::from_secs(60);
/// So many posts of each client are accepted after a restart before the next begins.
const POSTS_BETWEEN: u64 = 4;

/// One server's restart.
#[derive(Clone, Copy, Debug)]
pub struct Restart {
    /// From the signal until the process had ended.
    pub emptied: Duration,
    /// From there until it listened again.
    pub away: Duration,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What the judge found.
    pub findings: Findings,
    /// Each server's restart, in order.
    pub restarts: Vec<Restart>,
    /// Posts accepted in a second meanwhile.
    pub rate: f64,
    /// The longest from the writing of a text, while servers were restarted, until a client under
    /// load showed it.
    pub worst: Duration,
}

/// Restarts every server in turn while people write; `folder` is for the cluster, `clients` for
/// the clients' stores and what people saw.
///
/// # Panics
/// When the processes cannot be run.
#[must_use]
pub fn run(options: &Options, folder: &Path, clients: &Path) -> Outcome {
    let mut stage = setup::set(options, folder, clients);
    let (begun, before) = (stage.clock.now(), stage.accepted());
    let since = stage.clock.wall();
    let servers = (1..=setup::SERVERS).map(ServerId);
    let restarts = servers.filter_map(|server| restart(&mut stage, server)).collect();
    let (ended, after) = (stage.clock.now(), stage.accepted());
    let until = stage.clock.wall();
    let parties = come_to_rest(&mut stage).unwrap_or_else(|| stage.parties());
    stop(&mut stage);
    let mut findings = judge(&parties, &stage.groups);
    findings.violations.append(&mut stage.violations);
    let posts = u32::try_from(after - before).expect("fewer than four billion");
    let rate = f64::from(posts) / ended.since(begun).as_secs_f64();
    Outcome { findings, restarts, rate, worst: worst(&parties, since..until) }
}

/// Empties a server, starts it again, and waits until everybody is at work.
fn restart(stage: &mut Stage, server: ServerId) -> Option<Restart> {
    let target = Target::Server(server);
    let told = stage.clock.now();
    if !stage.drain(server, EMPTY_TIME_MAX) {
        stage.violations.push(format!("{server} is not empty after {EMPTY_TIME_MAX:?}"));
        return None;
    }
    let ended = stage.clock.now();
    stage.start(target);
    let is_back = stage.pass_until(RETURN_TIME_MAX, |stage| stage.machines.is_listening(target));
    let restart = Restart { emptied: ended.since(told), away: stage.clock.now().since(ended) };
    println!("{server}: empty after {:?}, back after {:?}", restart.emptied, restart.away);
    stage.accepted();
    let marks: Vec<u64> = stage.kids.iter().map(|kid| kid.watch.accepted + POSTS_BETWEEN).collect();
    let is_at_work = stage.pass_until(RETURN_TIME_MAX, |stage| {
        stage.accepted();
        stage.kids.iter().zip(&marks).all(|(kid, mark)| kid.watch.accepted >= *mark)
    });
    if !is_back || !is_at_work {
        stage.violations.push(format!("not everybody is at work after {server}'s restart"));
    }
    Some(restart)
}

/// The longest from the writing of a text, in `times`, until it was shown, where that is known.
fn worst(parties: &[Party], times: Range<Wall>) -> Duration {
    let shows = parties.iter().flat_map(|party| &party.shown);
    let late = shows.filter_map(|show| {
        let text = show.said.as_ref().ok().filter(|text| times.contains(&text.at))?;
        Some(Duration::from_millis(show.at?.0.saturating_sub(text.at.0)))
    });
    late.max().unwrap_or_default()
}
