//! Groups survive a restart as they were folded, and nobody without the key makes a member.

use bytes::Bytes;
use rusqlite::Connection;
use wire::roster::{Act, Policy, Roster, Statement};
use wire::{FaultCode, LogId, MessageSession, Wall};
use zeroize::Zeroizing;

use super::{Place, origin};
use crate::crypto::grant::SessionPlace;
use crate::crypto::test_keys::{alice, bob, name, rng};
use crate::crypto::{Content, Identity, KeyId, sign_statement};
use crate::store::schema;
use crate::store::{Ended, GrantedSession, GroupRecord, KeptStatement, StoreError};

/// What `who` says next in `roster`'s group, and the roster after it.
fn say(
    roster: Option<Roster>,
    identity: &Identity,
    (who, act, about): (&str, Act, &str),
) -> (Bytes, Roster) {
    let head = roster.as_ref().map_or((0, [0; 32]), |roster| (roster.version(), roster.head()));
    let statement = Statement {
        group: name("rust"),
        version: head.0 + 1,
        previous: head.1,
        act,
        policy: (act == Act::Create).then_some(Policy::Open),
        actor: name(who),
        subject: name(about),
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
    KeptStatement { version, encoded: encoded.clone(), fault: None, successor: None }
}

#[test]
fn a_group_comes_back_as_it_was_kept() {
    let place = Place::new();
    let (created, first) = say(None, alice(), ("alice", Act::Create, "alice"));
    let (joined, second) = say(Some(first.clone()), bob(), ("bob", Act::Join, "bob"));
    let mut store = place.open();
    store.keep_group(&name("rust")).expect("keeps");
    store.add_statements(&[kept(1, &created)], &first).expect("keeps");
    let (fault, successor) = (Some("not signed".to_owned()), Some(name("bob")));
    let passed = KeptStatement { fault, successor, ..kept(2, &joined) };
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
    for is_unread in [true, false] {
        let ended = Ended { why: FaultCode::REMOVED, is_unread };
        store.end_group(&name("rust"), ended).expect("ends");
        assert_eq!(store.groups().expect("reads"), [(name("rust"), Some(ended))]);
        let record = store.group(&name("rust")).expect("reads").expect("is there");
        assert_eq!(record.ended, Some(ended));
    }
    store.keep_group(&name("rust")).expect("keeps");
    assert_eq!(store.groups().expect("reads"), [(name("rust"), None)]);
}

#[test]
fn a_group_that_was_only_looked_at_is_not_joined() {
    let mut store = Place::new().open();
    let (created, roster) = say(None, alice(), ("alice", Act::Create, "alice"));
    store.add_statements(&[kept(1, &created)], &roster).expect("keeps");
    let groups = store.groups().expect("reads");
    assert_eq!(
        groups,
        [(name("rust"), Some(Ended { why: FaultCode::NOT_A_MEMBER, is_unread: false }))]
    );
}

#[test]
fn statements_that_leave_one_out_are_refused_whole() {
    let mut store = Place::new().open();
    let (created, roster) = say(None, alice(), ("alice", Act::Create, "alice"));
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
    let (created, roster) = say(None, alice(), ("alice", Act::Create, "alice"));
    store.add_statements(&[kept(1, &created)], &roster).expect("keeps");
    let move_it = "INSERT INTO groups SELECT 'go', ended, roster, unread FROM groups";
    store.connection.execute(move_it, ()).expect("copies");
    assert!(matches!(store.group(&name("go")), Err(StoreError::Vault(_))));
}

/// Alice invites bob to her group and the program ends before it has heard of it: the message is
/// written when the statement turns up, once, and never for what was not noted.
#[test]
fn an_invitation_is_written_once_with_the_statement_that_makes_it() {
    let place = Place::new();
    let mut store = place.open();
    store.save_sign_up(&name("alice"), origin(1), alice(), b"bundle", b"frame").expect("keeps");
    let (created, first) = say(None, alice(), ("alice", Act::Create, "alice"));
    store.add_statements(&[kept(1, &created)], &first).expect("keeps");
    store.note_invitation(&name("rust"), &name("bob")).expect("notes");
    store.note_invitation(&name("rust"), &name("bob")).expect("notes");
    drop(store);

    let mut store = place.open();
    let (carols, second) = say(Some(first), alice(), ("alice", Act::Invite, "carol"));
    store.add_statements(&[kept(2, &carols)], &second).expect("keeps");
    assert_eq!(store.drafts(10).expect("reads"), [], "carol's was made elsewhere");
    let (bobs, third) = say(Some(second), alice(), ("alice", Act::Invite, "bob"));
    store.add_statements(&[kept(3, &bobs)], &third).expect("keeps");
    let drafts = store.drafts(10).expect("reads");
    let [draft] = drafts.as_slice() else { panic!("one message: {drafts:?}") };
    assert_eq!(draft.log, LogId::mailbox(name("bob")));
    assert_eq!(draft.content, Content::Invitation(name("rust")));
    let (again, fourth) = say(Some(third), alice(), ("alice", Act::Invite, "bob"));
    store.add_statements(&[kept(4, &again)], &fourth).expect("keeps");
    assert_eq!(store.drafts(10).expect("reads").len(), 1, "the note was used up");

    store.note_invitation(&name("rust"), &name("carol")).expect("notes");
    store.drop_invitation(&name("rust"), &name("carol")).expect("drops");
    let (refused, fifth) = say(Some(fourth), alice(), ("alice", Act::Invite, "carol"));
    store.add_statements(&[kept(5, &refused)], &fifth).expect("keeps");
    assert_eq!(store.drafts(10).expect("reads").len(), 1);
}

/// Alice's other machine has left the group and joined it again; this one was away, and hears of
/// both at once.
#[test]
fn a_departure_that_comes_with_a_new_joining_ends_what_was_granted_before() {
    let mut store = Place::new().open();
    store.save_sign_up(&name("alice"), origin(1), alice(), b"bundle", b"frame").expect("keeps");
    let (created, first) = say(None, bob(), ("bob", Act::Create, "bob"));
    let (joined, second) = say(Some(first.clone()), alice(), ("alice", Act::Join, "alice"));
    store.keep_group(&name("rust")).expect("keeps");
    store.add_statements(&[kept(1, &created)], &first).expect("keeps");
    store.add_statements(&[kept(2, &joined)], &second).expect("keeps");
    let (sender, log, origin) = (name("bob"), LogId::group(name("rust")), origin(2));
    let place = |number| SessionPlace { sender, log, origin, message_session: number };
    let state = Zeroizing::new(b"state".to_vec());
    let session = GrantedSession { signing_key: KeyId([5; 32]), state };
    store.keep_granted(&place(MessageSession(1)), &session, None).expect("keeps");

    let (left, third) = say(Some(second), alice(), ("alice", Act::Leave, "alice"));
    let (again, fourth) = say(Some(third), alice(), ("alice", Act::Join, "alice"));
    assert!(store.is_granted_from(&place(MessageSession(2))).expect("reads"));
    store.add_statements(&[kept(3, &left), kept(4, &again)], &fourth).expect("keeps");
    assert!(!store.is_granted_from(&place(MessageSession(2))).expect("reads"));
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
