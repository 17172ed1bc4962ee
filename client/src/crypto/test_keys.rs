//! Ready-made keys and generators for tests: making RSA keys takes seconds.

use std::sync::LazyLock;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rsa::pkcs8::SecretDocument;
use wire::Name;

use super::keys::Identity;

macro_rules! pem {
    ($name:literal) => {
        include_str!(concat!("../../testdata/test-key-", $name, ".pem"))
    };
}

static ALICE: LazyLock<Identity> =
    LazyLock::new(|| identity(pem!("alice-signing"), pem!("alice-wrapping")));
static BOB: LazyLock<Identity> =
    LazyLock::new(|| identity(pem!("bob-signing"), pem!("bob-wrapping")));
static CAROL: LazyLock<Identity> =
    LazyLock::new(|| identity(pem!("carol-signing"), pem!("carol-wrapping")));
static LARGE: LazyLock<Identity> =
    LazyLock::new(|| identity(pem!("4096-signing"), pem!("4096-wrapping")));
static ALICE_ROTATED: LazyLock<Identity> = LazyLock::new(|| {
    let wrappings = [der(pem!("carol-wrapping")), der(pem!("alice-wrapping"))];
    let signing = der(pem!("alice-signing"));
    Identity::import(&signing, &[&wrappings[0], &wrappings[1]]).expect("test keys are good")
});

pub(crate) fn alice() -> &'static Identity {
    &ALICE
}

pub(crate) fn bob() -> &'static Identity {
    &BOB
}

pub(crate) fn carol() -> &'static Identity {
    &CAROL
}

/// Two pairs of 4,096 bits.
pub(crate) fn large() -> &'static Identity {
    &LARGE
}

/// Alice's signing pair with Carol's wrapping pair in front of her own.
pub(crate) fn alice_rotated() -> &'static Identity {
    &ALICE_ROTATED
}

pub(crate) fn der_of_2048_bits() -> Vec<u8> {
    der(pem!("2048-bits"))
}

pub(crate) fn der_of_exponent_3() -> Vec<u8> {
    der(pem!("exponent-3"))
}

pub(crate) fn der_of_alice() -> [Vec<u8>; 2] {
    [der(pem!("alice-signing")), der(pem!("alice-wrapping"))]
}

pub(crate) fn rng() -> StdRng {
    StdRng::seed_from_u64(1)
}

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

fn identity(signing: &str, wrapping: &str) -> Identity {
    Identity::import(&der(signing), &[&der(wrapping)]).expect("test keys are good")
}

fn der(pem: &str) -> Vec<u8> {
    let (_, document) = SecretDocument::from_pem(pem).expect("PEM");
    document.as_bytes().to_vec()
}
