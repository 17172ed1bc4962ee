//! The cluster that is measured: our own, in a temporary directory, or one that runs already.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use thiserror::Error;

use crate::committed::{self, Committed, CommittedError};
use crate::load::Strike;
use crate::plan::Target;
use crate::usage::{Process, Reading, UsageError};

/// The router's name among the processes.
const ROUTER: &str = "router";
/// How long a cluster may take to be ready.
const START_TIME_MAX: Duration = Duration::from_secs(60);
/// How long a cluster may take to stop.
const STOP_TIME_MAX: Duration = Duration::from_secs(20);
/// How often a request to stop is looked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Bytes of the cluster's last words that are shown when it fails.
const LAST_WORDS_LEN: usize = 2_000;

/// Why there is no cluster to measure.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// The program is not there.
    #[error("cannot start {}: {error}; build all programs first: make build", path.display())]
    Program {
        /// Where it was looked for.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The cluster ended instead of becoming ready.
    #[error("the cluster ended before it was ready; its last words:\n{0}")]
    Ended(String),
    /// The cluster took too long.
    #[error("the cluster was not ready within a minute; its last words:\n{0}")]
    Late(String),
    /// The run was interrupted.
    #[error("interrupted")]
    Interrupted,
    /// A file of the cluster cannot be used.
    #[error("{}: {error}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file of the cluster lacks a line.
    #[error("{}: no line for {what}", path.display())]
    Missing {
        /// Which file.
        path: PathBuf,
        /// What it should name.
        what: &'static str,
    },
    /// The router's name leads nowhere.
    #[error("--router {router}: {error}")]
    Router {
        /// As typed.
        router: String,
        /// Why.
        error: io::Error,
    },
    /// A server does not say what it has committed.
    #[error(transparent)]
    Committed(#[from] CommittedError),
    /// A server that was to go away.
    #[error("{name} cannot be ended: {error}")]
    Strike {
        /// Which.
        name: String,
        /// Why not.
        error: io::Error,
    },
    /// The processes' usage cannot be read.
    #[error(transparent)]
    Usage(#[from] UsageError),
}

/// How to reach a cluster's router.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its address.
    pub router: SocketAddr,
    /// The cluster's CA certificate.
    pub ca_pem: Vec<u8>,
}

/// The cluster of one run. Our own is stopped and removed when dropped.
#[derive(Debug)]
pub struct Cluster {
    endpoint: Endpoint,
    own: Option<Own>,
}

#[derive(Debug)]
struct Own {
    router: Child,
    data: TempDir,
    flags: Vec<String>,
}

impl Cluster {
    /// Starts a cluster, or finds the one that runs. Gives up when `stop` is set.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub fn open(target: &Target, stop: &AtomicBool) -> Result<Self, ClusterError> {
        match target {
            Target::Own { servers, plaintext, store_all } => {
                let switches = [("--plaintext", *plaintext), ("--store-all", *store_all)];
                let on = switches.iter().filter(|(_, is_on)| *is_on).map(|(flag, _)| *flag);
                let servers = servers.to_string();
                let fixed = ["--local", &servers, "--admin", "127.0.0.1:0"];
                let flags = fixed.into_iter().chain(["--log-format", "json"]).chain(on);
                Self::start(flags.map(str::to_owned).collect(), stop)
            }
            Target::Running { router, ca } => {
                let endpoint =
                    Endpoint { router: resolve(router)?, ca_pem: file(ca, fs::read(ca))? };
                let own = None;
                Ok(Self { endpoint, own })
            }
        }
    }

    /// How to reach its router.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// What its processes have used until now; `None` when it is not our own.
    ///
    /// # Errors
    /// [`ClusterError`] when a process is gone.
    pub fn usage(&self) -> Result<Option<Reading>, ClusterError> {
        let Some(own) = &self.own else {
            return Ok(None);
        };
        Ok(Some(Reading::of(own.processes()?)?))
    }

    /// What its servers have committed until now, up to a second late; `None` when it is not our
    /// own.
    ///
    /// # Errors
    /// [`ClusterError`] when a server does not say.
    pub fn committed(&self) -> Result<Option<Committed>, ClusterError> {
        let Some(own) = &self.own else {
            return Ok(None);
        };
        let mut all = Committed::default();
        for (name, _) in own.processes()?.iter().filter(|(name, _)| name != ROUTER) {
            all += committed::of(&own.data.path().join(name).join("log"))?;
        }
        Ok(Some(all))
    }

    /// Bytes of its files: stores and logs; `None` when it is not our own.
    ///
    /// # Errors
    /// [`ClusterError`] when they cannot be looked at.
    pub fn stored_len(&self) -> Result<Option<u64>, ClusterError> {
        let own = self.own.as_ref();
        own.map(|own| file(own.data.path(), len_of(own.data.path()))).transpose()
    }

    /// The last server goes away.
    ///
    /// # Errors
    /// [`ClusterError`] when it is gone already.
    pub fn strike(&self, strike: Strike) -> Result<(), ClusterError> {
        let Some(own) = &self.own else {
            return Ok(());
        };
        let signal = match strike {
            Strike::Drain => Signal::USR2,
            Strike::Kill => Signal::KILL,
        };
        let mut processes = own.processes()?;
        processes.retain(|(name, _)| *name != ROUTER);
        let last = processes.iter().max_by_key(|(name, _)| (name.len(), name.as_str()));
        let Some((name, id)) = last else {
            let error = io::Error::other("no server runs");
            return Err(ClusterError::Strike { name: "a server".to_owned(), error });
        };
        let id = i32::try_from(*id).ok().and_then(Pid::from_raw);
        let struck = id.map_or(Err(io::Error::other("no such process")), |id| {
            kill_process(id, signal).map_err(io::Error::from)
        });
        struck.map_err(|error| ClusterError::Strike { name: name.clone(), error })
    }

    /// Starts our own cluster: `fastchat-router` with these flags, and a directory for its data.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub fn start(flags: Vec<String>, stop: &AtomicBool) -> Result<Self, ClusterError> {
        let data = TempDir::with_prefix("fastchat-bench-");
        let data = file(Path::new("a temporary directory"), data)?;
        let mut own = Own { router: launch(&flags, data.path())?, data, flags };
        own.wait_until_ready(stop)?;
        let endpoint = own.endpoint()?;
        let own = Some(own);
        Ok(Self { endpoint, own })
    }

    /// Stops our own cluster and starts it again, with what it has on disk.
    ///
    /// # Errors
    /// [`ClusterError`].
    ///
    /// # Panics
    /// When it is not our own.
    pub fn restart(&mut self, interrupt: &AtomicBool) -> Result<(), ClusterError> {
        let own = self.own.as_mut().expect("only our own is started again");
        let stopped = stop(&mut own.router);
        file(Path::new("fastchat-router"), stopped)?;
        own.router = launch(&own.flags, own.data.path())?;
        own.wait_until_ready(interrupt)?;
        self.endpoint = own.endpoint()?;
        Ok(())
    }
}

