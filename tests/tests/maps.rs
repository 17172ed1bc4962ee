//! A map that changes while its cluster runs, over real processes.

use std::fs;
use std::path::Path;
use std::process::Command;

use router::local::cluster::Cluster as Files;
use tempfile::TempDir;
use tests::operated::Operated;
use tests::programs::program;

/// `fastchat-router map` on a cluster's files.
fn map(files: &Files, words: &[&str]) {
    let mut command = Command::new(program("fastchat-router"));
    command.args(["map", words[0], "--cluster"]).arg(files.dir()).args(&words[1..]);
    let output = command.output().expect("it can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn await_map(server: &Operated, version: f64, links: f64) {
    server.await_metric("fastchat_server_map_version", |now| now == version);
    server.await_metric("fastchat_server_links", |now| now == links);
}

fn cluster_of_two(folder: &Path) -> (Files, Operated, std::net::SocketAddr, [Operated; 2]) {
    let files = Files::prepare(folder, 2).expect("makes the files");
    let (mut router, reports) = Operated::router(&files);
    let servers = [1, 2].map(|id| Operated::server(&files, id, reports));
    router.lines().wait_for("to=\"ready\"");
    (files, router, reports, servers)
}

/// Only one server is told to read its file: the others, and the router, hear of it from there.
#[test]
fn a_server_joins_a_running_cluster_and_leaves_it() {
    let folder = TempDir::new().expect("a temporary directory can be made");
    let (files, mut router, reports, servers) = cluster_of_two(folder.path());
    map(&files, &["add", "--server", "3"]);
    let mut third = Operated::server(&files, 3, reports);
    third.lines().wait_for("the router at 127.0.0.1:");
    router.lines().wait_for("turned away: this map lists no such server");
    servers[0].signal("HUP");
    for server in servers.iter().chain([&third]) {
        await_map(server, 2.0, 2.0);
    }
    router.await_metric("fastchat_router_map_version", |now| now == 2.0);
    router.await_metric("fastchat_router_placeable", |now| now == 3.0);

    // What it was given meanwhile goes back before it is forgotten.
    map(&files, &["remove", "--server", "3"]);
    servers[0].signal("HUP");
    for server in servers.iter().chain([&third]) {
        await_map(server, 3.0, 2.0);
    }
    let taken = || third.metric("fastchat_server_slots_taken_total");
    third.await_metric("fastchat_server_slots_given_total", |given| given == taken());
    map(&files, &["forget", "--server", "3"]);
    router.signal("HUP");
    for server in &servers {
        await_map(server, 4.0, 1.0);
    }
}

#[test]
fn a_server_goes_on_with_the_newest_map_that_it_has_known() {
    let folder = TempDir::new().expect("a temporary directory can be made");
    let (files, _router, reports, [first, second]) = cluster_of_two(folder.path());
    let path = files.dir().join("map");
    let old = fs::read(&path).expect("a cluster has a map");
    map(&files, &["move", "--slots", "0-99", "--to", "2"]);
    second.signal("HUP");
    await_map(&first, 2.0, 1.0);
    await_map(&second, 2.0, 1.0);
    fs::write(&path, old).expect("it can be written");
    drop(first);
    let mut first = Operated::server(&files, 1, reports);
    await_map(&first, 2.0, 1.0);
    first.signal("HUP");
    first.lines().wait_for("an older map; ignored");
    await_map(&first, 2.0, 1.0);
}
