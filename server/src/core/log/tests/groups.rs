//! Who may do what in a group, and what each is told.

use super::Answered::{Accepted, Busy, Rejected};
use super::club::{Club, change, rust, say, told};
use super::*;
use crate::core::log::Entrance;
use wire::limits::{JOIN_INTERVAL, JOINS_BURST};
use wire::message::AnswerBody;
use wire::roster::{Act, Policy, Statement};

fn club(members: &[&str]) -> Club {
    Club::of(LogLimits::standard(), members)
}

#[test]
fn a_statement_is_answered_when_it_is_durable() {
    let mut club = club(&[]);
    let join = club.next(Act::Join, "bob", "bob");
    club.ask("bob", change(&join, Entrance::None));
    assert!(club.rig.compose());
    assert_eq!(club.rig.take(), [], "the sync has not returned");
    assert_eq!(club.outcome(&join), Ok(2));
    assert_eq!(club.rig.logs.metrics().statements, 2);
}

#[test]
fn a_group_is_created_once() {
    let mut club = club(&[]);
    let own =
        Statement { version: 1, previous: [0; 32], ..club.next(Act::Create, "alice", "alice") };
    let other = Statement { at: Wall(6), ..own.clone() };
    club.ask("alice", change(&other, Entrance::None));
    assert_eq!(club.outcome(&other), Err(FaultCode::GROUP_NAME_TAKEN));
    club.act(Act::Join, "bob", "bob").expect("open");
    club.ask("alice", change(&own, Entrance::None));
    assert_eq!(club.outcome(&own), Ok(1), "one's own creation is never taken by somebody");
}

#[test]
fn of_two_creations_at_once_one_is_the_first() {
    let mut club = club(&[]);
    let mine = Statement {
        group: name("go"),
        version: 1,
        previous: [0; 32],
        ..club.next(Act::Create, "alice", "alice")
    };
    let yours = Statement { actor: name("bob"), subject: name("bob"), ..mine.clone() };
    club.ask("alice", change(&mine, Entrance::None));
    club.ask("bob", change(&yours, Entrance::None));
    assert_eq!(club.rig.take(), []);
    club.rig.settle();
    let answers: Vec<_> = club.rig.take().into_iter().map(|(_, message)| message).collect();
    assert!(
        matches!(answers.as_slice(), [
        ToPeer::Answer(wire::message::Answer { body: AnswerBody::RosterChanged(_), .. }),
        ToPeer::Answer(wire::message::Answer { body: AnswerBody::Fault(fault), .. }),
    ] if fault.code == FaultCode::GROUP_NAME_TAKEN),
        "{answers:?}"
    );
}

#[test]
fn the_same_statement_again_is_answered_again() {
    let mut club = club(&[]);
    let join = club.next(Act::Join, "bob", "bob");
    club.ask("bob", change(&join, Entrance::None));
    club.ask("bob", change(&join, Entrance::None));
    club.rig.settle();
    assert_eq!(club.rig.take().len(), 2, "both, also before it is durable");
    club.act(Act::Join, "carol", "carol").expect_err("the club was not told of bob");
    club.ask("bob", change(&join, Entrance::None));
    assert_eq!(club.outcome(&join), Ok(2));
    let mut club = club.crash(InFlight::Lost);
    club.ask("bob", change(&join, Entrance::None));
    assert_eq!(club.outcome(&join), Ok(2));
    let late = Statement { at: Wall(6), ..join };
    club.ask("bob", change(&late, Entrance::None));
    assert_eq!(club.outcome(&late), Err(FaultCode::ROSTER_MOVED));
    assert_eq!(club.rig.logs.metrics().statements, 0);
}

#[test]
fn who_reads_is_said_in_order_with_the_posts() {
    let mut club = club(&["bob"]);
    club.rig.post(SEAT, say("bob", 1, 0, "hello"));
    club.rig.settle();
    assert_eq!(club.rig.answers(), [Accepted(1)]);
    club.act(Act::Join, "carol", "carol").expect("open");
    let expected = ["Create alice", "Join bob", "hello", "Join carol"];
    assert_eq!(club.history("alice"), expected);
    assert_eq!(club.history("bob"), expected[1..], "from his own joining on");
    let mut club = club.crash(InFlight::Lost);
    assert_eq!(club.history("alice"), expected);
}

#[test]
fn a_new_member_begins_with_its_own_joining() {
    let mut club = club(&["bob"]);
    club.rig.post(SEAT, say("bob", 1, 0, "before"));
    club.act(Act::Join, "carol", "carol").expect("open");
    club.attach(OTHER_SEAT, "carol", 1, Seq(0));
    let join = club.read(OTHER_SEAT, "bob", Seq(0));
    let join = join.entries.items().last().expect("some").seq;
    let mut club = club.crash(InFlight::Lost);
    for account in ["alice", "bob"] {
        club.attach(SEAT, account, 1, Seq(0));
        club.rig.load();
        club.seen(SEAT, account, join);
    }
    club.rig.settle();
    club.rig.take();
    assert_eq!(club.history("carol"), ["Join carol"], "its cursor was there from the beginning");
}

