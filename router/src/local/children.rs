//! The servers of a local cluster: started, watched, started again, and stopped.
//!
//! A server reads its standard input, a pipe that this process alone holds: when the pipe closes,
//! because this process says so or because it died, the server stops.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use operate::log::{Filter, LogFormat};
use thiserror::Error;
use wire::{Instant, ServerId};

use super::announce::say;
use super::cluster::Cluster;
use crate::config::LocalConfig;
use crate::files::{FileError, SECRET};

/// The wait before a dead server is started again.
const BACK_OFF_MIN: Duration = Duration::from_millis(100);
/// The wait doubles up to this.
const BACK_OFF_MAX: Duration = Duration::from_secs(5);
/// A server that lived this long is waited for as at first.
const STEADY_AFTER: Duration = Duration::from_secs(10);
/// Names the server program where it is not beside this one.
const PROGRAM_VARIABLE: &str = "FASTCHAT_SERVER_PROGRAM";
/// What the settings of a server begin with in the environment.
const SERVER_PREFIX: &str = "FASTCHAT_SERVER_";

/// Why a server cannot be started or ended.
#[derive(Debug, Error)]
pub enum ChildrenError {
    /// The program does not start.
    #[error("cannot start {}: {source}; build it, or set {PROGRAM_VARIABLE}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Its log cannot be written.
    #[error(transparent)]
    Log(#[from] FileError),
    /// A process cannot be asked or ended.
    #[error("{server}: {source}")]
    Process {
        /// Which server.
        server: ServerId,
        /// Why not.
        source: io::Error,
    },
}

/// How each server is started.
#[derive(Clone, Debug)]
pub struct Plan {
    program: PathBuf,
    cluster: Cluster,
    router: SocketAddr,
    sessions_max: Option<u32>,
    has_admin: bool,
    log: Option<Filter>,
    log_format: LogFormat,
    is_plaintext: bool,
    stores_all: bool,
}

/// The server processes.
#[derive(Debug)]
pub struct Children {
    plan: Plan,
    servers: BTreeMap<ServerId, Server>,
    is_stopping: bool,
    is_changed: bool,
}

#[derive(Debug)]
struct Server {
    state: State,
    back_off: Duration,
    has_run: bool,
}

#[derive(Debug)]
enum State {
    Running { child: Child, since: Instant },
    Waiting { until: Instant },
    Stopped,
}

impl Plan {
    /// Servers of `cluster` that report to `router`, as `config` has them.
    ///
    /// # Errors
    /// [`ChildrenError`] when this program's own path is unknown.
    pub fn new(
        cluster: &Cluster,
        router: SocketAddr,
        config: &LocalConfig,
    ) -> Result<Self, ChildrenError> {
        let program = match std::env::var_os(PROGRAM_VARIABLE) {
            Some(program) => PathBuf::from(program),
            None => beside_this("fastchat-server").map_err(|source| ChildrenError::Start {
                program: PathBuf::from("fastchat-server"),
                source,
            })?,
        };
        let LocalConfig { sessions_max, log_format, is_plaintext, stores_all, .. } = *config;
        let (cluster, log) = (cluster.clone(), config.log.clone());
        let has_admin = config.admin.is_some();
        Ok(Self {
            program,
            cluster,
            router,
            sessions_max,
            has_admin,
            log,
            log_format,
            is_plaintext,
            stores_all,
        })
    }

    /// The flags of `server`.
    #[must_use]
    pub fn flags(&self, server: ServerId) -> Vec<OsString> {
        let any_port = "127.0.0.1:0";
        let mut flags: Vec<OsString> = vec!["--id".into(), server.0.to_string().into()];
        flags.extend(["--identity".into(), self.cluster.server_dir(server).into()]);
        flags.extend(["--cluster".into(), self.cluster.dir().into()]);
        flags.extend(["--store".into(), self.store(server).into()]);
        flags.extend(["--listen".into(), any_port.into()]);
        flags.extend(["--peer-listen".into(), any_port.into()]);
        flags.extend(["--router".into(), self.router.to_string().into()]);
        if let Some(sessions) = self.sessions_max {
            flags.extend(["--sessions-max".into(), sessions.to_string().into()]);
        }
        if self.has_admin {
            flags.extend(["--admin".into(), any_port.into()]);
        }
        if let Some(filter) = &self.log {
            flags.extend(["--log".into(), filter.text().into()]);
        }
        flags.extend(["--log-format".into(), self.log_format.name().into()]);
        flags.push("--local".into());
        let switches = [("--plaintext", self.is_plaintext), ("--store-all", self.stores_all)];
        let switches = switches.into_iter().filter(|(_, is_on)| *is_on);
        flags.extend(switches.map(|(flag, _)| flag.into()));
        flags
    }

    fn store(&self, server: ServerId) -> PathBuf {
        self.cluster.server_data(server).join("store")
    }

    fn log(&self, server: ServerId) -> PathBuf {
        self.cluster.server_data(server).join("log")
    }

