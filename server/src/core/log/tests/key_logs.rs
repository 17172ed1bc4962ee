//! Copies of key logs: what they come with, who may have them, how long they stay.

use super::club::{Club, change, grants, key_log, rust};
use super::*;
use crate::core::log::{Entrance, LogQuestion};
use wire::field::{List, Opaque};
use wire::limits::KEY_LOG_LEN_MAX;
use wire::message::{KeyLogCopy, PutGrants};
use wire::roster::{Act, Policy};

/// Grants of `sender`'s message session 1 for alice, with `sender`'s keys.
fn granting(log: LogId, sender: &str, version: u32) -> PutGrants {
    PutGrants { key_log: key_log(sender), ..grants(log, 1, version, &["alice"]) }
}

fn keys_of(who: &str) -> Result<Vec<String>, FaultCode> {
    Ok(vec![format!("keys of {who}")])
}

#[test]
fn a_statement_brings_its_actors_keys_for_good() {
    let mut club = Club::new(LogLimits::standard());
    club.act(Act::Join, "bob", "bob").expect("open");
    club.act(Act::Join, "carol", "carol").expect("open");
    club.act(Act::Leave, "bob", "bob").expect("a member");
    assert_eq!(club.fetch_key_log("carol", (rust(), "bob")), keys_of("bob"));
    let mut club = club.crash(InFlight::Lost);
    assert_eq!(club.fetch_key_log("carol", (rust(), "bob")), keys_of("bob"));
    assert_eq!(club.fetch_key_log("carol", (rust(), "alice")), keys_of("alice"));
    assert_eq!(club.fetch_key_log("carol", (rust(), "dave")), Ok(vec![]), "who never spoke");
}

#[test]
fn keys_are_in_the_batch_of_what_they_verify() {
    let mut club = Club::new(LogLimits::standard());
    let join = club.next(Act::Join, "bob", "bob");
    club.ask("bob", change(&join, Entrance::None));
    club.ask("bob", LogQuestion::PutGrants(granting(alice(), "bob", 0)));
    club.rig.load();
    let is_put = |club: &Club, log| {
        let of =
            |change: &Change| matches!(change, Change::PutKeyLog { log: put, .. } if *put == log);
        club.rig.batch.changes.iter().any(of)
    };
    assert!(club.rig.compose());
    assert!(is_put(&club, rust()) && is_put(&club, alice()));
    let mut club = club.crash(InFlight::Lost);
    assert_eq!(club.fetch_key_log("alice", (rust(), "bob")), Ok(vec![]), "lost with its statement");
    club.ask("bob", change(&join, Entrance::None));
    assert_eq!(club.outcome(&join), Ok(2), "said again");
    assert_eq!(club.fetch_key_log("alice", (rust(), "bob")), keys_of("bob"));
}

#[test]
fn keys_that_came_with_grants_are_had_before_they_are_durable() {
    let mut club = Club::new(LogLimits::standard());
    club.ask("bob", LogQuestion::PutGrants(granting(alice(), "bob", 0)));
    club.rig.load();
    assert_eq!(club.fetch_key_log("alice", (alice(), "bob")), keys_of("bob"));
    assert!(club.rig.compose());
    assert_eq!(club.fetch_key_log("alice", (alice(), "bob")), keys_of("bob"));
    assert_eq!(club.rig.reads, []);
    club.rig.settle();
    let rotated = ["keys of bob", "newer keys of bob"].map(|text| Opaque::new(text.into()));
    let rotated = rotated.map(|bundle| bundle.expect("short")).to_vec();
    let key_log = List::new(rotated).expect("two");
    let put = PutGrants { key_log, ..granting(alice(), "bob", 0) };
    club.ask("bob", LogQuestion::PutGrants(put));
    club.rig.settle();
    let found = club.fetch_key_log("alice", (alice(), "bob")).expect("hers to know");
    assert_eq!(found, ["keys of bob", "newer keys of bob"], "the newest copy");
}

#[test]
fn only_readers_learn_who_has_written() {
    let mut club = Club::with_policy(LogLimits::standard(), Policy::Invitation);
    club.act(Act::Invite, "alice", "bob").expect("the admin");
    assert_eq!(club.fetch_key_log("bob", (rust(), "alice")), keys_of("alice"), "the invited");
    let refused = club.fetch_key_log("carol", (rust(), "alice"));
    assert_eq!(refused, Err(FaultCode::NOT_A_MEMBER));
    club.ask("bob", LogQuestion::PutGrants(granting(alice(), "bob", 0)));
    club.rig.settle();
    assert_eq!(club.fetch_key_log("carol", (alice(), "bob")), Ok(vec![]), "alice's mailbox");
    assert_eq!(club.fetch_key_log("bob", (alice(), "bob")), Ok(vec![]));
    assert_eq!(club.fetch_key_log("alice", (alice(), "bob")), keys_of("bob"));
}

#[test]
fn grants_without_keys_or_with_too_many_are_not_taken() {
    let mut club = Club::new(LogLimits::standard());
    let bundles = |lens: &[usize]| -> KeyLogCopy {
        let bundles = lens.iter().map(|len| Opaque::new(vec![7; *len].into()).expect("short"));
        List::new(bundles.collect()).expect("few")
    };
    let quarter = KEY_LOG_LEN_MAX / 4;
    for lens in [&[][..], &[0], &[5, 0], &[quarter, quarter, quarter, quarter, 1]] {
        let put = PutGrants { key_log: bundles(lens), ..granting(alice(), "bob", 0) };
        club.ask("bob", LogQuestion::PutGrants(put));
        assert_eq!(club.granted(), Err(FaultCode::MALFORMED), "{lens:?}");
    }
    let key_log = bundles(&[quarter, quarter, quarter, quarter]);
    let put = PutGrants { key_log, ..granting(alice(), "bob", 0) };
    club.ask("bob", LogQuestion::PutGrants(put));
    assert_eq!(club.granted(), Ok(()));
}
