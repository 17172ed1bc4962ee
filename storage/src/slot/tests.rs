//! The format of what is known of a slot, and the numbers of families, which other servers know.

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::{any, proptest};
use wire::ServerId;

use super::{Copying, SlotRecord, SlotRow, Tenure};
use crate::key::Family;
use crate::value::Value;

#[test]
fn families_keep_their_numbers() {
    let names = (0..=16).map(|code| Family::of_code(code).map(Family::name));
    let expected = [
        "accounts",
        "sessions",
        "bundles",
        "entries",
        "rows",
        "cursors",
        "index",
        "groups",
        "statements",
        "announcements",
        "grants",
        "key_logs",
        "notes",
        "answered",
        "blobs",
        "chunks",
    ];
    assert!(names.eq(expected.into_iter().map(Some).chain([None])));
    for code in 0..16 {
        assert_eq!(Family::of_code(code).map(Family::code), Some(code));
    }
}

#[test]
fn records_stay_as_they_are() {
    let copy = Some(Copying { from: ServerId(7), epoch: 0x0a0b });
    let records = [
        (SlotRecord::default(), &b"\x01\0\0"[..]),
        (
            SlotRecord { tenure: Some(Tenure::Held { epoch: 0x0102 }), copy: None },
            b"\x01\x01\0\0\x01\x02\0",
        ),
        (
            SlotRecord {
                tenure: Some(Tenure::Moved { to: ServerId(3), epoch: 5, is_clear: true }),
                copy,
            },
            b"\x01\x02\0\x03\0\0\0\x05\x01\x01\0\x07\0\0\x0a\x0b",
        ),
    ];
    for (record, bytes) in records {
        let mut out = BytesMut::new();
        record.encode(&mut out);
        assert_eq!(&out[..], bytes);
        assert_eq!(SlotRecord::decode(out.freeze()), Ok(record));
        for len in 0..bytes.len() {
            SlotRecord::decode(Bytes::copy_from_slice(&bytes[..len])).expect_err("it is cut");
        }
    }
}

proptest! {
    #[test]
    fn foreign_bytes_are_no_row(
        family: u8,
        key in vec(any::<u8>(), 0..80),
        value in vec(any::<u8>(), 0..80),
    ) {
        let (key, value) = (Bytes::from(key), Bytes::from(value));
        if let Ok(row) = SlotRow::new(family % 20, key, Some(value)) {
            std::hint::black_box(row.slot());
        }
    }
}