#[test]
fn every_member_is_pushed_what_is_durable_once_per_server() {
    let mut club = club(&["bob", "carol"]);
    for (seat, account) in [(SEAT, "alice"), (SEAT, "bob"), (OTHER_SEAT, "carol")] {
        club.attach(seat, account, 1, Seq(0));
    }
    let before = club.rig.logs.metrics().pushed;
    club.rig.post(SEAT, say("bob", 1, 0, "hello"));
    assert!(club.rig.compose());
    assert_eq!(club.rig.pushed(), [], "a crash takes nothing back that was shown");
    club.rig.settle();
    let to: Vec<ServerId> = club.rig.pushed().into_iter().map(|(to, _)| to).collect();
    assert_eq!(to, [SEAT, OTHER_SEAT]);
    assert_eq!(club.rig.logs.metrics().pushed - before, 2);
}

#[test]
fn a_range_holds_nothing_that_is_not_durable() {
    let mut club = club(&["bob"]);
    let newest = club.read(SEAT, "alice", Seq(0)).upto;
    club.rig.post(SEAT, say("bob", 1, 0, "hello"));
    let range = club.read(SEAT, "alice", newest);
    assert_eq!((range.entries.items().len(), range.upto, range.caught_up), (0, newest, true));
    club.rig.settle();
    assert_eq!(club.rig.pushed().len(), 1, "it follows");
}

#[test]
fn a_range_ends_where_its_reader_departs() {
    let mut club = club(&["bob", "carol"]);
    club.attach(SEAT, "bob", 1, Seq(0));
    club.rig.post(SEAT, say("carol", 1, 0, "old"));
    club.rig.settle();
    club.rig.take();
    let remove = club.next(Act::Remove, "alice", "bob");
    club.ask("alice", change(&remove, Entrance::None));
    club.rig.compose();
    let read = PeerRead {
        log: rust(),
        account: name("bob"),
        epoch: SessionEpoch(1),
        after: Seq(0),
        entries_max: 100,
    };
    club.rig.logs.on_read(SEAT, read, &mut club.rig.out);
    club.rig.drain();
    // The store answers the read from what the batch holds already, before it says so.
    let mut completions = std::iter::from_fn(|| club.rig.store.poll());
    let (first, second) = (completions.next(), completions.next());
    let (Some(Completion::Committed { .. }), Some(Completion::Answered { answer, .. })) =
        (first, second)
    else {
        panic!("one commit, one read");
    };
    let (_, read) = club.rig.reads.remove(0);
    club.rig.logs.on_answer(read, answer, &mut club.rig.out);
    club.rig.drain();
    let told_bob: Vec<String> = club.rig.range().entries.items().iter().map(told).collect();
    assert_eq!(told_bob.last().map(String::as_str), Some("old"));
}

#[test]
fn who_departs_is_dismissed_after_hearing_of_it() {
    for (act, actor, code) in
        [(Act::Remove, "alice", FaultCode::REMOVED), (Act::Leave, "bob", FaultCode::NOT_A_MEMBER)]
    {
        let mut club = club(&["bob", "carol"]);
        club.attach(OTHER_SEAT, "bob", 3, Seq(0));
        club.rig.take();
        let statement = club.next(act, actor, "bob");
        club.ask_in(actor, 3, change(&statement, Entrance::None));
        club.rig.settle();
        let to_bob = club.rig.take().into_iter().filter(|(to, _)| *to == OTHER_SEAT);
        let to_bob: Vec<ToPeer> = to_bob.map(|(_, message)| message).collect();
        let [ToPeer::PeerDeliver(deliver), ToPeer::Dismiss(dismiss)] = to_bob.as_slice() else {
            panic!("the statement, then the end: {to_bob:?}");
        };
        assert_eq!(told(&deliver.entry), format!("{act:?} bob"));
        assert_eq!(
            (dismiss.account, dismiss.epoch, dismiss.code, dismiss.upto),
            (name("bob"), SessionEpoch(3), code, deliver.entry.seq)
        );
        let seen = PeerSeen {
            log: rust(),
            account: name("bob"),
            epoch: SessionEpoch(3),
            upto: deliver.entry.seq,
        };
        club.rig.logs.on_seen(club.rig.now, OTHER_SEAT, seen, &mut club.rig.out);
        club.rig.drain();
        assert_eq!(club.dismissed()[0].1.upto, Seq(0), "it has everything");
        assert_eq!(club.open("bob"), Err(code));
        club.attach(OTHER_SEAT, "bob", 4, Seq(0));
        assert_eq!(club.dismissed().len(), 1, "a seat that has not heard of it hears of it again");
        assert_eq!(club.rig.causes(), []);
        assert_eq!(club.rig.logs.metrics().readers, 0);
    }
}

