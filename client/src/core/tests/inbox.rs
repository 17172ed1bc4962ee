//! Messages: verified, opened, stored, and only then acknowledged; each shown once, in order.

use std::time::Duration;

use wire::message::{Entry, Fault};
use wire::{FaultCode, Kind, RequestId, Seq, ToServer};

use super::world::{Step, World, mailbox};
use crate::core::{Event, Notice, Reading};
use crate::crypto::test_keys::{alice, bob, name};
use crate::store::ReceivedContent;

fn reading() -> World {
    let mut world = World::with_session();
    world.attach(Reading::All);
    world
}

#[test]
fn an_entry_is_stored_before_it_is_acknowledged() {
    let mut world = World::with_session();
    let ticket = world.attach(Reading::All);
    let entry = world.entry("bob", 1, "hello");
    let from = world.sent.len();
    world.deliver(&entry);
    world.caught_up();
    assert!(world.answer(ticket).is_none(), "the message is not here yet");
    world.answer_questions(from, 0);
    assert_eq!(world.texts(), ["hello"]);
    assert_eq!(world.seen(), [1]);
    assert!(world.at(&Step::Stored("received")) < world.at(&Step::Sent(Kind::SEEN)));
    assert_eq!(world.answer(ticket), Some(Ok(())));
    let content = &world.store.received[0].content;
    assert!(matches!(content, ReceivedContent::Text { verified: true, .. }));
}

#[test]
fn a_slow_disk_holds_seen_back() {
    let mut world = reading();
    let entry = world.entry("bob", 1, "hello");
    world.deliver(&entry);
    world.give_grants();
    let fetch = world.fetch();
    world.answer_questions(world.sent.len() - 1, 0);
    assert_eq!((fetch.name.as_str(), world.seen()), ("bob", vec![1]));
    let entry = world.entry("bob", 2, "again");
    world.deliver(&entry);
    world.is_disk_slow = true;
    world.work();
    assert_eq!((world.texts().len(), world.seen()), (2, vec![1]));
    world.release();
    assert_eq!(world.seen(), [1, 2]);
}

#[test]
fn what_opens_early_is_stored_in_order_with_one_seen() {
    let mut world = reading();
    let from = world.sent.len();
    let entries = [1, 2, 3].map(|at| world.entry("bob", at, &at.to_string()));
    for entry in &entries {
        world.deliver(entry);
    }
    world.answer_questions(from, 0);
    assert_eq!(world.texts(), ["1", "2", "3"]);
    let key = (name("bob"), mailbox("alice"));
    let first = world.authors.remove(&key).expect("bob has written");
    world.begin_session(mailbox("alice"), "bob", 2);
    world.grant(mailbox("alice"), "bob", &alice().public().wrapping);
    let fourth = world.entry("bob", 4, "4");
    world.authors.insert(key, first);
    let fifth = world.entry("bob", 5, "5");
    world.deliver(&fourth);
    world.deliver(&fifth);
    world.work();
    assert_eq!(world.texts().len(), 3, "5 is open, and waits for 4");
    world.give_grants();
    assert_eq!(world.texts(), ["1", "2", "3", "4", "5"]);
    assert_eq!(world.seen(), [3, 5]);
}

#[test]
fn a_double_is_acknowledged_and_not_shown() {
    let mut world = reading();
    let from = world.sent.len();
    let first = world.entry("bob", 1, "once");
    world.deliver(&first);
    world.answer_questions(from, 0);
    let again = world.entry("bob", 1, "once");
    world.deliver(&again);
    world.work();
    assert_eq!(world.texts(), ["once"]);
    assert_eq!(world.seen(), [1, 2]);
    let shown = world.notices.iter().filter(|n| matches!(n, Notice::Received(_))).count();
    assert_eq!(shown, 1);
}

