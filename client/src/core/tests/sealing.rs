//! Message sessions of the account's own: granted before they are used, begun anew when they must
//! be, and never in a reader's way.

use std::sync::Arc;
use std::time::Duration;

use wire::message::{Fault, GrantsPut, PutGrants, Refusal, Refused};
use wire::{FaultCode, Kind, LogHandle, Name, RequestId, ToServer, Wall};

use super::world::{Step, World, bundle_of, mailbox, number};
use crate::core::Request;
use crate::crypto::grant::{self, SessionPlace};
use crate::crypto::message_session::{Expected, Inbound};
use crate::crypto::test_keys::{alice, alice_rotated, bob, name, rng};
use crate::crypto::{Content, Identity, Plaintext};
use crate::failure::Code;
use crate::store::{Contact, Trust};

/// A session with a lane to bob that has posted `count` messages; grants are confirmed.
pub(super) fn posted(count: u64) -> World {
    let mut world = World::with_session();
    world.draft("bob", "1");
    let from = world.sent.len();
    world.go_online();
    world.answer_questions(from, 0);
    for at in 2..=count {
        world.draft("bob", &at.to_string());
    }
    world
}

pub(super) fn puts(world: &World, from: usize) -> Vec<PutGrants> {
    let sent = world.sent.get(from..).unwrap_or_default();
    let puts = sent.iter().filter_map(|message| match message {
        ToServer::PutGrants(put) => Some(put.clone()),
        _ => None,
    });
    puts.collect()
}

/// Number and message session of the posts that were sent since `from`.
pub(super) fn sessions(world: &World, from: usize) -> Vec<(u64, u32)> {
    let sent = world.sent.get(from..).unwrap_or_default();
    let posts = sent.iter().filter_map(|message| match message {
        ToServer::Post(post) => Some((post.number.value(), post.message_session.0)),
        _ => None,
    });
    posts.collect()
}

/// What `reader` makes of the posts since `from`, with the grants that were put: a reader's home
/// would give it the same.
pub(super) fn read_as(
    world: &World,
    reader: (&str, &Identity),
    from: usize,
) -> Vec<Option<Plaintext>> {
    let all_puts = puts(world, 0);
    let posts =
        world.sent.get(from..).unwrap_or_default().iter().filter_map(|message| match message {
            ToServer::Post(post) => Some(post.clone()),
            _ => None,
        });
    let open = |post: wire::message::Post| {
        let mine = |put: &&PutGrants| {
            put.message_session == post.message_session
                && put.grants.items().iter().any(|grant| grant.reader == name(reader.0))
        };
        let put = all_puts.iter().rev().find(mine)?;
        let mut grants = put.grants.items().iter();
        let own = grants.find(|grant| grant.reader == name(reader.0))?;
        let place = SessionPlace {
            sender: name("alice"),
            log: put.log,
            origin: wire::Origin([9; 16]),
            message_session: post.message_session,
        };
        let key = &alice().public().signing;
        let verified = grant::verify_announcement(&place, key, &put.announcement).expect("signed");
        let key = grant::open(reader.1, &verified, own, &mut rng()).expect("opens");
        let SessionPlace { sender, log, origin, .. } = place;
        let expected = Expected { log, sender, origin, number: post.number };
        Inbound::new(&key).expect("a key").open(&expected, &post.body).ok()
    };
    posts.map(open).collect()
}

pub(super) fn texts(plaintexts: &[Option<Plaintext>]) -> Vec<String> {
    let text = |plaintext: &Option<Plaintext>| match plaintext.as_ref().map(|p| &p.content) {
        Some(Content::Text(text)) => text.clone(),
        other => format!("{other:?}"),
    };
    plaintexts.iter().map(text).collect()
}

/// Whom these grants are for.
pub(super) fn readers(put: &PutGrants) -> Vec<Name> {
    put.grants.items().iter().map(|grant| grant.reader).collect()
}

