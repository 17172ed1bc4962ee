//! What poisons an engine, and what it never does afterwards.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use storage::{Answer, Batch, Change, Completion, Op, Read, SlotRow, StorageError, Ticket};
use wire::Slot;
use wire::limits::GROUPS_MAX;

use crate::accounts::{bundle, create};
use crate::blobs::{blob, chunk};
use crate::engine::{Engine, append, mailbox, name, truncate};
use crate::groups::statement;

/// Commits `batches`; all but the last are sound.
fn breaks<E: Engine>(engine: &mut E, mut batches: Vec<Vec<Change>>) {
    let last = batches.pop().expect("there is a batch");
    batches.into_iter().for_each(|batch| engine.commit(batch));
    match engine.try_commit(last) {
        Completion::Poisoned { cause: StorageError::RuleBroken(_) } => {}
        other => panic!("{other:?}"),
    }
}

pub(crate) fn accounts_are_created_once<E: Engine>() {
    let (mut engine, _) = E::fresh();
    breaks(&mut engine, vec![vec![create("al", 1)], vec![create("al", 1)]]);
    let (mut engine, _) = E::fresh();
    breaks(&mut engine, vec![vec![create("al", 1), create("al", 2)]]);
}

pub(crate) fn epochs_follow_each_other<E: Engine>() {
    for store_epoch in [0, 1] {
        let (mut engine, _) = E::fresh();
        breaks(&mut engine, vec![vec![Change::RaiseEpoch { store_epoch }]]);
    }
}

pub(crate) fn bundles_are_added_once<E: Engine>() {
    let (mut engine, _) = E::fresh();
    breaks(&mut engine, vec![vec![bundle("al", 1)], vec![bundle("al", 2), bundle("al", 1)]]);
    let (mut engine, _) = E::fresh();
    breaks(&mut engine, vec![vec![bundle("al", 1), bundle("al", 1)]]);
}

pub(crate) fn statements_are_added_once<E: Engine>() {
    let (mut engine, _) = E::fresh();
    let batches = vec![vec![statement("al", 1)], vec![statement("al", 2), statement("al", 1)]];
    breaks(&mut engine, batches);
    let (mut engine, _) = E::fresh();
    breaks(&mut engine, vec![vec![statement("al", 1), statement("al", 1)]]);
}

pub(crate) fn chunks_are_counted<E: Engine>() {
    let uncounted = [
        vec![chunk("al", 1, 0)],
        vec![blob("al", 1, 0, 1), chunk("al", 1, 0)],
        vec![chunk("al", 1, 1), blob("al", 1, 1, 2)],
        vec![chunk("al", 1, 0), blob("al", 2, 1, 2)],
        vec![chunk("al", 1, 0), blob("bob", 1, 1, 2)],
    ];
    for batch in uncounted {
        let (mut engine, _) = E::fresh();
        breaks(&mut engine, vec![vec![blob("al", 1, 0, 0)], batch]);
    }
}

pub(crate) fn notes_are_bounded<E: Engine>() {
    let note = |n| Change::PutNote { account: name("al"), group: name(&format!("g{n}")) };
    let (mut engine, _) = E::fresh();
    let full: Vec<_> = (0..GROUPS_MAX).map(note).collect();
    breaks(&mut engine, vec![full, vec![note(7)], vec![note(GROUPS_MAX)]]);
}

pub(crate) fn entries_rise_within_a_batch<E: Engine>() {
    let log = mailbox("bob");
    for seq in [4, 5] {
        let (mut engine, _) = E::fresh();
        breaks(&mut engine, vec![vec![append(log, 5), append(log, seq)]]);
    }
}

pub(crate) fn entries_rise_from_batch_to_batch<E: Engine>() {
    let log = mailbox("bob");
    for seq in [4, 5] {
        let (mut engine, _) = E::fresh();
        let first = vec![append(log, 5), append(mailbox("al"), 9)];
        let truncated = vec![truncate(log, 5)];
        breaks(&mut engine, vec![first, truncated, vec![append(log, seq)]]);
    }
}

pub(crate) fn entries_rise_after_a_restart<E: Engine>() {
    let log = mailbox("bob");
    for seq in [4, 5] {
        let (mut engine, _) = E::fresh();
        engine.commit(vec![append(log, 5)]);
        let (mut engine, _) = engine.reopened();
        breaks(&mut engine, vec![vec![append(log, seq)]]);
    }
}

pub(crate) fn broken_batch_leaves_nothing<E: Engine>() {
    let (mut engine, _) = E::fresh();
    let log = mailbox("bob");
    engine.commit(vec![append(log, 1)]);
    breaks(&mut engine, vec![vec![append(log, 2), truncate(log, 1), append(log, 2)]]);
    let (mut engine, _) = engine.reopened();
    assert_eq!(engine.entries(log), vec![(1, 1)]);
}

pub(crate) fn poison_is_the_last_word<E: Engine>() {
    let (mut engine, _) = E::fresh();
    breaks(&mut engine, vec![vec![create("al", 1), create("al", 1)]]);
    let (batch, name) = (Batch::of(vec![create("bob", 1)]), name("bob"));
    let ticket = engine.ticket();
    engine.storage().submit(Op::Commit { ticket, batch });
    let ticket = engine.ticket();
    engine.storage().submit(Op::Read { ticket, read: Read::Account { name } });
    engine.settle();
    assert_eq!(engine.storage().poll(), None);
    let (mut engine, _) = engine.reopened();
    assert_eq!(engine.storage().poll(), None);
    assert_eq!(engine.read(Read::Account { name }), Answer::Account(None, None));
}

pub(crate) fn rows_belong_to_their_slot<E: Engine>() {
    let (mut engine, _) = E::fresh();
    let row = SlotRow::new(12, Bytes::from_static(b"\x02al"), None).expect("a note's key");
    let slot = Slot::of(&mailbox("al"));
    engine.commit(vec![Change::PutSlotRows { slot, rows: vec![row.clone()] }]);
    let slot = Slot::of(&mailbox("bob"));
    breaks(&mut engine, vec![vec![Change::PutSlotRows { slot, rows: vec![row] }]]);
}

pub(crate) fn tickets_rise<E: Engine>() {
    let (mut engine, _) = E::fresh();
    let read = || Read::Account { name: name("al") };
    engine.read(read());
    let op = Op::Read { ticket: Ticket(1), read: read() };
    catch_unwind(AssertUnwindSafe(|| engine.storage().submit(op))).expect_err("1 was used");
}

pub(crate) fn one_commit_is_in_flight<E: Engine>() {
    let (mut engine, _) = E::fresh();
    let mut submit = |ticket| {
        let (ticket, batch) = (Ticket(ticket), Batch::default());
        engine.storage().submit(Op::Commit { ticket, batch });
    };
    submit(1);
    catch_unwind(AssertUnwindSafe(|| submit(2))).expect_err("1 was not polled");
}
