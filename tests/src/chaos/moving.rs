//! Slots of real servers move while people write to them; in some moves one side is killed as soon
//! as its or the other side's log says that the move has come to a certain step.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use wire::{LogId, ServerId, Slot};

use super::judge::{Findings, judge};
use super::schedule::Target;
use super::slot_log::{Said, SlotLog, Step};
use super::stage::Stage;
use super::{Options, come_to_rest, setup, stop};
use crate::cluster::read_map;
use crate::programs::{self, program, signal};

/// A move ends within this, also when one side was killed on the way.
const MOVE_TIME_MAX: Duration = Duration::from_secs(60);
/// A server that was killed is started again after this.
const AWAY: Duration = Duration::from_millis(200);
/// Between two looks into logs for the step at which somebody is killed.
const GLANCE: Duration = Duration::from_millis(1);
/// So many posts of each client are accepted after a kill before the next move begins.
const POSTS_BETWEEN: u64 = 2;

/// One of the two servers of a move.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// Whoever has the slot.
    Giver,
    /// Whoever is to have it.
    Taker,
}

/// One move.
#[derive(Clone, Debug)]
pub struct Move {
    /// Which slot.
    pub slot: Slot,
    /// Who was killed, and when.
    pub kill: Option<(Side, Step)>,
    /// How long nobody served the slot, for each time that it stood still; without the time that a
    /// server which had it was not there.
    pub still: Vec<Duration>,
    /// What both stores added up to at last, as each has said.
    pub sums: [String; 2],
}

impl Move {
    /// Both sides have said that they hold the same rows.
    #[must_use]
    pub fn is_same(&self) -> bool {
        !self.sums[0].is_empty() && self.sums[0] == self.sums[1]
    }
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What the judge found.
    pub findings: Findings,
    /// Each move, in order.
    pub moves: Vec<Move>,
    /// Posts accepted in a second meanwhile.
    pub rate: f64,
}

impl Outcome {
    /// The longest that nobody served a slot whose server was there.
    #[must_use]
    pub fn worst(&self) -> Duration {
        self.moves.iter().flat_map(|each| &each.still).max().copied().unwrap_or_default()
    }

    /// Nothing was lost or altered.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.is_clean() && self.differ() == 0
    }

    /// Moves after which both stores did not say the same.
    #[must_use]
    pub fn differ(&self) -> usize {
        self.moves.iter().filter(|each| !each.is_same()).count()
    }

    /// Moves in which somebody was killed.
    #[must_use]
    pub fn kills(&self) -> usize {
        self.moves.iter().filter(|each| each.kill.is_some()).count()
    }
}

/// Moves the slots of people who write: each once, then `rounds` times one for each side and step
/// to kill at. `folder` is for the cluster, `clients` for the clients' stores and what people saw.
///
/// # Panics
/// When the processes cannot be run.
#[must_use]
pub fn run(options: &Options, rounds: usize, folder: &Path, clients: &Path) -> Outcome {
    let mut stage = setup::set(options, folder, clients);
    let (begun, before) = (stage.clock.now(), stage.accepted());
    let slots = slots(&stage);
    let both = [Side::Giver, Side::Taker];
    let round = both.into_iter().flat_map(|side| Step::ALL.map(|step| Some((side, step))));
    let rounds = (0..rounds).flat_map(|_| round.clone());
    let kills = slots.iter().map(|_| None).chain(rounds);
    let mut moves = Vec::new();
    for (slot, kill) in slots.iter().cycle().zip(kills) {
        moves.extend(move_slot(&mut stage, folder, *slot, kill));
    }
    let posts = u32::try_from(stage.accepted() - before).expect("fewer than four billion");
    let rate = f64::from(posts) / stage.clock.now().since(begun).as_secs_f64();
    let parties = come_to_rest(&mut stage).unwrap_or_else(|| stage.parties());
    stop(&mut stage);
    let mut findings = judge(&parties, &stage.groups);
    findings.violations.append(&mut stage.violations);
    Outcome { findings, moves, rate }
}

/// Where the logs of everybody who writes are.
fn slots(stage: &Stage) -> BTreeSet<Slot> {
    let kids = stage.kids.iter().map(|kid| LogId::mailbox(kid.plan.name));
    let groups = stage.groups.keys().map(|group| LogId::group(*group));
    kids.chain(groups).map(|log| Slot::of(&log)).collect()
}