pub(super) fn refuse(world: &mut World, at: u64, code: FaultCode) {
    let refusal = Refusal::Rejected(code);
    world.server(Refused { handle: LogHandle(1), number: number(at), refusal });
}

#[test]
fn a_key_is_granted_before_the_first_post_under_it() {
    let world = posted(3);
    assert!(world.at(&Step::Stored("begun")) < world.at(&Step::Sent(Kind::PUT_GRANTS)));
    assert!(world.at(&Step::Sent(Kind::PUT_GRANTS)) < world.at(&Step::Sent(Kind::POST)));
    assert!(world.at(&Step::Stored("sealed")) < world.at(&Step::Sent(Kind::POST)));
    let puts = puts(&world, 0);
    assert_eq!(puts.len(), 1);
    assert!(puts[0].last && puts[0].part == 0 && puts[0].roster_version == 0);
    assert_eq!(sessions(&world, 0), [(1, 1), (2, 1), (3, 1)]);
    assert_eq!(texts(&read_as(&world, ("bob", bob()), 0)), ["1", "2", "3"]);
}

#[test]
fn no_post_leaves_before_the_home_has_its_grants() {
    let mut world = World::with_session();
    world.put_fault = Some(FaultCode::UNAVAILABLE);
    world.draft("bob", "1");
    let from = world.sent.len();
    world.go_online();
    world.answer_questions(from, 0);
    assert_eq!((puts(&world, from).len(), world.numbers(from)), (1, vec![]));
    let from = world.sent.len();
    world.pass(Duration::from_secs(1));
    assert_eq!((puts(&world, from).len(), world.numbers(from)), (1, vec![]));
    world.confirm_puts(from);
    assert_eq!(world.numbers(from), [1]);
}

#[test]
fn a_message_session_waits_until_the_posts_of_the_one_before_are_answered() {
    let mut world = posted(100);
    let from = world.sent.len();
    world.draft("bob", "101");
    world.answer_questions(from, 0);
    world.accept(63);
    world.answer_questions(from, 0);
    assert!(puts(&world, from).is_empty(), "posts could still be rejected and sealed anew");
    world.accept(64);
    world.answer_questions(from, 0);
    world.accept(100);
    world.answer_questions(from, 0);
    assert_eq!(sessions(&world, from).last(), Some(&(101, 2)));
}

#[test]
fn nothing_of_a_message_session_leaves_before_the_store_has_it() {
    let mut world = World::with_session();
    world.slow = Some("begun");
    world.draft("bob", "1");
    let from = world.sent.len();
    world.go_online();
    world.answer_questions(from, 0);
    assert!(puts(&world, 0).is_empty() && world.numbers(0).is_empty());
    let from = world.sent.len();
    world.release();
    world.answer_questions(from, 0);
    assert_eq!((puts(&world, 0).len(), world.numbers(0)), (1, vec![1]));
}

#[test]
fn grants_that_were_not_confirmed_are_put_again_before_the_posts() {
    let mut world = World::with_session();
    world.draft("bob", "1");
    let from = world.sent.len();
    world.go_online();
    world.work();
    let fetch = world.fetch();
    world.bundles(&fetch, vec![bundle_of(bob(), "bob").encoded().clone()]);
    world.work();
    let open = world.sent.iter().find_map(|message| match message {
        ToServer::OpenLog(open) => Some(open.clone()),
        _ => None,
    });
    let handle = open.expect("the log is opened").handle;
    world.server(wire::message::LogOpened { handle, base: number(0) });
    assert_eq!((puts(&world, from).len(), world.numbers(from)), (1, vec![]));
    let before = puts(&world, from).remove(0);
    world.cut();
    world.pass(Duration::from_secs(10));
    let from = world.sent.len();
    let steps = world.steps.len();
    world.go_online();
    world.answer_questions(from, 0);
    let again = puts(&world, from).remove(0);
    assert_eq!((again.announcement, again.grants), (before.announcement, before.grants));
    assert_eq!(world.numbers(from), [1]);
    let steps = world.steps.get(steps..).expect("more");
    let place = |kind| steps.iter().position(|step| *step == Step::Sent(kind)).expect("sent");
    assert!(place(Kind::PUT_GRANTS) < place(Kind::POST));
    world.cut();
    world.pass(Duration::from_secs(10));
    let from = world.sent.len();
    world.go_online();
    world.answer_questions(from, 1);
    assert!(puts(&world, from).is_empty(), "what was confirmed is not put again");
    assert_eq!(world.numbers(from), [1]);
}

