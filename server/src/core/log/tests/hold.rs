//! What a quick reader spares its home, and what it must not cost.

use std::time::Duration;

use super::Answered::Accepted;
use super::*;
use wire::message::Class;

/// A rig with two rows in memory, and alice attached and caught up.
fn live(limits: LogLimits) -> Rig {
    let mut rig = Rig::new(limits);
    rig.open(alice(), "bob");
    rig.open(alice(), "carol");
    rig.attach(SEAT, "alice", 1, Seq(0));
    rig.read(SEAT, "alice", 1, Seq(0));
    rig.settle();
    rig.take();
    rig
}

/// Posts as bob does; gives the entry's seq, which was pushed at once.
fn push(rig: &mut Rig, number: u64, settled: u64) -> Seq {
    rig.take();
    rig.post(SEAT, post(number, settled, "a"));
    rig.pushed().last().expect("it was pushed").1.seq
}

fn wait(rig: &mut Rig, millis: u64) {
    rig.now = rig.now + Duration::from_millis(millis);
    rig.logs.on_holds_due(rig.now);
    rig.drain();
}

/// What was accepted since the last call, and how.
fn classes(rig: &mut Rig) -> Vec<(u64, Class)> {
    let accepted = rig.take().into_iter().filter_map(|(_, message)| match message {
        ToPeer::PeerAccepted(accepted) => Some((accepted.upto.value(), accepted.class)),
        _ => None,
    });
    accepted.collect()
}

fn unwritten(rig: &Rig) -> (u64, u64) {
    let metrics = rig.logs.metrics();
    (metrics.unwritten, metrics.committed)
}

#[test]
fn what_is_seen_in_time_is_accepted_at_once_and_never_written() {
    let mut rig = live(LogLimits::standard());
    for number in 1..=3 {
        let seq = push(&mut rig, number, number - 1);
        assert!(!rig.compose(), "the reader has time");
        rig.seen(SEAT, 1, seq);
        assert_eq!(classes(&mut rig), [(number, Class::Seen)]);
        assert!(!rig.compose(), "rows alone are not worth a sync");
        wait(&mut rig, 2);
    }
    wait(&mut rig, 9);
    assert!(!rig.compose());
    assert_eq!(unwritten(&rig), (3, 0));
    let metrics = rig.logs.metrics();
    assert_eq!((metrics.pending_len, metrics.tails_len), (0, 0));
}

#[test]
fn what_is_not_seen_in_time_is_written_and_later_entries_do_not_wait() {
    let mut rig = live(LogLimits::standard());
    push(&mut rig, 1, 0);
    wait(&mut rig, 4);
    assert!(!rig.compose());
    wait(&mut rig, 1);
    assert!(rig.compose(), "its time is over");
    rig.settle();
    assert_eq!(classes(&mut rig), [(1, Class::Stored)]);
    let seq = push(&mut rig, 2, 1);
    assert!(rig.compose(), "the reader is slow");
    rig.settle();
    wait(&mut rig, 6);
    rig.seen(SEAT, 1, seq);
    rig.settle();
    let seq = push(&mut rig, 3, 2);
    assert!(rig.compose(), "it was too late again");
    rig.seen(SEAT, 1, seq);
    assert_eq!(classes(&mut rig), [(3, Class::Seen)], "no need to wait for the sync");
    rig.settle();
    push(&mut rig, 4, 3);
    assert!(!rig.compose(), "it is quick again");
}

#[test]
fn an_entry_in_a_batch_is_accepted_when_seen_and_deleted_after_the_sync() {
    let mut rig = live(LogLimits::standard());
    let first = push(&mut rig, 1, 0);
    wait(&mut rig, 5);
    assert!(rig.compose());
    let second = push(&mut rig, 2, 0);
    rig.seen(SEAT, 1, first);
    assert_eq!(classes(&mut rig), [(1, Class::Seen)]);
    rig.settle();
    assert_eq!(classes(&mut rig), [(2, Class::Stored)]);
    rig.seen(SEAT, 1, second);
    assert!(rig.compose());
    let upto = second;
    assert!(rig.batch.changes.contains(&Change::Truncate { log: alice(), upto }));
}

