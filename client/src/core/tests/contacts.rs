//! Keys of others: pinned at first use, kept through rotation, refused when changed or forged.

use std::time::Duration;

use wire::message::Fault;
use wire::{FaultCode, Kind, Wall};

use super::world::{World, bundle_of};
use crate::core::event::ContactChange;
use crate::core::{Notice, Reading, Request};
use crate::crypto::test_keys::{alice, alice_rotated, bob, carol, name, rng};
use crate::failure::Code;
use crate::store::{Contact, ReceivedContent, Trust};

/// A session whose store trusts `identity` as the keys of `who`.
fn knowing(who: &str, identity: &crate::crypto::Identity) -> World {
    let mut world = World::with_session();
    let contact = Contact {
        name: name(who),
        pinned: identity.public().signing.id(),
        bundles: vec![bundle_of(identity, who).encoded().clone()],
        trust: Trust::Pinned,
    };
    world.store.contacts.insert(name(who), contact);
    world
}

/// Drafts to bob, connects, and answers with these bundles; his log opens with base 0.
fn send_with(world: &mut World, bundles: Vec<bytes::Bytes>) {
    world.draft("bob", "secret");
    let from = world.sent.len();
    world.go_online();
    world.work();
    let fetch = world.fetch();
    world.bundles(&fetch, bundles);
    world.work();
    let opens = world.sent.get(from..).unwrap_or_default().to_vec();
    for message in opens {
        if let wire::ToServer::OpenLog(open) = message {
            let base = wire::Number::NONE;
            world.server(wire::message::LogOpened { handle: open.handle, base });
        }
    }
    world.work();
    world.confirm_puts(from);
}

#[test]
fn the_first_key_is_pinned() {
    let mut world = World::with_session();
    send_with(&mut world, vec![bundle_of(bob(), "bob").encoded().clone()]);
    assert_eq!(world.store.contacts[&name("bob")].pinned, bob().public().signing.id());
    assert_eq!(world.numbers(0), [1]);
}

#[test]
fn nothing_is_sent_to_a_changed_key_before_the_user_agrees() {
    let mut world = knowing("bob", bob());
    let before = bundle_of(bob(), "bob");
    let changed = before.next(carol(), Wall(2), &mut rng()).expect("signs");
    send_with(&mut world, vec![before.encoded().clone(), changed.encoded().clone()]);
    assert!(world.numbers(0).is_empty());
    assert_eq!(world.store.refused[0].1.code, Code::UntrustedKey);
    assert_eq!(world.store.contacts[&name("bob")].trust, Trust::Changed);
    let told = world.notices.iter().any(|notice| {
        matches!(notice, Notice::ContactChanged { change: ContactChange::Changed, .. })
    });
    assert!(told);

    let agree = |key| Request::Trust { name: name("bob"), key, verified: true };
    let other = world.ask(agree(bob().public().signing.id()));
    assert!(world.answer(other).expect("answered").is_err(), "another key than the one shown");
    let agreed = world.ask(agree(carol().public().signing.id()));
    assert_eq!(world.answer(agreed), Some(Ok(())));
    assert_eq!(world.store.contacts[&name("bob")].trust, Trust::Verified);
    let from = world.sent.len();
    world.draft("bob", "now");
    world.work();
    world.confirm_puts(from);
    assert_eq!(world.numbers(0), [1]);
}

#[test]
fn a_rotated_wrapping_key_changes_nothing() {
    let mut world = knowing("bob", alice());
    let before = bundle_of(alice(), "bob");
    let rotated = before.next(alice_rotated(), Wall(2), &mut rng()).expect("signs");
    send_with(&mut world, vec![before.encoded().clone(), rotated.encoded().clone()]);
    assert_eq!(world.store.contacts[&name("bob")].trust, Trust::Pinned);
    assert_eq!(world.store.contacts[&name("bob")].bundles.len(), 2);
    assert_eq!(world.numbers(0), [1]);
}

#[test]
fn a_forged_log_is_not_used() {
    let mut world = knowing("bob", bob());
    let other = bundle_of(carol(), "bob");
    let forged = other.next(carol(), Wall(2), &mut rng()).expect("signs");
    let held = bundle_of(bob(), "bob").encoded().clone();
    send_with(&mut world, vec![held, forged.encoded().clone()]);
    assert!(world.numbers(0).is_empty());
    assert_eq!(world.store.refused[0].1.code, Code::UntrustedKey);
    let contact = &world.store.contacts[&name("bob")];
    assert_eq!((contact.pinned, contact.bundles.len()), (bob().public().signing.id(), 1));
}

