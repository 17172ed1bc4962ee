//! Attacks on the ports where servers are let in: each is refused before a frame is read, and the
//! true servers go on.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rcgen::ExtendedKeyUsagePurpose;
use router::local::cluster::Cluster as Files;
use tempfile::TempDir;
use tests::forger::{Claim, Forger, NAME};
use tests::operated::Operated;
use tests::raw::Raw;
use wire::message::{Hello, Role};
use wire::net::CloseCause;
use wire::{FaultCode, ServerId};

const FIRST: &str = "server-1.server.fastchat";
const SECOND: &str = "server-2.server.fastchat";

/// A router and two servers that are linked.
struct Target {
    folder: TempDir,
    files: Files,
    router: Operated,
    servers: [Operated; 2],
    /// Where the router lets servers in.
    port: SocketAddr,
}

impl Target {
    fn start() -> Self {
        let folder = TempDir::new().expect("a temporary directory can be made");
        let files = Files::prepare(folder.path(), 2).expect("makes the files");
        let (router, port) = Operated::router(&files);
        let mut servers = [1, 2].map(|id| Operated::server(&files, id, port));
        for server in &mut servers {
            server.lines().wait_for("link up");
        }
        Self { folder, files, router, servers, port }
    }

    /// A dial to the second server's peer port.
    fn call(&self, identity: Option<&Path>) -> Raw {
        let address = self.servers[1].peers.expect("it told where peers connect");
        Raw::connect(&self.files.dir().join("ca.pem"), address, SECOND, identity)
    }

    /// A dial to the router's port for servers.
    fn call_router(&self, identity: Option<&Path>) -> Raw {
        let ca = self.files.dir().join("ca.pem");
        Raw::connect(&ca, self.port, "router.fastchat", identity)
    }

    /// The link between the servers is the first one, and something came on it since.
    fn the_link_goes_on(&self) {
        for server in &self.servers {
            let before = server.metric("fastchat_server_frames_total");
            server.await_metric("fastchat_server_frames_total", |now| now > before + 1.0);
            for (name, value) in
                [("links", 1.0), ("links_up_total", 1.0), ("links_lost_total", 0.0)]
            {
                server.await_metric(&format!("fastchat_server_{name}"), |now| now == value);
            }
        }
    }
}

/// What the other side's TLS says, if the handshake ends so.
fn alert(mut raw: Raw) -> String {
    raw.say(&Hello::server(ServerId(1)));
    raw.send(&[0; 64]);
    match raw.end() {
        CloseCause::Tls(why) => why.rsplit(' ').next().expect("it says something").to_owned(),
        why => panic!("not refused by TLS: {why:?}"),
    }
}

/// Certificates, and the alert that each is answered by.
fn attacks(files: &Files, folder: &Path) -> Vec<(Option<PathBuf>, &'static str)> {
    let ours = Forger::of_cluster(&files.dir(), folder);
    let (other, alike) = (Forger::stranger("Other CA", folder), Forger::stranger(NAME, folder));
    let true_one = Claim::server(&[FIRST]);
    let client = &[ExtendedKeyUsagePurpose::ClientAuth];
    let server = &[ExtendedKeyUsagePurpose::ServerAuth];
    let named = |folder: &str, claim| Some(ours.identity(folder, claim));
    vec![
        (None, "CertificateRequired"),
        (Some(other.identity("wrong CA", true_one)), "UnknownCA"),
        (Some(alike.identity("wrong CA of this name", true_one)), "DecryptError"),
        (named("expired", Claim { years: (2000, 2001), ..true_one }), "CertificateExpired"),
        (named("early", Claim { years: (2099, 2100), ..true_one }), "CertificateExpired"),
        (named("not in the map", Claim::server(&["server-9.server.fastchat"])), "AccessDenied"),
        (named("all", Claim::server(&["*.server.fastchat"])), "AccessDenied"),
        (named("nobody", Claim::server(&[])), "AccessDenied"),
        (named("two", Claim::server(&[FIRST, "router.fastchat"])), "AccessDenied"),
        (
            named("client", Claim { purposes: client, ..Claim::server(&["alice.fastchat"]) }),
            "AccessDenied",
        ),
        (named("called", Claim { purposes: server, ..true_one }), "UnsupportedCertificate"),
        (Some(files.router_dir()), "UnsupportedCertificate"),
    ]
}

#[test]
fn whoever_is_no_server_of_the_map_is_refused_before_a_frame_is_read() {
    let target = Target::start();
    let opened = "fastchat_server_conns_opened_total";
    target.servers[1].await_metric(opened, |now| now > 1.0);
    let attacks = attacks(&target.files, target.folder.path());
    for (identity, told) in &attacks {
        assert_eq!(alert(target.call(identity.as_deref())), *told, "{identity:?}");
    }
    let own = target.files.server_dir(ServerId(2));
    assert_eq!(alert(target.call(Some(&own))), "AccessDenied", "it is dialed by lower ids alone");

    let refused = f64::from(u32::try_from(attacks.len() + 1).expect("few"));
    target.servers[1].await_metric("fastchat_server_peers_refused_total", |now| now == refused);
    let after = target.servers[1].metric(opened).to_string();
    assert_eq!(after, "2", "the router's and the link: no other stood, so no frame was read");
    target.the_link_goes_on();
}

#[test]
fn the_router_refuses_them_as_well() {
    let target = Target::start();
    let opened = "fastchat_router_conns_opened_total";
    target.router.await_metric(opened, |now| now > 1.0);
    let attacks = attacks(&target.files, target.folder.path());
    for (identity, told) in &attacks {
        assert_eq!(alert(target.call_router(identity.as_deref())), *told, "{identity:?}");
    }
    let refused = f64::from(u32::try_from(attacks.len()).expect("few"));
    target.router.await_metric("fastchat_router_servers_refused_total", |now| now == refused);
    let after = target.router.metric(opened).to_string();
    assert_eq!(after, "2", "the two servers': no other stood, so no frame was read");
    target.router.await_metric("fastchat_router_placeable", |now| now == 2.0);
    target.the_link_goes_on();
}

#[test]
fn a_true_certificate_speaks_for_its_server_and_no_other_role() {
    let target = Target::start();
    let first = target.files.server_dir(ServerId(1));
    let client = Hello { role: Role::Client, ..Hello::server(ServerId(1)) };
    for hello in [client, Hello::server(ServerId(2)), Hello::server(ServerId(9)), Hello::client()] {
        for mut raw in [target.call(Some(&first)), target.call_router(Some(&first))] {
            raw.say(&hello);
            assert_eq!(raw.fault(), Ok(FaultCode::WRONG_PEER), "{hello:?}");
            raw.end();
        }
    }
    target.the_link_goes_on();
}
