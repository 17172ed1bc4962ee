//! What the fold allows, and what it forgets.

use bytes::Bytes;
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};

use super::{Act, Policy, Roster, RosterError, Statement};
use crate::fault::FaultCode;
use crate::limits::{GROUP_MEMBERS_MAX, INVITED_MAX, ROSTER_RESERVE, ROSTER_VERSION_MAX};
use crate::name::Name;
use crate::time::Wall;

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

fn statement(act: Act, actor: &str, subject: &str) -> Statement {
    Statement {
        group: name("rust"),
        version: 1,
        previous: [0; 32],
        act,
        policy: (act == Act::Create).then_some(Policy::Open),
        actor: name(actor),
        subject: name(subject),
        key: [7; 32],
        at: Wall(5),
        signature: Bytes::from_static(b"signature"),
    }
}

fn created(policy: Policy) -> Roster {
    let first = Statement { policy: Some(policy), ..statement(Act::Create, "alice", "alice") };
    Roster::create(&first, Statement::hash(&first.encode())).expect("a creation")
}

/// Does `act` on the roster's head.
fn act(roster: &mut Roster, act: Act, actor: &str, subject: &str) -> Result<(), RosterError> {
    let next = Statement {
        version: roster.version() + 1,
        previous: roster.head(),
        ..statement(act, actor, subject)
    };
    let before = roster.clone();
    let result = roster.apply(&next, Statement::hash(&next.encode()));
    if result.is_err() {
        assert_eq!(*roster, before, "a refused statement changes nothing");
    }
    result
}

