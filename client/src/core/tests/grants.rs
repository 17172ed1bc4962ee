//! Message sessions of others: fetched once, asked for once when they are missing, and never in the
//! way of what comes behind; mailbox and groups side by side.

use std::time::Duration;

use wire::message::{CaughtUp, Deliver, Entry, Fault};
use wire::roster::Act;
use wire::{FaultCode, Kind, LogHandle, LogId, Number, Origin, Seq, ToServer};

use super::roster::{self, GROUP};
use super::world::{Step, World, mailbox, number, text_of};
use crate::core::{Event, Notice, Reading};
use crate::crypto::content::GrantRequest;
use crate::crypto::test_keys::{alice, name};
use crate::crypto::{Content, Outbound};
use crate::store::{Ended, ReceivedContent};

fn reading() -> World {
    let mut world = World::with_session();
    world.attach(Reading::All);
    world
}

fn fetches(world: &World) -> usize {
    world.sent.iter().filter(|message| matches!(message, ToServer::FetchGrant(_))).count()
}

fn requests(world: &World) -> Vec<GrantRequest> {
    let drafts = world.store.drafts.values();
    let requests = drafts.filter_map(|draft| match &draft.content {
        Content::GrantRequest(request) => Some((draft.log, *request)),
        _ => None,
    });
    requests
        .map(|(log, request)| {
            assert_eq!(log, mailbox("bob"), "the sender is asked");
            request
        })
        .collect()
}

/// Delivers `entry` and answers what is asked then.
fn deliver(world: &mut World, entry: &Entry) {
    let from = world.sent.len();
    world.deliver(entry);
    world.answer_questions(from, 0);
}

#[test]
fn a_message_session_is_fetched_once_and_kept() {
    let mut world = reading();
    for at in 1..=3 {
        let entry = world.entry("bob", at, &at.to_string());
        deliver(&mut world, &entry);
    }
    assert_eq!((world.texts().join(" "), fetches(&world)), ("1 2 3".to_owned(), 1));
    world.cut();
    world.restart();
    world.grants.clear();
    world.attach(Reading::All);
    let entry = world.entry("bob", 4, "4");
    deliver(&mut world, &entry);
    assert_eq!((world.texts().len(), fetches(&world)), (4, 1));
}

#[test]
fn a_missing_grant_is_asked_for_once_and_holds_nothing_up() {
    let mut world = reading();
    world.begin_session(mailbox("alice"), "bob", 1);
    let entry = world.entry_of(mailbox("alice"), "bob", 1, Content::Text("lost".to_owned()));
    deliver(&mut world, &entry);
    assert!(world.texts()[0].contains("not granted"), "{:?}", world.texts());
    assert_eq!(world.seen(), [1]);
    let request = requests(&world);
    assert_eq!(request.len(), 1);
    assert_eq!((request[0].log, request[0].message_session.0), (mailbox("alice"), 1));
    assert_eq!(world.numbers(0), [1], "it is sealed to bob like any message");
    let entry = world.entry_of(mailbox("alice"), "bob", 2, Content::Text("too".to_owned()));
    deliver(&mut world, &entry);
    assert_eq!((requests(&world).len(), world.seen()), (1, vec![1, 2]));
    world.grant(mailbox("alice"), "bob", &alice().public().wrapping);
    world.pass(Duration::from_secs(6));
    let entry = world.entry_of(mailbox("alice"), "bob", 3, Content::Text("found".to_owned()));
    deliver(&mut world, &entry);
    assert_eq!(world.texts()[2], "found");
    assert_eq!(requests(&world).len(), 1);
}

#[test]
fn a_home_that_is_away_is_asked_for_the_grant_again() {
    let mut world = reading();
    let entry = world.entry("bob", 1, "patience");
    world.deliver(&entry);
    let fetch = world.sent.iter().rev().find_map(|message| match message {
        ToServer::FetchGrant(fetch) => Some(fetch.request),
        _ => None,
    });
    let request = fetch.expect("the grant is fetched");
    world.server(Fault::about(FaultCode::UNAVAILABLE, Kind::FETCH_GRANT, request.0));
    let from = world.sent.len();
    world.pass(Duration::from_secs(2));
    world.answer_questions(from, 0);
    assert_eq!(world.texts(), ["patience"]);
    assert!(requests(&world).is_empty(), "nothing was missing");
}

