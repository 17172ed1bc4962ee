//! FastChat's client: a pure core, its cryptography, its local store, and thin shells around them.

pub mod core;
pub mod crypto;
pub mod failure;
pub mod store;
