//! Every way a connection ends: each told once, last, and with its cause.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;

use super::*;
use crate::fault::FaultCode;
use crate::frame::FrameError;
use crate::limits::{EARLY_BYTES_MAX, EARLY_FRAME_LEN_MAX};
use crate::message::{Fault, ToClient};

/// Reads to the end; the frames that came.
fn read_out(socket: &mut TcpStream) -> Vec<Frame> {
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).expect("an orderly end");
    let mut bytes = bytes::BytesMut::from(&bytes[..]);
    let mut frames = Vec::new();
    while let Some(frame) = Frame::split(&mut bytes, u32::MAX).expect("whole frames") {
        frames.push(frame);
    }
    assert!(bytes.is_empty());
    frames
}

fn fault_in(frames: &[Frame]) -> FaultCode {
    match ToClient::decode(&frames[0]).expect("a message") {
        ToClient::Fault(Fault { code, .. }) => code,
        other => panic!("{other:?} is no fault"),
    }
}

#[test]
fn frames_before_the_end_come_before_the_end() {
    let mut bench = Bench::new();
    let (mut socket, conn) = bench.plain_pair(Policy::client());
    let burst: Vec<u8> = (0..3_000).flat_map(|_| frame_bytes(b"x")).collect();
    socket.write_all(&burst).expect("the socket's buffer takes it");
    socket.write_all(&[0, 0]).expect("a torn frame");
    drop(socket);
    assert_eq!(bench.closed(conn), CloseCause::Peer);
    assert_eq!(bench.frames(conn).len(), 3_000);
    assert!(matches!(bench.seen.last(), Some(NetEvent::Closed { .. })));
    bench.settle();
    assert_eq!((bench.closes(conn).len(), bench.net.sockets()), (1, 0));
}

#[test]
fn frames_before_a_reset_come_before_it() {
    let mut bench = Bench::new();
    let (mut socket, conn) = bench.plain_pair(Policy::client());
    bench.send(conn, b"never read, so that closing the socket resets the connection");
    bench.net.flush();
    socket.write_all(&frame_bytes(b"last words")).expect("writes");
    let mut first = [0; 1];
    socket.read_exact(&mut first).expect("the frame is there");
    drop(socket);
    assert_eq!(bench.closed(conn), CloseCause::Io(ErrorKind::ConnectionReset));
    assert_eq!(bench.closes(conn).len(), 1);
}

#[test]
fn an_oversize_frame_is_told_and_closes() {
    let mut bench = Bench::new();
    let (mut socket, conn) = bench.plain_pair(Policy::early_client());
    let len = EARLY_FRAME_LEN_MAX + 1;
    socket.write_all(&frame_bytes(b"good")).expect("writes");
    socket.write_all(&len.to_be_bytes()).expect("writes");
    let why = bench.closed(conn);
    assert_eq!(why, CloseCause::Frame(FrameError::TooLong { len, max: EARLY_FRAME_LEN_MAX }));
    assert_eq!(bench.frames(conn).len(), 1);
    assert_eq!(fault_in(&read_out(&mut socket)), FaultCode::BAD_FRAME);
    drop(socket);
    bench.until(|bench| (bench.net.sockets() == 0).then_some(()));
}

#[test]
fn a_frame_of_length_zero_is_told_and_closes() {
    let mut bench = Bench::new();
    let (mut socket, conn) = bench.plain_pair(Policy::client());
    socket.write_all(&[0; 4]).expect("writes");
    assert_eq!(bench.closed(conn), CloseCause::Frame(FrameError::Empty));
    assert_eq!(fault_in(&read_out(&mut socket)), FaultCode::BAD_FRAME);
}

#[test]
fn too_much_before_sign_in_is_told_and_closes() {
    let mut bench = Bench::new();
    let (mut socket, conn) = bench.plain_pair(Policy::early_client());
    let flood: Vec<u8> =
        (0..=EARLY_BYTES_MAX / 1_000).flat_map(|_| frame_bytes(&[0; 995])).collect();
    socket.write_all(&flood).expect("the socket's buffer takes it");
    assert_eq!(bench.closed(conn), CloseCause::TooMuchInput);
    assert_eq!(fault_in(&read_out(&mut socket)), FaultCode::TOO_SLOW_TO_SIGN_IN);
}

#[test]
fn a_new_policy_lifts_the_limits() {
    let mut bench = Bench::new();
    let (mut socket, conn) = bench.plain_pair(Policy::early_client());
    bench.net.set_policy(conn, Policy::client());
    for _ in 0..3 {
        socket.write_all(&frame_bytes(&[0; 60_000])).expect("the socket's buffer takes it");
    }
    bench.until(|bench| (bench.frames(conn).len() == 3).then_some(()));
    assert_eq!(bench.closes(conn), []);
}

