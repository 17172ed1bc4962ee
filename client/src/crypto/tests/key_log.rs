//! A key log grows only by links that continue it; a changed signing key is always noticed.

use bytes::Bytes;
use proptest::prelude::*;
use wire::{DecodeError, Wall};

use crate::crypto::bundle::{BundleError, SignedBundle};
use crate::crypto::key_log::{KeyLog, KeyLogError};
use crate::crypto::keys::KeyError;
use crate::crypto::test_keys::{alice, alice_rotated, bob, carol, large, name, rng};

fn first() -> SignedBundle {
    SignedBundle::first(alice(), name("alice"), Wall(5), &mut rng()).expect("signs")
}

fn rotated() -> SignedBundle {
    first().next(alice_rotated(), Wall(6), &mut rng()).expect("signs")
}

fn verify(bundles: &[&SignedBundle]) -> Result<KeyLog, KeyLogError> {
    let encoded: Vec<Bytes> = bundles.iter().map(|bundle| bundle.encoded().clone()).collect();
    KeyLog::verify(&name("alice"), &encoded)
}

#[test]
fn a_bundle_says_what_was_signed() {
    let read = SignedBundle::verify(first().encoded().clone()).expect("verifies");
    let bundle = read.bundle();
    assert_eq!((bundle.name, bundle.version, bundle.created), (name("alice"), 1, Wall(5)));
    assert_eq!(bundle.keys, *alice().public());
}

#[test]
fn bundles_of_4096_bits_fit() {
    let bundle = SignedBundle::first(large(), name("alice"), Wall(5), &mut rng()).expect("signs");
    assert!(SignedBundle::verify(bundle.encoded().clone()).is_ok());
}

#[test]
fn a_new_wrapping_key_is_no_changed_key() {
    let log = verify(&[&first(), &rotated()]).expect("verifies");
    assert_eq!(log.version(), 2);
    assert_eq!(log.newest().keys.wrapping, alice_rotated().public().wrapping);
    assert!(!log.has_changed_from(&alice().public().signing.id()));
}

#[test]
fn a_new_signing_key_is_a_changed_key_and_the_old_one_is_still_known() {
    let changed = first().next(carol(), Wall(6), &mut rng()).expect("signs");
    let log = verify(&[&first(), &changed]).expect("verifies");
    let old = alice().public().signing.id();
    assert!(log.has_changed_from(&old));
    assert_eq!(log.signing_key(&old), Some(&alice().public().signing));
    assert_eq!(log.signing_key(&bob().public().signing.id()), None);
}

#[test]
fn a_log_that_skips_repeats_or_branches_is_refused() {
    let second = rotated();
    let third = second.next(alice(), Wall(7), &mut rng()).expect("signs");
    assert!(verify(&[&first(), &second, &third]).is_ok());
    let chain = |version| Err(KeyLogError::Chain { version });
    assert_eq!(verify(&[&first(), &third]), chain(2));
    assert_eq!(verify(&[&second, &third]), chain(1));
    assert_eq!(verify(&[&first(), &first()]), chain(2));
    let other = SignedBundle::first(carol(), name("alice"), Wall(5), &mut rng()).expect("signs");
    assert_eq!(verify(&[&other, &second]), chain(2));
    assert_eq!(verify(&[]), Err(KeyLogError::Empty));
}

#[test]
fn a_log_of_another_account_is_refused() {
    let bobs = SignedBundle::first(bob(), name("bob"), Wall(5), &mut rng()).expect("signs");
    assert_eq!(verify(&[&bobs]), Err(KeyLogError::Name));
}

#[test]
fn extending_equals_verifying_the_whole() {
    let (one, two) = (first(), rotated());
    let whole = verify(&[&one, &two]).expect("verifies");
    let grown = verify(&[&one]).and_then(|log| log.extend(&[two.encoded().clone()]));
    assert_eq!(grown, Ok(whole));
}

#[test]
fn a_newer_format_is_named_so() {
    let mut bytes = first().encoded().to_vec();
    bytes[4] = 2;
    assert_eq!(SignedBundle::verify(bytes.into()), Err(BundleError::Format));
    assert_eq!(
        SignedBundle::verify(Bytes::new()),
        Err(BundleError::Malformed(DecodeError::Short("magic")))
    );
}

#[test]
fn a_bundle_signed_by_another_key_is_refused() {
    let encoded = first().encoded().clone();
    let signed_len = encoded.len() - 384 - 4;
    let signed = &encoded[..signed_len];
    let forged = carol().sign(crate::crypto::domain::BUNDLE_SIGNATURE, &[signed], &mut rng());
    let bytes = [signed, &384u32.to_be_bytes(), &forged.expect("signs")].concat();
    assert_eq!(SignedBundle::verify(bytes.into()), Err(BundleError::Key(KeyError::Signature)));
}

/// The bundle's fields after `change`, with a good signature by Alice.
fn resigned(bundle: &SignedBundle, change: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let encoded = bundle.encoded();
    let mut bytes = encoded[..encoded.len() - 384 - 4].to_vec();
    change(&mut bytes);
    let signature = alice().sign(crate::crypto::domain::BUNDLE_SIGNATURE, &[&bytes], &mut rng());
    [&bytes[..], &384u32.to_be_bytes(), &signature.expect("signs")].concat().into()
}

const VERSION: std::ops::Range<usize> = 11..15;

#[test]
fn a_version_that_jumps_is_refused_even_with_the_right_hash() {
    let second = rotated();
    let kept = resigned(&second, |_| {});
    let jumped = resigned(&second, |bytes| bytes[VERSION].copy_from_slice(&[0, 0, 0, 7]));
    let log = |next| KeyLog::verify(&name("alice"), &[first().encoded().clone(), next]);
    assert!(log(kept).is_ok());
    assert_eq!(log(jumped), Err(KeyLogError::Chain { version: 2 }));
}

#[test]
fn a_version_that_contradicts_its_chain_is_refused() {
    let begun = resigned(&first(), |bytes| bytes[VERSION].copy_from_slice(&[0, 0, 0, 2]));
    let nothing = resigned(&first(), |bytes| bytes[VERSION].copy_from_slice(&[0; 4]));
    for bytes in [begun, nothing] {
        assert_eq!(SignedBundle::verify(bytes), Err(BundleError::Version));
    }
}

#[test]
fn one_key_for_two_purposes_is_refused() {
    let signing = alice().public().signing.der().clone();
    let shared = resigned(&first(), |bytes| {
        let wrapping = bytes.len() - signing.len();
        bytes[wrapping..].copy_from_slice(&signing);
    });
    assert_eq!(SignedBundle::verify(shared), Err(BundleError::Shared));
}

proptest! {
    #[test]
    fn a_flipped_bit_anywhere_is_refused(place in any::<prop::sample::Index>(), bit in 0..8u8) {
        let mut bytes = first().encoded().to_vec();
        let index = place.index(bytes.len());
        bytes[index] ^= 1 << bit;
        prop_assert!(SignedBundle::verify(bytes.into()).is_err());
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(SignedBundle::verify(bytes.clone().into()).is_err());
        let begun = [b"FCKB\x01\x05alice\0\0\0\x01".as_slice(), &bytes].concat();
        prop_assert!(SignedBundle::verify(begun.into()).is_err());
    }
}
