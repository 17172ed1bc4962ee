//! Groups, rosters, grants, notes.

use bytes::Bytes;
use storage::{Answer, Change, GroupRecord, Read, RowRecord, StoredGrant};
use wire::limits::STATEMENTS_MAX;
use wire::{LogId, MessageSession, Name, Origin, Wall};

use crate::engine::{Engine, mailbox, name};

const ORIGIN: Origin = Origin([0xff; 16]);

pub(crate) fn statement(group: &str, version: u32) -> Change {
    let statement = Bytes::from(version.to_be_bytes().to_vec());
    Change::AddStatement { group: name(group), version, statement }
}

pub(crate) fn group(mark: u8) -> GroupRecord {
    GroupRecord {
        roster: Bytes::from(vec![mark; 90_000]),
        password: Bytes::from(vec![mark; 192]),
        created: Wall(u64::from(mark)),
    }
}

pub(crate) fn groups_are_replaced<E: Engine>() {
    let (mut engine, _) = E::fresh();
    let read = |text| Read::Group { group: name(text) };
    let put = |text, mark| Change::PutGroup { group: name(text), record: group(mark) };
    assert_eq!(engine.read(read("rust")), Answer::Group(None));
    engine.commit(vec![put("rust", 1), put("rus", 2)]);
    engine.commit(vec![put("rust", 3)]);
    let (mut engine, _) = engine.reopened();
    assert_eq!(engine.read(read("rust")), Answer::Group(Some(group(3))));
    assert_eq!(engine.read(read("rus")), Answer::Group(Some(group(2))));
    assert_eq!(engine.read(read("ru")), Answer::Group(None));
}

pub(crate) fn statements_are_read_in_pages<E: Engine>() {
    let (mut engine, _) = E::fresh();
    let count = u32::try_from(STATEMENTS_MAX).expect("small") + 3;
    engine.commit((1..=count).map(|version| statement("rust", version)).collect());
    engine.commit(vec![statement("rus", 1), statement("rusu", 1)]);
    let (mut engine, _) = engine.reopened();
    let mut read = |after| match engine.read(Read::Statements { group: name("rust"), after }) {
        Answer::Statements { statements, complete } => (statements, complete),
        other => panic!("{other:?}"),
    };
    let expected = |first: u32, last: u32| -> Vec<Bytes> {
        (first..=last).map(|version| Bytes::from(version.to_be_bytes().to_vec())).collect()
    };
    assert_eq!(read(0), (expected(1, count - 3), false));
    assert_eq!(read(3), (expected(4, count), true));
    assert_eq!(read(count), (vec![], true));
    assert_eq!(read(u32::MAX), (vec![], true));
}

pub(crate) fn announce(log: LogId, session: u32, part: u16, text: &'static str) -> Change {
    Change::PutAnnouncement {
        log,
        sender: name("al"),
        origin: ORIGIN,
        message_session: MessageSession(session),
        part,
        announcement: Bytes::from_static(text.as_bytes()),
    }
}

fn granted(reader: &str, part: u16) -> StoredGrant {
    let wrapped = Bytes::from(vec![7; 384]);
    StoredGrant { reader: name(reader), part, wrapping_key: [9; 32], wrapped }
}

pub(crate) fn grant(log: LogId, session: u32, reader: &str, part: u16) -> Change {
    Change::PutGrant {
        log,
        sender: name("al"),
        origin: ORIGIN,
        message_session: MessageSession(session),
        grant: granted(reader, part),
    }
}

fn read_grant(log: LogId, session: u32, reader: &str) -> Read {
    Read::Grant {
        log,
        sender: name("al"),
        origin: ORIGIN,
        message_session: MessageSession(session),
        reader: name(reader),
    }
}

fn found(text: &'static str, reader: &str, part: u16) -> Answer {
    Answer::Grant(Some((Bytes::from_static(text.as_bytes()), granted(reader, part))))
}

