//! An account's identity: RSA pairs for signing (PSS) and for wrapping (OAEP), never shared.
//!
//! Public keys travel as canonical SPKI DER (RFC 5280 §4.1, `rsaEncryption`), private ones only
//! sealed (see [`super::sealed_keys`]). Accepted are moduli of 3,072 or 4,096 bits with the
//! exponent 65,537; whatever does not encode back to the same bytes is refused.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use rand::CryptoRng;
use rsa::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey};
use rsa::pss::{Signature, SigningKey, VerifyingKey};
use rsa::signature::{DigestVerifier, RandomizedDigestSigner, SignatureEncoding};
use rsa::traits::{PrivateKeyParts, PublicKeyParts};
use rsa::{BoxedUint, Oaep, RsaPrivateKey, RsaPublicKey};
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use super::hash::feed;

/// Bits of a generated modulus.
pub const MODULUS_BITS: usize = 3072;
/// Moduli that are accepted from outside, in bits.
pub const MODULUS_BITS_ACCEPTED: [u32; 2] = [3072, 4096];
/// The one public exponent.
pub const EXPONENT: u32 = 65_537;
/// Largest SPKI DER of an accepted key: 4,096 bits take 550 bytes.
pub const PUBLIC_DER_LEN_MAX: usize = 600;
/// Largest modulus, signature and wrapped secret, in bytes.
pub const MODULUS_LEN_MAX: usize = 512;
/// Wrapping pairs of one identity: the current one and those that older messages still need.
pub const WRAPPINGS_MAX: usize = 4;
/// Largest PKCS#8 DER of an accepted private key: 4,096 bits take about 2,375 bytes.
const PRIVATE_DER_LEN_MAX: usize = 2500;

/// Why a key was not accepted, or an operation with it failed.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum KeyError {
    /// Not DER of an RSA key, or a key that contradicts itself.
    #[error("not an RSA key in DER")]
    Encoding,
    /// The DER is not the one canonical encoding of its key.
    #[error("the key's DER is not canonical")]
    NotCanonical,
    /// The modulus has neither 3,072 nor 4,096 bits.
    #[error("the key has {0} bits; 3072 and 4096 are accepted")]
    Size(u32),
    /// The public exponent is not 65,537.
    #[error("the key's exponent is not 65537")]
    Exponent,
    /// The same modulus stands for signing and for wrapping, or twice for wrapping.
    #[error("one key must not serve two purposes")]
    Shared,
    /// No wrapping pair, or more than [`WRAPPINGS_MAX`].
    #[error("an identity has 1 to {WRAPPINGS_MAX} wrapping keys")]
    Count,
    /// The signature is not of this key over these bytes.
    #[error("the signature is not valid")]
    Signature,
    /// The wrapped secret cannot be opened with this key.
    #[error("the wrapped secret does not open")]
    Unwrap,
    /// The RSA operation failed inside: it checks its own result, so faulty hardware ends here.
    #[error("the RSA operation failed")]
    Operation,
}

/// SHA-256 of a public key's SPKI DER.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyId(pub [u8; 32]);

impl KeyId {
    fn of(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }
}

/// Base64 without padding: what a person compares or copies.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&STANDARD_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// The key that an account's signatures verify with.
#[derive(Clone)]
pub struct SigningPublicKey {
    key: VerifyingKey<Sha256>,
    der: Bytes,
    id: KeyId,
}

/// The key that secrets for an account are wrapped with.
#[derive(Clone)]
pub struct WrappingPublicKey {
    key: RsaPublicKey,
    der: Bytes,
    id: KeyId,
}

macro_rules! public_key {
    ($name:ident, $wrap:expr) => {
        impl $name {
            /// Reads canonical SPKI DER.
            ///
            /// # Errors
            /// [`KeyError`] says which rule the key breaks.
            pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
                public_from_der(der).map(|key| Self::wrap(key, Bytes::copy_from_slice(der)))
            }

            /// SHA-256 of the SPKI DER.
            #[must_use]
            pub fn id(&self) -> KeyId {
                self.id
            }

            /// The SPKI DER.
            #[must_use]
            pub fn der(&self) -> &Bytes {
                &self.der
            }

            fn wrap(key: RsaPublicKey, der: Bytes) -> Self {
                let id = KeyId::of(&der);
                Self { key: $wrap(key), der, id }
            }

            fn of(key: &RsaPrivateKey) -> Result<Self, KeyError> {
                let key = key.to_public_key();
                let der = check_public(&key)?;
                Ok(Self::wrap(key, der))
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.der == other.der
            }
        }

        impl Eq for $name {}

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.id)
            }
        }
    };
}

public_key!(SigningPublicKey, VerifyingKey::new);
public_key!(WrappingPublicKey, std::convert::identity);

impl SigningPublicKey {
    /// Checks a PSS-SHA256 signature over `domain` and `parts` (see [`Identity::sign`]).
    ///
    /// # Errors
    /// [`KeyError::Signature`].
    pub fn verify(&self, domain: &[u8], parts: &[&[u8]], signature: &[u8]) -> Result<(), KeyError> {
        let signature = Signature::try_from(signature).map_err(|_| KeyError::Signature)?;
        let feed = |digest: &mut Sha256| {
            feed(digest, domain, parts);
            Ok(())
        };
        self.key.verify_digest(feed, &signature).map_err(|_| KeyError::Signature)
    }
}

