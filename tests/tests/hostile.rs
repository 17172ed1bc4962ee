//! Bad input against real servers: the right fault, bounded memory, others unaffected.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;

use bytes::{BufMut, BytesMut};
use tests::cluster::Cluster;
use tests::person::Person;
use tests::raw::{Raw, seat_of};
use wire::message::{Hello, Message, PeerSeen, Ping, SignOut};
use wire::net::CloseCause;
use wire::{FaultCode, Kind, LogId, Name, Seq, ServerId, SessionEpoch, frame};

struct Target {
    cluster: Cluster,
    ca: PathBuf,
    name: String,
    address: SocketAddr,
}

impl Target {
    fn start() -> Self {
        let cluster = Cluster::start(2, &[]);
        let ca = PathBuf::from(&cluster.environment()["FASTCHAT_CA"]);
        let (name, address) = seat_of(&cluster, "alice");
        Self { cluster, ca, name, address }
    }

    fn client(&self) -> Raw {
        self.guest()()
    }

    fn greeted(&self) -> Raw {
        greeted(self.client())
    }

    /// How to connect, also from another thread.
    fn guest(&self) -> impl Fn() -> Raw + Send + 'static {
        let (ca, address, name) = (self.ca.clone(), self.address, self.name.clone());
        move || Raw::connect(&ca, address, &name, None)
    }

    /// Two people chat: whatever happened before has hurt nobody.
    fn others_are_unaffected(&self) {
        let alice = Person::new(&self.cluster, "alice", "correct horse");
        let bob = Person::new(&self.cluster, "bob", "correct horse");
        alice.must(&["signup"]);
        bob.must(&["signup"]);
        alice.must(&["send", "bob", "still here?"]);
        assert_eq!(bob.receive(30, 1), ["still here?"]);
    }
}

fn greeted(mut raw: Raw) -> Raw {
    raw.say(&Hello::client());
    raw
}

fn raw_frame(kind: u8, body: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    frame::append(&mut out, Kind(kind), |out| out.put_slice(body));
    out
}

#[test]
fn bad_bytes_get_the_right_fault() {
    let target = Target::start();
    let fault = |mut raw: Raw, bytes: &[u8]| {
        raw.send(bytes);
        let code = raw.fault();
        let why = raw.end();
        assert!(matches!(why, CloseCause::Peer | CloseCause::Io(_)), "it closes: {why:?}");
        code
    };
    let magic = Hello { magic: *b"HTTP", ..Hello::client() };
    let mut bytes = BytesMut::new();
    magic.append_frame(&mut bytes);
    assert_eq!(fault(target.client(), &bytes), Ok(FaultCode::BAD_MAGIC));

    let future = Hello { version_min: 900, version_max: 901, ..Hello::client() };
    let mut bytes = BytesMut::new();
    future.append_frame(&mut bytes);
    assert_eq!(fault(target.client(), &bytes), Ok(FaultCode::BAD_VERSION));

    assert_eq!(fault(target.greeted(), &raw_frame(0xee, b"")), Ok(FaultCode::UNKNOWN_KIND));
    let wrong_way = raw_frame(Kind::DELIVER.0, b"");
    assert_eq!(fault(target.greeted(), &wrong_way), Ok(FaultCode::WRONG_DIRECTION));
    let cut = raw_frame(Kind::SIGN_IN_START.0, b"\x05al");
    assert_eq!(fault(target.greeted(), &cut), Ok(FaultCode::MALFORMED));
    assert_eq!(fault(target.greeted(), &[0, 0, 0, 0]), Ok(FaultCode::BAD_FRAME));
    assert_eq!(fault(target.greeted(), &[0x7f, 0, 0, 0, 1]), Ok(FaultCode::BAD_FRAME));
    let mut early = BytesMut::new();
    SignOut {}.append_frame(&mut early);
    assert_eq!(fault(target.greeted(), &early), Ok(FaultCode::WRONG_STATE));
    target.others_are_unaffected();
}