#[test]
fn a_grant_that_another_has_signed_opens_nothing() {
    let mut world = reading();
    let log = mailbox("alice");
    world.begin_session(log, "carol", 1);
    world.grant(log, "carol", &alice().public().wrapping);
    let forged = world.entry_of(log, "carol", 1, Content::Text("I am bob".to_owned()));
    let (place, grant) = world.grants.pop_first().expect("granted");
    let bob = crate::crypto::SessionPlace { sender: name("bob"), ..place };
    world.grants.insert(bob, grant);
    deliver(&mut world, &Entry { sender: name("bob"), ..forged });
    let texts = world.texts();
    assert!(texts[0].contains("not the sender's"), "{texts:?}");
    assert!(requests(&world).is_empty(), "bob is not to blame");
}

/// A session that reads the mailbox and the group, which has handle 1.
pub(super) fn reading_group(members: &[&str]) -> World {
    let mut world = World::with_session();
    roster::create(&mut world, members[0]);
    for member in &members[1..] {
        roster::join(&mut world, member);
    }
    let from = world.sent.len();
    world.ask(crate::core::Request::Attach(Reading::All));
    world.go_online();
    world.answer_questions(from, 0);
    let attached = world.sent.iter().filter(|m| matches!(m, ToServer::Attach(_))).count();
    assert_eq!(attached, 2, "mailbox and group");
    world
}

pub(super) fn group_handle(world: &World) -> LogHandle {
    let opened = world.sent.iter().rev().find_map(|message| match message {
        ToServer::OpenLog(open) if open.log == roster::log() => Some(open.handle),
        _ => None,
    });
    opened.expect("the group is open")
}

pub(super) fn deliver_in_group(world: &mut World, entry: &Entry) {
    let handle = group_handle(world);
    let from = world.sent.len();
    world.server(Deliver { handle, entry: entry.clone() });
    world.answer_questions(from, 0);
}

fn sources(world: &World) -> Vec<LogId> {
    world.store.sources.clone()
}

pub(super) fn group_seen(world: &World) -> Vec<u64> {
    let handle = group_handle(world);
    let seen = world.sent.iter().filter_map(|message| match message {
        ToServer::Seen(seen) if seen.handle == handle => Some(seen.upto.0),
        _ => None,
    });
    seen.collect()
}

#[test]
fn mailbox_and_group_are_read_side_by_side() {
    let mut world = reading_group(&["alice", "bob"]);
    let (own, group) = (mailbox("alice"), roster::log());
    for at in 1..=2 {
        let direct = world.entry_in(own, "bob", at, "direct");
        let public = world.entry_in(group, "bob", at, "public");
        deliver(&mut world, &direct);
        deliver_in_group(&mut world, &public);
    }
    assert_eq!(sources(&world), [own, group, own, group]);
    assert_eq!(world.texts(), ["direct", "public", "direct", "public"]);
    assert_eq!((world.store.cursors[&own], world.store.cursors[&group]), (Seq(3), Seq(4)));
    assert_eq!(world.seen(), [1, 3], "the group's leaves later");
    world.pass(Duration::from_millis(200));
    assert_eq!(group_seen(&world), [4]);
}

#[test]
fn a_group_is_said_to_be_seen_every_32_entries() {
    let mut world = reading_group(&["alice", "bob"]);
    for at in 1..=40 {
        let entry = world.entry_in(roster::log(), "bob", at, "public");
        deliver_in_group(&mut world, &entry);
    }
    assert_eq!(group_seen(&world), [32]);
    world.pass(Duration::from_millis(200));
    assert_eq!(group_seen(&world), [32, 40]);
}

#[test]
fn whoever_leaves_says_first_what_of_a_group_was_seen() {
    let mut world = reading_group(&["alice", "bob"]);
    let handle = group_handle(&world);
    let entry = world.entry_in(roster::log(), "bob", 1, "public");
    deliver_in_group(&mut world, &entry);
    assert!(group_seen(&world).is_empty(), "its time has not come");
    world.command(crate::core::Command::Stop);
    let last = world.sent.last();
    assert!(matches!(last, Some(ToServer::Seen(seen)) if seen.handle == handle), "{last:?}");
    assert!(world.at(&Step::Sent(wire::Kind::SEEN)) < world.steps.len() - 1, "then it closes");
}

