//! Which grants a post needs, who gets them, and how long they stay.

use super::Answered::{Accepted, Rejected};
use super::club::{Club, grants, put, rust, say};
use super::*;
use crate::core::log::LogQuestion;
use wire::message::{AnswerBody, PutGrants};
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
    club.rig.post(SEAT, under(1, post(2, 1, "a")));
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
    let limits = LogLimits { batch_len_max: 300, batch_entries_max: 1, ..LogLimits::standard() };
    let mut club = Club::of(limits, &["bob"]);
    for session in 2..=4 {
        club.ask("bob", put(rust(), session, club.version, &["alice", "bob"]));
    }
    club.rig.post(SEAT, under(4, say("bob", 1, 0, "a")));
    for _ in 2..=4 {
        assert!(club.rig.compose());
        let is_grant = |change: &Change| {
            matches!(change, Change::PutAnnouncement { .. } | Change::PutGrant { .. })
        };
        let (last, frames) = (&club.rig.batch, club.rig.sent.len());
        if frames < 2 {
            assert!(last.changes.iter().all(is_grant), "neither entry nor row before its grants");
        }
        assert!(club.rig.poll());
        assert_eq!(club.rig.sent.len(), frames + 1);
    }
    club.rig.settle();
    assert_eq!(club.rig.answers(), [Accepted(1)]);
}
