//! `strace`, which writes a server's calls down, or lets one of them fail. A server whose `strace`
//! was killed stays behind, until its standard input ends with this process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::fault::{Fault, calls};
use super::folder::Folder;

/// Runs a server and watches it.
#[derive(Clone, Debug)]
pub struct Tracer {
    /// The call that fails; without it, all calls are written down.
    fault: Option<Fault>,
    folder: Folder,
    trace: PathBuf,
}

impl Tracer {
    /// For a server whose store is in `folder`; `trace` is written.
    #[must_use]
    pub fn new(fault: Option<&Fault>, folder: &Folder, trace: &Path) -> Self {
        Self { fault: fault.cloned(), folder: folder.clone(), trace: trace.to_owned() }
    }

    /// The command that a program and its arguments are to be added to.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "--seccomp-bpf", "-o"]).arg(&self.trace);
        match &self.fault {
            None => {
                strace.args(["-y", "-s", "0", "-e", &format!("trace={}", calls())]);
            }
            Some(Fault { call, file, is_serving, nth, error, .. }) => {
                strace.arg("-P").arg(self.folder.name(*is_serving).join(file));
                strace.args(["-e", &format!("trace={call}")]);
                strace.args(["-e", &format!("inject={call}:error={error}:when={nth}")]);
            }
        }
        strace
    }

    /// What was written down so far.
    ///
    /// # Panics
    /// When the file cannot be read.
    #[must_use]
    pub fn trace(&self) -> String {
        fs::read_to_string(&self.trace).expect("strace writes it")
    }

    /// The call has failed.
    #[must_use]
    pub fn has_struck(&self) -> bool {
        self.fault.is_some() && self.trace().contains("(INJECTED)")
    }

    /// After what has failed the server must not go on.
    #[must_use]
    pub fn is_deadly(&self) -> bool {
        self.fault.as_ref().is_some_and(|fault| fault.must_stop) && self.has_struck()
    }
}

/// Whether `strace` is there and may trace.
#[must_use]
pub fn can_trace() -> bool {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-o", "/dev/null", "true"]).stdout(Stdio::null()).stderr(Stdio::null());
    strace.status().is_ok_and(|status| status.success())
}
