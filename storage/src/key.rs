//! Keys, drawn. Every integer is big-endian, so that bytes compare as the values do.
//!
//! ```text
//! family     key                                                    value
//! accounts   name                                                   AccountRecord
//! sessions   name                                                   SessionRecord
//! bundles    name ‖ version u32                                     signed bundle
//! entries    log ‖ seq u64                                          entry without its seq
//! rows       log ‖ sender name ‖ origin [16]                        RowRecord
//! cursors    log ‖ reader name                                      seq
//! meta       "store"                                                magic, format, id, epoch
//!
//! name = length u8 ‖ 1–32 bytes           log = kind u8 (1 mailbox, 2 group) ‖ name
//! ```
//!
//! No name's encoding is the beginning of another's, so everything of one log (or account) lies
//! together and nothing else lies between.

use byteorder::{BigEndian, ByteOrder};
use bytes::{Bytes, BytesMut};
use wire::{DecodeError, Field, LogId, Name, Origin, Reader, Seq};

/// A column family: one kind of record, in the order of its keys.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Family {
    Accounts,
    Sessions,
    Bundles,
    Entries,
    Rows,
    Cursors,
    Meta,
}

impl Family {
    pub(crate) const ALL: [Self; 7] = [
        Self::Accounts,
        Self::Sessions,
        Self::Bundles,
        Self::Entries,
        Self::Rows,
        Self::Cursors,
        Self::Meta,
    ];

    /// Its name on disk; never changes.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Sessions => "sessions",
            Self::Bundles => "bundles",
            Self::Entries => "entries",
            Self::Rows => "rows",
            Self::Cursors => "cursors",
            Self::Meta => "meta",
        }
    }
}

/// The only key of [`Family::Meta`].
pub(crate) const STORE: &[u8] = b"store";

/// Longest key: a row's.
const KEY_LEN_MAX: usize = 1 + 2 * (1 + wire::limits::NAME_LEN_MAX) + 16;

/// The key of an account, or of its session.
pub(crate) fn account(name: &Name) -> BytesMut {
    joined(|key| name.put(key))
}

/// The key of one bundle.
pub(crate) fn bundle(name: &Name, version: u32) -> BytesMut {
    joined(|key| {
        name.put(key);
        let mut tail = [0; 4];
        BigEndian::write_u32(&mut tail, version);
        key.extend_from_slice(&tail);
    })
}

/// The key of an entry.
pub(crate) fn entry(log: &LogId, seq: Seq) -> BytesMut {
    joined(|key| {
        log.put(key);
        let mut tail = [0; 8];
        BigEndian::write_u64(&mut tail, seq.0);
        key.extend_from_slice(&tail);
    })
}

/// The key of a row.
pub(crate) fn row(log: &LogId, sender: &Name, origin: &Origin) -> BytesMut {
    joined(|key| {
        log.put(key);
        sender.put(key);
        origin.put(key);
    })
}

/// The key of a cursor.
pub(crate) fn cursor(log: &LogId, reader: &Name) -> BytesMut {
    joined(|key| {
        log.put(key);
        reader.put(key);
    })
}

/// What every key of the log begins with.
pub(crate) fn log(log: &LogId) -> BytesMut {
    joined(|key| log.put(key))
}

/// The first key after all that begin with `prefix`.
///
/// # Panics
/// When the prefix ends with 0xff: those above end with a character of a name.
pub(crate) fn after_prefix(prefix: &[u8]) -> BytesMut {
    let mut key = BytesMut::from(prefix);
    let last = key.last_mut().expect("a prefix is not empty");
    *last = last.checked_add(1).expect("a name's characters are ASCII");
    key
}

/// The seq in an entry's key.
pub(crate) fn entry_seq(key: &[u8]) -> Result<Seq, DecodeError> {
    let mut reader = Reader::new(Bytes::copy_from_slice(key));
    LogId::get(&mut reader, "key.log")?;
    let seq = Seq::get(&mut reader, "key.seq")?;
    reader.finish()?;
    Ok(seq)
}

/// The reader in a cursor's key.
pub(crate) fn cursor_reader(key: &[u8]) -> Result<Name, DecodeError> {
    let mut reader = Reader::new(Bytes::copy_from_slice(key));
    LogId::get(&mut reader, "key.log")?;
    let name = Name::get(&mut reader, "key.reader")?;
    reader.finish()?;
    Ok(name)
}

