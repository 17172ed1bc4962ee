//! What a post is answered, when, and what a crash changes.

use super::Answered::{Accepted, Busy, Conflict, Expected, Rejected};
use super::*;
use wire::limits::NUMBER_MAX;

/// A rig in which bob's row is in memory and nothing is on disk.
fn warm(limits: LogLimits) -> Rig {
    let mut rig = Rig::new(limits);
    rig.open(alice(), "bob");
    rig.load();
    rig.take();
    rig
}

#[test]
fn accepts_only_what_is_durable() {
    let mut rig = warm(LogLimits::standard());
    rig.post(SEAT, post(1, 0, "a"));
    assert!(rig.compose());
    assert_eq!(rig.answers(), [], "the sync has not returned");
    rig.settle();
    assert_eq!(rig.answers(), [Accepted(1)]);
    let metrics = rig.logs.metrics();
    assert_eq!((metrics.appended, metrics.committed, metrics.pending_len), (1, 1, 0));
}

#[test]
fn accepts_a_batch_of_one_poster_at_once() {
    let mut rig = warm(LogLimits::standard());
    (1..=5).for_each(|n| rig.post(SEAT, post(n, 0, "a")));
    rig.post(SEAT, PeerPost { sender: name("carol"), ..post(1, 0, "c") });
    rig.settle();
    assert_eq!(rig.answers(), [Accepted(5), Accepted(1)]);
}

#[test]
fn answers_the_same_post_again() {
    let mut rig = warm(LogLimits::standard());
    rig.post(SEAT, post(1, 0, "a"));
    rig.post(SEAT, post(1, 0, "a"));
    assert_eq!(rig.answers(), [], "not safe yet");
    rig.settle();
    let first = rig.take();
    rig.post(SEAT, post(1, 0, "a"));
    assert_eq!(rig.take(), first, "the same seq");
    assert_eq!(rig.logs.metrics().appended, 1);
}

#[test]
fn answers_the_session_that_posts_now() {
    let mut rig = warm(LogLimits::standard());
    (1..=2).for_each(|n| rig.post(SEAT, post(n, 0, "a")));
    let newer = PeerPost { epoch: SessionEpoch(2), ..post(1, 0, "a") };
    rig.post(OTHER_SEAT, newer.clone());
    rig.settle();
    let to: Vec<ServerId> = rig.sent.iter().map(|(to, _)| *to).collect();
    assert_eq!(to, [OTHER_SEAT]);
    assert_eq!(rig.answers(), [Accepted(1)], "2 was not asked for on the new session");
    rig.post(OTHER_SEAT, PeerPost { number: number(2), ..newer });
    assert_eq!(rig.answers(), [Accepted(2)]);
}

/// Its owner's row may have been forgotten since; who reads the mailbox is known.
#[test]
fn an_ended_session_posts_nothing_to_its_own_mailbox() {
    let mut rig = warm(LogLimits::standard());
    rig.attach(SEAT, "alice", 2, Seq(0));
    rig.take();
    let own = |epoch| PeerPost {
        sender: name("alice"),
        epoch: SessionEpoch(epoch),
        ..post(1, 0, "a note")
    };
    rig.post(OTHER_SEAT, own(1));
    rig.load();
    assert_eq!(rig.answers(), [Busy(1)], "another session has begun");
    rig.post(SEAT, own(2));
    rig.settle();
    assert_eq!(rig.answers(), [Accepted(1)]);
}

#[test]
fn owes_nothing_to_a_lost_link() {
    let mut rig = warm(LogLimits::standard());
    rig.post(SEAT, post(1, 0, "a"));
    rig.logs.on_link_lost(SEAT);
    rig.settle();
    assert_eq!(rig.answers(), []);
    rig.post(SEAT, post(1, 0, "a"));
    assert_eq!(rig.answers(), [Accepted(1)]);
    assert_eq!(rig.logs.metrics().appended, 1);
}

#[test]
fn other_bytes_under_a_used_number_conflict() {
    let mut rig = warm(LogLimits::standard());
    rig.post(SEAT, post(1, 0, "a"));
    rig.post(SEAT, post(1, 0, "b"));
    assert_eq!(rig.answers(), [Conflict(1)]);
    rig.settle();
    rig.post(SEAT, post(2, 1, "c"));
    rig.settle();
    rig.answers();
    rig.post(SEAT, post(1, 0, "a"));
    assert_eq!(rig.answers(), [Conflict(1)], "settled: its hash is gone");
}

