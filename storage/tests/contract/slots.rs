//! Slots: read in pages, followed while they change, put into another store, deleted.

use bytes::Bytes;
use storage::{
    Answer, Batch, Change, Completion, Copying, CursorRecord, Op, Read, RowRecord, SessionRecord,
    SlotDigest, SlotPlace, SlotRecord, SlotRow, Tenure,
};
use wire::{LogId, Name, Number, Origin, Seq, ServerId, SessionEpoch, Slot};

use crate::accounts::{bundle, create};
use crate::blobs::{blob, chunk, drop_blob};
use crate::engine::{Engine, append, mailbox, name, truncate};
use crate::groups::{announce, drop_grants, grant, group, statement};

const ORIGIN: Origin = Origin([3; 16]);

/// Two accounts and a group of one slot, and an account and a group of others.
struct Tenants {
    slot: Slot,
    accounts: [Name; 2],
    group: Name,
    others: [Name; 2],
}

fn tenants() -> Tenants {
    let slot = Slot::of(&mailbox("al"));
    let names = |log: fn(Name) -> LogId| {
        let names = (0..).map(|n| name(&format!("u{n}")));
        names.filter(move |name| Slot::of(&log(*name)) == slot)
    };
    let account = names(LogId::mailbox).next().expect("names are many");
    let group = names(LogId::group).next().expect("names are many");
    Tenants { slot, accounts: [name("al"), account], group, others: [name("bob"), name("rust")] }
}

impl Tenants {
    fn logs(&self) -> [LogId; 3] {
        let [first, second] = self.accounts.map(LogId::mailbox);
        [first, second, LogId::group(self.group)]
    }
}

fn session(name: Name, epoch: u64) -> Change {
    let (origin, epoch) = (ORIGIN, SessionEpoch(epoch));
    let session = SessionRecord { epoch, origin, ..SessionRecord::default() };
    Change::PutSession { name, session }
}

fn cursor(log: LogId, seq: u64) -> Change {
    let cursor = CursorRecord { cursor: Seq(seq), ..CursorRecord::default() };
    Change::PutCursor { log, reader: name("al"), cursor }
}

fn row(log: LogId, last: u64) -> Change {
    let last = Number::new(last).expect("small");
    let seen = vec![(7, Seq(last.value()))];
    let settled = Number::new(last.value() - 1).expect("small");
    let row = RowRecord { settled, last, seen, ..RowRecord::default() };
    Change::PutRow { log, sender: name("carol"), origin: ORIGIN, row }
}

/// Something in every family.
fn furnish<E: Engine>(engine: &mut E, tenants: &Tenants) {
    for account in tenants.accounts.iter().chain(&tenants.others[..1]) {
        let text = account.as_str();
        let made = [create(text, 1), bundle(text, 1), session(*account, 1)];
        let noted = [Change::PutNote { account: *account, group: name("rust") }];
        engine.commit([&made[..], &noted].concat());
        for index in 0..5 {
            engine.commit(vec![chunk(text, 9, index), blob(text, 9, index + 1, 4)]);
        }
        let log = LogId::mailbox(*account);
        engine.commit(vec![Change::PutAnswered { log, people: vec![name("bob")] }]);
        furnish_log(engine, log);
    }
    for each in [tenants.group, tenants.others[1]] {
        let put = Change::PutGroup { group: each, record: group(3) };
        engine.commit(vec![put, statement(each.as_str(), 1), statement(each.as_str(), 2)]);
        furnish_log(engine, LogId::group(each));
    }
}

fn furnish_log<E: Engine>(engine: &mut E, log: LogId) {
    let bundles = vec![Bytes::from_static(b"bundle")];
    let grants = [announce(log, 1, 0, "key"), grant(log, 1, "bob", 0)];
    let counted = Change::PutGrantsLen { log, sender: name("al"), len: 5 };
    engine.commit([&grants[..], &[counted]].concat());
    let copied = Change::PutKeyLog { log, account: name("al"), bundles };
    engine.commit(vec![copied, cursor(log, 2), row(log, 2)]);
    engine.commit((1..=20).map(|seq| append(log, seq)).collect());
}

/// All rows of a slot, by pages of so many bytes.
fn rows<E: Engine>(engine: &mut E, slot: Slot, len_max: usize) -> Vec<SlotRow> {
    let (mut found, mut after) = (Vec::new(), None::<SlotPlace>);
    loop {
        let Answer::Slot { rows, next } = engine.read(Read::Slot { slot, after, len_max }) else {
            panic!("a page was asked for");
        };
        let len: usize = rows.iter().map(SlotRow::cost).sum();
        assert!(len <= len_max || rows.len() == 1, "{} rows, {len} bytes", rows.len());
        found.extend(rows);
        match next {
            Some(next) => after = Some(next),
            None => return found,
        }
    }
}

fn digest<E: Engine>(engine: &mut E, slot: Slot) -> SlotDigest {
    let (mut sum, mut after) = (SlotDigest::default(), None);
    loop {
        let Answer::SlotDigest { digest, next } = engine.read(Read::SlotDigest { slot, after })
        else {
            panic!("a digest was asked for");
        };
        sum.add(&digest);
        match next {
            Some(next) => after = Some(next),
            None => return sum,
        }
    }
}

