//! What readers get, and what moves their cursors.

use super::*;

/// A rig with `count` entries of one letter on disk, nothing else in memory, and their seqs.
fn filled(limits: LogLimits, count: u64) -> (Rig, Vec<Seq>) {
    let mut rig = Rig::new(LogLimits::standard());
    rig.attach(SEAT, "alice", 1, Seq(0));
    (1..=count).for_each(|n| rig.post(SEAT, post(n, n - 1, letter(n))));
    rig.settle();
    let seqs = rig.pushed().iter().map(|(_, entry)| entry.seq).collect();
    rig.limits = limits;
    (rig.crash(InFlight::Lost), seqs)
}

fn letter(n: u64) -> &'static str {
    ["a", "b", "c", "d", "e", "f"][usize::try_from(n - 1).expect("small")]
}

fn warm_post(rig: &mut Rig, n: u64) {
    rig.post(SEAT, post(n, n - 1, letter(n)));
}

#[test]
fn a_reader_gets_what_is_stored_and_then_what_comes() {
    let (mut rig, seqs) = filled(LogLimits::standard(), 2);
    rig.attach(SEAT, "alice", 1, Seq(0));
    rig.read(SEAT, "alice", 1, Seq(0));
    rig.settle();
    let range = rig.range();
    assert_eq!(texts(&range), ["a", "b"]);
    assert_eq!((range.upto, range.caught_up, range.failed), (seqs[1], true, false));
    warm_post(&mut rig, 3);
    rig.load();
    let pushed = rig.pushed();
    assert_eq!(pushed.len(), 1, "before it is durable, once");
    assert_eq!((pushed[0].0, text(&pushed[0].1).as_str()), (SEAT, "c"));
    assert!(pushed[0].1.seq > range.upto);
}

#[test]
fn a_reply_holds_the_tail_as_it_is_when_it_is_sent() {
    let (mut rig, _) = filled(LogLimits::standard(), 2);
    rig.attach(SEAT, "alice", 1, Seq(0));
    warm_post(&mut rig, 3);
    rig.load();
    rig.read(SEAT, "alice", 1, Seq(0));
    warm_post(&mut rig, 4);
    let before = rig.pushed();
    rig.load();
    let range = rig.range();
    assert_eq!(texts(&range), ["a", "b", "c", "d"]);
    assert_eq!((range.upto, range.caught_up), (before[1].1.seq, true));
    warm_post(&mut rig, 5);
    assert_eq!(rig.pushed().len(), 1, "what follows is live");
}

#[test]
fn the_tail_alone_answers_a_reader_that_is_just_behind() {
    let (mut rig, seqs) = filled(LogLimits::standard(), 2);
    rig.attach(SEAT, "alice", 1, seqs[1]);
    rig.load();
    warm_post(&mut rig, 3);
    rig.settle();
    rig.take();
    rig.read(SEAT, "alice", 1, seqs[1]);
    assert_eq!(texts(&rig.range()), ["c"]);
    assert!(rig.reads.is_empty(), "the store was not asked");
}

#[test]
fn a_tail_that_overflows_leaves_a_gap_that_is_read_again() {
    let limits = LogLimits { tail_len_max: 300, ..LogLimits::standard() };
    let (mut rig, seqs) = filled(limits, 1);
    rig.attach(SEAT, "alice", 1, Seq(0));
    rig.settle();
    rig.read(SEAT, "alice", 1, Seq(0));
    let (_, read) = rig.reads.remove(0);
    let Some(Completion::Answered { answer, .. }) = rig.store.poll() else {
        panic!("the read is done");
    };
    for n in 2..=5 {
        warm_post(&mut rig, n);
        rig.settle();
    }
    rig.take();
    rig.logs.on_answer(read, answer, &mut rig.out);
    rig.drain();
    let range = rig.range();
    assert_eq!(texts(&range), ["a"]);
    assert!(!range.caught_up, "b and c were read by nobody");
    assert!(range.upto >= seqs[0]);
    rig.read(SEAT, "alice", 1, range.upto);
    rig.settle();
    let range = rig.range();
    assert_eq!(texts(&range), ["b", "c", "d", "e"]);
    assert!(range.caught_up);
}

