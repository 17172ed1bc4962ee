//! FastChat's router: it tells each client where to sit, by consistent hashing with bounded loads,
//! and each server who its peers are. It touches no user data and holds soft state only.
//!
//! [`core`] decides, without clock or socket; [`shell`] runs it over real connections; [`local`]
//! runs a whole cluster on one machine; [`map`] makes the files of one, and changes its map.

pub mod args;
pub mod cluster;
pub mod config;
pub mod core;
pub mod files;
pub mod identity;
pub mod limits;
pub mod local;
pub mod map;
pub mod shell;
