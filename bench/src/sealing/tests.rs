//! A writer and a reader who exchange what homes would carry.

use client::crypto::Identity;
use rand::SeedableRng;
use rand::rngs::StdRng;
use wire::{RequestId, Seq};

use super::work::{Done, perform};
use super::*;

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

struct Two {
    sealing: Sealing,
    identity: Identity,
    random: StdRng,
}

impl Two {
    fn new() -> Self {
        let mut random = StdRng::seed_from_u64(1);
        let (sender, reader) = (name("alice"), name("bob"));
        let ways = [Way { sender, origin: Origin([1; 16]), reader }];
        Self {
            sealing: Sealing::new(&ways, 50),
            identity: Identity::generate(&mut random).expect("keys"),
            random,
        }
    }

    fn granted(&mut self) -> Grant {
        let job = self.sealing.begin(0).expect("it begins");
        assert!(self.sealing.begin(0).is_none(), "one at a time");
        let done = perform(job, &self.identity, &mut self.random);
        let Done::Announced { announcement, grant, .. } = done else { panic!("{done:?}") };
        self.sealing.on_granted(0);
        Grant { request: RequestId(0), announcement, grant }
    }

    fn entry(&mut self, number: u64) -> Entry {
        let (_, body) = self.sealing.seal(0, number);
        Entry {
            seq: Seq(number),
            sender: name("alice"),
            origin: Origin([1; 16]),
            number: Number::new(number).expect("in range"),
            at: Wall(0),
            body,
        }
    }

    fn key(&mut self, grant: Grant) -> SessionKey {
        let job = self.sealing.on_grant(1, 0, grant);
        let done = perform(job, &self.identity, &mut self.random);
        let Done::Opened { key, .. } = done else { panic!("{done:?}") };
        key
    }
}

#[test]
fn what_waits_for_its_grant_is_opened_when_that_is_there() {
    let mut two = Two::new();
    assert!(!two.sealing.is_ready(0));
    let grant = two.granted();
    let (first, second) = (two.entry(1), two.entry(2));
    let ask = Some(MessageSession(1));
    assert_eq!(two.sealing.open(1, 0, &first), Opened::Waits { ask });
    assert_eq!(two.sealing.open(1, 0, &second), Opened::Waits { ask: None });
    let key = two.key(grant);
    assert_eq!(two.sealing.on_key(1, 0, &key), [(1, true), (2, true)]);
    let third = two.entry(3);
    assert_eq!(two.sealing.open(1, 0, &third), Opened::Good);
    assert_eq!(two.sealing.open(1, 0, &Entry { number: first.number, ..third }), Opened::Bad);
    assert!(!two.sealing.cost().is_zero());
}

#[test]
fn a_body_is_the_same_until_it_is_answered() {
    let mut two = Two::new();
    two.granted();
    let sealed = two.sealing.seal(0, 1);
    assert_eq!(two.sealing.seal(0, 1), sealed);
    two.sealing.settle(0, 1);
    assert_ne!(two.sealing.seal(0, 1), sealed, "forgotten, and the ratchet has turned");
}

#[test]
fn a_message_session_is_replaced_after_a_hundred_messages() {
    let mut two = Two::new();
    two.granted();
    (1..=100).for_each(|number| {
        assert!(two.sealing.is_ready(0));
        two.sealing.seal(0, number);
    });
    assert!(!two.sealing.is_ready(0));
    two.granted();
    assert_eq!(two.sealing.seal(0, 101).0, MessageSession(2));
}