#[test]
fn a_new_process_goes_on_in_the_message_session_of_the_last_one() {
    let mut world = World::with_session();
    world.slow = Some("sealed");
    world.put_fault = Some(FaultCode::UNAVAILABLE);
    world.draft("bob", "1");
    let from = world.sent.len();
    world.go_online();
    world.work();
    let fetch = world.fetch();
    world.bundles(&fetch, vec![bundle_of(bob(), "bob").encoded().clone()]);
    world.work();
    assert_eq!((world.store.sealed.len(), world.numbers(from).len()), (1, 0));
    world.cut();
    world.restart();
    (world.slow, world.put_fault) = (None, None);
    let from = world.sent.len();
    world.ask(Request::Outbox);
    world.go_online();
    world.answer_questions(from, 0);
    assert_eq!(puts(&world, from).len(), 1);
    world.draft("bob", "2");
    assert_eq!(sessions(&world, from), [(1, 1), (2, 1)]);
    let texts = texts(&read_as(&world, ("bob", bob()), from));
    assert_eq!(texts, ["1", "2"], "no place of the ratchet seals twice");
}

#[test]
fn a_message_session_ends_after_100_messages() {
    let mut world = posted(1);
    for at in 2..=101 {
        world.accept(at - 1);
        let from = world.sent.len();
        world.draft("bob", &at.to_string());
        world.answer_questions(from, 0);
    }
    let sessions = sessions(&world, 0);
    assert_eq!((sessions[0], sessions[99], sessions[100]), ((1, 1), (100, 1), (101, 2)));
    assert_eq!(puts(&world, 0).len(), 2);
}

#[test]
fn a_message_session_ends_after_7_days() {
    let mut world = posted(1);
    world.wall = Wall(world.wall.0 + super::super::sealing::AGE_MAX_MS - 1);
    world.draft("bob", "2");
    world.wall = Wall(world.wall.0 + 1);
    world.accept(2);
    let from = world.sent.len();
    world.draft("bob", "3");
    world.answer_questions(from, 0);
    assert_eq!(sessions(&world, 0), [(1, 1), (2, 1), (3, 2)]);
}

#[test]
fn another_wrapping_key_begins_a_new_message_session() {
    let mut world = World::with_session();
    let contact = Contact {
        name: name("bob"),
        pinned: alice().public().signing.id(),
        bundles: vec![bundle_of(alice(), "bob").encoded().clone()],
        trust: Trust::Pinned,
    };
    world.store.contacts.insert(name("bob"), contact);
    world.draft("bob", "1");
    let from = world.sent.len();
    world.go_online();
    world.answer_questions(from, 0);
    assert_eq!(sessions(&world, 0), [(1, 1)]);
    world.accept(1);
    let before = bundle_of(alice(), "bob");
    let rotated = before.next(alice_rotated(), Wall(2), &mut rng()).expect("signs");
    world.ask(Request::Fetch(name("bob")));
    let fetch = world.fetch();
    world.bundles(&fetch, vec![before.encoded().clone(), rotated.encoded().clone()]);
    let from = world.sent.len();
    world.draft("bob", "2");
    world.answer_questions(from, 0);
    assert_eq!(sessions(&world, from), [(2, 2)]);
    let wrapped = puts(&world, from)[0].grants.items()[0].wrapping_key;
    assert_eq!(wrapped, alice_rotated().public().wrapping.id().0);
}

