//! Who has departed reads what was before, and hears of its departure; nothing after it.

use super::Answered::{Accepted, Rejected};
use super::club::{Club, change, put, rust, say, told};
use super::*;
use crate::core::log::Entrance;
use storage::Read;
use wire::roster::Act;

/// Bob is away; carol has posted `a`, alice has removed bob, and carol has posted `b`.
fn removed() -> Club {
    removed_in(LogLimits::standard())
}

fn removed_in(limits: LogLimits) -> Club {
    let mut club = Club::of(limits, &["bob", "carol"]);
    post(&mut club, 1, 1, "a");
    club.act(Act::Remove, "alice", "bob").expect("the admin");
    let version = club.version;
    assert_eq!(club.grant("carol", 2, version), Ok(()));
    post(&mut club, 2, 2, "b");
    club
}

/// Carol posts under a message session.
fn post(club: &mut Club, session: u32, number: u64, text: &str) {
    let message_session = MessageSession(session);
    club.rig.post(SEAT, PeerPost { message_session, ..say("carol", number, 0, text) });
    club.rig.settle();
    assert_eq!(club.rig.answers(), [Accepted(number)]);
}

/// What bob is to have.
const BOBS: [&str; 4] = ["Join bob", "Join carol", "a", "Remove bob"];

/// The end of what an account reads.
fn end(club: &mut Club, account: &str) -> Seq {
    let mut after = Seq(0);
    loop {
        let range = club.read(SEAT, account, after);
        after = range.upto;
        if range.caught_up {
            return after;
        }
    }
}

/// Entries and cursors that the store holds.
fn stored(club: &mut Club) -> (usize, Vec<Name>) {
    let ticket = club.rig.ticket();
    club.rig.store.submit(Op::Read { ticket, read: Read::Log { log: rust() } });
    match club.rig.store.poll() {
        Some(Completion::Answered {
            answer: storage::Answer::Log { cursors, index, .. }, ..
        }) => (index.len(), cursors.into_iter().map(|(reader, _)| reader).collect()),
        other => panic!("{other:?} does not answer"),
    }
}

/// Alice and carol have everything.
fn others_have_all(club: &mut Club) {
    let head = end(club, "alice");
    for account in ["alice", "carol"] {
        club.attach(SEAT, account, 1, head);
    }
    club.rig.settle();
    club.rig.take();
}

#[test]
fn who_was_away_reads_up_to_its_removal() {
    let mut club = removed();
    assert_eq!(club.open("bob"), Ok(()));
    assert_eq!(club.history("bob"), BOBS);
    for in_flight in [InFlight::Lost, InFlight::Kept] {
        club = club.crash(in_flight);
        assert_eq!(club.history("bob"), BOBS, "the cursor is kept");
    }
    assert_eq!(club.history("alice").last().map(String::as_str), Some("b"));
    club.rig.post(SEAT, say("bob", 1, 0, "late"));
    club.rig.settle();
    assert_eq!(club.rig.answers(), [Rejected(1, FaultCode::REMOVED)]);
    let version = club.version;
    assert_eq!(club.grant("bob", 1, version), Err(FaultCode::REMOVED));
    assert_eq!(club.rig.causes(), []);
}

#[test]
fn its_cursor_holds_what_it_has_not_received_and_is_dropped_with_the_last() {
    let mut club = removed();
    others_have_all(&mut club);
    let mut club = club.crash(InFlight::Lost);
    others_have_all(&mut club);
    assert_eq!(stored(&mut club).0, 5, "what bob has not received, and what is behind it");
    let upto = end(&mut club, "bob");
    club.attach(SEAT, "bob", 1, Seq(0));
    let dismissed = club.dismissed();
    assert_eq!((dismissed[0].1.upto, dismissed[0].1.code), (upto, FaultCode::REMOVED));
    club.seen(SEAT, "bob", Seq(upto.0 - 1));
    club.rig.settle();
    assert_eq!(club.dismissed(), []);
    assert_eq!(stored(&mut club), (2, vec![name("bob"), name("alice"), name("carol")]));
    let mut club = club.crash(InFlight::Lost);
    club.attach(SEAT, "bob", 1, Seq(0));
    club.rig.load();
    club.rig.take();
    club.seen(SEAT, "bob", upto);
    assert_eq!(club.dismissed()[0].1.upto, Seq(0), "that was the last");
    others_have_all(&mut club);
    assert_eq!(stored(&mut club), (0, vec![name("alice"), name("carol")]));
    assert_eq!(club.open("bob"), Err(FaultCode::REMOVED));
    let mut club = club.crash(InFlight::Lost);
    assert_eq!(club.open("bob"), Err(FaultCode::REMOVED));
    assert_eq!(club.rig.causes(), []);
}

