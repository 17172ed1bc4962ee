//! A message opens in its message session, in its place, unchanged, and never otherwise; the
//! ratchet does not turn back.

use std::sync::LazyLock;

use bytes::Bytes;
use proptest::prelude::*;
use wire::message::log::Body;
use wire::{LogId, MessageSession, Number, Origin, Wall};

use crate::crypto::message_session::{
    Expected, Inbound, OpenError, Outbound, SessionError, SessionKey, message_hash,
    read_message_session,
};
use crate::crypto::plaintext::{Content, Plaintext, PlaintextError, TEXT_LEN_MAX};
use crate::crypto::test_keys::name;

/// The key of a message session, and its first three messages.
static SEALED: LazyLock<(SessionKey, Vec<Body>)> = LazyLock::new(|| {
    let mut outbound = outbound();
    let key = outbound.session_key();
    let bodies = (1..=3).map(|number| seal(&mut outbound, number)).collect();
    (key, bodies)
});

fn outbound() -> Outbound {
    Outbound::begin(MessageSession(7), Wall(1_700_000_000_000))
}

fn number(number: u64) -> Number {
    Number::new(number).expect("in range")
}

fn plaintext(post: u64) -> Plaintext {
    Plaintext {
        sender: name("alice"),
        log: LogId::group(name("rust")),
        origin: Origin([3; 16]),
        number: number(post),
        previous: [4; 32],
        sent: Wall(1_700_000_000_000),
        content: Content::Text(format!("canary {post}")),
    }
}

fn seal(outbound: &mut Outbound, post: u64) -> Body {
    outbound.seal(&plaintext(post)).expect("seals")
}

fn place(post: u64) -> Expected {
    Expected {
        log: LogId::group(name("rust")),
        sender: name("alice"),
        origin: Origin([3; 16]),
        number: number(post),
    }
}

fn inbound(key: &SessionKey) -> Inbound {
    Inbound::new(key).expect("a good key")
}

fn whole(bytes: Vec<u8>) -> Body {
    Body::new(Bytes::from(bytes)).expect("short")
}

#[test]
fn what_was_sealed_opens_in_any_order_and_again() {
    let (key, bodies) = &*SEALED;
    let mut inbound = inbound(key);
    for post in [3, 1, 2, 2, 3] {
        let index = usize::try_from(post).expect("small") - 1;
        assert_eq!(inbound.open(&place(post), &bodies[index]), Ok(plaintext(post)));
    }
    assert_eq!(read_message_session(&bodies[0]), Ok(MessageSession(7)));
}

#[test]
fn a_key_opens_nothing_from_before_it() {
    let mut outbound = outbound();
    let early = seal(&mut outbound, 1);
    assert_eq!((outbound.count(), outbound.session_key().first_index()), (1, 1));
    let mut inbound = inbound(&outbound.session_key());
    assert_eq!(inbound.open(&place(1), &early), Err(OpenError::TooEarly));
    let late = seal(&mut outbound, 2);
    assert_eq!(inbound.open(&place(2), &late), Ok(plaintext(2)));
}

#[test]
fn what_was_opened_can_be_forgotten() {
    let (key, bodies) = &*SEALED;
    let mut inbound = inbound(key);
    inbound.open(&place(2), &bodies[1]).expect("opens");
    inbound.forget_opened();
    let mut stored = Inbound::decode(&inbound.encode()).expect("decodes");
    for inbound in [&mut inbound, &mut stored] {
        assert_eq!(inbound.first_index(), 2);
        assert_eq!(inbound.open(&place(1), &bodies[0]), Err(OpenError::TooEarly));
        assert_eq!(inbound.open(&place(2), &bodies[1]), Err(OpenError::TooEarly));
        assert_eq!(inbound.open(&place(3), &bodies[2]), Ok(plaintext(3)));
    }
}

#[test]
fn both_sides_survive_the_store() {
    let mut outbound = outbound();
    let key = outbound.session_key();
    seal(&mut outbound, 1);
    let mut outbound = Outbound::decode(&outbound.encode()).expect("decodes");
    assert_eq!((outbound.number(), outbound.count()), (MessageSession(7), 1));
    assert_eq!(outbound.begun(), Wall(1_700_000_000_000));
    let body = seal(&mut outbound, 2);
    let mut inbound = Inbound::decode(&inbound(&key).encode()).expect("decodes");
    assert_eq!((inbound.number(), inbound.first_index()), (MessageSession(7), 0));
    assert_eq!(inbound.open(&place(2), &body), Ok(plaintext(2)));
}

#[test]
fn a_damaged_store_is_named_so() {
    let (outbound, inbound) = (outbound().encode(), inbound(&SEALED.0).encode());
    for len in [0, 1, 4, 12, 60, 168] {
        assert_eq!(Outbound::decode(&outbound[..len]).err(), Some(SessionError::Stored));
        assert_eq!(Inbound::decode(&inbound[..len]).err(), Some(SessionError::Stored));
    }
    let newer = [&[2], &inbound[1..]].concat();
    assert_eq!(Inbound::decode(&newer).err(), Some(SessionError::Stored));
}

