//! Files made by a second implementation that follows `PROTOCOL.md` open here: the page is right,
//! and what was once sealed stays readable.

use bytes::Bytes;
use wire::message::grant::{Announcement, ReaderGrant, Wrapped};
use wire::message::log::Body;
use wire::{Act, LogId, MessageSession, Number, Origin, Statement, Wall};

use crate::crypto::blob::{self, Encrypted};
use crate::crypto::grant::{self, SessionPlace};
use crate::crypto::message_session::{self, Inbound};
use crate::crypto::opaque::ExportKey;
use crate::crypto::plaintext::Content;
use crate::crypto::test_keys::{alice, bob, name, rng};
use crate::crypto::{Attachment, SafetyNumber, SignedBundle, sealed_keys, verify_statement};

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
fn the_grant_opens_and_its_key_opens_the_message() {
    let place = SessionPlace {
        sender: name("alice"),
        log: LogId::group(name("rust")),
        origin: Origin([3; 16]),
        message_session: MessageSession(7),
    };
    let announcement = bytes(include_str!("../../../testdata/golden/announcement.hex"));
    let announcement = Announcement::new(Bytes::from(announcement)).expect("short");
    let signing = &alice().public().signing;
    let verified = grant::verify_announcement(&place, signing, &announcement).expect("verifies");
    assert_eq!((verified.header().roster_version, verified.header().roster_head), (5, [6; 32]));
    let wrapped = bytes(include_str!("../../../testdata/golden/wrapped.hex"));
    let wrapped = Wrapped::new(Bytes::from(wrapped)).expect("short");
    let wrapping_key = bob().public().wrapping.id().0;
    let grant = ReaderGrant { reader: name("bob"), wrapping_key, wrapped };
    let key = grant::open(bob(), &verified, &grant, &mut rng()).expect("opens");

    let body = bytes(include_str!("../../../testdata/golden/message.hex"));
    let body = Body::new(Bytes::from(body)).expect("short");
    let SessionPlace { sender, log, origin, .. } = place;
    let number = Number::new(9).expect("in range");
    let expected = message_session::Expected { log, sender, origin, number };
    let opened = Inbound::new(&key).expect("a key").open(&expected, &body).expect("opens");
    assert_eq!(opened.content, Content::Text("grüß dich, rust".to_owned()));
    assert_eq!((opened.previous, opened.sent), ([4; 32], Wall(1_700_000_000_000)));
    assert_eq!(message_session::message_hash(&body).to_vec(), bytes(value("message hash")));
}

#[test]
fn the_statement_verifies() {
    let encoded = bytes(include_str!("../../../testdata/golden/statement.hex"));
    let statement = Statement::decode(Bytes::from(encoded)).expect("decodes");
    assert_eq!(verify_statement(&statement, &alice().public().signing), Ok(()));
    assert_eq!((statement.act, statement.subject), (Act::Invite, name("bob")));
}

#[test]
fn the_attachment_decodes_and_its_blob_opens() {
    let encoded = bytes(include_str!("../../../testdata/golden/attachment.hex"));
    let attachment = Attachment::decode(Bytes::from(encoded)).expect("decodes");
    assert_eq!((attachment.name.as_str(), attachment.caption.as_str()), ("cat.png", "grüße"));
    let ciphertext = bytes(include_str!("../../../testdata/golden/blob.hex"));
    let expected = Encrypted { blob: attachment.blob, size: attachment.size };
    let mut content = Vec::new();
    blob::decrypt(&attachment.key, &expected, &ciphertext[..], &mut content).expect("opens");
    assert_eq!(content, (0..100).collect::<Vec<u8>>());
}

#[test]
fn the_safety_number_is_the_same() {
    let (alice, bob) = (&alice().public().signing, &bob().public().signing);
    let number = SafetyNumber::between((&name("alice"), alice), (&name("bob"), bob));
    assert_eq!(number.to_string(), value("safety number"));
}