pub(crate) fn grants_come_with_their_announcement<E: Engine>() {
    let (mut engine, _) = E::fresh();
    let log = LogId::group(name("rust"));
    engine.commit(vec![
        announce(log, 1, 0, "first"),
        grant(log, 1, "bob", 0),
        grant(log, 1, "carol", 0),
        grant(log, 1, "dan", 1),
        announce(mailbox("rust"), 1, 0, "other log"),
        announce(log, 2, 0, "other session"),
    ]);
    let unannounced = engine.read(read_grant(log, 1, "dan"));
    assert_eq!(unannounced, Answer::Grant(None), "its part was not announced");
    engine.commit(vec![announce(log, 1, 1, "second"), grant(log, 1, "carol", 1)]);
    let (mut engine, _) = engine.reopened();
    assert_eq!(engine.read(read_grant(log, 1, "bob")), found("first", "bob", 0));
    assert_eq!(engine.read(read_grant(log, 1, "carol")), found("second", "carol", 1));
    assert_eq!(engine.read(read_grant(log, 1, "dan")), found("second", "dan", 1));
    assert_eq!(engine.read(read_grant(log, 2, "bob")), Answer::Grant(None));
    assert_eq!(engine.read(read_grant(mailbox("rust"), 1, "bob")), Answer::Grant(None));
}

pub(crate) fn grants_of_older_message_sessions_go<E: Engine>() {
    let (mut engine, _) = E::fresh();
    let (log, other) = (LogId::group(name("rust")), LogId::group(name("rusu")));
    for session in [1, 2, 3, u32::MAX] {
        for log in [log, other] {
            let changes = vec![announce(log, session, 0, "key"), grant(log, session, "bob", 0)];
            engine.commit(changes);
        }
    }
    let (from, upto) = (MessageSession(0), MessageSession(2));
    let drop = |sender: Name, origin| Change::DropGrants { log, sender, origin, from, upto };
    engine.commit(vec![drop(name("am"), ORIGIN), drop(name("al"), Origin([0xfe; 16]))]);
    assert_eq!(engine.read(read_grant(log, 1, "bob")), found("key", "bob", 0));
    engine.commit(vec![drop(name("al"), ORIGIN)]);
    // A reader without its announcement would be told nothing: the announcement went too.
    engine.commit(vec![grant(log, 2, "bob", 0)]);
    let (mut engine, _) = engine.reopened();
    for session in [1, 2] {
        assert_eq!(engine.read(read_grant(log, session, "bob")), Answer::Grant(None));
        assert_eq!(engine.read(read_grant(other, session, "bob")), found("key", "bob", 0));
    }
    for session in [3, u32::MAX] {
        assert_eq!(engine.read(read_grant(log, session, "bob")), found("key", "bob", 0));
    }
}

/// Later message sessions go like the first, and one that comes late goes too.
pub(crate) fn grants_go_again_and_again<E: Engine>() {
    let (mut engine, _) = E::fresh();
    let log = LogId::group(name("rust"));
    let drop = |below: u32| drop_grants(log, 0, below - 1);
    let put = |session| [announce(log, session, 0, "key"), grant(log, session, "bob", 0)];
    let own_batch = [put(1), put(2), put(3)].concat();
    engine.commit([&own_batch[..], &[drop(3)]].concat());
    engine.commit([&put(2)[..], &put(4)[..], &[drop(2)]].concat());
    let expect = |engine: &mut E, there: &[u32]| {
        for session in 1..=5 {
            let expected = match there.contains(&session) {
                true => found("key", "bob", 0),
                false => Answer::Grant(None),
            };
            assert_eq!(engine.read(read_grant(log, session, "bob")), expected, "{session}");
        }
    };
    expect(&mut engine, &[2, 3, 4]);
    engine.commit(vec![drop(4), drop(3)]);
    expect(&mut engine, &[4]);
    let (mut engine, _) = engine.reopened();
    engine.commit([&put(5)[..], &[drop(5)]].concat());
    expect(&mut engine, &[5]);
}

pub(crate) fn copies_of_key_logs_are_replaced<E: Engine>() {
    let (mut engine, _) = E::fresh();
    let (log, other) = (LogId::group(name("rust")), LogId::group(name("rusu")));
    let bundles = |texts: &[&'static str]| -> Vec<Bytes> {
        texts.iter().map(|text| Bytes::from_static(text.as_bytes())).collect()
    };
    let put = |log, account, texts| Change::PutKeyLog {
        log,
        account: name(account),
        bundles: bundles(texts),
    };
    let read = |log, account| Read::KeyLog { log, account: name(account) };
    engine.commit(vec![put(log, "al", &["old"]), put(log, "alan", &["alan's"])]);
    engine.commit(vec![put(log, "al", &["first", "second"]), put(mailbox("rust"), "al", &["own"])]);
    let (mut engine, _) = engine.reopened();
    for (read, found) in [
        (read(log, "al"), bundles(&["first", "second"])),
        (read(log, "alan"), bundles(&["alan's"])),
        (read(mailbox("rust"), "al"), bundles(&["own"])),
        (read(log, "bob"), Vec::new()),
        (read(other, "al"), Vec::new()),
    ] {
        assert_eq!(engine.read(read), Answer::KeyLog(found));
    }
}

