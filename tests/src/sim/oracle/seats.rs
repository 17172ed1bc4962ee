//! A router gives no seat above its strategy's cap, by what it has been told when it gives it; and
//! none before all servers have told it how they are, or have had their time.

use std::collections::BTreeMap;

use router::core::event::{Event, Side};
use router::core::strategy::{Placing, Strategy};
use router::limits::START_TIME_MAX;
use wire::limits::{REPORT_SILENCE_MAX, RESERVATION_TIME};
use wire::message::{Placed, Report};
use wire::{ConnId, Instant, Name, Reservation, ServerId, ServerToRouter, ToRouter};

use super::{Fact, Ledger, Property};
use crate::sim::plan::Plan;

pub(super) struct Seats {
    placing: Placing,
    servers: usize,
    routers: BTreeMap<usize, Told>,
}

/// What one router has been told.
#[derive(Default)]
struct Told {
    started: Instant,
    /// All servers have reported at one time, or have had their time.
    is_ready: bool,
    conns: BTreeMap<ConnId, ServerId>,
    loads: BTreeMap<ServerId, (ConnId, Instant, Report)>,
    asked: BTreeMap<ConnId, Name>,
    held: BTreeMap<Name, (Reservation, ServerId, Instant)>,
}

impl Told {
    fn hear(&mut self, now: Instant, event: &Event) {
        match event {
            Event::Opened { conn, side: Side::Server { certified: Some(server) } } => {
                self.conns.insert(*conn, *server);
            }
            Event::Closed { conn } => {
                self.conns.remove(conn);
                self.asked.remove(conn);
                self.loads.retain(|_, (of, ..)| of != conn);
            }
            Event::Frame { conn, frame } if self.conns.contains_key(conn) => {
                if let Ok(ServerToRouter::Report(report)) = ServerToRouter::decode(frame) {
                    self.report(now, *conn, report);
                }
            }
            Event::Frame { conn, frame } => {
                if let Ok(ToRouter::Place(place)) = ToRouter::decode(frame) {
                    self.held.remove(&place.name);
                    self.asked.insert(*conn, place.name);
                }
            }
            _ => {}
        }
    }

    fn report(&mut self, now: Instant, conn: ConnId, report: Report) {
        let server = report.entry.server;
        let last = self.loads.get(&server);
        if last.is_some_and(|(of, _, last)| *of == conn && last.sequence >= report.sequence) {
            return;
        }
        for redeemed in report.redeemed.items() {
            self.held.retain(|_, (held, seat, _)| !(held == redeemed && *seat == server));
        }
        self.loads.insert(server, (conn, now, report));
    }

    /// Sessions and reservations of each server that may be placed on, with its own maximum.
    fn seats(&mut self, now: Instant) -> BTreeMap<ServerId, (u64, u64)> {
        self.held.retain(|_, (_, _, at)| now.since(*at) < RESERVATION_TIME);
        let mut seats = BTreeMap::new();
        for (server, (_, heard, report)) in &self.loads {
            if report.open && now.since(*heard) < REPORT_SILENCE_MAX {
                let held = self.held.values().filter(|(_, seat, _)| seat == server).count();
                let held = u64::try_from(held).expect("few");
                let taken = u64::from(report.sessions) + held;
                seats.insert(*server, (taken, u64::from(report.sessions_max)));
            }
        }
        seats
    }
}

impl Seats {
    pub(super) fn new(plan: &Plan) -> Self {
        let (placing, servers) = (plan.placing, usize::from(plan.servers));
        Self { placing, servers, routers: BTreeMap::new() }
    }

    fn give(
        &mut self,
        now: Instant,
        (router, conn): (usize, ConnId),
        placed: &Placed,
    ) -> Result<(), String> {
        let placing = self.placing;
        let told = self.routers.entry(router).or_default();
        if !told.is_ready && now.since(told.started) < START_TIME_MAX {
            return Err(format!("router-{router} gives {} before it knows anything", placed.seat));
        }
        // What waited for the first reports is answered together: whose it is, is not known.
        let Some(name) = told.asked.get(&conn).copied() else {
            return Err(format!("router-{router} gives {} to nobody", placed.seat));
        };
        told.held.remove(&name);
        let seats = told.seats(now);
        told.held.insert(name, (placed.reservation, placed.seat, now));
        let Some((taken, max)) = seats.get(&placed.seat).copied() else {
            return Err(format!("router-{router} gives {}, which is silent", placed.seat));
        };
        if may_give(placing, &seats, (taken, max)) {
            return Ok(());
        }
        let seat = placed.seat;
        Err(format!("router-{router} gives {seat} with {taken}, {placing:?}: {seats:?}"))
    }
}

/// Whether a server that has `taken` sessions of `max` may get another one, beside all `seats`.
fn may_give(
    placing: Placing,
    seats: &BTreeMap<ServerId, (u64, u64)>,
    (taken, max): (u64, u64),
) -> bool {
    let open = seats.values().filter(|(taken, max)| taken < max);
    let is_least = open.map(|(taken, _)| *taken).min() == Some(taken);
    let all: u64 = seats.values().map(|(taken, _)| taken).sum();
    let live = u64::try_from(seats.len()).expect("few");
    let cap = (u64::from(placing.percent) * (all + 1)).div_ceil(100 * live);
    let is_under = |(taken, max): &(u64, u64)| *taken < cap.min(*max);
    let is_allowed = match placing.strategy {
        Strategy::BoundedHash => {
            is_under(&(taken, max)) || (is_least && !seats.values().any(is_under))
        }
        Strategy::LeastConnections => is_least,
        Strategy::RoundRobin | Strategy::Random => true,
    };
    is_allowed && taken < max
}

impl Property for Seats {
    fn name(&self) -> &'static str {
        "seats are under the cap when given"
    }

    fn hear(&mut self, now: Instant, fact: &Fact<'_>, _ledger: &Ledger) -> Result<(), String> {
        match fact {
            Fact::RouterStarted { router } => {
                self.routers.insert(*router, Told { started: now, ..Told::default() });
            }
            Fact::RouterHears { router, event } => {
                let told = self.routers.entry(*router).or_default();
                told.hear(now, event);
                told.is_ready |= told.loads.len() == self.servers;
            }
            Fact::Placed { router, conn, placed } => {
                return self.give(now, (*router, *conn), placed);
            }
            _ => {}
        }
        Ok(())
    }
}