#[test]
fn closing_writes_what_is_queued_first() {
    let mut bench = Bench::new();
    let (mut socket, conn) = bench.plain_pair(Policy::client());
    socket.write_all(&frame_bytes(b"unread input must not reset the connection")).expect("writes");
    bench.send(conn, b"first");
    bench.send(conn, b"second");
    bench.net.close(conn);
    bench.send(conn, b"too late");
    bench.net.close(conn);
    assert_eq!(bench.closed(conn), CloseCause::Local);
    assert_eq!(bodies(&read_out(&mut socket)), [b"first".as_slice(), b"second"]);
    assert_eq!(bench.net.sockets(), 1, "the socket drains what still comes");
    drop(socket);
    bench.until(|bench| (bench.net.sockets() == 0).then_some(()));
    assert_eq!((bench.closes(conn).len(), bench.frames(conn).len()), (1, 0));
}

#[test]
fn closing_waits_five_seconds_at_most() {
    let mut bench = Bench::new();
    let (socket, conn) = bench.plain_pair(Policy::peer());
    bench.fill(conn, 1 << 20);
    bench.net.close(conn);
    bench.settle();
    assert_eq!(bench.closes(conn), []);
    bench.leap(Duration::from_secs(6));
    assert_eq!(bench.closed(conn), CloseCause::Local);
    assert_eq!(bench.net.sockets(), 0);
    drop(socket);
}

#[test]
fn a_half_closed_peer_still_gets_our_last_words() {
    let mut bench = Bench::new();
    let (mut socket, conn) = bench.plain_pair(Policy::client());
    bench.send(conn, b"bye");
    bench.net.close(conn);
    socket.shutdown(Shutdown::Write).expect("connected");
    assert_eq!(bench.closed(conn), CloseCause::Local);
    assert_eq!(bodies(&read_out(&mut socket)), [b"bye".as_slice()]);
    bench.until(|bench| (bench.net.sockets() == 0).then_some(()));
}

#[test]
fn a_half_closed_peer_that_reads_late_is_not_waited_for_twice() {
    let mut bench = Bench::new();
    let (mut socket, conn) = bench.plain_pair(Policy::peer());
    bench.fill(conn, 1 << 20);
    bench.net.close(conn);
    socket.shutdown(Shutdown::Write).expect("connected");
    bench.settle();
    assert_eq!(bench.closes(conn), []);
    let mut piece = vec![0; 1 << 20];
    while socket.read(&mut piece).expect("bytes or the end") > 0 {
        bench.net.poll(Some(Duration::ZERO), &mut bench.seen).expect("polls");
    }
    bench.settle();
    assert_eq!((bench.closes(conn), bench.net.sockets()), (vec![CloseCause::Local], 0));
}

#[test]
fn a_dial_to_nobody_is_closed() {
    let mut bench = Bench::new();
    let listener = TcpListener::bind(loopback()).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    drop(listener);
    let conn = bench.net.dial(address, Security::Plain, Policy::peer());
    bench.send(conn, b"to nobody");
    assert_eq!(bench.closed(conn), CloseCause::Io(ErrorKind::ConnectionRefused));
    assert_eq!(
        bench.seen,
        [NetEvent::Closed { conn, why: CloseCause::Io(ErrorKind::ConnectionRefused) }]
    );
}

#[test]
fn a_late_order_never_reaches_the_next_owner_of_a_slot() {
    let mut bench = Bench::new();
    let (socket, old) = bench.plain_pair(Policy::client());
    drop(socket);
    bench.closed(old);
    let (mut socket, new) = bench.plain_pair(Policy::client());
    assert_eq!(old.index, new.index, "the slot was used again");
    assert_ne!(old, new);
    assert!(bench.net.table.get(old).is_none() && bench.net.table.get(new).is_some());
    bench.send(old, b"late");
    bench.net.set_policy(old, Policy { frame_len_max: 1, ..Policy::client() });
    bench.net.close(old);
    bench.send(new, b"for the new one");
    bench.net.close(new);
    bench.closed(new);
    assert_eq!(bodies(&read_out(&mut socket)), [b"for the new one".as_slice()]);
    assert_eq!(bench.closes(old).len(), 1);
}

#[test]
fn a_dial_comes_from_the_address_that_it_is_given() {
    let mut bench = Bench::new();
    let to = bench.listen(ListenSecurity::Plain, Policy::client());
    let from = std::net::IpAddr::from([127, 0, 0, 9]);
    let dialed = bench.net.dial_from(from, to, Security::Plain, Policy::seat());
    bench.accepted();
    let seen = bench.seen.iter().find_map(|event| match event {
        NetEvent::Accepted { address, .. } => Some(address.ip()),
        _ => None,
    });
    assert_eq!(seen, Some(from));
    let is_ours = |event: &NetEvent| *event == NetEvent::Connected { conn: dialed };
    bench.until(|bench| bench.seen.iter().any(is_ours).then_some(()));
    let foreign = std::net::IpAddr::from([192, 0, 2, 1]);
    let failed = bench.net.dial_from(foreign, to, Security::Plain, Policy::seat());
    assert_eq!(bench.closed(failed), CloseCause::Io(ErrorKind::AddrNotAvailable));
}
