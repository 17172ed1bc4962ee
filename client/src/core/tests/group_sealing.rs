//! Message sessions in groups: newcomers, departures, and members who cannot be reached.

use std::time::Duration;

use wire::message::Fault;
use wire::{FaultCode, Kind, ToServer};

use super::roster::{self, GROUP};
use super::sealing::{puts, read_as, readers, refuse, sessions, texts};
use super::world::{World, bundle_of};
use crate::core::{Notice, Request};
use crate::crypto::test_keys::{alice, bob, carol, name};
use crate::failure::Code;
use crate::store::{Contact, Trust};

/// A session with a lane to the group that has posted once; alice and bob are members.
pub(super) fn posted_to_group() -> World {
    let mut world = World::with_session();
    roster::create(&mut world, "alice");
    roster::join(&mut world, "bob");
    world.draft_to_group(GROUP, "1");
    let from = world.sent.len();
    world.go_online();
    world.answer_questions(from, 0);
    assert_eq!(sessions(&world, 0), [(1, 1)]);
    world
}

#[test]
fn every_member_is_granted_the_key_and_can_read() {
    let world = posted_to_group();
    let put = puts(&world, 0).remove(0);
    assert_eq!((put.part, put.roster_version), (0, 2));
    assert_eq!(readers(&put), [name("alice"), name("bob")]);
    for reader in [("alice", alice()), ("bob", bob())] {
        assert_eq!(texts(&read_as(&world, reader, 0)), ["1"]);
    }
    assert_eq!(world.store.sessions.granted.len(), 1, "one's own posts come back");
}

#[test]
fn who_joins_later_reads_from_then_on() {
    let mut world = posted_to_group();
    roster::join(&mut world, "carol");
    let from = world.sent.len();
    roster::refresh(&mut world);
    world.draft_to_group(GROUP, "2");
    world.answer_questions(from, 0);
    let put = puts(&world, from).remove(0);
    assert_eq!((put.part, put.roster_version, put.message_session.0), (1, 3, 1));
    assert_eq!(readers(&put), [name("carol")]);
    let read = read_as(&world, ("carol", carol()), 0);
    assert!(read[0].is_none(), "what was before is not for newcomers");
    assert_eq!(texts(&read[1..]), ["2"]);
    assert_eq!(texts(&read_as(&world, ("bob", bob()), 0)), ["1", "2"]);
}

#[test]
fn a_departure_begins_a_new_message_session_that_the_departed_is_not_granted() {
    let mut world = posted_to_group();
    roster::join(&mut world, "carol");
    roster::remove(&mut world, "bob");
    let from = world.sent.len();
    roster::refresh(&mut world);
    world.draft_to_group(GROUP, "2");
    world.answer_questions(from, 0);
    assert!(puts(&world, from).is_empty(), "the first post has no answer yet");
    let from = world.sent.len();
    world.accept(1);
    world.answer_questions(from, 0);
    let put = puts(&world, from).remove(0);
    assert_eq!((put.part, put.roster_version, put.message_session.0), (0, 4, 2));
    assert_eq!(readers(&put), [name("alice"), name("carol")]);
    assert_eq!(texts(&read_as(&world, ("carol", carol()), from)), ["2"]);
    assert_eq!(read_as(&world, ("bob", bob()), from), [None]);
}

#[test]
fn a_post_behind_a_departure_waits_for_the_roster_and_is_sealed_anew() {
    let mut world = posted_to_group();
    roster::remove(&mut world, "bob");
    let from = world.sent.len();
    refuse(&mut world, 1, FaultCode::ROSTER_BEHIND);
    let asked = |m: &ToServer| matches!(m, ToServer::FetchRoster(_));
    assert!(world.sent[from..].iter().any(asked), "the roster is fetched");
    assert!(world.numbers(from).is_empty());
    world.answer_questions(from, 0);
    assert_eq!(sessions(&world, from), [(2, 2)]);
    assert_eq!(readers(&puts(&world, from)[0]), [name("alice")]);
    assert!(world.store.rejected.is_empty());
}

#[test]
fn grants_behind_a_departure_fetch_the_roster_too() {
    let mut world = World::with_session();
    roster::create(&mut world, "alice");
    roster::join(&mut world, "bob");
    world.put_fault = Some(FaultCode::ROSTER_BEHIND);
    world.draft_to_group(GROUP, "1");
    let from = world.sent.len();
    world.go_online();
    world.answer_questions(from, 0);
    roster::remove(&mut world, "bob");
    world.put_fault = None;
    let from = world.sent.len();
    refuse(&mut world, 1, FaultCode::GRANT_MISSING);
    world.answer_questions(from, 0);
    assert_eq!(sessions(&world, from), [(2, 2)]);
}

