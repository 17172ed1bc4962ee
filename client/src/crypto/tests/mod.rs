//! Tests of the cryptography, one file per promise.

mod envelope;
mod golden;
mod key_log;
mod keys;
mod opaque;
mod plaintext;
mod sealed_keys;
mod vault;