fn joined(put: impl FnOnce(&mut BytesMut)) -> BytesMut {
    let mut key = BytesMut::with_capacity(KEY_LEN_MAX);
    put(&mut key);
    debug_assert!(key.len() <= KEY_LEN_MAX);
    key
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};

    use super::{
        BytesMut, KEY_LEN_MAX, LogId, Name, Origin, Seq, account, after_prefix, bundle, cursor,
        cursor_reader, entry, entry_seq, log, row,
    };

    fn name() -> impl Strategy<Value = Name> {
        "[a-c][a-z0-9_.-]{0,31}".prop_map(|text| Name::parse(&text).expect("it follows the rule"))
    }

    fn any_log() -> impl Strategy<Value = LogId> {
        (any::<bool>(), name()).prop_map(|(is_group, name)| match is_group {
            true => LogId::group(name),
            false => LogId::mailbox(name),
        })
    }

    #[test]
    fn layouts_stay_as_they_are() {
        let bob = Name::parse("bob").expect("a name");
        let mailbox = LogId::mailbox(bob);
        assert_eq!(&account(&bob)[..], b"\x03bob");
        assert_eq!(&bundle(&bob, 258)[..], b"\x03bob\0\0\x01\x02");
        assert_eq!(&entry(&mailbox, Seq::new(1, 2))[..], b"\x01\x03bob\0\0\x01\0\0\0\0\x02");
        assert_eq!(&cursor(&LogId::group(bob), &bob)[..], b"\x02\x03bob\x03bob");
        let origin = Origin(*b"0123456789abcdef");
        assert_eq!(&row(&mailbox, &bob, &origin)[..], b"\x01\x03bob\x03bob0123456789abcdef");
    }

    #[test]
    fn longest_key_fits() {
        let name = Name::parse(&"z".repeat(32)).expect("32 characters");
        let key = row(&LogId::group(name), &name, &Origin([0xff; 16]));
        assert_eq!(key.len(), KEY_LEN_MAX);
    }

    #[test]
    fn foreign_keys_are_refused() {
        for key in [&b""[..], b"\x03\x01a\0\0\0\0\0\0\0\0", b"\x01\x01a\0\0\0\0\0\0\0"] {
            entry_seq(key).expect_err("not an entry's key");
        }
        entry_seq(b"\x01\x01a\0\0\0\0\0\0\0\0\0").expect_err("a byte too many");
        cursor_reader(b"\x01\x01a\x01A").expect_err("not a folded name");
    }

    proptest! {
        #[test]
        fn entries_lie_in_order_of_seq(log in any_log(), a in any::<u64>(), b in any::<u64>()) {
            let (a, b) = (Seq(a), Seq(b));
            prop_assert_eq!(entry(&log, a).cmp(&entry(&log, b)), a.cmp(&b));
            prop_assert_eq!(entry_seq(&entry(&log, a)), Ok(a));
        }

        #[test]
        fn bundles_lie_in_order_of_version(name in name(), a in any::<u32>(), b in any::<u32>()) {
            prop_assert_eq!(bundle(&name, a).cmp(&bundle(&name, b)), a.cmp(&b));
        }

        #[test]
        fn logs_lie_apart(
            a in any_log(), b in any_log(), seq in any::<u64>(), reader in name(),
        ) {
            let prefix = log(&a);
            let inside = |key: &BytesMut| prefix <= *key && *key < after_prefix(&prefix);
            prop_assert_eq!(inside(&entry(&b, Seq(seq))), a == b);
            prop_assert_eq!(inside(&cursor(&b, &reader)), a == b);
            prop_assert_eq!(inside(&row(&b, &reader, &Origin([0xff; 16]))), a == b);
        }

        #[test]
        fn accounts_lie_apart(a in name(), b in name(), version in any::<u32>()) {
            let prefix = account(&a);
            let key = bundle(&b, version);
            prop_assert_eq!(prefix <= key && key < after_prefix(&prefix), a == b);
        }

        #[test]
        fn cursors_name_their_reader(log in any_log(), reader in name()) {
            prop_assert_eq!(cursor_reader(&cursor(&log, &reader)), Ok(reader));
        }

        #[test]
        fn any_bytes_are_a_key_or_an_error(key in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(seq) = entry_seq(&key) {
                prop_assert_eq!(key.last_chunk(), Some(&seq.0.to_be_bytes()));
            }
            if let Ok(reader) = cursor_reader(&key) {
                prop_assert!(key.ends_with(reader.as_bytes()));
            }
        }
    }
}
