//! An envelope opens for its reader, from its sender, in its place, unchanged, and never otherwise.

use std::sync::LazyLock;

use bytes::Bytes;
use proptest::prelude::*;
use wire::message::log::Body;
use wire::{LogId, Number, Origin, Wall};

use crate::crypto::domain;
use crate::crypto::envelope::{self, Expected, Header, OpenError, SealError};
use crate::crypto::hash::hash;
use crate::crypto::keys::Identity;
use crate::crypto::plaintext::{Content, Plaintext, PlaintextError, TEXT_LEN_MAX};
use crate::crypto::test_keys::{alice, alice_rotated, bob, carol, large, name, rng};

static SEALED: LazyLock<Body> = LazyLock::new(|| seal(&plaintext("hello bob")));

fn plaintext(text: &str) -> Plaintext {
    Plaintext {
        sender: name("alice"),
        log: LogId::mailbox(name("bob")),
        origin: Origin([3; 16]),
        number: Number::new(9).expect("in range"),
        previous: [4; 32],
        sent: Wall(1_700_000_000_000),
        content: Content::Text(text.to_owned()),
    }
}

fn seal(plaintext: &Plaintext) -> Body {
    let reader = bob().public().wrapping.clone();
    envelope::seal(alice(), (&name("bob"), &reader), plaintext, &mut rng()).expect("seals")
}

fn place() -> Expected {
    Expected {
        reader: name("bob"),
        log: LogId::mailbox(name("bob")),
        sender: name("alice"),
        origin: Origin([3; 16]),
        number: Number::new(9).expect("in range"),
    }
}

fn open(body: &Body) -> Result<Plaintext, OpenError> {
    open_as(bob(), alice(), &place(), body)
}

fn open_as(
    reader: &Identity,
    sender: &Identity,
    place: &Expected,
    body: &Body,
) -> Result<Plaintext, OpenError> {
    envelope::open(reader, place, &sender.public().signing, body, &mut rng())
}

#[test]
fn what_was_sealed_opens() {
    assert_eq!(open(&SEALED), Ok(plaintext("hello bob")));
}

#[test]
fn texts_up_to_the_limit_fit_a_body_even_with_keys_of_4096_bits() {
    let longest = plaintext(&"x".repeat(TEXT_LEN_MAX));
    let reader = large().public().wrapping.clone();
    let body = envelope::seal(large(), (&name("bob"), &reader), &longest, &mut rng());
    assert_eq!(open_as(large(), large(), &place(), &body.expect("fits")), Ok(longest));
    let len = TEXT_LEN_MAX + 1;
    let longer = plaintext(&"x".repeat(len));
    let refused = envelope::seal(alice(), (&name("bob"), &reader), &longer, &mut rng());
    assert_eq!(refused, Err(SealError::Plaintext(PlaintextError::TooLong { len })));
}

#[test]
fn the_header_is_readable_without_a_key() {
    let header = envelope::read_header(&SEALED).expect("reads");
    let expected = Header {
        sender: name("alice"),
        signing_key: alice().public().signing.id(),
        reader: name("bob"),
        wrapping_key: bob().public().wrapping.id(),
        log: LogId::mailbox(name("bob")),
        origin: Origin([3; 16]),
        number: Number::new(9).expect("in range"),
    };
    assert_eq!(header, expected);
}

#[test]
fn the_text_cannot_be_found_in_the_envelope() {
    let body = seal(&plaintext("canary-0123456789"));
    assert!(!body.bytes().windows(6).any(|window| window == b"canary"));
}

#[test]
fn sealing_twice_gives_other_bytes() {
    let other = {
        let reader = bob().public().wrapping.clone();
        let mut rng = rng();
        rand::Rng::next_u64(&mut rng);
        envelope::seal(alice(), (&name("bob"), &reader), &plaintext("hello bob"), &mut rng)
    };
    let other = other.expect("seals");
    assert_ne!(*SEALED, other);
    assert_ne!(envelope::message_hash(&SEALED), envelope::message_hash(&other));
}

#[test]
fn another_reader_is_refused() {
    let error = open_as(carol(), alice(), &place(), &SEALED);
    assert_eq!(error, Err(OpenError::NotForThisKey));
    let as_carol = Expected { reader: name("carol"), ..place() };
    let error = open_as(bob(), alice(), &as_carol, &SEALED);
    assert_eq!(error, Err(OpenError::Misplaced));
}

#[test]
fn another_senders_key_is_refused() {
    assert_eq!(open_as(bob(), carol(), &place(), &SEALED), Err(OpenError::OtherSender));
}

#[test]
fn a_replay_in_another_place_is_refused() {
    let number = Number::new(10).expect("in range");
    let places = [
        Expected { number, ..place() },
        Expected { origin: Origin([5; 16]), ..place() },
        Expected { log: LogId::group(name("bob")), ..place() },
        Expected { log: LogId::mailbox(name("carol")), ..place() },
        Expected { sender: name("carol"), ..place() },
    ];
    for place in places {
        assert_eq!(open_as(bob(), alice(), &place, &SEALED), Err(OpenError::Misplaced));
    }
}

