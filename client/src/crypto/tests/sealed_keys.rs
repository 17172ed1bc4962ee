//! Sealed keys come back whole for their account and password, and never otherwise.

use std::sync::LazyLock;

use proptest::prelude::*;
use wire::limits::{EARLY_FRAME_LEN_MAX, SEALED_KEYS_LEN_MAX};
use wire::message::auth::SealedKeys;

use crate::crypto::opaque::ExportKey;
use crate::crypto::sealed_keys::{SealedKeysError, open, seal};
use crate::crypto::test_keys::{alice, alice_rotated, large, name, rng};

static SEALED: LazyLock<SealedKeys> =
    LazyLock::new(|| seal(alice(), &name("alice"), &export_key(1), &mut rng()));

fn export_key(byte: u8) -> ExportKey {
    ExportKey::for_tests([byte; 64])
}

#[test]
fn keys_of_every_accepted_size_come_back() {
    for identity in [alice(), alice_rotated(), large()] {
        let sealed = seal(identity, &name("alice"), &export_key(1), &mut rng());
        assert!(sealed.bytes().len() <= SEALED_KEYS_LEN_MAX);
        let opened = open(sealed.bytes(), &name("alice"), &export_key(1)).expect("opens");
        assert_eq!(opened.public(), identity.public());
        let signature = opened.sign(b"domain", &[b"x"], &mut rng()).expect("signs");
        let key = &identity.public().signing;
        assert_eq!(key.verify(b"domain", &[b"x"], &signature), Ok(()));
    }
}

/// The largest sign-up: bundle and keys of 4,096 bits, OPAQUE record of 192 bytes.
#[test]
fn a_sign_up_with_the_largest_keys_fits_an_early_frame() {
    let sealed = seal(large(), &name("alice"), &export_key(1), &mut rng());
    let time = wire::Wall(1);
    let bundle = crate::crypto::SignedBundle::first(large(), name("alice"), time, &mut rng());
    let len = sealed.bytes().len() + bundle.expect("signs").encoded().len() + 192 + 100;
    assert!(len < usize::try_from(EARLY_FRAME_LEN_MAX).expect("fits"), "{len}");
}

#[test]
fn another_password_or_account_does_not_open_them() {
    let tampered = Some(SealedKeysError::Tampered);
    assert_eq!(open(SEALED.bytes(), &name("alice"), &export_key(2)).err(), tampered);
    assert_eq!(open(SEALED.bytes(), &name("alicia"), &export_key(1)).err(), tampered);
    assert_eq!(open(b"", &name("alice"), &export_key(1)).err(), Some(SealedKeysError::Format));
}

proptest! {
    #[test]
    fn a_flipped_bit_anywhere_is_refused(place in any::<prop::sample::Index>(), bit in 0..8u8) {
        let mut bytes = SEALED.bytes().to_vec();
        let index = place.index(bytes.len());
        bytes[index] ^= 1 << bit;
        prop_assert!(open(&bytes, &name("alice"), &export_key(1)).is_err());
    }

    #[test]
    fn any_keys_inside_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..900)) {
        prop_assert!(crate::crypto::sealed_keys::decode(&bytes).is_err());
        let begun = [&[2, 0, 192][..], &bytes].concat();
        prop_assert!(crate::crypto::sealed_keys::decode(&begun).is_err());
    }
}
