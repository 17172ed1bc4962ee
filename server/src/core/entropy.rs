//! The core's randomness: one generator, seeded at construction.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_core_06::{CryptoRng as OldCryptoRng, RngCore as OldRngCore};

/// A cryptographic generator. Two cores with the same seed and the same events act the same.
pub(super) struct Entropy {
    generator: StdRng,
}

impl Entropy {
    /// A generator that the seed determines.
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self { generator: StdRng::from_seed(seed) }
    }

    /// `N` random bytes.
    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.generator.fill_bytes(&mut bytes);
        bytes
    }

    /// A random number.
    pub(super) fn number(&mut self) -> u64 {
        self.generator.next_u64()
    }
}

/// Nothing of its state: everything secret comes from it.
impl std::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entropy")
    }
}

/// `opaque-ke` 4 asks for the traits of `rand_core` 0.6.
impl OldRngCore for Entropy {
    fn next_u32(&mut self) -> u32 {
        self.generator.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.generator.next_u64()
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.generator.fill_bytes(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core_06::Error> {
        self.generator.fill_bytes(bytes);
        Ok(())
    }
}

impl OldCryptoRng for Entropy {}
