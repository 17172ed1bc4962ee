//! Finds the programs under test and runs them to their end, within a deadline.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::DEADLINE;

/// What a finished program left.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Finished {
    /// The exit code; -1 when a signal ended it.
    #[must_use]
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }
}

/// The path of one of our programs, beside the running test or program.
///
/// # Panics
/// When it was not built: `make build` does.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("the running program has a path");
    let found = own.ancestors().skip(1).take(2).map(|folder| folder.join(name));
    let path = found.into_iter().find(|path| path.is_file());
    path.unwrap_or_else(|| panic!("{name} is not built beside {}: run `make build`", own.display()))
}

/// Runs `command` with `input` as its standard input.
///
/// # Errors
/// When it cannot be started, or has not ended by the deadline; it is killed then.
pub fn run(command: &mut Command, input: &str) -> io::Result<Finished> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        match stdin.write_all(input.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
            _ => {}
        }
    }
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let status = wait(&mut child)?;
    let text = |receiver: mpsc::Receiver<io::Result<String>>| {
        receiver.recv().map_err(io::Error::other).and_then(|text| text)
    };
    Ok(Finished { status, stdout: text(stdout)?, stderr: text(stderr)? })
}

/// Waits for the end of `child`, at most until the deadline.
///
/// # Errors
/// [`io::ErrorKind::TimedOut`] at the deadline; the child is killed then.
pub fn wait(child: &mut Child) -> io::Result<ExitStatus> {
    wait_within(child, DEADLINE)
}

/// Waits for the end of `child`, at most for `limit`.
///
/// # Errors
/// [`io::ErrorKind::TimedOut`] at the limit; the child is killed then.
pub fn wait_within(child: &mut Child, limit: Duration) -> io::Result<ExitStatus> {
    let (done, ended) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let id = child.id();
        scope.spawn(move || {
            if ended.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
                signal(id, "KILL");
            }
        });
        let status = child.wait();
        drop(done);
        status
    })
    .and_then(|status| match std::os::unix::process::ExitStatusExt::signal(&status) {
        Some(9) => Err(io::Error::new(io::ErrorKind::TimedOut, "killed, perhaps at the deadline")),
        _ => Ok(status),
    })
}

/// Sends the named signal to a process that this test started.
///
/// # Panics
/// When `kill` cannot be run.
pub fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args(["-s", name, &pid.to_string()]).status();
    assert!(status.is_ok(), "kill is part of every system: {status:?}");
}

/// Waits until a child of this process has ended, for when its `Child` is out of reach.
///
/// # Errors
/// It is no child of this process.
pub fn reap(pid: u32) -> io::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    rustix::process::waitpid(pid, rustix::process::WaitOptions::empty())?;
    Ok(())
}

fn collect(source: Option<impl Read + Send + 'static>) -> mpsc::Receiver<io::Result<String>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let mut source = source.expect("the stream was piped");
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let text = source.read_to_end(&mut bytes);
        let text = text.map(|_| String::from_utf8_lossy(&bytes).into_owned());
        sender.send(text).expect("the receiver waits for this");
    });
    receiver
}