#[test]
fn what_does_not_open_is_shown_with_its_reason_and_acknowledged() {
    let mut world = reading();
    let from = world.sent.len();
    let moved = {
        let mut entry = world.entry("bob", 1, "moved");
        entry.number = super::world::number(2);
        entry
    };
    world.begin_session(mailbox("alice"), "bob", 2);
    world.grant(mailbox("alice"), "bob", &bob().public().wrapping);
    let foreign = world.entry("bob", 3, "not for alice");
    let mut noise = world.entry("bob", 4, "noise");
    noise.body = wire::message::Body::new(bytes::Bytes::from_static(b"noise")).expect("short");
    for entry in [&moved, &foreign, &noise] {
        world.deliver(entry);
    }
    world.answer_questions(from, 0);
    let texts = world.texts();
    assert_eq!(texts.len(), 3);
    assert!(texts[0].contains("tampered"), "{texts:?}");
    assert!(texts[1].contains("does not hold"), "{texts:?}");
    assert!(texts[2].contains("format is unknown"), "{texts:?}");
    assert_eq!(world.seen(), [3]);
}

#[test]
fn a_sender_whose_keys_cannot_be_had_now_does_not_hold_up_the_others() {
    let mut world = reading();
    let stuck = world.entry("carol", 1, "from carol");
    let from_bob = world.entry("bob", 1, "from bob");
    world.deliver(&stuck);
    world.give_grants();
    let fetch = world.fetch();
    let unavailable =
        |kind, request: RequestId| Fault::about(FaultCode::UNAVAILABLE, kind, request.0);
    world.server(unavailable(Kind::FETCH_BUNDLES, fetch.request));
    let Some(ToServer::FetchKeyLog(copy)) = world.sent.last().cloned() else {
        panic!("her own home is away: {:?}", world.sent)
    };
    world.server(unavailable(Kind::FETCH_KEY_LOG, copy.request));
    let from = world.sent.len();
    world.deliver(&from_bob);
    world.answer_questions(from, 0);
    assert_eq!(world.texts(), ["from bob"]);
    assert!(world.seen().is_empty(), "carol's entry is not held yet");
    let from = world.sent.len();
    world.pass(Duration::from_secs(2));
    world.answer_questions(from, 0);
    assert_eq!(world.texts(), ["from bob", "from carol"]);
    assert_eq!(world.seen(), [2]);
}

#[test]
fn a_count_leaves_the_rest_at_the_home() {
    let mut world = World::with_session();
    let ticket = world.attach(Reading::Count(2));
    let from = world.sent.len();
    for at in 1..=4 {
        let entry = world.entry("bob", at, &at.to_string());
        world.deliver(&entry);
    }
    world.answer_questions(from, 0);
    world.feed(Event::TurnEnded);
    assert_eq!(world.texts(), ["1", "2"]);
    assert_eq!(world.seen(), [2]);
    assert_eq!(world.answer(ticket), Some(Ok(())));
}

#[test]
fn who_counts_is_answered_as_soon_as_the_store_has_it() {
    let mut world = World::with_session();
    let ticket = world.attach(Reading::Count(2));
    let from = world.sent.len();
    let first = world.entry("bob", 1, "one");
    let second = world.entry("bob", 2, "two");
    world.deliver(&first);
    world.answer_questions(from, 0);
    world.is_disk_slow = true;
    world.deliver(&second);
    world.feed(Event::TurnEnded);
    assert_eq!(world.answer(ticket), None, "the store does not have it yet");
    world.release();
    assert_eq!(world.answer(ticket), Some(Ok(())), "no further turn is needed");
}

#[test]
fn a_peek_stores_and_acknowledges_nothing() {
    let mut world = World::with_session();
    let ticket = world.attach(Reading::Peek);
    let from = world.sent.len();
    let entry = world.entry("bob", 1, "look");
    world.deliver(&entry);
    world.caught_up();
    world.answer_questions(from, 0);
    assert!(world.texts().is_empty() && world.seen().is_empty());
    let peeked = world.notices.iter().filter_map(|notice| match notice {
        Notice::Peeked(peeked) => Some(peeked.len()),
        _ => None,
    });
    assert_eq!(peeked.sum::<usize>(), 1);
    assert_eq!(world.answer(ticket), Some(Ok(())));
}