fn launch(flags: &[String], data: &Path) -> Result<Child, ClusterError> {
    let path = beside_this("fastchat-router");
    let log = log_in(data);
    let words = file(&log, fs::File::create(&log))?;
    let mut command = Command::new(&path);
    command.args(flags).arg("--data").arg(data);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(words);
    command.spawn().map_err(|error| ClusterError::Program { path, error })
}

fn log_in(data: &Path) -> PathBuf {
    data.join("router.log")
}

impl Own {
    fn wait_until_ready(&mut self, stop: &AtomicBool) -> Result<(), ClusterError> {
        let stdout = self.router.stdout.take().expect("it was piped");
        wait_until_ready(&first_line(stdout), &log_in(self.data.path()), stop)
    }

    fn processes(&self) -> Result<Vec<Process>, ClusterError> {
        let path = self.data.path().join("pids");
        let text = file(&path, fs::read_to_string(&path))?;
        Ok(processes(&text))
    }

    fn endpoint(&self) -> Result<Endpoint, ClusterError> {
        let path = self.data.path().join("client.env");
        let text = file(&path, fs::read_to_string(&path))?;
        let ca = PathBuf::from(variable(&path, &text, "FASTCHAT_CA")?);
        Ok(Endpoint {
            router: resolve(variable(&path, &text, "FASTCHAT_ROUTER")?)?,
            ca_pem: file(&ca, fs::read(&ca))?,
        })
    }
}

/// Also after an error, and when it never became ready.
impl Drop for Own {
    fn drop(&mut self) {
        if let Err(error) = stop(&mut self.router) {
            eprintln!("fastchat-bench: the cluster did not stop: {error}");
        }
    }
}

