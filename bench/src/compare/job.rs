//! One run: this program once more, as a child, so that no run inherits anything of another.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use thiserror::Error;

use super::case::{Case, Contender};
use super::summary::Outcome;
use crate::peers::patience::Patience;
use crate::peers::plan::Scenario;

/// A run that takes longer has failed.
const RUN_TIME_MAX: Duration = Duration::from_secs(900);
/// How long a child may take to end when it is asked to.
const END_TIME_MAX: Duration = Duration::from_secs(30);
/// How long new connections wait for ports of old ones.
const PORTS_TIME_MAX: Duration = Duration::from_secs(75);
/// So many held ports leave enough for new connections.
const PORTS_HELD_MAX: usize = 10_000;
const SOCKETS: &str = "/proc/net/tcp";
/// Characters of a reason that are shown.
const REASON_LEN: usize = 240;

/// Why the comparison ends.
#[derive(Debug, Error)]
pub enum JobError {
    /// No child can be started or read.
    #[error("a run cannot be started: {0}")]
    Io(#[from] io::Error),
    /// SIGINT or SIGTERM.
    #[error("interrupted")]
    Interrupted,
}

/// One run of one case with one contender.
#[derive(Debug)]
pub struct Job {
    /// Counted from 1.
    pub run: u64,
    /// What is compared.
    pub case: &'static Case,
    /// Who takes part.
    pub contender: Contender,
    /// The command line.
    pub command: Vec<String>,
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, run {}", self.case.title, self.contender.name(), self.run)
    }
}

impl Job {
    /// Runs it. A child that fails is an outcome, too.
    ///
    /// # Errors
    /// [`JobError`].
    pub fn run(&self, stop: &AtomicBool) -> Result<Outcome, JobError> {
        if let Contender::Peer(peer) = self.contender
            && let Some(why) = peer.cannot(self.case.scenario)
        {
            return Ok(self.outcome(Err(why.to_owned())));
        }
        if self.case.scenario == Scenario::Connect {
            wait_for_ports(stop);
        }
        let (mut said, mut complained) = (tempfile::tempfile()?, tempfile::tempfile()?);
        let child = Command::new(std::env::current_exe()?)
            .args(&self.command)
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(complained.try_clone()?)
            .spawn()?;
        let has_ended = wait(child, stop)?;
        let (said, complained) = (text(&mut said)?, text(&mut complained)?);
        let figures = serde_json::from_str(said.trim()).ok().filter(Value::is_object);
        let why = || match has_ended {
            true => reason(&complained),
            false => format!("not done within {} minutes", RUN_TIME_MAX.as_secs() / 60),
        };
        Ok(self.outcome(figures.ok_or_else(why)))
    }

    fn outcome(&self, figures: Result<Value, String>) -> Outcome {
        let Self { run, case, contender, command } = self;
        let command = command.clone();
        Outcome { run: *run, case, contender: *contender, command, figures }
    }
}

/// Who hangs up keeps the connection's port for a minute; thousands of new ones need as many.
fn wait_for_ports(stop: &AtomicBool) {
    let patience = Patience::of(PORTS_TIME_MAX);
    let are_held = || {
        let held = held_ports(&fs::read_to_string(SOCKETS).unwrap_or_default());
        held > PORTS_HELD_MAX && !stop.load(Ordering::Relaxed)
    };
    while are_held() && patience.wait() {
        // The list is long; it is not read more often than it changes.
        let a_while = Patience::of(Duration::from_secs(1));
        while a_while.wait() {}
    }
}

/// Local ports of connections that wait for stray packets (state 06 in the fourth column). Those
/// of a server share one.
pub(super) fn held_ports(sockets: &str) -> usize {
    let ports = sockets.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (local, _remote, state) = (words.next()?, words.next()?, words.next()?);
        (state == "06").then(|| local.rsplit(':').next())?
    });
    ports.collect::<BTreeSet<&str>>().len()
}

/// Whether the child has ended in time, by itself.
fn wait(mut child: Child, stop: &AtomicBool) -> Result<bool, JobError> {
    if has_ended(&mut child, RUN_TIME_MAX, stop)? {
        return Ok(true);
    }
    // It stops its own children first.
    kill_process(Pid::from_child(&child), Signal::TERM).map_err(io::Error::from)?;
    if !has_ended(&mut child, END_TIME_MAX, &AtomicBool::new(false))? {
        child.kill()?;
        child.wait()?;
    }
    match stop.load(Ordering::Relaxed) {
        true => Err(JobError::Interrupted),
        false => Ok(false),
    }
}

/// Whether the child has ended in `time`, before `stop` was set.
fn has_ended(child: &mut Child, time: Duration, stop: &AtomicBool) -> io::Result<bool> {
    let patience = Patience::of(time);
    while !stop.load(Ordering::Relaxed) {
        if child.try_wait()?.is_some() {
            return Ok(true);
        }
        if !patience.wait() {
            break;
        }
    }
    Ok(false)
}

fn text(file: &mut File) -> io::Result<String> {
    file.rewind()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What a child complained of last, on one line.
pub(super) fn reason(complained: &str) -> String {
    let last = complained.rsplit("fastchat-bench: ").next().unwrap_or_default();
    let words: Vec<&str> = last.split_whitespace().collect();
    match words.is_empty() {
        true => "it said nothing".to_owned(),
        false => words.join(" ").chars().take(REASON_LEN).collect(),
    }
}
