//! A seat between a scripted home and a real client: what it does with ranges and entries.

use bytes::Bytes;
use server::core::Alarm;
use wire::limits::REREAD_PAUSE;
use wire::message::{
    Answer, Attach, Body, CloseLog, Entry, LogOpened, OpenLog, PeerAccepted, PeerDeliver,
    PeerRange, PeerRead, PeerSlots, Question,
};
use wire::{LogId, Number, Seq, ServerId, ToClient, ToPeer, Wall};

use crate::client::{Client, MINE};
use crate::world::World;

/// Bob sits on server 2 with his mailbox attached; his home, server 1, is played by the test.
struct Stage {
    world: World,
    bob: Client,
    home: usize,
    /// The reads that the home was asked for.
    reads: Vec<PeerRead>,
}

impl Stage {
    fn new() -> Self {
        let mut world = World::new(2);
        let bob = world.name_at(1, "bob");
        let bob = Client::signed_up(&mut world, 2, bob);
        bob.open(&mut world, MINE.0, bob.name).expect("its own mailbox");
        world.cut(1, 2);
        let home = world.impersonate(2, 1);
        let mut stage = Self { world, bob, home, reads: Vec::new() };
        stage.say(PeerSlots { whole: true, claims: wire::field::List::default() });
        stage.bob.say(&mut stage.world, Attach { handle: MINE, cursor: Seq(0) });
        stage.listen();
        stage.bob.heard(&mut stage.world);
        stage
    }

    fn say(&mut self, message: impl Into<ToPeer>) {
        self.world.tell(self.home, message);
        self.world.pump();
        self.listen();
    }

    /// Hears the seat: keeps its reads, and opens every log it asks for.
    fn listen(&mut self) {
        while let Some(frame) = self.world.inboxes[self.home].pop_front().flatten() {
            match ToPeer::decode(&frame).expect("servers speak well") {
                ToPeer::PeerRead(read) => self.reads.push(read),
                ToPeer::Ask(ask) => {
                    let Question::AskOpenLog(open) = ask.question else {
                        panic!("only logs are opened here");
                    };
                    let body = LogOpened { handle: open.handle, base: Number::NONE }.into();
                    self.say(Answer { exchange: ask.exchange, body });
                }
                _ => {}
            }
        }
    }

    /// The answer to a read: these entries, and everything up to `upto`.
    fn answer(&mut self, read: &PeerRead, seqs: &[u64], upto: u64, caught_up: bool) {
        let entries = seqs.iter().map(|seq| entry(*seq)).collect();
        self.say(PeerRange {
            log: read.log,
            account: read.account,
            epoch: read.epoch,
            after: read.after,
            entries: wire::field::List::new(entries).expect("few"),
            upto: Seq(upto),
            expired: 0,
            caught_up,
            failed: false,
        });
    }

    fn push(&mut self, seq: u64) {
        let log = LogId::mailbox(self.bob.name);
        self.say(PeerDeliver { log, entry: entry(seq) });
    }

    /// What Bob hears: entries by their seq, and the seqs at which he was caught up.
    fn bob_hears(&mut self) -> (Vec<u64>, Vec<u64>) {
        let (mut entries, mut caught_up) = (Vec::new(), Vec::new());
        for message in self.bob.heard(&mut self.world) {
            match message {
                ToClient::Deliver(deliver) => entries.push(deliver.entry.seq.0),
                ToClient::CaughtUp(at) => caught_up.push(at.upto.0),
                _ => {}
            }
        }
        (entries, caught_up)
    }
}

fn entry(seq: u64) -> Entry {
    Entry {
        seq: Seq(seq),
        sender: wire::Name::parse("alice").expect("a name"),
        origin: wire::Origin([1; 16]),
        number: Number::new(seq).expect("small"),
        at: Wall(0),
        body: Body::new(Bytes::from_static(b"x")).expect("short"),
    }
}

