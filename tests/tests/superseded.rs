//! A process on a copy of a store, with the true certificate: the others turn it away, it ends, and
//! the copy is not served again before an operator has decided.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use router::local::cluster::Cluster as Files;
use tempfile::TempDir;
use tests::copy::copy;
use tests::operated::{Operated, server_command};
use tests::programs::{program, run};
use wire::ServerId;

/// Two servers that are linked. Two routers: one hears both, the other one only the second server,
/// so that it takes a copy of the first one for the first one.
struct Stage {
    folder: TempDir,
    files: Files,
    _routers: [Operated; 2],
    ports: [SocketAddr; 2],
    second: Operated,
}

impl Stage {
    fn new() -> Self {
        let folder = TempDir::new().expect("a temporary directory can be made");
        let files = Files::prepare(folder.path(), 2).expect("makes the files");
        let ((near, near_port), (far, far_port)) =
            (Operated::router(&files), Operated::router(&files));
        let ports = [near_port, far_port];
        let store = files.server_data(ServerId(2)).join("store");
        let second = Operated::server_on(&files, 2, &store, &ports);
        Self { folder, files, _routers: [near, far], ports, second }
    }

    /// The first server, once the second one has its link.
    fn first(&mut self) -> Operated {
        let first = Operated::server(&self.files, 1, self.ports[0]);
        self.second.lines().wait_for("link up");
        first
    }

    /// A copy of what the first server has on its disk while it does not run: where its store is.
    fn copy(&self, name: &str) -> PathBuf {
        let to = self.folder.path().join(name);
        copy(&self.files.server_data(ServerId(1)), &to, &|_| true, true).expect("it can be copied");
        to.join("store")
    }

    fn command(&self, store: &Path) -> Command {
        server_command(&self.files, 1, store, &self.ports[1..])
    }

    /// A process on a copy runs until it is told that it is superseded; what it says then.
    fn turned_away(&mut self, store: &Path) -> String {
        let ended = run(&mut self.command(store), "").expect("it ends");
        assert_eq!(ended.code(), 1, "{}", ended.stderr);
        let told = "knows a later process of this server, or another store";
        let line = ended.stderr.lines().find(|line| line.contains(told)).unwrap_or_default();
        assert!(!line.is_empty(), "{}", ended.stderr);
        self.second.await_metric("fastchat_server_links", |links| links > 0.0);
        let again = run(&mut self.command(store), "").expect("it ends");
        let mark = store.with_file_name("store.superseded").display().to_string();
        assert_eq!(again.code(), 1, "{}", again.stderr);
        assert!(again.stderr.contains(&mark), "{}", again.stderr);
        line.to_owned()
    }
}

#[test]
fn a_copy_of_a_store_is_turned_away_until_an_operator_decides_for_it() {
    let mut stage = Stage::new();
    let mut first = stage.first();
    first.signal("TERM");
    assert!(first.ended().success());
    let copies = ["as often", "less often"].map(|name| stage.copy(name));

    let mut first = stage.first();
    let line = stage.turned_away(&copies[0]);
    assert!(line.contains("server-2 knows"), "that router knows no other: {line}");
    stage.second.lines().wait_for("turned away: it works on an old copy");
    first.await_metric("fastchat_server_links_lost_total", |lost| lost < 1.0);
    first.signal("TERM");
    assert!(first.ended().success());
    let mut first = stage.first();
    stage.turned_away(&copies[1]);
    first.await_metric("fastchat_server_links_lost_total", |lost| lost < 1.0);

    let mut decided = Command::new(program("fastchat-server"));
    let decided = run(decided.arg("--restored").arg(&copies[1]), "").expect("it ends");
    assert_eq!(decided.code(), 0, "{}", decided.stderr);
    let _true_now = Operated::server_on(&stage.files, 1, &copies[1], &stage.ports[1..]);
    assert_eq!(first.ended().code(), Some(1), "the one before is a copy now");
    let mark = stage.files.server_data(ServerId(1)).join("store.superseded");
    let said = fs::read_to_string(mark).expect("its store is marked");
    assert!(said.starts_with("said by server-2"), "{said}");
}
