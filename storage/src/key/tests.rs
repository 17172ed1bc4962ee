//! Layouts, order and neighbours of keys.

use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};

use super::{
    BlobId, BytesMut, Family, KEY_LEN_MAX, LogId, MessageSession, Name, Origin, Seq, account,
    after_prefix, announcement, blob, blob_parts, bundle, chunk, cursor, cursor_reader, entry,
    entry_seq, grant, key_log, log, row, session_grants, statement,
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
fn layouts_of_groups_and_blobs_stay_as_they_are() {
    let bob = Name::parse("bob").expect("a name");
    let group = LogId::group(bob);
    assert_eq!(&statement(&group, 258)[..], b"\x02\x03bob\0\0\x01\x02");
    let (origin, session) = (Origin(*b"0123456789abcdef"), MessageSession(3));
    let key = announcement(&group, &bob, &origin, session, 258);
    assert_eq!(&key[..], b"\x02\x03bob\x03bob0123456789abcdef\0\0\0\x03\x01\x02");
    let key = grant(&group, &bob, &origin, session, &bob);
    assert_eq!(&key[..], b"\x02\x03bob\x03bob0123456789abcdef\0\0\0\x03\x03bob");
    assert_eq!(&key_log(&group, &bob)[..], b"\x02\x03bob\x03bob");
    let id = BlobId(*b"0123456789abcdef0123456789abcdef");
    assert_eq!(&blob(&bob, &id)[..], b"\x03bob0123456789abcdef0123456789abcdef");
    let key = chunk(&bob, &id, 258);
    assert_eq!(&key[..], b"\x03bob0123456789abcdef0123456789abcdef\0\0\x01\x02");
}

#[test]
fn families_have_names_of_their_own() {
    let names: std::collections::BTreeSet<_> = Family::ALL.iter().map(|f| f.name()).collect();
    assert_eq!(names.len(), Family::ALL.len());
}

#[test]
fn longest_key_fits() {
    let name = Name::parse(&"z".repeat(32)).expect("32 characters");
    let (group, origin) = (LogId::group(name), Origin([0xff; 16]));
    let key = grant(&group, &name, &origin, MessageSession(u32::MAX), &name);
    assert_eq!(key.len(), KEY_LEN_MAX);
    assert!(row(&group, &name, &origin).len() < KEY_LEN_MAX);
    assert!(chunk(&name, &BlobId([0xff; 32]), u32::MAX).len() < KEY_LEN_MAX);
}

#[test]
fn foreign_keys_are_refused() {
    for key in [&b""[..], b"\x03\x01a\0\0\0\0\0\0\0\0", b"\x01\x01a\0\0\0\0\0\0\0"] {
        entry_seq(key).expect_err("not an entry's key");
    }
    entry_seq(b"\x01\x01a\0\0\0\0\0\0\0\0\0").expect_err("a byte too many");
    cursor_reader(b"\x01\x01a\x01A").expect_err("not a folded name");
    blob_parts(b"\x01a0123456789abcdef0123456789abcde").expect_err("a byte too few");
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
        prop_assert_eq!(inside(&key_log(&b, &reader)), a == b);
        let origin = Origin([0xff; 16]);
        prop_assert_eq!(inside(&row(&b, &reader, &origin)), a == b);
        prop_assert_eq!(inside(&statement(&b, u32::MAX)), a == b);
        let session = MessageSession(u32::MAX);
        prop_assert_eq!(inside(&announcement(&b, &reader, &origin, session, u16::MAX)), a == b);
        prop_assert_eq!(inside(&grant(&b, &reader, &origin, session, &reader)), a == b);
    }

    #[test]
    fn accounts_lie_apart(a in name(), b in name(), version in any::<u32>()) {
        let prefix = account(&a);
        let key = bundle(&b, version);
        let inside = |key: &BytesMut| prefix <= *key && *key < after_prefix(&prefix);
        prop_assert_eq!(inside(&key), a == b);
        prop_assert_eq!(inside(&blob(&b, &BlobId([0xff; 32]))), a == b);
    }

    #[test]
    fn grants_lie_in_order_of_message_session(
        id in any_log(), sender in name(), a in any::<u32>(), b in any::<u32>(), reader in name(),
    ) {
        let origin = Origin([0xff; 16]);
        let (older, newer) = (MessageSession(a.min(b)), MessageSession(a.max(b)));
        let first = session_grants(&id, &sender, &origin, newer);
        for session in [older, newer] {
            let is_below = session < newer;
            let key = announcement(&id, &sender, &origin, session, u16::MAX);
            prop_assert_eq!(key < first, is_below);
            prop_assert_eq!(grant(&id, &sender, &origin, session, &reader) < first, is_below);
        }
    }

    #[test]
    fn blobs_name_their_uploader(uploader in name(), id in any::<[u8; 32]>()) {
        let key = blob(&uploader, &BlobId(id));
        prop_assert_eq!(blob_parts(&key), Ok((uploader, BlobId(id))));
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
        if let Ok((_, BlobId(id))) = blob_parts(&key) {
            prop_assert_eq!(key.last_chunk(), Some(&id));
        }
    }
}
