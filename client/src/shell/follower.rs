//! A process that does not hold the connection: it asks the holder over the socket in the data
//! directory, and waits there.

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use wire::net::LocalAddress;

use super::lines::{read_reply, write_request};
use crate::core::Request;

pub use super::lines::Reply;

/// Shortest wait that a socket can be told.
const WAIT_MIN: Duration = Duration::from_millis(1);

/// A conversation with the holder.
#[derive(Debug)]
pub struct Follower {
    stream: BufReader<UnixStream>,
    line: Vec<u8>,
}

/// What came of waiting.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Heard {
    /// The holder said something.
    Reply(Reply),
    /// The time is over.
    Nothing,
    /// The holder is gone: its lock may be taken.
    Gone,
}

impl Follower {
    /// Connects to the holder and asks.
    ///
    /// # Errors
    /// Nobody listens at `path`.
    pub fn ask(path: &Path, request: &Request) -> io::Result<Self> {
        let address = LocalAddress::of(path)?;
        let mut stream = UnixStream::connect(address.path())?;
        stream.write_all((write_request(request) + "\n").as_bytes())?;
        Ok(Self { stream: BufReader::new(stream), line: Vec::new() })
    }

    /// Waits for the holder's next line, at most `time`.
    ///
    /// # Errors
    /// The socket fails otherwise than by its end.
    pub fn wait(&mut self, time: Duration) -> io::Result<Heard> {
        let time = time.max(WAIT_MIN);
        self.stream.get_ref().set_read_timeout(Some(time))?;
        match self.stream.read_until(b'\n', &mut self.line) {
            Ok(_) if self.line.ends_with(b"\n") => {
                let line = std::mem::take(&mut self.line);
                let reply =
                    std::str::from_utf8(&line).ok().and_then(|line| read_reply(line.trim_end()));
                Ok(reply.map_or(Heard::Gone, Heard::Reply))
            }
            Ok(_) => Ok(Heard::Gone),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {
                    Ok(Heard::Nothing)
                }
                ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Ok(Heard::Gone),
                _ => Err(error),
            },
        }
    }
}
