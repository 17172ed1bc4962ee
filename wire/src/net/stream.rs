//! One socket with its readiness, plain or under TLS. Knows bytes, not frames.
//!
//! mio reports edges, so readiness is remembered here until the socket says it would block.

use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::net::Shutdown;

use bytes::BytesMut;
use mio::event::{Event, Source};
use mio::net::TcpStream;
use mio::{Registry, Token};
use rustls::Connection;

use super::callers::is_exactly;
use super::event::CloseCause;
use super::write_queue::WriteQueue;

/// Bytes read from one socket in one turn, at most: one system call.
pub(super) const READ_BUDGET: usize = 64 * 1024;
/// Bytes written to one socket in one turn, at most: more than a socket's buffer takes.
const WRITE_BUDGET: usize = 4 * 1024 * 1024;
/// Bytes sealed into TLS records before the socket has taken the ones before.
const SEAL_MAX: usize = 256 * 1024;

/// A socket, its readiness, and its TLS state if it has one.
pub(super) struct Stream {
    socket: TcpStream,
    tls: Option<Box<Connection>>,
    readable: bool,
    writable: bool,
    hangup: bool,
    broken: Option<ErrorKind>,
    notified: bool,
}

impl Stream {
    pub(super) fn new(socket: TcpStream, tls: Option<Connection>) -> Self {
        let mut tls = tls.map(Box::new);
        if let Some(tls) = &mut tls {
            tls.set_buffer_limit(Some(SEAL_MAX));
        }
        let (readable, writable, hangup) = (false, false, false);
        Self { socket, tls, readable, writable, hangup, broken: None, notified: false }
    }

    /// A socket that was accepted takes its first bytes without being asked.
    pub(super) fn accepted(socket: TcpStream, tls: Option<Connection>) -> Self {
        Self { writable: true, ..Self::new(socket, tls) }
    }

