//! TLS: who is let in, who is who, and that nothing is lost under it.

use std::sync::Arc;

use rustls::ClientConfig;

use super::certs::Ca;
use super::*;
use crate::net::Callers;

const NAME: &str = "server-1.server.fastchat";
const CALLER: &str = "server-2.server.fastchat";

/// A mutual-TLS listener, dialed with this configuration and name.
fn mutual(ca: &Ca, config: Arc<ClientConfig>, name: &str) -> (Bench, ConnId) {
    let mut bench = Bench::new();
    let callers = Callers::new([CALLER, "other.fastchat"].map(str::to_owned));
    let security = ListenSecurity::Tls(ca.mutual(NAME, &callers));
    let (listener, address) =
        bench.net.listen(loopback(), security, Policy::peer()).expect("a free port");
    assert_eq!(bench.net.refused(listener), 0);
    bench.listener = Some(listener);
    let security = Security::Connect(config, name.to_owned());
    let conn = bench.net.dial(address, security, Policy::peer());
    (bench, conn)
}

/// The listener has refused this dial, and read nothing of what was said on it.
fn assert_refused(bench: &mut Bench, conn: ConnId) {
    bench.send(conn, b"read by nobody");
    let why = bench.closed(conn);
    assert!(matches!(why, CloseCause::Tls(_)), "{why:?}");
    bench.until(|bench| (bench.net.sockets() == 0).then_some(()));
    let listener = bench.listener.expect("it listens");
    assert_eq!((bench.accepts(), bench.net.refused(listener)), (vec![], 1));
}

#[test]
fn frames_of_every_size_travel_under_tls() {
    let (mut bench, ca) = (Bench::new(), Ca::new());
    let address = bench.listen(ListenSecurity::Tls(ca.open(NAME)), Policy::peer());
    let security = Security::Connect(ca.dialer(None), NAME.to_owned());
    let near = bench.net.dial(address, security, Policy::peer());
    let far = bench.accepted();
    let sizes = [0, 1, 16_378, 16_379, 16_380, 70_000, 300_000, 500_000];
    let sent: Vec<Bytes> = sizes.iter().map(|len| Bytes::from(vec![9; *len])).collect();
    for (from, to) in [(near, far), (far, near)] {
        for body in &sent {
            bench.send(from, body);
        }
        let came = bench.until(|bench| Some(bench.frames(to)).filter(|f| f.len() == sizes.len()));
        assert_eq!(bodies(&came), sent);
    }
    assert_eq!(bench.net.queued_bytes(), 0);
}

#[test]
fn a_close_under_tls_is_orderly() {
    let (mut bench, ca) = (Bench::new(), Ca::new());
    let address = bench.listen(ListenSecurity::Tls(ca.open(NAME)), Policy::peer());
    let security = Security::Connect(ca.dialer(None), NAME.to_owned());
    let near = bench.net.dial(address, security, Policy::peer());
    bench.send(near, &[5; 300_000]);
    bench.net.poll(Some(PATIENCE), &mut bench.seen).expect("polls");
    let far = bench.accepted();
    for _ in 0..1_000 {
        bench.send(near, b"last, with the end in the same packet");
    }
    bench.net.close(near);
    assert_eq!(bench.closed(far), CloseCause::Peer);
    assert_eq!(bench.frames(far).len(), 1_001);
    assert_eq!(bench.closed(near), CloseCause::Local);
    bench.until(|bench| (bench.net.sockets() == 0).then_some(()));
}

#[test]
fn a_peer_with_a_certificate_is_let_in_and_known_by_its_exact_name() {
    let ca = Ca::new();
    let own = ca.identity(&["server-2.server.fastchat", "other.fastchat"]);
    let (mut bench, near) = mutual(&ca, ca.dialer(Some(&own)), NAME);
    let far = bench.accepted();
    let names = ["server-2.server.fastchat", "other.fastchat"];
    assert!(names.iter().all(|name| bench.net.is_certified_for(far, name)));
    assert!(bench.net.is_certified_for(near, NAME));
    for other in ["server-1.server.fastchat", "server.fastchat", "", "server-2", "*", "a b"] {
        assert!(!bench.net.is_certified_for(far, other), "{other}");
    }
}

#[test]
fn a_certificate_of_the_ca_for_another_name_is_refused() {
    let ca = Ca::new();
    let others: [&[&str]; 7] = [
        &["server-3.server.fastchat"],
        &["*.server.fastchat"],
        &["server-2.client.fastchat"],
        &["router.fastchat", "router-1.router.fastchat"],
        &[CALLER, "server-3.server.fastchat"],
        &["server.fastchat"],
        &[],
    ];
    for names in others {
        let own = ca.identity(names);
        let (mut bench, conn) = mutual(&ca, ca.dialer(Some(&own)), NAME);
        assert_refused(&mut bench, conn);
    }
}

#[test]
fn who_may_call_can_change() {
    let (mut bench, ca, callers) = (Bench::new(), Ca::new(), Callers::default());
    let security = ListenSecurity::Tls(ca.mutual(NAME, &callers));
    let address = bench.listen(security, Policy::peer());
    let dialer = ca.dialer(Some(&ca.identity(&[CALLER])));
    let security = Security::Connect(dialer, NAME.to_owned());
    let early = bench.net.dial(address, security.clone(), Policy::peer());
    assert!(matches!(bench.closed(early), CloseCause::Tls(_)));
    callers.replace([CALLER.to_owned()]);
    bench.net.dial(address, security.clone(), Policy::peer());
    let far = bench.accepted();
    callers.replace([]);
    let late = bench.net.dial(address, security, Policy::peer());
    assert!(matches!(bench.closed(late), CloseCause::Tls(_)));
    assert!(bench.net.is_certified_for(far, CALLER), "who is in stays");
    assert_eq!(bench.closes(far), []);
}

