//! The local cluster: its files, and its processes with a stand-in for the server program.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use router::identity::Identity;
use router::local::cluster::{Cluster, ClusterError};
use tempfile::TempDir;
use wire::limits::SLOTS;
use wire::{MapFile, ServerId, Slot, SlotMap};

const DEADLINE: Duration = Duration::from_secs(20);
const SECRETS: [&str; 6] = [
    "ca.key",
    "operator.key",
    "opaque.setup",
    "router-1/key.pem",
    "server-1/key.pem",
    "server-2/key.pem",
];

/// Every file below `dir`, with its bytes.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).expect("lists") {
        let path = entry.expect("lists").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let bytes = fs::read(&path).expect("reads");
            found.insert(path, bytes);
        }
    }
    found
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("is there").permissions().mode() & 0o777
}

#[test]
fn a_cluster_is_made_once_and_found_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let cluster = Cluster::prepare(dir.path(), 2).expect("makes it");
    let made = files(dir.path());
    assert_eq!(made.len(), 12, "{:?}", made.keys());
    for secret in SECRETS {
        assert_eq!(mode(&cluster.dir().join(secret)), 0o600, "{secret}");
    }
    assert_eq!(mode(&cluster.dir()), 0o700);
    Cluster::prepare(dir.path(), 2).expect("finds it");
    assert_eq!(files(dir.path()), made);
}

#[test]
fn whatever_file_is_missing_after_a_crash_is_made_to_fit_the_others() {
    let dir = tempfile::tempdir().expect("a directory");
    let cluster = Cluster::prepare(dir.path(), 2).expect("makes it");
    let made = files(dir.path());
    let derived = ["map", "operator.pub", "ca.pem", "router-1/cert.pem", "server-2/cert.pem"];
    for path in derived.map(|path| cluster.dir().join(path)) {
        fs::remove_file(&path).expect("is there");
        fs::write(path.with_extension("new"), b"half").expect("writes");
        Cluster::prepare(dir.path(), 2).expect("makes it again");
        Identity::read(&cluster.dir(), &cluster.router_dir()).expect("fits");
    }
    // Keys are never made again, so that whoever trusts them goes on doing so.
    for secret in SECRETS.map(|secret| cluster.dir().join(secret)) {
        assert_eq!(fs::read(&secret).expect("is there"), made[&secret]);
    }
}

#[test]
fn another_number_of_servers_is_refused_with_the_way_out() {
    let dir = tempfile::tempdir().expect("a directory");
    Cluster::prepare(dir.path(), 3).expect("makes it");
    let error = Cluster::prepare(dir.path(), 2).expect_err("another size");
    assert!(matches!(error, ClusterError::Size { wanted: 2, found: 3, .. }));
    assert!(error.to_string().contains("--local 3") && error.to_string().contains("--data"));
}

#[test]
fn the_map_of_a_cluster_without_an_operators_key_is_kept_and_signed() {
    let dir = tempfile::tempdir().expect("a directory");
    let cluster = Cluster::prepare(dir.path(), 2).expect("makes it");
    let homes = (0..SLOTS).map(|slot| ServerId(if slot < 100 { 2 } else { 1 })).collect();
    let map = SlotMap::new(1, homes);
    let mut old = b"FCmap\0\0\x01\0\0\0\x01".to_vec();
    for slot in (0..SLOTS).map(|slot| Slot::new(slot).expect("below SLOTS")) {
        old.extend_from_slice(&map.home(slot).0.to_be_bytes());
    }
    fs::write(cluster.dir().join("map"), &old).expect("writes");
    for name in ["operator.key", "operator.pub"] {
        fs::remove_file(cluster.dir().join(name)).expect("is there");
    }
    let read = || Identity::read(&cluster.dir(), &cluster.router_dir()).expect("fits").map;
    assert_eq!(read(), MapFile::Unsigned(Arc::new(map.clone())), "as it was");
    Cluster::prepare(dir.path(), 2).expect("opens it");
    assert!(matches!(read(), MapFile::Signed(signed) if **signed.map() == map));
}

#[test]
fn a_map_that_the_operator_has_not_signed_is_named_and_not_replaced() {
    let dir = tempfile::tempdir().expect("a directory");
    let cluster = Cluster::prepare(dir.path(), 1).expect("makes it");
    let path = cluster.dir().join("map");
    let mut bytes = fs::read(&path).expect("reads");
    *bytes.last_mut().expect("has bytes") ^= 1;
    fs::write(&path, &bytes).expect("writes");
    let error = Cluster::prepare(dir.path(), 1).expect_err("damaged").to_string();
    assert!(error.contains("cluster/map") && error.contains("operator"), "{error}");
    assert!(Identity::read(&cluster.dir(), &cluster.router_dir()).is_err());
    assert_eq!(fs::read(&path).expect("reads"), bytes);
}

