//! A peer's server: a child of this process, in a directory of its own, on loopback.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, waitpid,
};
use tempfile::TempDir;
use thiserror::Error;

use super::config;
use super::patience::Patience;
use super::peer::Peer;
use super::tree::{Tree, processes};
use crate::usage::UsageError;

/// How long a server may take to listen.
const START_TIME_MAX: Duration = Duration::from_secs(60);
/// How long helpers of a killed server may take to end by themselves.
const END_TIME_MAX: Duration = Duration::from_secs(2);
/// Bytes of a server's last words that are shown when it fails.
const LAST_WORDS_LEN: u64 = 600;

/// Why there is no server.
#[derive(Debug, Error)]
pub enum ProgramError {
    /// It is not installed.
    #[error("{0} is not installed; sh bench/peers/install.sh installs all peers")]
    Missing(&'static str),
    /// The system refuses something.
    #[error("cannot start {peer}: {error}")]
    Io {
        /// Which server.
        peer: &'static str,
        /// Why.
        error: io::Error,
    },
    /// It ended by itself.
    #[error("{peer} ended before it listened, with {status}: {words}")]
    Ended {
        /// Which server.
        peer: &'static str,
        /// How.
        status: ExitStatus,
        /// What it said last.
        words: String,
    },
    /// It does not listen.
    #[error("{peer} did not listen within a minute: {words}")]
    Late {
        /// Which server.
        peer: &'static str,
        /// What it said last.
        words: String,
    },
    /// SIGINT or SIGTERM.
    #[error("interrupted")]
    Interrupted,
}

/// A server that runs. It is killed, with all that it has started, and its directory removed when
/// this is dropped.
#[derive(Debug)]
pub struct Program {
    peer: Peer,
    child: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl Program {
    /// Starts a peer's server, and waits until it listens. Gives up when `stop` is set.
    ///
    /// # Errors
    /// [`ProgramError`].
    pub fn start(peer: Peer, stop: &AtomicBool) -> Result<Self, ProgramError> {
        let mut program = Self::spawn(peer).map_err(|error| match error.kind() {
            ErrorKind::NotFound => ProgramError::Missing(peer.name()),
            _ => ProgramError::Io { peer: peer.name(), error },
        })?;
        program.wait_until_it_listens(stop)?;
        Ok(program)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has used until now.
    ///
    /// # Errors
    /// [`UsageError`] when it is gone.
    pub fn tree(&self) -> Result<Tree, UsageError> {
        Tree::of(self.child.id())
    }

    /// What it said last.
    #[must_use]
    pub fn last_words(&self) -> String {
        last_words(self.folder.path())
    }

    /// In a process group of its own: what is typed at the terminal ends the run first.
    fn spawn(peer: Peer) -> io::Result<Self> {
        set_child_subreaper(Some(getpid()))?;
        let folder = TempDir::with_prefix("fastchat-bench-peer-")?;
        open_to_all(folder.path())?;
        let address = free_address()?;
        let words = File::create(folder.path().join("words"))?;
        let child = config::command(peer, address, folder.path())?
            .stdin(Stdio::null())
            .stdout(words.try_clone()?)
            .stderr(words)
            .process_group(0)
            .spawn()?;
        Ok(Self { peer, child, address, folder })
    }

    fn wait_until_it_listens(&mut self, stop: &AtomicBool) -> Result<(), ProgramError> {
        let peer = self.peer.name();
        let patience = Patience::of(START_TIME_MAX);
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(ProgramError::Interrupted);
            }
            let ended = self.child.try_wait();
            if let Some(status) = ended.map_err(|error| ProgramError::Io { peer, error })? {
                return Err(ProgramError::Ended { peer, status, words: self.last_words() });
            }
            if TcpStream::connect(self.address).is_ok() {
                return Ok(());
            }
            if !patience.wait() {
                return Err(ProgramError::Late { peer, words: self.last_words() });
            }
        }
    }

    fn end(&mut self) -> io::Result<()> {
        let ids = processes(self.child.id()).into_iter().filter(|id| *id != self.child.id());
        let pids = ids.filter_map(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let mut helpers: Vec<Pid> = pids.collect();
        self.child.kill()?;
        self.child.wait()?;
        if !are_gone(&mut helpers) {
            for helper in &helpers {
                kill_process(*helper, Signal::KILL)?;
            }
            are_gone(&mut helpers);
        }
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("fastchat-bench: {} did not stop: {error}", self.peer.name());
        }
    }
}

/// Some servers, started by root, become another user first.
fn open_to_all(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777))
}

/// A port of loopback that nobody uses now.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// Waits for processes to end, but not for ever; whether all have. They are children of this
/// process since their own parent has ended: else who takes note of their end is the system's
/// first process, and not every container's does.
fn are_gone(processes: &mut Vec<Pid>) -> bool {
    let patience = Patience::of(END_TIME_MAX);
    loop {
        processes.retain(|pid| matches!(waitpid(Some(*pid), WaitOptions::NOHANG), Ok(None)));
        if processes.is_empty() || !patience.wait() {
            return processes.is_empty();
        }
    }
}

fn last_words(folder: &Path) -> String {
    let read = |name: &str| -> io::Result<String> {
        let mut file = File::open(folder.join(name))?;
        let from = file.metadata()?.len().saturating_sub(LAST_WORDS_LEN);
        io::copy(&mut (&mut file).take(from), &mut io::sink())?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    };
    let both = [read("words"), read("log")];
    let said: Vec<String> = both.into_iter().flatten().filter(|text| !text.is_empty()).collect();
    // Where it was is nobody's business: the folder is gone when this is read.
    said.join("\n").replace(&*folder.to_string_lossy(), "DIR")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_the_end_of_both_files() {
        let folder = TempDir::new().expect("there is room");
        let long = format!("{}end", "x".repeat(1_000));
        fs::write(folder.path().join("words"), long).expect("it can be written");
        fs::write(folder.path().join("log"), "logged\n").expect("it can be written");
        let words = last_words(folder.path());
        assert!(words.ends_with("xend\nlogged"), "{words}");
        assert!(words.len() < 700);
        assert_eq!(last_words(Path::new("/nowhere")), "");
    }

    #[test]
    fn a_child_that_has_ended_is_gone() {
        let mut child = std::process::Command::new("true").spawn().expect("it is everywhere");
        let mut processes = vec![Pid::from_child(&child)];
        assert!(are_gone(&mut processes));
        assert!(child.wait().is_err(), "somebody has waited for it");
    }
}
