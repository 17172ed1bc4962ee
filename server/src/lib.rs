//! FastChat's server: a pure core of accounts, sessions and logs, and a thin mio shell around it.
//!
//! A server is two things at once. As a *seat* it holds client connections and their sessions, soft
//! state that dies with it. As a *home* it owns the accounts and logs of its slots. Seat and home
//! speak [`wire::ToPeer`] messages, also when both are this process.

pub mod args;
pub mod backup;
pub mod config;
pub mod core;
pub mod desk;
pub mod identity;
pub mod map_file;
pub mod mark;
pub mod meter;
pub mod setup_mark;
pub mod shell;
