//! The home's logs: one abstraction for mailboxes and groups.
//!
//! A post comes in, is checked against its row, gets a seq, is pushed to servers with attached
//! readers, waits in the tail for its batch, and is accepted when the batch is durable. Readers
//! are pushed to when they are caught up and pull ranges when they are behind.
//!
//! [`Logs`] is pure. The core calls one function per message, drains [`LogOut`] after each call,
//! composes a batch when none is in flight and [`Logs::has_changes`], says when it is durable, and
//! calls [`Logs::on_holds_due`] when that is due.
//! A seat's messages travel one ordered link; what the core sends from [`LogOut::messages`] must
//! keep its order per server. An account whose session was replaced is told by
//! [`Logs::end_reader`]; a lost link by [`Logs::on_link_lost`].
//!
//! Start reading at `post.rs`; `row.rs` says what a resend hears, `range.rs` what a reader misses
//! (nothing), `commit.rs` what is durable together, `hold.rs` what is never written, `roster.rs`
//! who is in a group, `grant.rs` what its posts need.

mod absence;
mod arrival;
mod ask;
mod cold;
mod commit;
mod expiry;
mod grant;
mod group;
mod hold;
mod home;
mod idle;
mod key_log;
mod limits;
mod member;
mod message_session;
mod metrics;
mod out;
mod post;
mod range;
mod reader;
mod receipt;
mod roster;
mod row;
mod rows;
mod shelf;
mod slots;
mod state;
mod stranger;
mod sweep;
mod tail;
mod usage;
mod waiting;

use storage::Answer;
use wire::message::{
    AskOpenLog, PeerAnswered, PeerAttach, PeerDetach, PeerRead, PeerSeen, PeerShown,
};
use wire::{ExchangeId, Instant, LogId, Name, ServerId, SessionEpoch};

use arrival::Arrival;
use grant::answer_grant;
use home::{Home, Pending};
use idle::Idle;
use key_log::answer_key_log;
use shelf::Shelf;
use slots::Slots;
use sweep::Sweep;

pub(super) use key_log::check as check_key_log;

pub use ask::{Entrance, LogAsk, LogQuestion, Started};
pub use limits::LogLimits;
pub use metrics::LogMetrics;
pub use out::{Alarm, AlarmCause, LogOut, LogRead};

/// Every log that this server is the home of, as far as it is in memory.
#[derive(Debug)]
pub struct Logs {
    logs: Shelf,
    idle: Idle,
    /// Logs in the batch that is in flight.
    flight: Vec<usize>,
    sweep: Sweep,
    slots: Slots,
    home: Home,
}

impl Logs {
    /// No log is in memory yet.
    ///
    /// `store_epoch` is that of this opening of the store, 1 or more. `hash_key` keys the hashes
    /// in rows, which are stored: it must be the same for ever and on every server of a cluster.
    ///
    /// # Panics
    /// When `store_epoch` is 0 or above `Seq::STORE_EPOCH_MAX`.
    #[must_use]
    pub fn new(me: ServerId, store_epoch: u32, hash_key: [u8; 16], limits: LogLimits) -> Self {
        Self {
            logs: Shelf::new(&hash_key),
            idle: Idle::new(limits.idle_weight_max),
            flight: Vec::new(),
            sweep: Sweep::Behind(None),
            slots: Slots::default(),
            home: Home::new(me, store_epoch, hash_key, limits),
        }
    }

    /// A session opens a log: answered by `LogOpened` with its base, or a fault about the handle.
    pub fn on_open(
        &mut self,
        from: ServerId,
        exchange: ExchangeId,
        ask: &AskOpenLog,
        out: &mut LogOut,
    ) {
        let ask = ask.clone();
        self.arrive(Arrival::Open { from, exchange, ask }, out);
    }

    /// A session begins to read. Nothing is answered; the seat reads until it is caught up.
    pub fn on_attach(&mut self, from: ServerId, attach: PeerAttach, out: &mut LogOut) {
        self.arrive(Arrival::Attach { from, attach }, out);
    }

    /// A session no longer reads.
    pub fn on_detach(&mut self, from: ServerId, detach: PeerDetach, out: &mut LogOut) {
        self.arrive(Arrival::Detach { from, detach }, out);
    }

    /// A reader holds everything up to a seq durably.
    pub fn on_seen(&mut self, now: Instant, from: ServerId, seen: PeerSeen, out: &mut LogOut) {
        self.home.instant = now;
        self.arrive(Arrival::Seen { from, seen }, out);
    }

    /// The owner of a mailbox has answered somebody. Nothing is answered.
    pub fn on_peer_answered(&mut self, from: ServerId, told: PeerAnswered, out: &mut LogOut) {
        self.arrive(Arrival::Answered { from, told }, out);
    }

