//! The parts of a core, and what they do together.

use std::collections::BTreeSet;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use storage::{Answer, Batch, SlotRow};
use wire::limits::EXPIRY_INTERVAL;
use wire::{Instant, Opening, ProcessId, ServerId, SlotMap};

use super::account::Accounts;
use super::blobs::Blobs;
use super::bundles::KeyLogs;
use super::config::Config;
use super::ends::Role;
use super::entropy::Entropy;
use super::event::{Alarm, Effect};
use super::group_password::GroupPasswords;
use super::holders::Holders;
use super::load::{Card, Routers};
use super::log::{LogOut, LogRead, Logs};
use super::maps::Maps;
use super::metrics::Metrics;
use super::notes::Notes;
use super::password::Passwords;
use super::peers::Peers;
use super::registry;
use super::seat::Seat;
use super::slots::{self, Slots};
use super::table::Table;
use super::timer::Timer;
use super::turn::{ReadKey, Turn};

/// Seat and home, and the connections to everyone else.
pub(super) struct Parts {
    pub(super) me: ServerId,
    pub(super) conns: Table<Role>,
    pub(super) seat: Seat,
    pub(super) accounts: Accounts,
    pub(super) key_logs: KeyLogs,
    pub(super) blobs: Blobs,
    pub(super) notes: Notes,
    pub(super) logs: Logs,
    pub(super) slots: Slots,
    pub(super) log_out: LogOut,
    /// When [`Timer::Holds`] fires, if it is armed.
    holds_until: Option<Instant>,
    pub(super) group_passwords: GroupPasswords,
    pub(super) peers: Peers,
    pub(super) routers: Routers,
    pub(super) maps: Maps,
    /// Nothing new is taken; what makes room goes on.
    pub(super) is_disk_full: bool,
    /// No slot begins to move any more.
    pub(super) is_stopping: bool,
}

impl Parts {
    pub(super) fn new(config: Config, now: Instant) -> Self {
        let mut entropy = Entropy::new(config.seed);
        let me = config.me;
        let mut holders = Holders::new(me, Arc::clone(config.map.map()));
        slots::apply_own(me, &config.slots, &mut holders);
        let servers = holders.linked();
        let others: BTreeSet<ServerId> =
            servers.iter().copied().filter(|server| *server != me).collect();
        let opening = Opening {
            store: config.opened.store,
            epoch: config.opened.store_epoch,
            process: ProcessId(entropy.bytes()),
        };
        let card = Card {
            server: me,
            client: config.client_address,
            peer: config.peer_address,
            opening,
            map_version: config.map.map().version(),
            sessions_max: config.sessions_max,
        };
        let hash_key = row_hash_key(&config.setup.serialize());
        let random = entropy.number();
        let map = Arc::clone(config.map.map());
        let peers = Peers::new(me, opening, map, &servers, entropy.bytes());
        let routers = Routers::new(card, config.routers, entropy.bytes());
        let group_passwords =
            GroupPasswords::new(config.setup.clone(), Entropy::new(entropy.bytes()));
        let lowest_epoch = registry::lowest_epoch(config.opened.store_epoch);
        let passwords = Passwords::new(config.setup, Entropy::new(entropy.bytes()));
        let slots = Slots::new(config.slots, entropy.number());
        let mut parts = Self {
            me,
            conns: Table::default(),
            seat: Seat::new(
                me,
                holders,
                (config.sessions_max, config.unseen_max),
                config.unmetered,
                random,
                &hash_key,
            ),
            accounts: Accounts::new(passwords, entropy, lowest_epoch, (others, now), &hash_key),
            key_logs: KeyLogs::default(),
            blobs: Blobs::new(),
            notes: Notes::default(),
            logs: Logs::new(me, config.opened.store_epoch, hash_key, config.log_limits),
            log_out: LogOut::default(),
            slots,
            holds_until: None,
            group_passwords,
            peers,
            routers,
            maps: Maps::new(config.map, config.map_is_stored),
            is_disk_full: false,
            is_stopping: false,
        };
        for slot in parts.slots.strange() {
            parts.logs.close_slot(slot, &[]);
            parts.blobs.close_slot(slot);
        }
        parts
    }

    pub(super) fn start(&mut self, turn: &mut Turn<'_>) {
        turn.effects.push(Effect::Know { servers: self.seat.holders.linked() });
        self.routers.start(turn);
        self.expire(turn);
        self.blobs.begin_sweep(turn);
        self.sweep_grants(turn);
    }

    /// Another map is in force, durably. What is held is held as before: it moves, or it stays.
    fn on_map(&mut self, map: Arc<SlotMap>, turn: &mut Turn<'_>) {
        let (version, servers) = (map.version(), map.servers().len());
        tracing::info!(version, servers, "slot map in force");
        self.seat.holders.set_map(Arc::clone(&map));
        self.routers.set_map_version(version, turn);
        let linked = self.seat.holders.linked();
        let changes = self.peers.set_map(map, &linked, turn);
        turn.effects.push(Effect::Know { servers: linked });
        self.on_link_changes(changes, turn);
        self.maps.announce(self.peers.linked(), turn);
        self.end_outdated_give(turn);
        self.plan_move(turn);
    }

    /// Entries of groups expire, now and from time to time.
    fn expire(&mut self, turn: &mut Turn<'_>) {
        self.logs.expire(turn.wall);
        turn.timers.arm(turn.now + EXPIRY_INTERVAL, Timer::Expiry);
    }

    /// Grants that nobody needs go, step by step.
    fn sweep_grants(&mut self, turn: &mut Turn<'_>) {
        let pause = self.logs.sweep(turn.wall, &mut self.log_out);
        self.drain_logs(turn);
        turn.timers.arm(turn.now + pause, Timer::GrantSweep);
    }

