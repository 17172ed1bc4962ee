//! What does not belong: wrong first words, wrong directions, wrong peers. Each has its fault.

use std::time::Duration;

use bytes::BytesMut;
use storage::DiskModel;
use wire::frame::append;
use wire::limits::REQUESTS_MAX;
use wire::message::{
    Hello, Message, OpenLog, Ping, Probe, Redeem, Resume, Seen, SignInFinish, Welcome,
};
use wire::{
    FaultCode, Kind, LogHandle, LogId, Name, Origin, Reservation, Seq, ServerId, SessionEpoch,
    ToClient, ToPeer, Token,
};

use crate::client::{Client, MINE, post};
use crate::world::World;

/// What a new connection hears after one frame; `None` when it stays silent.
fn answer(world: &mut World, frame: &[u8]) -> Option<FaultCode> {
    let conn = world.connect(1);
    world.send(conn, frame);
    world.pump();
    let frame = world.inboxes[conn].pop_front()??;
    assert_eq!(world.inboxes[conn], [None], "the connection closes after the fault");
    match ToClient::decode(&frame).expect("servers speak well") {
        ToClient::Fault(fault) => Some(fault.code),
        other => panic!("a fault, not {other:?}"),
    }
}

fn frame_of(message: &impl Message) -> BytesMut {
    let mut bytes = BytesMut::new();
    message.append_frame(&mut bytes);
    bytes
}

fn raw(kind: Kind, body: &[u8]) -> BytesMut {
    let mut bytes = BytesMut::new();
    append(&mut bytes, kind, |out| out.extend_from_slice(body));
    bytes
}

#[test]
fn the_first_frame_is_a_hello_of_a_client() {
    let mut world = World::new(1);
    let strange = Hello { magic: *b"HTTP", ..Hello::client() };
    let newer = Hello { version_min: 7, version_max: 9, ..Hello::client() };
    let peer = Hello::server(ServerId(2));
    let (short, unknown) = (raw(Kind::HELLO, b"FC"), raw(Kind(0x7f), b""));
    let cases = [
        (frame_of(&strange), FaultCode::BAD_MAGIC),
        (frame_of(&newer), FaultCode::BAD_VERSION),
        (frame_of(&peer), FaultCode::WRONG_PEER),
        (frame_of(&Ping { nonce: 1 }), FaultCode::BAD_MAGIC),
        (frame_of(&post(0, 1, 0, "x")), FaultCode::BAD_MAGIC),
        (short, FaultCode::MALFORMED),
        (unknown, FaultCode::UNKNOWN_KIND),
        (raw(Kind::WELCOME, b""), FaultCode::WRONG_DIRECTION),
        (raw(Kind::PEER_POST, b""), FaultCode::WRONG_DIRECTION),
        (raw(Kind::REPORT, b""), FaultCode::WRONG_DIRECTION),
    ];
    for (frame, code) in cases {
        assert_eq!(answer(&mut world, &frame), Some(code), "{code}");
    }
}

#[test]
fn before_sign_in_only_what_leads_to_it() {
    let mut world = World::new(1);
    let alice = world.name_at(1, "alice");
    let reservation = Reservation([1; 16]);
    let finish = SignInFinish {
        name: alice,
        origin: Origin([1; 16]),
        takeover: false,
        finish: wire::message::Challenge::default(),
    };
    let open = OpenLog { handle: MINE, log: LogId::mailbox(alice) };
    let frames = [
        frame_of(&Hello::client()),
        frame_of(&post(0, 1, 0, "x")),
        frame_of(&open),
        frame_of(&finish),
        frame_of(&Seen { handle: MINE, upto: Seq(1) }),
    ];
    for frame in frames {
        let client = Client::at(&mut world, 1, alice, 1);
        world.send(client.conn, &frame);
        world.pump();
        assert_eq!(client.fault(&mut world).code, FaultCode::WRONG_STATE);
        assert!(client.is_closed(&world));
    }
    let client = Client::at(&mut world, 1, alice, 1);
    client.say(&mut world, Ping { nonce: 4 });
    assert!(matches!(client.hear(&mut world), Some(ToClient::Pong(pong)) if pong.nonce == 4));
    client.say(&mut world, Redeem { reservation });
    assert!(client.hear(&mut world).is_none());
    client.say(&mut world, Redeem { reservation });
    assert_eq!(client.fault(&mut world).code, FaultCode::WRONG_STATE);
}

