//! Frames travel whole and in order; queues are bounded and say so; nobody starves.

use std::io::{Read, Write};

use super::*;
use crate::net::Level;

#[test]
fn frames_travel_both_ways_over_one_net() {
    let mut bench = Bench::new();
    let address = bench.listen(ListenSecurity::Plain, Policy::peer());
    let near = bench.net.dial(address, Security::Plain, Policy::peer());
    bench.send(near, b"sent before the connection stands");
    let far = bench.accepted();
    bench.until(|bench| bench.frames(far).first().cloned());
    bench.send(far, b"");
    bench.send(far, &[7; 400_000]);
    let back = bench.until(|bench| Some(bench.frames(near)).filter(|frames| frames.len() == 2));
    assert_eq!(bodies(&back), [Bytes::new(), Bytes::from(vec![7; 400_000])]);
    assert_eq!(bench.seen[0], NetEvent::Connected { conn: near });
    assert_eq!(bench.net.queued_bytes(), 0);
    assert_eq!((bench.net.connections(), bench.net.sockets()), (2, 2));
}

#[test]
fn a_stream_cut_at_any_points_yields_the_same_frames() {
    let sent: Vec<Vec<u8>> = (0..40u8).map(|n| vec![n; usize::from(n) * 7]).collect();
    let stream: Vec<u8> = sent.iter().flat_map(|body| frame_bytes(body)).collect();
    for piece_len in [1, 2, 3, 5, 6, 64, 1000, stream.len()] {
        let mut bench = Bench::new();
        let (mut socket, conn) = bench.plain_pair(Policy::client());
        for piece in stream.chunks(piece_len) {
            socket.write_all(piece).expect("a small piece fits");
            bench.net.poll(Some(Duration::ZERO), &mut bench.seen).expect("polls");
        }
        let frames = bench.until(|bench| Some(bench.frames(conn)).filter(|f| f.len() == 40));
        assert_eq!(bodies(&frames), sent, "pieces of {piece_len} bytes");
    }
}

#[test]
fn pressure_is_told_at_high_and_again_at_low() {
    let mut bench = Bench::new();
    let (mut socket, conn) = bench.plain_dial(Policy::seat());
    let mut sent: usize = 0;
    let levels = |bench: &Bench| -> Vec<Level> {
        let levels = bench.seen.iter().filter_map(|event| match event {
            NetEvent::Pressure { level, .. } => Some(*level),
            _ => None,
        });
        levels.collect()
    };
    while levels(&bench).is_empty() {
        bench.send(conn, &[1; 60_000]);
        sent += 60_005;
        bench.net.flush();
        bench.net.poll(Some(Duration::ZERO), &mut bench.seen).expect("polls");
    }
    assert_eq!(levels(&bench), [Level::High]);
    assert!(bench.net.queued_bytes() > Policy::seat().write_high);
    let mut piece = vec![0; 1 << 20];
    while sent > 0 {
        sent -= socket.read(&mut piece).expect("bytes wait");
        bench.net.poll(Some(Duration::ZERO), &mut bench.seen).expect("polls");
    }
    bench.until(|bench| (levels(bench).len() == 2).then_some(()));
    assert_eq!(levels(&bench), [Level::High, Level::Low]);
    assert_eq!(bench.net.queued_bytes(), 0);
}

#[test]
fn a_peer_that_never_reads_is_closed_as_a_slow_reader() {
    let mut bench = Bench::new();
    let (_socket, conn) = bench.plain_dial(Policy::client());
    let mut largest = 0;
    while bench.closes(conn).is_empty() {
        bench.send(conn, &[1; 60_000]);
        largest = largest.max(bench.net.queued_bytes());
        bench.net.poll(Some(Duration::ZERO), &mut bench.seen).expect("polls");
    }
    assert_eq!(bench.closes(conn), [CloseCause::SlowReader]);
    assert!(largest > 0 && largest <= Policy::client().write_hard);
    assert_eq!((bench.net.queued_bytes(), bench.net.sockets()), (0, 0));
    bench.send(conn, b"to nobody");
    bench.settle();
    assert_eq!(bench.closes(conn).len(), 1);
}