#[test]
fn a_gap_is_sent_back() {
    let mut rig = warm(LogLimits::standard());
    rig.post(SEAT, post(3, 0, "c"));
    assert_eq!(rig.answers(), [Expected(3, 1)]);
    rig.post(SEAT, post(9, 6, "i"));
    assert_eq!(rig.answers(), [Expected(9, 7)], "what is settled was used");
    rig.post(SEAT, post(7, 6, "g"));
    rig.settle();
    assert_eq!(rig.answers(), [Accepted(7)]);
}

#[test]
fn numbers_outside_their_window_are_bad() {
    let mut rig = warm(LogLimits { stranger_entries_max: 64, ..LogLimits::standard() });
    for (value, settled) in [(0, 0), (1, 1), (4, 9), (65, 0), (NUMBER_MAX, 0)] {
        rig.post(SEAT, post(value, settled, "a"));
        assert_eq!(rig.answers(), [Rejected(value, FaultCode::BAD_NUMBER)]);
    }
    (1..=64).for_each(|n| rig.post(SEAT, post(n, 0, "a")));
    rig.settle();
    assert_eq!(rig.answers(), [Accepted(64)]);
}

#[test]
fn the_last_number_of_all_is_a_number() {
    let mut rig = warm(LogLimits::standard());
    rig.post(SEAT, post(NUMBER_MAX, NUMBER_MAX - 1, "a"));
    rig.post(SEAT, post(NUMBER_MAX, NUMBER_MAX - 1, "a"));
    rig.settle();
    rig.post(SEAT, post(NUMBER_MAX, NUMBER_MAX - 1, "b"));
    assert_eq!(rig.answers(), [Accepted(NUMBER_MAX), Conflict(NUMBER_MAX)]);
}

#[test]
fn an_older_session_changes_nothing() {
    let mut rig = warm(LogLimits::standard());
    rig.post(SEAT, PeerPost { epoch: SessionEpoch(5), ..post(1, 0, "a") });
    rig.post(OTHER_SEAT, PeerPost { epoch: SessionEpoch(4), ..post(2, 1, "b") });
    assert_eq!(rig.answers(), [Busy(2)]);
    rig.settle();
    assert_eq!(rig.answers(), [Accepted(1)]);
    rig.post(SEAT, PeerPost { epoch: SessionEpoch(5), ..post(2, 1, "c") });
    rig.settle();
    assert_eq!(rig.answers(), [Accepted(2)], "the stale post used nothing");
}

#[test]
fn opening_says_the_base_and_ends_older_sessions() {
    let mut rig = warm(LogLimits::standard());
    (1..=3).for_each(|n| rig.post(SEAT, post(n, 0, "a")));
    rig.settle();
    rig.take();
    rig.open(alice(), "bob");
    let (to, message) = rig.take().pop().expect("an answer");
    let ToPeer::Answer(answer) = message else { panic!("{message:?}") };
    let opened = wire::message::LogOpened { handle: LogHandle(4), base: number(3) };
    assert_eq!((to, answer.exchange, answer.body), (SEAT, ExchangeId(11), opened.into()));
    rig.post(SEAT, PeerPost { epoch: SessionEpoch(0), ..post(4, 3, "d") });
    assert_eq!(rig.answers(), [Busy(4)]);
}

#[test]
fn a_senders_share_is_bounded_and_a_rejection_is_remembered() {
    let mut rig = warm(LogLimits { sender_entries_max: 2, ..LogLimits::standard() });
    (1..=3).for_each(|n| rig.post(SEAT, post(n, 0, "a")));
    assert_eq!(rig.answers(), [], "a rejection waits for what is before it");
    rig.settle();
    let full = Rejected(3, FaultCode::SENDER_FULL);
    assert_eq!(rig.answers(), [Accepted(2), full]);
    rig.post(SEAT, post(3, 0, "a"));
    assert_eq!(rig.answers(), [full], "the same answer again");
    rig.post(SEAT, post(3, 0, "b"));
    assert_eq!(rig.answers(), [Conflict(3)], "the number is used");
}