#[test]
fn one_question_at_a_time_before_sign_in() {
    let mut world =
        World::with(1, 10, storage::DiskModel { read_steps: 1, ..storage::DiskModel::default() });
    let alice = world.name_at(1, "alice");
    let client = Client::at(&mut world, 1, alice, 1);
    let resume = Resume { name: alice, origin: Origin([1; 16]), token: Token([0; 32]) };
    client.say(&mut world, resume.clone());
    client.say(&mut world, resume);
    assert_eq!(client.fault(&mut world).code, FaultCode::WRONG_STATE);
    assert!(client.is_closed(&world));
    world.step_disks();
}

#[test]
fn who_does_not_sign_in_is_shown_out() {
    let mut world = World::new(1);
    let alice = world.name_at(1, "alice");
    let silent = world.connect(1);
    let greeted = Client::at(&mut world, 1, alice, 1);
    world.advance(Duration::from_secs(10));
    assert_eq!(greeted.fault(&mut world).code, FaultCode::TOO_SLOW_TO_SIGN_IN);
    assert!(greeted.is_closed(&world));
    assert_eq!(world.inboxes[silent].len(), 2, "a fault, then the end");
    let metrics = world.metrics(ServerId(1));
    assert_eq!((metrics.early_timeouts, metrics.clients), (2, 0));
}

#[test]
fn a_fault_names_the_handle_it_is_about() {
    let mut world = World::new(1);
    let alice = world.name_at(1, "alice");
    let client = Client::signed_up(&mut world, 1, alice);
    client.say(&mut world, Hello::client());
    assert_eq!(client.fault(&mut world).code, FaultCode::WRONG_STATE);
    let mut client = Client::at(&mut world, 1, alice, 2);
    client.sign_in(&mut world, true).expect("signs in");
    let bad = Seen { handle: LogHandle(77), upto: Seq(1) };
    client.say(&mut world, bad);
    let fault = client.fault(&mut world);
    assert_eq!((fault.code, fault.reference), (FaultCode::BAD_HANDLE, 77));
    assert_eq!(fault.about, Kind::SEEN.0);
}

#[test]
fn requests_of_a_session_are_bounded() {
    let mut world = World::new(1);
    let alice = world.name_at(1, "alice");
    let client = Client::signed_up(&mut world, 1, alice);
    world.set_disk(1, DiskModel { read_steps: 1, ..DiskModel::default() });
    let handle = |index: usize| LogHandle(u32::try_from(index).expect("small"));
    let names = (0..=REQUESTS_MAX).map(|n| Name::parse(&format!("nobody{n}")).expect("a name"));
    for (index, name) in names.enumerate() {
        assert!(client.hear(&mut world).is_none());
        client.say(&mut world, OpenLog { handle: handle(index), log: LogId::mailbox(name) });
    }
    let fault = client.fault(&mut world);
    assert_eq!((fault.code, fault.reference), (FaultCode::TOO_MANY_REQUESTS, 64));
    world.step_disks();
    let answers = client.heard(&mut world).len();
    assert_eq!(answers, REQUESTS_MAX, "and every other is answered");
    client.say(&mut world, OpenLog { handle: MINE, log: LogId::mailbox(alice) });
    for _ in 0..3 {
        world.step_disks();
    }
    assert!(matches!(client.hear(&mut world), Some(ToClient::LogOpened(_))));
}