/// Fills a connection's queue above high, and lets the other side send `body` then.
fn filled(policy: Policy, body: &[u8]) -> (Bench, TcpStream, ConnId) {
    let mut bench = Bench::new();
    let (mut socket, conn) = bench.plain_pair(policy);
    bench.fill(conn, policy.write_high);
    socket.write_all(&frame_bytes(body)).expect("the other direction is free");
    bench.settle();
    (bench, socket, conn)
}

#[test]
fn a_client_that_does_not_read_is_not_read() {
    let (mut bench, mut socket, conn) = filled(Policy::client(), b"held back");
    assert_eq!(bench.frames(conn), []);
    socket.set_nonblocking(true).expect("a socket takes the option");
    let mut piece = vec![0; 1 << 20];
    let frame = bench.until(|bench| {
        // Read errors only say that nothing waits just now.
        while (&socket).read(&mut piece.clone()).is_ok_and(|len| len > 0) {}
        bench.frames(conn).first().cloned()
    });
    assert_eq!(frame.body, b"held back".as_slice());
    assert!(socket.read(&mut piece).is_err());
}

#[test]
fn a_peer_that_does_not_read_is_read_all_the_same() {
    let policy = Policy { reads_while_high: true, ..Policy::client() };
    let (bench, _socket, conn) = filled(policy, b"read");
    assert_eq!(bodies(&bench.frames(conn)), [b"read".as_slice()]);
}

#[test]
fn a_paused_connection_is_not_read_until_that_is_lifted() {
    let mut bench = Bench::new();
    let (mut socket, conn) = bench.plain_pair(Policy { paused: true, ..Policy::client() });
    let (mut other, calm) = bench.plain_pair(Policy::client());
    socket.write_all(&frame_bytes(b"later")).expect("the socket's buffer takes it");
    other.write_all(&frame_bytes(b"now")).expect("the socket's buffer takes it");
    bench.until(|bench| (bench.frames(calm).len() == 1).then_some(()));
    assert_eq!(bench.frames(conn), []);
    bench.net.set_policy(conn, Policy::client());
    bench.until(|bench| (bench.frames(conn).len() == 1).then_some(()));
}

#[test]
fn a_paused_connection_whose_other_side_is_gone_ends() {
    let mut bench = Bench::new();
    let (mut socket, conn) = bench.plain_pair(Policy::client());
    bench.send(conn, b"left unread");
    bench.net.flush();
    bench.net.set_policy(conn, Policy { paused: true, ..Policy::client() });
    socket.write_all(&frame_bytes(b"last words")).expect("writes");
    drop(socket);
    while bench.closes(conn).is_empty() {
        bench.send(conn, b"into the void");
        bench.turn();
    }
    assert_eq!(bodies(&bench.frames(conn)), [b"last words".as_slice()]);
}

#[test]
fn a_flooding_connection_does_not_starve_a_quiet_one() {
    let mut bench = Bench::new();
    let (mut flood, flooding) = bench.plain_pair(Policy::client());
    let (mut quiet, calm) = bench.plain_pair(Policy::client());
    let small = frame_bytes(b"");
    let burst: Vec<u8> = small.iter().copied().cycle().take(small.len() * 20_000).collect();
    flood.write_all(&burst).expect("the socket's buffer takes it");
    quiet.write_all(&frame_bytes(b"me too")).expect("the socket's buffer takes it");
    bench.net.poll(Some(PATIENCE), &mut bench.seen).expect("polls");
    bench.net.poll(Some(Duration::ZERO), &mut bench.seen).expect("polls");
    assert_eq!(bench.frames(calm).len(), 1);
    assert!(bench.frames(flooding).len() <= 512, "work per turn is bounded");
    bench.until(|bench| (bench.frames(flooding).len() == 20_000).then_some(()));
}

#[test]
fn leftovers_do_not_wait_for_the_next_report() {
    let mut bench = Bench::new();
    let (mut socket, conn) = bench.plain_pair(Policy::client());
    let burst: Vec<u8> = (0..5_000).flat_map(|_| frame_bytes(b"")).collect();
    socket.write_all(&burst).expect("the socket's buffer takes it");
    bench.net.poll(Some(PATIENCE), &mut bench.seen).expect("polls");
    let start = bench.net.now();
    while bench.frames(conn).len() < 5_000 {
        bench.net.poll(Some(PATIENCE), &mut bench.seen).expect("polls");
    }
    assert!(bench.net.now().since(start) < PATIENCE);
}