#[test]
fn everybody_sees_a_group_in_its_order() {
    let mut world = reading_group(&["alice", "bob", "carol"]);
    let log = roster::log();
    let first = world.entry_in(log, "bob", 1, "bob's");
    let second = world.entry_in(log, "carol", 1, "carol's");
    let handle = group_handle(&world);
    let from = world.sent.len();
    world.server(Deliver { handle, entry: first });
    world.server(Deliver { handle, entry: second });
    let held = world.grants.clone();
    world.grants.retain(|place, _| place.sender == name("carol"));
    let stuck = world.sent[from..].iter().find_map(|message| match message {
        ToServer::FetchGrant(fetch) if fetch.sender == name("bob") => Some(fetch.request),
        _ => None,
    });
    let request = stuck.expect("fetched");
    world.server(Fault::about(FaultCode::UNAVAILABLE, Kind::FETCH_GRANT, request.0));
    let carols = world
        .sent
        .iter()
        .rposition(|m| matches!(m, ToServer::FetchGrant(fetch) if fetch.sender == name("carol")));
    world.answer_questions(carols.expect("fetched"), 0);
    assert!(world.texts().is_empty(), "carol's waits for bob's");
    world.grants = held;
    let from = world.sent.len();
    world.pass(Duration::from_secs(2));
    world.answer_questions(from, 0);
    assert_eq!(world.texts(), ["bob's", "carol's"]);
}

#[test]
fn ones_own_posts_come_back_in_their_place() {
    let mut world = reading_group(&["alice", "bob"]);
    let from = world.sent.len();
    world.draft_to_group(GROUP, "mine");
    world.answer_questions(from, 0);
    let own = world.sent.iter().find_map(|message| match message {
        ToServer::Post(post) => Some(post.clone()),
        _ => None,
    });
    let before = world.entry_in(roster::log(), "bob", 1, "before");
    deliver_in_group(&mut world, &before);
    let post = own.expect("posted");
    let entry = Entry {
        seq: Seq(before.seq.0 + 1),
        sender: name("alice"),
        origin: Origin([9; 16]),
        number: post.number,
        at: wire::Wall(2),
        body: post.body,
    };
    let asked = fetches(&world);
    deliver_in_group(&mut world, &entry);
    assert_eq!(world.texts(), ["before", "mine"]);
    assert_eq!(fetches(&world), asked, "its key is at hand");
    let content = &world.store.received[1].content;
    assert!(matches!(content, ReceivedContent::Text { verified: true, .. }), "{content:?}");
}

#[test]
fn what_may_be_from_before_one_joined_is_asked_for_and_what_is_proven_to_be_says_so() {
    let mut world = reading_group(&["bob", "alice"]);
    let log = roster::log();
    world.begin_session(log, "bob", 1);
    let early = world.entry_of(log, "bob", 1, Content::Text("for bob only".to_owned()));
    deliver_in_group(&mut world, &early);
    assert!(world.texts()[0].contains("or its key is withheld"), "{:?}", world.texts());
    assert_eq!(requests(&world).len(), 1, "bob knows whether it is withheld");
    let author = world.authors.remove(&(name("bob"), log)).expect("begun");
    let stored = Outbound::decode(&author.outbound.encode()).expect("decodes");
    world.announce(log, "bob", stored, (1, 2));
    world.grant(log, "bob", &alice().public().wrapping);
    world.pass(Duration::from_secs(6));
    let late = world.entry_of(log, "bob", 2, Content::Text("for all".to_owned()));
    deliver_in_group(&mut world, &late);
    assert_eq!(text_of(&world.store.received[1].content), "for all");
    let mut again = early;
    again.seq = Seq(late.seq.0 + 1);
    again.number = number(3);
    deliver_in_group(&mut world, &again);
    assert_eq!(world.store.received[2].content, ReceivedContent::BeforeYouJoined);
    assert_eq!(requests(&world).len(), 1);
}

