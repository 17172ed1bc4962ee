//! Only good keys come in; the two pairs of an identity never mix; safety numbers.

use rsa::RsaPublicKey;
use rsa::pkcs8::{DecodePrivateKey, EncodePublicKey};

use crate::crypto::keys::{Identity, KeyError, SigningPublicKey, WrappingPublicKey};
use crate::crypto::safety_number::SafetyNumber;
use crate::crypto::test_keys::{
    alice, alice_rotated, bob, carol, der_of_2048_bits, der_of_alice, der_of_exponent_3, large,
    name, rng,
};

fn public_der(private: &[u8]) -> Vec<u8> {
    let key = rsa::RsaPrivateKey::from_pkcs8_der(private).expect("a key");
    RsaPublicKey::from(&key).to_public_key_der().expect("encodes").into_vec()
}

#[test]
fn short_keys_are_refused_public_and_private() {
    let private = der_of_2048_bits();
    let public = SigningPublicKey::from_der(&public_der(&private));
    assert_eq!(public.err(), Some(KeyError::Size(2048)));
    let [signing, _] = der_of_alice();
    let identity = Identity::import(&signing, &[&private]);
    assert_eq!(identity.err(), Some(KeyError::Size(2048)));
}

#[test]
fn another_exponent_is_refused_public_and_private() {
    let private = der_of_exponent_3();
    let public = WrappingPublicKey::from_der(&public_der(&private));
    assert_eq!(public.err(), Some(KeyError::Exponent));
    let [signing, _] = der_of_alice();
    let identity = Identity::import(&signing, &[&private]);
    assert_eq!(identity.err(), Some(KeyError::Exponent));
}

#[test]
fn keys_of_4096_bits_are_accepted() {
    let public = large().public().clone();
    assert_eq!(SigningPublicKey::from_der(public.signing.der()), Ok(public.signing));
}

/// SPKI with the length of the outer sequence in three bytes where two suffice.
#[test]
fn der_that_is_not_canonical_is_refused() {
    let der = alice().public().signing.der().to_vec();
    assert_eq!(der[..2], [0x30, 0x82], "a long sequence");
    let mut long = vec![0x30, 0x83, 0x00, der[2], der[3]];
    long.extend_from_slice(&der[4..]);
    let refused = SigningPublicKey::from_der(&long).err();
    assert!(matches!(refused, Some(KeyError::Encoding | KeyError::NotCanonical)), "{refused:?}");
    let mut trailing = der.clone();
    trailing.push(0);
    let refused = SigningPublicKey::from_der(&trailing).err();
    assert!(matches!(refused, Some(KeyError::Encoding | KeyError::NotCanonical)), "{refused:?}");
}

