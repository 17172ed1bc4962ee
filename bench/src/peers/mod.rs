//! Other servers under the same load: what people would pick instead, and a bare relay as the
//! floor. One process, one loop; a server is a child with a directory of its own, and its CPU time
//! is that of all its processes.
//!
//! [`peer`] names the servers, [`config`] and [`program`] start them, [`adapter`] says what the
//! load wants of a protocol and [`adapters`] has one for each. [`stage`] brings users in,
//! [`traffic`] lets them write, and [`run`] makes figures of it.

pub mod adapter;
pub mod adapters;
pub mod config;
pub mod crowd;
pub mod patience;
pub mod peer;
pub mod plan;
pub mod program;
pub mod relay;
pub mod run;
pub mod stage;
pub mod tally;
pub mod text;
pub mod traffic;
pub mod tree;
