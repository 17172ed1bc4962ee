//! Accounts whose home is away: the homes of logs have copies of their keys, and what cannot be
//! verified holds up nobody else.

use std::time::Duration;

use bytes::Bytes;
use wire::message::{Entry, Fault, FetchKeyLog};
use wire::roster::{Act, Policy};
use wire::{Kind, LogId, ToServer, Wall};

use super::group_home::GroupHome;
use super::roster::{self, GROUP};
use super::sealing::{puts, readers, sessions};
use super::world::{World, bundle_of, identity_of, mailbox};
use crate::core::event::ContactChange;
use crate::core::{Notice, Reading, Request};
use crate::crypto::test_keys::{alice, alice_rotated, bob, carol, name, rng};
use crate::crypto::{Identity, KeyId};
use crate::store::{ReceivedContent, Trust};

/// The key log of `who` with one bundle.
fn log_of(who: &str, identity: &Identity) -> Vec<Bytes> {
    vec![bundle_of(identity, who).encoded().clone()]
}

fn key_of(identity: &Identity) -> KeyId {
    identity.public().signing.id()
}

/// The home of `who` is away; the homes of logs have this copy of its keys.
fn away(world: &mut World, who: &str, copy: Vec<Bytes>) {
    world.unreachable = Some(name(who));
    world.copies.insert(name(who), copy);
}

/// Reads the mailbox; `who` is away and has written to it.
fn reading(who: &str, copy: Vec<Bytes>) -> (World, Entry) {
    let mut world = World::with_session();
    away(&mut world, who, copy);
    world.attach(Reading::All);
    let entry = world.entry(who, 1, "hello");
    (world, entry)
}

fn deliver(world: &mut World, entries: &[&Entry]) {
    let from = world.sent.len();
    entries.iter().for_each(|entry| world.deliver(entry));
    world.answer_questions(from, 0);
}

fn asked_copies(world: &World) -> Vec<(LogId, String)> {
    let asked = world.sent.iter().filter_map(|message| match message {
        ToServer::FetchKeyLog(FetchKeyLog { log, name, .. }) => Some((*log, name.to_string())),
        _ => None,
    });
    asked.collect()
}

/// Lets `time` pass, with everything answered on the way.
fn pass(world: &mut World, time: Duration) {
    for _ in 0..10 {
        let from = world.sent.len();
        world.pass(time / 10);
        world.answer_questions(from, 0);
    }
}

#[test]
fn a_stranger_whose_home_is_away_is_verified_with_the_copy() {
    let (mut world, entry) = reading("bob", log_of("bob", bob()));
    deliver(&mut world, &[&entry]);
    assert_eq!(world.texts(), ["hello"]);
    assert_eq!(world.seen(), [1]);
    let content = &world.store.received[0].content;
    assert!(matches!(content, ReceivedContent::Text { verified: true, .. }), "{content:?}");
    assert_eq!(world.store.contacts[&name("bob")].pinned, key_of(bob()));
    assert_eq!(asked_copies(&world), [(mailbox("alice"), "bob".to_owned())]);
}

#[test]
fn a_home_that_says_nothing_holds_up_its_own_accounts_only() {
    let (mut world, entry) = reading("bob", log_of("bob", bob()));
    let other = world.entry("carol", 1, "from carol");
    world.deliver(&entry);
    world.give_grants();
    let silent = world.fetch();
    assert_eq!(silent.name, name("bob"));
    deliver(&mut world, &[&other]);
    assert_eq!(world.texts(), ["from carol"], "bob's is not answered yet");
    assert!(world.seen().is_empty(), "but stands before it");
    let from = world.sent.len();
    let code = wire::FaultCode::UNAVAILABLE;
    world.server(Fault::about(code, Kind::FETCH_BUNDLES, silent.request.0));
    world.answer_questions(from, 0);
    assert_eq!(world.texts(), ["from carol", "hello"]);
    assert_eq!(world.seen(), [2]);
}

#[test]
fn a_copy_is_not_asked_for_while_the_home_answers() {
    let mut world = World::with_session();
    world.copies.insert(name("bob"), log_of("bob", carol()));
    world.attach(Reading::All);
    let entry = world.entry("bob", 1, "hello");
    deliver(&mut world, &[&entry]);
    assert_eq!(world.texts(), ["hello"]);
    assert_eq!(asked_copies(&world), []);
}

#[test]
fn a_message_that_nobody_can_verify_holds_up_nobody() {
    for copy in [vec![], log_of("bob", carol()), vec![Bytes::from_static(b"noise")]] {
        let (mut world, entry) = reading("bob", copy);
        let other = world.entry("carol", 1, "from carol");
        deliver(&mut world, &[&entry, &other]);
        let texts = world.texts();
        assert_eq!(texts.len(), 2, "{texts:?}");
        assert!(texts[0].contains("server is away"), "{texts:?}");
        assert_eq!(texts[1], "from carol");
        assert_eq!(world.seen(), [2]);
    }
}

