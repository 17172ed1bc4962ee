//! Two servers that flood each other through full links never stop.

use router::local::cluster::Cluster as Files;
use tempfile::TempDir;
use tests::cluster::{names_at, read_map};
use tests::flood::{Seat, run};
use tests::operated::Operated;
use wire::{Name, ServerId};

/// Sessions on each server.
const SESSIONS: usize = 80;
/// Posts of each session: fewer than anybody may write in a burst.
const POSTS: u64 = 40;

#[test]
fn two_servers_that_flood_each_other_never_stop() {
    let folder = TempDir::new().expect("a temporary directory can be made");
    let files = Files::prepare(folder.path(), 2).expect("makes the files");
    let (_router, port) = Operated::router(&files);
    let mut servers = [1, 2].map(|id| Operated::server(&files, id, port));
    for server in &mut servers {
        server.lines().wait_for("link up");
    }
    let map = read_map(folder.path());
    let homes = [vec![1; SESSIONS], vec![2; SESSIONS]].concat();
    let names = names_at(&map, &homes);
    let names: Vec<Name> =
        names.iter().map(|name| name.parse().expect("names are valid")).collect();
    let (ours, theirs) = names.split_at(SESSIONS);
    let [near, far] = [0, 1].map(|index: usize| Seat {
        server: ServerId(if index == 0 { 1 } else { 2 }),
        address: servers[index].clients.expect("it told where clients connect"),
        ca: files.dir().join("ca.pem"),
    });
    run([(&near, ours), (&far, theirs)], POSTS);
    for server in &servers {
        server.await_metric("fastchat_server_links_full_total", |full| full > 0.0);
        for never in ["links_lost", "slow_readers", "posts_dropped"] {
            let count = server.metric(&format!("fastchat_server_{never}_total"));
            assert!(count < 1.0, "{never} {count}");
        }
    }
}
