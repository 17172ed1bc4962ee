//! Padding hides lengths in buckets, and only the canonical padding is accepted.

use bytes::Bytes;
use proptest::prelude::*;
use wire::{DecodeError, LogId, Number, Origin, Wall};

use crate::crypto::plaintext::{
    BUCKETS, Content, Plaintext, PlaintextError, TEXT_LEN_MAX, check_text,
};
use crate::crypto::test_keys::name;

fn plaintext(content: Content) -> Plaintext {
    Plaintext {
        sender: name("alice"),
        log: LogId::mailbox(name("bob")),
        origin: Origin([3; 16]),
        number: Number::new(9).expect("in range"),
        previous: [4; 32],
        sent: Wall(1_700_000_000_000),
        content,
    }
}

fn encode(text: &str) -> Vec<u8> {
    plaintext(Content::Text(text.to_owned())).encode().expect("fits").to_vec()
}

/// Bytes beside the content for these names.
const FIELDS_LEN: usize = 1 + 1 + 6 + 5 + 16 + 8 + 32 + 8 + 4;

#[test]
fn each_length_is_padded_to_the_smallest_bucket_that_holds_it() {
    for bucket in BUCKETS {
        let exact = (bucket - FIELDS_LEN).min(TEXT_LEN_MAX);
        assert_eq!(encode(&"x".repeat(exact)).len(), bucket);
        if exact < TEXT_LEN_MAX {
            assert!(encode(&"x".repeat(exact + 1)).len() > bucket);
        }
    }
    assert_eq!(encode("").len(), BUCKETS[0]);
}

#[test]
fn padding_of_another_size_or_with_other_bytes_is_refused() {
    let good = encode("hello");
    let decode = |bytes: Vec<u8>| Plaintext::decode(Bytes::from(bytes));
    assert!(decode(good.clone()).is_ok());
    let mut longer = good.clone();
    longer.resize(512, 0);
    assert_eq!(decode(longer), Err(PlaintextError::Padding));
    let mut shorter = good.clone();
    shorter.truncate(200);
    assert_eq!(decode(shorter), Err(PlaintextError::Padding));
    let mut speaking = good;
    speaking[255] = 1;
    assert_eq!(decode(speaking), Err(PlaintextError::Padding));
}

#[test]
fn a_text_over_the_limit_is_named_with_its_length() {
    let len = TEXT_LEN_MAX + 1;
    let error = check_text(&"x".repeat(len)).expect_err("too long");
    assert_eq!(error, PlaintextError::TooLong { len });
    assert!(error.to_string().contains("60000"), "{error}");
    assert_eq!(check_text(&"x".repeat(TEXT_LEN_MAX)), Ok(()));
}

#[test]
fn a_text_that_is_not_utf_8_is_refused() {
    let mut bytes = encode("hello");
    bytes[FIELDS_LEN] = 0xff;
    let error = Plaintext::decode(Bytes::from(bytes));
    assert_eq!(error, Err(PlaintextError::Malformed(DecodeError::Value("content"))));
}

proptest! {
    #[test]
    fn what_was_encoded_decodes(text in ".{0,300}", kind in 5..=255u8) {
        let unknown = Content::Unknown { kind, bytes: Bytes::from(text.clone()) };
        for content in [Content::Text(text), unknown] {
            let plaintext = plaintext(content);
            let encoded = plaintext.encode().expect("fits").freeze();
            prop_assert!(BUCKETS.contains(&encoded.len()));
            prop_assert_eq!(Plaintext::decode(encoded), Ok(plaintext));
        }
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let decoded = Plaintext::decode(Bytes::from(bytes.clone()));
        if let Ok(decoded) = decoded {
            prop_assert_eq!(decoded.encode().expect("fits").to_vec(), bytes);
        }
    }
}