#[test]
fn a_damaged_key_is_named_and_not_replaced() {
    let dir = tempfile::tempdir().expect("a directory");
    let cluster = Cluster::prepare(dir.path(), 1).expect("makes it");
    let path = cluster.dir().join("ca.key");
    fs::write(&path, b"\xff").expect("writes");
    let error = Cluster::prepare(dir.path(), 1).expect_err("no key").to_string();
    assert!(error.contains("ca.key"), "{error}");
    assert_eq!(fs::read(&path).expect("reads"), b"\xff");
}

/// `fastchat-router --local` with a program that only lives until its standard input closes.
struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
    data: PathBuf,
}

impl Running {
    fn start(dir: &TempDir, servers: u16) -> Self {
        Self::start_with(dir, servers, &[])
    }

    fn start_with(dir: &TempDir, servers: u16, flags: &[&str]) -> Self {
        let program = dir.path().join("server");
        let script = "#!/bin/sh\necho \"$@\"\ncat\necho stopped\n";
        if !program.exists() {
            fs::write(&program, script).expect("writes");
        }
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).expect("is ours");
        let data = dir.path().join("data");
        let mut child = Command::new(env!("CARGO_BIN_EXE_fastchat-router"))
            .args(["--local", &servers.to_string(), "--sessions-max", "7", "--data"])
            .arg(&data)
            .args(flags)
            .env("FASTCHAT_SERVER_PROGRAM", &program)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let lines = lines(child.stderr.take().expect("is piped"));
        Self { child, lines, data }
    }

    fn wait_for(&self, text: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(DEADLINE);
            let line = line.unwrap_or_else(|_| panic!("no line with {text:?}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    fn pid(&self, name: &str) -> String {
        let pids = fs::read_to_string(self.data.join("pids")).expect("is there");
        let pid = pids.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        pid.unwrap_or_else(|| panic!("{name} in {pids}")).to_owned()
    }

    fn log(&self, server: u16) -> String {
        let path = self.data.join(format!("server-{server}/log"));
        fs::read_to_string(path).expect("is there")
    }

    fn end(&mut self, signal: &str) -> std::process::ExitStatus {
        kill(signal, &self.child.id().to_string());
        self.child.wait().expect("ends")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.end("KILL");
        }
    }
}

fn lines(stderr: ChildStderr) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn kill(signal: &str, pid: &str) {
    let status = Command::new("kill").args(["-s", signal, pid]).status().expect("is there");
    assert!(status.success(), "kill {pid}");
}

#[test]
fn servers_are_watched_and_stop_with_the_router() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut running = Running::start(&dir, 2);
    running.wait_for("servers started: 2");
    let status = {
        let second = Running::start(&dir, 2);
        let line = second.wait_for("another fastchat-router");
        assert!(line.contains("--data"), "{line}");
        let mut second = second;
        second.child.wait().expect("ends")
    };
    assert_eq!(status.code(), Some(1));
    let pid = running.pid("server-1");
    kill("KILL", &pid);
    let line = running.wait_for("server-1 ended");
    assert!(line.contains("again in 100 ms") && line.contains("server-1/log"), "{line}");
    kill("KILL", &running.pid("server-2"));
    running.wait_for("server-2 ended");
    assert!(running.end("TERM").success());
    assert!(!running.data.join("pids").exists() && !running.data.join("client.env").exists());
    let log = running.log(1);
    assert!(log.contains("--id 1 ") && log.contains("--sessions-max 7 "), "{log}");
}

#[test]
fn flags_for_benches_reach_the_servers_and_are_warned_of() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut running = Running::start_with(&dir, 1, &["--plaintext", "--store-all"]);
    running.wait_for("clients are served without TLS");
    running.wait_for("servers started: 1");
    assert!(running.end("TERM").success());
    let log = running.log(1);
    assert!(log.contains("--plaintext") && log.contains("--store-all"), "{log}");
    let dir = tempfile::tempdir().expect("a directory");
    let mut running = Running::start(&dir, 1);
    running.wait_for("servers started: 1");
    assert!(running.end("TERM").success());
    let log = running.log(1);
    assert!(!log.contains("--plaintext") && !log.contains("--store-all"), "{log}");
}

#[test]
fn ports_stay_over_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut running = Running::start(&dir, 1);
    running.wait_for("servers started: 1");
    let ports = running.data.join("cluster/ports");
    let first = fs::read_to_string(&ports).expect("is there");
    assert!(running.end("INT").success());
    assert!(running.log(1).ends_with("stopped\n"), "it stopped by itself: {}", running.log(1));
    let running = Running::start(&dir, 1);
    running.wait_for("servers started: 1");
    assert_eq!(fs::read_to_string(&ports).expect("is there"), first);
}

#[test]
fn a_missing_server_program_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let output = Command::new(env!("CARGO_BIN_EXE_fastchat-router"))
        .args(["--local", "1", "--data"])
        .arg(dir.path())
        .env("FASTCHAT_SERVER_PROGRAM", "/nowhere/fastchat-server")
        .output()
        .expect("starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains("cannot start /nowhere/fastchat-server"), "{error}");
}
