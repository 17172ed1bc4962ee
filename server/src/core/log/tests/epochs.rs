//! What happens when the seqs of a store epoch are spent.

use super::Answered::{Accepted, Busy};
use super::*;

fn limits(counter_max: u64) -> LogLimits {
    LogLimits { counter_max, ..LogLimits::standard() }
}

/// Every seq that alice's mailbox holds, read anew.
fn seqs(rig: &mut Rig) -> Vec<Seq> {
    rig.attach(SEAT, "alice", 1, Seq(0));
    rig.settle();
    rig.take();
    rig.read(SEAT, "alice", 1, Seq(0));
    rig.settle();
    rig.range().entries.items().iter().map(|entry| entry.seq).collect()
}

#[test]
fn seqs_go_on_under_the_next_epoch() {
    let mut rig = Rig::new(limits(4));
    for n in 1..=10 {
        rig.post(SEAT, post(n, 0, "a"));
        rig.settle();
    }
    assert_eq!(rig.answers(), (1..=10).map(Accepted).collect::<Vec<_>>());
    let expected = [(1, 1), (1, 2), (1, 3), (1, 4), (2, 1), (2, 2), (2, 3), (2, 4), (3, 1), (3, 2)];
    assert_eq!(seqs(&mut rig), expected.map(|(epoch, counter)| Seq::new(epoch, counter)));
}

#[test]
fn no_seq_is_given_before_its_epoch_is_durable() {
    let mut rig = Rig::new(limits(4));
    (1..=5).for_each(|n| rig.post(SEAT, post(n, 0, "a")));
    rig.load();
    assert!(rig.compose());
    assert!(rig.batch.changes.contains(&Change::RaiseEpoch { store_epoch: 2 }));
    assert_eq!(rig.answers(), [Busy(5)]);
    rig.settle();
    assert_eq!(rig.answers(), [Accepted(4)]);
    rig.post(SEAT, post(5, 4, "a"));
    rig.settle();
    assert_eq!(rig.answers(), [Accepted(5)]);
}

#[test]
fn crash_skips_an_epoch_that_was_only_made_ready() {
    for in_flight in [InFlight::Lost, InFlight::Kept] {
        let mut rig = Rig::new(limits(4));
        for n in 1..=3 {
            rig.post(SEAT, post(n, 0, "a"));
            rig.settle();
        }
        let mut rig = rig.crash(in_flight);
        rig.post(SEAT, post(4, 3, "a"));
        rig.settle();
        assert_eq!(seqs(&mut rig).last(), Some(&Seq::new(3, 1)), "2 was ready, 3 was opened");
    }
}