#[test]
fn each_rule_has_its_own_fault() {
    let mut club = club(&["bob"]);
    assert_eq!(club.act(Act::Join, "bob", "bob"), Err(FaultCode::ALREADY_A_MEMBER));
    assert_eq!(club.act(Act::Remove, "bob", "alice"), Err(FaultCode::NOT_AN_ADMIN));
    assert_eq!(club.act(Act::Leave, "carol", "carol"), Err(FaultCode::NOT_A_MEMBER));
    assert_eq!(club.open("carol"), Err(FaultCode::NOT_A_MEMBER));
    assert_eq!(club.fetch_roster("carol", 0), Err(FaultCode::NOT_A_MEMBER));
    club.act(Act::Remove, "alice", "bob").expect("the admin");
    assert_eq!(club.act(Act::Join, "bob", "bob"), Err(FaultCode::REMOVED));
    assert_eq!(club.fetch_roster("alice", 1), Ok(2));
    club.act(Act::Close, "alice", "alice").expect("the admin");
    assert_eq!(club.act(Act::Join, "carol", "carol"), Err(FaultCode::GROUP_CLOSED));
    assert_eq!(club.open("carol"), Err(FaultCode::GROUP_CLOSED));
    assert_eq!(club.open("alice"), Ok(()), "what is left may be read");
    assert_eq!(club.history("alice").last().map(String::as_str), Some("Close alice"));
}

#[test]
fn the_invited_may_fetch_the_roster_and_join() {
    let mut club = Club::with_policy(LogLimits::standard(), Policy::Invitation);
    assert_eq!(club.act(Act::Join, "bob", "bob"), Err(FaultCode::INVITATION_NEEDED));
    club.act(Act::Invite, "alice", "bob").expect("the admin");
    assert_eq!(club.fetch_roster("bob", 0), Ok(2));
    assert_eq!(club.open("bob"), Err(FaultCode::NOT_A_MEMBER));
    club.act(Act::Join, "bob", "bob").expect("invited");
    assert_eq!(club.open("bob"), Ok(()));
}

#[test]
fn a_password_is_proven_to_join() {
    let mut club = Club::with_policy(LogLimits::standard(), Policy::Password);
    let join = club.next(Act::Join, "bob", "bob");
    for (entrance, code) in [
        (Entrance::None, FaultCode::WRONG_GROUP_PASSWORD),
        (Entrance::Failed(FaultCode::UNAVAILABLE), FaultCode::UNAVAILABLE),
    ] {
        club.ask("bob", change(&join, entrance));
        assert_eq!(club.outcome(&join), Err(code));
    }
    club.ask("bob", change(&join, Entrance::Proven));
    assert_eq!(club.outcome(&join), Ok(2));
    club.ask("bob", change(&join, Entrance::None));
    assert_eq!(club.outcome(&join), Ok(2), "it was proven");
}

#[test]
fn an_account_joins_a_group_a_few_times_and_then_seldom() {
    let mut club = club(&["carol"]);
    let mut joins = 0;
    let refused = loop {
        let join = club.next(Act::Join, "bob", "bob");
        match club.act(Act::Join, "bob", "bob") {
            Ok(_) if joins < JOINS_BURST => joins += 1,
            Ok(_) => panic!("a joining too many"),
            Err(code) => break (code, join),
        }
        club.ask("bob", change(&join, Entrance::None));
        assert!(club.outcome(&join).is_ok(), "the same statement again is no joining");
        club.act(Act::Leave, "bob", "bob").expect("who is in may leave");
    };
    assert_eq!((joins, refused.0), (JOINS_BURST, FaultCode::RATE_LIMITED));
    club.act(Act::Leave, "carol", "carol").expect("a member");
    club.act(Act::Join, "carol", "carol").expect("carol has joinings of her own");
    club.now = club.now + JOIN_INTERVAL;
    club.act(Act::Join, "bob", "bob").expect("one was given back");
    club.act(Act::Leave, "bob", "bob").expect("a member");
    assert_eq!(club.act(Act::Join, "bob", "bob"), Err(FaultCode::RATE_LIMITED));
}

#[test]
fn a_session_that_was_replaced_changes_nothing() {
    let mut club = club(&["bob"]);
    club.attach(SEAT, "bob", 5, Seq(0));
    let leave = club.next(Act::Leave, "bob", "bob");
    club.ask_in("bob", 4, change(&leave, Entrance::None));
    assert_eq!(club.outcome(&leave), Err(FaultCode::STALE_EPOCH));
    club.rig.post(SEAT, PeerPost { epoch: SessionEpoch(4), ..say("bob", 1, 0, "a") });
    assert_eq!(club.rig.answers(), [Busy(1)]);
    club.ask_in("bob", 5, change(&leave, Entrance::None));
    assert!(club.outcome(&leave).is_ok());
}