pub(crate) fn drop_grants(log: LogId, from: u32, upto: u32) -> Change {
    let (sender, origin) = (name("al"), ORIGIN);
    Change::DropGrants {
        log,
        sender,
        origin,
        from: MessageSession(from),
        upto: MessageSession(upto),
    }
}

/// Those between others go alone, also when they are the last there can be.
pub(crate) fn grants_between_others_go<E: Engine>() {
    let (mut engine, _) = E::fresh();
    let log = LogId::group(name("rust"));
    let sessions = [1, 3, 4, 6, u32::MAX];
    for session in sessions {
        engine.commit(vec![announce(log, session, 0xffff, "key"), grant(log, session, "bob", 0)]);
        engine.commit(vec![announce(log, session, 0, "key")]);
    }
    let there = |engine: &mut E| {
        let is_there =
            |session: &u32| engine.read(read_grant(log, *session, "bob")) != Answer::Grant(None);
        sessions.into_iter().filter(is_there).collect::<Vec<u32>>()
    };
    engine.commit(vec![drop_grants(log, 3, 4)]);
    assert_eq!(there(&mut engine), [1, 6, u32::MAX]);
    engine.commit(vec![drop_grants(log, u32::MAX, u32::MAX), drop_grants(log, 0, 1)]);
    assert_eq!(there(&mut engine), [6]);
    engine.commit(vec![drop_grants(log, 0, 6)]);
    assert_eq!(there(&mut engine), []);
}

pub(crate) fn a_sender_has_so_much_of_grants<E: Engine>() {
    let (mut engine, _) = E::fresh();
    let (log, sender) = (LogId::group(name("rust")), name("al"));
    let put = |len| Change::PutGrantsLen { log, sender, len };
    let row = Change::PutRow { log, sender, origin: ORIGIN, row: RowRecord::default() };
    engine.commit(vec![announce(log, 1, 0, "key"), grant(log, 1, "bob", 0), row, put(7)]);
    engine.commit(vec![put(u64::MAX), drop_grants(log, 0, 1)]);
    let (mut engine, _) = engine.reopened();
    for (origin, row) in [(ORIGIN, Some(RowRecord::default())), (Origin([4; 16]), None)] {
        let answer = engine.read(Read::Row { log, sender, origin });
        assert_eq!(answer, Answer::Row { row, grants_len: u64::MAX }, "whatever the origin");
    }
    let other = engine.read(Read::Row { log, sender: name("am"), origin: ORIGIN });
    assert_eq!(other, Answer::Row { row: None, grants_len: 0 });
}

pub(crate) fn notes_come_and_go<E: Engine>() {
    let (mut engine, _) = E::fresh();
    let account = name("al");
    let put = |group| Change::PutNote { account, group: name(group) };
    let drop = |group| Change::DropNote { account, group: name(group) };
    engine.commit(vec![put("rust"), put("c"), put("basic"), put("rust"), put("zig"), drop("zig")]);
    engine.commit(vec![drop("never"), Change::PutNote { account: name("am"), group: account }]);
    let (mut engine, _) = engine.reopened();
    let notes = |groups: &[&str]| Answer::Notes(groups.iter().map(|text| name(text)).collect());
    assert_eq!(engine.read(Read::Notes { account }), notes(&["basic", "c", "rust"]));
    engine.commit(vec![drop("rust"), put("zig"), drop("basic")]);
    let (mut engine, _) = engine.reopened();
    assert_eq!(engine.read(Read::Notes { account }), notes(&["c", "zig"]));
    assert_eq!(engine.read(Read::Notes { account: name("a") }), notes(&[]));
    engine.commit(vec![drop("c"), drop("zig")]);
    assert_eq!(engine.read(Read::Notes { account }), notes(&[]));
}
