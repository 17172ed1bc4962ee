//! Settings from files: what a start takes from them, what SIGHUP does, what the service manager
//! hears, and what mistakes are told.

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;

use router::local::cluster::Cluster as Files;
use rustls::ClientConnection;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tempfile::TempDir;
use tests::DEADLINE;
use tests::forger::{Claim, Forger};
use tests::operated::{Operated, server_command};
use tests::programs::{Finished, program, run};
use tests::raw::Raw;
use wire::ServerId;
use wire::message::Hello;
use wire::net::tls;

/// Where a check needs no router to be.
const ROUTER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 7102));

/// What a service manager would hear.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    fn new(folder: &Path) -> Self {
        let path = folder.join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        Self { socket, path }
    }

    /// The next message that is no sign of life.
    fn hear(&self) -> String {
        loop {
            let mut bytes = [0; 512];
            let len = self.socket.recv(&mut bytes).expect("the program speaks in time");
            let text = String::from_utf8_lossy(&bytes[..len]).trim().to_owned();
            if text != "WATCHDOG=1" {
                return text;
            }
        }
    }

    fn hears_a_reload(&self) {
        let text = self.hear();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("RELOADING=1"));
        let clock = lines.next().and_then(|line| line.strip_prefix("MONOTONIC_USEC="));
        assert!(clock.is_some_and(|at| at.parse::<u64>().is_ok()), "{text}");
        assert_eq!(self.hear(), "READY=1");
    }
}

fn start(name: &str, config: &Path, manager: &Manager) -> Operated {
    let mut command = Command::new(program(name));
    command.arg("--config").arg(config).env("NOTIFY_SOCKET", &manager.path);
    Operated::start(command)
}

fn router_file(files: &Files) -> String {
    let cluster = files.dir();
    let cluster = cluster.display();
    format!("cluster = '{cluster}'\nlisten = '127.0.0.1:0'\nserver_listen = '127.0.0.1:0'\n")
}

fn server_file(files: &Files, router: &str) -> String {
    let (cluster, store) = (files.dir(), files.server_data(ServerId(1)).join("store"));
    let (cluster, store) = (cluster.display(), store.display());
    format!(
        "id = 1\ncluster = '{cluster}'\nstore = '{store}'\nlisten = '127.0.0.1:0'\n\
         peer_listen = '127.0.0.1:0'\nrouter = ['{router}']\n"
    )
}

#[test]
fn a_cluster_runs_from_files_and_reads_them_again() {
    let folder = TempDir::new().expect("a temporary directory can be made");
    let files = Files::prepare(folder.path(), 1).expect("makes the files");
    let manager = Manager::new(folder.path());
    let (router, server) = (folder.path().join("router.toml"), folder.path().join("server.toml"));
    fs::write(&router, router_file(&files)).expect("writes");
    let mut running = start("fastchat-router", &router, &manager);
    let line = running.lines().wait_for("servers=");
    let address = line.split("servers=").nth(1).expect("it listens").trim().to_owned();
    assert_eq!(manager.hear(), "READY=1");

    let whole = server_file(&files, &address);
    fs::write(&server, &whole).expect("writes");
    let mut serving = start("fastchat-server", &server, &manager);
    assert_eq!(manager.hear(), "READY=1");
    serving.lines().wait_for("to=\"ready\"");

    fs::write(&server, format!("{whole}sessions_max = 7\nlog = 'debug'\n")).expect("writes");
    serving.signal("HUP");
    serving.lines().wait_for("has changed setting=\"sessions_max\"");
    manager.hears_a_reload();
    let elsewhere = whole.replace("peer_listen = '127.0.0.1:0'", "peer_listen = '127.0.0.1:1'");
    fs::write(&server, elsewhere).expect("writes");
    serving.signal("HUP");
    serving.lines().wait_for("has changed, which counts from the next start on setting=\"peer_li");
    manager.hears_a_reload();
    fs::write(&server, "id = 1\nsession_max = 7\n").expect("writes");
    serving.signal("HUP");
    serving.lines().wait_for("server.toml:2: there is no \\\"session_max\\\"");
    serving.lines().wait_for("the settings stay as they were");
    manager.hears_a_reload();

    fs::write(&router, format!("{}percent = 150\n", router_file(&files))).expect("writes");
    running.signal("HUP");
    running.lines().wait_for("has changed setting=\"percent\"");
    manager.hears_a_reload();
    drop(serving);
    assert_eq!(manager.hear(), "STOPPING=1");
    drop(running);
    assert_eq!(manager.hear(), "STOPPING=1");
}