#[test]
fn a_mailbox_is_bounded_by_entries_and_by_bytes() {
    let limits = LogLimits::standard();
    for limits in [
        LogLimits { mailbox_entries_max: 2, ..limits },
        LogLimits { mailbox_bytes_max: 8, ..limits },
    ] {
        let mut rig = warm(limits);
        (1..=3).for_each(|n| rig.post(SEAT, post(n, 0, "text")));
        rig.settle();
        assert_eq!(rig.answers(), [Accepted(2), Rejected(3, FaultCode::MAILBOX_FULL)]);
        rig.attach(SEAT, "alice", 1, Seq(0));
        let head = rig.logs.logs.wake(0).head;
        rig.seen(SEAT, 1, head);
        rig.post(SEAT, post(4, 3, "text"));
        rig.settle();
        assert_eq!(rig.answers(), [Accepted(4)], "what is read makes room");
    }
}

#[test]
fn nothing_is_appended_behind_a_rejection_that_is_not_settled() {
    let mut rig = warm(LogLimits { sender_bytes_max: 9, ..LogLimits::standard() });
    rig.post(SEAT, post(1, 0, "four"));
    rig.post(SEAT, post(2, 0, "too long"));
    rig.post(SEAT, post(3, 0, "four"));
    rig.settle();
    let full = Rejected(2, FaultCode::SENDER_FULL);
    assert_eq!(rig.answers(), [Busy(3), Accepted(1), full]);
    rig.post(SEAT, post(3, 2, "four"));
    rig.settle();
    assert_eq!(rig.answers(), [Accepted(3)]);
}

#[test]
fn a_new_session_is_told_of_every_number_that_it_has_not_settled() {
    let mut rig = warm(LogLimits { sender_bytes_max: 4, ..LogLimits::standard() });
    (1..=3).for_each(|n| rig.post(SEAT, post(n, 0, "four")));
    rig.settle();
    rig.answers();
    rig.post(OTHER_SEAT, PeerPost { epoch: SessionEpoch(2), ..post(3, 0, "four") });
    let full = |n| Rejected(n, FaultCode::SENDER_FULL);
    assert_eq!(rig.answers(), [Accepted(1), full(2), full(3)]);
}

#[test]
fn a_rejection_is_told_when_it_is_on_disk() {
    let mut rig = warm(LogLimits { sender_entries_max: 1, ..LogLimits::standard() });
    rig.post(SEAT, post(1, 0, "a"));
    rig.settle();
    rig.post(SEAT, post(2, 1, "b"));
    rig.post(SEAT, post(2, 1, "b"));
    assert_eq!(rig.answers(), [Accepted(1)]);
    assert!(rig.compose());
    assert_eq!(rig.answers(), []);
    assert!(rig.poll());
    assert_eq!(rig.answers(), [Rejected(2, FaultCode::SENDER_FULL)]);
    let mut rig = rig.crash(InFlight::Lost);
    rig.limits = LogLimits::standard();
    rig.post(SEAT, post(2, 1, "b"));
    rig.load();
    assert_eq!(rig.answers(), [Rejected(2, FaultCode::SENDER_FULL)], "a copy changes nothing");
    rig.post(SEAT, post(2, 1, "c"));
    assert_eq!(rig.answers(), [Conflict(2)], "the number is used");
}

#[test]
fn a_rejection_that_nobody_heard_of_is_decided_anew() {
    let mut rig = warm(LogLimits { sender_entries_max: 1, ..LogLimits::standard() });
    rig.post(SEAT, post(1, 0, "a"));
    rig.settle();
    rig.post(SEAT, post(2, 1, "b"));
    assert_eq!(rig.answers(), [Accepted(1)]);
    rig.limits = LogLimits::standard();
    let mut rig = rig.crash(InFlight::Lost);
    rig.post(SEAT, post(2, 1, "b"));
    rig.settle();
    assert_eq!(rig.answers(), [Accepted(2)]);
}

#[test]
fn a_rejection_is_told_after_what_was_held_before_it() {
    let mut rig = warm(LogLimits { sender_entries_max: 1, ..LogLimits::standard() });
    rig.attach(SEAT, "alice", 1, Seq(0));
    rig.read(SEAT, "alice", 1, Seq(0));
    rig.settle();
    rig.take();
    rig.post(SEAT, post(1, 0, "a"));
    assert!(!rig.logs.has_changes(), "it waits for its reader");
    rig.post(SEAT, post(2, 0, "b"));
    assert!(rig.compose() && rig.poll());
    assert_eq!(rig.answers(), [Accepted(1), Rejected(2, FaultCode::SENDER_FULL)]);
}

