//! Everybody who takes part, and the passing of time: what is due is done, what ended by itself
//! is noticed, and what a second brought is told.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use wire::net::Clock;
use wire::{Instant, Name, ServerId};

use super::child_plan::ChildPlan;
use super::machines::{Heard, Machines};
use super::party::Party;
use super::people::Human;
use super::process::{Process, output};
use super::schedule::Target;
use super::watch::Watch;

/// How often it is looked who has ended.
const TICK: Duration = Duration::from_millis(100);
/// How often it is told how things stand.
const TELL_INTERVAL: Duration = Duration::from_secs(1);

/// A client under load.
#[derive(Debug)]
pub struct Kid {
    /// What it does.
    pub plan: ChildPlan,
    /// Where its plan and its journal are.
    pub folder: PathBuf,
    /// Its process.
    pub process: Process,
    /// What its journal says.
    pub watch: Watch,
}

/// Kills, by what was killed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Kills {
    /// Servers.
    pub servers: u64,
    /// Routers.
    pub routers: u64,
    /// Clients of both kinds.
    pub clients: u64,
}

impl Kills {
    /// All of them.
    #[must_use]
    pub fn total(self) -> u64 {
        self.servers + self.routers + self.clients
    }
}

/// Everybody who takes part.
pub struct Stage {
    pub(super) machines: Machines,
    pub(super) kids: Vec<Kid>,
    pub(super) humans: Vec<Human>,
    pub(super) groups: BTreeMap<Name, Vec<Name>>,
    pub(super) clock: Clock,
    pub(super) kills: Kills,
    pub(super) violations: Vec<String>,
    /// People go on writing.
    pub(super) is_writing: bool,
    /// The program that clients under load are.
    pub(super) program: PathBuf,
    pub(super) heard: Receiver<Heard>,
    starts: Vec<(Instant, Target)>,
    /// Who has been asked to end.
    leaving: BTreeSet<Target>,
    next_tick: Instant,
    next_tell: Instant,
    told: u64,
}

impl Stage {
    pub(super) fn new(machines: Machines, heard: Receiver<Heard>, program: PathBuf) -> Self {
        Self {
            machines,
            kids: Vec::new(),
            humans: Vec::new(),
            groups: BTreeMap::new(),
            clock: Clock::new(),
            kills: Kills::default(),
            violations: Vec::new(),
            is_writing: false,
            program,
            heard,
            starts: Vec::new(),
            leaving: BTreeSet::new(),
            next_tick: Instant(0),
            next_tell: Instant(0),
            told: 0,
        }
    }

    /// Lets time pass until `until`.
    pub(super) fn pass(&mut self, until: Instant) {
        loop {
            let now = self.clock.now();
            let due: Vec<Target> = self.take_due(now);
            due.into_iter().for_each(|target| self.start(target));
            if now >= self.next_tick {
                self.next_tick = now + TICK;
                self.tick();
            }
            if now >= self.next_tell {
                self.next_tell = now + TELL_INTERVAL;
                self.tell(now);
            }
            if now >= until {
                return;
            }
            let next = self.starts.iter().map(|(at, _)| *at).min().unwrap_or(until);
            let next = next.min(until).min(self.next_tick);
            match self.heard.recv_timeout(next.since(now)) {
                Ok(heard) => self.machines.on_heard(&heard),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => unreachable!("machines hold the sender"),
            }
        }
    }

    /// Lets time pass until `is_so`; whether that came before the limit.
    pub(super) fn pass_until(
        &mut self,
        limit: Duration,
        is_so: impl Fn(&mut Self) -> bool,
    ) -> bool {
        let until = self.clock.now() + limit;
        while !is_so(self) {
            if self.clock.now() >= until {
                return false;
            }
            self.pass(self.clock.now() + TICK);
        }
        true
    }

    /// Whether a process runs.
    pub(super) fn is_running(&mut self, target: Target) -> bool {
        self.process(target).is_running()
    }

    /// Kills a process that runs; it is started again later.
    pub(super) fn kill(&mut self, target: Target, away: Duration) {
        let has_run = match target {
            Target::Router | Target::Server(_) => self.machines.kill(target),
            _ => self.process(target).kill(),
        };
        self.starts.push((self.clock.now() + away, target));
        if !has_run {
            // A `send` that was done just before was not killed, and has done nothing wrong.
            if !matches!(target, Target::Writer(_)) {
                let name = self.process(target).name.clone();
                self.violations.push(format!("{name} had ended by itself before it was killed"));
            }
            return;
        }
        match target {
            Target::Router => self.kills.routers += 1,
            Target::Server(_) => self.kills.servers += 1,
            Target::Child(_) | Target::Reader(_) | Target::Writer(_) => self.kills.clients += 1,
        }
    }