    /// Everything that followed from an event has been done.
    pub(super) fn conclude(&mut self, turn: &mut Turn<'_>) {
        self.routers.note_sessions(self.seat.sessions.len(), turn);
        if self.holds_until.is_none()
            && let Some(until) = self.logs.holds_until()
        {
            self.holds_until = Some(until);
            turn.timers.arm(until, Timer::Holds);
        }
    }

    fn on_holds_due(&mut self, turn: &Turn<'_>) {
        self.holds_until = None;
        self.logs.on_holds_due(turn.now);
    }

    pub(super) fn on_timer(&mut self, timer: Timer, turn: &mut Turn<'_>) {
        match timer {
            Timer::Early(conn) => self.seat.on_early_timeout(conn, turn),
            Timer::Idle(conn) => self.seat.on_idle(conn, turn),
            Timer::Refill(conn) => self.seat.on_refill(conn, turn),
            Timer::Reread(conn) => self.seat.on_reread(conn, turn),
            Timer::Exchanges => self.seat.on_exchanges_due(turn),
            Timer::Logins => self.accounts.on_logins_due(turn),
            Timer::Joins => self.group_passwords.on_joins_due(turn),
            Timer::Holds => self.on_holds_due(turn),
            Timer::Expiry => self.expire(turn),
            Timer::Held(name) => self.accounts.on_held_timeout(*name, turn),
            Timer::Leases => self.accounts.on_leases_due(turn),
            Timer::Leased => self.seat.on_lease_timer(turn),
            Timer::Greeting(conn) => self.peers.on_greeting_timeout(conn, turn),
            Timer::Link(server) => {
                let is_known = self.seat.reaches(server);
                let change = self.peers.on_link_timer((server, is_known), turn);
                self.on_link_changes(change, turn);
            }
            Timer::BlobSweep => self.blobs.begin_sweep(turn),
            Timer::GrantSweep => self.sweep_grants(turn),
            Timer::Router(index) => self.routers.on_router_timer(index, turn),
            Timer::Report => {
                let sessions = self.seat.sessions.len();
                self.routers.report(sessions, &mut self.seat.redeemed, turn);
            }
            Timer::Drain => self.seat.on_drain_timer(turn),
            Timer::Slots => self.on_slots_timer(turn),
        }
    }

    pub(super) fn on_committed(&mut self, writes: Vec<SlotRow>, turn: &mut Turn<'_>) {
        self.on_slot_writes(writes, turn);
        self.accounts.on_committed(turn);
        self.blobs.on_committed(turn);
        self.notes.on_committed(turn);
        self.logs.on_committed(&mut self.log_out);
        self.drain_logs(turn);
        if let Some(map) = self.maps.on_committed() {
            self.on_map(map, turn);
        }
        for (account, below) in turn.outdated.drain(..) {
            self.logs.end_reader(&account, below);
        }
    }

    pub(super) fn on_log_read(&mut self, read: LogRead, answer: Answer, turn: &mut Turn<'_>) {
        self.logs.on_answer(read, answer, &mut self.log_out);
        self.drain_logs(turn);
    }

    pub(super) fn has_changes(&self) -> bool {
        self.accounts.has_changes()
            || self.logs.has_changes()
            || self.blobs.has_changes()
            || self.notes.has_changes()
            || self.maps.has_changes()
            || self.slots.has_changes()
    }

    pub(super) fn compose(&mut self, batch: &mut Batch) {
        self.accounts.compose(batch);
        self.logs.compose(batch);
        self.blobs.compose(batch);
        self.notes.compose(batch);
        self.maps.compose(batch);
        self.slots.compose(batch);
    }

    /// How many connections and sessions are held.
    pub(super) fn held(&self) -> (u64, u64) {
        (gauge(self.conns.len()), gauge(self.seat.sessions.len()))
    }

    pub(super) fn measure(&self, metrics: &mut Metrics) {
        (metrics.conns, metrics.sessions) = self.held();
        metrics.clients = gauge(self.seat.clients.len());
        metrics.unseen_len = gauge(self.seat.outstanding.bytes());
        metrics.exchanges = gauge(self.seat.exchanges.len());
        metrics.links = gauge(self.peers.up_count());
        metrics.routers = gauge(self.routers.ready_count());
        metrics.accounts = gauge(self.accounts.len());
        metrics.noting = gauge(self.notes.len());
        metrics.map_version = u64::from(self.maps.map().version());
        self.blobs.measure(metrics);
        metrics.log = self.logs.metrics();
    }

    pub(super) fn drain_logs(&mut self, turn: &mut Turn<'_>) {
        turn.peers.extend(self.log_out.messages.drain(..));
        for (read, asked) in self.log_out.reads.drain(..) {
            turn.read(ReadKey::Log(read), asked);
        }
        for started in self.log_out.starts.drain(..) {
            self.group_passwords.on_started(&started, turn);
        }
        for alarm in self.log_out.alarms.drain(..) {
            turn.alarm(Alarm::Log(alarm));
        }
    }
}

/// A size as metrics count it.
pub(super) fn gauge(len: usize) -> u64 {
    u64::try_from(len).expect("lengths fit 64 bits")
}

/// The key of the hashes in rows: the same for ever and on every server, and unknown to clients.
fn row_hash_key(setup: &[u8]) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(b"fastchat row hash key 1");
    hash.update(setup);
    let digest: [u8; 32] = hash.finalize().into();
    *digest.first_chunk().expect("32 bytes begin with 16")
}
