//! FastChat and other servers side by side: each run of each in a process of its own, one table,
//! one plot, and the raw figures.
//!
//! [`case`] says what is compared, and with which command lines; [`job`] runs one of them,
//! [`summary`] takes medians, [`table`] and [`plot`] show them.

pub mod case;
pub mod job;
pub mod plan;
pub mod plot;
pub mod summary;
pub mod table;
#[cfg(test)]
mod tests;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use thiserror::Error;

use case::Contender;
use job::{Job, JobError};
use plan::Plan;
use summary::{Outcome, Summary};

use crate::machine::Machine;
use crate::peers::config;

/// Why there is no comparison.
#[derive(Debug, Error)]
pub enum CompareError {
    /// A file cannot be written.
    #[error("--out: cannot write {}: {source}; name a directory of your own", path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A picture cannot be drawn.
    #[error("the plot cannot be drawn: {0}")]
    Draw(#[from] plot::DrawError),
    /// No child can be started, or SIGINT or SIGTERM.
    #[error(transparent)]
    Job(#[from] JobError),
    /// Signals cannot be caught, or nobody reads the report.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Everything that the report is made of.
#[derive(Debug)]
pub struct Comparison {
    /// What was asked for.
    pub plan: Plan,
    /// On which machine.
    pub machine: Machine,
    /// Who took part, with their versions.
    pub versions: Vec<(Contender, String)>,
    /// What they did.
    pub summary: Summary,
}

/// Runs `plan`, prints the table and writes it with the raw figures, the plot and the
/// configurations; whether nothing was lost or doubled. What fails is a row that says why.
///
/// # Errors
/// [`CompareError`].
pub fn run(plan: Plan) -> Result<bool, CompareError> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let machine = Machine::here();
    // Before it takes its time.
    write_configurations(&plan)?;
    let outcomes = run_all(&plan, &stop)?;
    let comparison =
        Comparison { versions: versions(&plan), summary: Summary::of(&outcomes), machine, plan };
    let out = &comparison.plan.out;
    let text = table::markdown(&comparison);
    write(&out.join("table.md"), text.as_bytes())?;
    write(&out.join("plot.svg"), plot::draw(&comparison.summary)?.as_bytes())?;
    match comparison.plan.json {
        true => writeln!(io::stdout(), "{}", table::json(&comparison))?,
        false => write!(io::stdout(), "{text}")?,
    }
    Ok(outcomes.iter().all(Outcome::is_sound))
}

fn versions(plan: &Plan) -> Vec<(Contender, String)> {
    let version = |contender| match contender {
        Contender::FastChat { .. } => concat!("fastchat ", env!("CARGO_PKG_VERSION")).to_owned(),
        Contender::Peer(peer) => config::version(peer),
    };
    plan.contenders().into_iter().map(|contender| (contender, version(contender))).collect()
}

/// Every case once with everybody, then all again: what slows the machine for a while slows all.
fn run_all(plan: &Plan, stop: &AtomicBool) -> Result<Vec<Outcome>, CompareError> {
    let path = plan.out.join("raw.jsonl");
    let failed = |source| CompareError::File { path: path.clone(), source };
    let mut raw = fs::File::create(&path).map_err(failed)?;
    let jobs = jobs(plan);
    let mut outcomes = Vec::new();
    for (index, job) in jobs.iter().enumerate() {
        eprintln!("fastchat-bench: {} of {}: {job}", index + 1, jobs.len());
        let outcome = job.run(stop)?;
        if let Err(why) = &outcome.figures {
            eprintln!("fastchat-bench: {why}");
        }
        writeln!(raw, "{}", outcome.json()).map_err(failed)?;
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

fn jobs(plan: &Plan) -> Vec<Job> {
    let mut jobs = Vec::new();
    for run in 1..=plan.runs {
        for case in plan.cases() {
            for contender in plan.contenders() {
                let command = case.command(contender, &plan.sizes);
                jobs.extend(command.map(|command| Job { run, case, contender, command }));
            }
        }
    }
    jobs
}

fn write_configurations(plan: &Plan) -> Result<(), CompareError> {
    let folder = plan.out.join("peers");
    let failed = |source| CompareError::File { path: folder.clone(), source };
    fs::create_dir_all(&folder).map_err(failed)?;
    for peer in &plan.peers {
        if let Some(template) = config::template(*peer) {
            write(&folder.join(template.file), template.text.as_bytes())?;
        }
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), CompareError> {
    let failed = |source| CompareError::File { path: path.to_owned(), source };
    fs::write(path, bytes).map_err(failed)
}
