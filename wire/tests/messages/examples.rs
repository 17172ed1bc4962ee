//! One readable example of each kind and of each choice within a kind, by family.

use std::fmt::Debug;

use bytes::{Bytes, BytesMut};
use wire::field::List;
use wire::message::*;
use wire::*;

/// A message as bytes and as people read it.
pub(crate) struct Example {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) frame: Bytes,
    pub(crate) debug: String,
}

/// Every family: the name of its file, and its examples.
pub(crate) fn families() -> Vec<(&'static str, Vec<Example>)> {
    vec![
        ("common", common()),
        ("auth", auth()),
        ("log", log()),
        ("group", crate::group::group()),
        ("grant", crate::group::grant()),
        ("blob", crate::group::blob()),
        ("peer", peer()),
        ("slots", crate::slots::slots()),
        ("router", router()),
    ]
}

fn common() -> Vec<Example> {
    let at = Wall(1_700_000_000_000);
    vec![
        show("hello of a client", &Hello::client()),
        show("hello of a server", &Hello::server(ServerId(3))),
        show("ready", &Ready { version: 1, server: ServerId(2), at }),
        show("fault about nothing", &Fault::new(FaultCode::STOPPING)),
        show(
            "fault about a request",
            &Fault::about(FaultCode::NO_SUCH_USER, Kind::FETCH_BUNDLES, 9),
        ),
        show("ping", &Ping { nonce: 0x0102_0304_0506_0708 }),
        show("pong", &Pong { nonce: 0x0102_0304_0506_0708 }),
    ]
}

fn auth() -> Vec<Example> {
    let (name, request, response) = (name("alice"), opaque(b"request"), opaque(b"response"));
    vec![
        show("redeem", &Redeem { reservation: Reservation([0xaa; 16]) }),
        show("sign-up start", &SignUpStart { name, request: request.clone() }),
        show("sign-up challenge", &SignUpChallenge { response: response.clone() }),
        show("sign-up finish", &sign_up_finish()),
        show("sign-in start", &SignInStart { name, request }),
        show("sign-in challenge", &SignInChallenge { response }),
        show("sign-in finish", &sign_in_finish(false)),
        show("sign-in finish with takeover", &sign_in_finish(true)),
        show("resume", &Resume { name, origin: origin(), token: Token([0x55; 32]) }),
        show("welcome", &welcome()),
        show("sign-out", &SignOut {}),
        show("session ended", &SessionEnded { code: FaultCode::ALREADY_LOGGED_IN }),
        show("fetch bundles", &fetch_bundles()),
        show("bundles", &bundles()),
    ]
}

fn log() -> Vec<Example> {
    let (handle, number) = (LogHandle(1), number(7));
    let refused = |refusal| Refused { handle, number, refusal };
    let post = |message_session, again| {
        let (settled, body) = (self::number(5), opaque(b"sealed"));
        Post { handle, number, settled, message_session, again, body }
    };
    let mailbox = LogId::mailbox(name("bob"));
    let group = LogId::group(name("rust"));
    vec![
        show("open a mailbox", &OpenLog { handle, log: mailbox }),
        show("open a group", &OpenLog { handle, log: group }),
        show("log opened", &LogOpened { handle, base: number }),
        show("close log", &CloseLog { handle }),
        show("post", &post(MessageSession(3), false)),
        show("post sent again", &post(MessageSession(3), true)),
        show("post that brings its own key", &post(MessageSession(0), false)),
        show(
            "accepted as stored",
            &Accepted { handle, upto: number, seq: seq(), class: Class::Stored },
        ),
        show(
            "accepted as seen",
            &Accepted { handle, upto: number, seq: seq(), class: Class::Seen },
        ),
        show("refused for good", &refused(Refusal::Rejected(FaultCode::MAILBOX_FULL))),
        show("refused: a number was skipped", &refused(Refusal::Expected(self::number(6)))),
        show("refused: other bytes before", &refused(Refusal::Conflict)),
        show("refused: no room just now", &refused(Refusal::Busy)),
        show("unavailable", &Unavailable { handle }),
        show("up", &Up { handle }),
        show("attach from the beginning", &Attach { handle, cursor: Seq(0) }),
        show("seen", &Seen { handle, upto: seq() }),
        show("shown", &Shown { handle, upto: seq() }),
        show("receipt", &Receipt { handle, upto: seq() }),
        show("deliver", &Deliver { handle, entry: entry() }),
        show("caught up", &CaughtUp { handle, upto: seq(), expired: 0 }),
        show("caught up, having missed some", &CaughtUp { handle, upto: seq(), expired: 12 }),
    ]
}

