//! Guards against crowds, and what is not a connection: the waker and foreign sources.

use std::io::{Read, Write};

use super::certs::Ca;
use super::*;
use crate::limits::{EARLY_BYTES_MAX, EARLY_PER_ADDRESS_MAX, EARLY_TIME_MAX};

const PER_ADDRESS: usize = 64;

fn tls_bench() -> (Bench, SocketAddr, Ca) {
    let (mut bench, ca) = (Bench::new(), Ca::new());
    let security = ListenSecurity::Tls(ca.open("a.fastchat"));
    let address = bench.listen(security, Policy::early_client());
    (bench, address, ca)
}

/// Many connections, a turn after each so that the backlog holds them.
fn crowd(bench: &mut Bench, address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut crowd = Vec::new();
    for _ in 0..count {
        crowd.push(TcpStream::connect(address).expect("connects"));
        bench.net.poll(Some(Duration::ZERO), &mut bench.seen).expect("polls");
    }
    crowd
}

fn dial(bench: &mut Bench, address: SocketAddr, ca: &Ca) -> ConnId {
    let security = Security::Connect(ca.dialer(None), "a.fastchat".to_owned());
    bench.net.dial(address, security, Policy::seat())
}

#[test]
fn one_address_holds_a_bounded_number_of_half_open_connections() {
    assert_eq!(usize::try_from(EARLY_PER_ADDRESS_MAX), Ok(PER_ADDRESS));
    let (mut bench, address, _ca) = tls_bench();
    let crowd = crowd(&mut bench, address, PER_ADDRESS + 20);
    bench.settle();
    assert_eq!(bench.net.sockets(), PER_ADDRESS);
    drop(crowd);
    bench.until(|bench| (bench.net.sockets() == 0).then_some(()));
    assert_eq!(bench.seen, [], "nobody was told of any of them");
}

#[test]
fn signed_in_connections_do_not_count() {
    let mut bench = Bench::new();
    let address = bench.listen(ListenSecurity::Plain, Policy::early_client());
    let crowd = crowd(&mut bench, address, PER_ADDRESS);
    bench.until(|bench| (bench.accepts().len() == PER_ADDRESS).then_some(()));
    let refused = TcpStream::connect(address).expect("connects");
    bench.settle();
    assert_eq!((&refused).read(&mut [0; 1]).expect("an orderly end"), 0);
    bench.net.set_policy(bench.accepts()[0], Policy::client());
    let taken = TcpStream::connect(address).expect("connects");
    bench.until(|bench| (bench.accepts().len() == PER_ADDRESS + 1).then_some(()));
    drop((crowd, taken));
}

#[test]
fn a_crowd_pushes_out_its_oldest_half_open_and_others_get_in() {
    let (mut bench, address, ca) = tls_bench();
    bench.net.exempt_loopback(true);
    bench.net.early.total_max = 100;
    let crowd = crowd(&mut bench, address, 250);
    bench.settle();
    assert_eq!(bench.net.sockets(), 100);
    let conn = dial(&mut bench, address, &ca);
    bench.accepted();
    assert!(bench.seen.contains(&NetEvent::Connected { conn }));
    assert_eq!((&crowd[0]).read(&mut [0; 1]).expect("an orderly end"), 0);
    assert_eq!(bench.net.sockets(), 101);
}

#[test]
fn a_full_process_takes_nobody_and_keeps_whom_it_has() {
    let mut bench = Bench::new();
    bench.net.sockets_max = 3;
    let address = bench.listen(ListenSecurity::Plain, Policy::client());
    let held = crowd(&mut bench, address, 3);
    bench.until(|bench| (bench.accepts().len() == 3).then_some(()));
    let refused = crowd(&mut bench, address, 1);
    assert_eq!((&refused[0]).read(&mut [0; 1]).expect("an orderly end"), 0);
    assert_eq!((bench.accepts().len(), bench.net.sockets()), (3, 3));
    drop(held);
    bench.until(|bench| (bench.net.sockets() == 0).then_some(()));
    let taken = crowd(&mut bench, address, 1);
    bench.until(|bench| (bench.accepts().len() == 4).then_some(()));
    drop(taken);
}