    fn start(&self, server: ServerId) -> Result<Child, ChildrenError> {
        let log = self.log(server);
        let failed = |error| FileError::new("write", &log, error);
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).mode(SECRET).open(&log).map_err(failed)?;
        let copy = file.try_clone().map_err(failed)?;
        let mut command = Command::new(&self.program);
        command.args(self.flags(server)).env("NO_COLOR", "1");
        for name in std::env::vars_os().map(|(name, _)| name).filter(|name| is_setting(name)) {
            command.env_remove(name);
        }
        // Its own process group: Ctrl-C in the terminal is for this process alone.
        command.stdin(Stdio::piped()).stdout(copy).stderr(file).process_group(0);
        command
            .spawn()
            .map_err(|source| ChildrenError::Start { program: self.program.clone(), source })
    }
}

/// Whether a variable is a setting of one server, which several cannot share.
fn is_setting(variable: &OsStr) -> bool {
    let is_of_a_server = variable.to_str().is_some_and(|name| name.starts_with(SERVER_PREFIX));
    is_of_a_server && variable != PROGRAM_VARIABLE
}

impl Children {
    /// None runs yet; [`Self::start_due`] starts all.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let server = |server: &ServerId| {
            let state = State::Waiting { until: Instant(0) };
            let (back_off, has_run) = (BACK_OFF_MIN, false);
            (*server, Server { state, back_off, has_run })
        };
        Self {
            servers: plan.cluster.servers().iter().map(server).collect(),
            plan,
            is_stopping: false,
            is_changed: false,
        }
    }

    /// Starts the servers whose wait is over. One that ran before and does not start now is
    /// tried again later.
    ///
    /// # Errors
    /// [`ChildrenError`] when a server does not start for the first time.
    pub fn start_due(&mut self, now: Instant) -> Result<(), ChildrenError> {
        for (id, server) in &mut self.servers {
            if !matches!(server.state, State::Waiting { until } if until <= now) {
                continue;
            }
            match self.plan.start(*id) {
                Ok(child) => server.run(now, child),
                Err(error) if !server.has_run => return Err(error),
                Err(error) => {
                    say(&format!("{id}: {error}"));
                    server.wait(now);
                }
            }
            self.is_changed = true;
        }
        Ok(())
    }

    /// When the next wait is over.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let waits = self.servers.values().filter_map(|server| match server.state {
            State::Waiting { until } => Some(until),
            State::Running { .. } | State::Stopped => None,
        });
        waits.min()
    }

    /// Looks which servers have ended, and says so.
    ///
    /// # Errors
    /// [`ChildrenError`] when a process cannot be asked.
    pub fn reap(&mut self, now: Instant) -> Result<(), ChildrenError> {
        for (id, server) in &mut self.servers {
            let State::Running { child, since } = &mut server.state else {
                continue;
            };
            let ended = child.try_wait();
            let ended = ended.map_err(|source| ChildrenError::Process { server: *id, source })?;
            let Some(status) = ended else { continue };
            if self.is_stopping {
                server.state = State::Stopped;
                continue;
            }
            if now.since(*since) >= STEADY_AFTER {
                server.back_off = BACK_OFF_MIN;
            }
            say_ended(*id, &status.to_string(), server.back_off, &self.plan.log(*id));
            server.wait(now);
        }
        Ok(())
    }

    /// The processes that run, by server; `None` when nothing has changed since the last call.
    pub fn changed_pids(&mut self) -> Option<Vec<(ServerId, u32)>> {
        if !std::mem::take(&mut self.is_changed) {
            return None;
        }
        let running = self.servers.iter().filter_map(|(id, server)| match &server.state {
            State::Running { child, .. } => Some((*id, child.id())),
            State::Waiting { .. } | State::Stopped => None,
        });
        Some(running.collect())
    }

    /// Closes the standard input of each server, which asks it to stop; starts none again.
    pub fn stop(&mut self) {
        self.is_stopping = true;
        for server in self.servers.values_mut() {
            match &mut server.state {
                State::Running { child, .. } => drop(child.stdin.take()),
                state => *state = State::Stopped,
            }
        }
    }

    /// Whether any server still runs.
    #[must_use]
    pub fn are_running(&self) -> bool {
        let mut servers = self.servers.values();
        servers.any(|server| matches!(server.state, State::Running { .. }))
    }

    /// Ends the servers that still run, at once.
    ///
    /// # Errors
    /// [`ChildrenError`] when a process cannot be ended.
    pub fn kill(&mut self) -> Result<(), ChildrenError> {
        for (id, server) in &mut self.servers {
            if let State::Running { child, .. } = &mut server.state {
                say(&format!("{id} did not stop in time and is killed"));
                let ended = child.kill().and_then(|()| child.wait());
                ended.map_err(|source| ChildrenError::Process { server: *id, source })?;
                server.state = State::Stopped;
            }
        }
        Ok(())
    }
}

impl Server {
    fn run(&mut self, now: Instant, child: Child) {
        let since = now;
        self.state = State::Running { child, since };
        self.has_run = true;
    }

    fn wait(&mut self, now: Instant) {
        let until = now + self.back_off;
        self.state = State::Waiting { until };
        self.back_off = (self.back_off * 2).min(BACK_OFF_MAX);
    }
}

/// The path of a program in the folder of this one.
///
/// # Errors
/// The operating system does not tell where this program is.
pub fn beside_this(program: &str) -> io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(program))
}

fn say_ended(server: ServerId, status: &str, wait: Duration, log: &Path) {
    let (wait, log) = (wait.as_millis(), log.display());
    say(&format!("{server} ended ({status}); again in {wait} ms; its log: {log}"));
}
