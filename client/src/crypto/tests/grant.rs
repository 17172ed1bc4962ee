//! A grant opens for its reader, from its sender, for its message session, unchanged, and never
//! otherwise.

use std::sync::LazyLock;

use bytes::Bytes;
use proptest::prelude::*;
use wire::message::grant::{Announcement, ReaderGrant};
use wire::{LogId, MessageSession, Name, Origin, Wall};

use crate::crypto::domain;
use crate::crypto::grant::{
    self, Announcing, GrantError, GrantHeader, Secret, SessionPlace, Verified, verify_announcement,
};
use crate::crypto::hash::hash;
use crate::crypto::keys::Identity;
use crate::crypto::message_session::{Outbound, SessionKey};
use crate::crypto::test_keys::{alice, alice_rotated, bob, carol, large, name, rng};

/// What Alice announced: the key, the announcement, its secret and Bob's grant.
struct Announced {
    key: SessionKey,
    announcement: Announcement,
    secret: Secret,
    grant: ReaderGrant,
}

static ANNOUNCED: LazyLock<Announced> = LazyLock::new(|| announce(alice(), bob()));

fn announce(sender: &Identity, reader: &Identity) -> Announced {
    let key = Outbound::begin(MessageSession(7), Wall(0)).session_key();
    let announced = grant::announce(sender, &key, &announcing(), &mut rng());
    let (announcement, secret) = announced.expect("announces");
    let grant = wrap(&secret, &announcement, reader);
    Announced { key, announcement, secret, grant }
}

fn announcing() -> Announcing {
    Announcing {
        sender: name("alice"),
        log: LogId::group(name("rust")),
        origin: Origin([3; 16]),
        part: 0,
        roster_version: 5,
        roster_head: [6; 32],
        created: Wall(1_700_000_000_000),
    }
}

fn place() -> SessionPlace {
    SessionPlace {
        sender: name("alice"),
        log: LogId::group(name("rust")),
        origin: Origin([3; 16]),
        message_session: MessageSession(7),
    }
}

fn wrap(secret: &Secret, announcement: &Announcement, reader: &Identity) -> ReaderGrant {
    let to: (Name, _) = (name("bob"), &reader.public().wrapping);
    grant::wrap(secret, announcement, to, &mut rng()).expect("wraps")
}

fn verify(announcement: &Announcement) -> Result<Verified, GrantError> {
    verify_announcement(&place(), &alice().public().signing, announcement)
}

fn open(announcement: &Announcement, grant: &ReaderGrant) -> Result<SessionKey, GrantError> {
    open_as(bob(), announcement, grant)
}

fn open_as(
    reader: &Identity,
    announcement: &Announcement,
    grant: &ReaderGrant,
) -> Result<SessionKey, GrantError> {
    grant::open(reader, &verify(announcement)?, grant, &mut rng())
}

#[test]
fn what_was_announced_opens() {
    let key = open(&ANNOUNCED.announcement, &ANNOUNCED.grant).expect("opens");
    assert_eq!((key.number(), key.first_index()), (MessageSession(7), 0));
    assert_eq!(key.as_bytes(), ANNOUNCED.key.as_bytes());
}

#[test]
fn the_header_is_readable_without_a_key_and_signed() {
    let header = GrantHeader {
        place: place(),
        signing_key: alice().public().signing.id(),
        part: 0,
        first_index: 0,
        roster_version: 5,
        roster_head: [6; 32],
        created: Wall(1_700_000_000_000),
    };
    assert_eq!(grant::read_header(&ANNOUNCED.announcement), Ok(header));
    assert_eq!(verify(&ANNOUNCED.announcement).expect("verifies").header(), &header);
}

#[test]
fn keys_of_4096_bits_fit() {
    let announced = announce(large(), large());
    let signing = &large().public().signing;
    let verified = verify_announcement(&place(), signing, &announced.announcement);
    let key = grant::open(large(), &verified.expect("verifies"), &announced.grant, &mut rng());
    assert_eq!(key.expect("opens").as_bytes(), announced.key.as_bytes());
}

#[test]
fn another_reader_is_refused() {
    let error = open_as(carol(), &ANNOUNCED.announcement, &ANNOUNCED.grant).err();
    assert_eq!(error, Some(GrantError::NotForThisKey));
    let wrapping_key = carol().public().wrapping.id().0;
    let renamed = ReaderGrant { wrapping_key, ..ANNOUNCED.grant.clone() };
    let error = open_as(carol(), &ANNOUNCED.announcement, &renamed).err();
    assert_eq!(error, Some(GrantError::Unwrap));
}

#[test]
fn another_senders_key_is_refused() {
    let carols = &carol().public().signing;
    let error = verify_announcement(&place(), carols, &ANNOUNCED.announcement).err();
    assert_eq!(error, Some(GrantError::OtherSender));
}

#[test]
fn another_message_session_is_refused() {
    let places = [
        SessionPlace { sender: name("carol"), ..place() },
        SessionPlace { log: LogId::mailbox(name("rust")), ..place() },
        SessionPlace { log: LogId::group(name("go")), ..place() },
        SessionPlace { origin: Origin([5; 16]), ..place() },
        SessionPlace { message_session: MessageSession(8), ..place() },
    ];
    for place in places {
        let signing = &alice().public().signing;
        let error = verify_announcement(&place, signing, &ANNOUNCED.announcement).err();
        assert_eq!(error, Some(GrantError::Misplaced));
    }
}

