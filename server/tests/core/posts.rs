//! Posts and entries: from one user's client to another's, whatever servers lie between.

use std::time::Duration;

use server::core::{Event, Level};
use storage::DiskModel;
use wire::limits::{POSTS_BURST, SEEN_WAIT, UNANSWERED_MAX, UNSEEN_ENTRIES_MAX};
use wire::message::{Attach, Class, CloseLog, FetchBundles, OpenLog, Refusal};
use wire::{FaultCode, LogHandle, LogId, Number, RequestId, Seq, ServerId, ToClient};

use crate::client::{Client, MINE};
use crate::world::World;

/// Alice (home 1) and Bob (home 2), seated where the arguments say.
fn pair(world: &mut World, alice_seat: u16, bob_seat: u16) -> (Client, Client) {
    let (alice, bob) = (world.name_at(1, "alice"), world.name_at(2, "bob"));
    (Client::signed_up(world, alice_seat, alice), Client::signed_up(world, bob_seat, bob))
}

#[test]
fn a_message_goes_both_ways_between_homes_and_seats() {
    for (alice_seat, bob_seat) in [(1, 2), (2, 1), (3, 3), (1, 1), (2, 2), (3, 1)] {
        let mut world = World::new(3);
        let (alice, bob) = pair(&mut world, alice_seat, bob_seat);
        for (from, to) in [(&alice, &bob), (&bob, &alice)] {
            to.attach(&mut world, Seq(0));
            assert!(matches!(to.hear(&mut world), Some(ToClient::CaughtUp(_))));
            assert_eq!(from.open(&mut world, 5, to.name), Ok(Number::NONE));
            from.post(&mut world, 5, 1, 0, "hello");
            let accepted = from.accepted(&mut world);
            assert_eq!((accepted.handle, accepted.upto.value()), (LogHandle(5), 1));
            assert_eq!(accepted.class, Class::Stored);
            let entry = to.delivered(&mut world).entry;
            assert_eq!((entry.sender, entry.origin), (from.name, from.origin));
            assert_eq!((entry.number.value(), entry.seq), (1, accepted.seq));
            assert_eq!(entry.body.bytes().as_ref(), b"hello");
            to.seen(&mut world, entry.seq);
        }
        assert!(alice.hear(&mut world).is_none() && bob.hear(&mut world).is_none());
    }
}

#[test]
fn nothing_is_accepted_before_it_is_durable() {
    let mut world = World::new(2);
    let (alice, bob) = pair(&mut world, 1, 2);
    bob.attach(&mut world, Seq(0));
    bob.heard(&mut world);
    alice.open(&mut world, 1, bob.name).expect("opens");
    world.set_disk(2, DiskModel { commit_steps: 1, ..DiskModel::default() });
    alice.post(&mut world, 1, 1, 0, "quick");
    assert!(alice.hear(&mut world).is_none());
    assert_eq!(bob.texts(&mut world), ["quick"], "live delivery does not wait");
    world.advance(SEEN_WAIT);
    assert!(alice.hear(&mut world).is_none());
    world.step_disks();
    assert_eq!(alice.accepted(&mut world).upto.value(), 1);
}

#[test]
fn a_message_that_its_reader_has_at_once_is_safe_without_a_sync() {
    let mut world = World::new(2);
    let (alice, bob) = pair(&mut world, 1, 2);
    bob.attach(&mut world, Seq(0));
    bob.heard(&mut world);
    alice.open(&mut world, 1, bob.name).expect("opens");
    let commits = world.metrics(ServerId(2)).commits;
    for number in 1..=3 {
        alice.post(&mut world, 1, number, number - 1, "live");
        let seq = bob.delivered(&mut world).entry.seq;
        bob.seen(&mut world, seq);
        let accepted = alice.accepted(&mut world);
        assert_eq!((accepted.upto.value(), accepted.class), (number, Class::Seen));
    }
    world.advance(Duration::from_secs(1));
    let metrics = world.metrics(ServerId(2));
    assert_eq!((metrics.commits, metrics.log.unwritten), (commits, 3));
}