#[test]
fn a_replaced_certificate_counts_from_the_next_connection_on() {
    let (mut bench, ca) = (Bench::new(), Ca::new());
    let (listening, dialing) = (ca.identity(&[NAME]).own(), ca.identity(&[CALLER]).own());
    let callers = Callers::new([CALLER, "later.fastchat"].map(str::to_owned));
    let security = ListenSecurity::Tls(ca.mutual_as(&listening, &callers));
    let address = bench.listen(security, Policy::peer());
    let config = ca.dialer_as(&dialing);
    let security = |name: &str| Security::Connect(Arc::clone(&config), name.to_owned());
    bench.net.dial(address, security(NAME), Policy::peer());
    let first = bench.accepted();
    listening.replace(&ca.identity(&["new.fastchat"]).own());
    dialing.replace(&ca.identity(&["later.fastchat"]).own());
    let under_old_name = bench.net.dial(address, security(NAME), Policy::peer());
    assert!(matches!(bench.closed(under_old_name), CloseCause::Tls(_)));
    bench.net.dial(address, security("new.fastchat"), Policy::peer());
    let second = bench.until(|bench| bench.accepts().get(1).copied());
    assert!(bench.net.is_certified_for(second, "later.fastchat"));
    assert!(bench.net.is_certified_for(first, CALLER), "who is in stays");
}

#[test]
fn who_is_turned_away_is_told_once_for_each_list() {
    let (mut bench, ca, callers) = (Bench::new(), Ca::new(), Callers::default());
    let security = ListenSecurity::Tls(ca.mutual(NAME, &callers));
    let address = bench.listen(security, Policy::peer());
    let mut refused = |dialer: Arc<ClientConfig>| {
        let security = Security::Connect(dialer, NAME.to_owned());
        let conn = bench.net.dial(address, security, Policy::peer());
        assert!(matches!(bench.closed(conn), CloseCause::Tls(_)));
        callers.turned_away()
    };
    let known = ca.dialer(Some(&ca.identity(&[CALLER])));
    assert_eq!(refused(Arc::clone(&known)), [CALLER]);
    assert!(refused(Arc::clone(&known)).is_empty(), "it is told already");
    let stranger = Ca::new();
    let unknown = stranger.identity(&[CALLER]);
    assert!(refused(ca.dialer(Some(&unknown))).is_empty(), "anybody can make such a name up");
    callers.replace([]);
    assert_eq!(refused(known), [CALLER]);
}

#[test]
fn a_wildcard_certificate_names_nobody() {
    let (mut bench, ca) = (Bench::new(), Ca::new());
    let address = bench.listen(ListenSecurity::Tls(ca.open("*.server.fastchat")), Policy::peer());
    let security = Security::Connect(ca.dialer(None), CALLER.to_owned());
    let near = bench.net.dial(address, security, Policy::peer());
    bench.accepted();
    assert!(!bench.net.is_certified_for(near, CALLER));
    assert!(!bench.net.is_certified_for(near, "*.server.fastchat"));
}

#[test]
fn nobody_is_certified_without_a_certificate() {
    let (mut bench, ca) = (Bench::new(), Ca::new());
    let (_socket, plain) = bench.plain_pair(Policy::peer());
    let address = bench.listen(ListenSecurity::Tls(ca.open(NAME)), Policy::peer());
    let security = Security::Connect(ca.dialer(None), NAME.to_owned());
    bench.net.dial(address, security, Policy::peer());
    let far = bench.until(|bench| bench.accepts().get(1).copied());
    assert!(!bench.net.is_certified_for(plain, NAME));
    assert!(!bench.net.is_certified_for(far, NAME));
}

#[test]
fn a_peer_without_a_certificate_is_refused() {
    let ca = Ca::new();
    let (mut bench, conn) = mutual(&ca, ca.dialer(None), NAME);
    assert_refused(&mut bench, conn);
}

#[test]
fn a_peer_of_another_ca_is_refused() {
    let (ca, other) = (Ca::new(), Ca::new());
    let own = other.identity(&["server-2.server.fastchat"]);
    let (mut bench, conn) = mutual(&ca, ca.dialer(Some(&own)), NAME);
    assert_refused(&mut bench, conn);
}

#[test]
fn a_server_of_another_ca_is_refused() {
    let (ca, other) = (Ca::new(), Ca::new());
    let own = ca.identity(&["server-2.server.fastchat"]);
    let (mut bench, conn) = mutual(&ca, other.dialer(Some(&own)), NAME);
    assert_refused(&mut bench, conn);
    assert!(!bench.seen.contains(&NetEvent::Connected { conn }));
}

#[test]
fn a_server_of_another_name_is_refused() {
    let ca = Ca::new();
    let own = ca.identity(&["server-2.server.fastchat"]);
    let (mut bench, conn) = mutual(&ca, ca.dialer(Some(&own)), "server-3.server.fastchat");
    assert_refused(&mut bench, conn);
    assert!(!bench.seen.contains(&NetEvent::Connected { conn }));
}