#[test]
fn another_log_than_before_is_a_changed_key() {
    let mut world = knowing("bob", bob());
    let other = bundle_of(carol(), "bob").encoded().clone();
    send_with(&mut world, vec![other.clone()]);
    assert!(world.numbers(0).is_empty());
    assert_eq!(world.store.refused[0].1.code, Code::UntrustedKey);
    let contact = &world.store.contacts[&name("bob")];
    assert_eq!((contact.pinned, contact.trust), (bob().public().signing.id(), Trust::Changed));
    assert_eq!(contact.bundles, [other], "what the user is to compare");
}

#[test]
fn another_longer_log_than_before_is_fetched_whole() {
    let mut world = knowing("bob", bob());
    let second = bundle_of(bob(), "bob").next(bob(), Wall(2), &mut rng()).expect("signs");
    let contact = world.store.contacts.get_mut(&name("bob")).expect("known");
    contact.bundles.push(second.encoded().clone());
    let first = bundle_of(carol(), "bob");
    let other = first.next(carol(), Wall(2), &mut rng()).expect("signs");
    send_with(&mut world, vec![other.encoded().clone()]);
    let fetch = world.fetch();
    assert_eq!(fetch.after, 0);
    let whole = vec![first.encoded().clone(), other.encoded().clone()];
    world.bundles(&fetch, whole.clone());
    world.work();
    assert!(world.numbers(0).is_empty());
    assert_eq!(world.store.refused[0].1.code, Code::UntrustedKey);
    let contact = &world.store.contacts[&name("bob")];
    assert_eq!((contact.trust, &contact.bundles), (Trust::Changed, &whole));
}

#[test]
fn a_message_under_a_changed_key_is_shown_as_not_verified() {
    let mut world = knowing("bob", carol());
    world.store.contacts.get_mut(&name("bob")).expect("known").trust = Trust::Pinned;
    world.attach(Reading::All);
    let entry = world.entry("bob", 1, "it is me, bob");
    world.deliver(&entry);
    world.give_grants();
    let before = bundle_of(carol(), "bob");
    let changed = before.next(bob(), Wall(2), &mut rng()).expect("signs");
    let fetch = world.fetch();
    assert_eq!(fetch.after, 0, "the newest one that is here comes again");
    world.bundles(&fetch, vec![before.encoded().clone(), changed.encoded().clone()]);
    world.work();
    let content = &world.store.received[0].content;
    assert!(matches!(content, ReceivedContent::Text { verified: false, .. }), "{content:?}");
    assert_eq!(world.store.contacts[&name("bob")].trust, Trust::Changed);
}

#[test]
fn a_message_under_the_key_before_the_agreed_one_is_not_verified() {
    let mut world = knowing("bob", bob());
    let before = bundle_of(bob(), "bob");
    let agreed = before.next(carol(), Wall(2), &mut rng()).expect("signs");
    let contact = world.store.contacts.get_mut(&name("bob")).expect("known");
    contact.bundles.push(agreed.encoded().clone());
    contact.pinned = carol().public().signing.id();
    world.attach(Reading::All);
    let entry = world.entry("bob", 1, "from long ago");
    world.deliver(&entry);
    world.give_grants();
    let content = &world.store.received[0].content;
    assert!(matches!(content, ReceivedContent::Text { verified: false, .. }), "{content:?}");
}

#[test]
fn a_key_that_was_never_published_opens_nothing() {
    let mut world = knowing("bob", carol());
    world.attach(Reading::All);
    let entry = world.entry("bob", 1, "it is me, bob");
    world.deliver(&entry);
    world.give_grants();
    let fetch = world.fetch();
    world.bundles(&fetch, Vec::new());
    world.work();
    assert!(world.texts()[0].contains("not the sender's"), "{:?}", world.texts());
    assert_eq!(world.seen(), [1]);
}

#[test]
fn who_had_no_account_when_it_was_looked_up_may_have_one_when_it_writes() {
    let mut world = World::with_session();
    world.attach(Reading::All);
    let looked_up = world.ask(Request::Fetch(name("bob")));
    let request = world.fetch().request.0;
    world.server(Fault::about(FaultCode::NO_SUCH_USER, Kind::FETCH_BUNDLES, request));
    assert!(world.answer(looked_up).expect("answered").is_err());
    world.pass(Duration::from_secs(1));
    let from = world.sent.len();
    let entry = world.entry("bob", 1, "I am new here");
    world.deliver(&entry);
    world.answer_questions(from, 0);
    assert_eq!(world.texts(), ["I am new here"]);
}

#[test]
fn a_contact_is_fetched_on_demand() {
    let mut world = World::with_session();
    let ticket = world.ask(Request::Fetch(name("bob")));
    let from = world.sent.len();
    world.go_online();
    assert!(world.answer(ticket).is_none());
    world.answer_questions(from, 0);
    assert_eq!(world.answer(ticket), Some(Ok(())));
    assert!(world.store.contacts.contains_key(&name("bob")));
}
