//! A home's disk fails at each of its calls in turn: the process ends, the next one goes on, and
//! nothing that was accepted is lost, doubled or put where something else stood.

use std::collections::BTreeMap;
use std::time::Duration;

use storage::InFlight;
use wire::limits::SEEN_WAIT;
use wire::message::Entry;
use wire::{Seq, ServerId, ToClient};

use crate::client::Client;
use crate::world::World;

const POSTS: u64 = 8;
/// The home whose disk fails; nobody sits there.
const HOME: u16 = 2;

/// Alice posts to Bob, whose home fails; both sit elsewhere, send again, and remember.
struct Story {
    world: World,
    alice: Client,
    bob: Client,
    deaths: u64,
    /// Where alice was told that each of her posts stands.
    accepted: BTreeMap<u64, Seq>,
    /// Everything that bob was ever shown: the number by its seq.
    shown: BTreeMap<Seq, u64>,
    cursor: Seq,
}

impl Story {
    fn new() -> Self {
        let mut world = World::new(2);
        let (alice, bob) = (world.name_at(1, "alice"), world.name_at(HOME, "bob"));
        let alice = Client::signed_up(&mut world, 1, alice);
        let bob = Client::signed_up(&mut world, 1, bob);
        alice.open(&mut world, 1, bob.name).expect("opens");
        bob.attach(&mut world, Seq(0));
        let (accepted, shown) = (BTreeMap::new(), BTreeMap::new());
        Self { world, alice, bob, deaths: 0, accepted, shown, cursor: Seq(0) }
    }

    fn run(&mut self) {
        for number in 1..=POSTS {
            self.post(number);
            match number % 4 {
                1 => self.see(),
                3 => self.return_bob(),
                _ => {}
            }
        }
        self.mend();
        self.return_bob();
        self.listen();
    }

    /// Posts until it is accepted.
    fn post(&mut self, number: u64) {
        for _ in 0..3 {
            self.alice.post(&mut self.world, 1, number, number - 1, &format!("text {number}"));
            self.world.advance(SEEN_WAIT);
            self.mend();
            let heard = self.alice.heard(&mut self.world);
            let accepted = heard.into_iter().find_map(|message| match message {
                ToClient::Accepted(accepted) if accepted.upto.value() == number => Some(accepted),
                _ => None,
            });
            if let Some(accepted) = accepted {
                self.accepted.insert(number, accepted.seq);
                return;
            }
        }
        panic!("post {number} is not accepted");
    }

    /// Bob says what he has.
    fn see(&mut self) {
        self.listen();
        self.bob.seen(&mut self.world, self.cursor);
        self.mend();
    }

    /// Bob goes and comes back, as often as it takes.
    fn return_bob(&mut self) {
        for _ in 0..3 {
            self.listen();
            self.world.hang_up(self.bob.conn);
            self.bob.connect(&mut self.world, 1);
            let back = self.bob.resume(&mut self.world);
            let is_back = !self.mend() && back.is_ok();
            if is_back {
                let attached = self.bob.try_attach(&mut self.world, self.cursor);
                if !self.mend() && attached.is_ok() {
                    return;
                }
            }
        }
        panic!("bob does not come back");
    }

    /// Takes what bob is shown. A seq stands for one entry, whatever happens.
    fn listen(&mut self) {
        for message in self.bob.heard(&mut self.world) {
            let ToClient::Deliver(deliver) = message else {
                continue;
            };
            let Entry { seq, number, body, .. } = deliver.entry;
            assert_eq!(body.bytes(), format!("text {}", number.value()).as_bytes());
            let before = self.shown.insert(seq, number.value());
            assert!(before.is_none_or(|before| before == number.value()), "{seq:?} is reused");
            self.cursor = self.cursor.max(seq);
        }
    }

    /// Starts the home again if it died. Whether it had.
    fn mend(&mut self) -> bool {
        if self.world.is_up(HOME) {
            return false;
        }
        self.deaths += 1;
        self.world.start(ServerId(HOME));
        self.world.advance(Duration::from_secs(3));
        true
    }

    fn check(&self) {
        for (number, seq) in &self.accepted {
            assert_eq!(self.shown.get(seq), Some(number), "accepted at {seq:?}");
        }
        let mut first_shown: BTreeMap<u64, Seq> = BTreeMap::new();
        for (seq, number) in &self.shown {
            first_shown.entry(*number).or_insert(*seq);
        }
        assert_eq!(first_shown.len(), self.accepted.len(), "all of them");
        assert!(first_shown.values().is_sorted(), "in order: {first_shown:?}");
        assert_eq!(self.world.alarms(HOME), []);
    }
}

/// Fails call after call until there are no more; gives how many there were.
fn fail_each(in_flight: InFlight, calls: impl Fn(u64) -> (Option<u64>, Option<u64>)) -> u64 {
    for count in 1.. {
        let mut story = Story::new();
        let (commit, read) = calls(count);
        story.world.failing = Some(in_flight);
        story.world.fail_disk(HOME, commit, read);
        story.run();
        story.check();
        if story.deaths == 0 {
            return count - 1;
        }
        assert_eq!(story.deaths, 1, "the next process has a whole disk");
    }
    unreachable!("a story ends")
}

#[test]
fn every_failed_commit_ends_the_process_and_loses_nothing() {
    for in_flight in [InFlight::Lost, InFlight::Kept] {
        let calls = fail_each(in_flight, |count| (Some(count), None));
        assert!(calls > POSTS, "{calls} commits failed");
    }
}

#[test]
fn every_failed_read_ends_the_process_and_loses_nothing() {
    let calls = fail_each(InFlight::Lost, |count| (None, Some(count)));
    assert!(calls >= 3, "{calls} reads failed");
}
