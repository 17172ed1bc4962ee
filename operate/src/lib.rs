//! What operators set and see of a server or a router: settings, files, maps that are read again,
//! metrics, whether it lives and is ready, and logs.
//!
//! A shell owns a [`poster::Poster`], which posts to a [`board::Board`] once a second; a thread of
//! its own, [`admin::Admin`], answers HTTP from that board, so that no request reaches the loop.

pub mod admin;
pub mod board;
pub mod exposition;
pub mod files;
pub mod log;
pub mod loopback;
pub mod map;
pub mod metric;
pub mod poster;
pub mod readiness;
pub mod service;
pub mod settings;
