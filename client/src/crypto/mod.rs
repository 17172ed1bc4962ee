//! The client's cryptography: no I/O, no clock; randomness comes in as a parameter.
//!
//! Interface of the modules that are being written here (each replaces its part of this list):
//! ```text
//! keys:    struct KeyId(pub [u8; 32])  Copy Ord Display(base64)     = SHA-256 of the SPKI DER
//!          struct SigningPublicKey, WrappingPublicKey  Clone Eq Debug; .id() -> KeyId, .der() -> &[u8], from_der(&[u8]) -> Result<_, KeyError>
//!          struct PublicKeys { signing: SigningPublicKey, wrapping: WrappingPublicKey }
//!          struct Identity  Clone; generate(&mut R) (slow: a Job), .public() -> &PublicKeys
//! bundle:  struct Bundle { name, version: u32, previous: [u8; 32], keys: PublicKeys, created: Wall }
//!          Bundle::first(&Identity, Name, Wall, &mut R) -> SignedBundle; SignedBundle { .bundle(), .encoded() -> &Bytes, .hash() }; SignedBundle::verify(Bytes) -> Result<_, BundleError>
//! key_log: struct KeyLog; KeyLog::verify(&Name, &[Bytes]) -> Result<KeyLog, KeyLogError>; .extend(&[Bytes]) -> Result<KeyLog, _>; .version() -> u32;
//!          .newest() -> &Bundle; .signing_key(&KeyId) -> Option<&SigningPublicKey>; .encoded() -> Vec<Bytes>; .has_changed_from(&KeyId /* pinned */) -> bool
//! sealed_keys: seal(&Identity, &Name, &ExportKey, &mut R) -> wire SealedKeys; open(&[u8], &Name, &ExportKey) -> Result<Identity, SealedKeysError>
//! opaque:  struct ExportKey; SignUp::start(password: &[u8], &mut R) -> Result<(SignUp, Challenge), OpaqueError>;
//!          SignUp::finish(self, &Name, response: &[u8], &Argon2<'static>, &mut R) -> Result<(Challenge /* record */, ExportKey), OpaqueError>
//!          SignIn::start / SignIn::finish likewise -> (Challenge /* KE3 */, ExportKey) ; OpaqueError::{IncorrectPassword, Malformed, ..}
//! plaintext: struct Plaintext { sender: Name, log: LogId, origin: Origin, number: Number, previous: [u8; 32], sent: Wall, content: Content }
//!          enum Content { Text(String), Unknown { kind: u8, bytes: Bytes } }; TEXT_LEN_MAX
//! envelope: seal(&Identity, reader: (&Name, &WrappingPublicKey), &Plaintext, &mut R) -> Result<Body, SealError>
//!          read_header(&Body) -> Result<Header, OpenError>  (which signing key to look for)
//!          open(&Identity, &Expected { reader, log, sender, origin, number }, sender: &SigningPublicKey, &Body) -> Result<Plaintext, OpenError>
//!          message_hash(&Body) -> [u8; 32]  (the next post's `previous`; zeros before the first)
//! safety_number: safety_number((&Name, &SigningPublicKey), (&Name, &SigningPublicKey)) -> SafetyNumber (Display: 12 groups of 5); armour(&KeyId) -> String
//! vault:   struct Vault, MasterKey (used by store only)
//! Randomness: R = any rand::CryptoRng (StdRng::from_seed in jobs).
//! ```
