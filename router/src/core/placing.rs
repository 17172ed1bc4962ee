//! Placing: from an account's name to a seat with a reservation.

use std::net::IpAddr;

use wire::message::{Fault, Placed};
use wire::{ConnId, FaultCode, Instant, Kind, LogId, Name, Slot};

use super::event::{Effect, Side};
use super::reservations::Held;
use super::ring::{Placement, Seats};
use super::{Conn, Core, Stage, Waiting};
use crate::limits::WAITING_MAX;

impl Core {
    pub(super) fn on_place(
        &mut self,
        now: Instant,
        conn: ConnId,
        name: Name,
        out: &mut Vec<Effect>,
    ) {
        if self.is_started {
            return self.place(now, conn, name, out);
        }
        if self.waiting.len() >= WAITING_MAX {
            self.metrics.unavailable += 1;
            return self.refuse(conn, FaultCode::UNAVAILABLE, Kind::PLACE, out);
        }
        self.metrics.waited += 1;
        self.set_stage(conn, Stage::Waiting);
        self.waiting.push_back(Waiting { conn, name });
    }

    /// Answers the questions that waited, and lets later ones through.
    pub(super) fn start(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if self.is_started {
            return;
        }
        self.is_started = true;
        let servers = self.placeable(now);
        tracing::info!(servers, of = self.servers.len(), "placing begins");
        for Waiting { conn, name } in std::mem::take(&mut self.waiting) {
            if self.stage(conn) == Some(Stage::Waiting) {
                self.set_stage(conn, Stage::Greeted);
                self.place(now, conn, name, out);
            }
        }
    }

    /// Answers a question with a fault that leaves the connection open.
    pub(super) fn refuse(
        &mut self,
        conn: ConnId,
        code: FaultCode,
        about: Kind,
        out: &mut Vec<Effect>,
    ) {
        self.fault(conn, Fault::about(code, about, 0), out);
    }

    fn place(&mut self, now: Instant, conn: ConnId, name: Name, out: &mut Vec<Effect>) {
        self.reservations.release(&name);
        let address = self.counted_address(conn);
        if address.is_some_and(|address| self.reservations.is_full(address)) {
            self.metrics.rate_limited += 1;
            return self.refuse(conn, FaultCode::RATE_LIMITED, Kind::PLACE, out);
        }
        let Some(placement) = self.choose(now, &name) else {
            self.metrics.unavailable += 1;
            return self.refuse(conn, FaultCode::UNAVAILABLE, Kind::PLACE, out);
        };
        let placed = self.reserve(now, name, placement, address);
        out.push(Effect::to_client(conn, placed));
    }

    fn counted_address(&self, conn: ConnId) -> Option<IpAddr> {
        match self.conns.get(&conn) {
            Some(Conn { side: Side::Client { address }, .. })
                if !(self.exempt_loopback && address.is_loopback()) =>
            {
                Some(*address)
            }
            _ => None,
        }
    }

    fn choose(&mut self, now: Instant, name: &Name) -> Option<Placement> {
        let seats: Vec<Seats> = self
            .loads
            .placeable(now)
            .map(|(server, load)| {
                let taken = load.sessions.saturating_add(self.reservations.of(server));
                Seats { server, taken, max: load.sessions_max }
            })
            .collect();
        let slot = Slot::of(&LogId::mailbox(*name));
        self.placer.place(slot, &seats)
    }

    fn reserve(
        &mut self,
        now: Instant,
        name: Name,
        Placement { home, seat }: Placement,
        address: Option<IpAddr>,
    ) -> Placed {
        if seat == home {
            self.metrics.placed_home += 1;
        } else {
            self.metrics.placed_overflow += 1;
        }
        let held = Held { name, seat, address };
        let reservation = self.reservations.hold(now, held, &mut self.random);
        let load = self.loads.of(seat).expect("only reported servers are chosen");
        tracing::trace!(%home, %seat, "placed");
        Placed { home, seat, address: load.entry.client, reservation }
    }
}
