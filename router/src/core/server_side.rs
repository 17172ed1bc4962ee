//! The servers' side of the core: a hello proven by the certificate, then reports.

use wire::limits::REPORT_SILENCE_MAX;
use wire::message::{Fault, Hello, Pong, Ready, Report, Role};
use wire::{ConnId, FaultCode, Frame, Instant, Kind, MapFile, ServerId, ServerToRouter, Wall};

use super::directory::directory;
use super::event::{Effect, Side};
use super::load::Outcome;
use super::timers::Timer;
use super::{Core, Stage};

impl Core {
    pub(super) fn on_server_frame(
        &mut self,
        (now, wall): (Instant, Wall),
        conn: ConnId,
        certified: Option<ServerId>,
        frame: &Frame,
        out: &mut Vec<Effect>,
    ) {
        let message = match ServerToRouter::decode(frame) {
            Ok(message) => message,
            Err(error) => {
                let fault = Fault::about(error.into(), frame.kind, 0);
                return self.fault(conn, fault, out);
            }
        };
        match (self.stage(conn), certified, message) {
            (_, _, ServerToRouter::Fault(_)) => self.close(conn, out),
            (Some(Stage::New), _, ServerToRouter::Hello(hello)) => {
                self.greet_server(wall, conn, certified, &hello, out);
            }
            (Some(Stage::Greeted), _, ServerToRouter::Ping(ping)) => {
                out.push(Effect::to_server(conn, Pong { nonce: ping.nonce }));
            }
            (Some(Stage::Greeted), _, ServerToRouter::Pong(_)) => {}
            (Some(Stage::Greeted), Some(server), ServerToRouter::Report(report)) => {
                self.on_report(now, conn, server, &report, out);
            }
            (Some(Stage::Greeted), Some(server), ServerToRouter::MapCopy(copy)) => {
                self.on_map_copy((conn, server), copy, out);
            }
            (_, _, message) => {
                let fault = Fault::about(FaultCode::WRONG_STATE, message.kind(), 0);
                self.fault(conn, fault, out);
            }
        }
    }

    pub(super) fn on_server_closed(
        &mut self,
        conn: ConnId,
        certified: Option<ServerId>,
        out: &mut Vec<Effect>,
    ) {
        let Some(server) = certified else { return };
        if self.loads.forget(server, conn) {
            self.timers.cancel(Timer::Silence(server));
            tracing::info!(%server, "left");
            self.publish(out);
        }
    }

    fn greet_server(
        &mut self,
        wall: Wall,
        conn: ConnId,
        certified: Option<ServerId>,
        hello: &Hello,
        out: &mut Vec<Effect>,
    ) {
        let is_proven = hello.role == Role::Server
            && certified == Some(hello.server)
            && self.servers.contains(&hello.server);
        let version = match hello.agree() {
            Ok(_) if !is_proven => Err(FaultCode::WRONG_PEER),
            agreed => agreed,
        };
        match version {
            Ok(version) => {
                self.set_stage(conn, Stage::Greeted);
                let (server, at) = (ServerId(0), wall);
                out.push(Effect::to_server(conn, Ready { version, server, at }));
                out.push(Effect::to_server(conn, directory(self.loads.entries())));
            }
            Err(code) => self.fault(conn, Fault::about(code, Kind::HELLO, 0), out),
        }
    }

    fn on_report(
        &mut self,
        now: Instant,
        conn: ConnId,
        server: ServerId,
        report: &Report,
        out: &mut Vec<Effect>,
    ) {
        if report.entry.server != server || !self.servers.contains(&server) {
            let fault = Fault::about(FaultCode::WRONG_PEER, Kind::REPORT, 0);
            return self.fault(conn, fault, out);
        }
        let named = self.map.map().store_of(server);
        if named.is_some_and(|store| store != report.opening.store) {
            tracing::error!(%server, store = %report.opening.store, "turned away: the map names \
                another store; see fastchat-router map replace");
            let fault = Fault::about(FaultCode::SUPERSEDED, Kind::REPORT, 0);
            return self.fault(conn, fault, out);
        }
        match self.loads.report(now, conn, report) {
            Outcome::Stale => self.metrics.reports_stale += 1,
            Outcome::Impostor => {
                tracing::warn!(%server, "two processes with different stores claim this id");
                let fault = Fault::about(FaultCode::WRONG_PEER, Kind::REPORT, 0);
                self.fault(conn, fault, out);
            }
            Outcome::Superseded => {
                self.metrics.superseded += 1;
                tracing::error!(%server, epoch = report.opening.epoch, "turned away: it works on \
                    an old copy of its store, or a later process of it was heard; stop it, see \
                    OPERATING");
                let fault = Fault::about(FaultCode::SUPERSEDED, Kind::REPORT, 0);
                self.fault(conn, fault, out);
            }
            Outcome::Taken { replaced, is_moved } => {
                if let Some(replaced) = replaced {
                    self.close(replaced, out);
                }
                self.on_taken(now, server, report, is_moved, out);
                self.compare_maps(conn, report.map_version, out);
            }
        }
    }

    fn on_taken(
        &mut self,
        now: Instant,
        server: ServerId,
        report: &Report,
        is_moved: bool,
        out: &mut Vec<Effect>,
    ) {
        self.metrics.reports += 1;
        self.timers.set(Timer::Silence(server), now + REPORT_SILENCE_MAX);
        for reservation in report.redeemed.items() {
            self.reservations.redeem(server, *reservation);
        }
        if is_moved {
            self.on_moved(server, report, out);
        }
        let has_all = self.servers.iter().all(|server| self.loads.of(*server).is_some());
        if has_all {
            self.start(now, out);
        }
    }

    fn on_moved(&mut self, server: ServerId, report: &Report, out: &mut Vec<Effect>) {
        let (ours, theirs) = (self.placer.map().version(), report.map_version);
        if ours != theirs && matches!(self.map, MapFile::Unsigned(_)) {
            tracing::warn!(%server, ours, theirs, "has another slot map; nobody is placed there");
        }
        tracing::info!(%server, client = %report.entry.client, peer = %report.entry.peer, "joined");
        self.publish(out);
    }

    /// Sends the directory to every server.
    fn publish(&self, out: &mut Vec<Effect>) {
        let directory = directory(self.loads.entries());
        for (conn, found) in &self.conns {
            if matches!(found.side, Side::Server { .. }) && found.stage == Stage::Greeted {
                out.push(Effect::to_server(*conn, directory.clone()));
            }
        }
    }
}