#[test]
fn a_range_is_bounded_by_entries_and_by_bytes() {
    for limits in [
        LogLimits { range_entries_max: 2, ..LogLimits::standard() },
        LogLimits { range_len_max: 2, ..LogLimits::standard() },
    ] {
        let (mut rig, seqs) = filled(limits, 3);
        rig.attach(SEAT, "alice", 1, Seq(0));
        rig.read(SEAT, "alice", 1, Seq(0));
        rig.load();
        let range = rig.range();
        assert_eq!((texts(&range), range.upto), (vec!["a".into(), "b".into()], seqs[1]));
        assert!(!range.caught_up);
        rig.read(SEAT, "alice", 1, range.upto);
        rig.load();
        let range = rig.range();
        assert_eq!((texts(&range), range.upto), (vec!["c".into()], seqs[2]));
        assert!(range.caught_up);
    }
}

#[test]
fn what_joins_from_the_tail_is_bounded_too() {
    for limits in [
        LogLimits { range_entries_max: 2, ..LogLimits::standard() },
        LogLimits { range_len_max: 2, ..LogLimits::standard() },
    ] {
        let (mut rig, seqs) = filled(limits, 1);
        rig.attach(SEAT, "alice", 1, Seq(0));
        rig.load();
        (2..=4).for_each(|n| warm_post(&mut rig, n));
        rig.load();
        rig.take();
        rig.read(SEAT, "alice", 1, Seq(0));
        rig.load();
        let range = rig.range();
        assert_eq!((texts(&range), range.caught_up), (vec!["a".into(), "b".into()], false));
        assert!(range.upto > seqs[0]);
        rig.read(SEAT, "alice", 1, range.upto);
        let range = rig.range();
        assert_eq!((texts(&range), range.caught_up), (vec!["c".into(), "d".into()], true));
    }
}

#[test]
fn an_empty_mailbox_is_caught_up_at_once() {
    let mut rig = Rig::standard();
    rig.attach(SEAT, "alice", 1, Seq(0));
    rig.read(SEAT, "alice", 1, Seq(0));
    rig.load();
    let range = rig.range();
    assert_eq!((texts(&range).len(), range.upto, range.caught_up), (0, Seq(0), true));
}

#[test]
fn what_is_seen_is_truncated_on_disk_too() {
    let (mut rig, seqs) = filled(LogLimits::standard(), 3);
    rig.attach(SEAT, "alice", 1, seqs[0]);
    rig.settle();
    rig.seen(SEAT, 1, seqs[1]);
    rig.settle();
    let mut rig = rig.crash(InFlight::Lost);
    rig.read(SEAT, "alice", 1, Seq(0));
    rig.load();
    assert_eq!(texts(&rig.range()), ["c"]);
    rig.seen(SEAT, 1, seqs[0]);
    assert!(!rig.logs.has_changes(), "a cursor never moves back");
}

#[test]
fn an_entry_seen_before_its_batch_is_never_written() {
    let mut rig = Rig::standard();
    rig.attach(SEAT, "alice", 1, Seq(0));
    warm_post(&mut rig, 1);
    rig.load();
    let pushed = rig.pushed();
    rig.seen(SEAT, 1, pushed[0].1.seq);
    rig.settle();
    assert_eq!(rig.answers(), [Answered::Accepted(1)]);
    assert_eq!(rig.logs.metrics().committed, 0);
    assert_eq!(rig.logs.metrics().tails_len, 0, "nobody needs it");
    let mut rig = rig.crash(InFlight::Lost);
    rig.read(SEAT, "alice", 1, Seq(0));
    rig.load();
    let range = rig.range();
    assert_eq!((texts(&range).len(), range.caught_up), (0, true));
}

#[test]
fn a_crash_may_know_less_than_the_reader() {
    let mut rig = Rig::standard();
    rig.attach(SEAT, "alice", 1, Seq(0));
    warm_post(&mut rig, 1);
    rig.load();
    warm_post(&mut rig, 2);
    let pushed = rig.pushed();
    rig.seen(SEAT, 1, pushed[1].1.seq);
    let mut rig = rig.crash(InFlight::Lost);
    rig.attach(SEAT, "alice", 1, pushed[1].1.seq);
    rig.settle();
    assert_eq!(rig.causes(), [], "what was seen is not written");
    warm_post(&mut rig, 2);
    rig.settle();
    rig.take();
    rig.read(SEAT, "alice", 1, pushed[1].1.seq);
    rig.settle();
    assert_eq!(texts(&rig.range()), ["b"], "a new seq is above every old one");
}

