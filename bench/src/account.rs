//! Fresh accounts: random names, passwords and installations, and the steps of their sign-up.
//!
//! The stretching of passwords is a toy, so that thousands of users sign up in seconds: it is the
//! client's work alone, and servers do and see the same with the real one.

use argon2::{Algorithm, Argon2, Params, Version};
use bytes::Bytes;
use client::crypto::{OpaqueError, SignUp};
use rand::Rng;
use rand::rngs::StdRng;
use wire::message::auth::Challenge;
use wire::message::{Bundle, SignUpFinish, SignUpStart};
use wire::{Name, Opaque, Origin};

/// Bytes of a bundle with two RSA-3072 keys and a signature. Servers do not look into it.
const BUNDLE_LEN: usize = 1_300;
/// Bytes of two sealed RSA-3072 private keys.
const SEALED_KEYS_LEN: usize = 3_700;

/// Who signs up. A second try is another account, so that a lost answer cannot matter.
#[derive(Clone, Debug)]
pub struct Account {
    /// The name: `b` and 26 random letters and digits.
    pub name: Name,
    /// The installation.
    pub origin: Origin,
    bundle: Bundle,
}

/// The least stretching that Argon2id allows.
#[must_use]
pub fn toy_stretch() -> Argon2<'static> {
    let params = Params::new(Params::MIN_M_COST, 1, 1, None).expect("the least is allowed");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

impl Account {
    /// An account that nobody has.
    pub fn new(random: &mut StdRng) -> Self {
        const SIGNS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let mut bytes = [0; 26];
        random.fill_bytes(&mut bytes);
        let signs = bytes.map(|byte| SIGNS[usize::from(byte % 32)]);
        let text: String = signs.into_iter().map(char::from).collect();
        let mut origin = [0; 16];
        random.fill_bytes(&mut origin);
        Self {
            name: Name::parse(&format!("b{text}")).expect("letters and digits after a letter"),
            origin: Origin(origin),
            bundle: blob(BUNDLE_LEN, random),
        }
    }

    /// Its public keys, as they were signed up: random bytes.
    #[must_use]
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// The first step: what is kept, and what is said.
    ///
    /// # Errors
    /// [`OpaqueError`] when the computation fails.
    pub fn begin(&self, random: &mut StdRng) -> Result<(SignUp, SignUpStart), OpaqueError> {
        let mut password = [0; 16];
        random.fill_bytes(&mut password);
        let (sign_up, request) = SignUp::start(&password, random)?;
        let name = self.name;
        Ok((sign_up, SignUpStart { name, request }))
    }

    /// The second step. Keys are random bytes: no body of the mode *opaque* is ever opened.
    ///
    /// # Errors
    /// [`OpaqueError`] when the home's answer does not fit.
    pub fn finish(
        &self,
        sign_up: SignUp,
        response: &Challenge,
        random: &mut StdRng,
    ) -> Result<SignUpFinish, OpaqueError> {
        let (name, stretch) = (self.name, toy_stretch());
        let (record, _) = sign_up.finish(name.as_bytes(), response.bytes(), &stretch, random)?;
        Ok(self.finish_with(record, random))
    }

    /// The same with a record that was made elsewhere.
    #[must_use]
    pub fn finish_with(&self, record: Challenge, random: &mut StdRng) -> SignUpFinish {
        let (name, origin, bundle) = (self.name, self.origin, self.bundle.clone());
        let sealed_keys = blob(SEALED_KEYS_LEN, random);
        SignUpFinish { name, origin, record, bundle, sealed_keys }
    }
}

fn blob<const MAX: usize>(len: usize, random: &mut StdRng) -> Opaque<MAX> {
    let mut bytes = vec![0; len];
    random.fill_bytes(&mut bytes);
    Opaque::new(Bytes::from(bytes)).expect("the lengths are within the protocol's limits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use wire::Message;
    use wire::limits::EARLY_FRAME_LEN_MAX;

    #[test]
    fn accounts_differ_and_fit_an_early_frame() {
        let mut random = StdRng::seed_from_u64(1);
        let (one, two) = (Account::new(&mut random), Account::new(&mut random));
        assert_ne!(one.name, two.name);
        assert_ne!(one.origin, two.origin);
        let record = Challenge::new(Bytes::from_static(&[0; 192])).expect("within the limit");
        let mut frame = bytes::BytesMut::new();
        one.finish_with(record, &mut random).append_frame(&mut frame);
        let max = usize::try_from(EARLY_FRAME_LEN_MAX).expect("a small constant");
        assert!(frame.len() <= max, "{} bytes", frame.len());
    }
}
