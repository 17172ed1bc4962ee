//! Which grants a post needs, who gets them, and how long they stay.

use super::Answered::{Accepted, Rejected};
use super::club::{Club, grants, put, rust, say};
use super::*;
use crate::core::log::LogQuestion;
use wire::message::PutGrants;
use wire::roster::Act;

fn club() -> Club {
    Club::of(LogLimits::standard(), &["bob", "carol"])
}

fn under(session: u32, post: PeerPost) -> PeerPost {
    PeerPost { message_session: MessageSession(session), ..post }
}

#[test]
fn a_post_needs_the_beginning_of_its_message_session() {
    let mut club = club();
    club.rig.post(SEAT, under(2, say("bob", 1, 0, "a")));
    club.rig.post(SEAT, under(0, say("bob", 2, 1, "a")));
    let part = PutGrants { last: false, ..grants(rust(), 2, club.version, &["alice"]) };
    club.ask("bob", LogQuestion::PutGrants(part));
    club.granted().expect("taken");
    club.rig.post(SEAT, under(2, say("bob", 3, 2, "a")));
    club.rig.settle();
    assert_eq!(club.rig.answers(), [Rejected(3, FaultCode::GRANT_MISSING)], "not the last frame");
    club.grant("bob", 2, club.version).expect("taken");
    club.rig.post(SEAT, under(2, say("bob", 4, 3, "a")));
    club.rig.settle();
    assert_eq!(club.rig.answers(), [Accepted(4)]);
}

#[test]
fn a_mailbox_takes_posts_that_bring_their_own_key_and_granted_ones() {
    let mut club = club();
    club.rig.post(SEAT, post(1, 0, "own key"));
    club.rig.post(SEAT, under(1, post(2, 0, "a")));
    club.rig.settle();
    assert_eq!(club.rig.answers(), [Accepted(1), Rejected(2, FaultCode::GRANT_MISSING)]);
    club.ask("bob", put(alice(), 1, 0, &["alice"]));
    club.rig.post(SEAT, under(1, post(3, 2, "a")));
    club.rig.settle();
    assert_eq!(club.rig.answers(), [Accepted(3)], "it followed at once");
    let grant = club.fetch_grant("alice", (alice(), "bob"), 1).expect("hers");
    assert_eq!(grant.grant.wrapped.bytes().as_ref(), b"alice");
    assert_eq!(
        club.fetch_grant("carol", (alice(), "bob"), 1),
        Err(FaultCode::GRANT_MISSING),
        "not hers"
    );
    club.ask("bob", put(alice(), 2, 0, &["carol"]));
    assert_eq!(club.granted(), Err(FaultCode::MALFORMED), "carol does not read it");
}

#[test]
fn grants_are_answered_when_they_are_durable_and_never_after_their_post() {
    let limits = LogLimits { batch_len_max: 600, ..LogLimits::standard() };
    let mut club = Club::of(limits, &["bob"]);
    for session in 2..=4 {
        club.ask("bob", put(rust(), session, club.version, &["alice", "bob"]));
    }
    club.rig.post(SEAT, under(4, say("bob", 1, 0, "a")));
    for _ in 2..=4 {
        assert!(club.rig.compose());
        let is_grant = |change: &Change| {
            matches!(
                change,
                Change::PutKeyLog { .. } | Change::PutAnnouncement { .. } | Change::PutGrant { .. }
            )
        };
        let (last, frames) = (&club.rig.batch, club.rig.sent.len());
        if frames < 2 {
            assert!(last.changes.iter().all(is_grant), "neither entry nor row before its grants");
        }
        assert!(club.rig.poll());
        assert!(club.rig.sent.len() > frames, "a frame in each");
    }
    club.rig.settle();
    assert_eq!(club.rig.answers(), [Accepted(1)]);
}

#[test]
fn a_departure_ends_message_sessions_and_a_joining_does_not() {
    let mut club = Club::of(LogLimits::standard(), &["bob"]);
    let before = club.version;
    club.act(Act::Join, "carol", "carol").expect("open");
    club.rig.post(SEAT, say("bob", 1, 0, "a"));
    club.rig.settle();
    assert_eq!(club.rig.answers(), [Accepted(1)], "carol sees it, and that it is from before her");
    assert_eq!(club.grant("bob", 2, before), Ok(()), "so are these grants");
    club.act(Act::Leave, "carol", "carol").expect("a member");
    club.rig.post(SEAT, under(2, say("bob", 2, 1, "a")));
    club.rig.settle();
    assert_eq!(club.rig.answers(), [Rejected(2, FaultCode::ROSTER_BEHIND)]);
    assert_eq!(club.grant("bob", 3, before), Err(FaultCode::ROSTER_BEHIND));
    assert_eq!(club.grant("bob", 3, club.version), Ok(()));
    club.rig.post(SEAT, under(3, say("bob", 3, 2, "a")));
    club.rig.settle();
    assert_eq!(club.rig.answers(), [Accepted(3)]);
}

#[test]
fn only_members_put_and_get_grants() {
    let mut club = club();
    let grant = club.fetch_grant("carol", (rust(), "bob"), 1).expect("hers");
    assert_eq!(grant.grant.reader, name("carol"));
    assert_eq!(club.fetch_grant("dave", (rust(), "bob"), 1), Err(FaultCode::NOT_A_MEMBER));
    assert_eq!(club.grant("dave", 1, club.version), Err(FaultCode::NOT_A_MEMBER));
    club.act(Act::Remove, "alice", "carol").expect("the admin");
    assert_eq!(club.fetch_grant("carol", (rust(), "bob"), 1), Err(FaultCode::REMOVED));
    club.grant("bob", 2, club.version).expect("taken");
    assert!(club.stores_grant("bob", 2, "alice"));
    assert!(!club.stores_grant("bob", 2, "carol"), "what nobody may fetch is not kept");
    club.act(Act::Close, "alice", "alice").expect("the admin");
    assert_eq!(club.grant("bob", 3, club.version), Err(FaultCode::GROUP_CLOSED));
    assert!(club.fetch_grant("bob", (rust(), "bob"), 2).is_ok(), "what is left may be read");
}

