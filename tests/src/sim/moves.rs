//! An operator who changes the map while people write: slots move, and each server hears of the new
//! map in its own time.

use std::time::Duration;

use server::core::Event;
use storage::{Batch, Change, SlotRecord, Tenure};
use wire::{LogId, OperatorKey, ServerId, SignedMap, Slot};

use super::fault::FaultKind;
use super::host::Node;
use super::oracle::Fact;
use super::user::group_name;
use super::world::{What, World};

/// The longest pause between two maps.
const CALM_MAX: Duration = Duration::from_secs(12);
/// A server hears of a map within this.
const NEWS_TIME_MAX: Duration = Duration::from_secs(3);

fn operator() -> OperatorKey {
    OperatorKey::from_seed(&[7; 32])
}

impl World {
    /// In half of the worlds the map changes.
    pub(super) fn begin_maps(&mut self) {
        if self.plan.servers > 1 && self.moves.chance(500) {
            self.signed = Some(SignedMap::first((*self.map).clone(), &operator()));
        }
        self.await_map();
    }

    fn await_map(&mut self) {
        if self.signed.is_some() {
            let after = self.moves.time(Duration::ZERO, CALM_MAX);
            self.queue.push(self.now + after, What::NewMap);
        }
    }

    /// Some of the slots that people use get another home.
    pub(super) fn on_new_map(&mut self) {
        let Some(former) = self.signed.clone().filter(|_| self.has_faults) else {
            return;
        };
        let mut homes: Vec<ServerId> = Slot::all().map(|slot| former.map().home(slot)).collect();
        for log in self.used_logs() {
            if self.moves.chance(400) {
                let home = 1 + self.moves.below(u64::from(self.plan.servers));
                let home = ServerId(u16::try_from(home).expect("few servers"));
                homes[Slot::of(&log).index()] = home;
            }
        }
        let map = former.map().with_homes(&homes);
        self.note(&[], format_args!("map {}", map.version()));
        self.signed = Some(former.follow(map, &operator()));
        self.tally.count(FaultKind::MapChanged);
        for id in self.servers.keys().copied().collect::<Vec<_>>() {
            self.send_map(id);
        }
        self.await_map();
    }

    /// A server hears of the newest map after a while.
    pub(super) fn send_map(&mut self, server: ServerId) {
        if self.signed.is_some() {
            let after = self.moves.time(Duration::ZERO, NEWS_TIME_MAX);
            self.queue.push(self.now + after, What::MapTold { server });
        }
    }

    pub(super) fn on_map_told(&mut self, id: ServerId) {
        let Some(map) = self.signed.clone() else {
            return;
        };
        let is_up = self.host(Node::Server(id)).is_up();
        let server = self.servers.get_mut(&id).expect("a server of this world");
        server.map = Some(map.clone());
        if is_up {
            self.feed_server(id, Event::Map(map));
        }
    }

    /// Which of the logs that people use a server serves.
    pub(super) fn note_served(&mut self, id: ServerId) {
        if self.signed.is_none() {
            return;
        }
        let used = self.used_logs();
        let core = self.servers[&id].core.as_ref().expect("a server that is up has a core");
        let logs: Vec<LogId> = used.into_iter().filter(|log| core.serves(log)).collect();
        self.fact(&Fact::Serves { server: id, logs: &logs });
    }

    /// Counts slots that have moved.
    pub(super) fn count_moved(&mut self, batch: &Batch) {
        for change in &batch.changes {
            if let Change::PutSlot { record: SlotRecord { tenure: Some(tenure), .. }, .. } = change
                && let Tenure::Moved { is_clear: false, .. } = tenure
            {
                self.tally.count(FaultKind::SlotMoved);
            }
        }
    }

    fn used_logs(&self) -> Vec<LogId> {
        let mailboxes = self.users.iter().map(|user| LogId::mailbox(user.name));
        mailboxes
            .chain((0..self.plan.groups).map(|group| LogId::group(group_name(group))))
            .collect()
    }
}
