//! Keys, sessions and a sign-up under way survive; tokens go when they should.

use bytes::Bytes;
use wire::{SessionEpoch, Token};

use super::{Place, begin, log, number, origin, seal};
use crate::crypto::test_keys::{alice, bob, name, rng};
use crate::crypto::{Identity, SignedBundle};
use crate::store::{PendingSignUp, PostState, Session, Store, StoreError, schema};

fn bundle() -> Bytes {
    let bundle = SignedBundle::first(alice(), name("alice"), wire::Wall(1), &mut rng());
    bundle.expect("signs").encoded().clone()
}

fn session(byte: u8) -> Session {
    Session { epoch: SessionEpoch(u64::from(byte)), token: Token([byte; 32]) }
}

fn sign_up(store: &mut Store, who: &str) -> Result<(), StoreError> {
    store.save_sign_up(&name(who), origin(1), alice(), &bundle(), b"the sign-up frame")
}

fn pending(had_existed: bool) -> Option<PendingSignUp> {
    Some(PendingSignUp { frame: Bytes::from("the sign-up frame"), had_existed })
}

fn public(identity: Option<Identity>) -> crate::crypto::PublicKeys {
    identity.expect("there are keys").public().clone()
}

#[test]
fn a_fresh_store_has_an_origin_that_stays_and_no_account() {
    let place = Place::new();
    let origin = place.open().origin().expect("reads");
    assert_ne!(origin.0, [0; 16]);
    let store = place.open();
    assert_eq!(store.origin().expect("reads"), origin);
    assert_eq!(store.account().expect("reads"), None);
    assert!(store.identity().expect("reads").is_none());
}

#[test]
fn a_sign_up_under_way_survives_with_its_keys_and_its_bytes() {
    let place = Place::new();
    sign_up(&mut place.open(), "alice").expect("keeps");
    let store = place.open();
    let account = store.account().expect("reads").expect("is there");
    assert_eq!((account.name, account.origin), (name("alice"), origin(1)));
    assert_eq!(account.pending_sign_up, pending(false));
    assert_eq!((account.session, account.bundle), (None, bundle()));
    assert_eq!(public(store.identity().expect("reads")), *alice().public());
}

#[test]
fn a_session_ends_the_sign_up_and_the_next_token_replaces_it() {
    let place = Place::new();
    let mut store = place.open();
    sign_up(&mut store, "alice").expect("keeps");
    store.save_session(&session(1)).expect("keeps");
    store.save_session(&session(2)).expect("keeps");
    let account = place.open().account().expect("reads").expect("is there");
    assert_eq!(account.session, Some(session(2)));
    assert_eq!(account.pending_sign_up, None);
}

#[test]
fn a_taken_name_frees_the_directory_but_an_account_stays() {
    let place = Place::new();
    let mut store = place.open();
    sign_up(&mut store, "alice").expect("keeps");
    store.clear_sign_up().expect("clears");
    sign_up(&mut store, "alice2").expect("the directory is free again");
    store.save_session(&session(1)).expect("keeps");
    store.clear_sign_up().expect("clears nothing");
    assert!(store.account().expect("reads").is_some());
}

#[test]
fn a_directory_belongs_to_one_account() {
    let place = Place::new();
    let mut store = place.open();
    sign_up(&mut store, "alice").expect("keeps");
    let refused = sign_up(&mut store, "bob");
    assert!(matches!(refused, Err(StoreError::OtherAccount { held }) if held == name("alice")));
    let refused = store.save_sign_in(&name("bob"), origin(1), alice(), &bundle(), &session(1));
    assert!(matches!(refused, Err(StoreError::OtherAccount { .. })));
    assert_eq!(store.account().expect("reads").expect("is there").name, name("alice"));
}

#[test]
fn signing_up_again_never_replaces_the_keys_of_an_account() {
    let place = Place::new();
    let mut store = place.open();
    sign_up(&mut store, "alice").expect("keeps");
    sign_up(&mut store, "alice").expect("no answer yet: may be begun anew");
    store.save_session(&session(1)).expect("keeps");
    let refused = sign_up(&mut store, "alice");
    assert!(matches!(refused, Err(StoreError::AccountExists { held }) if held == name("alice")));
}