fn put<E: Engine>(engine: &mut E, slot: Slot, rows: Vec<SlotRow>) {
    engine.commit(vec![Change::PutSlotRows { slot, rows }]);
}

/// Commits `changes` and gives what they wrote of a slot.
fn watched<E: Engine>(engine: &mut E, slot: Slot, changes: Vec<Change>) -> Vec<SlotRow> {
    let (ticket, watched) = (engine.ticket(), vec![slot]);
    engine.storage().submit(Op::Commit { ticket, batch: Batch { changes, watched } });
    match engine.next() {
        Completion::Committed { writes, .. } => writes,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn a_slot_is_read_in_pages_of_any_size<E: Engine>() {
    let (mut engine, _) = E::fresh();
    let tenants = tenants();
    furnish(&mut engine, &tenants);
    let (mut engine, _) = engine.reopened();
    let whole = rows(&mut engine, tenants.slot, usize::MAX);
    // Two accounts with 11 rows, a group with 23, and 26 of each log.
    assert_eq!(whole.len(), 2 * 11 + 23 + 3 * 26);
    assert!(whole.iter().all(|row| row.slot() == tenants.slot));
    for len_max in [1, 100, 10_000, 200_000] {
        assert_eq!(rows(&mut engine, tenants.slot, len_max), whole, "pages of {len_max}");
    }
    let none = Slot::of(&mailbox("nobody-here"));
    assert_eq!(rows(&mut engine, none, 1000), []);
}

pub(crate) fn a_slot_is_the_same_in_another_store<E: Engine>() {
    let ((mut from, _), (mut to, _)) = (E::fresh(), E::fresh());
    let tenants = tenants();
    furnish(&mut from, &tenants);
    furnish_log(&mut to, LogId::group(name("other")));
    let whole = rows(&mut from, tenants.slot, usize::MAX);
    for page in whole.chunks(7) {
        put(&mut to, tenants.slot, page.to_vec());
        put(&mut to, tenants.slot, page.to_vec());
    }
    let (mut to, _) = to.reopened();
    assert_eq!(rows(&mut to, tenants.slot, 1000), whole);
    let expected = digest(&mut from, tenants.slot);
    assert_eq!(digest(&mut to, tenants.slot), expected);
    assert_eq!(expected.highest, Seq(20));
    for log in tenants.logs() {
        assert_eq!(to.entries(log), from.entries(log));
        to.commit(vec![truncate(log, 20), append(log, 21)]);
        assert_eq!(to.entries(log), [(21, 21)], "what came twice is deleted once");
    }
    assert_ne!(digest(&mut to, tenants.slot), expected);
    let (mut to, _) = to.reopened();
    for log in tenants.logs() {
        assert_eq!(to.entries(log), [(21, 21)]);
    }
}

pub(crate) fn what_changes_meanwhile_follows<E: Engine>() {
    let ((mut from, _), (mut to, _)) = (E::fresh(), E::fresh());
    let tenants = tenants();
    furnish(&mut from, &tenants);
    let slot = tenants.slot;
    put(&mut to, slot, rows(&mut from, slot, usize::MAX));
    let [first, second, club] = tenants.logs();
    let text = first.name.as_str();
    let other = LogId::group(tenants.others[1]);
    let rounds = vec![
        vec![append(first, 21), append(club, 22), append(other, 23), truncate(first, 21)],
        vec![truncate(club, 10), truncate(other, 10), cursor(club, 22), row(second, 3)],
        vec![drop_blob(text, 9), session(first.name, 2), bundle(text, 2), session(name("x"), 1)],
        vec![drop_grants(club, 0, 9), announce(club, 2, 0, "key"), grant(club, 2, "bob", 0)],
        vec![Change::DropCursor { log: second, reader: name("al") }],
        vec![Change::DropNote { account: first.name, group: name("rust") }],
        vec![append(other, 30)],
    ];
    for changes in rounds {
        let written = watched(&mut from, slot, changes);
        assert!(written.iter().all(|row| row.slot() == slot));
        put(&mut to, slot, written);
        assert_eq!(digest(&mut to, slot), digest(&mut from, slot));
    }
    assert_eq!(watched(&mut from, slot, vec![append(other, 31)]), []);
    assert_eq!(rows(&mut to, slot, 5000), rows(&mut from, slot, 5000));
}

pub(crate) fn a_slot_is_deleted_in_steps<E: Engine>() {
    let (mut engine, _) = E::fresh();
    let tenants = tenants();
    furnish(&mut engine, &tenants);
    let slot = tenants.slot;
    let whole = rows(&mut engine, slot, usize::MAX);
    for page in whole.rchunks(50) {
        put(&mut engine, slot, page.iter().cloned().map(SlotRow::deleted).collect());
    }
    let (mut engine, _) = engine.reopened();
    assert_eq!(rows(&mut engine, slot, usize::MAX), []);
    assert_eq!(digest(&mut engine, slot), SlotDigest::default());
    let [other, club] = [LogId::mailbox(tenants.others[0]), LogId::group(tenants.others[1])];
    assert_eq!(engine.entries(other).len(), 20);
    assert_eq!(engine.entries(club).len(), 20);
    // It comes back, with seqs as they were.
    put(&mut engine, slot, whole.clone());
    assert_eq!(rows(&mut engine, slot, usize::MAX), whole);
    let log = tenants.logs()[2];
    engine.commit(vec![truncate(log, 19), append(log, 40)]);
    assert_eq!(engine.entries(log), [(20, 20), (40, 40)]);
}

pub(crate) fn what_comes_back_is_deleted_again<E: Engine>() {
    let (mut engine, _) = E::fresh();
    let tenants = tenants();
    let (slot, log) = (tenants.slot, tenants.logs()[0]);
    engine.commit(vec![create(log.name.as_str(), 1), session(log.name, 1)]);
    engine.commit((1..=9).map(|seq| append(log, seq)).collect());
    engine.commit(vec![truncate(log, 5), announce(log, 3, 0, "key"), drop_grants(log, 0, 3)]);
    let kept = rows(&mut engine, slot, usize::MAX);
    put(&mut engine, slot, kept.iter().cloned().map(SlotRow::deleted).collect());
    put(&mut engine, slot, kept);
    let again = watched(&mut engine, slot, vec![announce(log, 2, 0, "key")]);
    put(&mut engine, slot, again.iter().cloned().map(SlotRow::deleted).collect());
    put(&mut engine, slot, again);
    assert_eq!(engine.entries(log).len(), 4);
    engine.commit(vec![truncate(log, 9), drop_grants(log, 0, 3)]);
    assert_eq!(engine.entries(log), []);
    assert_eq!(rows(&mut engine, slot, usize::MAX).len(), 2, "an account and its session");
}

pub(crate) fn entries_come_and_go_within_a_batch<E: Engine>() {
    let (mut engine, _) = E::fresh();
    let (slot, log) = (tenants().slot, mailbox("al"));
    let written = watched(&mut engine, slot, vec![session(name("al"), 1), append(log, 5)]);
    let gone = written.iter().cloned().map(SlotRow::deleted);
    let all: Vec<SlotRow> = written.iter().cloned().chain(gone).chain(written.clone()).collect();
    put(&mut engine, slot, all.clone());
    assert_eq!(engine.entries(log), [(5, 5)]);
    put(&mut engine, slot, all.iter().cloned().map(SlotRow::deleted).collect());
    assert_eq!(engine.reopened().0.entries(log), []);
}

pub(crate) fn what_is_known_of_slots_stays<E: Engine>() {
    let (mut engine, _) = E::fresh();
    let slot = |index| Slot::new(index).expect("below 4,096");
    let (to, from) = (ServerId(2), ServerId(3));
    let held = SlotRecord { tenure: Some(Tenure::Held { epoch: 4 }), copy: None };
    let copy = Some(Copying { from, epoch: 9 });
    let moved = SlotRecord { tenure: Some(Tenure::Moved { to, epoch: 8, is_clear: false }), copy };
    let put = |index, record| Change::PutSlot { slot: slot(index), record };
    engine.commit(vec![put(7, held), put(4095, SlotRecord::default()), put(0, moved)]);
    engine.commit(vec![put(7, moved), put(0, held)]);
    let (engine, _) = engine.reopened();
    let expected = [(slot(0), held), (slot(7), moved), (slot(4095), SlotRecord::default())];
    assert_eq!(engine.slots(), expected);
}

pub(crate) fn epochs_may_be_skipped<E: Engine>() {
    let (mut engine, opened) = E::fresh();
    let store_epoch = opened.store_epoch + 100;
    engine.commit(vec![Change::RaiseEpoch { store_epoch }]);
    assert_eq!(engine.reopened().1.store_epoch, store_epoch + 1);
}

/// What a peer sends is a row only if a store could have written it.
pub(crate) fn rows_are_sound<E: Engine>() {
    let (mut engine, _) = E::fresh();
    let tenants = tenants();
    let changes = vec![session(tenants.accounts[0], 1), append(tenants.logs()[0], 5)];
    let written = watched(&mut engine, tenants.slot, changes);
    for row in &written {
        let (family, key, value) = (row.family(), row.key().clone(), row.value().cloned());
        assert_eq!(SlotRow::new(family, key.clone(), value.clone()), Ok(row.clone()));
        SlotRow::new(17, key.clone(), value.clone()).expect_err("there is no such family");
        let value = value.expect("it was put");
        for len in 0..value.len() {
            let cut = Some(value.slice(..len));
            SlotRow::new(family, key.clone(), cut).expect_err("a value that is cut");
        }
        for len in 0..key.len() {
            let cut = key.slice(..len);
            SlotRow::new(family, cut, None).expect_err("a key that is cut");
        }
        let mut long = key.to_vec();
        long.push(0);
        SlotRow::new(family, long.into(), None).expect_err("a key that is longer");
    }
}
