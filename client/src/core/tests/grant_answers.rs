//! Who asks for a grant again gets it, if it is entitled to it, whenever this process ends.

use std::time::Duration;

use wire::message::Fault;
use wire::{FaultCode, Kind};

use super::group_sealing::posted_to_group;
use super::roster::{self, GROUP};
use super::sealing::{posted, puts, read_as, readers, texts};
use super::world::{World, mailbox};
use crate::core::{Notice, Reading, Request};
use crate::crypto::Content;
use crate::crypto::content::GrantRequest;
use crate::crypto::test_keys::{alice, bob, carol, name};

/// A reader asks for its grant of message session `session` of alice's `log`.
fn ask_for_grant(world: &mut World, asker: &str, log: wire::LogId, session: u32) {
    let request = GrantRequest {
        log,
        origin: wire::Origin([9; 16]),
        message_session: wire::MessageSession(session),
    };
    let own = mailbox("alice");
    if !world.authors.contains_key(&(name(asker), own)) {
        world.begin_session(own, asker, 1);
        world.grant(own, asker, &alice().public().wrapping);
    }
    let at = u64::from(session) + 10;
    let entry = world.entry_of(own, asker, at, Content::GrantRequest(request));
    world.deliver(&entry);
}

#[test]
fn who_is_entitled_gets_its_grant_again_and_nobody_else_does() {
    let mut world = posted(2);
    let from = world.sent.len();
    world.ask(Request::Attach(Reading::All));
    world.answer_questions(from, 0);
    let from = world.sent.len();
    ask_for_grant(&mut world, "carol", mailbox("bob"), 1);
    world.answer_questions(from, 0);
    ask_for_grant(&mut world, "bob", mailbox("bob"), 7);
    world.answer_questions(from, 0);
    assert!(puts(&world, from).is_empty(), "not a reader, and no such message session");
    let from = world.sent.len();
    ask_for_grant(&mut world, "bob", mailbox("bob"), 1);
    world.answer_questions(from, 0);
    let put = puts(&world, from).remove(0);
    assert_eq!((put.part, put.message_session.0, put.last), (0, 1, true));
    assert_eq!(readers(&put), [name("bob")]);
    assert_eq!(texts(&read_as(&world, ("bob", bob()), 0)), ["1", "2"]);
    assert_eq!(world.seen().last(), Some(&3));
    let shown = world.notices.iter().any(|n| matches!(n, Notice::Received(_)));
    assert!(!shown, "a request is not shown");
    assert!(world.store.sessions.wanted.is_empty(), "nothing is left to be answered");
}

/// Alice has posted to bob, reads her mailbox, and bob asks for his grant again.
fn asked_by_bob() -> (World, usize) {
    let mut world = posted(1);
    let from = world.sent.len();
    world.ask(Request::Attach(Reading::All));
    world.answer_questions(from, 0);
    let from = world.sent.len();
    ask_for_grant(&mut world, "bob", mailbox("bob"), 1);
    world.give_grants();
    (world, from)
}

/// The process ends; the next one reads again, and everything is answered.
fn restart(world: &mut World) -> usize {
    world.cut();
    world.restart();
    let from = world.sent.len();
    world.ask(Request::Attach(Reading::All));
    world.go_online();
    world.answer_questions(from, 0);
    from
}

#[test]
fn a_request_that_was_acknowledged_outlives_the_process_until_the_home_has_its_grant() {
    let (mut world, from) = asked_by_bob();
    assert_eq!(world.seen(), [1], "bob will not ask again");
    assert!(puts(&world, from).is_empty(), "it ends before a worker has wrapped");
    let from = restart(&mut world);
    assert_eq!(readers(&puts(&world, from)[0]), [name("bob")]);
    let from = restart(&mut world);
    assert!(puts(&world, from).is_empty(), "it was given");
}

#[test]
fn a_grant_that_was_put_and_not_confirmed_is_put_again_by_the_next_process() {
    let (mut world, from) = asked_by_bob();
    world.work();
    assert_eq!(puts(&world, from).len(), 1, "put, and its answer is lost");
    let from = restart(&mut world);
    assert_eq!(readers(&puts(&world, from)[0]), [name("bob")]);
    assert!(world.store.sessions.wanted.is_empty());
}

#[test]
fn a_home_that_is_away_is_given_the_grant_again() {
    let (mut world, from) = asked_by_bob();
    world.work();
    let put = puts(&world, from).remove(0);
    world.server(Fault::about(FaultCode::UNAVAILABLE, Kind::PUT_GRANTS, put.request.0));
    let from = world.sent.len();
    world.pass(Duration::from_secs(4));
    world.answer_questions(from, 0);
    assert_eq!(readers(&puts(&world, from)[0]), [name("bob")]);
    assert!(world.store.sessions.wanted.is_empty());
}

#[test]
fn a_member_is_given_the_part_of_its_joining_again() {
    let mut world = posted_to_group();
    roster::join(&mut world, "carol");
    let from = world.sent.len();
    roster::refresh(&mut world);
    world.draft_to_group(GROUP, "2");
    world.answer_questions(from, 0);
    let from = world.sent.len();
    world.ask(Request::Attach(Reading::All));
    world.answer_questions(from, 0);
    let from = world.sent.len();
    ask_for_grant(&mut world, "carol", roster::log(), 1);
    world.answer_questions(from, 0);
    let put = puts(&world, from).remove(0);
    assert_eq!((put.part, readers(&put)), (1, vec![name("carol")]));
    let read = read_as(&world, ("carol", carol()), 0);
    assert!(read[0].is_none() && read[1].is_some());
}