#[test]
fn what_is_rejected_for_its_key_is_sealed_anew_in_order_and_unseen_by_the_user() {
    let mut world = posted(3);
    world.draft("bob", "4");
    world.accept(1);
    let ids: Vec<_> = world.store.sealed.values().map(|post| post.id).collect();
    let from = world.sent.len();
    for at in 2..=4 {
        assert!(world.numbers(from).is_empty(), "nothing overtakes what has no answer");
        refuse(&mut world, at, FaultCode::GRANT_MISSING);
        world.work();
    }
    world.draft("bob", "5");
    world.answer_questions(from, 0);
    assert_eq!(sessions(&world, from), [(5, 2), (6, 2), (7, 2), (8, 2)]);
    let again: Vec<_> = world.store.sealed.values().map(|post| post.id).collect();
    assert_eq!(again[..3], ids);
    let read = read_as(&world, ("bob", bob()), from);
    assert_eq!(texts(&read), ["2", "3", "4", "5"]);
    let first = world.posts(0)[0].1.clone();
    let hash = crate::crypto::message_hash(&wire::message::Body::new(first).expect("short"));
    let previous = read[0].as_ref().expect("opens").previous;
    assert_eq!(previous, hash, "the chain goes on from what was accepted");
    assert!(world.store.rejected.is_empty());
    world.accept(8);
    assert!(world.core.is_outbox_empty());
}

#[test]
fn a_post_that_is_rejected_again_and_again_fails_at_last() {
    let mut world = posted(1);
    for at in 1..=9 {
        assert!(world.store.rejected.is_empty(), "after {at} attempts");
        let from = world.sent.len();
        refuse(&mut world, at, FaultCode::GRANT_MISSING);
        world.work();
        world.pass(Duration::from_secs(8));
        world.answer_questions(from, 0);
    }
    assert_eq!(world.store.rejected, [(number(9), FaultCode::GRANT_MISSING)]);
    assert!(world.core.is_outbox_empty());
}

#[test]
fn a_home_that_is_away_gets_grants_and_posts_again() {
    let mut world = World::with_session();
    world.put_fault = Some(FaultCode::UNAVAILABLE);
    world.draft("bob", "1");
    let from = world.sent.len();
    world.go_online();
    world.answer_questions(from, 0);
    assert_eq!((puts(&world, 0).len(), world.numbers(0)), (1, vec![]));
    world.put_fault = None;
    let from = world.sent.len();
    world.pass(Duration::from_secs(1));
    world.answer_questions(from, 0);
    assert_eq!((puts(&world, from).len(), sessions(&world, from)), (1, vec![(1, 1)]));
}

#[test]
fn posts_whose_grants_find_no_room_fail_and_later_ones_are_sealed_anew() {
    for code in [FaultCode::GRANTS_FULL, FaultCode::TOO_MANY_GRANTS] {
        let mut world = World::with_session();
        world.put_fault = Some(code);
        world.draft("bob", "1");
        let from = world.sent.len();
        world.go_online();
        world.answer_questions(from, 0);
        let from = world.sent.len();
        refuse(&mut world, 1, FaultCode::GRANT_MISSING);
        world.answer_questions(from, 0);
        assert!(puts(&world, from).is_empty(), "it is not tried again and again");
        let failures: Vec<Code> = world.store.refused.iter().map(|(_, why)| why.code).collect();
        assert_eq!(failures, [Code::MailboxFull]);
        world.put_fault = None;
        let from = world.sent.len();
        world.draft("bob", "2");
        world.answer_questions(from, 0);
        assert_eq!(sessions(&world, from), [(2, 2)]);
    }
}

#[test]
fn an_answer_to_a_put_of_before_changes_nothing() {
    let mut world = posted(1);
    world.server(GrantsPut { request: RequestId(99) });
    let fault = Fault::about(FaultCode::UNAVAILABLE, Kind::PUT_GRANTS, 98);
    world.server(fault);
    assert!(world.core.is_online());
    let store = Arc::new(world.store.sessions.record(mailbox("bob")));
    assert_eq!((store.last, store.sessions.len()), (1, 1));
}
