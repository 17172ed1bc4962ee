//! The proxy against sockets: it forwards, cuts, delays and blackholes.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use wire::net::Clock;
use wire::{Instant, ServerId};

use super::{Blow, Place, Proxy, Ways};
use crate::DEADLINE;

const PLACE: Place = Place::Clients(ServerId(1));
const SHORT: Duration = Duration::from_millis(150);
const LONG: Duration = Duration::from_secs(600);

/// A proxy and what is behind it.
fn before() -> (Proxy, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let proxy = Proxy::start(&[PLACE]).expect("a port is free");
    proxy.aim(PLACE, Some(listener.local_addr().expect("it is bound")));
    (proxy, listener)
}

/// A connection through a proxy: who dialed, and who was dialed.
fn pair() -> (Proxy, TcpStream, TcpStream) {
    let (proxy, listener) = before();
    let (near, far) = connect(&proxy, &listener);
    (proxy, near, far)
}

fn connect(proxy: &Proxy, listener: &TcpListener) -> (TcpStream, TcpStream) {
    let mut near = TcpStream::connect(proxy.address(PLACE)).expect("the proxy listens");
    let (mut far, _) = listener.accept().expect("the proxy dials");
    for stream in [&near, &far] {
        stream.set_read_timeout(Some(DEADLINE)).expect("a deadline can be set");
    }
    say(&mut near, b"there", &mut far);
    say(&mut far, b"back", &mut near);
    (near, far)
}

fn say(from: &mut TcpStream, what: &[u8], to: &mut TcpStream) {
    from.write_all(what).expect("it is taken");
    let mut heard = vec![0; what.len()];
    to.read_exact(&mut heard).expect("it comes");
    assert_eq!(heard, what);
}

/// Nothing comes for a while.
fn assert_silent(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(SHORT)).expect("a deadline can be set");
    let error = stream.read(&mut [0; 16]).expect_err("nothing comes");
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    stream.set_read_timeout(Some(DEADLINE)).expect("a deadline can be set");
}

fn is_over(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 16]) {
        Ok(len) => len == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn much_passes_unchanged_and_an_end_is_passed_on() {
    let (_proxy, mut near, mut far) = pair();
    let sent: Vec<u8> =
        (0..3_000_000_u32).map(|at| at.to_le_bytes()[usize::from(at % 2 == 0)]).collect();
    let copy = sent.clone();
    let writer = std::thread::spawn(move || {
        near.write_all(&copy).expect("it is taken");
        near
    });
    let mut heard = vec![0; sent.len()];
    far.read_exact(&mut heard).expect("it comes");
    assert!(heard == sent, "nothing is lost or moved");
    drop(writer.join().expect("it writes"));
    assert!(is_over(&mut far));
}

#[test]
fn what_is_cut_ends_on_both_sides() {
    let (proxy, mut near, mut far) = pair();
    proxy.strike(PLACE, Some(7), Blow::Cut);
    assert!(is_over(&mut near) && is_over(&mut far));
    assert_eq!(proxy.struck().cuts, 1);
}

#[test]
fn what_is_delayed_comes_later() {
    let (proxy, mut near, mut far) = pair();
    let clock = Clock::new();
    proxy.strike(PLACE, None, Blow::Delay { by: SHORT, lasting: LONG });
    assert_eq!(proxy.struck().delays, 1);
    say(&mut near, b"later", &mut far);
    assert!(clock.now().since(Instant(0)) >= SHORT);
}

#[test]
fn a_blackhole_takes_bytes_one_way_and_gives_them_at_its_end() {
    let (proxy, mut near, mut far) = pair();
    let lasting = 3 * SHORT;
    let blow = Blow::Blackhole { ways: Ways::There, lasting, is_swallowed: false };
    proxy.strike(PLACE, Some(0), blow);
    assert_eq!(proxy.struck().blackholes, 1);
    near.write_all(b"held").expect("it is taken");
    assert_silent(&mut far);
    say(&mut far, b"the other way", &mut near);
    let mut heard = [0; 4];
    far.read_exact(&mut heard).expect("it comes");
    assert_eq!(&heard, b"held");
}

#[test]
fn a_blackhole_may_swallow_and_healing_ends_it() {
    let (proxy, listener) = before();
    let (mut near, mut far) = connect(&proxy, &listener);
    proxy.strike(
        PLACE,
        None,
        Blow::Blackhole { ways: Ways::Both, lasting: LONG, is_swallowed: true },
    );
    near.write_all(b"lost").expect("it is taken");
    assert_silent(&mut far);
    let mut late = TcpStream::connect(proxy.address(PLACE)).expect("the proxy listens");
    late.write_all(b"lost, too").expect("it is taken");
    assert_silent(&mut late);
    proxy.heal();
    assert!(is_over(&mut near) && is_over(&mut far));
}

#[test]
fn who_connects_to_nothing_is_cut_off() {
    let (proxy, ..) = pair();
    proxy.aim(PLACE, None);
    let mut near = TcpStream::connect(proxy.address(PLACE)).expect("the proxy listens");
    near.set_read_timeout(Some(DEADLINE)).expect("a deadline can be set");
    assert!(is_over(&mut near));
}
