//! How much of one sender waits for somebody who has not answered.

use storage::InFlight;
use wire::limits::ANSWERED_MAX;
use wire::message::{PeerAnswered, PeerPost};
use wire::{FaultCode, Name, Seq, SessionEpoch};

use super::Answered::{Accepted, Busy, Rejected};
use super::{LogLimits, Rig, SEAT, alice, name, post};
use crate::core::log::AlarmCause;
use crate::core::log::stranger::Answered;

fn strict() -> Rig {
    let mut rig = Rig::new(LogLimits { stranger_entries_max: 2, ..LogLimits::standard() });
    rig.attach(SEAT, "alice", 5, Seq(0));
    rig.load();
    rig.take();
    rig
}

fn answer(rig: &mut Rig, account: &str, epoch: u64, person: &str) {
    let (log, epoch) = (alice(), SessionEpoch(epoch));
    let told = PeerAnswered { log, account: name(account), epoch, person: name(person) };
    rig.logs.on_peer_answered(SEAT, told, &mut rig.out);
    rig.drain();
    rig.settle();
}

#[test]
fn little_of_a_stranger_waits_until_the_owner_has_answered() {
    let mut rig = strict();
    (1..=3).for_each(|n| rig.post(SEAT, post(n, 0, "a")));
    rig.settle();
    let refused = |n| Rejected(n, FaultCode::STRANGER_LIMIT);
    assert_eq!(rig.answers(), [Accepted(2), refused(3)]);
    rig.post(SEAT, PeerPost { sender: name("carol"), ..post(1, 0, "c") });
    rig.settle();
    assert_eq!(rig.answers(), [Accepted(1)], "each has its own share");
    answer(&mut rig, "alice", 5, "carol");
    rig.post(SEAT, post(4, 3, "a"));
    rig.settle();
    assert_eq!(rig.answers(), [refused(4)], "another was answered");
    answer(&mut rig, "alice", 5, "bob");
    rig.post(SEAT, post(5, 4, "a"));
    rig.settle();
    assert_eq!(rig.answers(), [Accepted(5)]);
    let mut rig = rig.crash(InFlight::Lost);
    rig.post(SEAT, post(6, 5, "a"));
    rig.load();
    rig.settle();
    assert_eq!(rig.answers(), [Accepted(6)], "that is kept");
}

#[test]
fn what_a_reader_may_hold_of_a_stranger_is_not_rejected() {
    let mut rig = strict();
    (1..=2).for_each(|n| rig.post(SEAT, post(n, 0, "a")));
    rig.settle();
    rig.answers();
    rig.post(SEAT, PeerPost { again: true, ..post(3, 2, "a") });
    rig.settle();
    assert_eq!(rig.answers(), [Busy(3)]);
}

#[test]
fn what_the_owner_has_read_of_a_stranger_makes_room() {
    let mut rig = strict();
    (1..=2).for_each(|n| rig.post(SEAT, post(n, 0, "a")));
    rig.settle();
    let head = rig.logs.logs.wake(0).head;
    rig.seen(SEAT, 5, head);
    rig.answers();
    rig.post(SEAT, post(3, 2, "a"));
    rig.settle();
    assert_eq!(rig.answers(), [Accepted(3)]);
}

#[test]
fn an_owner_is_no_stranger_to_itself() {
    let mut rig = strict();
    for number in 1..=3 {
        let (sender, epoch) = (name("alice"), SessionEpoch(5));
        rig.post(SEAT, PeerPost { sender, epoch, ..post(number, 0, "a") });
    }
    rig.settle();
    assert_eq!(rig.answers(), [Accepted(3)]);
}

#[test]
fn only_the_owners_newest_session_says_whom_it_has_answered() {
    let mut rig = strict();
    rig.logs.end_reader(&name("alice"), SessionEpoch(5));
    answer(&mut rig, "alice", 4, "bob");
    answer(&mut rig, "bob", 9, "bob");
    assert!(matches!(rig.causes()[..], [AlarmCause::NotAReader]));
    (1..=3).for_each(|n| rig.post(SEAT, post(n, 0, "a")));
    rig.settle();
    assert_eq!(rig.answers(), [Accepted(2), Rejected(3, FaultCode::STRANGER_LIMIT)]);
}

#[test]
fn who_was_answered_first_is_a_stranger_again_when_there_are_too_many() {
    let person = |index: usize| Name::parse(&format!("user{index}")).expect("a name");
    let mut answered = Answered::default();
    (0..=ANSWERED_MAX).for_each(|index| assert!(answered.add(person(index))));
    assert_eq!(answered.len(), ANSWERED_MAX);
    assert!(!answered.add(person(1)), "it is still there");
    assert!(answered.add(person(0)));
}
