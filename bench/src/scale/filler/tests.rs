//! Filling against a small model of a cluster.

use std::collections::{BTreeMap, VecDeque};

use bytes::BytesMut;
use wire::message::{
    Accepted, Class, Fault, LogOpened, Placed, RosterChanged, SignUpChallenge, Welcome,
};
use wire::{
    FaultCode, Message, Opaque, Reservation, Seq, ServerId, SessionEpoch, ToRouter, ToServer,
    Token, Wall,
};

use super::*;
use crate::fake_home::FakeHome;

struct World {
    filler: Filler,
    home: FakeHome,
    now: Instant,
    inbox: VecDeque<Event>,
    names: BTreeMap<usize, Name>,
    accounts: Vec<Name>,
    groups: u64,
    entries: BTreeMap<Name, u64>,
    opened: BTreeMap<usize, Name>,
    not_ready: u32,
}

impl World {
    fn fill(wanted: Filled, not_ready: u32) -> Self {
        let mut world = Self {
            filler: Filler::new(wanted, 40, [3; 32]),
            home: FakeHome::new(),
            now: Instant(0),
            inbox: VecDeque::new(),
            names: BTreeMap::new(),
            accounts: Vec::new(),
            groups: 0,
            entries: BTreeMap::new(),
            opened: BTreeMap::new(),
            not_ready,
        };
        while !world.filler.is_done() {
            world.turn();
        }
        world
    }

    fn turn(&mut self) {
        if self.inbox.is_empty() {
            self.now = self.now.max(self.filler.deadline().expect("it waits for something"));
        }
        let mut out = Vec::new();
        for event in std::mem::take(&mut self.inbox) {
            self.filler.handle(self.now, event, &mut out).expect("goes on");
        }
        self.filler.handle(self.now, Event::TurnEnd, &mut out).expect("goes on");
        for effect in out {
            if let Effect::Act { user, action } = effect {
                self.act(user, action);
            }
        }
    }

    fn act(&mut self, user: usize, action: Action) {
        match action {
            Action::Ask(ToRouter::Place(_)) if self.not_ready > 0 => {
                self.not_ready -= 1;
                self.tell(user, &Fault::new(FaultCode::UNAVAILABLE));
            }
            Action::Ask(ToRouter::Place(place)) => {
                self.names.insert(user, place.name);
                self.tell(user, &placed());
            }
            Action::Say(message) => self.hear(user, message),
            _ => {}
        }
    }

    fn hear(&mut self, user: usize, message: ToServer) {
        match message {
            ToServer::SignUpStart(start) => {
                let response = self.home.challenge(start.name, &start.request);
                self.tell(user, &SignUpChallenge { response });
            }
            ToServer::SignUpFinish(finish) => {
                self.accounts.push(finish.name);
                self.tell(user, &welcome(finish.name));
            }
            ToServer::ChangeRoster(change) => {
                self.groups += 1;
                let (request, version) = (change.request, 1);
                self.tell(user, &RosterChanged { request, version });
            }
            ToServer::OpenLog(open) => {
                assert!(self.accounts.contains(&open.log.name), "an account that is there");
                self.opened.insert(user, open.log.name);
                self.tell(user, &LogOpened { handle: open.handle, base: Number::NONE });
            }
            ToServer::Post(post) => {
                *self.entries.entry(self.opened[&user]).or_default() += 1;
                let (handle, upto, seq) = (post.handle, post.number, Seq(1));
                self.tell(user, &Accepted { handle, upto, seq, class: Class::Stored });
            }
            _ => {}
        }
    }

    fn tell(&mut self, user: usize, message: &impl Message) {
        let mut bytes = BytesMut::new();
        message.append_frame(&mut bytes);
        let frame = Frame::split(&mut bytes, u32::MAX).expect("a frame").expect("a whole one");
        self.inbox.push_back(Event::Frame { user, frame });
    }
}

fn placed() -> Placed {
    Placed {
        home: ServerId(1),
        seat: ServerId(1),
        address: "127.0.0.1:1".parse().expect("an address"),
        reservation: Reservation([0; 16]),
    }
}

fn welcome(name: Name) -> Welcome {
    Welcome {
        name,
        epoch: SessionEpoch(1),
        token: Token([0; 32]),
        bundle: Opaque::default(),
        sealed_keys: Opaque::default(),
        at: Wall(0),
    }
}

#[test]
fn accounts_groups_and_entries_are_what_was_wanted() {
    let wanted = Filled { accounts: 1_000, groups: 300, entries: 5_000 };
    let world = World::fill(wanted, 3);
    assert_eq!(world.accounts.len(), 1_000);
    let groups = 300..300 + u64::from(HANDS);
    assert!(groups.contains(&world.groups), "{} groups", world.groups);
    let hands = u64::from(HANDS);
    let entries: u64 = world.entries.values().sum();
    assert_eq!(entries, 5 * (1_000 - hands), "but for the first account of each connection");
    assert!(world.entries.values().all(|count| *count <= STRANGER_ENTRIES_MAX));
    let filled = world.filler.finish();
    assert_eq!((filled.accounts, filled.groups, filled.entries), (1_000, world.groups, entries));
}

#[test]
fn nothing_but_accounts_needs_no_posts() {
    let world = World::fill(Filled { accounts: 200, groups: 0, entries: 0 }, 0);
    assert_eq!((world.accounts.len(), world.groups, world.entries.len()), (200, 0, 0));
}
