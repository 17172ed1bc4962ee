//! FastChat's client: a pure core, its cryptography, its local store, and thin shells around them.

pub mod args;
pub mod commands;
pub mod config;
pub mod core;
pub mod crypto;
pub mod escape;
pub mod failure;
pub mod interrupt;
pub mod media;
pub mod output;
pub mod shell;
pub mod store;
pub mod ui;