#[test]
fn a_silent_handshake_ends_in_time() {
    let (mut bench, address, ca) = tls_bench();
    let silent = crowd(&mut bench, address, 3);
    bench.settle();
    assert_eq!(bench.net.sockets(), 3);
    bench.leap(EARLY_TIME_MAX);
    bench.until(|bench| (bench.net.sockets() == 0).then_some(()));
    assert_eq!(bench.seen, []);
    let conn = dial(&mut bench, address, &ca);
    let far = bench.accepted();
    bench.leap(EARLY_TIME_MAX);
    bench.settle();
    assert_eq!((bench.closes(conn), bench.closes(far)), (vec![], vec![]));
    drop(silent);
}

#[test]
fn a_dial_without_an_answer_ends_in_time() {
    let (mut bench, ca) = (Bench::new(), Ca::new());
    let listener = TcpListener::bind(loopback()).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let conn = dial(&mut bench, address, &ca);
    bench.settle();
    assert_eq!(bench.seen, []);
    bench.leap(Duration::from_secs(10));
    assert_eq!(bench.closed(conn), CloseCause::TimedOut);
    assert_eq!((bench.seen.len(), bench.net.sockets()), (1, 0));
}

#[test]
fn an_endless_handshake_is_cut() {
    let (mut bench, address, _ca) = tls_bench();
    let mut socket = TcpStream::connect(address).expect("connects");
    // Two records of a ClientHello that declares 60,000 bytes.
    let mut records = vec![22, 3, 1, 0x40, 0, 1, 0, 0xea, 0x60];
    records.resize(5 + 0x4000, 0);
    records.extend([22, 3, 3, 0x40, 0]);
    records.resize(2 * (5 + 0x4000), 0);
    assert!(records.len() > EARLY_BYTES_MAX);
    socket.write_all(&records[..EARLY_BYTES_MAX]).expect("the socket's buffer takes it");
    bench.settle();
    assert_eq!(bench.net.sockets(), 1);
    socket.write_all(&records[EARLY_BYTES_MAX..]).expect("the socket's buffer takes it");
    bench.settle();
    assert_eq!(bench.net.sockets(), 0);
    assert_eq!(bench.seen, []);
}

#[test]
fn bytes_that_are_no_tls_are_dropped_without_a_word() {
    let (mut bench, address, _ca) = tls_bench();
    let mut socket = TcpStream::connect(address).expect("connects");
    socket.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("writes");
    bench.settle();
    assert_eq!(bench.net.sockets(), 0);
    let mut told = Vec::new();
    socket.read_to_end(&mut told).expect("an orderly end");
    assert_eq!(told.first(), Some(&21), "one TLS alert");
    assert_eq!(bench.seen, []);
}

#[test]
fn a_listener_rests_while_told_to() {
    let mut bench = Bench::new();
    let (id, address) =
        bench.net.listen(loopback(), ListenSecurity::Plain, Policy::client()).expect("a free port");
    bench.net.set_accepting(id, false);
    let waiting = TcpStream::connect(address).expect("the backlog takes it");
    bench.settle();
    assert_eq!(bench.net.sockets(), 0);
    bench.net.set_accepting(id, true);
    bench.accepted();
    drop(waiting);
}

#[test]
fn the_waker_wakes_from_another_thread() {
    let mut bench = Bench::new();
    let waker = bench.net.waker();
    let other = std::thread::spawn(move || {
        for _ in 0..3 {
            waker.wake().expect("the poll lives");
        }
    });
    other.join().expect("it only wakes");
    bench.net.poll(Some(PATIENCE), &mut bench.seen).expect("polls");
    assert_eq!(bench.seen, [NetEvent::Woken]);
    bench.settle();
    assert_eq!(bench.seen.len(), 1);
}

#[test]
fn a_foreign_source_is_reported_until_it_is_deregistered() {
    let mut bench = Bench::new();
    let (mut near, mut far) = mio::net::UnixStream::pair().expect("a pair");
    let id = bench.net.register(&mut near).expect("takes it");
    far.write_all(b"x").expect("writes");
    bench.until(|bench| bench.seen.contains(&NetEvent::Source { id }).then_some(()));
    assert_eq!(near.read(&mut [0; 8]).expect("reads"), 1);
    far.write_all(b"y").expect("writes");
    bench.net.deregister(&mut near, id).expect("knows it");
    bench.seen.clear();
    bench.settle();
    assert_eq!(bench.seen, []);
}
