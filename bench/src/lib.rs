//! FastChat's load generator: real users on real servers, latencies from the intended time.
//!
//! Start with [`plan`] (what is measured), then [`load`] (the core: users, posts, phases) and
//! [`shell`] (the one loop that runs it). Everything but [`seal`], [`balance`], [`shell`],
//! [`cluster`], [`committed`], [`journal`], [`sealing`], [`usage`], [`machine`], [`connect`],
//! [`peers`] and [`compare`] is pure.
//!
//! [`peers`] puts the same load on other servers, and [`compare`] runs all side by side.
//!
//! [`balance`] simulates users instead, and seats them by the router's own code.

pub mod account;
pub mod args;
pub mod balance;
pub mod body;
pub mod chart;
pub mod cluster;
pub mod committed;
pub mod compare;
pub mod connect;
#[cfg(test)]
mod fake_home;
pub mod group;
pub mod images;
pub mod inbox;
pub mod journal;
pub mod layout;
pub mod load;
pub mod machine;
pub mod numbers;
pub mod opening;
pub mod page;
pub mod peers;
pub mod plan;
pub mod record;
pub mod report;
pub mod run;
pub mod scale;
pub mod schedule;
pub mod seal;
pub mod sealing;
pub mod sender;
pub mod series;
pub mod shell;
pub mod silent;
pub mod traffic;
pub mod usage;
pub mod user;
