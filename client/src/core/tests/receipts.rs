//! Read receipts: said of what was shown and seen, while the mailbox is read; heard as a notice.

use std::time::Duration;

use wire::message::Receipt;
use wire::{Kind, LogHandle, LogId, Seq, ToServer};

use super::world::{Step, World, mailbox};
use crate::core::{Command, Notice, Reading, Request};

/// Up to where the user was said to have been shown the mailbox, in order.
fn shown(world: &World) -> Vec<u64> {
    let shown = world.sent.iter().filter_map(|message| match message {
        ToServer::Shown(shown) => {
            assert_eq!(shown.handle, LogHandle(0));
            Some(shown.upto.0)
        }
        _ => None,
    });
    shown.collect()
}

fn receipts(world: &World) -> Vec<(LogId, Seq)> {
    let receipts = world.notices.iter().filter_map(|notice| match notice {
        Notice::Receipt { log, upto } => Some((*log, *upto)),
        _ => None,
    });
    receipts.collect()
}

#[test]
fn what_was_shown_is_said_once_and_after_it_was_acknowledged() {
    let mut world = World::with_session();
    world.attach(Reading::All);
    let from = world.sent.len();
    let entry = world.entry("bob", 1, "hello");
    world.deliver(&entry);
    world.answer_questions(from, 0);
    assert_eq!((world.seen(), shown(&world)), (vec![1], vec![]), "receiving is not showing");
    world.command(Command::Shown(Seq(1)));
    world.command(Command::Shown(Seq(1)));
    world.work();
    assert_eq!(shown(&world), [1]);
    assert!(world.at(&Step::Sent(Kind::SEEN)) < world.at(&Step::Sent(Kind::SHOWN)));
}

#[test]
fn what_was_shown_without_a_connection_is_said_with_the_next_one() {
    let mut world = World::with_session();
    world.command(Command::Shown(Seq(5)));
    world.ask(Request::Attach(Reading::All));
    world.go_online();
    world.answer_questions(0, 0);
    world.work();
    assert_eq!(shown(&world), [5]);
    assert!(world.at(&Step::Sent(Kind::ATTACH)) < world.at(&Step::Sent(Kind::SHOWN)));
    world.cut();
    world.pass(Duration::from_secs(10));
    let from = world.sent.len();
    world.go_online();
    world.answer_questions(from, 0);
    world.work();
    assert_eq!(shown(&world), [5, 5], "it may have been lost");
}

#[test]
fn nothing_is_said_while_nothing_is_read_or_only_peeked_at() {
    let mut world = World::with_session();
    world.ask(Request::Outbox);
    world.go_online();
    world.command(Command::Shown(Seq(5)));
    world.work();
    world.attach(Reading::Peek);
    world.command(Command::Shown(Seq(6)));
    world.work();
    assert!(shown(&world).is_empty());
}

#[test]
fn a_receipt_is_told_with_the_mailbox_that_it_is_of() {
    let mut world = World::with_session();
    world.draft("bob", "hello");
    let from = world.sent.len();
    world.go_online();
    world.answer_questions(from, 0);
    world.server(Receipt { handle: LogHandle(9), upto: Seq(7) });
    assert_eq!(receipts(&world), [], "no log is open under that handle");
    world.server(Receipt { handle: LogHandle(1), upto: Seq(7) });
    assert_eq!(receipts(&world), [(mailbox("bob"), Seq(7))]);
}
