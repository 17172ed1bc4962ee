//! The admin listener over real sockets: what it answers, and what hostile input cannot do to it.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use operate::admin::{Admin, AdminError, Limits, check_address};
use operate::board::Board;
use operate::exposition::Program;
use operate::metric::{Kind, Metric};
use operate::readiness::Readiness;
use wire::net::Clock;

const DEADLINE: Duration = Duration::from_secs(20);
const PROGRAM: Program = Program { name: "server", version: "0.1.0" };
const FRAMES: Metric =
    Metric { area: "server", field: "frames", help: "Frames.", kind: Kind::Counter, number: 7 };

fn any_port() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

fn open(limits: Limits) -> (Admin, Arc<Board>) {
    let board = Arc::new(Board::new(PROGRAM, Clock::new()));
    let admin = Admin::open_limited(any_port(), Arc::clone(&board), limits).expect("listens");
    (admin, board)
}

fn connect(admin: &Admin) -> TcpStream {
    let stream = TcpStream::connect(admin.address()).expect("connects");
    stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
    stream
}

/// Everything until the other side closes.
fn read_all(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it closes in time, and does not reset");
    String::from_utf8(answer).expect("answers are text")
}

fn ask(admin: &Admin, request: &[u8]) -> String {
    let mut stream = connect(admin);
    stream.write_all(request).expect("is taken");
    read_all(stream)
}

fn get(admin: &Admin, path: &str) -> (String, String) {
    let answer = ask(admin, format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
    split(&answer)
}

/// Status and body; the length that was told is the body's.
fn split(answer: &str) -> (String, String) {
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head ends");
    let status = head.lines().next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
    let told = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    assert_eq!(told, Some(body.len().to_string().as_str()), "{answer}");
    (status.expect("a status").to_owned(), body.to_owned())
}

#[test]
fn readiness_follows_what_the_loop_posts() {
    let (admin, board) = open(Limits::standard());
    assert_eq!(get(&admin, "/livez"), ("200 OK".into(), "ok\n".into()));
    let unready = |why: &str| ("503 Service Unavailable".to_owned(), format!("{why}\n"));
    assert_eq!(get(&admin, "/readyz"), unready("starting"));
    for state in [Readiness::NoRouter, Readiness::Draining, Readiness::Stopping] {
        board.post(state, Vec::new());
        assert_eq!(get(&admin, "/readyz"), unready(state.reason()));
    }
    board.post(Readiness::Ready, Vec::new());
    assert_eq!(get(&admin, "/readyz?verbose"), ("200 OK".into(), "ok\n".into()));
}

#[test]
fn metrics_are_those_that_were_posted_last() {
    let (admin, board) = open(Limits::standard());
    board.post(Readiness::Ready, vec![FRAMES]);
    let (status, page) = get(&admin, "/metrics");
    assert_eq!(status, "200 OK");
    let wanted = "# TYPE fastchat_server_frames_total counter\nfastchat_server_frames_total 7\n";
    assert!(page.contains(wanted) && page.contains("fastchat_ready 1\n"), "{page}");
    board.post(Readiness::Draining, vec![Metric { number: 8, ..FRAMES }]);
    let (_, page) = get(&admin, "/metrics");
    assert!(page.contains("frames_total 8\n") && page.contains("fastchat_ready 0\n"), "{page}");
}

#[test]
fn a_head_request_gets_the_head_alone() {
    let (admin, board) = open(Limits::standard());
    board.post(Readiness::Ready, vec![FRAMES]);
    let answer = ask(&admin, b"HEAD /metrics HTTP/1.0\r\n\r\n");
    let told = answer.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    assert!(told.is_some_and(|len| len != "0"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[test]
fn bad_requests_are_refused_and_others_answered() {
    let (admin, _board) = open(Limits::standard());
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(20_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(1_000));
    let endless = format!("GET / HTTP/1.1\r\n{}", "a: b\r\n".repeat(8_000));
    let cases: [(&[u8], &str); 8] = [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "400 Bad Request"),
        (b"\0\0\0\x05\x01hello\r\n\r\n", "400 Bad Request"),
        (b"GET /metrics\r\n\r\n", "400 Bad Request"),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "405 Method Not Allowed"),
        (b"GET /secret HTTP/1.1\r\n\r\n", "404 Not Found"),
        (long.as_bytes(), "431 Request Header Fields Too Large"),
        (many.as_bytes(), "431 Request Header Fields Too Large"),
        (endless.as_bytes(), "431 Request Header Fields Too Large"),
    ];
    for (request, status) in cases {
        assert_eq!(split(&ask(&admin, request)).0, status);
    }
    assert_eq!(get(&admin, "/livez").0, "200 OK");
}

#[test]
fn of_pipelined_requests_the_first_is_answered() {
    let (admin, _board) = open(Limits::standard());
    let request = b"GET /livez HTTP/1.1\r\n\r\n".repeat(100);
    let answer = ask(&admin, &request);
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 1, "{answer}");
    assert!(answer.contains("Connection: close\r\n"), "{answer}");
}

#[test]
fn a_request_in_single_bytes_is_answered() {
    let (admin, _board) = open(Limits::standard());
    let mut stream = connect(&admin);
    stream.set_nodelay(true).expect("sends at once");
    for byte in b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n" {
        stream.write_all(&[*byte]).expect("is taken");
    }
    assert_eq!(split(&read_all(stream)).0, "200 OK");
}