/// Carol re-signs Alice's sealed part under her own name: the key ids are in the key derivation.
#[test]
fn a_stolen_sealed_part_does_not_open_under_another_name() {
    let body = SEALED.bytes();
    let header = Header {
        sender: name("carol"),
        signing_key: carol().public().signing.id(),
        ..envelope::read_header(&SEALED).expect("reads")
    };
    let mut stolen = bytes::BytesMut::new();
    envelope::put_header(&header, &mut stolen);
    let header_len = stolen.len();
    stolen.extend_from_slice(&body[header_len..]);
    let stolen = resign(carol(), stolen.to_vec(), header_len);
    let place = Expected { sender: name("carol"), ..place() };
    assert_eq!(open_as(bob(), carol(), &place, &stolen), Err(OpenError::Seal));
}

#[test]
fn the_signature_is_checked_before_the_private_key_is_used() {
    let mut body = SEALED.bytes().to_vec();
    let wrapped = header_len() + 4;
    body[wrapped..wrapped + 384].fill(0xff);
    assert_eq!(open(&whole(body)), Err(OpenError::Signature));
}

#[test]
fn a_badly_sealed_envelope_with_a_good_signature_is_refused() {
    let wrapped = header_len() + 4;
    let commitment = wrapped + 384;
    let sealed = commitment + 32 + 4;
    for (index, error) in [
        (wrapped + 100, OpenError::Unwrap),
        (commitment, OpenError::Seal),
        (sealed, OpenError::Seal),
    ] {
        let mut body = SEALED.bytes().to_vec();
        body[index] ^= 1;
        assert_eq!(open(&resign(alice(), body, header_len())), Err(error));
    }
}

#[test]
fn a_message_that_contradicts_its_header_is_refused() {
    let header = envelope::read_header(&SEALED).expect("reads");
    let number = Number::new(8).expect("in range");
    let log = LogId::mailbox(name("carol"));
    let contradictions = [
        Plaintext { sender: name("carol"), ..plaintext("x") },
        Plaintext { log, ..plaintext("x") },
        Plaintext { origin: Origin([0; 16]), ..plaintext("x") },
        Plaintext { number, ..plaintext("x") },
    ];
    let reader = bob().public().wrapping.clone();
    for plaintext in contradictions {
        let body = envelope::seal_under(&header, alice(), &reader, &plaintext, &mut rng());
        assert_eq!(open(&body.expect("seals")), Err(OpenError::Contradiction));
    }
}

#[test]
fn a_message_to_an_older_wrapping_key_opens() {
    let reader = alice().public().wrapping.clone();
    let to_alice = Plaintext { log: LogId::mailbox(name("alice")), ..plaintext("x") };
    let body = envelope::seal(bob(), (&name("alice"), &reader), &to_alice, &mut rng());
    let place = Expected { reader: name("alice"), log: LogId::mailbox(name("alice")), ..place() };
    let opened = open_as(alice_rotated(), bob(), &place, &body.expect("seals"));
    assert_eq!(opened, Ok(to_alice));
}

#[test]
fn a_newer_format_is_named_so() {
    let mut body = SEALED.bytes().to_vec();
    body[4] = 2;
    assert_eq!(open(&whole(body)), Err(OpenError::Format));
}

fn header_len() -> usize {
    4 + 1 + (1 + 5) + 32 + (1 + 3) + 32 + (1 + 1 + 3) + 16 + 8
}

fn whole(bytes: Vec<u8>) -> Body {
    Body::new(Bytes::from(bytes)).expect("short")
}

/// The bytes with a good signature of `signer` in place of the one they have.
fn resign(signer: &Identity, mut bytes: Vec<u8>, header_len: usize) -> Body {
    bytes.truncate(bytes.len() - 384);
    let signed_len = bytes.len() - 4;
    let sealed = hash(domain::ENVELOPE_SEALED, &[&bytes[header_len..signed_len]]);
    let parts: [&[u8]; 2] = [&bytes[..header_len], &sealed];
    let signature = signer.sign(domain::ENVELOPE_SIGNATURE, &parts, &mut rng());
    bytes.extend_from_slice(&signature.expect("signs"));
    whole(bytes)
}

proptest! {
    #[test]
    fn a_flipped_bit_anywhere_is_refused(place in any::<prop::sample::Index>(), bit in 0..8u8) {
        let mut bytes = SEALED.bytes().to_vec();
        let index = place.index(bytes.len());
        bytes[index] ^= 1 << bit;
        prop_assert!(open(&whole(bytes)).is_err());
    }

    #[test]
    fn a_cut_anywhere_is_refused(place in any::<prop::sample::Index>()) {
        let body = SEALED.bytes();
        prop_assert!(open(&whole(body[..place.index(body.len())].to_vec())).is_err());
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..800)) {
        prop_assert!(open(&whole(bytes.clone())).is_err());
        let begun = [&SEALED.bytes()[..header_len()], &bytes].concat();
        prop_assert!(open(&whole(begun)).is_err());
    }
}
