//! Two servers that flood each other through full links never stop.

use std::net::SocketAddr;
use std::time::Duration;

use router::local::cluster::Cluster as Files;
use tempfile::TempDir;
use tests::DEADLINE;
use tests::chaos::proxy::{Blow, Place, Proxy};
use tests::cluster::{names_at, read_map};
use tests::flood::{Flood, Seat};
use tests::operated::{Operated, server_command};
use wire::{Name, ServerId};

/// Sessions on each server.
const SESSIONS: usize = 80;
/// Posts of each session: fewer than anybody may write in a burst.
const POSTS: u64 = 8;
/// How much later bytes between the servers come. What is on the way is bounded, so a link carries
/// some 5 MB a second, however fast servers and disks are, and what is written waits before it.
const LATER: Duration = Duration::from_millis(200);

#[test]
fn two_servers_that_flood_each_other_never_stop() {
    let folder = TempDir::new().expect("a temporary directory can be made");
    let files = Files::prepare(folder.path(), 2).expect("makes the files");
    let (_router, port) = Operated::router(&files);
    let places = [1, 2].map(|id| Place::Peers(ServerId(id)));
    let between = Proxy::start(&places).expect("the loopback address has free ports");
    let mut servers = places.map(|place| server_behind(&between, place, &files, port));
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
    let mut flood = Flood::prepare([(&near, ours), (&far, theirs)]);
    for place in places {
        between.strike(place, None, Blow::Delay { by: LATER, lasting: DEADLINE });
    }
    flood.talk(POSTS);
    for server in &servers {
        server.await_metric("fastchat_server_links_full_total", |full| full > 0.0);
        for never in ["links_lost", "slow_readers", "posts_dropped"] {
            let count = server.metric(&format!("fastchat_server_{never}_total"));
            assert!(count < 1.0, "{never} {count}");
        }
    }
}

/// A server that its peer reaches through the proxy.
fn server_behind(between: &Proxy, place: Place, files: &Files, router: SocketAddr) -> Operated {
    let Place::Peers(id) = place else { panic!("a place of peers: {place:?}") };
    let store = files.server_data(id).join("store");
    let mut command = server_command(files, id.0, &store, &[router]);
    command.args(["--peer-advertise", &between.address(place).to_string()]);
    let server = Operated::serving(command);
    between.aim(place, server.peers);
    server
}
