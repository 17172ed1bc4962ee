//! Tests of the cryptography, one file per promise.

mod blob;
mod content;
mod golden;
mod grant;
mod key_log;
mod keys;
mod message_session;
mod opaque;
mod plaintext;
mod roster;
mod sealed_keys;
mod vault;
