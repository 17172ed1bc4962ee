//! Read receipts: from the reader's client over its seat and its home to the poster's client.

use server::core::Level;
use wire::message::{Receipt, Shown};
use wire::{FaultCode, Kind, LogHandle, Seq, ToClient};

use crate::client::{Client, MINE};
use crate::world::World;

/// What alice calls bob's mailbox.
const HIS: LogHandle = LogHandle(1);

/// Alice (home 1) at one seat and bob (home 2) at another, who has answered her and reads.
fn pair(world: &mut World, alice_seat: u16, bob_seat: u16) -> (Client, Client) {
    let (alice, bob) = (world.name_at(1, "alice"), world.name_at(2, "bob"));
    let alice = Client::signed_up(world, alice_seat, alice);
    let bob = Client::signed_up(world, bob_seat, bob);
    bob.answer(world, alice.name);
    bob.attach(world, Seq(0));
    bob.heard(world);
    alice.open(world, HIS.0, bob.name).expect("opens");
    (alice, bob)
}

/// Alice posts, and bob holds it; its seq.
fn posted(world: &mut World, (alice, bob): (&Client, &Client), number: u64) -> Seq {
    alice.post(world, HIS.0, number, number - 1, "text");
    let seq = bob.delivered(world).entry.seq;
    bob.seen(world, seq);
    assert_eq!(alice.accepted(world).seq, seq);
    seq
}

fn show(world: &mut World, bob: &Client, upto: Seq) {
    bob.say(world, Shown { handle: MINE, upto });
}

fn receipts(world: &mut World, alice: &Client) -> Vec<Receipt> {
    let heard = alice.heard(world).into_iter().map(|message| match message {
        ToClient::Receipt(receipt) => receipt,
        other => panic!("a receipt, not {other:?}"),
    });
    heard.collect()
}

#[test]
fn a_receipt_reaches_the_poster_wherever_both_sit() {
    for (alice_seat, bob_seat) in [(1, 2), (2, 1), (3, 3), (1, 1), (2, 2)] {
        let mut world = World::new(3);
        let (alice, bob) = pair(&mut world, alice_seat, bob_seat);
        let first = posted(&mut world, (&alice, &bob), 1);
        let second = posted(&mut world, (&alice, &bob), 2);
        assert!(receipts(&mut world, &alice).is_empty(), "holding is not showing");
        show(&mut world, &bob, first);
        assert_eq!(receipts(&mut world, &alice), [Receipt { handle: HIS, upto: first }]);
        show(&mut world, &bob, first);
        assert!(receipts(&mut world, &alice).is_empty());
        show(&mut world, &bob, Seq::MAX);
        let clamped = Receipt { handle: HIS, upto: second };
        assert_eq!(receipts(&mut world, &alice), [clamped]);
        let third = posted(&mut world, (&alice, &bob), 3);
        assert!(receipts(&mut world, &alice).is_empty(), "it was not sent yet when that was said");
        show(&mut world, &bob, third);
        assert_eq!(receipts(&mut world, &alice), [Receipt { handle: HIS, upto: third }]);
        assert!(bob.hear(&mut world).is_none());
    }
}

#[test]
fn a_client_that_does_not_keep_up_or_has_closed_the_log_is_not_told() {
    let mut world = World::new(2);
    let (alice, bob) = pair(&mut world, 1, 2);
    let seq = posted(&mut world, (&alice, &bob), 1);
    world.press(alice.conn, Level::High);
    show(&mut world, &bob, seq);
    world.press(alice.conn, Level::Low);
    assert!(receipts(&mut world, &alice).is_empty(), "nor later");
    let seq = posted(&mut world, (&alice, &bob), 2);
    alice.say(&mut world, wire::message::CloseLog { handle: HIS });
    show(&mut world, &bob, seq);
    assert!(receipts(&mut world, &alice).is_empty());
}

#[test]
fn only_who_reads_its_mailbox_says_what_was_shown() {
    let mut world = World::new(2);
    let (alice, bob) = pair(&mut world, 1, 2);
    let seq = posted(&mut world, (&alice, &bob), 1);
    let about = |handle, code| (Kind::SHOWN.0, handle, code);
    for (handle, code) in [(HIS.0, FaultCode::NOT_A_READER), (7, FaultCode::BAD_HANDLE)] {
        alice.say(&mut world, Shown { handle: LogHandle(handle), upto: seq });
        let fault = alice.fault(&mut world);
        assert_eq!((fault.about, fault.reference, fault.code), about(handle, code));
    }
    assert!(alice.hear(&mut world).is_none());
}