#[test]
fn the_home_has_the_last_word_once_it_is_back() {
    let (mut world, entry) = reading("bob", log_of("bob", bob()));
    deliver(&mut world, &[&entry]);
    pass(&mut world, Duration::from_secs(20));
    world.unreachable = None;
    let from = world.sent.len();
    pass(&mut world, Duration::from_secs(10));
    let asked = |message: &&ToServer| matches!(message, ToServer::FetchBundles(_));
    assert_eq!(world.sent[from..].iter().filter(asked).count(), 1, "once it has answered");
    assert_eq!(world.store.contacts[&name("bob")].trust, Trust::Pinned);
    assert_eq!(asked_copies(&world).len(), 1);
}

#[test]
fn a_copy_that_the_home_contradicts_is_a_changed_key() {
    let (mut world, entry) = reading("bob", log_of("bob", bob()));
    deliver(&mut world, &[&entry]);
    world.pass(Duration::from_secs(1));
    let real = log_of("bob", carol());
    let fetch = world.fetch();
    world.bundles(&fetch, real.clone());
    world.work();
    let contact = &world.store.contacts[&name("bob")];
    assert_eq!((contact.pinned, contact.trust), (key_of(bob()), Trust::Changed));
    assert_eq!(contact.bundles, real);
    let told = |notice: &Notice| {
        matches!(notice, Notice::ContactChanged { change: ContactChange::Changed, .. })
    };
    assert_eq!(world.notices.iter().filter(|notice| told(notice)).count(), 1);
}

#[test]
fn a_copy_brings_a_rotated_wrapping_key_and_no_other_signing_key() {
    let first = bundle_of(alice(), "bob");
    let rotated = first.next(alice_rotated(), Wall(2), &mut rng()).expect("signs");
    let changed = first.next(bob(), Wall(2), &mut rng()).expect("signs");
    for (next, count) in [(&rotated, 2), (&changed, 1)] {
        let copy = vec![first.encoded().clone(), next.encoded().clone()];
        let (mut world, entry) = reading("bob", copy);
        world.store.contacts.insert(
            name("bob"),
            crate::store::Contact {
                name: name("bob"),
                pinned: key_of(alice()),
                bundles: vec![first.encoded().clone()],
                trust: Trust::Pinned,
            },
        );
        // It is signed by the key of bob's tests, which the kept log does not have.
        deliver(&mut world, &[&entry]);
        let contact = &world.store.contacts[&name("bob")];
        assert_eq!((contact.trust, contact.bundles.len()), (Trust::Pinned, count));
        assert!(world.texts()[0].contains("server is away"), "{:?}", world.texts());
    }
}

/// Alice's session in bob's group, which carol has joined.
fn joined() -> (World, GroupHome) {
    let mut home = GroupHome::of_bob(Policy::Open);
    home.says("carol", Act::Join, "carol");
    home.says("alice", Act::Join, "alice");
    let mut world = World::with_session();
    world.store.groups.ended.insert(name(GROUP), None);
    (world, home)
}

/// Drafts a post to the group and lets the home answer for a while.
fn post(world: &mut World, home: &mut GroupHome) {
    world.draft_to_group(GROUP, "1");
    if world.link.is_some() && !world.core.is_online() {
        world.go_online();
    }
    for _ in 0..20 {
        home.serve(world);
        world.pass(Duration::from_millis(500));
    }
}

#[test]
fn a_fresh_machine_reads_the_roster_and_posts_while_a_members_home_is_away() {
    let (mut world, mut home) = joined();
    away(&mut world, "carol", log_of("carol", carol()));
    post(&mut world, &mut home);
    assert_eq!(sessions(&world, 0), [(1, 1)]);
    let put = puts(&world, 0).remove(0);
    assert_eq!(readers(&put), ["alice", "bob", "carol"].map(name), "carol reads it later");
    assert_eq!(put.key_log.items()[0].bytes(), bundle_of(alice(), "alice").encoded());
    assert_eq!(asked_copies(&world)[0], (roster::log(), "carol".to_owned()));
    let kept = &world.store.groups.statements[&(name(GROUP), 2)];
    assert_eq!(kept.fault, None);
}

#[test]
fn a_statement_whose_author_nobody_knows_waits_and_is_not_judged() {
    let (mut world, mut home) = joined();
    away(&mut world, "carol", log_of("carol", identity_of("bob")));
    post(&mut world, &mut home);
    assert_eq!(sessions(&world, 0), []);
    assert!(!world.store.groups.statements.contains_key(&(name(GROUP), 2)));
    world.unreachable = None;
    for _ in 0..20 {
        world.pass(Duration::from_millis(500));
        home.serve(&mut world);
    }
    assert_eq!(sessions(&world, 0), [(1, 1)]);
    let kept = &world.store.groups.statements[&(name(GROUP), 2)];
    assert_eq!(kept.fault, None, "verified with the key of carol's own home");
    assert_eq!(world.store.contacts[&name("carol")].trust, Trust::Changed);
}

#[test]
fn a_member_known_only_by_its_copy_is_granted_the_key() {
    let mut world = World::with_session();
    roster::create(&mut world, "alice");
    roster::join(&mut world, "bob");
    away(&mut world, "bob", log_of("bob", bob()));
    world.draft_to_group(GROUP, "1");
    let from = world.sent.len();
    world.go_online();
    world.answer_questions(from, 0);
    assert_eq!(readers(&puts(&world, 0)[0]), ["alice", "bob"].map(name));
    world.ask(Request::Outbox);
    assert_eq!(asked_copies(&world), [(roster::log(), "bob".to_owned())]);
}