/// Gives a slot to the next server, and waits until that has it.
fn move_slot(
    stage: &mut Stage,
    folder: &Path,
    slot: Slot,
    kill: Option<(Side, Step)>,
) -> Option<Move> {
    let from = read_map(folder).home(slot);
    let to = ServerId(from.0 % setup::SERVERS + 1);
    let logs = [from, to].map(|id| SlotLog::from_now_on(stage.machines.log(Target::Server(id))));
    change_map(folder, slot, to);
    let giver = stage.machines.processes()[&Target::Server(from)].pid();
    signal(giver.expect("everybody runs between two moves"), "HUP");
    let said = |step| {
        let says = |log: &SlotLog| log.said(slot).iter().any(|said| said.step == step);
        logs.iter().any(says)
    };
    let killed = kill.map(|(side, step)| {
        let until = stage.clock.now() + MOVE_TIME_MAX;
        while !said(step) && stage.clock.now() < until {
            stage.pass(stage.clock.now() + GLANCE);
        }
        if !said(step) {
            stage.violations.push(format!("no log says of slot {} {step:?}", slot.index()));
        }
        let wall = stage.clock.wall();
        stage.kill(Target::Server(if side == Side::Giver { from } else { to }), AWAY);
        wall
    });
    // Who dies right after its batch does not say so any more; the other side does.
    let has_moved = stage.pass_until(MOVE_TIME_MAX, |_| said(Step::Come) || said(Step::Moved));
    if !has_moved || !are_at_work(stage, [from, to]) {
        let why = format!("slot {} has not moved to {to}: {kill:?}", slot.index());
        stage.violations.push(why);
        return None;
    }
    let [given, taken] = logs.map(|log| log.said(slot));
    let last = |all: &[Said], step| {
        let found = all.iter().rfind(|said| said.step == step);
        found.map(|said| said.sum.clone()).unwrap_or_default()
    };
    let sums = [last(&given, Step::Copied), last(&taken, Step::Summed)];
    let killed = kill.map(|(side, _)| side).zip(killed.map(|wall| wall.0));
    let still = stand_stills(&given, &taken, killed);
    if kill.is_none() && still.is_empty() {
        stage.violations.push(format!("no log says how long slot {} stood still", slot.index()));
    }
    println!("slot {} {from} → {to} {kill:?}: still {still:?}", slot.index());
    Some(Move { slot, kill, still, sums })
}

/// Both are there, and everybody's posts are accepted again.
fn are_at_work(stage: &mut Stage, servers: [ServerId; 2]) -> bool {
    let targets = servers.map(Target::Server);
    let are_there = stage.pass_until(MOVE_TIME_MAX, |stage| {
        targets.iter().all(|at| stage.is_running(*at) && stage.machines.is_listening(*at))
    });
    stage.accepted();
    let marks: Vec<u64> = stage.kids.iter().map(|kid| kid.watch.accepted + POSTS_BETWEEN).collect();
    are_there
        && stage.pass_until(MOVE_TIME_MAX, |stage| {
            stage.accepted();
            stage.kids.iter().zip(&marks).all(|(kid, mark)| kid.watch.accepted >= *mark)
        })
}

/// How long the slot stood still, each time: until its old home went on or its new one began. Not
/// counted is when whoever had it was killed meanwhile.
fn stand_stills(given: &[Said], taken: &[Said], killed: Option<(Side, u64)>) -> Vec<Duration> {
    let all = |of: &[Said], step| {
        let found = of.iter().filter(move |said| said.step == step);
        found.map(|said| said.at_ms).collect::<Vec<_>>()
    };
    let went_on = all(given, Step::Ended).into_iter().map(|at| (at, Side::Giver));
    let came = all(taken, Step::Come).into_iter().map(|at| (at, Side::Taker));
    let ends: Vec<(u64, Side)> = went_on.chain(came).collect();
    let still = |begin: u64| {
        let later = ends.iter().filter(|(at, _)| *at >= begin);
        let (end, by) = later.min_by_key(|(at, _)| *at)?;
        let had = [Side::Giver, *by];
        let is_gone = |(side, at)| had.contains(&side) && (begin..=*end).contains(&at);
        let is_counted = !killed.is_some_and(is_gone);
        is_counted.then(|| Duration::from_millis(end - begin))
    };
    all(given, Step::Still).into_iter().filter_map(still).collect()
}

fn change_map(folder: &Path, slot: Slot, to: ServerId) {
    let mut command = Command::new(program("fastchat-router"));
    command.args(["map", "move", "--cluster"]).arg(folder.join("cluster"));
    let slots = format!("{0}-{0}", slot.index());
    command.args(["--slots", &slots, "--to", &to.0.to_string()]);
    let done = programs::run(&mut command, "").expect("it ends");
    assert_eq!(done.code(), 0, "{done:?}");
}
