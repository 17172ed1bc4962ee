//! What the end-to-end tests, the demo and the tidy checks share: real programs, driven as people
//! and operators drive them. Nothing here sleeps; everything has a deadline. Beside them: simulated
//! clusters, and bugs planted to see whether those find them.

pub mod apart;
pub mod chaos;
pub mod cluster;
pub mod copy;
pub mod crowd;
pub mod diskfail;
pub mod ending;
pub mod flood;
pub mod forger;
pub mod interceptor;
pub mod killed;
pub mod lines;
pub mod member;
pub mod metrics;
pub mod multitude;
pub mod mutants;
pub mod operated;
pub mod person;
pub mod programs;
pub mod raw;
pub mod sim;
pub mod source;
pub mod story;
pub mod swarm;
pub mod terminal;

use std::time::Duration;

/// Long enough for the slowest honest step on a busy machine; a test that reaches it has failed.
pub const DEADLINE: Duration = Duration::from_secs(60);