#[test]
fn a_home_that_stops_writes_what_waits_for_a_reader() {
    let mut world = World::new(2);
    let (alice, bob) = pair(&mut world, 1, 2);
    bob.attach(&mut world, Seq(0));
    bob.heard(&mut world);
    alice.open(&mut world, 1, bob.name).expect("opens");
    alice.post(&mut world, 1, 1, 0, "last words");
    assert!(alice.hear(&mut world).is_none());
    world.feed(ServerId(2), Event::Stop);
    world.pump();
    let heard = alice.heard(&mut world);
    let [ToClient::Accepted(accepted), ..] = heard.as_slice() else { panic!("{heard:?}") };
    assert_eq!(accepted.class, Class::Stored);
}

#[test]
fn what_waits_is_read_when_the_reader_comes() {
    let mut world = World::new(2);
    let (alice, mut bob) = pair(&mut world, 1, 2);
    world.hang_up(bob.conn);
    alice.open(&mut world, 1, bob.name).expect("opens");
    for number in 1..=3 {
        alice.post(&mut world, 1, number, 0, &format!("text {number}"));
    }
    alice.heard(&mut world);
    bob.connect(&mut world, 1);
    bob.resume(&mut world).expect("resumes");
    // The client asks for its mailbox without waiting for the handle.
    bob.say(&mut world, OpenLog { handle: MINE, log: LogId::mailbox(bob.name) });
    bob.say(&mut world, Attach { handle: MINE, cursor: Seq(0) });
    let heard = bob.heard(&mut world);
    let [
        ToClient::LogOpened(_),
        ToClient::Deliver(_),
        ToClient::Deliver(second),
        ToClient::Deliver(third),
        ToClient::CaughtUp(caught_up),
    ] = heard.as_slice()
    else {
        panic!("three entries, not {heard:?}");
    };
    assert_eq!(caught_up.upto, third.entry.seq);
    let cursor = second.entry.seq;
    bob.seen(&mut world, cursor);
    world.hang_up(bob.conn);
    bob.connect(&mut world, 2);
    bob.resume(&mut world).expect("resumes");
    bob.attach(&mut world, cursor);
    assert_eq!(bob.texts(&mut world), ["text 3"]);
}

#[test]
fn a_reader_that_does_not_acknowledge_gets_a_windowful_and_then_the_rest() {
    let mut world = World::new(2);
    let (alice, bob) = pair(&mut world, 1, 1);
    bob.answer(&mut world, alice.name);
    bob.attach(&mut world, Seq(0));
    alice.open(&mut world, 1, bob.name).expect("opens");
    let total = UNSEEN_ENTRIES_MAX + 9;
    for number in 1..=total {
        let number = u64::try_from(number).expect("small");
        alice.post(&mut world, 1, number, number - 1, &format!("{number}"));
        assert_eq!(alice.accepted(&mut world).upto.value(), number);
    }
    let mut seqs = Vec::new();
    let mut collect = |world: &mut World| {
        for message in bob.heard(world) {
            if let ToClient::Deliver(deliver) = message {
                seqs.push((deliver.entry.seq, deliver.entry.number.value()));
            }
        }
        seqs.len()
    };
    assert_eq!(collect(&mut world), UNSEEN_ENTRIES_MAX);
    bob.seen(&mut world, Seq(u64::MAX));
    assert_eq!(collect(&mut world), total, "a claim above what was sent counts for what was sent");
    assert_eq!(world.alarms(2), []);
    assert!(seqs.is_sorted_by(|a, b| a.0 < b.0 && a.1 + 1 == b.1), "in order, none twice");
}