/// What `--check` says of a server with the certificate in this folder.
fn check(files: &Files, identity: &Path) -> Finished {
    let mut command = server_command(files, 1, &files.server_data(ServerId(1)), &[ROUTER]);
    command.arg("--identity").arg(identity).arg("--check");
    run(&mut command, "").expect("it ends")
}

#[test]
fn a_check_names_every_file_that_is_missing_and_whose_certificate_it_is() {
    let folder = TempDir::new().expect("a temporary directory can be made");
    let files = Files::prepare(folder.path(), 2).expect("makes the files");
    let own = files.server_dir(ServerId(1));
    let right = check(&files, &own);
    assert_eq!((right.code(), right.stderr.as_str()), (0, ""));
    assert_eq!(right.stdout, "server-1: settings and files are right; map version 1\n");

    let another = check(&files, &files.server_dir(ServerId(2)));
    let text = "it is for server-2.server.fastchat, not for server-1.server.fastchat";
    assert!(another.code() == 1 && another.stderr.contains(text), "{another:?}");
    let router = check(&files, &files.router_dir());
    assert!(router.code() == 1 && router.stderr.contains("not for server-1"), "{router:?}");
    let foreign = Forger::stranger("Other CA", folder.path());
    let foreign = foreign.identity("foreign", Claim::server(&["server-1.server.fastchat"]));
    let foreign = check(&files, &foreign);
    let text = "the CA in ca.pem has not signed it";
    assert!(foreign.code() == 1 && foreign.stderr.contains(text), "{foreign:?}");

    let (key, cert) = (own.join("key.pem"), own.join("cert.pem"));
    fs::set_permissions(&key, Permissions::from_mode(0o644)).expect("it is ours");
    let open = check(&files, &own);
    assert!(open.code() == 0 && open.stderr.contains("chmod 600"), "{open:?}");
    for path in [key, cert] {
        fs::remove_file(path).expect("it was there");
    }
    let missing = check(&files, &own);
    assert_eq!((missing.code(), missing.stderr.lines().count()), (1, 2), "{missing:?}");
}

#[test]
fn a_certificate_that_others_would_refuse_is_not_taken_over_by_a_reload() {
    let folder = TempDir::new().expect("a temporary directory can be made");
    let files = Files::prepare(folder.path(), 2).expect("makes the files");
    let (mut router, port) = Operated::router(&files);
    let mut servers = [1, 2].map(|id| Operated::server(&files, id, port));
    let (own, other) = (files.server_dir(ServerId(1)), files.server_dir(ServerId(2)));
    for name in ["cert.pem", "key.pem"] {
        fs::copy(other.join(name), own.join(name)).expect("it is copied");
        fs::copy(other.join(name), files.router_dir().join(name)).expect("it is copied");
    }
    for process in servers.iter_mut().take(1).chain([&mut router]) {
        process.signal("HUP");
        let line = process.lines().wait_for("the certificate stays as it is");
        assert!(line.contains("it is for server-2.server.fastchat"), "{line}");
    }
    let clients = servers[0].clients.expect("it told where clients connect");
    let ca = files.dir().join("ca.pem");
    let mut raw = Raw::connect(&ca, clients, "server-1.server.fastchat", None);
    raw.say(&Hello::client());
    raw.frame().expect("it answers as the first server");
}

