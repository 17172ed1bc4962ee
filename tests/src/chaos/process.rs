//! Programs that are started, killed and started again; none of them outlives this process.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use signal_hook::consts::SIGTERM;

use crate::programs::{reap, signal, wait};

/// Every process that runs: what must not stay behind, whatever happens.
static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());
/// No more are started.
static IS_OVER: AtomicBool = AtomicBool::new(false);

fn running() -> MutexGuard<'static, BTreeSet<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends every process, for when nobody else can, and lets no thread start another.
pub fn kill_all() {
    let mut running = running();
    IS_OVER.store(true, Ordering::Release);
    for pid in std::mem::take(&mut *running) {
        signal(pid, "KILL");
        if let Err(error) = reap(pid) {
            eprintln!("process {pid} does not end: {error}");
        }
    }
}

/// What the operating system says of a child, unless [`kill_all`] has taken it away.
fn its_own<T>(said: io::Result<T>) -> T {
    match said {
        Err(_) if IS_OVER.load(Ordering::Acquire) => stand_still(),
        said => said.expect("a child can be asked and ended"),
    }
}

/// This process is about to end.
fn stand_still() -> ! {
    loop {
        std::thread::park();
    }
}

/// A program, while it runs and after.
#[derive(Debug)]
pub struct Process {
    /// What people call it.
    pub name: String,
    /// How often it was started.
    pub lives: u32,
    child: Option<Child>,
}

impl Process {
    /// A program that does not run yet.
    #[must_use]
    pub fn new(name: String) -> Self {
        Self { name, lives: 0, child: None }
    }

    /// Starts it.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(&mut self, mut command: Command) -> &mut Child {
        // Its own process group: Ctrl-C in the terminal is for this process alone.
        command.process_group(0);
        let mut running = running();
        if IS_OVER.load(Ordering::Acquire) {
            stand_still();
        }
        let child = command.spawn();
        let child = child.unwrap_or_else(|error| panic!("{} does not start: {error}", self.name));
        running.insert(child.id());
        drop(running);
        self.lives += 1;
        self.child.insert(child)
    }

    /// Whether it was started and neither killed nor found to have ended.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// What the operating system calls it, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Its standard input, where that is a pipe.
    pub fn stdin(&mut self) -> Option<&mut ChildStdin> {
        self.child.as_mut()?.stdin.as_mut()
    }

    /// Ends it without a chance to clean up. Whether it ran until then.
    ///
    /// # Panics
    /// When the operating system does not end it.
    pub fn kill(&mut self) -> bool {
        let Some(mut child) = self.child.take() else { return false };
        let has_run = matches!(child.try_wait(), Ok(None));
        its_own(child.kill());
        its_own(child.wait());
        running().remove(&child.id());
        has_run
    }

    /// How it ended by itself, if it has.
    ///
    /// # Panics
    /// When the operating system does not say.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let child = self.child.as_mut()?;
        let status = its_own(child.try_wait())?;
        running().remove(&child.id());
        self.child = None;
        Some(status)
    }

    /// Asks it to stop, by the end of its standard input or a signal, and waits for that.
    ///
    /// # Errors
    /// It does not end before the deadline, or with a failure.
    pub fn stop(&mut self) -> Result<(), String> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let is_signalled = child.stdin.take().is_none();
        if is_signalled {
            signal(child.id(), "TERM");
        }
        let status = wait(&mut child);
        running().remove(&child.id());
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) if is_signalled && status.signal() == Some(SIGTERM) => Ok(()),
            Ok(status) => Err(format!("{} stops with {status}", self.name)),
            Err(error) => Err(format!("{} does not stop: {error}", self.name)),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A file that a process writes to, at its end.
///
/// # Errors
/// The file system's own.
pub fn output(path: &Path) -> io::Result<Stdio> {
    let file: File = OpenOptions::new().create(true).append(true).open(path)?;
    Ok(file.into())
}