#[test]
fn a_reader_whose_queue_is_full_falls_behind_and_catches_up() {
    let mut world = World::new(2);
    let (alice, bob) = pair(&mut world, 1, 2);
    bob.attach(&mut world, Seq(0));
    bob.heard(&mut world);
    alice.open(&mut world, 1, bob.name).expect("opens");
    world.press(bob.conn, Level::High);
    alice.post(&mut world, 1, 1, 0, "one");
    alice.post(&mut world, 1, 2, 0, "two");
    assert_eq!(bob.texts(&mut world), Vec::<String>::new());
    world.press(bob.conn, Level::Low);
    assert_eq!(bob.texts(&mut world), ["one", "two"]);
    alice.post(&mut world, 1, 3, 0, "three");
    assert_eq!(bob.texts(&mut world), ["three"], "live again");
}

#[test]
fn large_entries_fill_the_window_by_bytes_without_asking_in_vain() {
    let mut world = World::new(2);
    let (alice, bob) = pair(&mut world, 1, 2);
    alice.open(&mut world, 1, bob.name).expect("opens");
    let large = "x".repeat(60_000);
    for number in 1..=9 {
        alice.post(&mut world, 1, number, 0, &large);
    }
    bob.attach(&mut world, Seq(0));
    let mut count = 0;
    for _ in 0..9 {
        let entries: Vec<Seq> = bob
            .heard(&mut world)
            .into_iter()
            .filter_map(|message| match message {
                ToClient::Deliver(deliver) => Some(deliver.entry.seq),
                _ => None,
            })
            .collect();
        assert!(entries.len() <= 4, "256 KiB are in flight at most");
        count += entries.len();
        if let Some(last) = entries.last() {
            bob.seen(&mut world, *last);
        }
    }
    assert_eq!(count, 9);
}

#[test]
fn a_resend_is_answered_again_and_stored_once() {
    let mut world = World::new(2);
    let (mut alice, bob) = pair(&mut world, 1, 2);
    bob.attach(&mut world, Seq(0));
    bob.heard(&mut world);
    alice.open(&mut world, 1, bob.name).expect("opens");
    alice.post(&mut world, 1, 1, 0, "once");
    let seq = alice.accepted(&mut world).seq;
    alice.connect(&mut world, 2);
    alice.resume(&mut world).expect("resumes");
    assert_eq!(alice.open(&mut world, 8, bob.name).map(Number::value), Ok(1));
    alice.post(&mut world, 8, 1, 0, "once");
    assert_eq!(alice.accepted(&mut world).seq, seq);
    alice.post(&mut world, 8, 1, 0, "changed");
    assert_eq!(alice.refused(&mut world).refusal, Refusal::Conflict);
    alice.post(&mut world, 8, 4, 1, "too far");
    let expected = Refusal::Expected(Number::new(2).expect("small"));
    assert_eq!(alice.refused(&mut world).refusal, expected);
    for (number, settled) in [(1, 1), (66, 1)] {
        alice.post(&mut world, 8, number, settled, "miscounted");
        assert_eq!(alice.fault(&mut world).code, FaultCode::BAD_NUMBER);
    }
    assert_eq!(bob.texts(&mut world), ["once"]);
}

#[test]
fn unanswered_posts_are_bounded_per_session() {
    let mut world = World::new(2);
    let (alice, bob) = pair(&mut world, 1, 2);
    bob.answer(&mut world, alice.name);
    alice.open(&mut world, 1, bob.name).expect("opens");
    world.set_disk(2, DiskModel { commit_steps: 1, ..DiskModel::default() });
    for number in 1..=UNANSWERED_MAX {
        alice.post(&mut world, 1, number, 0, "x");
    }
    assert!(alice.hear(&mut world).is_none());
    alice.post(&mut world, 1, UNANSWERED_MAX + 1, 1, "x");
    assert_eq!(alice.refused(&mut world).refusal, Refusal::Busy);
    for _ in 0..3 {
        world.step_disks();
    }
    let answers = alice.heard(&mut world);
    let Some(ToClient::Accepted(last)) = answers.last() else {
        panic!("accepted, not {answers:?}");
    };
    assert_eq!(last.upto.value(), UNANSWERED_MAX);
    assert!(answers.len() <= 2, "one answer per commit, not per post");
    alice.post(&mut world, 1, UNANSWERED_MAX + 1, UNANSWERED_MAX, "x");
    world.step_disks();
    assert_eq!(alice.accepted(&mut world).upto.value(), UNANSWERED_MAX + 1);
}

