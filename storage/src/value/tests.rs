//! The format, byte for byte, and what damaged bytes do to it: nothing.

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};
use wire::limits::{BODY_LEN_MAX, UNANSWERED_MAX};
use wire::message::Entry;
use wire::{DecodeError, Name, Number, Opaque, Origin, Seq, SessionEpoch, Wall};

use super::{Bundle, Value, decode_entry, decode_index, encode_entry};
use crate::record::{AccountRecord, RowRecord, SessionRecord};

fn encoded(value: &impl Value) -> BytesMut {
    let mut out = BytesMut::from(&b"what was there before"[..]);
    value.encode(&mut out);
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A change here is a change of the format: raise the record's format byte.
#[test]
fn format_1_stays_as_it_is() {
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
    };
    let expected = "01000000000000000700000000000000010000000000000002\
                    01000000000000feed0000010000000009";
    assert_eq!(hex(&encoded(&row)), expected);
    assert_eq!(hex(&encoded(&Seq::new(1, 9))), "010000010000000009");
    assert_eq!(hex(&encoded(&Bundle(Bytes::from_static(b"k")))), "01000000016b");
    let mut out = BytesMut::new();
    encode_entry(&entry("bob", b"hi"), &mut out);
    let expected = format!("0103626f62{origin}000000000000000500000000000001020000000{}", "26869");
    assert_eq!(hex(&out), expected);
}

#[test]
fn another_format_is_refused() {
    let mut bytes = encoded(&Seq(5));
    bytes[0] = 2;
    assert_eq!(Seq::decode(bytes.freeze()), Err(DecodeError::Value("format")));
}

#[test]
fn too_many_items_are_refused() {
    let count = usize::try_from(UNANSWERED_MAX).expect("small");
    let full = RowRecord { seen: vec![(7, Seq(8)); count], ..RowRecord::default() };
    let mut bytes = encoded(&full);
    let at = bytes.len() - 16 * count - 1;
    bytes[at] += 1;
    bytes.extend_from_slice(&[0; 16]);
    assert_eq!(RowRecord::decode(bytes.freeze()), Err(DecodeError::Long("row.seen")));
}

#[test]
fn index_of_a_cut_entry_is_refused() {
    let mut out = BytesMut::new();
    encode_entry(&entry("bob", &[7; 200]), &mut out);
    let whole = decode_index(Seq(1), &out).expect("it is whole");
    assert_eq!((whole.sender.as_str(), whole.len), ("bob", 200));
    let longer = [&out[..], &[0]].concat();
    assert_eq!(decode_index(Seq(1), &longer), Err(DecodeError::Value("entry.body")));
    for len in 0..out.len() {
        decode_index(Seq(1), &out[..len]).expect_err("it is cut");
    }
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

fn row() -> impl Strategy<Value = RowRecord> {
    let count = usize::try_from(UNANSWERED_MAX).expect("small");
    let seen = vec(any::<(u64, u64)>(), 0..=count);
    (any::<u64>(), number(), number(), seen).prop_map(|(epoch, settled, last, seen)| RowRecord {
        epoch: SessionEpoch(epoch),
        settled,
        last,
        seen: seen.into_iter().map(|(hash, seq)| (hash, Seq(seq))).collect(),
    })
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
        let index = decode_index(entry.seq, &out).expect("it was just encoded");
        prop_assert_eq!((index.seq, index.sender), (entry.seq, sender));
        prop_assert_eq!(usize::try_from(index.len), Ok(len));
        prop_assert_eq!(decode_entry(entry.seq, out.freeze()), Ok(entry));
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
        if let Ok(record) = RowRecord::decode(bytes.clone()) {
            prop_assert_eq!(encoded(&record), &bytes);
        }
        let entry = decode_entry(Seq(1), bytes.clone());
        prop_assert_eq!(entry.is_err() || decode_index(Seq(1), &bytes).is_ok(), true);
    }

    /// The same, from bytes that are nearly right.
    #[test]
    fn damaged_rows_are_rows_or_errors(row in row(), at in any::<usize>(), with in any::<u8>()) {
        let mut bytes = encoded(&row);
        let at = at % bytes.len();
        bytes[at] = with;
        if let Ok(damaged) = RowRecord::decode(bytes.clone().freeze()) {
            prop_assert_eq!(encoded(&damaged), bytes);
        }
    }
}