fn peer() -> Vec<Example> {
    let (account, epoch, log) = (name("alice"), SessionEpoch(1_001), LogId::mailbox(name("bob")));
    let (sender, origin, number, seq) = (account, origin(), number(7), seq());
    let refusal = Refusal::Busy;
    let mut examples = questions();
    examples.extend(answers());
    examples.extend([
        show(
            "peer post",
            &PeerPost {
                log,
                sender,
                origin,
                epoch,
                number,
                settled: self::number(5),
                message_session: MessageSession(3),
                again: true,
                body: opaque(b"sealed"),
            },
        ),
        show(
            "peer accepted",
            &PeerAccepted { log, sender, origin, upto: number, seq, class: Class::Stored },
        ),
        show("peer refused", &PeerRefused { log, sender, origin, number, refusal }),
        show("peer attach", &PeerAttach { log, account, epoch, cursor: seq }),
        show("peer detach", &PeerDetach { log, account, epoch }),
        show("peer seen", &PeerSeen { log, account, epoch, upto: seq }),
        show("peer read", &PeerRead { log, account, epoch, after: seq, entries_max: 64 }),
        show(
            "peer range",
            &PeerRange {
                log,
                account,
                epoch,
                after: seq,
                entries: List::new(vec![entry(), entry()]).expect("two"),
                upto: seq,
                expired: 0,
                caught_up: true,
                failed: false,
            },
        ),
        show("peer deliver", &PeerDeliver { log, entry: entry() }),
        show("probe", &Probe { account, epoch }),
        show("probe answer", &ProbeAnswer { account, epoch, alive: true }),
        show("end session", &EndSession { account, epoch, code: FaultCode::SIGNED_OUT }),
        show("session closed", &SessionClosed { account, epoch, signed_out: false }),
        show("register session", &RegisterSession { account, origin, epoch }),
        show("session registered", &SessionRegistered { account, epoch }),
        show("peer answered", &PeerAnswered { log, account, epoch, person: account }),
        show("peer shown", &PeerShown { log, account, epoch, upto: Seq(9) }),
        show("map version", &MapVersion { version: 3, hash: [0x33; 32] }),
        show("fetch map", &FetchMap {}),
        show("map copy", &MapCopy { map: opaque(b"signed map") }),
        show("peer receipt", &PeerReceipt { log, sender: account, origin, upto: Seq(9) }),
        show("peer store", &PeerStore { opening: opening() }),
        show("dismiss", &Dismiss { log, account, epoch, code: FaultCode::REMOVED, upto: Seq(9) }),
    ]);
    examples.extend(crate::group::peer(account, origin, epoch));
    examples
}

fn questions() -> Vec<Example> {
    let (name, request) = (name("alice"), opaque(b"request"));
    let ask = |question| Ask { exchange: ExchangeId(5), question };
    let open = AskOpenLog {
        handle: LogHandle(1),
        log: LogId::mailbox(self::name("bob")),
        account: name,
        origin: origin(),
        epoch: SessionEpoch(1_001),
    };
    let resume = Resume { name, origin: origin(), token: Token([0x55; 32]) };
    vec![
        show("ask sign-up start", &ask(SignUpStart { name, request: request.clone() }.into())),
        show("ask sign-up finish", &ask(sign_up_finish().into())),
        show("ask sign-in start", &ask(SignInStart { name, request }.into())),
        show("ask sign-in finish", &ask(sign_in_finish(false).into())),
        show("ask resume", &ask(resume.into())),
        show("ask for bundles", &ask(fetch_bundles().into())),
        show("ask to open a log", &ask(open.into())),
    ]
}

