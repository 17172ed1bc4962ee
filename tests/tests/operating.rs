//! What operators see of real programs: readiness, metrics, logs.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Command, Stdio};

use router::local::cluster::Cluster as Files;
use serde_json::Value;
use tempfile::TempDir;
use tests::cluster::Cluster;
use tests::lines::Lines;
use tests::metrics::{Sample, parse, values};
use tests::operated::{Operated, get};
use tests::person::Person;
use tests::programs::{program, run, wait};
use tests::raw::Raw;
use tests::source::root;
use wire::ServerId;
use wire::message::Hello;

const READY: (&str, &str) = ("HTTP/1.1 200 OK", "ok\n");

fn unready(why: &str) -> (String, String) {
    ("HTTP/1.1 503 Service Unavailable".to_owned(), format!("{why}\n"))
}

fn ready() -> (String, String) {
    (READY.0.to_owned(), READY.1.to_owned())
}

/// An address where nobody listens any more.
fn nobody() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("it has an address")
}

/// A client of server 1 that is greeted, and nobody yet.
fn guest_at(server: &Operated, files: &Files) -> Raw {
    let name = ServerId(1).certificate_name();
    let clients = server.clients.expect("it told where clients connect");
    let mut guest = Raw::connect(&files.dir().join("ca.pem"), clients, &name, None);
    guest.say(&Hello::client());
    guest.frame().expect("it is greeted");
    guest
}

#[test]
fn readiness_says_what_is_missing() {
    let folder = TempDir::new().expect("a temporary directory can be made");
    let files = Files::prepare(folder.path(), 1).expect("makes the files");
    let mut lonely = Operated::server(&files, 1, nobody());
    lonely.lines().wait_for("to=\"no router reached\"");
    assert_eq!(lonely.get("/readyz"), unready("no router reached"));
    assert_eq!(lonely.get("/livez"), ready());
    drop(lonely);

    let (mut router, servers) = Operated::router(&files);
    router.lines().wait_for("to=\"no server to place on\"");
    assert_eq!(router.get("/readyz"), unready("no server to place on"));
    let mut server = Operated::server(&files, 1, servers);
    server.lines().wait_for("to=\"ready\"");
    router.lines().wait_for("to=\"ready\"");
    assert_eq!((server.get("/readyz"), router.get("/readyz")), (ready(), ready()));
    drop(server);
    router.lines().wait_for("from=\"ready\"");
    assert_eq!(router.get("/readyz"), unready("no server to place on"));
    assert_eq!(router.get("/livez"), ready());
}

#[test]
fn a_server_that_is_emptied_says_so() {
    let folder = TempDir::new().expect("a temporary directory can be made");
    let files = Files::prepare(folder.path(), 1).expect("makes the files");
    let (_router, servers) = Operated::router(&files);
    let mut server = Operated::server(&files, 1, servers);
    server.lines().wait_for("to=\"ready\"");
    let guest = guest_at(&server, &files);
    server.signal("USR2");
    server.lines().wait_for("to=\"draining\"");
    assert_eq!(server.get("/readyz"), unready("draining"));
    assert_eq!(server.get("/livez"), ready());
    drop(guest);
    server.lines().wait_for("stopped");
}

#[test]
fn who_has_a_server_emptied_by_command_hears_how_that_ends() {
    let folder = TempDir::new().expect("a temporary directory can be made");
    let files = Files::prepare(folder.path(), 1).expect("makes the files");
    let (_router, servers) = Operated::router(&files);
    let mut server = Operated::server(&files, 1, servers);
    server.lines().wait_for("to=\"ready\"");
    let guest = guest_at(&server, &files);
    let mut command = Command::new(program("fastchat-server"));
    command.args(["drain", "--store"]).arg(files.server_data(ServerId(1)).join("store"));
    let mut drain = command.stderr(Stdio::piped()).spawn().expect("it can be started");
    let mut said = Lines::of(drain.stderr.take().expect("stderr is piped"));
    said.wait_for("clients still connected: 1");
    server.lines().wait_for("to=\"draining\"");
    drop(guest);
    said.wait_for("empty, and stopped");
    assert_eq!(wait(&mut drain).expect("it ends").code(), Some(0));
    let again = run(&mut command, "").expect("it runs");
    assert_eq!(again.code(), 1);
    assert!(again.stderr.contains("no server runs on the store"), "{}", again.stderr);
}