#[test]
fn a_member_whose_key_has_changed_keeps_nobody_from_writing() {
    let mut world = World::with_session();
    roster::create(&mut world, "alice");
    roster::join(&mut world, "bob");
    roster::join(&mut world, "carol");
    let contact = Contact {
        name: name("carol"),
        pinned: bob().public().signing.id(),
        bundles: vec![bundle_of(bob(), "carol").encoded().clone()],
        trust: Trust::Changed,
    };
    world.store.contacts.insert(name("carol"), contact);
    world.draft_to_group(GROUP, "1");
    let from = world.sent.len();
    world.go_online();
    world.answer_questions(from, 0);
    assert_eq!(sessions(&world, 0), [(1, 1)]);
    assert_eq!(readers(&puts(&world, 0)[0]), [name("alice"), name("bob")]);
    let key = bob().public().signing.id();
    let from = world.sent.len();
    world.ask(Request::Trust { name: name("carol"), key, verified: false });
    world.draft_to_group(GROUP, "2");
    world.answer_questions(from, 0);
    let put = puts(&world, from).remove(0);
    assert_eq!((put.part, put.message_session.0), (0, 1), "the part that it is entitled to");
    assert_eq!(readers(&put), [name("carol")]);
}

#[test]
fn a_member_whose_home_is_away_keeps_nobody_from_writing() {
    let mut world = World::with_session();
    roster::create(&mut world, "alice");
    roster::join(&mut world, "bob");
    world.unreachable = Some(name("bob"));
    world.draft_to_group(GROUP, "1");
    let from = world.sent.len();
    world.go_online();
    world.answer_questions(from, 0);
    assert_eq!(sessions(&world, 0), [(1, 1)]);
    assert_eq!(readers(&puts(&world, 0)[0]), [name("alice")]);
    world.unreachable = None;
    let from = world.sent.len();
    world.pass(Duration::from_secs(2));
    world.answer_questions(from, 0);
    world.draft_to_group(GROUP, "2");
    world.answer_questions(from, 0);
    assert_eq!(readers(&puts(&world, from)[0]), [name("bob")]);
    assert_eq!(texts(&read_as(&world, ("bob", bob()), 0)), ["1", "2"]);
}

#[test]
fn a_large_part_is_put_in_frames_of_which_the_last_says_so() {
    let mut world = World::with_session();
    roster::create(&mut world, "alice");
    for at in 0..100 {
        roster::join(&mut world, &format!("member-{at}"));
    }
    world.draft_to_group(GROUP, "1");
    let from = world.sent.len();
    world.go_online();
    world.answer_questions(from, 0);
    let puts = puts(&world, 0);
    let frames: Vec<_> = puts.iter().map(|put| (put.grants.items().len(), put.last)).collect();
    assert_eq!(frames, [(96, false), (5, true)]);
    assert_eq!(world.numbers(0), [1]);
}

#[test]
fn the_frame_that_makes_a_part_complete_waits_for_the_others() {
    let mut world = World::with_session();
    roster::create(&mut world, "alice");
    for at in 0..100 {
        roster::join(&mut world, &format!("member-{at}"));
    }
    world.put_fault = Some(FaultCode::UNAVAILABLE);
    world.draft_to_group(GROUP, "1");
    let from = world.sent.len();
    world.go_online();
    world.answer_questions(from, 0);
    let last = |world: &World| puts(world, 0).iter().map(|put| put.last).collect::<Vec<bool>>();
    assert_eq!(last(&world), [false], "the home has refused the first");
    assert!(world.numbers(0).is_empty());
    world.put_fault = None;
    let from = world.sent.len();
    world.pass(Duration::from_secs(1));
    world.answer_questions(from, 0);
    assert_eq!(last(&world), [false, false, true]);
    assert_eq!(world.numbers(0), [1]);
}

#[test]
fn of_posts_to_a_group_that_one_was_removed_from_the_user_hears() {
    let mut world = posted_to_group();
    world.cut();
    world.pass(Duration::from_secs(10));
    let from = world.sent.len();
    world.go_online();
    world.draft_to_group(GROUP, "2");
    let asked = world.sent.get(from..).unwrap_or_default().iter().find_map(|m| match m {
        ToServer::FetchRoster(fetch) => Some(fetch.request),
        _ => None,
    });
    let request = asked.expect("the roster is fetched");
    world.server(Fault::about(FaultCode::REMOVED, Kind::FETCH_ROSTER, request.0));
    assert_eq!(world.store.conflicts.len(), 1, "whether it was stored is not known");
    assert_eq!(world.store.refused[0].1.code, Code::Removed);
    assert!(world.core.is_outbox_empty());
    assert!(world.notices.iter().any(|notice| matches!(notice, Notice::Conflict)));
}
