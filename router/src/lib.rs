//! FastChat's router: it tells each client where to sit, by consistent hashing with bounded loads,
//! and each server who its peers are. It touches no user data and holds soft state only.
//!
//! [`core`] decides, without clock or socket.

pub mod core;
pub mod limits;