#[test]
fn a_peek_into_a_full_window_ends_when_nothing_more_comes() {
    let mut world = World::with_session();
    let ticket = world.attach(Reading::Peek);
    let from = world.sent.len();
    let entry = world.entry("bob", 1, "again and again");
    for seq in 1..=64 {
        let mut entry = entry.clone();
        entry.seq = wire::Seq(seq);
        world.deliver(&entry);
    }
    world.answer_questions(from, 0);
    assert!(world.answer(ticket).is_none());
    world.pass(Duration::from_secs(1));
    world.feed(Event::TurnEnded);
    assert_eq!(world.answer(ticket), Some(Ok(())));
}

#[test]
fn after_a_cut_the_reading_goes_on_behind_what_is_stored() {
    let mut world = reading();
    let from = world.sent.len();
    let entry = world.entry("bob", 1, "one");
    world.deliver(&entry);
    world.answer_questions(from, 0);
    let lost = world.entry("bob", 2, "two");
    world.deliver(&lost);
    world.cut();
    world.work();
    assert_eq!(world.texts(), ["one"], "what was not stored is not believed");
    world.pass(Duration::from_secs(10));
    let from = world.sent.len();
    world.go_online();
    world.answer_questions(from, 0);
    let attaches = world.sent.iter().filter_map(|message| match message {
        ToServer::Attach(attach) => Some(attach.cursor.0),
        _ => None,
    });
    assert_eq!(attaches.collect::<Vec<_>>(), [0, 1]);
    let from = world.sent.len();
    world.deliver(&lost);
    world.answer_questions(from, 0);
    assert_eq!(world.texts(), ["one", "two"]);
}

#[test]
fn entries_that_run_backwards_are_ignored() {
    let mut world = reading();
    let from = world.sent.len();
    let first = world.entry("bob", 1, "one");
    let second = world.entry("bob", 2, "two");
    world.deliver(&second);
    world.deliver(&first);
    world.answer_questions(from, 0);
    assert_eq!(world.texts(), ["two"]);
}

fn troubles(world: &World) -> Vec<String> {
    let troubles = world.notices.iter().filter_map(|notice| match notice {
        Notice::Trouble(failure) => Some(failure.text.clone()),
        _ => None,
    });
    troubles.collect()
}

#[test]
fn a_place_that_would_be_the_last_is_not_believed() {
    let mut world = reading();
    let honest = world.entry("bob", 1, "hello");
    let last = Entry { seq: Seq(u64::MAX), ..world.entry("bob", 2, "the last") };
    let from = world.sent.len();
    world.deliver(&honest);
    world.answer_questions(from, 0);
    world.deliver(&last);
    assert!(world.link.is_none(), "it is not read on");
    assert!(troubles(&world)[0].contains("a place that cannot be"), "{:?}", troubles(&world));
    world.pass(Duration::from_secs(10));
    let from = world.sent.len();
    world.go_online();
    world.answer_questions(from, 0);
    let later = Entry { seq: Seq::new(4096, 7), ..world.entry("bob", 3, "after a restoring") };
    world.deliver(&later);
    world.work();
    assert_eq!(world.texts(), ["hello", "after a restoring"]);
}

#[test]
fn what_has_no_room_is_not_acknowledged_with_what_follows() {
    let mut world = reading();
    for at in 1..=129 {
        let entry = world.entry("bob", at, "too much");
        if world.link.is_some() {
            world.deliver(&entry);
        }
    }
    assert!(world.link.is_none() && troubles(&world)[0].contains("more messages than may be"));
    assert!(world.seen().is_empty());
}
