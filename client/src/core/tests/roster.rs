//! A group and the home of its roster: what happens before the account connects is in the store
//! already; what happens later is signed, and told when it is asked for.

use wire::roster::{Act, Policy, Roster, Statement};
use wire::{LogId, Wall};

use super::world::{World, identity_of, me};
use crate::core::Request;
use crate::crypto::sign_statement;
use crate::crypto::test_keys::{name, rng};
use crate::store::KeptStatement;

/// The group's name.
pub(super) const GROUP: &str = "rust";

/// The group's log.
pub(super) fn log() -> LogId {
    LogId::group(name(GROUP))
}

/// `admin` has created the group.
pub(super) fn create(world: &mut World, admin: &str) {
    let first = statement(Act::Create, admin, admin);
    let first = Statement { policy: Some(Policy::Open), ..first };
    let roster = Roster::create(&first, Statement::hash(&first.encode())).expect("a creation");
    world.store.groups.ended.insert(name(GROUP), None);
    keep(world, &first, roster);
}

/// `member` has joined.
pub(super) fn join(world: &mut World, member: &str) {
    act(world, Act::Join, member, member);
}

/// The admin, alice, has removed `member`.
pub(super) fn remove(world: &mut World, member: &str) {
    act(world, Act::Remove, me().as_str(), member);
}

/// `member` has left.
pub(super) fn leave(world: &mut World, member: &str) {
    act(world, Act::Leave, member, member);
}

/// The account brings the roster up to date.
pub(super) fn refresh(world: &mut World) {
    world.ask(Request::Roster(name(GROUP)));
}

fn act(world: &mut World, act: Act, actor: &str, subject: &str) {
    let roster = world.roster.as_mut().expect("created");
    let next = Statement {
        version: roster.version() + 1,
        previous: roster.head(),
        ..statement(act, actor, subject)
    };
    if world.link.is_none() {
        roster.apply(&next, Statement::hash(&next.encode())).expect("keeps the rules");
        let roster = roster.clone();
        return keep(world, &next, roster);
    }
    let signed = sign_statement(identity_of(actor), next.clone(), &mut rng()).expect("signs");
    roster.apply(&next, Statement::hash(&signed)).expect("keeps the rules");
    world.statements.push((next.version, signed));
}

fn keep(world: &mut World, statement: &Statement, roster: Roster) {
    let kept = KeptStatement {
        version: statement.version,
        encoded: statement.encode(),
        fault: None,
        successor: None,
    };
    world.store.groups.statements.insert((name(GROUP), statement.version), kept);
    world.store.groups.rosters.insert(name(GROUP), roster.clone());
    world.roster = Some(roster);
}

fn statement(act: Act, actor: &str, subject: &str) -> Statement {
    Statement {
        group: name(GROUP),
        version: 1,
        previous: [0; 32],
        act,
        policy: None,
        actor: name(actor),
        subject: name(subject),
        key: [0; 32],
        at: Wall(5),
        signature: bytes::Bytes::new(),
    }
}
