//! Groups survive a restart as they were folded, and nobody without the key makes a member.

use bytes::Bytes;
use rusqlite::Connection;
use wire::roster::{Act, Policy, Roster, Statement};
use wire::{FaultCode, Wall};

use super::Place;
use crate::crypto::test_keys::{alice, bob, name, rng};
use crate::crypto::{Identity, sign_statement};
use crate::store::schema;
use crate::store::{GroupRecord, KeptStatement, StoreError};

/// What `who` says next in `roster`'s group, and the roster after it.
fn say(roster: Option<Roster>, identity: &Identity, who: &str, act: Act) -> (Bytes, Roster) {
    let head = roster.as_ref().map_or((0, [0; 32]), |roster| (roster.version(), roster.head()));
    let statement = Statement {
        group: name("rust"),
        version: head.0 + 1,
        previous: head.1,
        act,
        policy: (act == Act::Create).then_some(Policy::Open),
        actor: name(who),
        subject: name(who),
        key: [0; 32],
        at: Wall(1),
        signature: Bytes::new(),
    };
    let encoded = sign_statement(identity, statement, &mut rng()).expect("signs");
    let statement = Statement::decode(encoded.clone()).expect("decodes");
    let hash = Statement::hash(&encoded);
    let next = match roster {
        None => Roster::create(&statement, hash).expect("is the first"),
        Some(mut roster) => {
            roster.apply(&statement, hash).expect("keeps the rules");
            roster
        }
    };
    (encoded, next)
}

fn kept(version: u32, encoded: &Bytes) -> KeptStatement {
    KeptStatement { version, encoded: encoded.clone(), fault: None }
}

#[test]
fn a_group_comes_back_as_it_was_kept() {
    let place = Place::new();
    let (created, first) = say(None, alice(), "alice", Act::Create);
    let (joined, second) = say(Some(first.clone()), bob(), "bob", Act::Join);
    let mut store = place.open();
    store.keep_group(&name("rust")).expect("keeps");
    store.add_statements(&[kept(1, &created)], &first).expect("keeps");
    let passed = KeptStatement { fault: Some("not signed".to_owned()), ..kept(2, &joined) };
    store.add_statements(std::slice::from_ref(&passed), &second).expect("keeps");
    drop(store);
    let store = place.open();
    let record = store.group(&name("rust")).expect("reads").expect("is there");
    let expected =
        GroupRecord { name: name("rust"), ended: None, roster: Some(second), claims: Vec::new() };
    assert_eq!(record, expected);
    assert_eq!(store.statement(&name("rust"), 2).expect("reads"), Some(passed));
    assert_eq!(store.statement(&name("rust"), 3).expect("reads"), None);
    assert_eq!(store.groups().expect("reads"), [(name("rust"), None)]);
    assert_eq!(store.group(&name("go")).expect("reads"), None);
}

#[test]
fn an_ended_group_keeps_its_reason_until_it_is_joined_again() {
    let mut store = Place::new().open();
    store.keep_group(&name("rust")).expect("keeps");
    store.end_group(&name("rust"), FaultCode::REMOVED).expect("ends");
    let ended = [(name("rust"), Some(FaultCode::REMOVED))];
    assert_eq!(store.groups().expect("reads"), ended);
    store.keep_group(&name("rust")).expect("keeps");
    assert_eq!(store.groups().expect("reads"), [(name("rust"), None)]);
}

#[test]
fn a_group_that_was_only_looked_at_is_not_joined() {
    let mut store = Place::new().open();
    let (created, roster) = say(None, alice(), "alice", Act::Create);
    store.add_statements(&[kept(1, &created)], &roster).expect("keeps");
    let groups = store.groups().expect("reads");
    assert_eq!(groups, [(name("rust"), Some(FaultCode::NOT_A_MEMBER))]);
}

#[test]
fn statements_that_leave_one_out_are_refused_whole() {
    let mut store = Place::new().open();
    let (created, roster) = say(None, alice(), "alice", Act::Create);
    let gap = [kept(1, &created), kept(3, &created)];
    let refused = store.add_statements(&gap, &roster);
    assert!(matches!(refused, Err(StoreError::Changed(_))));
    assert_eq!(store.statement(&name("rust"), 1).expect("reads"), None);
    store.add_statements(&[kept(1, &created)], &roster).expect("keeps");
    let refused = store.add_statements(&[kept(1, &created)], &roster);
    assert!(matches!(refused, Err(StoreError::Changed(_))));
}

#[test]
fn a_roster_that_was_moved_or_changed_in_the_file_does_not_open() {
    let mut store = Place::new().open();
    let (created, roster) = say(None, alice(), "alice", Act::Create);
    store.add_statements(&[kept(1, &created)], &roster).expect("keeps");
    let move_it = "INSERT INTO groups SELECT 'go', ended, roster FROM groups";
    store.connection.execute(move_it, ()).expect("copies");
    assert!(matches!(store.group(&name("go")), Err(StoreError::Vault(_))));
}

/// A database of before there were groups gets their tables, and keeps what it has.
#[test]
fn an_older_database_is_upgraded_where_it_stands() {
    let mut connection = Connection::open_in_memory().expect("opens");
    schema::create(&mut connection, 1, &[7; 16], b"probe").expect("makes");
    assert_eq!(schema::version(&connection).expect("reads"), 1);
    connection.execute("SELECT name FROM groups", ()).expect_err("no such table yet");
    schema::upgrade(&mut connection).expect("upgrades");
    assert_eq!(schema::version(&connection).expect("reads"), schema::known());
    connection.execute("INSERT INTO groups (name) VALUES ('rust')", ()).expect("is there");
    let sql = "SELECT origin FROM installation";
    let origin: Vec<u8> = connection.query_row(sql, (), |row| row.get(0)).expect("reads");
    assert_eq!(origin, [7; 16]);
}