#[test]
fn metrics_are_whole_documented_and_alive() {
    let folder = TempDir::new().expect("a temporary directory can be made");
    let files = Files::prepare(folder.path(), 1).expect("makes the files");
    let (mut router, servers) = Operated::router(&files);
    let mut server = Operated::server(&files, 1, servers);
    server.lines().wait_for("to=\"ready\"");
    router.lines().wait_for("to=\"ready\"");
    let (of_server, of_router) = (server.get("/metrics").1, router.get("/metrics").1);
    let (server, router) = (values(&of_server), values(&of_router));
    for one in ["fastchat_ready", "fastchat_server_routers", "fastchat_server_links_up_total"] {
        let wanted = if one.contains("links") { 0.0 } else { 1.0 };
        assert_eq!(server[one].to_string(), wanted.to_string(), "{one}");
    }
    assert!(server["fastchat_server_store_free_bytes"] > 0.0);
    assert!(server["fastchat_server_frames_total"] > 0.0);
    assert!(server["fastchat_server_loop_busy_seconds_total"] > 0.0);
    assert_eq!(router["fastchat_router_placeable"].to_string(), "1");
    assert!(router["fastchat_router_reports_total"] > 0.0);
    check_document(&of_server, &of_router);
}

/// `docs/METRICS.md` is what the programs say; `UPDATE=1` rewrites it.
fn check_document(server: &str, router: &str) {
    let head = "# Metrics\n\n\
        What `/metrics` shows, in Prometheus' text format; \
        [OPERATING](OPERATING.md#metrics-and-health) says where, and what to watch.\n\
        A test writes this page from what the programs say \
        (`UPDATE=1 cargo test --release --test operating`) and compares it. \
        Nothing here is\ncounted for each user, group or address.\n";
    let table = |title: &str, page: &str| {
        let samples = parse(page).expect("is well formed");
        let row = |Sample { name, type_name, help, .. }: &Sample| {
            format!("| `{name}` | {type_name} | {help} |\n")
        };
        let rows: String = samples.iter().map(row).collect();
        format!("\n## {title}\n\n| name | type | what |\n| --- | --- | --- |\n{rows}")
    };
    let text = format!("{head}{}{}", table("A server", server), table("A router", router));
    let path = root().join("docs/METRICS.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &text).expect("the document can be written");
    }
    let told = fs::read_to_string(&path).unwrap_or_default();
    assert!(told == text, "docs/METRICS.md is not what is shown: run this test with UPDATE=1");
}

#[test]
fn addresses_that_others_reach_are_refused() {
    for name in ["fastchat-server", "fastchat-router"] {
        let ended = run(Command::new(program(name)).args(["--admin", "0.0.0.0:7290"]), "");
        let ended = ended.expect("it ends");
        assert_eq!(ended.code(), 1, "{}", ended.stderr);
        assert!(ended.stderr.contains("--admin 0.0.0.0:7290: only a loopback address"));
    }
}

/// Everything that people here are called, say and know.
const WORDS: [&str; 6] =
    ["quetzalcoatl", "ozymandias", "nobodyhere", "zugzwanggroup", "pneumatic text", "sesame-word"];

#[test]
fn logs_hold_no_name_text_or_password_at_info() {
    let mut cluster = Cluster::start_logging(
        2,
        &["--log-format", "json", "--admin", "127.0.0.1:0"],
        Some("info"),
    );
    let [first, second, nobody, group, text, password] = WORDS;
    let alice = Person::new(&cluster, first, password);
    let bob = Person::new(&cluster, second, password);
    alice.must(&["signup"]);
    bob.must(&["signup"]);
    alice.must(&["send", second, text]);
    assert_eq!(bob.receive(30, 1), [text]);
    let group = format!("#{group}");
    alice.must(&["group", "create", &group]);
    bob.must(&["group", "join", &group]);
    bob.must(&["send", &group, text]);
    for (name, password) in [(first, "wrong sesame-word"), (nobody, password)] {
        let stranger = Person::new(&cluster, name, password);
        assert_ne!(stranger.run(&["signin"]).code(), 0);
    }
    cluster.kill("server-2");
    cluster.stderr().wait_for("server-2 ended");
    cluster.stop();

    let mut logs = format!("{}\n", cluster.stderr().all().join("\n"));
    for server in ["server-1", "server-2"] {
        let log = fs::read_to_string(cluster.directory().join(server).join("log"));
        logs.push_str(&log.expect("a server has a log"));
    }
    for word in WORDS {
        let line = logs.lines().find(|line| line.contains(word));
        assert_eq!(line, None, "{word} is in the logs");
    }
    let objects: Vec<Value> = logs
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let said = |text: &str| objects.iter().any(|line| line["fields"]["message"] == text);
    for text in ["listening", "link up", "placing begins", "admin listening", "stopping"] {
        assert!(said(text), "{text:?} in {logs}");
    }
    let levels = ["INFO", "WARN"].map(Value::from);
    assert!(objects.iter().all(|line| levels.contains(&line["level"])), "{logs}");
}

#[test]
fn a_local_cluster_shows_its_router() {
    let mut cluster = Cluster::start_logging(1, &["--admin", "127.0.0.1:0"], Some("info"));
    let line = cluster.stderr().wait_for("admin listening");
    let address = line.split("address=").nth(1).expect("it is told").trim();
    let address = address.parse().expect("an address");
    assert_eq!(get(address, "/readyz"), ready());
}
