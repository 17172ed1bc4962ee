//! Which grants a post needs, who gets them, and how long they stay.

use super::Answered::{Accepted, Rejected};
use super::club::{Club, grants, put, rust, say};
use super::*;
use crate::core::log::LogQuestion;
use std::time::Duration;
use storage::GrantedState;
use wire::limits::{GRANTS_REST_MAX, GRANTS_USE_MAX};
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
    for session in 2..=4 {
        assert!(club.rig.compose());
        let (last, frames) = (&club.rig.batch, club.rig.sent.len());
        let has_entry = last.changes.iter().any(|change| matches!(change, Change::Append { .. }));
        assert_eq!(has_entry, session == 4, "no entry before its grants");
        let usable = usable(last);
        assert_eq!(usable.last(), Some(&session), "a session is complete with its grants");
        assert!(club.rig.poll());
        assert!(club.rig.sent.len() > frames, "a frame in each");
    }
    club.rig.settle();
    assert_eq!(club.rig.answers(), [Accepted(1)]);
}

/// The message sessions that the newest row of a batch would let post under.
fn usable(batch: &Batch) -> Vec<u32> {
    let rows = batch.changes.iter().filter_map(|change| match change {
        Change::PutRow { row, .. } => Some(&row.sessions),
        _ => None,
    });
    let sessions = rows.last().expect("a row").iter();
    let usable = sessions
        .filter(|session| matches!(session.state, GrantedState::Complete | GrantedState::InUse(_)));
    usable.map(|session| session.message_session.0).collect()
}

#[test]
fn what_was_said_to_be_put_is_complete_after_a_crash() {
    let limits = LogLimits { batch_len_max: 600, ..LogLimits::standard() };
    let mut club = Club::of(limits, &["bob", "carol"]);
    for sender in ["bob", "carol"] {
        club.ask(sender, put(rust(), 2, club.version, &["alice", "bob", "carol"]));
    }
    assert!(club.rig.compose() && club.rig.poll());
    let answers = club.rig.take();
    assert_eq!(answers.len(), 1, "carol's wait for the next batch");
    let mut club = club.crash(InFlight::Lost);
    club.rig.post(SEAT, under(2, say("bob", 1, 0, "a")));
    club.rig.post(SEAT, under(2, say("carol", 1, 0, "a")));
    club.rig.settle();
    let expected = [Accepted(1), Rejected(1, FaultCode::GRANT_MISSING)];
    let mut answers = club.rig.answers();
    answers.sort_by_key(|answer| matches!(answer, Rejected(..)));
    assert_eq!(answers, expected);
}

#[test]
fn a_session_is_complete_when_its_other_frames_are_on_disk() {
    let limits = LogLimits { batch_len_max: 600, ..LogLimits::standard() };
    let mut club = Club::of(limits, &["bob", "carol"]);
    let version = club.version;
    let frame = |readers, last| PutGrants { last, ..grants(rust(), 2, version, readers) };
    club.ask("bob", LogQuestion::PutGrants(frame(&["alice"], false)));
    club.ask("bob", LogQuestion::PutGrants(frame(&["bob", "carol"], true)));
    assert!(club.rig.compose() && club.rig.poll());
    let mut club = club.crash(InFlight::Lost);
    assert!(club.stores_grant("bob", 2, "alice") && !club.stores_grant("bob", 2, "carol"));
    club.rig.post(SEAT, under(2, say("bob", 1, 0, "a")));
    club.rig.settle();
    assert_eq!(club.rig.answers(), [Rejected(1, FaultCode::GRANT_MISSING)]);
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
    let upto = club.read(SEAT, "carol", Seq(0)).upto;
    club.attach(SEAT, "carol", 1, upto);
    assert_eq!(club.fetch_grant("carol", (rust(), "bob"), 1), Err(FaultCode::REMOVED));
    club.grant("bob", 2, club.version).expect("taken");
    assert!(club.stores_grant("bob", 2, "alice"));
    assert!(!club.stores_grant("bob", 2, "carol"), "what nobody may fetch is not kept");
    club.rig.post(SEAT, under(2, say("bob", 1, 0, "last words")));
    club.rig.settle();
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
    assert_eq!(
        refused(PutGrants { message_session: session(1), part: 1024, ..good() }),
        FaultCode::TOO_MANY_GRANTS
    );
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
    club.rig.settle();
    club.rig.post(SEAT, under(2, say("bob", 4, 3, "under 2")));
    club.rig.settle();
    assert_eq!(club.rig.answers(), [Rejected(3, FaultCode::GRANT_MISSING), Accepted(4)]);
}