#[test]
fn a_cursor_above_the_head_moves_nothing() {
    let (mut rig, seqs) = filled(LogLimits::standard(), 1);
    let never_given = Seq::new(seqs[0].store_epoch() + 1, 1);
    rig.attach(SEAT, "alice", 1, never_given);
    rig.load();
    rig.seen(SEAT, 1, Seq(u64::MAX));
    assert_eq!(rig.causes(), [AlarmCause::CursorAboveHead], "once");
    assert!(!rig.logs.has_changes());
    rig.read(SEAT, "alice", 1, Seq(u64::MAX));
    let range = rig.range();
    assert_eq!((range.upto, range.caught_up), (Seq(u64::MAX), true));
}

#[test]
fn only_the_owner_reads_a_mailbox() {
    let (mut rig, seqs) = filled(LogLimits::standard(), 1);
    rig.attach(SEAT, "bob", 1, seqs[0]);
    rig.read(SEAT, "bob", 1, Seq(0));
    rig.load();
    assert_eq!(rig.causes(), [AlarmCause::NotAReader; 2]);
    assert_eq!(rig.take(), []);
    assert!(!rig.logs.has_changes());
}

#[test]
fn a_newer_session_ends_the_older_reader() {
    let (mut rig, seqs) = filled(LogLimits::standard(), 2);
    rig.attach(SEAT, "alice", 5, Seq(0));
    rig.load();
    rig.attach(OTHER_SEAT, "alice", 6, Seq(0));
    rig.seen(SEAT, 5, seqs[1]);
    rig.attach(SEAT, "alice", 5, seqs[1]);
    rig.read(SEAT, "alice", 5, Seq(0));
    rig.detach(SEAT, 5);
    assert!(!rig.logs.has_changes() && rig.take().is_empty());
    assert_eq!(rig.logs.metrics().readers, 1);
    rig.logs.end_reader(&name("alice"), SessionEpoch(7));
    rig.seen(OTHER_SEAT, 6, seqs[1]);
    assert!(!rig.logs.has_changes(), "ended by the registry");
    assert_eq!(rig.logs.metrics().readers, 0);
}

#[test]
fn a_read_of_an_ended_reader_is_not_answered() {
    let (mut rig, _) = filled(LogLimits::standard(), 2);
    rig.attach(SEAT, "alice", 5, Seq(0));
    rig.load();
    rig.read(SEAT, "alice", 5, Seq(0));
    rig.attach(SEAT, "alice", 5, Seq(0));
    rig.read(SEAT, "alice", 5, Seq(0));
    rig.load();
    assert_eq!(texts(&rig.range()), ["a", "b"], "only the later attachment's");
    rig.read(SEAT, "alice", 5, Seq(0));
    rig.logs.on_link_lost(SEAT);
    rig.load();
    assert_eq!(rig.take(), []);
    assert_eq!(rig.causes(), []);
}

#[test]
fn a_read_of_a_reader_that_slept_is_not_answered_to_a_later_one() {
    let limits = LogLimits { tail_len_max: 0, ..LogLimits::standard() };
    let mut rig = Rig::new(limits);
    rig.attach(SEAT, "alice", 5, Seq(0));
    rig.load();
    for attaches in [SEAT, OTHER_SEAT] {
        rig.post(SEAT, post(1, 0, "a"));
        rig.settle();
        rig.take();
        rig.read(SEAT, "alice", 5, Seq(0));
        assert_eq!(rig.reads.len(), 1, "memory does not have it");
        rig.logs.on_link_lost(SEAT);
        rig.attach(attaches, "alice", 5, Seq(0));
        rig.read(attaches, "alice", 5, Seq(0));
        rig.load();
        assert_eq!(texts(&rig.range()), ["a"], "only the later attachment's");
        let mut next = Rig::new(limits);
        next.attach(SEAT, "alice", 5, Seq(0));
        next.load();
        rig = next;
    }
    assert_eq!(rig.causes(), []);
}

#[test]
fn a_reader_that_sleeps_is_lost_with_its_seat_alone() {
    let mut rig = Rig::standard();
    rig.attach(SEAT, "alice", 5, Seq(0));
    rig.load();
    assert_eq!((rig.logs.metrics().readers, rig.logs.logs.awake().count()), (1, 0));
    rig.logs.on_link_lost(OTHER_SEAT);
    assert_eq!((rig.logs.metrics().readers, rig.logs.logs.awake().count()), (1, 0));
    rig.logs.on_link_lost(SEAT);
    assert_eq!(rig.logs.metrics().readers, 0);
    rig.post(OTHER_SEAT, post(1, 0, "a"));
    rig.load();
    assert!(rig.pushed().is_empty(), "nobody reads it");
}

