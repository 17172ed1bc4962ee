//! What the owner of a mailbox was shown is told to those who posted it, and kept nowhere.

use storage::InFlight;
use wire::message::{PeerAnswered, PeerPost, PeerReceipt, PeerShown};
use wire::{Seq, ServerId, SessionEpoch, ToPeer};

use super::{OTHER_SEAT, Rig, SEAT, alice, name, post};

/// Alice reads in epoch 5 and has answered bob, but not carol.
fn answered() -> Rig {
    let mut rig = Rig::standard();
    rig.attach(SEAT, "alice", 5, Seq(0));
    rig.load();
    let (log, epoch) = (alice(), SessionEpoch(5));
    let told = PeerAnswered { log, account: name("alice"), epoch, person: name("bob") };
    rig.logs.on_peer_answered(SEAT, told, &mut rig.out);
    rig.drain();
    rig.settle();
    rig.take();
    rig
}

/// Posts the next of bob's; its seq.
fn posted(rig: &mut Rig, from: ServerId, number: u64) -> Seq {
    rig.post(from, post(number, number - 1, "text"));
    rig.settle();
    rig.logs.logs.wake(0).head
}

/// What is told of what `epoch` was shown.
fn receipts(rig: &mut Rig, from: ServerId, epoch: u64, upto: Seq) -> Vec<(ServerId, PeerReceipt)> {
    rig.take();
    let (account, epoch) = (name("alice"), SessionEpoch(epoch));
    let shown = PeerShown { log: alice(), account, epoch, upto };
    rig.logs.on_shown(from, &shown, &mut rig.out);
    rig.drain();
    assert!(!rig.logs.has_changes() && rig.reads.is_empty(), "it costs no store anything");
    let receipts = rig.take().into_iter().map(|(to, message)| match message {
        ToPeer::PeerReceipt(receipt) => (to, receipt),
        other => panic!("a receipt, not {other:?}"),
    });
    receipts.collect()
}

fn uptos(receipts: &[(ServerId, PeerReceipt)]) -> Vec<(ServerId, Seq)> {
    receipts.iter().map(|(to, receipt)| (*to, receipt.upto)).collect()
}

#[test]
fn a_poster_hears_once_of_what_was_shown_and_seen_of_its_own() {
    let mut rig = answered();
    let (first, second) = (posted(&mut rig, OTHER_SEAT, 1), posted(&mut rig, OTHER_SEAT, 2));
    rig.post(SEAT, PeerPost { sender: name("carol"), ..post(1, 0, "text") });
    rig.settle();
    assert!(receipts(&mut rig, SEAT, 5, Seq::MAX).is_empty(), "what is not seen is not shown");
    let head = rig.logs.logs.wake(0).head;
    rig.seen(SEAT, 5, head);
    rig.settle();
    let told = receipts(&mut rig, SEAT, 5, first);
    assert_eq!(uptos(&told), [(OTHER_SEAT, first)]);
    assert_eq!((told[0].1.log, told[0].1.sender), (alice(), name("bob")));
    assert!(receipts(&mut rig, SEAT, 5, first).is_empty());
    let told = receipts(&mut rig, SEAT, 5, Seq::MAX);
    assert_eq!(uptos(&told), [(OTHER_SEAT, second)], "of its own, and nothing to a stranger");
}

#[test]
fn only_the_attached_session_says_what_was_shown() {
    let mut rig = answered();
    let seq = posted(&mut rig, OTHER_SEAT, 1);
    rig.seen(SEAT, 5, seq);
    rig.settle();
    assert!(receipts(&mut rig, SEAT, 4, seq).is_empty());
    assert!(receipts(&mut rig, OTHER_SEAT, 5, seq).is_empty());
    rig.detach(SEAT, 5);
    assert!(receipts(&mut rig, SEAT, 5, seq).is_empty());
    rig.attach(SEAT, "alice", 6, seq);
    rig.settle();
    assert_eq!(uptos(&receipts(&mut rig, SEAT, 6, seq)), [(OTHER_SEAT, seq)]);
}

#[test]
fn nothing_is_kept_for_who_cannot_be_told() {
    let mut rig = answered();
    let seq = posted(&mut rig, OTHER_SEAT, 1);
    rig.seen(SEAT, 5, seq);
    rig.settle();
    rig.logs.on_link_lost(OTHER_SEAT);
    assert!(receipts(&mut rig, SEAT, 5, seq).is_empty());
    let seq = posted(&mut rig, OTHER_SEAT, 2);
    rig.seen(SEAT, 5, seq);
    rig.settle();
    let mut rig = rig.crash(InFlight::Lost);
    assert!(receipts(&mut rig, SEAT, 5, seq).is_empty(), "nor is a log read for it");
    rig.attach(SEAT, "alice", 5, seq);
    rig.settle();
    assert!(receipts(&mut rig, SEAT, 5, seq).is_empty());
}

#[test]
fn of_many_entries_the_newest_are_remembered() {
    let mut rig = answered();
    let seqs: Vec<Seq> = (1..=70).map(|number| posted(&mut rig, OTHER_SEAT, number)).collect();
    rig.seen(SEAT, 5, seqs[69]);
    rig.settle();
    assert!(receipts(&mut rig, SEAT, 5, seqs[5]).is_empty());
    assert_eq!(uptos(&receipts(&mut rig, SEAT, 5, seqs[6])), [(OTHER_SEAT, seqs[6])]);
    assert_eq!(uptos(&receipts(&mut rig, SEAT, 5, seqs[69])), [(OTHER_SEAT, seqs[69])]);
}
