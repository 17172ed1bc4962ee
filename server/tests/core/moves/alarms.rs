//! What must not happen to a slot, made to happen: who notices raises an alarm, and nothing that is
//! right is deleted or given up for it.

use server::core::Alarm;
use server::core::log::AlarmCause;
use storage::{InFlight, MemDisk, SlotRecord, Tenure};
use wire::field::List;
use wire::message::MovedRow;
use wire::{Opaque, ServerId, ToPeer};

use super::Story;
use crate::client::Client;
use crate::world::slots::Alter;

/// Alters the rows of the first attempt to move a slot, by the number of their frame from 0 on.
fn alter_rows(mut alter: impl FnMut(usize, Vec<MovedRow>) -> Vec<MovedRow> + 'static) -> Alter {
    let (mut first, mut frames) = (None, 0);
    Box::new(move |message| match message {
        ToPeer::MoveRows(mut message)
            if *first.get_or_insert(message.attempt) == message.attempt =>
        {
            let rows = alter(frames, message.rows.into_items());
            message.rows = List::new(rows).expect("not more than before");
            frames += 1;
            ToPeer::MoveRows(message)
        }
        message => message,
    })
}

/// One letter of the first text among these rows is another.
fn misspell(rows: &mut [MovedRow]) {
    const TEXT: &[u8] = b"text ";
    for value in rows.iter_mut().filter_map(|row| row.value.as_mut()) {
        let mut bytes = value.bytes().to_vec();
        if let Some(at) = bytes.windows(TEXT.len()).position(|window| window == TEXT) {
            bytes[at] = b'T';
            *value = Opaque::new(bytes.into()).expect("as long as before");
            return;
        }
    }
    panic!("a text is among the rows");
}

/// The stores differ once: the slot stays, serves and loses nothing, and moves later.
fn stays_and_moves_later(mut story: Story, alter: Alter) {
    story.world.alter = Some(alter);
    story.world.move_to(&[story.log], 2);
    story.run(30);
    assert_eq!(story.world.take_alarms(1), [Alarm::SlotsDiffer { to: ServerId(2) }]);
    assert_eq!(story.world.slot_record(1, &story.log), SlotRecord::default());
    let metrics = story.world.metrics(ServerId(1));
    assert_eq!((metrics.moves_ended, metrics.slots_given), (1, 0));
    assert_eq!(story.world.metrics(ServerId(2)).slots_taken, 0);
    let settled = story.writer.settled;
    story.run(10);
    assert!(story.writer.settled > settled, "it is served where it was");
    story.end(2, 1);
}

#[test]
fn a_copy_of_which_one_letter_is_another_is_not_taken() {
    let story = Story::begin();
    let alter = |frame, mut rows: Vec<MovedRow>| {
        if frame == 0 {
            misspell(&mut rows);
        }
        rows
    };
    stays_and_moves_later(story, alter_rows(alter));
}

#[test]
fn a_copy_that_misses_what_was_written_meanwhile_is_not_taken() {
    let mut story = Story::begin();
    story.slow_down(&[1, 2], 1, 1);
    let alter = |frame, rows| if frame == 0 { rows } else { Vec::new() };
    stays_and_moves_later(story, alter_rows(alter));
}

#[test]
fn a_slot_whose_copies_always_differ_stays() {
    let mut story = Story::begin();
    story.world.alter = Some(Box::new(|message| match message {
        ToPeer::MoveSummed(mut message) => {
            message.sum[31] ^= 1;
            ToPeer::MoveSummed(message)
        }
        message => message,
    }));
    story.world.move_to(&[story.log], 2);
    story.finish();
    let alarms = story.world.take_alarms(1);
    assert!(alarms.len() > 1, "it was tried again");
    assert!(alarms.iter().all(|alarm| *alarm == Alarm::SlotsDiffer { to: ServerId(2) }));
    // The operator gives it up.
    story.world.move_to(&[story.log], 1);
    story.end(1, 0);
}

/// A server loses its store and is given that of an image.
fn put_back(story: &mut Story, server: u16, image: &MemDisk) {
    story.world.kill(server, InFlight::Lost);
    story.world.put_back(server, image);
    story.world.start(ServerId(server));
    story.run(100);
}

#[test]
fn a_store_of_before_it_took_a_slot_misses_it_until_a_newer_one_is_put_back() {
    let mut story = Story::begin();
    let before = story.world.image(2);
    story.world.move_to(&[story.log], 2);
    story.run(10);
    let after = story.world.image(2);
    let sent = story.writer.sent;
    put_back(&mut story, 2, &before);
    let mut alarms = story.world.take_alarms(2);
    // Who writes is still led there.
    let is_absent =
        |alarm: &Alarm| matches!(alarm, Alarm::Log(alarm) if alarm.cause == AlarmCause::NoSuchLog);
    alarms.retain(|alarm| !is_absent(alarm));
    assert_eq!(alarms, [Alarm::SlotMissing { from: ServerId(1) }]);
    assert!(story.writer.sent > sent && story.writer.settled <= sent, "nobody serves it");
    let moved = Tenure::Moved { to: ServerId(2), epoch: 1, is_clear: true };
    assert_eq!(story.world.slot_record(1, &story.log).tenure, Some(moved));
    assert_eq!(story.world.slot_record(2, &story.log), SlotRecord::default());
    put_back(&mut story, 2, &after);
    story.end(2, 1);
}

#[test]
fn a_store_of_before_it_gave_a_slot_does_not_serve_it() {
    let mut story = Story::begin();
    let before = story.world.image(1);
    let held = story.world.slot_digest(1, &story.log);
    story.world.move_to(&[story.log], 2);
    story.run(10);
    put_back(&mut story, 1, &before);
    assert_eq!(story.world.take_alarms(1), [Alarm::SlotTaken { from: ServerId(2) }]);
    story.finish();
    // Who sits at that server is led to the one that has it.
    let (alice, carol) = (story.reader.client.name, story.world.name_at(2, "carol"));
    let carol = Client::signed_up(&mut story.world, 1, carol);
    carol.open(&mut story.world, 1, alice).expect("opens");
    carol.post(&mut story.world, 1, 1, 0, "from elsewhere");
    carol.accepted(&mut story.world);
    assert!(story.world.slot_digest(2, &story.log).highest > held.highest);
    // Nothing is deleted: its operator may want it.
    assert_eq!(story.world.slot_digest(1, &story.log), held);
    assert_eq!(story.world.slot_record(1, &story.log), SlotRecord::default());
    for server in 1..=3 {
        assert_eq!(story.world.alarms(server), [], "{server}");
    }
}
