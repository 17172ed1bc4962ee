//! Trust begins at first use, never rises by itself, and cannot be changed without the key.

use wire::Wall;

use super::Place;
use crate::crypto::test_keys::{alice, alice_rotated, bob, carol, name, rng};
use crate::crypto::{Identity, KeyLog, SignedBundle};
use crate::store::{StoreError, Trust};

/// Alice's key log: her first bundle, then one with each of the given keys.
fn key_log(later: &[&Identity]) -> KeyLog {
    let mut rng = rng();
    let mut bundles =
        vec![SignedBundle::first(alice(), name("alice"), Wall(1), &mut rng).expect("signs")];
    for identity in later {
        let next = bundles[bundles.len() - 1].next(identity, Wall(2), &mut rng);
        bundles.push(next.expect("signs"));
    }
    let encoded: Vec<_> = bundles.iter().map(|bundle| bundle.encoded().clone()).collect();
    KeyLog::verify(&name("alice"), &encoded).expect("verifies")
}

#[test]
fn first_use_pins_and_a_second_pin_is_refused() {
    let place = Place::new();
    let mut store = place.open();
    store.pin(&name("alice"), &key_log(&[])).expect("pins");
    let contact = place.open().contact(&name("alice")).expect("reads").expect("is there");
    assert_eq!(contact.pinned, alice().public().signing.id());
    assert_eq!((contact.trust, contact.bundles), (Trust::Pinned, key_log(&[]).encoded()));
    assert!(matches!(store.pin(&name("alice"), &key_log(&[])), Err(StoreError::Changed(_))));
    assert_eq!(store.contact(&name("bob")).expect("reads"), None);
    assert_eq!(store.contacts().expect("reads").len(), 1);
}

#[test]
fn a_rotated_wrapping_key_keeps_the_trust() {
    let mut store = Place::new().open();
    store.pin(&name("alice"), &key_log(&[])).expect("pins");
    store.mark_verified(&name("alice")).expect("verifies");
    let trust = store.extend(&name("alice"), &key_log(&[alice_rotated()])).expect("extends");
    assert_eq!(trust, Trust::Verified);
    let contact = store.contact(&name("alice")).expect("reads").expect("is there");
    assert_eq!(contact.bundles.len(), 2);
}

#[test]
fn a_changed_key_stays_changed_until_the_user_agrees() {
    let mut store = Place::new().open();
    let changed = key_log(&[carol()]);
    store.pin(&name("alice"), &key_log(&[])).expect("pins");
    store.mark_verified(&name("alice")).expect("verifies");
    assert_eq!(store.extend(&name("alice"), &changed).expect("extends"), Trust::Changed);
    store.mark_changed(&name("alice"), &changed).expect("says it again");
    let contact = store.contact(&name("alice")).expect("reads").expect("is there");
    let old = alice().public().signing.id();
    assert_eq!((contact.pinned, contact.trust), (old, Trust::Changed));
    store.accept_change(&name("alice")).expect("accepts");
    let contact = store.contact(&name("alice")).expect("reads").expect("is there");
    let new = carol().public().signing.id();
    assert_eq!((contact.pinned, contact.trust), (new, Trust::Pinned), "verified no more");
}

#[test]
fn a_key_log_that_was_exchanged_is_refused() {
    let mut store = Place::new().open();
    store.pin(&name("alice"), &key_log(&[alice_rotated()])).expect("pins");
    for other in [key_log(&[]), key_log(&[bob(), bob()])] {
        let refused = store.extend(&name("alice"), &other);
        assert!(matches!(refused, Err(StoreError::Changed(_))));
    }
    let refused = store.extend(&name("bob"), &key_log(&[]));
    assert!(matches!(refused, Err(StoreError::Changed(_))), "not known");
}

#[test]
fn another_key_log_in_place_of_the_kept_one_never_raises_the_trust() {
    let mut store = Place::new().open();
    store.pin(&name("alice"), &key_log(&[alice_rotated()])).expect("pins");
    store.mark_verified(&name("alice")).expect("verifies");
    let contact = |store: &crate::store::Store| {
        store.contact(&name("alice")).expect("reads").expect("is there")
    };
    let same_key = key_log(&[]);
    store.replace_key_log(&name("alice"), &same_key).expect("replaces");
    assert_eq!(contact(&store).trust, Trust::Verified, "signed by the trusted key");
    let other = key_log(&[bob()]);
    store.replace_key_log(&name("alice"), &other).expect("replaces");
    let held = contact(&store);
    assert_eq!((held.pinned, held.trust), (alice().public().signing.id(), Trust::Changed));
    assert_eq!(held.bundles, other.encoded());
    store.replace_key_log(&name("alice"), &same_key).expect("replaces");
    assert_eq!(contact(&store).trust, Trust::Changed, "the user has not agreed");
}

#[test]
fn trust_that_was_moved_or_changed_in_the_file_does_not_open() {
    let mut store = Place::new().open();
    store.pin(&name("alice"), &key_log(&[])).expect("pins");
    store.connection.execute("UPDATE contacts SET name = 'bob'", ()).expect_err("has bundles");
    let move_it = "INSERT INTO contacts SELECT 'bob', trust FROM contacts";
    store.connection.execute(move_it, ()).expect("copies");
    assert!(matches!(store.contact(&name("bob")), Err(StoreError::Vault(_))));
}
