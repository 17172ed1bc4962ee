//! FastChat's client: a pure core, its cryptography, its local store, and thin shells around them.

pub mod crypto;
pub mod store;