fn members(roster: &Roster) -> Vec<&str> {
    roster.members().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn everybody_joins_an_open_group_once() {
    let mut roster = created(Policy::Open);
    act(&mut roster, Act::Join, "bob", "bob").expect("open");
    assert_eq!(act(&mut roster, Act::Join, "bob", "bob"), Err(RosterError::AlreadyAMember));
    assert_eq!(members(&roster), ["alice", "bob"]);
    assert_eq!(roster.last_departure(), 0, "a join lets earlier seals stand");
}

#[test]
fn only_the_invited_join_by_invitation() {
    let mut roster = created(Policy::Invitation);
    assert_eq!(act(&mut roster, Act::Join, "bob", "bob"), Err(RosterError::NotInvited));
    act(&mut roster, Act::Invite, "alice", "bob").expect("by the admin");
    assert!(roster.is_invited(&name("bob")));
    act(&mut roster, Act::Join, "bob", "bob").expect("invited");
    assert!(!roster.is_invited(&name("bob")));
}

#[test]
fn an_invitation_is_taken_back() {
    let mut roster = created(Policy::Invitation);
    act(&mut roster, Act::Invite, "alice", "bob").expect("by the admin");
    act(&mut roster, Act::Remove, "alice", "bob").expect("by the admin");
    assert_eq!(act(&mut roster, Act::Join, "bob", "bob"), Err(RosterError::Removed));
    assert_eq!(roster.last_departure(), 0, "nobody has departed");
}

#[test]
fn the_removed_come_back_by_invitation_only() {
    let mut roster = created(Policy::Open);
    act(&mut roster, Act::Join, "bob", "bob").expect("open");
    act(&mut roster, Act::Remove, "alice", "bob").expect("by the admin");
    assert_eq!(roster.last_departure(), 3);
    assert!(roster.is_removed(&name("bob")));
    assert_eq!(act(&mut roster, Act::Join, "bob", "bob"), Err(RosterError::Removed));
    act(&mut roster, Act::Invite, "alice", "bob").expect("by the admin");
    act(&mut roster, Act::Join, "bob", "bob").expect("invited");
    assert!(!roster.is_removed(&name("bob")));
}

#[test]
fn only_the_admin_rules() {
    let mut roster = created(Policy::Open);
    act(&mut roster, Act::Join, "bob", "bob").expect("open");
    for ruling in [Act::Invite, Act::Remove, Act::HandOver] {
        assert_eq!(act(&mut roster, ruling, "bob", "alice"), Err(RosterError::NotAnAdmin));
        assert_eq!(act(&mut roster, ruling, "carol", "bob"), Err(RosterError::NotAMember));
    }
    assert_eq!(act(&mut roster, Act::Close, "bob", "bob"), Err(RosterError::NotAnAdmin));
    act(&mut roster, Act::HandOver, "alice", "bob").expect("by the admin");
    assert_eq!(act(&mut roster, Act::Close, "alice", "alice"), Err(RosterError::NotAnAdmin));
    act(&mut roster, Act::Close, "bob", "bob").expect("by the new admin");
    assert_eq!(act(&mut roster, Act::Join, "carol", "carol"), Err(RosterError::Closed));
    assert_eq!(roster.last_departure(), roster.version());
}

#[test]
fn rulings_are_about_members() {
    let mut roster = created(Policy::Open);
    assert_eq!(act(&mut roster, Act::Remove, "alice", "bob"), Err(RosterError::NotAMember));
    assert_eq!(act(&mut roster, Act::HandOver, "alice", "bob"), Err(RosterError::NotAMember));
    act(&mut roster, Act::Join, "bob", "bob").expect("open");
    assert_eq!(act(&mut roster, Act::Invite, "alice", "bob"), Err(RosterError::AlreadyAMember));
}

#[test]
fn a_leaving_admin_is_followed_by_who_joined_first() {
    let mut roster = created(Policy::Open);
    act(&mut roster, Act::Join, "zoe", "zoe").expect("open");
    act(&mut roster, Act::Join, "bob", "bob").expect("open");
    act(&mut roster, Act::Leave, "alice", "alice").expect("a member");
    assert_eq!(roster.admin(), name("zoe"));
    act(&mut roster, Act::Leave, "zoe", "zoe").expect("a member");
    act(&mut roster, Act::Leave, "bob", "bob").expect("a member");
    assert!(roster.is_closed());
}

#[test]
fn a_group_is_full_at_its_limit() {
    let mut roster = created(Policy::Open);
    for index in 1..GROUP_MEMBERS_MAX {
        let member = format!("m{index}");
        act(&mut roster, Act::Join, &member, &member).expect("there is room");
    }
    assert_eq!(act(&mut roster, Act::Join, "late", "late"), Err(RosterError::Full));
    assert_eq!(Roster::decode(roster.encode()), Ok(roster));
}

#[test]
fn the_oldest_invitation_is_forgotten() {
    let mut roster = created(Policy::Invitation);
    for index in 0..=INVITED_MAX {
        act(&mut roster, Act::Invite, "alice", &format!("m{index}")).expect("by the admin");
    }
    assert!(!roster.is_invited(&name("m0")));
    assert!(roster.is_invited(&name("m1")));
    assert_eq!(roster.invited().len(), INVITED_MAX);
}

#[test]
fn a_long_history_ends_with_departures() {
    let mut roster = created(Policy::Open);
    act(&mut roster, Act::Join, "bob", "bob").expect("open");
    roster.version = ROSTER_VERSION_MAX - ROSTER_RESERVE;
    assert_eq!(act(&mut roster, Act::Join, "carol", "carol"), Err(RosterError::Worn));
    assert_eq!(act(&mut roster, Act::Invite, "alice", "carol"), Err(RosterError::Worn));
    act(&mut roster, Act::Remove, "alice", "bob").expect("there is room for departures");
    act(&mut roster, Act::Close, "alice", "alice").expect("and for the end");
}

#[test]
fn a_statement_follows_the_head() {
    let mut roster = created(Policy::Open);
    let head = roster.head();
    let join = Statement { version: 2, previous: head, ..statement(Act::Join, "bob", "bob") };
    let fork = Statement { previous: [1; 32], ..join.clone() };
    let gap = Statement { version: 3, ..join.clone() };
    let other = Statement { group: name("mio"), ..join.clone() };
    assert_eq!(roster.apply(&fork, [2; 32]), Err(RosterError::NotNext));
    assert_eq!(roster.apply(&gap, [2; 32]), Err(RosterError::NotNext));
    assert_eq!(roster.apply(&other, [2; 32]), Err(RosterError::OtherGroup));
    assert_eq!(RosterError::NotNext.fault(), FaultCode::ROSTER_MOVED);
    roster.apply(&join, [2; 32]).expect("it follows");
}

#[test]
fn what_is_passed_over_moves_the_head_only() {
    let mut roster = created(Policy::Open);
    let head = roster.head();
    let join =
        Statement { version: 2, previous: head, ..statement(Act::Join, "mallory", "mallory") };
    roster.pass(&join, [2; 32]).expect("it follows");
    assert_eq!((roster.version(), roster.head()), (2, [2; 32]));
    assert_eq!(members(&roster), ["alice"]);
    assert_eq!(roster.pass(&join, [2; 32]), Err(RosterError::NotNext));
}

#[test]
fn only_a_creation_begins_a_roster() {
    let join = statement(Act::Join, "bob", "bob");
    assert_eq!(Roster::create(&join, [1; 32]), Err(RosterError::Creation));
    let late = Statement { version: 2, ..statement(Act::Create, "bob", "bob") };
    assert_eq!(Roster::create(&late, [1; 32]), Err(RosterError::NotNext));
    let mut roster = created(Policy::Open);
    assert_eq!(act(&mut roster, Act::Create, "bob", "bob"), Err(RosterError::Creation));
}

#[test]
fn subject_and_policy_belong_to_the_act() {
    let mut foreign = statement(Act::Join, "bob", "alice");
    Statement::decode(foreign.encode()).expect_err("bob joins for alice");
    foreign.act = Act::Remove;
    Statement::decode(foreign.encode()).expect("bob removes alice");
    foreign.policy = Some(Policy::Open);
    Statement::decode(foreign.encode()).expect_err("a removal with a policy");
    let own = statement(Act::Remove, "bob", "bob");
    Statement::decode(own.encode()).expect_err("bob removes bob");
}

fn any_statement() -> impl Strategy<Value = Statement> {
    let act = prop_oneof![
        Just(Act::Create),
        Just(Act::Join),
        Just(Act::Leave),
        Just(Act::Invite),
        Just(Act::Remove),
        Just(Act::HandOver),
        Just(Act::Close),
    ];
    (act, any::<[u8; 32]>(), any::<u32>(), any::<u64>()).prop_map(|(act, hash, version, at)| {
        let alone = matches!(act, Act::Create | Act::Join | Act::Leave | Act::Close);
        let subject = if alone { "alice" } else { "bob" };
        let base = statement(act, "alice", subject);
        Statement { version, previous: hash, key: hash, at: Wall(at), ..base }
    })
}

proptest! {
    #[test]
    fn statements_come_back(statement in any_statement()) {
        prop_assert_eq!(Statement::decode(statement.encode()), Ok(statement));
    }

    #[test]
    fn any_bytes_are_a_statement_or_an_error(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        if let Ok(statement) = Statement::decode(Bytes::from(bytes.clone())) {
            prop_assert_eq!(&statement.encode()[..], &bytes[..]);
        }
        if let Ok(roster) = Roster::decode(Bytes::from(bytes.clone())) {
            prop_assert_eq!(&roster.encode()[..], &bytes[..]);
        }
    }
}