#[test]
fn a_row_that_was_not_in_memory_lets_go_of_its_grants_when_it_is() {
    let mut club = club();
    club.grant("bob", 2, club.version).expect("taken");
    club.rig.post(SEAT, say("bob", 1, 0, "under 1"));
    club.rig.post(SEAT, under(2, say("bob", 2, 1, "under 2")));
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

/// Bob has posted under sessions 1 and 3, but not under 2; nobody has seen it.
fn skipping() -> Club {
    let mut club = club();
    for session in [2, 3] {
        club.grant("bob", session, club.version).expect("taken");
    }
    club.rig.post(SEAT, say("bob", 1, 0, "under 1"));
    club.rig.post(SEAT, under(3, say("bob", 2, 0, "under 3")));
    club.rig.settle();
    assert_eq!(club.rig.answers(), [Accepted(2)]);
    club
}

fn see_all(club: &mut Club) {
    let head = club.read(SEAT, "alice", Seq(0)).upto;
    for account in ["alice", "bob", "carol"] {
        club.attach(SEAT, account, 1, head);
    }
    club.rig.settle();
    club.rig.take();
}

#[test]
fn late_grants_are_taken_for_sessions_that_were_posted_under() {
    let club = skipping();
    let version = club.version;
    let mut club = club.crash_at_rest();
    assert_eq!(club.grant("bob", 1, version), Ok(()), "carol has lost hers");
    assert_eq!(club.grant("bob", 2, version), Err(FaultCode::GRANT_MISSING), "never used");
    see_all(&mut club);
    assert!(!club.stores_grant("bob", 1, "carol"));
    assert_eq!(club.grant("bob", 1, version), Err(FaultCode::GRANT_MISSING), "nobody needs it");
    assert!(!club.stores_grant("bob", 1, "carol"));
}

#[test]
fn grants_of_sessions_that_are_skipped_go_at_once() {
    let mut club = skipping();
    assert!(!club.stores_grant("bob", 2, "carol"));
    assert!(club.stores_grant("bob", 1, "carol") && club.stores_grant("bob", 3, "carol"));
}

#[test]
fn grants_that_wait_for_a_post_for_too_long_go_also_when_nobody_looks() {
    let mut club = club();
    club.rig.post(SEAT, say("bob", 1, 0, "under 1"));
    club.grant("bob", 2, club.version).expect("taken");
    let part = PutGrants { last: false, ..grants(rust(), 3, club.version, &["alice"]) };
    club.ask("bob", LogQuestion::PutGrants(part));
    club.granted().expect("taken");
    let mut club = club.crash(InFlight::Lost);
    let later = |time: Duration| Wall(5 + u64::try_from(time.as_millis()).expect("fits"));
    club.sweep(later(GRANTS_REST_MAX - Duration::from_millis(1)));
    assert!(club.stores_grant("bob", 2, "carol") && club.stores_grant("bob", 3, "alice"));
    club.sweep(later(GRANTS_REST_MAX));
    assert!(!club.stores_grant("bob", 2, "carol") && !club.stores_grant("bob", 3, "alice"));
    assert!(club.stores_grant("bob", 1, "carol"), "it is in use");
    assert_eq!(club.rig.logs.metrics().swept, 3, "alice's and carol's too");
    club.rig.post(SEAT, under(2, say("bob", 2, 1, "a")));
    club.rig.settle();
    assert_eq!(club.rig.answers(), [Rejected(2, FaultCode::GRANT_MISSING)], "it is sealed anew");
    assert_eq!(club.grant("bob", 4, club.version), Ok(()));
}

#[test]
fn grants_of_an_installation_that_is_gone_go_when_its_entries_have() {
    let club = skipping();
    let later = Wall(5 + u64::try_from(GRANTS_USE_MAX.as_millis()).expect("fits"));
    let mut club = club.crash_at_rest();
    club.sweep(later);
    assert!(club.stores_grant("bob", 1, "carol") && club.stores_grant("bob", 3, "carol"));
    see_all(&mut club);
    let mut club = club.crash_at_rest();
    club.sweep(Wall(later.0 - 1));
    assert!(club.stores_grant("bob", 3, "carol"), "it may post again");
    club.sweep(later);
    assert!(!club.stores_grant("bob", 1, "carol") && !club.stores_grant("bob", 3, "carol"));
}

#[test]
fn what_may_need_grants_is_pushed_when_they_are_durable() {
    let mut club = club();
    club.rig.attach(SEAT, "alice", 1, Seq(0));
    club.ask("bob", put(alice(), 1, 0, &["alice"]));
    club.rig.post(SEAT, under(1, post(1, 0, "first")));
    club.rig.post(SEAT, PeerPost { sender: name("carol"), ..post(1, 0, "behind it") });
    club.rig.load();
    assert_eq!(club.rig.pushed(), [], "a crash would lose the grants that it was let in for");
    club.rig.read(SEAT, "alice", 1, Seq(0));
    assert_eq!(texts(&club.rig.range()), [""; 0]);
    club.rig.settle();
    let pushed = club.rig.pushed().into_iter().map(|(_, entry)| entry.body);
    assert_eq!(pushed.collect::<Vec<_>>(), [body("first"), body("behind it")]);
    club.rig.post(SEAT, under(1, post(2, 1, "at once")));
    assert_eq!(club.rig.pushed().len(), 1);
}

#[test]
fn a_mailbox_takes_one_part() {
    let mut club = club();
    club.ask("bob", put(alice(), 1, 0, &["alice"]));
    club.granted().expect("taken");
    let part = PutGrants { part: 1, ..grants(alice(), 1, 0, &["alice"]) };
    club.ask("bob", LogQuestion::PutGrants(part));
    assert_eq!(club.granted(), Err(FaultCode::TOO_MANY_GRANTS));
    club.ask("bob", put(alice(), 1, 0, &["alice"]));
    club.granted().expect("again");
}

/// Grants of bob's for alice's mailbox, from one of his installations.
fn mail(club: &mut Club, origin: u8, session: u32) -> Result<(), FaultCode> {
    let question = put(alice(), session, 0, &["alice"]);
    club.ask_from("bob", Origin([origin; 16]), question);
    club.granted()
}

#[test]
fn a_senders_grants_in_a_log_are_bounded_whatever_its_installations() {
    let limits = LogLimits { grants_len_max: 1_000, ..LogLimits::standard() };
    let mut club = Club::of(limits, &["bob"]);
    let cost = u64::try_from("announcement".len() + "alice".len() + 2 * 128).expect("small");
    let places = limits.grants_len_max / cost;
    for origin in 1..=places {
        let origin = u8::try_from(origin).expect("few");
        assert_eq!(mail(&mut club, origin, 1), Ok(()));
    }
    let mut club = club.crash(InFlight::Lost);
    assert_eq!(mail(&mut club, 9, 1), Err(FaultCode::GRANTS_FULL));
    for origin in [1, 1, 2] {
        // Bob's row from there is read, and what is put again is no more than there was.
        let post = under(1, PeerPost { origin: Origin([origin; 16]), ..post(1, 0, "a") });
        club.rig.post(SEAT, post);
        club.rig.settle();
        assert_eq!(club.rig.answers(), [Accepted(1)]);
    }
    assert_eq!(mail(&mut club, 1, 2), Err(FaultCode::GRANTS_FULL));
    assert_eq!(club.grant("bob", 2, club.version), Ok(()), "the group is another log");
    let later = Wall(5 + u64::try_from(GRANTS_REST_MAX.as_millis()).expect("fits"));
    club.sweep(later);
    let mut club = club.crash(InFlight::Lost);
    assert_eq!(mail(&mut club, 9, 1), Ok(()), "the third never had a post");
    assert_eq!(mail(&mut club, 8, 1), Err(FaultCode::GRANTS_FULL));
}

#[test]
fn what_is_put_again_and_again_is_counted_as_what_it_can_be() {
    let limits = LogLimits { grants_len_max: 5_000, ..LogLimits::standard() };
    let mut club = Club::of(limits, &["bob"]);
    for _ in 0..50 {
        assert_eq!(mail(&mut club, 1, 1), Ok(()));
    }
    assert_eq!(mail(&mut club, 1, 2), Ok(()));
}