#[test]
fn a_grant_on_its_way_to_the_disk_is_had_already() {
    let mut club = club();
    club.ask("bob", put(alice(), 1, 0, &["alice"]));
    club.rig.load();
    assert!(club.fetch_grant("alice", (alice(), "bob"), 1).is_ok());
    assert!(club.rig.compose());
    assert!(club.fetch_grant("alice", (alice(), "bob"), 1).is_ok());
    assert_eq!(club.rig.reads, []);
}

#[test]
fn grants_that_nobody_can_use_are_not_taken() {
    let mut club = club();
    let version = club.version;
    let good = || grants(rust(), 2, version, &["alice"]);
    let mut refused = |put: PutGrants| {
        club.ask("bob", LogQuestion::PutGrants(put));
        club.granted().expect_err("refused")
    };
    let session = MessageSession;
    assert_eq!(refused(PutGrants { message_session: session(0), ..good() }), FaultCode::MALFORMED);
    assert_eq!(refused(PutGrants { part: 1, ..good() }), FaultCode::GRANT_MISSING);
    assert_eq!(refused(PutGrants { part: 1024, ..good() }), FaultCode::TOO_MANY_GRANTS);
    let ahead = PutGrants { roster_version: version + 1, ..good() };
    assert_eq!(refused(ahead), FaultCode::ROSTER_BEHIND);
    let far = PutGrants { message_session: session(66), ..good() };
    assert_eq!(refused(far), FaultCode::TOO_MANY_GRANTS);
    let announcement = Default::default();
    assert_eq!(refused(PutGrants { announcement, ..good() }), FaultCode::MALFORMED);
    for value in 2..=4 {
        club.grant("bob", value, version).expect("taken");
    }
    assert_eq!(club.grant("bob", 5, version), Err(FaultCode::TOO_MANY_GRANTS));
    club.rig.logs.set_refusing(true);
    assert_eq!(club.grant("bob", 4, version), Err(FaultCode::UNAVAILABLE));
}

#[test]
fn grants_stay_while_an_entry_that_needs_them_is_left() {
    let mut club = club();
    club.grant("bob", 2, club.version).expect("taken");
    club.rig.post(SEAT, say("bob", 1, 0, "under 1"));
    club.rig.post(SEAT, under(2, say("bob", 2, 1, "under 2")));
    club.rig.settle();
    let entries = club.read(SEAT, "alice", Seq(0)).entries.into_items();
    let [.., under_1, under_2] = entries.as_slice() else { panic!("both") };
    for upto in [under_1.seq, under_2.seq] {
        assert!(club.stores_grant("bob", 1, "carol"));
        for account in ["alice", "bob", "carol"] {
            club.attach(SEAT, account, 1, upto);
        }
        club.rig.settle();
    }
    assert!(!club.stores_grant("bob", 1, "carol"), "the log is truncated past its end");
    assert!(club.stores_grant("bob", 2, "carol"));
    let mut club = club.crash(InFlight::Lost);
    club.rig.post(SEAT, say("bob", 3, 2, "under 1"));
    club.rig.post(SEAT, under(2, say("bob", 4, 3, "under 2")));
    club.rig.settle();
    assert_eq!(club.rig.answers(), [Rejected(3, FaultCode::GRANT_MISSING), Accepted(4)]);
}

#[test]
fn a_row_that_was_not_in_memory_lets_go_of_its_grants_when_it_is() {
    let mut club = club();
    club.grant("bob", 2, club.version).expect("taken");
    club.rig.post(SEAT, under(2, say("bob", 1, 0, "under 2")));
    club.rig.settle();
    let mut club = club.crash(InFlight::Lost);
    let head = club.read(SEAT, "alice", Seq(0)).upto;
    for account in ["alice", "bob", "carol"] {
        club.attach(SEAT, account, 1, head);
    }
    club.rig.settle();
    assert!(club.stores_grant("bob", 1, "carol"), "nobody looked");
    club.open("bob").expect("a member");
    club.rig.settle();
    assert!(!club.stores_grant("bob", 1, "carol"));
}

#[test]
fn a_crash_that_loses_the_entry_leaves_the_older_session_in_use() {
    let mut club = club();
    club.grant("bob", 2, club.version).expect("taken");
    club.rig.post(SEAT, say("bob", 1, 0, "under 1"));
    club.rig.post(SEAT, under(2, say("bob", 2, 0, "under 2")));
    let mut club = club.crash(InFlight::Lost);
    club.rig.post(SEAT, say("bob", 1, 0, "under 1"));
    club.rig.post(SEAT, under(2, say("bob", 2, 0, "under 2")));
    club.rig.post(SEAT, say("bob", 3, 0, "under 1"));
    club.rig.settle();
    let expected = [Accepted(2), Rejected(3, FaultCode::GRANT_MISSING)];
    assert_eq!(club.rig.answers(), expected);
}

#[test]
fn a_reader_may_be_granted_again() {
    let mut club = club();
    let mut again = grants(rust(), 1, club.version, &["carol"]);
    again.announcement = wire::message::Announcement::new(Bytes::from_static(b"x")).expect("short");
    club.ask("bob", LogQuestion::PutGrants(again));
    club.granted().expect("a replaced wrapping key");
    let grant = club.fetch_grant("carol", (rust(), "bob"), 1).expect("hers");
    assert_eq!(grant.announcement.bytes().as_ref(), b"x");
}