#[test]
fn it_acknowledges_nothing_above_its_end() {
    let mut club = removed();
    let head = end(&mut club, "alice");
    club.attach(SEAT, "bob", 1, head);
    assert_eq!(club.dismissed()[0].1.upto, Seq(0), "it holds what is for it");
    assert_eq!(club.open("bob"), Err(FaultCode::REMOVED));
    club.rig.settle();
    let mut club = club.crash(InFlight::Lost);
    assert_eq!(club.open("bob"), Err(FaultCode::REMOVED));
}

#[test]
fn who_leaves_reads_up_to_that_too() {
    let mut club = Club::of(LogLimits::standard(), &["bob", "carol"]);
    post(&mut club, 1, 1, "a");
    club.act(Act::Leave, "bob", "bob").expect("a member");
    let version = club.version;
    assert_eq!(club.grant("carol", 2, version), Ok(()));
    post(&mut club, 2, 2, "b");
    assert_eq!(club.history("bob"), ["Join bob", "Join carol", "a", "Leave bob"]);
    club.attach(OTHER_SEAT, "bob", 2, Seq(0));
    let dismissed = club.dismissed();
    assert_eq!((dismissed[0].0, dismissed[0].1.code), (OTHER_SEAT, FaultCode::NOT_A_MEMBER));
}

#[test]
fn its_grants_and_statements_are_those_of_before() {
    let mut club = removed().crash_at_rest();
    let grant = club.fetch_grant("bob", (rust(), "carol"), 1).expect("of what it reads");
    assert_eq!(grant.grant.reader, name("bob"));
    assert!(club.fetch_key_log("bob", (rust(), "carol")).is_ok());
    let later = club.fetch_grant("bob", (rust(), "carol"), 2);
    assert_eq!(later, Err(FaultCode::GRANT_MISSING), "none was kept for it");
    assert!(!club.stores_grant("carol", 2, "bob"));
    club.act(Act::Invite, "alice", "dave").expect("the admin");
    assert_eq!(club.fetch_roster("bob", 0), Ok(4), "up to its removal");
    assert_eq!(club.fetch_roster("bob", 4), Ok(0));
    assert_eq!(club.fetch_roster("bob", 99), Ok(0));
    assert_eq!(club.fetch_roster("alice", 0), Ok(5));
    let upto = end(&mut club, "bob");
    club.attach(SEAT, "bob", 1, upto);
    let over = club.fetch_grant("bob", (rust(), "carol"), 1);
    assert_eq!(over, Err(FaultCode::REMOVED));
    assert_eq!(club.fetch_roster("bob", 0), Err(FaultCode::REMOVED));
    let keys = club.fetch_key_log("bob", (rust(), "carol"));
    assert_eq!(keys, Err(FaultCode::REMOVED));
}

#[test]
fn a_roster_that_is_read_while_its_asker_departs_ends_with_that() {
    let mut club = Club::of(LogLimits::standard(), &["bob", "carol"]);
    let remove = club.next(Act::Remove, "alice", "bob");
    club.ask("alice", change(&remove, Entrance::None));
    (club.version, club.head) = (remove.version, wire::roster::Statement::hash(&remove.encode()));
    let invite = club.next(Act::Invite, "alice", "dave");
    club.ask("alice", change(&invite, Entrance::None));
    club.rig.settle();
    club.rig.take();
    assert_eq!(club.fetch_roster("bob", 0), Ok(4));
}

#[test]
fn the_one_that_departed_first_makes_room() {
    let limits = LogLimits { departed_max: 1, ..LogLimits::standard() };
    let mut club = removed_in(limits);
    club.attach(SEAT, "bob", 1, Seq(0));
    club.rig.take();
    club.act(Act::Leave, "carol", "carol").expect("a member");
    assert_eq!(club.open("bob"), Err(FaultCode::REMOVED));
    assert_eq!(club.open("carol"), Ok(()));
    let mut club = club.crash(InFlight::Lost);
    assert_eq!(club.open("carol"), Ok(()));
    assert_eq!(club.open("bob"), Err(FaultCode::REMOVED));
}

#[test]
fn what_expires_is_not_kept_for_it() {
    let mut club = removed();
    others_have_all(&mut club);
    let retention = LogLimits::standard().group_retention.as_millis();
    let late = Wall(5 + u64::try_from(retention).expect("fits"));
    club.rig.logs.expire(late);
    club.rig.settle();
    assert_eq!(stored(&mut club), (0, vec![name("alice"), name("carol")]));
    assert_eq!(club.open("bob"), Err(FaultCode::REMOVED));
}