#[test]
fn a_truncated_frame_and_a_silent_guest_are_ended_in_time() {
    let target = Target::start();
    let (silent, truncated) = (target.guest(), target.guest());
    let guests = [
        thread::spawn(move || silent().fault()),
        thread::spawn(move || {
            let mut raw = greeted(truncated());
            raw.send(&[0, 0, 0, 9, Kind::POST.0, 1]);
            raw.fault()
        }),
    ];
    let ended = guests.map(|guest| guest.join().expect("it is ended before the deadline"));
    for code in ended {
        assert_eq!(code, Ok(FaultCode::TOO_SLOW_TO_SIGN_IN));
    }
    target.others_are_unaffected();
}

#[test]
fn a_talkative_guest_is_ended_before_sign_in() {
    let target = Target::start();
    let mut raw = target.greeted();
    for nonce in 0..4096 {
        raw.say(&Ping { nonce });
    }
    assert_eq!(raw.fault(), Ok(FaultCode::TOO_SLOW_TO_SIGN_IN));
    target.others_are_unaffected();
}

#[test]
fn the_peer_port_is_for_certified_peers_alone() {
    let target = Target::start();
    let folder = target.cluster.directory().join("cluster");
    let peer = |identity: Option<&Path>| {
        let address = peer_address(&target.cluster, "server-2");
        Raw::connect(&target.ca, address, &ServerId(2).certificate_name(), identity)
    };
    let mut stranger = peer(None);
    stranger.say(&Hello::server(ServerId(1)));
    let why = stranger.end();
    assert!(matches!(why, CloseCause::Tls(_) | CloseCause::Peer | CloseCause::Io(_)), "{why:?}");

    let first = folder.join("server-1");
    let mut liar = peer(Some(&first));
    liar.say(&Hello::server(ServerId(2)));
    assert_eq!(liar.fault(), Ok(FaultCode::WRONG_PEER));

    let mut client = peer(Some(&first));
    client.say(&Hello::client());
    assert!(client.fault().is_ok(), "a client is told that this is not its port");

    let mut opcode = peer(Some(&first));
    opcode.say(&Hello::server(ServerId(1)));
    opcode.say(&SignOut {});
    assert_eq!(opcode.fault(), Ok(FaultCode::WRONG_DIRECTION));

    let mut backwards = target.greeted();
    backwards.say(&PeerSeen {
        log: LogId::mailbox(Name::parse("alice").expect("a name")),
        account: Name::parse("alice").expect("a name"),
        epoch: SessionEpoch(1),
        upto: Seq(1),
    });
    assert_eq!(backwards.fault(), Ok(FaultCode::WRONG_DIRECTION));
    target.others_are_unaffected();
}

#[test]
fn ten_thousand_half_open_connections_leave_others_alone() {
    let target = Target::start();
    let before = resident_kib(target.cluster.pid("server-1"));
    let open: Vec<TcpStream> =
        (0..10_000).map_while(|_| TcpStream::connect(target.address).ok()).collect();
    assert_eq!(open.len(), 10_000, "this test needs 10,000 free file descriptors");
    target.others_are_unaffected();
    let grown = resident_kib(target.cluster.pid("server-1")).saturating_sub(before);
    assert!(grown < 128 * 1024, "memory is bounded: {grown} KiB more");
    drop(open);
}

fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("Linux tells it");
    let kib = line.split_whitespace().nth(1).expect("a number follows");
    kib.parse().expect("it is a number")
}

/// Where a server listens for peers, as it said in its log.
fn peer_address(cluster: &Cluster, name: &str) -> SocketAddr {
    let log = fs::read_to_string(cluster.directory().join(name).join("log"));
    let log = log.expect("a server has a log");
    let words = log.split_whitespace().rev();
    let address = words.filter_map(|word| word.strip_prefix("peer_address=")).next();
    address.expect("the log names the address").parse().expect("it is an address")
}