#[test]
fn a_missing_grant_of_who_joined_later_is_asked_for() {
    let mut world = reading_group(&["alice", "bob"]);
    let log = roster::log();
    world.begin_session(log, "bob", 1);
    let entry = world.entry_of(log, "bob", 1, Content::Text("lost".to_owned()));
    deliver_in_group(&mut world, &entry);
    assert!(world.texts()[0].contains("not granted"), "{:?}", world.texts());
    let request = requests(&world);
    assert_eq!((request.len(), request[0].log), (1, log));
}

#[test]
fn statements_stand_among_the_messages_and_a_new_member_is_heard_of() {
    let mut world = reading_group(&["alice", "bob"]);
    roster::join(&mut world, "carol");
    let statement = world.statements[0].1.clone();
    let first = world.entry_in(roster::log(), "bob", 1, "hello");
    deliver_in_group(&mut world, &first);
    let entry = Entry {
        seq: Seq(first.seq.0 + 1),
        sender: name("carol"),
        origin: Origin([5; 16]),
        number: Number::NONE,
        at: wire::Wall(2),
        body: wire::message::Body::new(statement).expect("short"),
    };
    deliver_in_group(&mut world, &entry);
    let told = &world.store.received[1].content;
    assert!(
        matches!(told, ReceivedContent::Roster { act: Act::Join, valid: true, .. }),
        "{told:?}"
    );
    assert_eq!(world.store.cursors[&roster::log()], entry.seq);
}

#[test]
fn a_group_that_may_not_be_read_any_more_holds_up_nothing() {
    let mut world = reading_group(&["bob", "alice"]);
    let handle = group_handle(&world);
    world.server(Fault::about(FaultCode::REMOVED, Kind::ATTACH, handle.0));
    assert!(world.core.is_online());
    let entry = world.entry("bob", 1, "sorry");
    deliver(&mut world, &entry);
    assert_eq!(world.texts(), ["sorry"]);
    let ended = Ended { why: FaultCode::REMOVED, is_unread: false };
    assert_eq!(world.store.groups.ended[&name(GROUP)], Some(ended));
    let left = world.notices.iter().any(|notice| matches!(notice, Notice::GroupChanged(_)));
    assert!(left);
}

#[test]
fn what_was_delivered_before_a_dismissal_is_received() {
    let mut world = reading_group(&["bob", "alice"]);
    let handle = group_handle(&world);
    let from = world.sent.len();
    let entry = world.entry_in(roster::log(), "bob", 1, "before you go");
    world.server(Deliver { handle, entry: entry.clone() });
    world.server(Fault::about(FaultCode::REMOVED, Kind::ATTACH, handle.0));
    world.answer_questions(from, 0);
    world.feed(Event::TurnEnded);
    assert_eq!(world.texts(), ["before you go"]);
    assert_eq!(world.store.cursors[&roster::log()], entry.seq);
}

#[test]
fn expired_messages_are_told_of() {
    let mut world = reading_group(&["bob", "alice"]);
    let handle = group_handle(&world);
    world.server(CaughtUp { handle, upto: Seq(9), expired: 3 });
    let told = world.notices.iter().any(|notice| match notice {
        Notice::Expired { group, count } => (*group, *count) == (name(GROUP), 3),
        _ => false,
    });
    assert!(told);
}

#[test]
fn a_reading_is_over_when_everything_is_said_to_be_seen() {
    let mut world = World::with_session();
    roster::create(&mut world, "alice");
    roster::join(&mut world, "bob");
    let from = world.sent.len();
    let ticket = world.ask(crate::core::Request::Attach(Reading::All));
    world.go_online();
    world.answer_questions(from, 0);
    let entry = world.entry_in(roster::log(), "bob", 1, "public");
    deliver_in_group(&mut world, &entry);
    let (handle, upto) = (group_handle(&world), entry.seq);
    world.server(CaughtUp { handle, upto, expired: 0 });
    world.slow = Some("received");
    let entry = world.entry_in(roster::log(), "bob", 2, "public");
    deliver_in_group(&mut world, &entry);
    world.caught_up();
    assert!(world.answer(ticket).is_none(), "the store is not done yet");
    world.release();
    assert_eq!(world.answer(ticket), Some(Ok(())));
    assert_eq!(group_seen(&world).last(), Some(&entry.seq.0), "without waiting for more");
}