#[test]
fn a_request_that_does_not_end_is_told_so_in_time() {
    let limits = Limits { request_time: Duration::from_millis(200), ..Limits::standard() };
    let (admin, _board) = open(limits);
    assert_eq!(split(&ask(&admin, b"GET /livez HTTP/1.1\r\nHos")).0, "408 Request Timeout");
    let half_closed = connect(&admin);
    half_closed.shutdown(Shutdown::Write).expect("closes its half");
    assert_eq!(read_all(half_closed), "");
}

#[test]
fn who_never_closes_is_closed() {
    let limits = Limits { linger_time: Duration::from_millis(200), ..Limits::standard() };
    let (admin, _board) = open(limits);
    let mut stream = connect(&admin);
    stream.write_all(b"GET /livez HTTP/1.1\r\n\r\n").expect("is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the answer ends");
    stream.set_write_timeout(Some(DEADLINE)).expect("a deadline");
    let is_over = |kind| matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
    let error = (0..).find_map(|_| stream.write(&[0; 4096]).err()).expect("it ends");
    assert!(is_over(error.kind()), "{error}");
}

#[test]
fn idle_connections_keep_nobody_out() {
    let (admin, _board) = open(Limits::standard());
    let idle: Vec<TcpStream> = (0..3 * Limits::standard().conns_max)
        .map(|number| {
            let mut stream = connect(&admin);
            if number % 2 == 0 {
                stream.write_all(b"GET /livez HTTP/1.1\r\nHost: ").expect("is taken");
            }
            stream
        })
        .collect();
    assert_eq!(get(&admin, "/livez").0, "200 OK");
    let mut first = &idle[0];
    let ended = first.read(&mut [0; 64]);
    assert!(matches!(ended, Ok(0) | Err(_)), "the oldest made room: {ended:?}");
    let mut last = idle.last().expect("there are some");
    last.write_all(b"GET /livez HTTP/1.1\r\n\r\n").expect("the newest stayed");
    let mut answer = String::new();
    last.read_to_string(&mut answer).expect("the newest stayed");
    assert_eq!(split(&answer).0, "200 OK");
}

#[test]
fn only_this_machine_is_listened_to() {
    for address in ["0.0.0.0:0", "10.0.0.1:1", "[::]:0", "192.0.2.1:80"] {
        let address: SocketAddr = address.parse().expect("an address");
        let error = check_address(address).expect_err("others could reach it");
        assert!(error.to_string().contains("loopback"), "{error}");
        let board = Arc::new(Board::new(PROGRAM, Clock::new()));
        let opened = Admin::open(address, board);
        assert!(matches!(opened, Err(AdminError::NotLoopback(_))), "{opened:?}");
    }
    check_address("127.8.8.8:1".parse().expect("an address")).expect("is this machine's");
    check_address("[::1]:1".parse().expect("an address")).expect("is this machine's");
}

#[test]
fn a_taken_address_is_named() {
    let (admin, board) = open(Limits::standard());
    let error = Admin::open(admin.address(), board).expect_err("it is taken").to_string();
    assert!(error.starts_with(&format!("--admin {}", admin.address())), "{error}");
}

#[test]
fn dropping_it_frees_the_address() {
    let (admin, board) = open(Limits::standard());
    let address = admin.address();
    let idle = connect(&admin);
    assert_eq!(get(&admin, "/livez").0, "200 OK");
    drop(admin);
    assert_eq!(read_all(idle), "");
    Admin::open(address, board).expect("is free again");
}