#[test]
fn a_log_that_comes_to_rest_may_push_out_one_that_is_still_to_hear_of_a_lost_link() {
    let mut rig = Rig::new(LogLimits { idle_weight_max: 3, ..LogLimits::standard() });
    rig.attach(SEAT, "alice", 1, Seq(0));
    rig.load();
    let to_carol = PeerPost { log: LogId::mailbox(name("carol")), ..post(1, 0, "c") };
    rig.post(OTHER_SEAT, to_carol);
    rig.settle();
    assert_eq!(rig.logs.metrics().logs, 2);
    rig.logs.on_link_lost(SEAT);
    assert_eq!(rig.logs.metrics().logs, 1);
}

#[test]
fn a_second_read_at_once_is_an_alarm() {
    let (mut rig, _) = filled(LogLimits::standard(), 2);
    rig.attach(SEAT, "alice", 5, Seq(0));
    rig.load();
    rig.read(SEAT, "alice", 5, Seq(0));
    rig.read(SEAT, "alice", 5, Seq(0));
    rig.load();
    rig.range();
    assert_eq!(rig.causes(), [AlarmCause::ReadOverlaps]);
}

#[test]
fn nothing_is_pushed_to_who_left() {
    let mut rig = Rig::standard();
    rig.attach(SEAT, "alice", 1, Seq(0));
    rig.load();
    rig.detach(SEAT, 1);
    warm_post(&mut rig, 1);
    rig.settle();
    assert_eq!(rig.pushed().len(), 0);
    rig.attach(SEAT, "alice", 1, Seq(0));
    rig.logs.on_link_lost(SEAT);
    warm_post(&mut rig, 2);
    rig.settle();
    assert_eq!(rig.pushed().len(), 0);
    assert_eq!(rig.logs.metrics().tails_len, 0, "no tail without readers");
}

#[test]
fn the_tails_of_all_logs_are_bounded() {
    let limits = LogLimits { tails_len_max: 300, ..LogLimits::standard() };
    let mut rig = Rig::new(limits);
    rig.attach(SEAT, "alice", 1, Seq(0));
    for n in 1..=6 {
        warm_post(&mut rig, n);
        rig.settle();
    }
    assert!(rig.logs.metrics().tails_len <= 300);
}

#[test]
fn a_mailbox_that_is_caught_up_sleeps_and_wakes_as_it_was() {
    let mut rig = Rig::standard();
    rig.open(alice(), "alice");
    rig.attach(SEAT, "alice", 3, Seq(0));
    rig.read(SEAT, "alice", 3, Seq(0));
    rig.settle();
    let awake = |rig: &Rig| rig.logs.logs.awake().count();
    assert_eq!((awake(&rig), rig.logs.metrics().readers), (0, 1));
    assert!(rig.logs.is_coherent());
    rig.take();
    rig.post(SEAT, post(1, 0, "a"));
    rig.settle();
    let seq = rig.pushed().last().expect("its reader is still attached").1.seq;
    assert_eq!(awake(&rig), 1, "it holds an entry");
    rig.seen(SEAT, 2, seq);
    rig.settle();
    assert_eq!(awake(&rig), 1, "a session that is older than the attached one says nothing");
    rig.seen(SEAT, 3, seq);
    rig.settle();
    let log = rig.logs.logs.wake(0);
    assert_eq!((log.head, log.floor()), (seq, seq));
}

#[test]
fn whoever_opens_its_own_mailbox_leaves_no_row_in_memory() {
    let mut rig = Rig::standard();
    rig.open(alice(), "alice");
    rig.settle();
    assert_eq!(rig.logs.logs.wake(0).rows.len(), 0);
    rig.open(alice(), "bob");
    rig.settle();
    assert_eq!(rig.logs.logs.wake(0).rows.len(), 1, "who opens another's is about to post");
    rig.post(SEAT, PeerPost { sender: name("alice"), ..post(1, 0, "a") });
    rig.settle();
    assert_eq!(rig.logs.logs.wake(0).rows.len(), 2, "it has posted");
    rig.open(alice(), "alice");
    rig.settle();
    assert_eq!(rig.logs.logs.wake(0).rows.len(), 2);
}