#[test]
fn a_store_is_not_served_under_another_opaque_setup() {
    let folders = [(), ()].map(|()| TempDir::new().expect("a temporary directory can be made"));
    let [files, others] =
        [&folders[0], &folders[1]].map(|at| Files::prepare(at.path(), 1).expect("makes the files"));
    let (_router, port) = Operated::router(&files);
    drop(Operated::server(&files, 1, port));
    let setup = files.dir().join("opaque.setup");
    let own = fs::read(&setup).expect("it is there");
    fs::copy(others.dir().join("opaque.setup"), &setup).expect("it is copied");
    let store = files.server_data(ServerId(1)).join("store");
    for is_check in [true, false] {
        let mut command = server_command(&files, 1, &store, &[port]);
        if is_check {
            command.arg("--check");
        }
        let finished = run(&mut command, "").expect("it ends");
        let text = "opaque.setup is not the one under which the users of this store signed up";
        assert!(finished.code() == 1 && finished.stderr.contains(text), "{finished:?}");
    }
    fs::write(&setup, own).expect("it is put back");
    drop(Operated::server(&files, 1, port));
}

/// The certificate that a listener shows to a client who expects the first server.
fn shown(files: &Files, address: SocketAddr) -> CertificateDer<'static> {
    let ca = fs::read(files.dir().join("ca.pem")).expect("it is there");
    let config = tls::client_config(&ca, None).expect("it is a CA");
    let name = ServerName::try_from("server-1.server.fastchat").expect("a DNS name");
    let mut connection = ClientConnection::new(config, name).expect("it is known");
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).expect("the handshake goes on");
    }
    connection.peer_certificates().expect("it has shown them")[0].clone().into_owned()
}

#[test]
fn a_reload_takes_a_new_certificate_over() {
    let folder = TempDir::new().expect("a temporary directory can be made");
    let files = Files::prepare(folder.path(), 1).expect("makes the files");
    let (_router, port) = Operated::router(&files);
    let mut server = Operated::server(&files, 1, port);
    let clients = server.clients.expect("it told where clients connect");
    let before = shown(&files, clients);
    let forger = Forger::of_cluster(&files.dir(), folder.path());
    let new = forger.identity("new", Claim::server(&["server-1.server.fastchat"]));
    for name in ["cert.pem", "key.pem"] {
        let own = files.server_dir(ServerId(1)).join(name);
        fs::copy(new.join(name), own).expect("it is copied");
    }
    assert_eq!(shown(&files, clients), before, "nobody has told it yet");
    server.signal("HUP");
    server.lines().wait_for("certificate read");
    let pem = fs::read(new.join("cert.pem")).expect("it is there");
    let wanted = CertificateDer::from_pem_slice(&pem).expect("it is one");
    assert_eq!(shown(&files, clients), wanted);
}

#[test]
fn every_mistake_of_a_file_is_told_by_its_line() {
    let folder = TempDir::new().expect("a temporary directory can be made");
    let path = folder.path().join("server.toml");
    let text = "id = 0\nlisten = 'here'\npeer-listen = '10.0.0.1:7201'\nsessions_max = 0\n";
    fs::write(&path, text).expect("writes");
    let mut command = Command::new(program("fastchat-server"));
    command.arg("--config").arg(&path).arg("--check").env_remove("FASTCHAT_LOG");
    let finished = run(&mut command, "").expect("it runs");
    assert_eq!(finished.code(), 1, "{}", finished.stderr);
    let said = finished.stderr;
    for (line, key) in [(1, "id"), (2, "listen"), (3, "\"peer-listen\""), (4, "sessions_max")] {
        let place = format!("server.toml:{line}: {key}");
        assert!(said.contains(&place), "{place} in {said}");
    }
    for missing in ["--cluster is missing", "--store is missing", "--router is missing"] {
        assert!(said.contains(missing), "{missing} in {said}");
    }
}
