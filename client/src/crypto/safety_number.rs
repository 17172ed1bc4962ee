//! Safety numbers: what two people compare to know that nobody stands between them.
//!
//! ```text
//! seed   = u8 length ‖ "FastChat safety number 1" ‖ u8 length ‖ name ‖ signing SPKI DER
//! h(0)   = SHA-512(seed),  h(i) = SHA-512(h(i-1) ‖ seed),  5,200 rounds in all
//! half   = the first 30 bytes of the last h, as six big-endian 40-bit numbers modulo 100,000,
//!          five digits each
//! number = both halves, the smaller first: 60 digits, the same on both sides
//! ```
//! The rounds make a forged key whose number looks alike 5,200 times dearer to search for.

use std::fmt;

use sha2::{Digest, Sha512};
use wire::Name;

use super::domain;
use super::keys::SigningPublicKey;

/// Rounds of SHA-512 for each side.
pub const ROUNDS: u32 = 5_200;
/// Groups of five digits.
pub const GROUPS: usize = 12;

/// Sixty digits in twelve groups of five.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SafetyNumber([u32; GROUPS]);

impl SafetyNumber {
    /// The number of two accounts with their signing keys; the order does not matter. Takes some
    /// milliseconds.
    #[must_use]
    pub fn between(one: (&Name, &SigningPublicKey), other: (&Name, &SigningPublicKey)) -> Self {
        let mut halves = [half(one.0, one.1), half(other.0, other.1)];
        halves.sort_unstable();
        let mut groups = [0; GROUPS];
        for (group, value) in groups.iter_mut().zip(halves.iter().flatten()) {
            *group = *value;
        }
        Self(groups)
    }
}

/// Groups of five digits with blanks between them.
impl fmt::Display for SafetyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, group) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { " " };
            write!(f, "{separator}{group:05}")?;
        }
        Ok(())
    }
}

fn half(name: &Name, key: &SigningPublicKey) -> [u32; GROUPS / 2] {
    let mut seed = Vec::new();
    for part in [domain::SAFETY_NUMBER, name.as_bytes()] {
        seed.push(u8::try_from(part.len()).expect("domain strings and names are short"));
        seed.extend_from_slice(part);
    }
    seed.extend_from_slice(key.der());
    let mut digest = Sha512::digest(&seed);
    for _ in 1..ROUNDS {
        digest = Sha512::new().chain_update(digest).chain_update(&seed).finalize();
    }
    let mut groups = [0; GROUPS / 2];
    for (group, bytes) in groups.iter_mut().zip(digest.chunks_exact(5)) {
        let number = bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        *group = u32::try_from(number % 100_000).expect("five digits fit");
    }
    groups
}