/// The same key, marked for PSS alone: readable, but another encoding, and so another key id.
#[test]
fn the_same_key_under_another_algorithm_is_refused() {
    let der = alice().public().signing.der();
    let algorithm = [0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
    assert_eq!(der[4..19], algorithm, "rsaEncryption with NULL");
    let len = u16::from_be_bytes([der[2], der[3]]) - 2;
    let pss = [0x30, 0x0b, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];
    let der = [&[0x30, 0x82][..], &len.to_be_bytes(), &pss, &der[19..]].concat();
    assert_eq!(SigningPublicKey::from_der(&der), Err(KeyError::NotCanonical));
}

/// A CRT value that does not fit the primes is skipped by readers, so only re-encoding finds it.
#[test]
fn a_private_key_that_contradicts_itself_is_refused() {
    let [mut signing, wrapping] = der_of_alice();
    let last = signing.len() - 1;
    signing[last] ^= 1;
    let identity = Identity::import(&signing, &[&wrapping]);
    assert_eq!(identity.err(), Some(KeyError::NotCanonical));
}

#[test]
fn one_key_for_two_purposes_is_refused() {
    let [signing, wrapping] = der_of_alice();
    let shared = Identity::import(&signing, &[&signing]);
    assert_eq!(shared.err(), Some(KeyError::Shared));
    let twice = Identity::import(&signing, &[&wrapping, &wrapping]);
    assert_eq!(twice.err(), Some(KeyError::Shared));
    let none = Identity::import(&signing, &[]);
    assert_eq!(none.err(), Some(KeyError::Count));
}

#[test]
fn a_signature_holds_for_its_key_domain_and_bytes_only() {
    let signature = alice().sign(b"domain", &[b"one", b"two"], &mut rng()).expect("signs");
    let key = &alice().public().signing;
    assert_eq!(key.verify(b"domain", &[b"one", b"two"], &signature), Ok(()));
    let invalid = Err(KeyError::Signature);
    assert_eq!(key.verify(b"domaim", &[b"one", b"two"], &signature), invalid);
    assert_eq!(key.verify(b"domain", &[b"one", b"twp"], &signature), invalid);
    assert_eq!(key.verify(b"domain", &[b"one", b"two"], &signature[1..]), invalid);
    let other = &bob().public().signing;
    assert_eq!(other.verify(b"domain", &[b"one", b"two"], &signature), invalid);
}

#[test]
fn a_wrapped_secret_opens_with_its_key_and_label_only() {
    let secret = [7; 32];
    let public = &alice().public().wrapping;
    let wrapped = public.wrap_secret(b"label", &secret, &mut rng()).expect("wraps");
    let open = |identity: &Identity, id, label: &[u8]| {
        identity.unwrap_secret(&id, label, &wrapped, &mut rng()).map(|secret| *secret)
    };
    assert_eq!(open(alice(), public.id(), b"label"), Ok(secret));
    assert_eq!(open(alice(), public.id(), b"lapel"), Err(KeyError::Unwrap));
    assert_eq!(open(bob(), public.id(), b"label"), Err(KeyError::Unwrap));
    let bobs = bob().public().wrapping.id();
    assert_eq!(open(bob(), bobs, b"label"), Err(KeyError::Unwrap));
}

#[test]
fn older_wrapping_keys_still_open() {
    let old = &alice().public().wrapping;
    let wrapped = old.wrap_secret(b"label", &[7; 32], &mut rng()).expect("wraps");
    let rotated = alice_rotated();
    assert_ne!(rotated.public().wrapping, *old);
    let opened = rotated.unwrap_secret(&old.id(), b"label", &wrapped, &mut rng());
    assert_eq!(opened.map(|secret| *secret), Ok([7; 32]));
}

#[test]
fn generated_keys_pass_their_own_checks_and_a_fresh_wrapping_key_keeps_the_old_one() {
    let identity = Identity::generate(&mut rng()).expect("generates");
    let public = identity.public().clone();
    assert_ne!(public.signing.der(), public.wrapping.der());
    assert_eq!(WrappingPublicKey::from_der(public.wrapping.der()), Ok(public.wrapping.clone()));
    let rotated = alice().with_fresh_wrapping(&mut rng()).expect("generates");
    assert_eq!(rotated.public().signing, alice().public().signing);
    assert!(rotated.has_wrapping(&alice().public().wrapping.id()));
    assert_ne!(rotated.public().wrapping, alice().public().wrapping);
}

#[test]
fn debug_output_holds_no_private_key() {
    let shown = format!("{:?}", alice());
    assert!(shown.len() < 250, "{shown}");
}

#[test]
fn both_sides_compute_the_same_safety_number() {
    let (alice, bob, carol) = (alice(), bob(), carol());
    let of = |one: &Identity, a: &str, other: &Identity, b: &str| {
        let (one, other) = (&one.public().signing, &other.public().signing);
        SafetyNumber::between((&name(a), one), (&name(b), other)).to_string()
    };
    let number = of(alice, "alice", bob, "bob");
    assert_eq!(number, of(bob, "bob", alice, "alice"));
    assert_ne!(number, of(alice, "alice", carol, "bob"), "another key");
    assert_ne!(number, of(alice, "alice", bob, "bobby"), "another name");
    let groups: Vec<&str> = number.split(' ').collect();
    assert_eq!(groups.len(), 12);
    assert!(groups.iter().all(|g| g.len() == 5 && g.bytes().all(|b| b.is_ascii_digit())));
}
