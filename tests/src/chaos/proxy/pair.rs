//! One connection through the proxy: two sockets, a flow each way, and what was done to it.

use std::io;
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use wire::Instant;

use super::flow::{Ended, Flow};
use super::{Blow, Place, Ways};

/// Who dialed the proxy, and who listens behind it.
const NEAR: usize = 0;
const FAR: usize = 1;

/// A connection from the near socket to the far one.
pub(super) struct Pair {
    pub(super) place: Place,
    sockets: [TcpStream; 2],
    is_readable: [bool; 2],
    is_writable: [bool; 2],
    /// What leaves the near side, and what leaves the far one.
    flows: [Flow; 2],
    cut_at: Option<Instant>,
}

impl Pair {
    /// Dials what is behind the place; `token` is the near socket's, the next one the far socket's.
    pub(super) fn dial(
        place: Place,
        near: TcpStream,
        behind: SocketAddr,
        (registry, token): (&Registry, usize),
    ) -> io::Result<Self> {
        let mut sockets = [near, TcpStream::connect(behind)?];
        for (side, socket) in sockets.iter_mut().enumerate() {
            let interest = Interest::READABLE | Interest::WRITABLE;
            registry.register(socket, Token(token + side), interest)?;
            // Small frames must not wait for each other here when they do not elsewhere.
            socket.set_nodelay(true)?;
        }
        Ok(Self {
            place,
            sockets,
            is_readable: [false; 2],
            is_writable: [false; 2],
            flows: [Flow::default(), Flow::default()],
            cut_at: None,
        })
    }

    pub(super) fn note_ready(&mut self, side: usize, readable: bool, writable: bool) {
        self.is_readable[side] |= readable;
        self.is_writable[side] |= writable;
    }

    pub(super) fn strike(&mut self, blow: Blow, now: Instant) {
        let until = match blow {
            Blow::Cut => now,
            Blow::Delay { lasting, .. } | Blow::Blackhole { lasting, .. } => now + lasting,
        };
        self.strike_until(blow, now, until);
    }

    pub(super) fn strike_until(&mut self, blow: Blow, now: Instant, until: Instant) {
        match blow {
            Blow::Cut => self.cut_at = Some(now),
            Blow::Delay { by, .. } => self.flows.iter_mut().for_each(|flow| flow.slow(by, until)),
            Blow::Blackhole { ways, is_swallowed, .. } => {
                let struck = match ways {
                    Ways::There => &mut self.flows[NEAR..=NEAR],
                    Ways::Back => &mut self.flows[FAR..=FAR],
                    Ways::Both => &mut self.flows[..],
                };
                struck.iter_mut().for_each(|flow| flow.hold(until));
                if is_swallowed {
                    self.cut_at = Some(self.cut_at.map_or(until, |at| at.min(until)));
                }
            }
        }
    }

    /// Something that was done to it lasts.
    pub(super) fn is_ill(&self, now: Instant) -> bool {
        self.cut_at.is_some() || self.flows.iter().any(|flow| flow.is_ill(now))
    }

    /// When there is something to do that no socket tells of; `now` is when it was pumped last.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        let flows = self.flows.iter().filter_map(Flow::deadline);
        flows.chain(self.cut_at).filter(|at| *at > now).min()
    }

    /// Moves what can be moved, `chunk` at a time. Whether the connection goes on.
    pub(super) fn pump(&mut self, now: Instant, chunk: &mut [u8]) -> bool {
        if self.cut_at.is_some_and(|at| at <= now) {
            return false;
        }
        let [near, far] = &mut self.sockets;
        let [near_reads, far_reads] = &mut self.is_readable;
        let [near_writes, far_writes] = &mut self.is_writable;
        let [there, back] = &mut self.flows;
        let there = there.pump((near, near_reads), (far, far_writes), (now, chunk));
        let back = back.pump((far, far_reads), (near, near_writes), (now, chunk));
        matches!((there, back), (Ok(there), Ok(back)) if (there, back) != (Ended::Yes, Ended::Yes))
    }
}