#[test]
fn what_its_reader_may_hold_is_not_rejected() {
    let limits = LogLimits { mailbox_entries_max: 8, ..LogLimits::standard() };
    let mut rig = warm(limits);
    rig.attach(SEAT, "alice", 1, Seq(0));
    rig.take();
    rig.post(SEAT, post(1, 0, "a"));
    assert_eq!(rig.pushed().len(), 1);
    let mut rig = rig.crash(InFlight::Lost);
    let carol = |n| PeerPost { sender: name("carol"), ..post(n, n - 1, "c") };
    (1..=8).for_each(|n| {
        rig.post(SEAT, carol(n));
        rig.settle();
    });
    rig.answers();
    rig.post(SEAT, post(1, 0, "a"));
    rig.settle();
    assert_eq!(rig.answers(), [Rejected(1, FaultCode::MAILBOX_FULL)], "never sent before");
    let from_another = |again| PeerPost { again, ..from_origin(8) };
    rig.post(SEAT, from_another(true));
    rig.settle();
    assert_eq!(rig.answers(), [Accepted(1)], "an eighth more room");
    let others = PeerPost { again: true, ..from_origin(9) };
    rig.post(SEAT, others.clone());
    rig.settle();
    assert_eq!(rig.answers(), [Busy(1)], "it may have been pushed");
    rig.attach(SEAT, "alice", 2, Seq(0));
    let head = rig.logs.logs.wake(0).head;
    rig.seen(SEAT, 2, head);
    rig.post(SEAT, others);
    rig.settle();
    assert_eq!(rig.answers(), [Accepted(1)]);
}

#[test]
fn what_was_not_durable_is_appended_again_after_a_crash() {
    for in_flight in [InFlight::Lost, InFlight::Kept] {
        let mut rig = warm(LogLimits::standard());
        rig.store.set_model(DiskModel { commit_steps: 1, ..DiskModel::default() });
        (1..=2).for_each(|n| rig.post(SEAT, post(n, 0, "a")));
        assert!(rig.compose());
        rig.post(SEAT, post(3, 0, "c"));
        let mut rig = rig.crash(in_flight);
        (1..=3).for_each(|n| rig.post(SEAT, post(n, 0, if n == 3 { "c" } else { "a" })));
        rig.settle();
        let appended = if in_flight == InFlight::Kept { 1 } else { 3 };
        assert_eq!(rig.logs.metrics().appended, appended);
        assert_eq!(rig.answers().last(), Some(&Accepted(3)));
        rig.read(SEAT, "alice", 1, Seq(0));
        rig.settle();
        assert_eq!(texts(&rig.range()), ["a", "a", "c"]);
    }
}

#[test]
fn a_row_on_disk_never_knows_an_entry_that_is_not() {
    let limits = LogLimits { batch_entries_max: 2, ..LogLimits::standard() };
    let mut rig = warm(limits);
    (1..=5).for_each(|n| rig.post(SEAT, post(n, 0, "a")));
    assert!(rig.compose());
    assert!(rig.poll());
    assert_eq!(rig.answers(), [Accepted(2)], "a batch is bounded");
    let mut rig = rig.crash(InFlight::Lost);
    (1..=5).for_each(|n| rig.post(SEAT, post(n, 0, "a")));
    rig.settle();
    assert_eq!(rig.logs.metrics().appended, 3);
    assert_eq!(rig.answers().last(), Some(&Accepted(5)));
    let mut rig = rig.crash(InFlight::Lost);
    rig.post(SEAT, post(5, 0, "a"));
    rig.settle();
    assert_eq!((rig.logs.metrics().appended, rig.answers()), (0, vec![Accepted(5)]));
}

