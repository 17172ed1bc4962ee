//! Posts: sealed before they leave, in order, the same bytes again, each answered once.

use std::time::Duration;

use wire::limits::UNANSWERED_MAX;
use wire::message::{Fault, Refusal, Refused, Unavailable, Up};
use wire::{FaultCode, Kind, LogHandle};

use super::world::{Step, World, mailbox, number};
use crate::core::{Notice, Request};
use crate::crypto::test_keys::bob;
use crate::failure::Code;

/// A session with a lane to bob that has posted `count` messages.
fn posted(count: u64) -> World {
    let mut world = World::with_session();
    world.draft("bob", "1");
    let from = world.sent.len();
    world.go_online();
    world.work();
    world.answer_questions(from, 0);
    for at in 2..=count {
        world.draft("bob", &at.to_string());
        world.work();
    }
    assert_eq!(world.numbers(0), (1..=count).collect::<Vec<_>>());
    world
}

/// Connects again; returns where the new connection's messages begin.
fn reconnect(world: &mut World, base: u64) -> usize {
    let from = world.sent.len();
    world.pass(Duration::from_secs(10));
    world.go_online();
    world.work();
    world.answer_questions(from, base);
    from
}

fn refuse(world: &mut World, at: u64, refusal: Refusal) {
    world.server(Refused { handle: LogHandle(1), number: number(at), refusal });
}

#[test]
fn a_post_is_stored_sealed_before_it_leaves() {
    let mut world = posted(2);
    assert!(world.at(&Step::Stored("sealed")) < world.at(&Step::Sent(Kind::POST)));
    let plain: Vec<_> = world.posts(0);
    assert_ne!(plain[0].1, plain[1].1);
    world.accept(1);
    assert_eq!(world.store.accepted, [(mailbox("bob"), number(1))]);
    world.accept(2);
    assert_eq!(world.store.accepted.len(), 2);
    assert!(world.core.is_outbox_empty());
}

#[test]
fn a_slow_disk_holds_the_post_back() {
    let mut world = posted(1);
    world.slow = Some("sealed");
    world.draft("bob", "2");
    assert_eq!(world.store.sealed.len(), 2, "the store was asked to keep it");
    assert_eq!(world.numbers(0), [1]);
    world.release();
    assert_eq!(world.numbers(0), [1, 2]);
}

#[test]
fn one_answer_settles_every_number_before_it() {
    let mut world = posted(3);
    world.accept(3);
    assert_eq!(world.store.accepted.len(), 3);
    assert!(world.core.is_outbox_empty());
}

#[test]
fn what_is_unanswered_is_sent_again_with_the_same_bytes_after_a_cut() {
    let mut world = posted(3);
    world.accept(1);
    let before = world.posts(0);
    world.cut();
    let from = reconnect(&mut world, 3);
    assert_eq!(world.posts(from), before[1..]);
}

#[test]
fn a_new_process_sends_the_stored_bytes_again() {
    let mut world = posted(2);
    let before = world.posts(0);
    world.cut();
    world.restart();
    let from = world.sent.len();
    world.ask(Request::Outbox);
    world.go_online();
    world.work();
    world.answer_questions(from, 1);
    assert_eq!(world.posts(from), before);
    world.draft("bob", "3");
    world.work();
    assert_eq!(world.numbers(from), [1, 2, 3]);
}

#[test]
fn an_answer_for_what_was_not_sent_on_this_connection_is_not_believed() {
    let mut world = posted(1);
    world.cut();
    world.pass(Duration::from_secs(10));
    world.go_online();
    world.work();
    world.accept(1);
    assert!(world.store.accepted.is_empty());
}

#[test]
fn the_window_bounds_what_is_unanswered() {
    let mut world = posted(UNANSWERED_MAX);
    world.draft("bob", "one more");
    world.work();
    assert_eq!(world.numbers(0).len(), 64, "the window is full");
    world.accept(1);
    world.work();
    assert_eq!(world.numbers(0).last(), Some(&65));
}