#[test]
fn the_peer_port_is_for_peers() {
    let mut world = World::new(2);
    let alice = world.name_at(1, "alice");
    let welcome_like = raw(Kind::WELCOME, b"");
    let cases: [(Option<u16>, BytesMut, FaultCode); 7] = [
        (Some(1), frame_of(&post(0, 1, 0, "x")), FaultCode::WRONG_DIRECTION),
        (Some(1), welcome_like, FaultCode::WRONG_DIRECTION),
        (Some(1), raw(Kind(0x7f), b""), FaultCode::UNKNOWN_KIND),
        (Some(1), frame_of(&Ping { nonce: 1 }), FaultCode::BAD_MAGIC),
        (None, frame_of(&Hello::server(ServerId(1))), FaultCode::WRONG_PEER),
        (Some(1), frame_of(&Hello::client()), FaultCode::WRONG_PEER),
        (Some(3), frame_of(&Hello::server(ServerId(1))), FaultCode::WRONG_PEER),
    ];
    for (certified, frame, code) in cases {
        let conn = world.connect_peer(2, certified);
        world.send(conn, &frame);
        world.pump();
        let frame = world.inboxes[conn].pop_front().flatten().expect("an answer");
        let Ok(ToPeer::Fault(fault)) = ToPeer::decode(&frame) else {
            panic!("a fault, not {frame:?}");
        };
        assert_eq!(fault.code, code);
        assert_eq!(world.inboxes[conn], [None]);
    }
    let upward = world.connect_peer(1, Some(2));
    world.send(upward, &frame_of(&Hello::server(ServerId(2))));
    world.pump();
    assert_eq!(world.inboxes[upward].len(), 2, "the lower id dials, and nobody else");
    assert_eq!(world.metrics(ServerId(1)).links_lost, 0, "the true link is not touched");
    assert_eq!(world.metrics(ServerId(2)).links_lost, 0, "the true link is not touched");
    let probe = Probe { account: alice, epoch: SessionEpoch(1) };
    let unasked = world.connect_peer(2, Some(1));
    world.send(unasked, &frame_of(&probe));
    world.pump();
    assert_eq!(world.inboxes[unasked].len(), 2, "not before hello");
}

#[test]
fn a_peer_that_says_nothing_is_shown_out() {
    let mut world = World::new(2);
    let conn = world.connect_peer(2, Some(1));
    world.advance(Duration::from_secs(10));
    assert_eq!(world.inboxes[conn], [None]);
}

#[test]
fn a_stopping_server_tells_everyone() {
    let mut world = World::new(1);
    let alice = world.name_at(1, "alice");
    let client = Client::signed_up(&mut world, 1, alice);
    world.feed(ServerId(1), server::core::Event::Stop);
    world.pump();
    assert_eq!(client.fault(&mut world).code, FaultCode::STOPPING);
    assert!(client.is_closed(&world));
    world.advance(Duration::from_secs(1));
    assert!(!world.report(1).open);
    let late = world.connect(1);
    world.pump();
    assert_eq!(world.inboxes[late].len(), 2, "a fault, then the end");
}

#[test]
fn a_server_that_is_emptied_lets_its_sessions_go_one_after_the_other() {
    let mut world = World::new(1);
    let names: Vec<_> = (0..6).map(|index| world.name_at(1, &format!("user{index}"))).collect();
    let clients: Vec<Client> =
        names.iter().map(|name| Client::signed_up(&mut world, 1, *name)).collect();
    world.feed(ServerId(1), server::core::Event::Drain { per_second: 20 });
    world.advance(Duration::from_millis(50));
    assert!(!world.report(1).open, "the routers hear of it first");
    assert!(clients.iter().all(|client| !client.is_closed(&world)));
    let placed = world.name_at(1, "placed");
    let placed = Client::signed_up(&mut world, 1, placed);
    world.feed(ServerId(1), server::core::Event::Drain { per_second: 1 });
    world.advance(Duration::from_millis(200));
    let late = world.connect(1);
    world.pump();
    assert_eq!(world.inboxes[late].len(), 2, "a fault, then the end");
    for told in [2, 4, 6] {
        assert!(!world.is_emptied(1));
        assert_eq!(world.metrics(ServerId(1)).moved, told, "20 a second, whatever is said later");
        world.advance(Duration::from_millis(100));
    }
    assert_eq!(placed.fault(&mut world).code, FaultCode::DRAINING, "let in, and then told");
    assert!(world.is_emptied(1), "though nobody has hung up");
    for client in &clients {
        assert_eq!(client.fault(&mut world).code, FaultCode::DRAINING);
        assert!(client.is_closed(&world));
    }
}

/// The kinds of both directions are told apart before a field is read.
#[test]
fn a_welcome_is_not_for_servers() {
    assert!(wire::ToServer::KINDS.iter().all(|kind| *kind != Welcome::KIND));
}
