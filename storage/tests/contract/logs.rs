//! Logs: entries, rows, cursors.

use storage::{
    Answer, Change, CursorRecord, GrantedSession, GrantedState, IndexEntry, Read, RowRecord,
};
use wire::{LogId, MessageSession, Number, Origin, Seq, SessionEpoch, Wall};

use crate::engine::{Engine, append, entry, mailbox, name, truncate};

pub(crate) fn ranges_hold_what_fits<E: Engine>() {
    let (mut engine, _) = E::fresh();
    let log = mailbox("bob");
    let sized = |(seq, len)| Change::Append { log, entry: entry(seq, len) };
    engine.commit([(1, 100), (2, 0), (5, 100), (9, 100)].map(sized).to_vec());
    let mut range = |after, entries_max, bytes_max| {
        let after = Seq(after);
        match engine.read(Read::Range { log, after, entries_max, bytes_max }) {
            Answer::Range { entries, upto, more } => {
                (entries.iter().map(|entry| entry.seq.0).collect::<Vec<_>>(), upto.0, more)
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(range(0, 10, 1000), (vec![1, 2, 5, 9], 9, false));
    assert_eq!(range(0, 2, 1000), (vec![1, 2], 2, true));
    assert_eq!(range(0, 10, 199), (vec![1, 2], 2, true));
    assert_eq!(range(0, 10, 200), (vec![1, 2, 5], 5, true));
    assert_eq!(range(0, 10, 1), (vec![1], 1, true), "one entry always fits");
    assert_eq!(range(2, 10, 1000), (vec![5, 9], 9, false));
    assert_eq!(range(3, 1, 1000), (vec![5], 5, true));
    assert_eq!(range(9, 10, 1000), (vec![], 9, false));
    assert_eq!(range(u64::MAX, 10, 1000), (vec![], u64::MAX, false));
    let read = Read::Range { log, after: Seq(4), entries_max: 1, bytes_max: 1000 };
    let (entries, upto, more) = (vec![entry(5, 100)], Seq(5), true);
    assert_eq!(engine.read(read), Answer::Range { entries, upto, more });
}

pub(crate) fn logs_do_not_touch_their_neighbours<E: Engine>() {
    let (mut engine, _) = E::fresh();
    let group = LogId::group(name("bob"));
    let logs = [mailbox("bo"), mailbox("bob"), mailbox("boba"), mailbox("boc"), group];
    engine.commit(logs.iter().map(|log| append(*log, 7)).collect());
    engine.commit(vec![append(mailbox("bob"), 8), truncate(mailbox("bob"), 7)]);
    for log in logs {
        let expected = if log == mailbox("bob") { (8, 8) } else { (7, 7) };
        assert_eq!(engine.entries(log), vec![expected], "{log}");
    }
}

fn session(number: u32, state: GrantedState) -> GrantedSession {
    GrantedSession {
        message_session: MessageSession(number),
        roster_version: 5,
        parts: 2,
        len: 700,
        since: Wall(9),
        state,
    }
}

pub(crate) fn rows_come_in_pages_in_the_order_of_their_keys<E: Engine>() {
    let (mut engine, _) = E::fresh();
    let logs = [mailbox("al"), mailbox("bob"), LogId::group(name("al"))];
    let mut rows = Vec::new();
    for log in logs {
        for (sender, origin) in [("al", 1), ("al", 0xff), ("bob", 0)] {
            let number = Number::new(u64::try_from(rows.len()).expect("few")).expect("small");
            let row = RowRecord { last: number, ..RowRecord::default() };
            rows.push((log, name(sender), Origin([origin; 16]), row));
        }
    }
    let puts = rows.iter().rev().cloned();
    let puts = puts.map(|(log, sender, origin, row)| Change::PutRow { log, sender, origin, row });
    engine.commit(puts.collect());
    let (mut engine, _) = engine.reopened();
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let Answer::RowsAfter(page) = engine.read(Read::RowsAfter { after, max: 4 }) else {
            panic!("rows were asked for");
        };
        after = page.last().map(|(log, sender, origin, _)| (*log, *sender, *origin));
        let is_last = page.len() < 4;
        found.extend(page);
        if is_last {
            break;
        }
    }
    assert_eq!(found, rows);
}

pub(crate) fn rows_and_cursors_outlive_entries<E: Engine>() {
    let (mut engine, _) = E::fresh();
    let (log, sender, origin) = (mailbox("bob"), name("alice"), Origin([3; 16]));
    let row = RowRecord {
        epoch: SessionEpoch(4),
        settled: Number::new(10).expect("small"),
        last: Number::new(12).expect("small"),
        seen: vec![(0xfeed, Seq(8)), (u64::MAX, Seq(9))],
        sessions: vec![
            session(1, GrantedState::Ended(Seq(8))),
            session(2, GrantedState::InUse(Seq(9))),
            session(7, GrantedState::Complete),
            session(u32::MAX, GrantedState::Partial),
        ],
    };
    let record =
        |cursor, missed| CursorRecord { cursor: Seq(cursor), missed, ..CursorRecord::default() };
    let cursor = |reader, at, missed| Change::PutCursor {
        log,
        reader: name(reader),
        cursor: record(at, missed),
    };
    let put = Change::PutRow { log, sender, origin, row: row.clone() };
    engine.commit(vec![append(log, 8), append(log, 9), put]);
    engine.commit(vec![cursor("bob", 8, 0), cursor("alice", 1, 0)]);
    engine.commit(vec![cursor("bob", 9, 5), truncate(log, 9), cursor("carol", 2, 0)]);
    let dropped = |reader| Change::DropCursor { log, reader: name(reader) };
    engine.commit(vec![dropped("carol"), dropped("nobody")]);
    let (mut engine, _) = engine.reopened();
    let read = |engine: &mut E, origin| engine.read(Read::Row { log, sender, origin });
    assert_eq!(read(&mut engine, origin), Answer::Row { row: Some(row), grants_len: 0 });
    assert_eq!(read(&mut engine, Origin([4; 16])), Answer::Row { row: None, grants_len: 0 });
    // By length, then by letters: as the keys are.
    let cursors = vec![(name("bob"), record(9, 5)), (name("alice"), record(1, 0))];
    assert_eq!(
        engine.read(Read::Log { log }),
        Answer::Log { cursors, index: vec![], answered: vec![] }
    );
}

pub(crate) fn truncation_deletes_up_to_its_seq<E: Engine>() {
    let (mut engine, _) = E::fresh();
    let log = mailbox("bob");
    engine.commit((1..=8).map(|seq| append(log, seq)).collect());
    engine.commit(vec![truncate(log, 2), truncate(log, 4), truncate(log, 3)]);
    assert_eq!(engine.entries(log), vec![(5, 5), (6, 6), (7, 7), (8, 8)]);
    let (mut engine, _) = engine.reopened();
    assert_eq!(engine.entries(log), vec![(5, 5), (6, 6), (7, 7), (8, 8)]);
    engine.commit(vec![truncate(log, 6)]);
    engine.commit(vec![truncate(log, 6)]);
    assert_eq!(engine.entries(log), vec![(7, 7), (8, 8)]);
    engine.commit(vec![truncate(log, u64::MAX)]);
    let (mut engine, _) = engine.reopened();
    assert_eq!(engine.entries(log), vec![]);
}

pub(crate) fn truncation_reaches_into_its_own_batch<E: Engine>() {
    let (mut engine, _) = E::fresh();
    let log = mailbox("bob");
    engine.commit(vec![append(log, 1), append(log, 2)]);
    let changes = [append(log, 3), append(log, 4), truncate(log, 3), append(log, 5)];
    engine.commit(changes.to_vec());
    assert_eq!(engine.entries(log), vec![(4, 4), (5, 5)]);
    engine.commit(vec![append(log, 6), truncate(log, 4), append(log, 7), truncate(log, 6)]);
    let (mut engine, _) = engine.reopened();
    assert_eq!(engine.entries(log), vec![(7, 7)]);
}

pub(crate) fn index_tells_sender_length_and_time<E: Engine>() {
    for log in [LogId::mailbox(name("rust")), LogId::group(name("rust"))] {
        let (mut engine, _) = E::fresh();
        let (seq, len) = (Seq::new(9, 3), 62 * 1024);
        let mut long = entry(seq.0 & 0xff, len);
        (long.seq, long.sender) = (seq, name("a-name-of-thirty-two-characters0"));
        long.at = Wall(u64::MAX);
        engine.commit(vec![append(log, 4), Change::Append { log, entry: long.clone() }]);
        let (mut engine, _) = engine.reopened();
        let len = u32::try_from(len).expect("short");
        let short = entry(4, 10);
        let index = vec![
            IndexEntry { seq: Seq(4), sender: name("alice"), len: 10, at: short.at },
            IndexEntry { seq, sender: long.sender, len, at: long.at },
        ];
        let (cursors, answered) = (vec![], vec![]);
        assert_eq!(engine.read(Read::Log { log }), Answer::Log { cursors, index, answered });
    }
}

pub(crate) fn whom_a_mailbox_has_answered_is_replaced_as_a_whole<E: Engine>() {
    let (mut engine, _) = E::fresh();
    let log = mailbox("bob");
    let put = |people: &[&str]| {
        let people = people.iter().map(|text| name(text)).collect();
        Change::PutAnswered { log, people }
    };
    engine.commit(vec![put(&["carol"])]);
    engine.commit(vec![put(&["carol", "alice"])]);
    let (mut engine, _) = engine.reopened();
    let of = |engine: &mut E, log| match engine.read(Read::Log { log }) {
        Answer::Log { answered, .. } => answered,
        other => panic!("a log was asked for, not {other:?}"),
    };
    assert_eq!(of(&mut engine, log), [name("carol"), name("alice")]);
    assert_eq!(of(&mut engine, mailbox("bo")), []);
}