fn stop(router: &mut Child) -> io::Result<()> {
    if router.try_wait()?.is_some() {
        return Ok(());
    }
    let pid = Pid::from_child(router);
    kill_process(pid, Signal::TERM)?;
    let (ended, watch) = channel::<()>();
    thread::scope(|scope| {
        let watchdog = scope.spawn(move || match watch.recv_timeout(STOP_TIME_MAX) {
            Err(RecvTimeoutError::Timeout) => kill_process(pid, Signal::KILL),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => Ok(()),
        });
        let status = router.wait();
        drop(ended);
        let killed = watchdog.join().expect("the watchdog cannot panic");
        status.and(killed.map_err(io::Error::from))
    })
}

/// The first line that the cluster prints says that it is ready. Later ones are read and dropped,
/// so that it never waits for us.
fn first_line(stdout: ChildStdout) -> Receiver<io::Result<usize>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut reader = BufReader::new(stdout);
        let first = reader.read_line(&mut String::new());
        let told = sender.send(first);
        let rest = io::copy(&mut reader, &mut io::sink());
        told.is_ok() && rest.is_ok()
    });
    receiver
}

fn wait_until_ready(
    line: &Receiver<io::Result<usize>>,
    log: &Path,
    stop: &AtomicBool,
) -> Result<(), ClusterError> {
    let looks = START_TIME_MAX.as_millis() / LOOK_INTERVAL.as_millis();
    for _ in 0..looks {
        if stop.load(Ordering::Relaxed) {
            return Err(ClusterError::Interrupted);
        }
        match line.recv_timeout(LOOK_INTERVAL) {
            Ok(Ok(len)) if len > 0 => return Ok(()),
            Ok(_) | Err(RecvTimeoutError::Disconnected) => {
                return Err(ClusterError::Ended(last_words(log)));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
    Err(ClusterError::Late(last_words(log)))
}

fn last_words(log: &Path) -> String {
    let mut text = String::new();
    let read = fs::File::open(log).and_then(|mut file| file.read_to_string(&mut text));
    if let Err(error) = read {
        return format!("{}: {error}", log.display());
    }
    let from = text.ceil_char_boundary(text.len().saturating_sub(LAST_WORDS_LEN));
    text.split_off(from)
}

fn beside_this(program: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.with_file_name(program)
}

fn resolve(router: &str) -> Result<SocketAddr, ClusterError> {
    let failed = |error| ClusterError::Router { router: router.to_owned(), error };
    let mut addresses = router.to_socket_addrs().map_err(failed)?;
    let none = || failed(io::Error::other("it has no address"));
    addresses.next().ok_or_else(none)
}

fn variable<'a>(path: &Path, text: &'a str, what: &'static str) -> Result<&'a str, ClusterError> {
    let lines = text.lines().filter_map(|line| line.split_once('='));
    let mut values = lines.filter(|(name, _)| *name == what);
    values.next().map(|(_, value)| value).ok_or_else(|| {
        let path = path.to_owned();
        ClusterError::Missing { path, what }
    })
}

/// `name pid`, one a line.
fn processes(pids: &str) -> Vec<Process> {
    let lines = pids.lines().filter_map(|line| line.split_once(' '));
    let parsed = lines.map(|(name, pid)| Some((name.to_owned(), pid.parse().ok()?)));
    parsed.flatten().collect()
}

/// Files that are gone when they are looked at count nothing.
fn len_of(dir: &Path) -> io::Result<u64> {
    let mut len = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => len += len_of(&entry.path())?,
            Ok(metadata) => len += metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}

fn file<T>(path: &Path, result: io::Result<T>) -> Result<T, ClusterError> {
    result.map_err(|error| ClusterError::File { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_of_clients_is_understood() {
        let path = Path::new("client.env");
        let text = "FASTCHAT_ROUTER=127.0.0.1:7\nFASTCHAT_CA=/a=b/ca.pem\n";
        let ca = variable(path, text, "FASTCHAT_CA").expect("it is there");
        assert_eq!(ca, "/a=b/ca.pem");
        let missing = variable(path, text, "FASTCHAT_USER").expect_err("it is not there");
        assert_eq!(missing.to_string(), "client.env: no line for FASTCHAT_USER");
    }

    #[test]
    fn processes_have_a_name_and_an_id() {
        let found = processes("router 7\nserver-1 8\n");
        let wanted = [("router".to_owned(), 7), ("server-1".to_owned(), 8)];
        assert_eq!(found, wanted);
    }

    #[test]
    fn a_router_without_a_port_is_named() {
        let error = resolve("localhost").expect_err("no port");
        assert!(error.to_string().starts_with("--router localhost: "), "{error}");
    }
}