#[test]
fn a_secret_wrapped_for_another_announcement_does_not_open() {
    let other = announce(alice(), bob());
    let later = Announcing { part: 1, ..announcing() };
    let later = grant::announce(alice(), &other.key, &later, &mut rng()).expect("announces");
    let swapped = wrap(&later.1, &later.0, bob());
    let error = open(&ANNOUNCED.announcement, &swapped).err();
    assert_eq!(error, Some(GrantError::Unwrap));
    let wrong_secret = wrap(&Secret::new([0; 32]), &ANNOUNCED.announcement, bob());
    let error = open(&ANNOUNCED.announcement, &wrong_secret).err();
    assert_eq!(error, Some(GrantError::Seal));
    let again = wrap(&ANNOUNCED.secret, &ANNOUNCED.announcement, bob());
    assert!(open(&ANNOUNCED.announcement, &again).is_ok());
}

#[test]
fn each_altered_part_fails_at_its_check() {
    let commitment = header_len();
    let sealed = commitment + 32 + 4;
    for (index, resigned) in [
        (header_len() - 1, GrantError::Unwrap),
        (commitment, GrantError::Seal),
        (sealed + 9, GrantError::Seal),
    ] {
        let mut bytes = ANNOUNCED.announcement.bytes().to_vec();
        bytes[index] ^= 1;
        assert_eq!(verify(&whole(bytes.clone())).err(), Some(GrantError::Signature));
        let error = open(&resign(alice(), bytes), &ANNOUNCED.grant).err();
        assert_eq!(error, Some(resigned), "byte {index}");
    }
}

/// Carol signs Alice's sealed part under her own name: the header is in the key derivation and in
/// the label.
#[test]
fn a_stolen_sealed_part_does_not_open_under_another_name() {
    let header = GrantHeader {
        place: SessionPlace { sender: name("carol"), ..place() },
        signing_key: carol().public().signing.id(),
        ..grant::read_header(&ANNOUNCED.announcement).expect("reads")
    };
    let mut stolen = bytes::BytesMut::new();
    grant::put_header(&header, &mut stolen);
    stolen.extend_from_slice(&ANNOUNCED.announcement.bytes()[header_len()..]);
    let stolen = resign(carol(), stolen.to_vec());
    let signing = &carol().public().signing;
    let verified = verify_announcement(&header.place, signing, &stolen).expect("well signed");
    let error = grant::open(bob(), &verified, &ANNOUNCED.grant, &mut rng()).err();
    assert_eq!(error, Some(GrantError::Unwrap));
}

#[test]
fn a_header_that_contradicts_the_key_is_refused() {
    let good = grant::read_header(&ANNOUNCED.announcement).expect("reads");
    let key = ANNOUNCED.key.as_bytes();
    for (header, key) in [(GrantHeader { first_index: 1, ..good }, key), (good, &key[1..])] {
        let announced = grant::announce_under(&header, alice(), key, &mut rng());
        let (announcement, secret) = announced.expect("announces");
        let error = open(&announcement, &wrap(&secret, &announcement, bob())).err();
        assert_eq!(error, Some(GrantError::Seal));
    }
}

#[test]
fn a_grant_for_an_older_wrapping_key_opens() {
    let announced = announce(alice(), alice());
    let key = open_as(alice_rotated(), &announced.announcement, &announced.grant);
    assert_eq!(key.expect("opens").as_bytes(), announced.key.as_bytes());
}

#[test]
fn a_newer_format_is_named_so() {
    let mut bytes = ANNOUNCED.announcement.bytes().to_vec();
    bytes[4] = 2;
    assert_eq!(verify(&whole(bytes)).err(), Some(GrantError::Format));
}

#[test]
fn secrets_are_not_printed() {
    assert_eq!(format!("{:?}", ANNOUNCED.secret), "Secret(secret)");
}

fn header_len() -> usize {
    4 + 1 + (1 + 5) + 32 + (1 + 1 + 4) + 16 + 4 + 2 + 4 + 4 + 32 + 8
}

fn whole(bytes: Vec<u8>) -> Announcement {
    Announcement::new(Bytes::from(bytes)).expect("short")
}

/// The bytes with a good signature of `signer` in place of the one they have.
fn resign(signer: &Identity, mut bytes: Vec<u8>) -> Announcement {
    bytes.truncate(bytes.len() - 384);
    let signed_len = bytes.len() - 4;
    let sealed = hash(domain::GRANT_SEALED, &[&bytes[header_len()..signed_len]]);
    let parts: [&[u8]; 2] = [&bytes[..header_len()], &sealed];
    let signature = signer.sign(domain::GRANT_SIGNATURE, &parts, &mut rng());
    bytes.extend_from_slice(&signature.expect("signs"));
    whole(bytes)
}

proptest! {
    #[test]
    fn a_flipped_bit_anywhere_is_refused(place in any::<prop::sample::Index>(), bit in 0..8u8) {
        let mut bytes = ANNOUNCED.announcement.bytes().to_vec();
        let index = place.index(bytes.len());
        bytes[index] ^= 1 << bit;
        prop_assert!(verify(&whole(bytes)).is_err());
    }

    #[test]
    fn a_cut_anywhere_is_refused(place in any::<prop::sample::Index>()) {
        let bytes = ANNOUNCED.announcement.bytes();
        prop_assert!(verify(&whole(bytes[..place.index(bytes.len())].to_vec())).is_err());
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..800)) {
        prop_assert!(verify(&whole(bytes.clone())).is_err());
        let begun = [&ANNOUNCED.announcement.bytes()[..header_len()], &bytes].concat();
        prop_assert!(verify(&whole(begun)).is_err());
    }
}
