//! One connection: a request is read, answered, and what still comes is thrown away until the
//! other side closes. Closing with unread bytes would reset the connection and lose the answer.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;

use mio::net::TcpStream;
use wire::Instant;

use super::answer::{Status, answer, refuse};
use super::request::{self, HEAD_LEN_MAX};
use super::{LINGER_LEN_MAX, Limits};
use crate::board::Board;

/// A connection and how far it has come.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) stream: TcpStream,
    /// When its present state is over, whatever the other side does.
    pub(super) until: Instant,
    /// Which connection of this process it is.
    pub(super) number: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Reading { head: Vec<u8> },
    Writing { answer: Vec<u8>, sent: usize },
    Lingering { dropped: usize },
}

/// Whether a connection stays.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fate {
    Stays,
    Ends,
}

impl Conn {
    pub(super) fn new(stream: TcpStream, until: Instant, number: u64) -> Self {
        Self { stream, until, number, state: State::Reading { head: Vec::new() } }
    }

    /// Does what the socket allows now, which is bounded: at most a head, an answer and some bytes
    /// that are thrown away.
    pub(super) fn proceed(&mut self, now: Instant, board: &Board, limits: &Limits) -> Fate {
        self.run(now, board, limits).unwrap_or_else(|error| {
            tracing::debug!(%error, "admin connection");
            Fate::Ends
        })
    }

    /// Its time is over: who has asked nothing whole is told so, all others have been served.
    pub(super) fn expire(&mut self, now: Instant, board: &Board, limits: &Limits) -> Fate {
        match self.state {
            State::Reading { .. } => {
                self.write(refuse(Status::TimedOut), now, limits);
                self.proceed(now, board, limits)
            }
            State::Writing { .. } | State::Lingering { .. } => Fate::Ends,
        }
    }

    fn run(&mut self, now: Instant, board: &Board, limits: &Limits) -> io::Result<Fate> {
        loop {
            match &mut self.state {
                State::Reading { head } => {
                    let progress = read_some(&mut self.stream, head)?;
                    if let Some(answer) = answer(request::read(head), board) {
                        self.write(answer, now, limits);
                        continue;
                    }
                    match progress {
                        Progress::Some => {}
                        Progress::Blocked => return Ok(Fate::Stays),
                        Progress::End => return Ok(Fate::Ends),
                    }
                }
                State::Writing { answer, sent } => {
                    if !write_all(&mut self.stream, answer, sent)? {
                        return Ok(Fate::Stays);
                    }
                    self.stream.shutdown(Shutdown::Write)?;
                    self.until = now + limits.linger_time;
                    self.state = State::Lingering { dropped: 0 };
                }
                State::Lingering { dropped } => return linger(&mut self.stream, dropped),
            }
        }
    }

    fn write(&mut self, answer: Vec<u8>, now: Instant, limits: &Limits) {
        self.until = now + limits.request_time;
        self.state = State::Writing { answer, sent: 0 };
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Progress {
    Some,
    Blocked,
    End,
}

/// Reads once, and never more than a head may have.
fn read_some(stream: &mut TcpStream, head: &mut Vec<u8>) -> io::Result<Progress> {
    let mut scratch = [0; 1024];
    let room = (HEAD_LEN_MAX - head.len()).min(scratch.len());
    let (progress, len) = read_into(stream, &mut scratch[..room])?;
    head.extend_from_slice(&scratch[..len]);
    Ok(progress)
}

fn read_into(stream: &mut TcpStream, scratch: &mut [u8]) -> io::Result<(Progress, usize)> {
    loop {
        match stream.read(scratch) {
            Ok(0) => return Ok((Progress::End, 0)),
            Ok(len) => return Ok((Progress::Some, len)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Ok((Progress::Blocked, 0));
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether everything is written.
fn write_all(stream: &mut TcpStream, answer: &[u8], sent: &mut usize) -> io::Result<bool> {
    while *sent < answer.len() {
        match stream.write(&answer[*sent..]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(len) => *sent += len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn linger(stream: &mut TcpStream, dropped: &mut usize) -> io::Result<Fate> {
    let mut scratch = [0; 4096];
    loop {
        let (progress, len) = read_into(stream, &mut scratch)?;
        *dropped += len;
        match progress {
            Progress::Some if *dropped <= LINGER_LEN_MAX => {}
            Progress::Blocked => return Ok(Fate::Stays),
            Progress::Some | Progress::End => return Ok(Fate::Ends),
        }
    }
}