#[test]
fn entries_are_taken_only_after_the_position_and_once_caught_up() {
    let mut stage = Stage::new();
    stage.push(3);
    assert_eq!(stage.bob_hears(), (vec![], vec![]), "a range will bring it");
    let read = stage.reads.remove(0);
    stage.answer(&read, &[3, 5], 5, true);
    assert_eq!(stage.bob_hears(), (vec![3, 5], vec![5]));
    for seq in [5, 3, 6, 6, 8] {
        stage.push(seq);
    }
    assert_eq!(stage.bob_hears(), (vec![6, 8], vec![]));
    assert_eq!(stage.reads, []);
}

#[test]
fn a_range_says_how_far_it_goes_also_where_nothing_is_left() {
    let mut stage = Stage::new();
    let read = stage.reads.remove(0);
    stage.answer(&read, &[2], 7, false);
    assert_eq!(stage.bob_hears(), (vec![2], vec![]));
    let next = stage.reads.remove(0);
    assert_eq!(next.after, Seq(7), "nothing up to 7 is left");
    stage.answer(&next, &[], 9, true);
    assert_eq!(stage.bob_hears(), (vec![], vec![9]));
}

#[test]
fn a_range_that_was_not_asked_for_last_says_nothing() {
    let mut stage = Stage::new();
    let read = stage.reads.remove(0);
    let other = PeerRead { after: Seq(4), ..read };
    stage.answer(&other, &[5], 5, true);
    let older = PeerRead { epoch: wire::SessionEpoch(0), ..read };
    stage.answer(&older, &[5], 5, true);
    assert_eq!(stage.bob_hears(), (vec![], vec![]));
    stage.answer(&read, &[5], 5, true);
    stage.answer(&read, &[5], 5, true);
    assert_eq!(stage.bob_hears(), (vec![5], vec![5]));
}

#[test]
fn a_range_from_before_the_log_was_closed_is_not_trusted() {
    let mut stage = Stage::new();
    let old = stage.reads.remove(0);
    let log = LogId::mailbox(stage.bob.name);
    stage.bob.say(&mut stage.world, CloseLog { handle: MINE });
    stage.bob.say(&mut stage.world, OpenLog { handle: MINE, log });
    stage.bob.say(&mut stage.world, Attach { handle: MINE, cursor: Seq(0) });
    stage.listen();
    let new = stage.reads.remove(0);
    assert_eq!(new.after, old.after);
    stage.answer(&old, &[], 0, true);
    stage.push(2);
    assert_eq!(stage.bob_hears(), (vec![], vec![]), "1 may have come while it was closed");
    let again = stage.reads.remove(0);
    stage.answer(&again, &[1, 2], 2, true);
    assert_eq!(stage.bob_hears(), (vec![1, 2], vec![2]));
}

#[test]
fn a_range_that_could_not_be_read_is_asked_for_again_after_a_pause() {
    let mut stage = Stage::new();
    let read = stage.reads.remove(0);
    stage.say(PeerRange {
        log: read.log,
        account: read.account,
        epoch: read.epoch,
        after: read.after,
        entries: wire::field::List::default(),
        upto: read.after,
        expired: 0,
        caught_up: false,
        failed: true,
    });
    assert_eq!(stage.reads, []);
    stage.world.advance(REREAD_PAUSE);
    stage.listen();
    assert_eq!(stage.reads, [read]);
}

#[test]
fn an_answer_to_posts_comes_from_their_home() {
    let mut stage = Stage::new();
    let carol = stage.world.name_at(2, "carol");
    Client::signed_up(&mut stage.world, 2, carol);
    stage.bob.open(&mut stage.world, 1, carol).expect("opens");
    stage.say(PeerAccepted {
        log: LogId::mailbox(carol),
        sender: stage.bob.name,
        origin: stage.bob.origin,
        upto: Number::new(1).expect("small"),
        seq: Seq(1),
        class: wire::message::Class::Stored,
    });
    assert!(stage.bob.hear(&mut stage.world).is_none());
    let confused = Alarm::PeerConfused { from: ServerId(1) };
    assert_eq!(stage.world.alarms(2), [confused]);
}
