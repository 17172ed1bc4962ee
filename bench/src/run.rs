//! A whole run: the cluster, the loop, the report.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use thiserror::Error;

use crate::chart::ChartError;
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
    /// A file of the report cannot be written.
    #[error("--report: cannot write {}: {error}; name a directory of your own", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// A chart cannot be drawn.
    #[error("a chart cannot be drawn: {0}")]
    Chart(#[from] ChartError),
    /// Signals cannot be caught, or nobody reads the report.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Runs `plan`, prints its report and writes the files that were asked for; whether nothing was
/// lost, doubled or left unanswered.
///
/// # Errors
/// [`RunError`]; our own cluster is stopped then too.
pub fn run(plan: &Plan) -> Result<bool, RunError> {
    make_dir(plan.report.as_deref())?;
    let stop = stop_flag()?;
    let report = measure(plan, &stop)?;
    let text = match plan.json {
        true => report.json(),
        false => report.table(),
    };
    writeln!(io::stdout(), "{text}")?;
    if let Some(dir) = &plan.report {
        write(dir, "report.html", &report.html()?)?;
        write(dir, "latencies.hgrm", &report.hgrm())?;
    }
    Ok(report.is_sound())
}

/// Set when SIGINT or SIGTERM comes.
///
/// # Errors
/// The system refuses to tell of them.
pub fn stop_flag() -> Result<Arc<AtomicBool>, RunError> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

/// Runs `plan`.
///
/// # Errors
/// [`RunError`]; our own cluster is stopped then too.
pub fn measure(plan: &Plan, stop: &AtomicBool) -> Result<Report, RunError> {
    let machine = Machine::here();
    say(&opening(plan));
    let cluster = Cluster::open(&plan.target, stop)?;
    say(&format!("{} users sign up", plan.users()));
    let measured = shell::run(plan, &cluster, stop)?;
    drop(cluster);
    Ok(Report::new(plan, machine, measured))
}

/// Makes the directory of a report, if there is to be one: before the run takes its time.
///
/// # Errors
/// [`RunError::File`] names it.
pub fn make_dir(dir: Option<&Path>) -> Result<(), RunError> {
    let made = dir.map_or(Ok(()), fs::create_dir_all);
    made.map_err(|error| RunError::File { path: dir.unwrap_or(Path::new("")).to_owned(), error })
}

/// Writes a file of a report into the directory `dir`.
///
/// # Errors
/// [`RunError::File`] names it.
pub fn write(dir: &Path, name: &str, text: &str) -> Result<(), RunError> {
    let path = dir.join(name);
    fs::write(&path, text).map_err(|error| RunError::File { path, error })
}

fn opening(plan: &Plan) -> String {
    match &plan.target {
        Target::Own { servers, .. } => format!("starting a cluster of {servers} servers"),
        Target::Running { router, .. } => format!("using the cluster of {router}"),
    }
}

/// One line for a person, on standard error.
pub fn say(line: &str) {
    eprintln!("fastchat-bench: {line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        assert!(make_dir(None).is_ok());
        let error = make_dir(Some(Path::new("/proc/no-such"))).expect_err("proc takes none");
        assert!(error.to_string().starts_with("--report: cannot write /proc/no-such: "), "{error}");
    }
}