fn answers() -> Vec<Example> {
    let response = opaque(b"response");
    let answer = |body| Answer { exchange: ExchangeId(5), body };
    let fault = Fault::about(FaultCode::USERNAME_TAKEN, Kind::SIGN_UP_START, 0);
    let opened = LogOpened { handle: LogHandle(1), base: number(7) };
    vec![
        show("answer sign-up", &answer(SignUpChallenge { response: response.clone() }.into())),
        show("answer sign-in", &answer(SignInChallenge { response }.into())),
        show("answer welcome", &answer(welcome().into())),
        show("answer bundles", &answer(bundles().into())),
        show("answer log opened", &answer(opened.into())),
        show("answer fault", &answer(fault.into())),
    ]
}

fn router() -> Vec<Example> {
    let reservation = Reservation([0xaa; 16]);
    let (v4, v6) = (address("192.0.2.7:4002"), address("[2001:db8::7]:4003"));
    let server = ServerEntry { server: ServerId(2), client: v4, peer: v6 };
    vec![
        show("place", &Place { name: name("alice") }),
        show("placed", &Placed { home: ServerId(1), seat: ServerId(2), address: v4, reservation }),
        show("list servers", &ListServers {}),
        show(
            "servers",
            &Servers {
                servers: List::new(vec![SeatAddress { server: ServerId(2), address: v4 }])
                    .expect("one"),
            },
        ),
        show(
            "report",
            &Report {
                sequence: 60,
                entry: server,
                opening: opening(),
                map_version: 1,
                sessions: 10,
                sessions_max: 50_000,
                frames_per_second: 1_000,
                busy_permille: 125,
                queued_bytes: 4_096,
                open: true,
                redeemed: List::new(vec![reservation]).expect("one"),
            },
        ),
        show("directory", &Directory { servers: List::new(vec![server]).expect("one") }),
    ]
}

fn opening() -> Opening {
    Opening { store: StoreId([0x11; 16]), epoch: 7, process: ProcessId([0x22; 16]) }
}

fn sign_up_finish() -> SignUpFinish {
    SignUpFinish {
        name: name("alice"),
        origin: origin(),
        record: opaque(b"record"),
        bundle: opaque(b"bundle"),
        sealed_keys: opaque(b"sealed keys"),
    }
}

fn sign_in_finish(takeover: bool) -> SignInFinish {
    let (name, finish) = (name("alice"), opaque(b"finish"));
    SignInFinish { name, origin: origin(), takeover, finish }
}

fn welcome() -> Welcome {
    Welcome {
        name: name("alice"),
        epoch: SessionEpoch(1_001),
        token: Token([0x55; 32]),
        bundle: opaque(b"bundle"),
        sealed_keys: opaque(b"sealed keys"),
        at: Wall(1_700_000_000_000),
    }
}

fn fetch_bundles() -> FetchBundles {
    FetchBundles { request: RequestId(9), name: name("bob"), after: 1 }
}

fn bundles() -> Bundles {
    let bundles = List::new(vec![opaque(b"second"), opaque(b"third")]).expect("two");
    Bundles { request: RequestId(9), name: name("bob"), bundles, complete: true }
}

pub(crate) fn entry() -> Entry {
    Entry {
        seq: seq(),
        sender: name("alice"),
        origin: origin(),
        number: number(7),
        at: Wall(1_700_000_000_000),
        body: opaque(b"sealed"),
    }
}

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

pub(crate) fn origin() -> Origin {
    Origin([0x0f; 16])
}

pub(crate) fn number(value: u64) -> Number {
    Number::new(value).expect("in range")
}

pub(crate) fn seq() -> Seq {
    Seq::new(2, 300)
}

pub(crate) fn opaque<const MAX: usize>(bytes: &'static [u8]) -> Opaque<MAX> {
    Opaque::new(Bytes::from_static(bytes)).expect("short")
}

pub(crate) fn address(text: &str) -> std::net::SocketAddr {
    text.parse().expect("an address")
}

pub(crate) fn show<M: Message + Debug>(name: &'static str, message: &M) -> Example {
    let mut out = BytesMut::new();
    message.append_frame(&mut out);
    Example { name, kind: M::KIND, frame: out.freeze(), debug: format!("{message:?}") }
}
