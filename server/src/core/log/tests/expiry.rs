//! A group's entries expire, and its members are told what they missed.

use super::Answered::Accepted;
use super::club::{Club, rust, say};
use super::*;
use std::time::Duration;
use wire::message::PeerRange;

/// Bob has posted `a`, `b`, `c`, which alice has seen and carol has not; there is room for as many
/// entries as the group holds.
fn club() -> (Club, Vec<Seq>) {
    let limits = LogLimits { group_entries_max: 6, ..LogLimits::standard() };
    let mut club = Club::of(limits, &["bob", "carol"]);
    for (number, text) in [(1, "a"), (2, "b"), (3, "c")] {
        club.rig.post(SEAT, say("bob", number, 0, text));
    }
    club.rig.settle();
    let entries = club.read(SEAT, "alice", Seq(0)).entries.into_items();
    assert_eq!(entries.len(), 6, "and three statements");
    let seqs: Vec<Seq> = entries.iter().map(|entry| entry.seq).collect();
    club.attach(SEAT, "alice", 1, seqs[5]);
    club.attach(SEAT, "bob", 1, seqs[5]);
    club.rig.settle();
    club.rig.take();
    (club, seqs)
}

fn post(club: &mut Club, number: u64) {
    club.rig.post(SEAT, say("bob", number, 0, "more"));
    club.rig.settle();
    assert_eq!(club.rig.answers(), [Accepted(number)]);
}

fn catch_up(club: &mut Club, after: Seq) -> PeerRange {
    let range = club.read(OTHER_SEAT, "carol", after);
    assert!(range.caught_up);
    range
}

#[test]
fn the_oldest_make_room_and_who_has_not_received_them_is_told() {
    let (mut club, seqs) = club();
    post(&mut club, 4);
    post(&mut club, 5);
    assert_eq!(club.rig.logs.metrics().expired, 0, "carol's own joining is the first she reads");
    for number in 6..=8 {
        post(&mut club, number);
    }
    assert_eq!(club.rig.logs.metrics().expired, 3);
    let mut club = club.crash(InFlight::Lost);
    let range = catch_up(&mut club, Seq(0));
    assert_eq!((range.expired, range.entries.items().len()), (3, 6), "a, b and her joining");
    let range = catch_up(&mut club, seqs[5]);
    assert_eq!(range.expired, 0, "this session was told");
    club.attach(OTHER_SEAT, "carol", 1, Seq(0));
    assert_eq!(catch_up(&mut club, seqs[5]).expired, 3, "the next one may not know");
    let head = range.upto;
    club.seen(OTHER_SEAT, "carol", head);
    club.rig.settle();
    club.attach(OTHER_SEAT, "carol", 1, head);
    assert_eq!(catch_up(&mut club, head).expired, 0, "it was acknowledged");
    let mut club = club.crash(InFlight::Lost);
    assert_eq!(catch_up(&mut club, head).expired, 0);
}

#[test]
fn what_is_too_old_goes() {
    let (mut club, _) = club();
    let retention = LogLimits::standard().group_retention;
    let age = |time: Duration| Wall(5 + u64::try_from(time.as_millis()).expect("fits"));
    club.rig.logs.expire(age(retention - Duration::from_millis(1)));
    assert!(!club.rig.logs.has_changes());
    club.rig.logs.expire(age(retention));
    club.rig.settle();
    let range = catch_up(&mut club, Seq(0));
    assert_eq!((range.expired, range.entries.items().len()), (4, 0));
}

#[test]
fn a_group_that_was_not_in_memory_expires_when_it_is() {
    let (club, _) = club();
    let mut club = club.crash(InFlight::Lost);
    club.rig.logs.expire(Wall(u64::MAX));
    let range = catch_up(&mut club, Seq(0));
    assert_eq!((range.expired, range.entries.items().len()), (4, 0));
}

#[test]
fn bytes_are_bounded_too() {
    let (mut club, _) = club();
    club.rig.logs.home.limits.group_bytes_max = 4_000;
    let text = "x".repeat(1_900);
    for number in 4..=6 {
        club.rig.post(SEAT, say("bob", number, 0, &text));
    }
    club.rig.settle();
    assert_eq!(catch_up(&mut club, Seq(0)).entries.items().len(), 2);
}

#[test]
fn what_expires_while_it_is_read_is_not_sent() {
    let (club, _) = club();
    let mut club = club.crash(InFlight::Lost);
    club.open("carol").expect("a member");
    let (account, epoch) = (name("carol"), SessionEpoch(1));
    let read = PeerRead { log: rust(), account, epoch, after: Seq(0), entries_max: 100 };
    club.rig.logs.on_read(OTHER_SEAT, read, &mut club.rig.out);
    club.rig.drain();
    assert_eq!(club.rig.reads.len(), 1, "the store is asked");
    club.rig.logs.expire(Wall(u64::MAX));
    club.rig.load();
    let range = club.rig.range();
    assert_eq!((range.expired, range.entries.items().len()), (4, 0));
}
