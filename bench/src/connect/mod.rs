//! The scenario `connect`: what it costs servers to sign users in, and to have them signed in.
//!
//! Users sign up by the real protocol, with a toy stretching of their passwords, which only they
//! compute. Then the cluster is started anew, so that nothing that signing up has left in memory
//! hides what follows, and its users come back: some by their passwords, all by their tokens, each
//! hanging up at once. That warms what the servers keep, whoever is connected. Then all come back
//! and stay: what memory grows by now is what connections cost.

pub mod args;
pub mod core;
pub mod descriptors;
pub mod person;
pub mod plan;
pub mod report;
pub mod shell;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use thiserror::Error;
use wire::DecodeError;
use wire::net::tls::TlsFileError;
use wire::net::{Clock, CloseCause};

pub use args::Connect;

use self::core::{Core, CoreError, Phase};
use crate::cluster::{Cluster, ClusterError};
use crate::machine::Machine;
use crate::usage::UsageError;
use plan::Plan;
use report::Report;
use shell::{Idle, Measured, Shell, secret};

/// Why nothing was measured.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// There is no cluster, or it is gone.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The users cannot go on.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// The cluster's CA file cannot be used.
    #[error("the CA file: {0}")]
    Ca(#[from] TlsFileError),
    /// The router does not tell which servers there are.
    #[error("the router is lost: {0}")]
    Router(CloseCause),
    /// The router said something that is no message.
    #[error("the router said something that is no message: {0}")]
    Malformed(#[from] DecodeError),
    /// What processes use cannot be read.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// Signals cannot be caught, the loop cannot run, or nobody reads the report.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The system lets no process hold so many connections.
    #[error(
        "--users {users}: a process needs {needed} open files for them and may have {most}: raise \
         the hard limit first (in root's shell: ulimit -n {needed}), or see bench/guest.sh"
    )]
    Descriptors {
        /// How many users.
        users: u32,
        /// Open files that a process needs.
        needed: u64,
        /// Open files that it may have.
        most: u64,
    },
    /// SIGINT or SIGTERM.
    #[error("interrupted")]
    Interrupted,
}

/// What one run found.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Signing in with a password.
    pub sign_in: Measured,
    /// Resuming by a token.
    pub resume: Measured,
    /// Resuming, opening the own mailbox and attaching to it.
    pub attach: Measured,
    /// Resident memory of all servers with nobody connected, in KiB.
    pub empty_rss_kib: u64,
    /// The same with everybody connected.
    pub full_rss_kib: u64,
    /// Resident memory of router and servers at the end, in KiB.
    pub rss_kib: u64,
    /// Everybody is connected and does nothing.
    pub idle: Idle,
    /// What the real stretching of a password takes on this machine, once.
    pub stretch: Duration,
}

/// Runs `plan` and prints its report.
///
/// # Errors
/// [`ConnectError`]; the cluster is stopped then too.
pub fn run(plan: &Plan) -> Result<(), ConnectError> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let (users, needed) = (plan.users, descriptors::needed(plan.users));
    descriptors::allow(needed).map_err(|most| ConnectError::Descriptors { users, needed, most })?;
    let machine = Machine::here();
    let outcome = measure(plan, &stop)?;
    let report = Report { plan, machine: &machine, outcome: &outcome };
    let text = if plan.json { report.json() } else { report.table() };
    writeln!(io::stdout(), "{text}")?;
    Ok(())
}

fn measure(plan: &Plan, stop: &AtomicBool) -> Result<Outcome, ConnectError> {
    say(&format!("starting a cluster of {} servers", plan.servers));
    let mut cluster = Cluster::start(plan.flags(), stop)?;
    let mut core = Core::new(plan.users, secret()?);
    say(&format!("{} users sign up", plan.users));
    Shell::new(plan, &cluster, stop)?.run(&mut core, Phase::SignUp, plan.users)?;
    say("the cluster is started anew");
    cluster.restart(stop)?;
    let mut shell = Shell::new(plan, &cluster, stop)?;
    shell.settle(&mut core)?;
    say("users sign in, resume, and stay");
    let sign_in = shell.run(&mut core, Phase::SignIn, plan.password_sign_ins)?;
    let resume = shell.run(&mut core, Phase::Resume, plan.users)?;
    shell.settle(&mut core)?;
    let empty_rss_kib = shell.servers_rss_kib()?;
    let attach = shell.run(&mut core, Phase::Attach, plan.users)?;
    shell.settle(&mut core)?;
    let full_rss_kib = shell.servers_rss_kib()?;
    let idle = shell.idle(&mut core, plan.idle)?;
    let rss_kib = cluster.usage()?.map_or(0, |reading| reading.rss_kib());
    let stretch = time_of_stretch();
    Ok(Outcome { sign_in, resume, attach, empty_rss_kib, full_rss_kib, rss_kib, idle, stretch })
}

/// What users of the real program wait for, and servers do not.
fn time_of_stretch() -> Duration {
    let clock = Clock::new();
    let mut hash = [0; 32];
    let stretched = wire::opaque::stretch().hash_password_into(b"password", &[7; 16], &mut hash);
    stretched.expect("64 MiB are there");
    clock.now().since(wire::Instant(0))
}

fn say(line: &str) {
    eprintln!("fastchat-bench: {line}");
}