/// Bob is invited and joins again while he has not read what was before.
fn back() -> Club {
    let mut club = removed();
    club.act(Act::Invite, "alice", "bob").expect("the admin");
    club.act(Act::Join, "bob", "bob").expect("invited");
    let version = club.version;
    assert_eq!(club.grant("carol", 3, version), Ok(()));
    post(&mut club, 3, 3, "c");
    club
}

#[test]
fn who_joins_again_reads_what_was_before_and_what_is_since() {
    let expected = [&BOBS[..], &["Join bob", "c"]].concat();
    let mut club = back();
    assert_eq!(club.history("bob"), expected);
    let mut club = club.crash_at_rest();
    assert_eq!(club.history("bob"), expected);
    let upto = end(&mut club, "bob");
    club.attach(SEAT, "bob", 1, Seq(0));
    assert_eq!(club.dismissed(), []);
    club.seen(SEAT, "bob", upto);
    others_have_all(&mut club);
    assert_eq!(stored(&mut club).0, 0);
    let mut club = club.crash_at_rest();
    post(&mut club, 3, 4, "d");
    assert_eq!(club.history("bob"), ["d"]);
}

#[test]
fn a_session_that_stays_hears_that_it_may_read_on() {
    let mut club = removed();
    club.attach(SEAT, "bob", 1, Seq(0));
    let upto = end(&mut club, "bob");
    club.act(Act::Invite, "alice", "bob").expect("the admin");
    let join = club.next(Act::Join, "bob", "bob");
    club.ask("bob", change(&join, Entrance::None));
    club.rig.settle();
    assert_eq!(club.dismissed().pop().map(|(_, dismiss)| dismiss.upto), Some(Seq::MAX));
    let range = club.read(SEAT, "bob", upto);
    assert_eq!(range.entries.items().iter().map(told).collect::<Vec<_>>(), ["Join bob"]);
}

#[test]
fn the_last_entry_may_be_acknowledged_while_the_joining_is_written() {
    for is_composed in [false, true] {
        let mut club = removed();
        let upto = end(&mut club, "bob");
        club.act(Act::Invite, "alice", "bob").expect("the admin");
        let join = club.next(Act::Join, "bob", "bob");
        club.ask("bob", change(&join, Entrance::None));
        assert!(!is_composed || club.rig.compose());
        club.attach(SEAT, "bob", 1, upto);
        club.rig.settle();
        assert_eq!(club.history("bob"), ["Join bob"]);
        let mut club = club.crash_at_rest();
        assert_eq!(club.history("bob"), ["Join bob"], "also after a crash");
    }
}

#[test]
fn a_departure_and_a_joining_in_one_batch_keep_the_cursor() {
    let mut club = Club::of(LogLimits::standard(), &["bob", "carol"]);
    post(&mut club, 1, 1, "a");
    let seen = end(&mut club, "bob");
    club.attach(SEAT, "bob", 1, Seq(0));
    let leave = club.next(Act::Leave, "bob", "bob");
    club.ask("bob", change(&leave, Entrance::None));
    (club.version, club.head) = (leave.version, wire::roster::Statement::hash(&leave.encode()));
    let join = club.next(Act::Join, "bob", "bob");
    club.ask("bob", change(&join, Entrance::None));
    club.seen(SEAT, "bob", seen);
    assert!(club.rig.compose());
    let mut club = club.crash(InFlight::Kept);
    assert_eq!(club.history("bob"), ["Leave bob", "Join bob"]);
}

#[test]
fn a_second_departure_tells_how_many_were_missed() {
    let mut club = back();
    club.act(Act::Remove, "alice", "bob").expect("the admin");
    let range = club.read(SEAT, "bob", Seq(0));
    assert_eq!(
        range.entries.items().iter().map(told).collect::<Vec<_>>(),
        ["Join bob", "c", "Remove bob"]
    );
    assert_eq!((range.expired, range.caught_up), (4, true));
}

#[test]
fn a_batch_that_was_lost_leaves_a_member() {
    let mut club = Club::of(LogLimits::standard(), &["bob", "carol"]);
    let remove = club.next(Act::Remove, "alice", "bob");
    club.ask("alice", change(&remove, Entrance::None));
    assert!(club.rig.compose());
    let mut club = club.crash(InFlight::Lost);
    club.ask("bob", put(rust(), 1, 3, &["alice", "bob", "carol"]));
    assert_eq!(club.granted(), Ok(()));
    assert_eq!(club.history("bob"), ["Join bob", "Join carol"]);
}