#[test]
fn what_is_seen_behind_a_batch_in_flight_is_not_written() {
    let mut rig = live(LogLimits::standard());
    push(&mut rig, 1, 0);
    wait(&mut rig, 5);
    assert!(rig.compose());
    let second = push(&mut rig, 2, 0);
    rig.seen(SEAT, 1, second);
    assert_eq!(classes(&mut rig), [(2, Class::Seen)]);
    rig.settle();
    assert_eq!(unwritten(&rig), (1, 1));
    assert_eq!(rig.answers(), []);
}

#[test]
fn who_stores_everything_writes_what_a_quick_reader_has_seen_before() {
    let mut rig = live(LogLimits { stores_all: true, ..LogLimits::standard() });
    push(&mut rig, 1, 0);
    assert!(rig.compose(), "nothing waits for its reader");
    let second = push(&mut rig, 2, 0);
    rig.seen(SEAT, 1, second);
    assert_eq!(classes(&mut rig), [], "a sync is waited for");
    rig.settle();
    assert_eq!(classes(&mut rig), [(1, Class::Stored), (2, Class::Stored)]);
    assert_eq!(unwritten(&rig), (0, 2));
    assert!(rig.logs.is_coherent());
}

#[test]
fn seen_and_stored_are_told_apart() {
    let mut rig = live(LogLimits::standard());
    let first = push(&mut rig, 1, 0);
    push(&mut rig, 2, 0);
    wait(&mut rig, 5);
    assert!(rig.compose());
    rig.logs.on_link_lost(OTHER_SEAT);
    rig.seen(SEAT, 1, first);
    rig.settle();
    assert_eq!(classes(&mut rig), [(1, Class::Seen), (2, Class::Stored)]);
    let newer = |number| PeerPost { epoch: SessionEpoch(2), ..post(number, 0, "a") };
    rig.post(OTHER_SEAT, newer(1));
    rig.post(OTHER_SEAT, newer(2));
    assert_eq!(classes(&mut rig), [(1, Class::Seen), (2, Class::Stored)]);
}

#[test]
fn rows_and_cursors_of_unwritten_entries_ride_with_the_next_batch() {
    let mut rig = live(LogLimits::standard());
    let seq = push(&mut rig, 1, 0);
    rig.seen(SEAT, 1, seq);
    let other = PeerPost { log: LogId::mailbox(name("carol")), ..post(1, 0, "c") };
    rig.post(SEAT, other);
    rig.load();
    assert!(rig.compose());
    let row = rig.batch.changes.iter().any(|change| match change {
        Change::PutRow { log, row, .. } => *log == alice() && row.last == number(1),
        _ => false,
    });
    let cursor = rig.batch.changes.iter().any(|change| {
        matches!(change, Change::PutCursor { log, cursor, .. }
            if *log == alice() && cursor.cursor == seq)
    });
    assert!(row && cursor, "{:?}", rig.batch);
    let truncates = |change: &Change| matches!(change, Change::Truncate { .. });
    assert!(!rig.batch.changes.iter().any(truncates), "there is nothing to delete");
    rig.settle();
    let mut rig = rig.crash(InFlight::Lost);
    rig.post(SEAT, PeerPost { epoch: SessionEpoch(2), ..post(1, 0, "a") });
    rig.settle();
    assert_eq!(classes(&mut rig), [(1, Class::Seen)], "it is remembered");
}

#[test]
fn a_log_leaves_memory_only_after_what_rides_is_written() {
    let limits = LogLimits { idle_weight_max: 0, ..LogLimits::standard() };
    let mut rig = live(limits);
    let seq = push(&mut rig, 1, 0);
    rig.seen(SEAT, 1, seq);
    assert!(!rig.compose());
    rig.detach(SEAT, 1);
    assert_eq!(rig.logs.metrics().logs, 1);
    rig.settle();
    assert_eq!(rig.logs.metrics().logs, 0);
    rig.post(SEAT, post(1, 0, "a"));
    rig.settle();
    assert_eq!(classes(&mut rig).last(), Some(&(1, Class::Seen)));
    assert_eq!(rig.logs.metrics().appended, 1);
}

#[test]
fn rows_that_ride_are_written_when_there_are_many() {
    let limits = LogLimits { rows_max: 1, ..LogLimits::standard() };
    let mut rig = live(limits);
    let seq = push(&mut rig, 1, 0);
    rig.seen(SEAT, 1, seq);
    rig.open(alice(), "alice");
    assert!(rig.compose(), "they make room");
    rig.settle();
}

