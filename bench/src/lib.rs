//! FastChat's load generator: real users on real servers, latencies from the intended time.
//!
//! Start with [`plan`] (what is measured), then [`load`] (the core: users, posts, phases) and
//! [`shell`] (the one loop that runs it). Everything but [`seal`], [`balance`], [`shell`],
//! [`cluster`], [`stretch`], [`usage`], [`machine`], [`peers`] and [`compare`] is pure.
//!
//! [`peers`] puts the same load on other servers, and [`compare`] runs all side by side.
//!
//! [`balance`] simulates users instead, and seats them by the router's own code.

pub mod account;
pub mod args;
pub mod balance;
pub mod body;
pub mod cluster;
pub mod compare;
pub mod load;
pub mod machine;
pub mod numbers;
pub mod peers;
pub mod plan;
pub mod reader;
pub mod record;
pub mod report;
pub mod run;
pub mod schedule;
pub mod seal;
pub mod sender;
pub mod shell;
pub mod silent;
pub mod stretch;
pub mod traffic;
pub mod usage;
pub mod user;