#[test]
fn the_window_is_one_for_all_logs_of_a_session() {
    let mut world = posted(60);
    let from = world.sent.len();
    for at in 1..=10 {
        world.draft("carol", &at.to_string());
        world.work();
        world.answer_questions(from, 0);
    }
    assert_eq!(world.numbers(from), [1, 2, 3, 4]);
    world.accept(3);
    world.work();
    assert_eq!(world.numbers(from), [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn an_unreachable_home_is_a_pause_and_up_ends_it() {
    let mut world = posted(2);
    let from = world.sent.len();
    world.server(Unavailable { handle: LogHandle(1) });
    assert!(world.numbers(from).is_empty(), "nothing is sent during the pause");
    world.server(Up { handle: LogHandle(1) });
    assert_eq!(world.numbers(from), [1, 2]);
    let from = world.sent.len();
    world.server(Unavailable { handle: LogHandle(1) });
    world.pass(Duration::from_secs(8));
    assert_eq!(world.numbers(from), [1, 2], "the pause ends by itself");
    let from = world.sent.len();
    world.server(Up { handle: LogHandle(1) });
    assert_eq!(world.numbers(from), [1, 2], "what was sent while the home was away was dropped");
    assert!(!world.notices.iter().any(|notice| matches!(notice, Notice::OutboxChanged)));
}

#[test]
fn a_skipped_number_goes_back_once_however_many_complain() {
    let mut world = posted(10);
    let from = world.sent.len();
    for at in 4..=10 {
        refuse(&mut world, at, Refusal::Expected(number(3)));
    }
    assert!(world.numbers(from).is_empty());
    world.pass(Duration::from_secs(1));
    for at in 4..=10 {
        refuse(&mut world, at, Refusal::Expected(number(3)));
    }
    assert_eq!(world.numbers(from), [1], "what is said of earlier copies changes nothing");
    world.accept(2);
    assert_eq!(world.numbers(from), [1, 3, 4]);
    world.accept(3);
    assert_eq!(world.numbers(from), [1, 3, 4, 5, 6, 7], "as many more as before");
}

#[test]
fn an_answer_to_an_earlier_copy_counts_while_the_next_one_waits() {
    let mut world = posted(3);
    let from = world.sent.len();
    refuse(&mut world, 3, Refusal::Busy);
    world.accept(1);
    refuse(&mut world, 2, Refusal::Rejected(FaultCode::SENDER_FULL));
    assert_eq!(world.store.accepted, [(mailbox("bob"), number(1))]);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.numbers(from), [3]);
}

#[test]
fn a_post_says_when_it_may_have_left_before() {
    let mut world = posted(2);
    assert_eq!(world.said_again(0), [false, false]);
    let from = world.sent.len();
    refuse(&mut world, 1, Refusal::Busy);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.said_again(from), [true]);
    world.cut();
    world.restart();
    let from = world.sent.len();
    world.ask(Request::Outbox);
    world.go_online();
    world.work();
    world.answer_questions(from, 0);
    assert_eq!(world.said_again(from), [true, true], "an earlier process may have sent them");
}

#[test]
fn a_busy_home_is_asked_again_later() {
    let mut world = posted(1);
    let from = world.sent.len();
    refuse(&mut world, 1, Refusal::Busy);
    assert!(world.numbers(from).is_empty());
    world.pass(Duration::from_secs(1));
    assert_eq!(world.numbers(from), [1]);
}

#[test]
fn a_rejected_number_is_spent_and_the_next_post_goes_on() {
    let mut world = posted(2);
    refuse(&mut world, 1, Refusal::Rejected(FaultCode::MAILBOX_FULL));
    assert_eq!(world.store.rejected, [(number(1), FaultCode::MAILBOX_FULL)]);
    world.cut();
    let from = reconnect(&mut world, 1);
    assert_eq!(world.numbers(from), [2], "a rejected post is never sent again");
    world.draft("bob", "3");
    world.work();
    assert_eq!(world.numbers(from), [2, 3]);
}

#[test]
fn a_conflict_begins_a_new_origin_and_asks_the_user() {
    let mut world = posted(2);
    refuse(&mut world, 1, Refusal::Conflict);
    assert!(world.store.origin.is_some());
    assert!(world.notices.iter().any(|notice| matches!(notice, Notice::Conflict)));
    assert!(!world.core.is_online(), "the new origin is said at the next sign-in");
    let from = reconnect(&mut world, 0);
    assert!(world.numbers(from).is_empty(), "nothing is sent twice without the user");
}

#[test]
fn a_home_that_knows_later_numbers_means_an_old_copy() {
    let mut world = posted(1);
    world.cut();
    let from = world.sent.len();
    world.pass(Duration::from_secs(10));
    world.go_online();
    world.work();
    world.answer_questions(from, 5);
    assert!(world.store.origin.is_some());
    assert!(world.numbers(from).is_empty());
}

#[test]
fn a_message_to_nobody_is_refused_before_it_is_sealed() {
    let mut world = World::with_session();
    let id = world.draft("nobody", "hello?");
    world.go_online();
    world.work();
    let fetch = world.fetch();
    let fault = Fault::about(FaultCode::NO_SUCH_USER, Kind::FETCH_BUNDLES, fetch.request.0);
    world.server(fault);
    assert_eq!(world.store.refused.len(), 1);
    let (refused, failure) = &world.store.refused[0];
    assert_eq!((*refused, failure.code), (id, Code::NoSuchUser));
    assert!(world.numbers(0).is_empty());
}

#[test]
fn a_log_that_cannot_be_opened_now_is_opened_later() {
    let mut world = World::with_session();
    world.draft("bob", "patience");
    world.go_online();
    world.work();
    let handle = LogHandle(1);
    world.server(Fault::about(FaultCode::UNAVAILABLE, Kind::OPEN_LOG, handle.0));
    let from = world.sent.len();
    world.pass(Duration::from_secs(1));
    let opens = |m: &wire::ToServer| matches!(m, wire::ToServer::OpenLog(_));
    let opened = world.sent.get(from..).unwrap_or_default().iter().filter(|m| opens(m)).count();
    assert_eq!(opened, 1, "the log is asked for again, once");
}

#[test]
fn silence_is_answered_by_sending_again() {
    let mut world = posted(1);
    let from = world.sent.len();
    world.pass(Duration::from_secs(21));
    assert_eq!(world.numbers(from), [1]);
}

#[test]
fn without_a_session_the_outbox_says_so() {
    let mut world = World::fresh();
    let ticket = world.ask(Request::Outbox);
    let answer = world.answer(ticket).expect("answered").expect_err("refused");
    assert_eq!(answer.code, Code::SignedOut);
}

#[test]
fn a_draft_that_was_given_up_meanwhile_leaves_its_number_to_the_next() {
    let mut world = World::with_session();
    let given_up = world.draft("bob", "given up");
    world.draft("bob", "sent");
    let from = world.sent.len();
    world.go_online();
    world.store.drafts.remove(&given_up.0);
    world.answer_questions(from, 0);
    assert_eq!(world.numbers(0), [1]);
    let read = super::sealing::read_as(&world, ("bob", bob()), 0);
    let plaintext = read[0].as_ref().expect("opens");
    assert_eq!((plaintext.number, plaintext.previous), (number(1), [0; 32]));
    assert_eq!(super::sealing::texts(&read), ["sent"]);
}
