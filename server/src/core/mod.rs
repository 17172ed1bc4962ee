//! The pure core: `handle(now, wall, event, out)` and `deadline()`. No clock, socket, file, thread
//! or ambient randomness is named here; the simulator runs this very code.
//!
//! A core is a seat and a home: accounts, key logs and [`log`]s. Both are reached through
//! [`wire::ToPeer`] messages, which come from a link or, between a core's own seat and home, from
//! its own queue. Start reading at [`Core::handle`].

mod account;
mod backoff;
mod bundles;
mod claim;
mod commit;
mod config;
mod conn;
mod entropy;
pub mod event;
mod exchange;
mod limit;
mod load;
pub mod log;
mod metrics;
mod parts;
mod password;
mod peers;
mod posting;
mod reading;
mod registry;
mod request;
mod seat;
mod session;
mod sign;
mod table;
mod timer;
mod turn;

use std::collections::VecDeque;

use storage::{Answer, Batch, Completion, Read, StorageError};
use wire::{Instant, Name, ServerId, SessionEpoch, ToPeer, Wall};

pub use config::Config;
pub use event::{Alarm, CloseReason, Effect, Event, Level, Outgoing, Side, Target};
pub use metrics::Metrics;
pub use password::SERVER_IDENTITY;

use commit::Tickets;
use parts::{Parts, gauge};
use timer::Timers;
use turn::{ReadKey, Turn};

/// One server without its I/O.
pub struct Core {
    parts: Parts,
    tickets: Tickets,
    timers: Timers,
    metrics: Metrics,
    peers: VecDeque<(ServerId, ToPeer)>,
    outdated: Vec<(Name, SessionEpoch)>,
    reads: Vec<(ReadKey, Read)>,
}

impl Core {
    /// A server that begins at `now`; `out` receives what it does first.
    #[must_use]
    pub fn new(config: Config, now: Instant, wall: Wall, out: &mut Vec<Effect>) -> Self {
        let mut core = Self {
            parts: Parts::new(config, now),
            tickets: Tickets::default(),
            timers: Timers::default(),
            metrics: Metrics::default(),
            peers: VecDeque::new(),
            outdated: Vec::new(),
            reads: Vec::new(),
        };
        core.turn(now, wall, out, |parts, turn| parts.start(turn));
        core
    }

    /// Handles one event and appends what is to be done to `out`, in order.
    ///
    /// # Errors
    /// The storage failed. The process must end: what was accepted is on disk, and nothing more
    /// may be said.
    pub fn handle(
        &mut self,
        now: Instant,
        wall: Wall,
        event: Event,
        out: &mut Vec<Effect>,
    ) -> Result<(), StorageError> {
        match event {
            Event::Stored(Completion::Poisoned { cause }) => return Err(cause),
            Event::Stored(Completion::Committed { ticket }) => {
                self.tickets.on_committed(ticket);
                self.metrics.commits += 1;
                self.turn(now, wall, out, |parts, turn| parts.on_committed(turn));
            }
            Event::Stored(Completion::Answered { ticket, answer }) => {
                let key = self.tickets.on_answered(ticket);
                self.turn(now, wall, out, |parts, turn| on_read(parts, key, answer, turn));
            }
            Event::Timeout => {
                while let Some(timer) = self.timers.pop_due(now) {
                    self.turn(now, wall, out, |parts, turn| parts.on_timer(timer, turn));
                }
            }
            event => self.turn(now, wall, out, |parts, turn| parts.on_event(event, turn)),
        }
        assert!(self.is_coherent(), "what is counted is what is held");
        Ok(())
    }

    /// When [`Event::Timeout`] is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Nothing waits to become durable: the process may end without anyone sending again.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        !self.tickets.is_committing() && !self.parts.has_changes()
    }

    /// Counters, and gauges computed now.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let mut metrics = self.metrics;
        metrics.reads = gauge(self.tickets.reads());
        metrics.timers = gauge(self.timers.len());
        self.parts.measure(&mut metrics);
        metrics
    }

    /// Whether what is counted is what is held.
    #[must_use]
    pub fn is_coherent(&self) -> bool {
        let counted = &self.metrics;
        let conns = counted.conns_opened - counted.conns_closed;
        let sessions = counted.sessions_begun - counted.sessions_ended;
        (conns, sessions) == self.parts.held()
    }

    /// Runs `step`, carries what it says between seat and home, and gives the storage its work.
    fn turn(
        &mut self,
        now: Instant,
        wall: Wall,
        out: &mut Vec<Effect>,
        step: impl FnOnce(&mut Parts, &mut Turn<'_>),
    ) {
        let mut turn = Turn {
            now,
            wall,
            effects: out,
            peers: &mut self.peers,
            outdated: &mut self.outdated,
            reads: &mut self.reads,
            timers: &mut self.timers,
            metrics: &mut self.metrics,
        };
        step(&mut self.parts, &mut turn);
        while let Some((server, message)) = turn.peers.pop_front() {
            self.parts.carry(server, message, &mut turn);
        }
        self.parts.conclude(&mut turn);
        for (key, read) in self.reads.drain(..) {
            out.push(self.tickets.read(key, read));
        }
        if !self.tickets.is_committing() && self.parts.has_changes() {
            let mut batch = Batch::default();
            self.parts.compose(&mut batch);
            out.push(self.tickets.commit(batch));
        }
    }
}

fn on_read(parts: &mut Parts, key: ReadKey, answer: Answer, turn: &mut Turn<'_>) {
    match (key, answer) {
        (ReadKey::Log(read), answer) => parts.on_log_read(read, answer, turn),
        (ReadKey::Account(name), Answer::Account(account, session)) => {
            parts.accounts.on_account_read(name, account, session, turn);
        }
        (ReadKey::NewestBundle(name), Answer::Bundles { bundles, complete }) => {
            parts.accounts.on_bundles_read(name, bundles, complete, turn);
        }
        (ReadKey::Bundles(asker), Answer::Bundles { bundles, complete }) => {
            parts.key_logs.on_read(asker, bundles, complete, turn);
        }
        (key, _) => unreachable!("the storage answers {key:?} with its own kind of answer"),
    }
}
