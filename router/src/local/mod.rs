//! A whole cluster on one machine: the router in this process and its servers as children.
//!
//! [`cluster`] makes the files, once; [`children`] keeps the servers running; [`announce`] tells
//! the person and the scripts how to reach it. `docs/OPERATING.md` describes the directory.

pub mod announce;
pub mod children;
pub mod cluster;
pub mod ports;

use std::fs::{File, TryLockError};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use operate::log::Filter;
use thiserror::Error;

use crate::config::{LocalConfig, RouterConfig};
use crate::files::{self, FileError};
use crate::shell::{Shell, ShellError};
use announce::Announcer;
use children::{Children, ChildrenError, Plan};
use cluster::{Cluster, ClusterError};
use ports::Ports;

/// How long the servers may take to stop before they are killed.
const STOP_TIME_MAX: Duration = Duration::from_secs(10);

/// Why a local cluster cannot run.
#[derive(Debug, Error)]
pub enum LocalError {
    /// Its directory has a path that `client.env` cannot hold.
    #[error("--data {}: white space, and client.env is read by words", .0.display())]
    WhiteSpace(PathBuf),
    /// Another router runs it already.
    #[error("--data {}: another fastchat-router runs this cluster; stop it, or name another \
        directory", .0.display())]
    Locked(PathBuf),
    /// A file cannot be made, read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The cluster's files do not fit.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The router cannot run.
    #[error(transparent)]
    Shell(#[from] ShellError),
    /// A server cannot be started.
    #[error(transparent)]
    Children(#[from] ChildrenError),
    /// The operating system failed.
    #[error("the operating system: {0}")]
    System(#[from] io::Error),
}

/// Makes the cluster or finds it again, and runs it until SIGTERM or SIGINT.
///
/// # Errors
/// [`LocalError`] says what to do about it.
pub fn run(config: &LocalConfig) -> Result<(), LocalError> {
    let data = data_dir(&config.data)?;
    let _lock = lock(&data)?;
    announce::withdraw(&data)?;
    let cluster = Cluster::prepare(&data, config.servers)?;
    let mut shell = open_router(&cluster, config)?;
    let plan = Plan::new(&cluster, shell.server_address(), config)?;
    let mut children = Children::new(plan);
    let ran = keep_running(&data, &mut shell, &mut children);
    let stopped = stop(shell, &mut children);
    announce::forget_pids(&data)?;
    ran.and(stopped)
}

fn keep_running(data: &Path, shell: &mut Shell, children: &mut Children) -> Result<(), LocalError> {
    let mut announcer = Announcer::new(data, shell.client_address());
    children.start_due(shell.now())?;
    announcer.look(shell.core(), shell.now(), children)?;
    let (servers, data) = (shell.core().servers().len(), data.display());
    announce::say(&format!("servers started: {servers}; their logs: {data}/server-N/log"));
    loop {
        let seen = shell.turn(children.deadline())?;
        if seen.stop || seen.hangup {
            return Ok(());
        }
        if seen.child {
            children.reap(shell.now())?;
        }
        children.start_due(shell.now())?;
        announcer.look(shell.core(), shell.now(), children)?;
    }
}

/// Lets the servers finish, then tells the clients that the router stops.
fn stop(mut shell: Shell, children: &mut Children) -> Result<(), LocalError> {
    announce::say("stopping");
    children.stop();
    children.reap(shell.now())?;
    let until = shell.now() + STOP_TIME_MAX;
    while children.are_running() && shell.now() < until {
        let seen = shell.turn(Some(until))?;
        if seen.stop || seen.hangup {
            break;
        }
        children.reap(shell.now())?;
    }
    children.kill()?;
    Ok(shell.stop()?)
}

fn open_router(cluster: &Cluster, config: &LocalConfig) -> Result<Shell, LocalError> {
    let path = cluster.dir().join("ports");
    let saved = Ports::read(&path)?;
    let keeps_client = Ports { server: 0, ..saved };
    let mut shell = open_at(cluster, config, saved)
        .or_else(|error| open_elsewhere(error, cluster, config, keeps_client))
        .or_else(|error| open_elsewhere(error, cluster, config, Ports::ANY))?;
    shell.catch_signals()?;
    let ports =
        Ports { client: shell.client_address().port(), server: shell.server_address().port() };
    if ports != saved {
        ports.write(&path)?;
    }
    Ok(shell)
}

/// After a port was taken: another attempt.
fn open_elsewhere(
    error: ShellError,
    cluster: &Cluster,
    config: &LocalConfig,
    ports: Ports,
) -> Result<Shell, ShellError> {
    match error {
        ShellError::Listen { .. } => open_at(cluster, config, ports),
        error => Err(error),
    }
}

fn open_at(cluster: &Cluster, config: &LocalConfig, ports: Ports) -> Result<Shell, ShellError> {
    let config = RouterConfig {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, ports.client)),
        server_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, ports.server)),
        cluster: cluster.dir(),
        identity: cluster.router_dir(),
        placing: config.placing,
        admin: config.admin,
        log: config.log.clone().unwrap_or_else(Filter::warnings),
        log_format: config.log_format,
        is_check: false,
        is_plaintext: config.is_plaintext,
    };
    Shell::open_with(&config, true)
}

fn data_dir(path: &Path) -> Result<PathBuf, LocalError> {
    let is_plain = |path: &Path| {
        let text = path.to_str();
        text.is_some_and(|text| !text.contains(char::is_whitespace))
    };
    files::create_dir(path)?;
    let absolute = path.canonicalize();
    let absolute = absolute.map_err(|error| FileError::new("find", path, error))?;
    if is_plain(&absolute) { Ok(absolute) } else { Err(LocalError::WhiteSpace(absolute)) }
}

/// Held until the returned file is dropped or the process ends.
fn lock(data: &Path) -> Result<File, LocalError> {
    let path = data.join("lock");
    let file = File::create(&path).map_err(|error| FileError::new("create", &path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LocalError::Locked(data.to_owned())),
        Err(TryLockError::Error(error)) => Err(FileError::new("lock", &path, error).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::{LocalError, data_dir, lock};

    #[test]
    fn a_second_router_does_not_get_the_lock() {
        let dir = tempfile::tempdir().expect("a directory");
        let held = lock(dir.path()).expect("locks");
        assert!(matches!(lock(dir.path()), Err(LocalError::Locked(_))));
        drop(held);
        lock(dir.path()).expect("locks again");
    }

    #[test]
    fn a_directory_with_white_space_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let spaced = data_dir(&dir.path().join("a b"));
        assert!(matches!(spaced, Err(LocalError::WhiteSpace(_))));
        data_dir(&dir.path().join("a-b")).expect("is plain");
    }
}
