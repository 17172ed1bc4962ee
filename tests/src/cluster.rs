//! A real cluster on this machine: `fastchat-router --local N`, as a person would start it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use tempfile::TempDir;
use wire::{LogId, Name, OperatorPublic, ServerId, SignedMap, SlotMap};

use crate::lines::Lines;
use crate::programs::{program, signal, wait};

/// One router and its servers; stopped and removed when dropped.
#[derive(Debug)]
pub struct Cluster {
    child: Child,
    directory: TempDir,
    stderr: Lines,
    options: Vec<String>,
    filter: Option<String>,
    servers: u16,
}

impl Cluster {
    /// Starts a new cluster in a temporary directory and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready before the deadline.
    #[must_use]
    pub fn start(servers: u16, options: &[&str]) -> Self {
        Self::start_logging(servers, options, None)
    }

    /// The same; all programs log what `filter` lets through, by default what they do themselves.
    ///
    /// # Panics
    /// When it does not become ready before the deadline.
    #[must_use]
    pub fn start_logging(servers: u16, options: &[&str], filter: Option<&str>) -> Self {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        let filter = filter.map(str::to_owned);
        let (child, stderr) = launch(directory.path(), servers, &options, filter.as_deref());
        Self { child, directory, stderr, options, filter, servers }
    }

    /// Stops everything in an orderly way and starts it again on the same data.
    ///
    /// # Panics
    /// When a step does not end before the deadline.
    pub fn restart(&mut self) {
        self.stop();
        let (path, filter) = (self.directory.path(), self.filter.as_deref());
        (self.child, self.stderr) = launch(path, self.servers, &self.options, filter);
    }

    /// The process of the whole cluster: ends everything in an orderly way on `TERM`.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// The data directory: `cluster/`, `server-N/store`, `client.env`, `pids`.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The lines of the cluster's standard error.
    pub fn stderr(&mut self) -> &mut Lines {
        &mut self.stderr
    }

    /// What a client needs to know, from `client.env`.
    ///
    /// # Panics
    /// When the file is not there: the cluster is ready only with it.
    #[must_use]
    pub fn environment(&self) -> BTreeMap<String, String> {
        pairs(&self.directory.path().join("client.env"), '=')
    }

    /// The process id of `router` or `server-N`, from `pids`.
    ///
    /// # Panics
    /// When the file does not name it.
    #[must_use]
    pub fn pid(&self, name: &str) -> u32 {
        let pids = pairs(&self.directory.path().join("pids"), ' ');
        let pid = pids.get(name).unwrap_or_else(|| panic!("{name} is in {pids:?}"));
        pid.parse().expect("a process id is a number")
    }

    /// Ends one server without a chance to clean up; the cluster starts it again.
    pub fn kill(&self, name: &str) {
        signal(self.pid(name), "KILL");
    }

    /// Ends one server without a chance to clean up, and keeps it from being started again.
    ///
    /// # Panics
    /// When its data cannot be moved out of its way.
    pub fn take_down(&self, name: &str) {
        let (data, away) = self.data(name);
        fs::rename(data, away).expect("the data can be moved");
        self.kill(name);
    }

    /// Lets a server that was taken down be started again.
    ///
    /// # Panics
    /// When its data cannot be moved back.
    pub fn bring_back(&self, name: &str) {
        let (data, away) = self.data(name);
        fs::rename(away, data).expect("the data can be moved");
    }

    fn data(&self, name: &str) -> (PathBuf, PathBuf) {
        let directory = self.directory.path();
        (directory.join(name), directory.join(format!("{name}.away")))
    }

    /// The name of a group with this home.
    ///
    /// # Panics
    /// When the cluster's map cannot be read.
    #[must_use]
    pub fn group_at(&self, home: u16) -> String {
        group_at(&read_map(self.directory()), home)
    }

    /// Different usernames, one for each of these homes.
    ///
    /// # Panics
    /// When the cluster's map cannot be read.
    #[must_use]
    pub fn names_at(&self, homes: &[u16]) -> Vec<String> {
        names_at(&read_map(self.directory()), homes)
    }

    /// The store of a server.
    #[must_use]
    pub fn store(&self, name: &str) -> PathBuf {
        self.directory.path().join(name).join("store")
    }

    /// Stops everything in an orderly way.
    ///
    /// # Panics
    /// When it does not end before the deadline, or not with success.
    pub fn stop(&mut self) {
        signal(self.child.id(), "TERM");
        let status = wait(&mut self.child).expect("the cluster stops before the deadline");
        assert!(status.success(), "the cluster stops with success: {status}");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            signal(self.child.id(), "TERM");
            if let Err(error) = wait(&mut self.child) {
                eprintln!("the cluster did not stop: {error}");
            }
        }
    }
}

/// The map of the cluster whose data directory this is.
///
/// # Panics
/// When it cannot be read.
#[must_use]
pub fn read_map(directory: &Path) -> SlotMap {
    let file = |name: &str| fs::read(directory.join("cluster").join(name));
    let operator = OperatorPublic::decode(&file("operator.pub").expect("a cluster has a key"));
    let operator = operator.expect("it is a key");
    let bytes = Bytes::from(file("map").expect("a cluster has a map"));
    let map = SignedMap::decode(bytes, &operator).expect("the operator has signed it");
    SlotMap::clone(map.map())
}

/// The name of a group with this home.
///
/// # Panics
/// When the map gives that server nothing.
#[must_use]
pub fn group_at(map: &SlotMap, home: u16) -> String {
    let fits = |candidate: &String| {
        let name = Name::parse(candidate).expect("a valid name");
        map.home_of(&LogId::group(name)) == ServerId(home)
    };
    let new = (0..).map(|number| format!("group{number}")).find(fits);
    new.expect("some group has this home")
}

/// Different usernames, one for each of these homes.
///
/// # Panics
/// When the map gives one of them nothing.
#[must_use]
pub fn names_at(map: &SlotMap, homes: &[u16]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for home in homes {
        let fits = |candidate: &String| {
            let name = Name::parse(candidate).expect("a valid name");
            map.home_of(&LogId::mailbox(name)) == ServerId(*home) && !found.contains(candidate)
        };
        let new = (0..).map(|number| format!("user{number}")).find(fits);
        found.push(new.expect("some name has this home"));
    }
    found
}

fn launch(
    directory: &Path,
    servers: u16,
    options: &[String],
    filter: Option<&str>,
) -> (Child, Lines) {
    let mut child = Command::new(program("fastchat-router"))
        .args(["--local", &servers.to_string(), "--data"])
        .arg(directory)
        .args(options)
        .envs(filter.map(|filter| ("FASTCHAT_LOG", filter)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("fastchat-router can be started");
    let mut stdout = Lines::of(child.stdout.take().expect("stdout is piped"));
    let stderr = Lines::of(child.stderr.take().expect("stderr is piped"));
    stdout.wait_for("fastchat");
    (child, stderr)
}

fn pairs(path: &Path, separator: char) -> BTreeMap<String, String> {
    let text = fs::read_to_string(path).expect("a ready cluster has this file");
    let split = text.lines().filter_map(|line| line.split_once(separator));
    split.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