impl WrappingPublicKey {
    /// Wraps a 32-byte secret with OAEP-SHA256 under `label`.
    ///
    /// # Errors
    /// [`KeyError::Operation`].
    pub fn wrap_secret<R: CryptoRng>(
        &self,
        label: &[u8],
        secret: &[u8; 32],
        rng: &mut R,
    ) -> Result<Vec<u8>, KeyError> {
        let padding = Oaep::<Sha256>::new_with_label(label);
        self.key.encrypt(rng, padding, secret).map_err(|_| KeyError::Operation)
    }
}

/// An account's two current public keys.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PublicKeys {
    /// Verifies what the account signs; this is what others pin.
    pub signing: SigningPublicKey,
    /// Wraps secrets for the account.
    pub wrapping: WrappingPublicKey,
}

/// An account's private keys. Clones share the secrets, which are zeroized with the last one.
#[derive(Clone)]
pub struct Identity(Arc<Pairs>);

struct Pairs {
    signing: SigningKey<Sha256>,
    /// Newest first.
    wrappings: Vec<(KeyId, RsaPrivateKey)>,
    public: PublicKeys,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({:?})", self.0.public)
    }
}

impl Identity {
    /// Makes two fresh pairs of [`MODULUS_BITS`]. Takes about a second: never on a loop.
    ///
    /// # Errors
    /// [`KeyError::Operation`] when no primes were found.
    pub fn generate<R: CryptoRng>(rng: &mut R) -> Result<Self, KeyError> {
        let signing = generate_pair(rng)?;
        let wrapping = generate_pair(rng)?;
        Self::from_private(signing, vec![wrapping])
    }

    /// Reads the pairs from canonical PKCS#8 DER; the newest wrapping pair comes first.
    ///
    /// # Errors
    /// [`KeyError`] says which rule a key breaks.
    pub fn import(signing: &[u8], wrappings: &[&[u8]]) -> Result<Self, KeyError> {
        let wrappings = wrappings.iter().map(|der| private_from_der(der)).collect::<Result<_, _>>();
        Self::from_private(private_from_der(signing)?, wrappings?)
    }

    /// The same signing pair with a fresh wrapping pair in front; the oldest is dropped above
    /// [`WRAPPINGS_MAX`]. Takes about half a second.
    ///
    /// # Errors
    /// [`KeyError::Operation`] when no primes were found.
    pub fn with_fresh_wrapping<R: CryptoRng>(&self, rng: &mut R) -> Result<Self, KeyError> {
        let mut wrappings = vec![generate_pair(rng)?];
        let older = self.0.wrappings.iter().map(|(_, key)| key.clone());
        wrappings.extend(older.take(WRAPPINGS_MAX - 1));
        let signing: &RsaPrivateKey = self.0.signing.as_ref();
        Self::from_private(signing.clone(), wrappings)
    }

    /// The current public keys.
    #[must_use]
    pub fn public(&self) -> &PublicKeys {
        &self.0.public
    }

    /// Whether a secret wrapped with the key `id` can be opened.
    #[must_use]
    pub fn has_wrapping(&self, id: &KeyId) -> bool {
        self.0.wrappings.iter().any(|(held, _)| held == id)
    }

    /// Signs SHA-256(length of `domain` as `u8` ‖ `domain` ‖ `parts`) with PSS, MGF1-SHA256 and a
    /// salt of 32 bytes. Every part but the last must have a fixed or a written-out length.
    ///
    /// # Errors
    /// [`KeyError::Operation`].
    pub fn sign<R: CryptoRng>(
        &self,
        domain: &[u8],
        parts: &[&[u8]],
        rng: &mut R,
    ) -> Result<Vec<u8>, KeyError> {
        let feed = |digest: &mut Sha256| {
            feed(digest, domain, parts);
            Ok(())
        };
        let signature = self.0.signing.try_sign_digest_with_rng(rng, feed);
        signature.map(|s| s.to_vec()).map_err(|_| KeyError::Operation)
    }

