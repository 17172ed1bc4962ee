//! A man in the middle who holds the cluster's CA key: it sees every frame that clients and
//! servers exchange, without TLS, and may alter or cut what passes. For tests that look for
//! plaintext where none may be, and for tests with a lying server or a bad link.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use bytes::BufMut;
use rcgen::KeyPair;
use router::cluster::certificates::{Authority, new_key};
use wire::message::{Message, Placed};
use wire::net::{ListenSecurity, ListenerId, Net, NetEvent, Own, Policy, Security, tls};
use wire::{ConnId, Frame, Kind, frame};

use crate::cluster::Cluster;

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It goes on, as it is now.
    Pass,
    /// The connection ends before it.
    Cut,
}

/// Looks at each frame on its way between a client and a server, and may alter it.
pub type Meddle = Box<dyn FnMut(&mut Frame) -> Verdict + Send>;

/// Stands between clients and one cluster until it is dropped.
#[derive(Debug)]
pub struct Interceptor {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<u8>>>,
    stop: Arc<AtomicBool>,
    waker: Arc<mio::Waker>,
    thread: Option<JoinHandle<()>>,
}

impl Interceptor {
    /// Stands before `cluster` and lets everything pass.
    ///
    /// # Panics
    /// When the cluster's files cannot be read or no port is free.
    #[must_use]
    pub fn before(cluster: &Cluster) -> Self {
        Self::meddling(cluster, Box::new(|_| Verdict::Pass))
    }

    /// Stands before `cluster` and lets `meddle` decide on each frame.
    ///
    /// # Panics
    /// When the cluster's files cannot be read or no port is free.
    #[must_use]
    pub fn meddling(cluster: &Cluster, meddle: Meddle) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let mut relay = Relay::new(cluster, Arc::clone(&seen), meddle);
        let router = cluster.environment()["FASTCHAT_ROUTER"].parse().expect("an address");
        let address = relay.stand_before("router.fastchat", router);
        let waker = relay.net.waker();
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || relay.run(&stopped));
        Self { address, seen, stop, waker, thread: Some(thread) }
    }

    /// The address to give to clients as their router.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every frame's kind and body so far, in both directions.
    #[must_use]
    pub fn seen(&self) -> Vec<u8> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Interceptor {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Err(error) = self.waker.wake() {
            eprintln!("the interceptor cannot be woken: {error}");
        }
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            eprintln!("the interceptor has panicked");
        }
    }
}

struct Relay {
    net: Net,
    authority: Authority,
    trust: Arc<rustls::ClientConfig>,
    fronts: BTreeMap<ListenerId, (String, SocketAddr)>,
    stands: BTreeMap<String, (SocketAddr, SocketAddr)>,
    pairs: BTreeMap<ConnId, ConnId>,
    seen: Arc<Mutex<Vec<u8>>>,
    meddle: Meddle,
}

impl Relay {
    fn new(cluster: &Cluster, seen: Arc<Mutex<Vec<u8>>>, meddle: Meddle) -> Self {
        let folder = cluster.directory().join("cluster");
        let read = |path: &Path| fs::read_to_string(path).expect("the cluster has this file");
        let ca = read(&folder.join("ca.pem"));
        let key = KeyPair::from_pem(&read(&folder.join("ca.key"))).expect("it is a key");
        let authority = Authority::new(key).expect("it is a CA key");
        let trust = tls::client_config(ca.as_bytes(), None).expect("it is a CA");
        let net = Net::new().expect("a loop can be made");
        let (fronts, stands, pairs) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { net, authority, trust, fronts, stands, pairs, seen, meddle }
    }

    /// Listens under the name of another, whose own address is `behind`.
    fn stand_before(&mut self, name: &str, behind: SocketAddr) -> SocketAddr {
        if let Some((address, known)) = self.stands.get(name)
            && *known == behind
        {
            return *address;
        }
        let key = new_key().expect("a key can be made");
        let certificate = self.authority.certify_router(vec![name.to_owned()], &key);
        let certificate = certificate.expect("the CA signs");
        let (chain, key) = (certificate.pem(), key.serialize_pem());
        let own = Own::read(chain.as_bytes(), key.as_bytes()).expect("a pair");
        let config = tls::server_config(&own, None).expect("a pair");
        let policy = Policy::peer();
        let listening = self.net.listen(ANY_PORT, ListenSecurity::Tls(config), policy);
        let (listener, address) = listening.expect("a port is free");
        self.fronts.insert(listener, (name.to_owned(), behind));
        self.stands.insert(name.to_owned(), (address, behind));
        address
    }

    fn run(mut self, stop: &AtomicBool) {
        let mut events = Vec::new();
        while !stop.load(Ordering::Acquire) {
            self.net.poll(None, &mut events).expect("the loop runs");
            for event in events.drain(..) {
                self.on_event(event);
            }
            self.net.flush();
        }
    }

    fn on_event(&mut self, event: NetEvent) {
        match event {
            NetEvent::Accepted { conn, listener, .. } => {
                let (name, behind) = self.fronts[&listener].clone();
                let security = Security::Connect(Arc::clone(&self.trust), name);
                let other = self.net.dial(behind, security, Policy::peer());
                self.pairs.insert(conn, other);
                self.pairs.insert(other, conn);
            }
            NetEvent::Frame { conn, frame } => self.on_frame(conn, frame),
            NetEvent::Closed { conn, .. } => {
                if let Some(other) = self.pairs.remove(&conn) {
                    self.pairs.remove(&other);
                    self.net.close(other);
                }
            }
            _ => {}
        }
    }

    fn on_frame(&mut self, conn: ConnId, mut seen: Frame) {
        if seen.kind == Kind::PLACED {
            let mut placed: Placed = seen.decode().expect("the router's answer decodes");
            let name = placed.seat.certificate_name();
            placed.address = self.stand_before(&name, placed.address);
            let mut bytes = bytes::BytesMut::new();
            placed.encode(&mut bytes);
            seen.body = bytes.freeze();
        }
        if (self.meddle)(&mut seen) == Verdict::Cut {
            return self.net.close(conn);
        }
        let mut record = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        record.push(seen.kind.0);
        record.extend_from_slice(&seen.body);
        drop(record);
        if let Some(&other) = self.pairs.get(&conn) {
            let fill = |out: &mut bytes::BytesMut| out.put_slice(&seen.body);
            self.net.send(other, |out| frame::append(out, seen.kind, fill));
        }
    }
}
