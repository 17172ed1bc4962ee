//! A whole run: the cluster, the loop, the report.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use thiserror::Error;

use crate::cluster::{Cluster, ClusterError};
use crate::machine::Machine;
use crate::plan::{Plan, Target};
use crate::report::Report;
use crate::shell::{self, ShellError};

/// Why nothing was measured.
#[derive(Debug, Error)]
pub enum RunError {
    /// There is no cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The run broke off.
    #[error(transparent)]
    Shell(#[from] ShellError),
    /// Signals cannot be caught, or nobody reads the report.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Runs `plan` and prints its report; whether nothing was lost, doubled or left unanswered.
///
/// # Errors
/// [`RunError`]; our own cluster is stopped then too.
pub fn run(plan: &Plan) -> Result<bool, RunError> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let machine = Machine::here();
    say(&opening(plan));
    let cluster = Cluster::open(&plan.target, &stop)?;
    say(&format!("{} users sign up", plan.users()));
    let measured = shell::run(plan, &cluster, &stop)?;
    drop(cluster);
    let is_sound = measured.record.is_sound();
    let report = Report::new(plan, machine, measured);
    let text = match plan.json {
        true => report.json(),
        false => report.table(),
    };
    writeln!(io::stdout(), "{text}")?;
    Ok(is_sound)
}

fn opening(plan: &Plan) -> String {
    match &plan.target {
        Target::Own { servers, .. } => format!("starting a cluster of {servers} servers"),
        Target::Running { router, .. } => format!("using the cluster of {router}"),
    }
}

fn say(line: &str) {
    eprintln!("fastchat-bench: {line}");
}