    /// Opens a secret that was wrapped with the key `id`. The decryption is blinded with `rng`.
    ///
    /// # Errors
    /// [`KeyError::Unwrap`], with no word on what was wrong.
    pub fn unwrap_secret<R: CryptoRng>(
        &self,
        id: &KeyId,
        label: &[u8],
        wrapped: &[u8],
        rng: &mut R,
    ) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        let pair = self.0.wrappings.iter().find(|(held, _)| held == id);
        let (_, key) = pair.ok_or(KeyError::Unwrap)?;
        let padding = Oaep::<Sha256>::new_with_label(label);
        let secret = key.decrypt_blinded(rng, padding, wrapped).map_err(|_| KeyError::Unwrap)?;
        let secret = Zeroizing::new(secret);
        let secret = secret.first_chunk().filter(|_| secret.len() == 32);
        secret.map(|bytes| Zeroizing::new(*bytes)).ok_or(KeyError::Unwrap)
    }

    /// The primes of each pair, big-endian, each half as long as the modulus: signing first.
    pub(crate) fn primes(&self) -> Vec<[Zeroizing<Vec<u8>>; 2]> {
        let signing: &RsaPrivateKey = self.0.signing.as_ref();
        let wrappings = self.0.wrappings.iter().map(|(_, key)| key);
        std::iter::once(signing).chain(wrappings).map(primes_of).collect()
    }

    /// Builds the pairs from their primes, in the order of [`Self::primes`].
    pub(super) fn from_primes(pairs: &[[&[u8]; 2]]) -> Result<Self, KeyError> {
        let mut keys = pairs.iter().map(|[p, q]| private_from_primes(p, q));
        let signing = keys.next().ok_or(KeyError::Count)??;
        Self::from_private(signing, keys.collect::<Result<_, _>>()?)
    }

    fn from_private(
        signing: RsaPrivateKey,
        wrappings: Vec<RsaPrivateKey>,
    ) -> Result<Self, KeyError> {
        if wrappings.is_empty() || wrappings.len() > WRAPPINGS_MAX {
            return Err(KeyError::Count);
        }
        let signing_public = SigningPublicKey::of(&signing)?;
        let publics = wrappings.iter().map(WrappingPublicKey::of).collect::<Result<Vec<_>, _>>()?;
        let mut ids: Vec<KeyId> = publics.iter().map(|key| key.id).collect();
        let pairs = ids.iter().copied().zip(wrappings).collect();
        ids.push(signing_public.id);
        ids.sort_unstable();
        if ids.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(KeyError::Shared);
        }
        let wrapping = publics.into_iter().next().ok_or(KeyError::Count)?;
        let public = PublicKeys { signing: signing_public, wrapping };
        Ok(Self(Arc::new(Pairs { signing: SigningKey::new(signing), wrappings: pairs, public })))
    }
}

fn generate_pair<R: CryptoRng>(rng: &mut R) -> Result<RsaPrivateKey, KeyError> {
    RsaPrivateKey::new(rng, MODULUS_BITS).map_err(|_| KeyError::Operation)
}

fn public_from_der(der: &[u8]) -> Result<RsaPublicKey, KeyError> {
    if der.len() > PUBLIC_DER_LEN_MAX {
        return Err(KeyError::Encoding);
    }
    let key = RsaPublicKey::from_public_key_der(der).map_err(|_| KeyError::Encoding)?;
    if check_public(&key)? != der {
        return Err(KeyError::NotCanonical);
    }
    Ok(key)
}

/// Checks size and exponent; returns the canonical DER.
fn check_public(key: &RsaPublicKey) -> Result<Bytes, KeyError> {
    if !MODULUS_BITS_ACCEPTED.contains(&key.n().bits()) {
        return Err(KeyError::Size(key.n().bits()));
    }
    if *key.e() != BoxedUint::from(EXPONENT) {
        return Err(KeyError::Exponent);
    }
    let der = key.to_public_key_der().map_err(|_| KeyError::Encoding)?;
    Ok(Bytes::copy_from_slice(der.as_bytes()))
}

fn private_from_der(der: &[u8]) -> Result<RsaPrivateKey, KeyError> {
    if der.len() > PRIVATE_DER_LEN_MAX {
        return Err(KeyError::Encoding);
    }
    let key = RsaPrivateKey::from_pkcs8_der(der).map_err(|_| KeyError::Encoding)?;
    check_public(key.as_ref())?;
    let canonical = key.to_pkcs8_der().map_err(|_| KeyError::Encoding)?;
    if canonical.as_bytes() != der {
        return Err(KeyError::NotCanonical);
    }
    Ok(key)
}

fn primes_of(key: &RsaPrivateKey) -> [Zeroizing<Vec<u8>>; 2] {
    let primes = key.primes();
    assert!(primes.len() == 2, "accepted keys have two primes");
    let half = key.size() / 2;
    [0, 1].map(|index| {
        let bytes = Zeroizing::new(primes[index].to_be_bytes().into_vec());
        let padding = bytes.len().checked_sub(half).expect("a prime has half the modulus' bits");
        Zeroizing::new(bytes[padding..].to_vec())
    })
}

fn private_from_primes(p: &[u8], q: &[u8]) -> Result<RsaPrivateKey, KeyError> {
    let accepted = MODULUS_BITS_ACCEPTED.map(|bits| usize::try_from(bits / 16).unwrap_or(0));
    if p.len() != q.len() || !accepted.contains(&p.len()) {
        return Err(KeyError::Encoding);
    }
    let bits = u32::try_from(p.len() * 8).map_err(|_| KeyError::Encoding)?;
    let number = |bytes| BoxedUint::from_be_slice(bytes, bits).map_err(|_| KeyError::Encoding);
    let key = RsaPrivateKey::from_p_q(number(p)?, number(q)?, BoxedUint::from(EXPONENT));
    key.map_err(|_| KeyError::Encoding)
}
