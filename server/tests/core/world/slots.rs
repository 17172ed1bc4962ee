//! Maps that change, and what disks hold of slots.

use server::core::{Alarm, Event, Outgoing};
use storage::{
    Answer, Completion, DiskModel, MemDisk, MemStorage, Op, Read, SlotDigest, SlotRecord, Storage,
    Ticket,
};
use wire::{LogId, ServerId, Slot, ToPeer};

use super::maps::operator;
use super::{Arrival, End, World};

/// Kills a server before it handles so many more events.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fuse {
    pub(crate) server: u16,
    pub(crate) events: usize,
    pub(crate) in_flight: storage::InFlight,
}

/// Makes another message of one that a server says to another.
pub(crate) type Alter = Box<dyn FnMut(ToPeer) -> ToPeer>;

impl World {
    /// Slots that a server holds, and how many of them it has to give.
    pub(crate) fn slots(&self, server: u16) -> (u64, u64) {
        self.nodes[&ServerId(server)].core.as_ref().expect("runs").slots()
    }

    /// Whether a server serves the slot of a log.
    pub(crate) fn serves(&self, server: u16, log: &LogId) -> bool {
        self.nodes[&ServerId(server)].core.as_ref().expect("runs").serves(log)
    }

    /// The next map, in which these logs' slots have another home; every server hears of it.
    pub(crate) fn move_to(&mut self, logs: &[LogId], home: u16) {
        let moved: Vec<Slot> = logs.iter().map(Slot::of).collect();
        let former = self.file(1);
        let homes = Slot::all().map(|slot| match moved.contains(&slot) {
            true => ServerId(home),
            false => former.map().home(slot),
        });
        let next = former.map().with_homes(&homes.collect::<Vec<_>>());
        let next = former.follow(next, &operator());
        let ids: Vec<ServerId> = self.nodes.keys().copied().collect();
        for id in &ids {
            self.put_map(id.0, &next);
        }
        for id in ids {
            self.feed(id, Event::Map(next.clone()));
        }
        self.pump();
    }

    /// The same, until so many arrivals were handled.
    pub(crate) fn move_to_slowly(&mut self, logs: &[LogId], home: u16, arrivals: usize) {
        self.arrivals_max = Some(arrivals);
        self.move_to(logs, home);
        self.arrivals_max = None;
    }

    pub(super) fn next_arrival(&mut self) -> Option<Arrival> {
        match &mut self.arrivals_max {
            Some(0) => None,
            Some(left) => {
                *left -= 1;
                self.arrivals.pop_front()
            }
            None => self.arrivals.pop_front(),
        }
    }

    pub(super) fn altered(&mut self, message: &Outgoing) -> Outgoing {
        match (message.clone(), &mut self.alter) {
            (Outgoing::Peer(message), Some(alter)) => Outgoing::Peer(alter(message)),
            (message, _) => message,
        }
    }

    /// What a server has raised since the last call.
    pub(crate) fn take_alarms(&mut self, server: u16) -> Vec<Alarm> {
        std::mem::take(&mut self.node(ServerId(server)).alarms)
    }

    /// What a server's disk knows of the slot of a log.
    pub(crate) fn slot_record(&self, server: u16, log: &LogId) -> SlotRecord {
        let (store, _) = MemStorage::open(self.image(server), DiskModel::default()).expect("opens");
        let records = store.slots().expect("they decode");
        let found = records.into_iter().find(|(slot, _)| *slot == Slot::of(log));
        found.map(|(_, record)| record).unwrap_or_default()
    }

    /// What a server's disk holds of the slot of a log adds up to this.
    pub(crate) fn slot_digest(&self, server: u16, log: &LogId) -> SlotDigest {
        digest(self.image(server), Slot::of(log))
    }

    /// Burns the fuse by an event of this arrival's server, if it is that one's.
    pub(super) fn burn(&mut self, arrival: &Arrival) {
        if let Arrival::Frame(End::Server(id, _), _) = arrival {
            self.burn_at(*id);
        }
    }

    pub(super) fn burn_at(&mut self, id: ServerId) {
        let Some(fuse) = &mut self.fuse else {
            return;
        };
        if id != ServerId(fuse.server) {
            return;
        }
        if fuse.events > 0 {
            fuse.events -= 1;
            return;
        }
        let Fuse { server, in_flight, .. } = *fuse;
        self.fuse = None;
        if self.is_up(server) {
            self.kill(server, in_flight);
        }
    }
}

fn digest(disk: MemDisk, slot: Slot) -> SlotDigest {
    let (mut store, _) = MemStorage::open(disk, DiskModel::default()).expect("opens");
    let (mut sum, mut after, mut ticket) = (SlotDigest::default(), None, Ticket(0));
    loop {
        ticket.0 += 1;
        store.submit(Op::Read { ticket, read: Read::SlotDigest { slot, after } });
        let Some(Completion::Answered { answer: Answer::SlotDigest { digest, next }, .. }) =
            store.poll()
        else {
            panic!("a digest was asked for");
        };
        sum.add(&digest);
        match next {
            Some(next) => after = Some(next),
            None => return sum,
        }
    }
}