#[test]
fn a_message_in_another_place_is_refused() {
    let (key, bodies) = &*SEALED;
    let places = [
        place(2),
        Expected { origin: Origin([5; 16]), ..place(1) },
        Expected { log: LogId::mailbox(name("rust")), ..place(1) },
        Expected { log: LogId::group(name("go")), ..place(1) },
        Expected { sender: name("carol"), ..place(1) },
    ];
    for place in places {
        assert_eq!(inbound(key).open(&place, &bodies[0]), Err(OpenError::Misplaced));
    }
}

#[test]
fn another_message_session_is_refused() {
    let (key, bodies) = &*SEALED;
    let mut renumbered = bodies[0].bytes().to_vec();
    renumbered[8] = 8;
    let error = inbound(key).open(&place(1), &whole(renumbered.clone()));
    assert_eq!(error, Err(OpenError::OtherSession));
    let other = Outbound::begin(MessageSession(8), Wall(0)).session_key();
    let error = inbound(&other).open(&place(1), &whole(renumbered));
    assert_eq!(error, Err(OpenError::Seal));
}

/// Unknown fields inside would leave the signature good and the message's hash another.
#[test]
fn a_message_has_one_encoding() {
    let (key, bodies) = &*SEALED;
    let body = bodies[0].bytes();
    let end = body.len() - 8 - 64;
    let unknown_field = [0x1a, 0x01, 0x00];
    let longer = [&body[..end], &unknown_field, &body[end..]].concat();
    let error = inbound(key).open(&place(1), &whole(longer));
    assert!(matches!(error, Err(OpenError::Malformed(_))), "{error:?}");
}

#[test]
fn a_newer_format_is_named_so() {
    let (key, bodies) = &*SEALED;
    let mut newer = bodies[0].bytes().to_vec();
    newer[4] = 2;
    assert_eq!(inbound(key).open(&place(1), &whole(newer)), Err(OpenError::Format));
}

#[test]
fn texts_up_to_the_limit_fit_a_body() {
    let mut outbound = outbound();
    let mut inbound = inbound(&outbound.session_key());
    let text = |len| Plaintext { content: Content::Text("x".repeat(len)), ..plaintext(1) };
    let len = TEXT_LEN_MAX + 1;
    assert_eq!(outbound.seal(&text(len)), Err(PlaintextError::TooLong { len }));
    assert_eq!(outbound.count(), 0);
    let body = outbound.seal(&text(TEXT_LEN_MAX)).expect("fits");
    assert_eq!(inbound.open(&place(1), &body), Ok(text(TEXT_LEN_MAX)));
}

#[test]
fn the_text_cannot_be_found_and_hashes_differ() {
    let (_, bodies) = &*SEALED;
    assert!(!bodies[0].bytes().windows(6).any(|window| window == b"canary"));
    assert_ne!(message_hash(&bodies[0]), message_hash(&bodies[1]));
}

#[test]
fn a_session_key_is_checked_and_not_printed() {
    let key = &SEALED.0;
    let read = |bytes: &[u8]| SessionKey::from_bytes(MessageSession(7), bytes).err();
    assert_eq!(read(key.as_bytes()), None);
    assert_eq!(read(&key.as_bytes()[1..]), Some(SessionError::Key));
    let mut altered = key.as_bytes().to_vec();
    altered[4] ^= 1;
    assert_eq!(read(&altered), Some(SessionError::Key));
    assert_eq!(format!("{key:?}"), "SessionKey(MessageSession(7) from 0, secret)");
}

proptest! {
    #[test]
    fn a_flipped_bit_anywhere_is_refused(place_of in any::<prop::sample::Index>(), bit in 0..8u8) {
        let (key, bodies) = &*SEALED;
        let mut bytes = bodies[1].bytes().to_vec();
        let index = place_of.index(bytes.len());
        bytes[index] ^= 1 << bit;
        prop_assert!(inbound(key).open(&place(2), &whole(bytes)).is_err());
    }

    #[test]
    fn a_cut_anywhere_is_refused(place_of in any::<prop::sample::Index>()) {
        let (key, bodies) = &*SEALED;
        let body = bodies[1].bytes();
        let cut = whole(body[..place_of.index(body.len())].to_vec());
        prop_assert!(inbound(key).open(&place(2), &cut).is_err());
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let (key, bodies) = &*SEALED;
        prop_assert!(inbound(key).open(&place(2), &whole(bytes.clone())).is_err());
        let begun = [&bodies[1].bytes()[..9], &bytes].concat();
        prop_assert!(inbound(key).open(&place(2), &whole(begun)).is_err());
        prop_assert!(Outbound::decode(&bytes).is_err());
    }
}