#[test]
fn a_client_that_posts_too_fast_is_not_read_for_a_while() {
    let mut world = World::new(1);
    let alice = world.name_at(1, "alice");
    let alice = Client::signed_up(&mut world, 1, alice);
    alice.open(&mut world, 1, alice.name).expect("a note to oneself");
    for number in 1..=u64::from(POSTS_BURST) {
        assert!(!world.is_paused(alice.conn));
        alice.post(&mut world, 1, number, number - 1, "x");
    }
    assert!(world.is_paused(alice.conn));
    world.advance(std::time::Duration::from_millis(51));
    assert!(!world.is_paused(alice.conn), "20 a second are allowed");
}

#[test]
fn logs_of_nobody_and_of_others() {
    let mut world = World::new(2);
    let (alice, bob) = pair(&mut world, 1, 2);
    let nobody = world.name_at(2, "nobody");
    assert_eq!(alice.open(&mut world, 1, nobody), Err(FaultCode::NO_SUCH_USER));
    let group = LogId::group(nobody);
    alice.say(&mut world, OpenLog { handle: LogHandle(1), log: group });
    assert_eq!(alice.fault(&mut world).code, FaultCode::NO_SUCH_GROUP);
    alice.open(&mut world, 1, bob.name).expect("the handle is free again");
    alice.say(&mut world, Attach { handle: LogHandle(1), cursor: Seq(0) });
    assert_eq!(alice.fault(&mut world).code, FaultCode::NOT_A_READER);
    assert_eq!(alice.open(&mut world, 2, bob.name), Err(FaultCode::BAD_HANDLE), "open already");
    assert_eq!(alice.open(&mut world, 1, alice.name), Err(FaultCode::BAD_HANDLE), "taken");
    alice.say(&mut world, CloseLog { handle: LogHandle(1) });
    alice.post(&mut world, 1, 1, 0, "x");
    assert_eq!(alice.fault(&mut world).code, FaultCode::BAD_HANDLE);
    assert_eq!(alice.open(&mut world, 2, bob.name), Ok(Number::NONE));
}

#[test]
fn a_closed_mailbox_is_read_no_more_and_may_be_opened_again() {
    let mut world = World::new(2);
    let (alice, bob) = pair(&mut world, 1, 1);
    bob.attach(&mut world, Seq(0));
    bob.heard(&mut world);
    alice.open(&mut world, 1, bob.name).expect("opens");
    bob.say(&mut world, CloseLog { handle: MINE });
    alice.post(&mut world, 1, 1, 0, "waits");
    assert!(bob.hear(&mut world).is_none());
    bob.attach(&mut world, Seq(0));
    assert_eq!(bob.texts(&mut world), ["waits"]);
}

#[test]
fn key_logs_are_fetched_from_their_home() {
    let mut world = World::new(2);
    let (alice, bob) = pair(&mut world, 1, 1);
    let fetch = |name, after| FetchBundles { request: RequestId(3), name, after };
    alice.say(&mut world, fetch(bob.name, 0));
    let Some(ToClient::Bundles(bundles)) = alice.hear(&mut world) else {
        panic!("bundles");
    };
    assert_eq!((bundles.request, bundles.name, bundles.complete), (RequestId(3), bob.name, true));
    assert_eq!(bundles.bundles.items().len(), 1);
    alice.say(&mut world, fetch(bob.name, 1));
    let Some(ToClient::Bundles(bundles)) = alice.hear(&mut world) else {
        panic!("no news is an answer too");
    };
    assert!(bundles.bundles.items().is_empty() && bundles.complete);
    let nobody = world.name_at(2, "nobody");
    alice.say(&mut world, fetch(nobody, 0));
    let fault = alice.fault(&mut world);
    assert_eq!((fault.code, fault.reference), (FaultCode::NO_SUCH_USER, 3));
}