    /// Registers once, for both directions; readiness is kept from then on.
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let both = mio::Interest::READABLE.add(mio::Interest::WRITABLE);
        self.socket.register(registry, token, both)
    }

    /// Remembers what mio reported.
    pub(super) fn note(&mut self, event: &Event) {
        self.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.writable |= event.is_writable() || event.is_error();
        self.hangup |= event.is_read_closed() || event.is_error();
    }

    pub(super) fn is_readable(&self) -> bool {
        self.readable
    }

    pub(super) fn is_writable(&self) -> bool {
        self.writable
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    /// Whether TLS itself has bytes to write.
    pub(super) fn wants_write(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Whether a dialed socket is connected now.
    pub(super) fn finish_connect(&mut self) -> Result<bool, CloseCause> {
        if !self.writable {
            return Ok(false);
        }
        if let Some(error) = self.socket.take_error()? {
            return Err(error.into());
        }
        match self.socket.peer_addr() {
            Ok(peer) if self.socket.local_addr()? == peer => {
                // A dial to a free port of this machine can meet itself.
                Err(CloseCause::Io(ErrorKind::ConnectionRefused))
            }
            Ok(_) => {
                self.socket.set_nodelay(true)?;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::NotConnected => {
                self.writable = false;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Reads once and appends what came to `input`, decrypted. Returns the bytes that the socket
    /// gave; [`CloseCause::Peer`] is the end of the other side.
    pub(super) fn receive(
        &mut self,
        scratch: &mut [u8],
        input: &mut BytesMut,
    ) -> Result<usize, CloseCause> {
        let len = self.read(scratch)?;
        match &mut self.tls {
            None => input.extend_from_slice(&scratch[..len]),
            Some(tls) => decrypt(tls, &self.socket, &scratch[..len], input)?,
        }
        Ok(len)
    }

    /// Reads once and drops what came.
    pub(super) fn skip(&mut self, scratch: &mut [u8]) -> Result<usize, CloseCause> {
        self.read(scratch)
    }

    /// Writes until the queue is empty, the socket would block, or the budget is spent.
    /// After an error the stream is broken: what was received can still be read.
    pub(super) fn transmit(&mut self, queue: &mut WriteQueue) {
        let mut written = 0;
        while self.writable && written < WRITE_BUDGET {
            match self.transmit_once(queue) {
                Ok(0) => return,
                Ok(len) => written += len,
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => self.writable = false,
                    ErrorKind::Interrupted => {}
                    kind => return self.break_off(kind, queue),
                },
            }
        }
    }

    /// Says good-bye after the last byte. False while something still waits.
    pub(super) fn finish(&mut self, queue: &mut WriteQueue) -> Result<bool, CloseCause> {
        if let Some(tls) = &mut self.tls
            && !self.notified
        {
            self.notified = true;
            tls.send_close_notify();
            self.transmit(queue);
        }
        if let Some(kind) = self.broken {
            return Err(CloseCause::Io(kind));
        }
        if self.wants_write() {
            return Ok(false);
        }
        self.socket.shutdown(Shutdown::Write)?;
        Ok(true)
    }

    /// Whether the other side's verified certificate lists exactly this DNS name.
    pub(super) fn is_certified_for(&self, dns_name: &str) -> bool {
        let chain = self.tls.as_ref().and_then(|tls| tls.peer_certificates());
        let Some(leaf) = chain.and_then(|chain| chain.first()) else {
            return false;
        };
        let Ok(certificate) = webpki::EndEntityCert::try_from(leaf) else {
            return false;
        };
        is_exactly(&certificate, dns_name)
    }

    fn read(&mut self, scratch: &mut [u8]) -> Result<usize, CloseCause> {
        match self.socket.read(scratch) {
            Ok(0) => {
                self.readable = false;
                Err(CloseCause::Peer)
            }
            Ok(len) => {
                // A short read has emptied the socket, unless its end was reported with the data.
                self.readable = len == scratch.len() || self.hangup;
                Ok(len)
            }
            Err(error) => match (error.kind(), self.broken) {
                (ErrorKind::Interrupted, _) => Ok(0),
                (ErrorKind::WouldBlock, None) => {
                    self.readable = false;
                    Ok(0)
                }
                (ErrorKind::WouldBlock, Some(kind)) | (kind, _) => Err(CloseCause::Io(kind)),
            },
        }
    }

    fn transmit_once(&mut self, queue: &mut WriteQueue) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            if queue.front().is_empty() {
                return Ok(0);
            }
            let len = self.socket.write(queue.front())?;
            queue.written(len);
            return Ok(len);
        };
        if !tls.wants_write() && !queue.front().is_empty() && !tls.is_handshaking() {
            let len = tls.writer().write(queue.front())?;
            queue.seal(len);
        }
        if !tls.wants_write() {
            return Ok(0);
        }
        let len = tls.write_tls(&mut self.socket)?;
        if !tls.wants_write() {
            queue.sealed_written();
        }
        Ok(len)
    }

    fn break_off(&mut self, kind: ErrorKind, queue: &mut WriteQueue) {
        self.broken = Some(kind);
        self.writable = false;
        self.readable = true;
        queue.discard();
    }
}

fn decrypt(
    tls: &mut Connection,
    mut socket: &TcpStream,
    mut records: &[u8],
    input: &mut BytesMut,
) -> Result<(), CloseCause> {
    while !records.is_empty() {
        if tls.read_tls(&mut records)? == 0 {
            return Err(CloseCause::Peer);
        }
        let state = match tls.process_new_packets() {
            Ok(state) => state,
            Err(error) => {
                // The alert is a courtesy: the connection ends, whether it leaves or not.
                tls.write_tls(&mut socket).ok();
                return Err(CloseCause::Tls(error.to_string()));
            }
        };
        drain(tls, input)?;
        if state.peer_has_closed() {
            return Err(CloseCause::Peer);
        }
    }
    Ok(())
}

fn drain(tls: &mut Connection, input: &mut BytesMut) -> io::Result<()> {
    loop {
        let mut reader = tls.reader();
        let len = match reader.fill_buf() {
            Ok(plain) => {
                input.extend_from_slice(plain);
                plain.len()
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        if len == 0 {
            return Ok(());
        }
        reader.consume(len);
    }
}
