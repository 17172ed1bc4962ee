//! Files made by a second implementation that follows `PROTOCOL.md` open here: the page is right,
//! and what was once sealed stays readable.

use bytes::Bytes;
use wire::message::log::Body;
use wire::{LogId, Number, Origin, Wall};

use crate::crypto::envelope::{self, Expected, message_hash};
use crate::crypto::opaque::ExportKey;
use crate::crypto::plaintext::{Content, Plaintext};
use crate::crypto::test_keys::{alice, bob, name, rng};
use crate::crypto::{SafetyNumber, SignedBundle, sealed_keys};

const VALUES: &str = include_str!("../../../testdata/golden/values.txt");

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => byte - b'0',
        _ => byte - b'a' + 10,
    };
    digits.chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn value(name: &str) -> &'static str {
    let mut lines = VALUES.lines();
    let value = lines.find_map(|line| line.strip_prefix(name));
    value.expect("the file has this value").trim()
}

#[test]
fn the_bundle_verifies_and_has_its_hash() {
    let encoded = bytes(include_str!("../../../testdata/golden/bundle.hex"));
    let signed = SignedBundle::verify(Bytes::from(encoded)).expect("verifies");
    let bundle = signed.bundle();
    assert_eq!((bundle.name, bundle.version), (name("alice"), 1));
    assert_eq!((bundle.created, &bundle.keys), (Wall(1_700_000_000_000), alice().public()));
    assert_eq!(signed.hash().to_vec(), bytes(value("bundle hash")));
}

#[test]
fn the_sealed_keys_open() {
    let sealed = bytes(include_str!("../../../testdata/golden/sealed-keys.hex"));
    let export_key = ExportKey::for_tests(std::array::from_fn(|i| u8::try_from(i).expect("64")));
    let identity = sealed_keys::open(&sealed, &name("alice"), &export_key).expect("opens");
    assert_eq!(identity.public(), alice().public());
}

#[test]
fn the_envelope_opens_and_has_its_hash() {
    let body = bytes(include_str!("../../../testdata/golden/envelope.hex"));
    let body = Body::new(Bytes::from(body)).expect("short");
    let (log, origin) = (LogId::mailbox(name("bob")), Origin([3; 16]));
    let number = Number::new(9).expect("in range");
    let place = Expected { reader: name("bob"), log, sender: name("alice"), origin, number };
    let opened = envelope::open(bob(), &place, &alice().public().signing, &body, &mut rng());
    let expected = Plaintext {
        sender: name("alice"),
        log,
        origin,
        number,
        previous: [4; 32],
        sent: Wall(1_700_000_000_000),
        content: Content::Text("grüß dich, bob".to_owned()),
    };
    assert_eq!(opened, Ok(expected));
    assert_eq!(message_hash(&body).to_vec(), bytes(value("message hash")));
}

#[test]
fn the_safety_number_is_the_same() {
    let (alice, bob) = (&alice().public().signing, &bob().public().signing);
    let number = SafetyNumber::between((&name("alice"), alice), (&name("bob"), bob));
    assert_eq!(number.to_string(), value("safety number"));
}