#[test]
fn a_row_that_rides_is_not_read_again_before_it_is_durable() {
    let limits = LogLimits { rows_max: 1, ..LogLimits::standard() };
    let mut rig = live(limits);
    let seq = push(&mut rig, 1, 0);
    rig.seen(SEAT, 1, seq);
    let other = PeerPost { log: LogId::mailbox(name("carol")), ..post(1, 0, "c") };
    rig.post(SEAT, other);
    rig.load();
    rig.store.set_model(DiskModel { commit_steps: 1, ..DiskModel::default() });
    assert!(rig.compose());
    rig.open(alice(), "alice");
    while rig.poll() {}
    rig.take();
    rig.post(SEAT, post(1, 0, "a"));
    while rig.poll() {}
    assert_eq!(classes(&mut rig), [(1, Class::Seen)]);
    assert_eq!(rig.logs.metrics().appended, 2);
    rig.store.step();
    rig.settle();
}

#[test]
fn nothing_waits_for_a_reader_that_has_gone() {
    for gone in [
        |rig: &mut Rig| rig.detach(SEAT, 1),
        |rig: &mut Rig| rig.logs.on_link_lost(SEAT),
        |rig: &mut Rig| rig.logs.end_reader(&name("alice"), SessionEpoch(2)),
        |rig: &mut Rig| rig.logs.on_stop(),
    ] {
        let mut rig = live(LogLimits::standard());
        push(&mut rig, 1, 0);
        assert!(!rig.logs.is_written() && !rig.logs.has_changes());
        gone(&mut rig);
        assert!(rig.logs.is_written() && rig.logs.has_changes());
    }
}

#[test]
fn a_home_that_stops_writes_what_rides() {
    let mut rig = live(LogLimits::standard());
    let seq = push(&mut rig, 1, 0);
    rig.seen(SEAT, 1, seq);
    assert!(!rig.logs.is_written());
    rig.logs.on_stop();
    assert!(rig.compose());
    rig.settle();
    assert!(rig.logs.is_written());
    push(&mut rig, 2, 1);
    assert!(rig.compose(), "nothing waits any more");
}

#[test]
fn the_seen_of_a_session_that_was_replaced_accepts_nothing() {
    let mut rig = live(LogLimits::standard());
    let seq = push(&mut rig, 1, 0);
    rig.attach(OTHER_SEAT, "alice", 2, Seq(0));
    rig.take();
    rig.seen(SEAT, 1, seq);
    assert_eq!(rig.answers(), []);
    rig.settle();
    assert_eq!(classes(&mut rig), [(1, Class::Stored)]);
}

#[test]
fn what_is_held_is_bounded() {
    let mut rig = live(LogLimits::tiny());
    for n in 1..=3 {
        push(&mut rig, n, 0);
    }
    assert!(!rig.compose());
    push(&mut rig, 4, 0);
    assert!(rig.compose(), "no more than three are held");
    let lens = rig.batch.changes.iter().filter(|change| matches!(change, Change::Append { .. }));
    assert_eq!(lens.count(), 3, "in order, as much as a batch takes");
    rig.settle();
    assert_eq!(rig.answers(), [Accepted(3), Accepted(4)]);
}

#[test]
fn a_crash_that_forgets_what_was_seen_raises_no_alarm() {
    let mut rig = live(LogLimits::standard());
    let seq = push(&mut rig, 1, 0);
    rig.seen(SEAT, 1, seq);
    assert_eq!(classes(&mut rig), [(1, Class::Seen)]);
    let mut rig = rig.crash(InFlight::Lost);
    rig.attach(SEAT, "alice", 2, seq);
    rig.read(SEAT, "alice", 2, seq);
    // Bob has heard: he goes on. Had he not, he would send the same post again.
    let heard = PeerPost { epoch: SessionEpoch(2), ..post(2, 1, "b") };
    rig.post(SEAT, heard);
    rig.settle();
    let range = rig.range();
    assert_eq!((range.upto, range.caught_up), (seq, true));
    assert_eq!(rig.causes(), []);
    let above = Seq::new(9, 1);
    rig.seen(SEAT, 2, above);
    assert_eq!(rig.causes(), [AlarmCause::CursorAboveHead], "no store gave that");
}