    /// Asks a server to become empty and to end, and lets time pass until it has; whether that came
    /// before the limit.
    pub(super) fn drain(&mut self, server: ServerId, limit: Duration) -> bool {
        let target = Target::Server(server);
        self.leaving.insert(target);
        self.machines.drain(server);
        self.pass_until(limit, |stage| !stage.is_running(target))
    }

    /// Starts at once what is to be started later.
    pub(super) fn start_all(&mut self) {
        for (_, target) in std::mem::take(&mut self.starts) {
            self.start(target);
        }
    }

    pub(super) fn start(&mut self, target: Target) {
        match target {
            Target::Router | Target::Server(_) => self.machines.start(target),
            Target::Child(index) => self.start_kid(index),
            Target::Reader(index) => self.humans[index].read(),
            Target::Writer(_) if !self.is_writing => {}
            Target::Writer(index) => self.humans[index].write(),
        }
    }

    fn start_kid(&mut self, index: usize) {
        let Kid { folder, process, .. } = &mut self.kids[index];
        let mut command = Command::new(&self.program);
        let out = |name| output(&folder.join(name)).expect("the folder can be written");
        command.arg("--child").arg(&folder).stdin(Stdio::piped());
        command.stdout(out("out")).stderr(out("err"));
        process.start(command);
    }

    /// Tells every client under load to write no more.
    pub(super) fn rest(&mut self) {
        for Kid { process, .. } in &mut self.kids {
            let stdin = process.stdin().expect("it runs, and reads its orders");
            if let Err(error) = stdin.write_all(b"rest\n") {
                self.violations.push(format!("{} hears nothing: {error}", process.name));
            }
        }
    }

    /// What everybody knows.
    pub(super) fn parties(&self) -> Vec<Party> {
        let kids = self.kids.iter().map(|kid| Party::of_child(&kid.plan, &kid.folder));
        kids.chain(self.humans.iter().map(Party::of_human)).collect()
    }

    /// Posts that clients under load were told are accepted.
    pub(super) fn accepted(&mut self) -> u64 {
        self.kids.iter_mut().for_each(|kid| kid.watch.look());
        self.kids.iter().map(|kid| kid.watch.accepted).sum()
    }

    fn process(&mut self, target: Target) -> &mut Process {
        match target {
            Target::Router | Target::Server(_) => {
                self.machines.processes().get_mut(&target).expect("there is such a machine")
            }
            Target::Child(index) => &mut self.kids[index].process,
            Target::Reader(index) => &mut self.humans[index].reader,
            Target::Writer(index) => &mut self.humans[index].writer,
        }
    }

    fn take_due(&mut self, now: Instant) -> Vec<Target> {
        let due = self.starts.iter().filter(|(at, _)| *at <= now).map(|(_, target)| *target);
        let due = due.collect();
        self.starts.retain(|(at, _)| *at > now);
        due
    }

    fn tick(&mut self) {
        let machines = self.machines.processes().keys().copied();
        let kids = (0..self.kids.len()).map(Target::Child);
        let readers = (0..self.humans.len()).map(Target::Reader);
        let all: Vec<Target> = machines.chain(kids).chain(readers).collect();
        for target in all {
            if let Some(status) = self.process(target).ended() {
                let is_leaving = self.leaving.remove(&target);
                if is_leaving && status.success() {
                    continue;
                }
                let name = self.process(target).name.clone();
                self.violations.push(format!("{name} ended by itself: {status}"));
                if is_leaving {
                    continue;
                }
                self.starts.push((self.clock.now() + TELL_INTERVAL, target));
            }
        }
        for index in 0..self.humans.len() {
            let target = Target::Writer(index);
            // A `send` that could not send everything says so and ends: that is no violation.
            let has_ended = self.humans[index].writer.ended().is_some();
            let is_due = self.starts.iter().any(|(_, other)| *other == target);
            if has_ended && self.is_writing && !is_due {
                self.starts.push((self.clock.now() + TICK, target));
            }
        }
    }

    fn tell(&mut self, now: Instant) {
        if self.kids.is_empty() {
            return;
        }
        let accepted = self.accepted();
        let shown: u64 = self.kids.iter().map(|kid| kid.watch.shown).sum();
        let new = accepted - std::mem::replace(&mut self.told, accepted);
        let (Kills { servers, routers, clients }, struck) =
            (self.kills, self.machines.proxy.struck());
        println!(
            "{:7.1} s  posts/s {new:5}  accepted {accepted:7}  shown {shown:7}  killed: servers \
             {servers} routers {routers} clients {clients}  connections cut {} delayed {} \
             blackholed {}",
            now.since(Instant(0)).as_secs_f64(),
            struck.cuts,
            struck.delays,
            struck.blackholes
        );
    }
}