#[test]
fn batches_are_shared_between_logs_in_turn() {
    let limits = LogLimits { batch_entries_max: 2, ..LogLimits::standard() };
    let mut rig = warm(limits);
    let to_carol = PeerPost { log: LogId::mailbox(name("carol")), ..post(1, 0, "c") };
    rig.post(SEAT, to_carol.clone());
    rig.load();
    rig.settle();
    rig.answers();
    (1..=4).for_each(|n| rig.post(SEAT, post(n, 0, "a")));
    rig.post(SEAT, PeerPost { number: number(2), settled: number(1), ..to_carol });
    assert!(rig.compose() && rig.poll());
    assert_eq!(rig.answers(), [Accepted(2)]);
    assert!(rig.compose() && rig.poll());
    assert_eq!(rig.answers().len(), 2, "carol's log is not starved by alice's");
}

#[test]
fn posts_beyond_what_the_disk_takes_are_busy() {
    let mut rig = warm(LogLimits { pending_len_max: 300, ..LogLimits::standard() });
    (1..=4).for_each(|n| rig.post(SEAT, post(n, 0, "a")));
    assert_eq!(rig.answers(), [Busy(3), Expected(4, 3)]);
    rig.settle();
    (3..=4).for_each(|n| rig.post(SEAT, post(n, 0, "a")));
    rig.settle();
    assert_eq!(rig.answers(), [Accepted(2), Accepted(4)], "a busy number is not spent");
}

#[test]
fn a_full_disk_refuses_posts_and_goes_on_reading() {
    let mut rig = warm(LogLimits::standard());
    rig.post(SEAT, post(1, 0, "a"));
    rig.settle();
    rig.answers();
    rig.logs.set_refusing(true);
    rig.post(SEAT, post(1, 0, "a"));
    rig.post(SEAT, post(2, 1, "b"));
    assert_eq!(rig.answers(), [Accepted(1), Busy(2)]);
    rig.read(SEAT, "alice", 1, Seq(0));
    rig.settle();
    let range = rig.range();
    assert_eq!(texts(&range), ["a"]);
    rig.seen(SEAT, 1, range.upto);
    rig.settle();
    rig.logs.set_refusing(false);
    rig.post(SEAT, post(2, 1, "b"));
    rig.settle();
    assert_eq!(rig.answers(), [Accepted(2)]);
}

/// A post of bob's installation number `origin`.
fn from_origin(origin: u8) -> PeerPost {
    PeerPost { origin: Origin([origin; 16]), ..post(1, 0, "a") }
}

#[test]
fn rows_beyond_their_bound_are_read_again() {
    let mut rig = warm(LogLimits { rows_max: 2, ..LogLimits::standard() });
    for origin in (0..5).chain(0..5) {
        rig.post(SEAT, from_origin(origin));
        rig.settle();
        assert!(rig.logs.logs.wake(0).rows.len() <= 2);
    }
    assert_eq!(rig.answers(), [Accepted(1); 10]);
    assert_eq!(rig.logs.metrics().appended, 5);
}

#[test]
fn rows_of_entries_that_are_not_durable_stay() {
    let mut rig = warm(LogLimits { rows_max: 2, ..LogLimits::standard() });
    for origin in 0..5 {
        rig.post(SEAT, from_origin(origin));
        rig.load();
    }
    (0..5).for_each(|origin| rig.post(SEAT, from_origin(origin)));
    rig.settle();
    assert_eq!(rig.answers(), [Accepted(1); 5]);
    let mut rig = rig.crash(InFlight::Lost);
    (0..5).for_each(|origin| rig.post(SEAT, from_origin(origin)));
    rig.settle();
    assert_eq!((rig.logs.metrics().appended, rig.answers()), (0, vec![Accepted(1); 5]));
}

#[test]
fn rows_of_mere_rejections_are_bounded() {
    let limits = LogLimits { rows_max: 2, sender_entries_max: 0, ..LogLimits::standard() };
    let mut rig = warm(limits);
    let full = Rejected(1, FaultCode::SENDER_FULL);
    for origin in 0..5 {
        rig.post(SEAT, from_origin(origin));
        rig.load();
    }
    assert!(rig.logs.logs.wake(0).rows.len() <= 3);
    assert_eq!(rig.answers(), [Busy(1); 3], "two wait for the disk");
    rig.settle();
    assert_eq!(rig.answers(), [full; 2]);
    (2..5).for_each(|origin| {
        rig.post(SEAT, from_origin(origin));
        rig.settle();
    });
    assert_eq!(rig.answers(), [full; 3]);
    assert!(rig.logs.logs.wake(0).rows.len() <= 2);
}