#[test]
fn what_a_crash_could_undo_is_not_said() {
    let mut club = club(&["bob", "carol"]);
    let remove = club.next(Act::Remove, "alice", "bob");
    club.ask("alice", change(&remove, Entrance::None));
    club.rig.post(SEAT, say("bob", 1, 0, "a"));
    club.rig.post(SEAT, say("carol", 1, 0, "a"));
    assert_eq!(club.rig.answers(), [Busy(1), Busy(1)], "the removal may be lost");
    let late =
        Statement { act: Act::Leave, actor: name("carol"), subject: name("carol"), ..remove };
    club.ask("carol", change(&late, Entrance::None));
    assert_eq!(club.rig.take(), []);
    let mut club = club.crash(InFlight::Lost);
    club.rig.post(SEAT, say("bob", 1, 0, "a"));
    club.rig.settle();
    assert_eq!(club.rig.answers(), [Accepted(1)]);
}

#[test]
fn who_is_no_member_posts_nothing() {
    let mut club = club(&["bob", "carol"]);
    club.act(Act::Remove, "alice", "bob").expect("the admin");
    club.act(Act::Leave, "carol", "carol").expect("a member");
    club.rig.post(SEAT, say("bob", 1, 0, "a"));
    club.rig.post(SEAT, say("carol", 1, 0, "a"));
    club.rig.settle();
    let expected = [Rejected(1, FaultCode::REMOVED), Rejected(1, FaultCode::NOT_A_MEMBER)];
    assert_eq!(club.rig.answers(), expected);
    club.act(Act::Close, "alice", "alice").expect("the admin");
    club.rig.post(SEAT, say("alice", 1, 0, "a"));
    club.rig.settle();
    assert_eq!(club.rig.answers(), [Rejected(1, FaultCode::GROUP_CLOSED)]);
}

#[test]
fn a_statement_is_never_a_post() {
    let mut club = club(&["bob"]);
    club.rig.post(SEAT, say("bob", 0, 0, "a"));
    club.rig.settle();
    assert_eq!(club.rig.answers(), [Rejected(0, FaultCode::BAD_NUMBER)]);
}

#[test]
fn a_group_that_its_last_member_left_keeps_nothing() {
    let mut club = club(&[]);
    club.act(Act::Leave, "alice", "alice").expect("a member");
    let leave = club.read(SEAT, "alice", Seq(0)).upto;
    club.attach(SEAT, "alice", 1, leave);
    club.rig.settle();
    club.rig.take();
    let read = storage::Read::Log { log: rust() };
    let ticket = club.rig.ticket();
    club.rig.store.submit(Op::Read { ticket, read });
    let Some(Completion::Answered { answer: storage::Answer::Log { index, .. }, .. }) =
        club.rig.store.poll()
    else {
        panic!("one read");
    };
    assert_eq!(index, []);
    assert_eq!(club.open("alice"), Err(FaultCode::GROUP_CLOSED));
}

#[test]
fn a_lost_link_takes_the_answers_with_it() {
    let mut club = club(&["bob"]);
    let join = club.next(Act::Join, "carol", "carol");
    club.ask("carol", change(&join, Entrance::None));
    club.rig.logs.on_link_lost(SEAT);
    club.rig.settle();
    assert_eq!(club.rig.take(), []);
    club.ask("carol", change(&join, Entrance::None));
    assert_eq!(club.outcome(&join), Ok(3));
}

#[test]
fn statements_that_find_no_room_wait_at_their_client() {
    let limits = LogLimits { pending_len_max: 1_000, ..LogLimits::standard() };
    let mut club = Club::new(limits);
    club.rig.logs.set_refusing(true);
    assert_eq!(club.act(Act::Join, "bob", "bob"), Err(FaultCode::UNAVAILABLE));
    club.rig.logs.set_refusing(false);
    let mut roster = club.version;
    loop {
        let act = club.next(Act::Invite, "alice", "bob");
        club.ask("alice", change(&act, Entrance::None));
        if !club.rig.sent.is_empty() {
            break;
        }
        roster += 1;
        (club.version, club.head) = (act.version, Statement::hash(&act.encode()));
        assert!(roster < 64, "it is bounded");
    }
    let AnswerBody::Fault(fault) = club.answer() else { panic!("a fault") };
    assert_eq!(fault.code, FaultCode::UNAVAILABLE);
    club.rig.settle();
    assert_eq!(club.rig.logs.metrics().pending_len, 0);
}