    /// The owner of a mailbox was shown everything up to a seq: those who posted it hear so, as far
    /// as that is known without reading anything.
    pub fn on_shown(&mut self, from: ServerId, shown: &PeerShown, out: &mut LogOut) {
        if let Some(key) = self.logs.find(&shown.log) {
            // One that sleeps knows of nobody who would hear it.
            if let Some(log) = self.logs.awake_mut(key) {
                log.shown(from, shown, out);
            }
        }
    }

    /// A session that is behind asks for entries: answered by `PeerRange`, now or after a read.
    /// A reader that is not attached becomes so: its attach found no room, or was lost.
    pub fn on_read(&mut self, from: ServerId, read: PeerRead, out: &mut LogOut) {
        self.arrive(Arrival::Read { from, read }, out);
    }

    /// A newer session of `account` exists: readers with an epoch under `below` are detached, and
    /// what they still send changes nothing.
    pub fn end_reader(&mut self, account: &Name, below: SessionEpoch) {
        let Some(key) = self.logs.find(&LogId::mailbox(*account)) else {
            return;
        };
        self.logs.wake(key).end_reader(account, below, &mut self.home);
        self.rest(key);
    }

    /// The link to `server` was lost: its readers and the answers owed to it are forgotten.
    ///
    /// # Panics
    /// When `server` is this one: no link leads there.
    pub fn on_link_lost(&mut self, server: ServerId) {
        assert_ne!(server, self.home.me(), "a server has no link to itself");
        let keys: Vec<usize> = self.logs.known_to(server).collect();
        for key in keys {
            // Another that came to rest may have pushed it out of memory.
            let Some(log) = self.logs.get_mut(key) else {
                continue;
            };
            log.forget_server(server, &mut self.home);
            self.rest(key);
        }
    }

    /// The store's answer to one of [`LogOut::reads`].
    ///
    /// # Panics
    /// When the read is unknown or the answer is of another variant: the core mixed them up.
    pub fn on_answer(&mut self, read: LogRead, answer: Answer, out: &mut LogOut) {
        let pending = self.home.take_read(read);
        if let (Pending::Rows, Answer::RowsAfter(page)) = (&pending, &answer) {
            return self.on_rows(page, out);
        }
        let key = pending.log();
        self.logs.wake(key).count_answer();
        match (pending, answer) {
            (Pending::Account { .. }, Answer::Account(account, session)) => {
                self.on_account(key, account.is_some(), session, out);
            }
            (Pending::Group { .. }, Answer::Group(record)) => self.on_group(key, record, out),
            (Pending::Statements { asked, .. }, Answer::Statements { statements, .. }) => {
                self.logs.wake(key).on_statements(asked, statements, out);
            }
            (Pending::Grant { asker, .. }, Answer::Grant(found)) => {
                answer_grant(&asker, found, out);
            }
            (Pending::KeyLog { asker, name, .. }, Answer::KeyLog(bundles)) => {
                answer_key_log(&asker, name, bundles, out);
            }
            (Pending::Log { .. }, Answer::Log { cursors, index, answered }) => {
                self.on_log(key, (&cursors, index, answered), out);
            }
            (Pending::Row { row: at, .. }, Answer::Row { row, grants_len }) => {
                self.logs.wake(key).on_row(at, (row, grants_len), &mut self.home, out);
            }
            (Pending::Range(range), Answer::Range { entries, upto, more }) => {
                let log = self.logs.wake(key);
                log.on_range(&range, entries, (upto, more), &mut self.home, out);
            }
            (pending, answer) => panic!("{pending:?} was answered by {answer:?}"),
        }
        self.rest(key);
    }

    /// While set, posts that would be appended are answered `Busy`; reading, cursors and
    /// truncation go on. For a disk that is nearly full.
    pub fn set_refusing(&mut self, refusing: bool) {
        self.home.set_refusing(refusing);
    }

    /// The counters, and the gauges as they are now.
    #[must_use]
    pub fn metrics(&self) -> LogMetrics {
        self.home.metrics(self.logs.len(), self.logs.readers())
    }

    /// Sweeps everything: sums equal their parts, and each log agrees with itself.
    #[must_use]
    pub fn is_coherent(&self) -> bool {
        self.logs.is_coherent() && self.home.is_coherent(self.logs.awake(), &self.sweep)
    }

    /// Keeps or drops a log after an operation on it: idle logs stay while there is room.
    fn rest(&mut self, key: usize) {
        self.sort(key);
        self.logs.settle(key);
    }

    fn sort(&mut self, key: usize) {
        let Some(log) = self.logs.get_mut(key) else {
            return;
        };
        log.settle_readerless(&mut self.home);
        if !log.is_idle() {
            self.idle.remove(log.idle_since_mut());
            return;
        }
        if log.is_absent() || log.is_leaving {
            self.idle.remove(log.idle_since_mut());
            self.logs.remove(key);
            return;
        }
        let weight = log.weight();
        self.idle.insert(key, weight, log.idle_since_mut());
        while let Some(key) = self.idle.pop_excess() {
            self.logs.remove(key);
            self.home.count_dropped();
        }
    }
}

#[cfg(test)]
mod tests;