#[test]
fn an_account_that_its_home_has_lost_is_signed_up_again_with_its_own_keys_only() {
    let place = Place::new();
    let mut store = place.open();
    store.save_sign_in(&name("alice"), origin(1), alice(), &bundle(), &session(9)).expect("keeps");
    let refused = sign_up(&mut store, "alice");
    assert!(matches!(refused, Err(StoreError::AccountExists { .. })), "it has a session");
    store.sign_out().expect("wipes");
    let other = SignedBundle::first(bob(), name("alice"), wire::Wall(1), &mut rng());
    let other = other.expect("signs").encoded().clone();
    for _ in 0..2 {
        let refused = store.save_sign_up(&name("alice"), origin(1), bob(), &other, b"frame");
        assert!(matches!(refused, Err(StoreError::AccountExists { .. })), "other keys");
        sign_up(&mut store, "alice").expect("keeps");
    }
    let account = place.open().account().expect("reads").expect("is there");
    assert_eq!((account.pending_sign_up, account.session), (pending(true), None));
    store.save_session(&session(1)).expect("an older epoch is no matter");
    let account = place.open().account().expect("reads").expect("is there");
    assert_eq!((account.pending_sign_up, account.session), (None, Some(session(1))));
    assert_eq!((account.origin, account.bundle), (origin(1), bundle()));
}

#[test]
fn a_taken_name_takes_nothing_from_an_account_that_had_existed() {
    let place = Place::new();
    let mut store = place.open();
    store.save_sign_in(&name("alice"), origin(1), alice(), &bundle(), &session(9)).expect("keeps");
    store.sign_out().expect("wipes");
    let draft = store.add_draft(&log(), "later", wire::Wall(1)).expect("keeps");
    for _ in 0..2 {
        sign_up(&mut store, "alice").expect("keeps");
        store.clear_sign_up().expect("clears");
        let account = store.account().expect("reads").expect("is there");
        assert_eq!((account.pending_sign_up, account.bundle), (None, bundle()));
        assert_eq!(public(store.identity().expect("reads")), *alice().public());
        assert!(store.post(draft).expect("reads").is_some());
    }
}

#[test]
fn a_sign_up_that_an_older_program_has_left_is_of_a_new_account() {
    let mut connection = rusqlite::Connection::open_in_memory().expect("opens");
    schema::create(&mut connection, 12, &[7; 16], b"probe").expect("makes");
    let sql = "INSERT INTO account (id, name, identity, bundle, sign_up)
               VALUES (1, 'alice', x'01', x'02', x'03')";
    connection.execute(sql, ()).expect("is kept");
    schema::upgrade(&mut connection).expect("upgrades");
    let sql = "SELECT name, had_existed FROM account WHERE sign_up = x'03'";
    let row = connection.query_row(sql, (), |row| Ok((row.get(0)?, row.get(1)?)));
    assert_eq!(row.expect("stays"), ("alice".to_owned(), false));
}

#[test]
fn a_session_without_an_account_is_refused() {
    let refused = Place::new().open().save_session(&session(1));
    assert!(matches!(refused, Err(StoreError::Changed(_))));
}

#[test]
fn sign_out_wipes_the_token_and_keeps_keys_and_messages() {
    let place = Place::new();
    let mut store = place.open();
    store.save_sign_in(&name("alice"), origin(1), alice(), &bundle(), &session(9)).expect("keeps");
    let draft = store.add_draft(&log(), "later", wire::Wall(1)).expect("keeps");
    let sealed: Vec<u8> = store
        .connection
        .query_row("SELECT token FROM account", (), |row| row.get(0))
        .expect("reads");
    store.sign_out().expect("wipes");
    assert!(!place.holds(&sealed), "not even sealed");
    let account = store.account().expect("reads").expect("is there");
    assert_eq!(account.session, None);
    assert!(store.identity().expect("reads").is_some());
    assert!(store.post(draft).expect("reads").is_some());
}

#[test]
fn a_new_origin_turns_unanswered_posts_into_conflicts_and_counts_anew() {
    let place = Place::new();
    let mut store = place.open();
    store.begin_origin(origin(1)).expect("begins");
    let id = store.add_draft(&log(), "hello", wire::Wall(1)).expect("keeps");
    begin(&mut store);
    seal(&mut store, id, 1, &Bytes::from("body"), &[7; 32]).expect("seals");
    store.begin_origin(origin(2)).expect("begins");
    assert_eq!(store.origin().expect("reads"), origin(2));
    let post = store.post(id).expect("reads").expect("is there");
    assert_eq!(post.state, PostState::Conflict);
    assert_eq!(store.conflicts().expect("reads"), [post]);
    assert_eq!(store.sealed(&log()).expect("reads"), []);
    assert_eq!(store.chain(&log()).expect("reads").next, number(1));
    store.redraft(id).expect("is a draft again");
    assert_eq!(store.drafts(10).expect("reads").len(), 1);
}
