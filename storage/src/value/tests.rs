//! The format, byte for byte, and what damaged bytes do to it: nothing.

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};
use wire::limits::{BODY_LEN_MAX, GRANTED_SESSIONS_MAX, UNANSWERED_MAX};
use wire::message::Entry;
use wire::{DecodeError, MessageSession, Name, Number, Opaque, Origin, Seq, SessionEpoch, Wall};

use super::{
    Announcement, Answered, Bundle, Chunk, GrantFields, KeyLog, Notes, Statement, Value,
    decode_entry, decode_header, decode_index, encode_entry, encode_index,
};
use crate::record::{
    Absence, AccountRecord, BlobRecord, CursorRecord, GrantedSession, GrantedState, GroupRecord,
    RowRecord, SessionRecord, StoredGrant,
};

fn encoded(value: &impl Value) -> BytesMut {
    let mut out = BytesMut::from(&b"what was there before"[..]);
    value.encode(&mut out);
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn with_grants(number: u32, state: GrantedState) -> GrantedSession {
    GrantedSession {
        message_session: MessageSession(number),
        roster_version: 5,
        parts: 7,
        len: 0x300,
        since: Wall(9),
        state,
    }
}

/// A change here is a change of the format: raise the record's format byte.
#[test]
fn formats_stay_as_they_are() {
    let account = AccountRecord {
        record: Bytes::from_static(b"\xaa\xab"),
        sign_up_hash: [0x11; 32],
        sealed_keys: Bytes::from_static(b"\xbb"),
        created: Wall(0x0102),
    };
    let hash = "11".repeat(32);
    let expected = format!("0100000002aaab{hash}00000001bb0000000000000102");
    assert_eq!(hex(&encoded(&account)), expected);
    let session = SessionRecord {
        epoch_reserved: SessionEpoch(1000),
        epoch: SessionEpoch(7),
        origin: Origin([0x22; 16]),
        token_hash: Some([0x33; 32]),
        previous_token_hash: None,
        origins: vec![Origin([0x22; 16])],
    };
    let (origin, hash) = ("22".repeat(16), "33".repeat(32));
    let expected = format!("0100000000000003e80000000000000007{origin}01{hash}0001{origin}");
    assert_eq!(hex(&encoded(&session)), expected);
    let row = RowRecord {
        epoch: SessionEpoch(7),
        settled: Number::new(1).expect("small"),
        last: Number::new(2).expect("small"),
        seen: vec![(0xfeed, Seq::new(1, 9))],
        sessions: vec![
            with_grants(2, GrantedState::Ended(Seq::new(1, 8))),
            with_grants(3, GrantedState::InUse(Seq::new(1, 9))),
            with_grants(4, GrantedState::Complete),
            with_grants(6, GrantedState::Partial),
        ],
    };
    let expected = "03000000000000000700000000000000010000000000000002\
                    01000000000000feed0000010000000009\
                    04\
                    0000000200000005000700000300000000000000000904\
                    0000010000000008\
                    0000000300000005000700000300000000000000000903\
                    0000010000000009\
                    0000000400000005000700000300000000000000000902\
                    0000000000000000\
                    0000000600000005000700000300000000000000000901\
                    0000000000000000";
    assert_eq!(hex(&encoded(&row)), expected);
    let cursor = CursorRecord { cursor: Seq::new(1, 9), missed: 258, absence: None };
    assert_eq!(hex(&encoded(&cursor)), "030000010000000009000000000000010200");
    let absence = Absence { after: Seq(10), version: 3, until: None };
    let departed = CursorRecord { absence: Some(absence), ..cursor };
    let expected = "030000010000000009000000000000010201000000000000000a00000003";
    assert_eq!(hex(&encoded(&departed)), expected);
    let absence = Absence { until: Some(Seq(12)), ..absence };
    let back = CursorRecord { absence: Some(absence), ..cursor };
    let expected = expected.replacen("010201", "010202", 1) + "000000000000000c";
    assert_eq!(hex(&encoded(&back)), expected);
    for record in [cursor, departed, back] {
        assert_eq!(CursorRecord::decode(encoded(&record).freeze()), Ok(record));
    }
    assert_eq!(hex(&encoded(&Bundle(Bytes::from_static(b"k")))), "01000000016b");
    let mut out = BytesMut::new();
    encode_entry(&entry("bob", b"hi"), &mut out);
    let expected = format!("0103626f62{origin}000000000000000500000000000001020000000{}", "26869");
    assert_eq!(hex(&out), expected);
    encode_index(&entry("bob", b"hi"), &mut out);
    assert_eq!(hex(&out), "0103626f62000000020000000000000102");
}

/// The same for the records of groups, grants and blobs.
#[test]
fn formats_of_groups_and_blobs_stay_as_they_are() {
    let group = GroupRecord {
        roster: Bytes::from_static(b"\xaa\xab"),
        password: Bytes::from_static(b"\xbb"),
        created: Wall(0x0102),
    };
    assert_eq!(hex(&encoded(&group)), "0100000002aaab00000001bb0000000000000102");
    assert_eq!(hex(&encoded(&Statement(Bytes::from_static(b"s")))), "010000000173");
    assert_eq!(hex(&encoded(&Announcement(Bytes::from_static(b"a")))), "010000000161");
    let grant = grant(7, Bytes::from_static(b"w"));
    let key = "44".repeat(32);
    assert_eq!(hex(&encoded(&GrantFields::of(&grant))), format!("010007{key}0000000177"));
    let copy = KeyLog(vec![Bytes::from_static(b"k"), Bytes::from_static(b"kk")]);
    assert_eq!(
        hex(&encoded(&copy)),
        "01000200000001\
                                      6b000000026b6b"
    );
    let answered = ["go", "b"].map(|text| Name::parse(text).expect("a name"));
    assert_eq!(hex(&encoded(&Answered(answered.to_vec()))), "01000202676f0162");
    let notes = Notes(["rust", "go"].map(|text| Name::parse(text).expect("a name")).into());
    assert_eq!(hex(&encoded(&notes)), "01000202676f0472757374");
    let falling = Bytes::from_static(b"\x01\0\x02\x04rust\x02go");
    assert_eq!(Notes::decode(falling).err(), Some(DecodeError::Value("notes")));
    let twice = Bytes::from_static(b"\x01\0\x02\x02go\x02go");
    assert_eq!(Notes::decode(twice).err(), Some(DecodeError::Value("notes")));
    let blob = BlobRecord { len: 0x0a0b, have: 3, complete: true, touched: Wall(0x0102) };
    let expected = "010000000000000a0b00000003010000000000000102";
    assert_eq!(hex(&encoded(&blob)), expected);
    assert_eq!(hex(&encoded(&Chunk(Bytes::from_static(b"c")))), "010000000163");
}

/// What older programs wrote.
#[test]
fn rows_and_cursors_of_older_formats_are_read() {
    let (epoch, seq) = (SessionEpoch(7), Seq::new(1, 9));
    let number = |number| Number::new(number).expect("small");
    let (settled, last) = (number(1), number(2));
    let row = RowRecord { epoch, settled, last, seen: vec![(0xfeed, seq)], ..RowRecord::default() };
    let mut bytes = encoded(&row);
    bytes.truncate(bytes.len() - 1);
    bytes[0] = 1;
    assert_eq!(RowRecord::decode(bytes.clone().freeze()), Ok(row.clone()));
    bytes[0] = 2;
    bytes.extend_from_slice(b"\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05\0\0\0\x06");
    bytes.extend_from_slice(b"\x01\0\0\0\x02\0\0\x01\0\0\0\0\x08");
    let older = |number, roster_version, state| {
        let (message_session, parts, len) = (MessageSession(number), u16::MAX, 0);
        GrantedSession { message_session, roster_version, parts, len, since: Wall(0), state }
    };
    let sessions = vec![
        older(2, 0, GrantedState::Ended(Seq::new(1, 8))),
        older(3, 4, GrantedState::InUse(Seq(u64::MAX))),
        older(5, 6, GrantedState::Complete),
    ];
    assert_eq!(RowRecord::decode(bytes.freeze()), Ok(RowRecord { sessions, ..row }));
    let bytes = Bytes::from_static(b"\x01\0\0\x01\0\0\0\0\x09");
    let cursor = CursorRecord { cursor: seq, ..CursorRecord::default() };
    assert_eq!(CursorRecord::decode(bytes), Ok(cursor));
    let mut bytes = encoded(&CursorRecord { missed: 7, ..cursor });
    bytes.truncate(bytes.len() - 1);
    bytes[0] = 2;
    assert_eq!(CursorRecord::decode(bytes.freeze()), Ok(CursorRecord { missed: 7, ..cursor }));
}

#[test]
fn another_format_is_refused() {
    for format in [0, 4] {
        let mut bytes = encoded(&CursorRecord { cursor: Seq(5), missed: 6, absence: None });
        bytes[0] = format;
        assert_eq!(CursorRecord::decode(bytes.freeze()), Err(DecodeError::Value("format")));
    }
}

#[test]
fn too_many_items_are_refused() {
    let count = usize::try_from(UNANSWERED_MAX).expect("small");
    let full = RowRecord { seen: vec![(7, Seq(8)); count], ..RowRecord::default() };
    let mut bytes = encoded(&full);
    let at = bytes.len() - 16 * count - 2;
    bytes[at] += 1;
    bytes.extend_from_slice(&[0; 16]);
    assert_eq!(RowRecord::decode(bytes.freeze()), Err(DecodeError::Long("row.seen")));
    let sessions = vec![with_grants(7, GrantedState::Complete); GRANTED_SESSIONS_MAX];
    let mut bytes = encoded(&RowRecord { sessions, ..RowRecord::default() });
    let at = bytes.len() - 31 * GRANTED_SESSIONS_MAX - 1;
    bytes[at] += 1;
    bytes.extend_from_slice(&[0; 31]);
    assert_eq!(RowRecord::decode(bytes.freeze()), Err(DecodeError::Long("row.sessions")));
}

#[test]
fn roster_of_the_largest_group_fits() {
    use wire::limits::{GROUP_MEMBERS_MAX, INVITED_MAX, REMOVED_MAX};
    let lists = (GROUP_MEMBERS_MAX + INVITED_MAX + REMOVED_MAX) * 37;
    let roster = Bytes::from(vec![7; lists + 2 * 33 + 4 + 32 + 1 + 4 + 1 + 3 * 2]);
    let group = GroupRecord { roster, ..GroupRecord::default() };
    assert_eq!(GroupRecord::decode(encoded(&group).freeze()), Ok(group));
}

#[test]
fn secrets_are_not_printed() {
    let group = GroupRecord { password: Bytes::from_static(b"secret"), ..GroupRecord::default() };
    let printed = format!("{group:?} {:?}", grant(7, Bytes::from_static(b"secret")));
    assert!(!printed.contains("secret"), "{printed}");
}

#[test]
fn index_of_a_cut_entry_is_refused() {
    let mut out = BytesMut::new();
    encode_entry(&entry("bob", &[7; 200]), &mut out);
    let whole = decode_header(Seq(1), &out).expect("it is whole");
    assert_eq!((whole.sender.as_str(), whole.len, whole.at), ("bob", 200, Wall(0x0102)));
    let longer = [&out[..], &[0]].concat();
    assert_eq!(decode_header(Seq(1), &longer), Err(DecodeError::Value("entry.body")));
    for len in 0..out.len() {
        decode_header(Seq(1), &out[..len]).expect_err("it is cut");
    }
}

fn grant(part: u16, wrapped: Bytes) -> StoredGrant {
    let reader = Name::parse("bob").expect("a name");
    StoredGrant { reader, part, wrapping_key: [0x44; 32], wrapped }
}

fn entry(sender: &str, body: &[u8]) -> Entry {
    Entry {
        seq: Seq(1),
        sender: Name::parse(sender).expect("a name"),
        origin: Origin([0x22; 16]),
        number: Number::new(5).expect("small"),
        at: Wall(0x0102),
        body: Opaque::new(Bytes::copy_from_slice(body)).expect("short"),
    }
}

fn name() -> impl Strategy<Value = Name> {
    "[a-z][a-z0-9_.-]{0,31}".prop_map(|text| Name::parse(&text).expect("it follows the rule"))
}

fn number() -> impl Strategy<Value = Number> {
    (0..1u64 << 48).prop_map(|number| Number::new(number).expect("below 2^48"))
}

fn granted() -> impl Strategy<Value = GrantedSession> {
    (any::<(u32, u32, u16, u32)>(), any::<u64>(), 0..4u8, any::<u64>()).prop_map(
        |((number, roster_version, parts, len), since, state, seq)| GrantedSession {
            message_session: MessageSession(number),
            roster_version,
            parts,
            len,
            since: Wall(since),
            state: match state {
                0 => GrantedState::Partial,
                1 => GrantedState::Complete,
                2 => GrantedState::InUse(Seq(seq)),
                _ => GrantedState::Ended(Seq(seq)),
            },
        },
    )
}

fn row() -> impl Strategy<Value = RowRecord> {
    let count = usize::try_from(UNANSWERED_MAX).expect("small");
    let seen = vec(any::<(u64, u64)>(), 0..=count);
    let sessions = vec(granted(), 0..=GRANTED_SESSIONS_MAX);
    (any::<u64>(), number(), number(), seen, sessions).prop_map(
        |(epoch, settled, last, seen, sessions)| RowRecord {
            epoch: SessionEpoch(epoch),
            settled,
            last,
            seen: seen.into_iter().map(|(hash, seq)| (hash, Seq(seq))).collect(),
            sessions,
        },
    )
}

type Hashes = (Option<[u8; 32]>, Option<[u8; 32]>);

fn session() -> impl Strategy<Value = SessionRecord> {
    let origins = vec(any::<[u8; 16]>(), 0..=16);
    (any::<(u64, u64)>(), any::<[u8; 16]>(), any::<Hashes>(), origins).prop_map(
        |(epochs, origin, hashes, origins)| SessionRecord {
            epoch_reserved: SessionEpoch(epochs.0),
            epoch: SessionEpoch(epochs.1),
            origin: Origin(origin),
            token_hash: hashes.0,
            previous_token_hash: hashes.1,
            origins: origins.into_iter().map(Origin).collect(),
        },
    )
}

proptest! {
    #[test]
    fn rows_come_back(row in row()) {
        prop_assert_eq!(RowRecord::decode(encoded(&row).freeze()), Ok(row));
    }

    #[test]
    fn sessions_come_back(session in session()) {
        prop_assert_eq!(SessionRecord::decode(encoded(&session).freeze()), Ok(session));
    }

    #[test]
    fn accounts_come_back(
        record in vec(any::<u8>(), 0..=512),
        sign_up_hash in any::<[u8; 32]>(),
        sealed_keys in vec(any::<u8>(), 0..=6144),
        created in any::<u64>(),
    ) {
        let (record, sealed_keys) = (record.into(), sealed_keys.into());
        let created = Wall(created);
        let account = AccountRecord { record, sign_up_hash, sealed_keys, created };
        prop_assert_eq!(AccountRecord::decode(encoded(&account).freeze()), Ok(account));
    }

    #[test]
    fn entries_come_back(
        sender in name(), number in number(), at in any::<u64>(), len in 0..=BODY_LEN_MAX,
    ) {
        let body = Opaque::new(vec![5; len].into()).expect("at most the limit");
        let entry = Entry { sender, number, at: Wall(at), body, ..entry("bob", b"") };
        let mut out = BytesMut::new();
        encode_entry(&entry, &mut out);
        let index = decode_header(entry.seq, &out).expect("it was just encoded");
        prop_assert_eq!((index.seq, index.sender), (entry.seq, sender));
        prop_assert_eq!(usize::try_from(index.len), Ok(len));
        prop_assert_eq!(index.at, entry.at);
        let mut place = BytesMut::new();
        encode_index(&entry, &mut place);
        prop_assert_eq!(decode_index(entry.seq, place.freeze()), Ok(index));
        prop_assert_eq!(decode_entry(entry.seq, out.freeze()), Ok(entry));
    }

    #[test]
    fn grants_come_back(
        part in any::<u16>(), wrapping_key in any::<[u8; 32]>(), len in 0..=512usize,
    ) {
        let wrapped = Bytes::from(vec![6; len]);
        let grant = StoredGrant { wrapping_key, ..grant(part, wrapped) };
        let bytes = encoded(&GrantFields::of(&grant)).freeze();
        let decoded = GrantFields::decode(bytes).map(|fields| fields.with_reader(grant.reader));
        prop_assert_eq!(decoded, Ok(grant));
    }

    #[test]
    fn copies_of_key_logs_come_back(lens in vec(0..=4096usize, 0..=12)) {
        let bundles: Vec<_> = lens.iter().map(|len| Bytes::from(vec![7; *len])).collect();
        let bytes = encoded(&KeyLog(bundles.clone())).freeze();
        prop_assert_eq!(KeyLog::decode(bytes).map(|KeyLog(bundles)| bundles), Ok(bundles));
    }

    #[test]
    fn blobs_come_back(
        len in any::<u64>(), have in any::<u32>(), complete in any::<bool>(), at in any::<u64>(),
    ) {
        let record = BlobRecord { len, have, complete, touched: Wall(at) };
        prop_assert_eq!(BlobRecord::decode(encoded(&record).freeze()), Ok(record));
    }

    /// What decodes is what would be written: a damaged byte never passes as another spelling.
    #[test]
    fn any_bytes_are_a_record_or_an_error(mut bytes in vec(any::<u8>(), 0..300)) {
        if let Some(format) = bytes.first_mut() {
            *format = 1;
        }
        let bytes = Bytes::from(bytes);
        if let Ok(record) = AccountRecord::decode(bytes.clone()) {
            prop_assert_eq!(encoded(&record), &bytes);
        }
        if let Ok(record) = SessionRecord::decode(bytes.clone()) {
            prop_assert_eq!(encoded(&record), &bytes);
        }
        if let Ok(record) = GroupRecord::decode(bytes.clone()) {
            prop_assert_eq!(encoded(&record), &bytes);
        }
        if let Ok(record) = GrantFields::decode(bytes.clone()) {
            prop_assert_eq!(encoded(&record), &bytes);
        }
        if let Ok(record) = KeyLog::decode(bytes.clone()) {
            prop_assert_eq!(encoded(&record), &bytes);
        }
        if let Ok(record) = BlobRecord::decode(bytes.clone()) {
            prop_assert_eq!(encoded(&record), &bytes);
        }
        let entry = decode_entry(Seq(1), bytes.clone());
        prop_assert_eq!(entry.is_err() || decode_header(Seq(1), &bytes).is_ok(), true);
    }

    /// The same, from bytes that are nearly right.
    #[test]
    fn damaged_rows_are_rows_or_errors(row in row(), at in any::<usize>(), with in any::<u8>()) {
        let mut bytes = encoded(&row);
        let at = 1 + at % (bytes.len() - 1);
        bytes[at] = with;
        if let Ok(damaged) = RowRecord::decode(bytes.clone().freeze()) {
            prop_assert_eq!(encoded(&damaged), bytes);
        }
    }
}
