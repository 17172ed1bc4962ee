//! The clients' side of the core: a hello, then the question where to sit.

use wire::message::{Fault, Hello, Pong, Ready, Role};
use wire::{ConnId, FaultCode, Frame, Instant, Kind, ServerId, ToRouter, Wall};

use super::directory::seats;
use super::event::Effect;
use super::{Core, Stage};

impl Core {
    pub(super) fn on_client_frame(
        &mut self,
        (now, wall): (Instant, Wall),
        conn: ConnId,
        frame: &Frame,
        out: &mut Vec<Effect>,
    ) {
        let message = match ToRouter::decode(frame) {
            Ok(message) => message,
            Err(error) => {
                let fault = Fault::about(error.into(), frame.kind, 0);
                return self.fault(conn, fault, out);
            }
        };
        match (self.stage(conn), message) {
            (_, ToRouter::Fault(_)) => self.close(conn, out),
            (Some(Stage::New), ToRouter::Hello(hello)) => self.greet(wall, conn, &hello, out),
            (Some(Stage::Greeted | Stage::Waiting), ToRouter::Ping(ping)) => {
                out.push(Effect::to_client(conn, Pong { nonce: ping.nonce }));
            }
            (Some(Stage::Greeted | Stage::Waiting), ToRouter::Pong(_)) => {}
            (Some(Stage::Greeted), ToRouter::Place(place)) => {
                self.on_place(now, conn, place.name, out);
            }
            (Some(Stage::Greeted | Stage::Waiting), ToRouter::ListServers(_)) => {
                self.on_list_servers(conn, out);
            }
            (Some(Stage::Waiting), ToRouter::Place(_)) => {
                self.refuse(conn, FaultCode::TOO_MANY_REQUESTS, Kind::PLACE, out);
            }
            (_, message) => {
                let fault = Fault::about(FaultCode::WRONG_STATE, message.kind(), 0);
                self.fault(conn, fault, out);
            }
        }
    }

    /// Tells once on a connection: the answer is long, and a client may not read.
    fn on_list_servers(&mut self, conn: ConnId, out: &mut Vec<Effect>) {
        let Some(found) = self.conns.get_mut(&conn) else {
            return;
        };
        if std::mem::replace(&mut found.is_told, true) {
            return self.refuse(conn, FaultCode::TOO_MANY_REQUESTS, Kind::LIST_SERVERS, out);
        }
        self.metrics.lists += 1;
        out.push(Effect::to_client(conn, seats(&self.loads.entries())));
    }

    fn greet(&mut self, wall: Wall, conn: ConnId, hello: &Hello, out: &mut Vec<Effect>) {
        let version = match hello.agree() {
            Ok(_) if hello.role != Role::Client => Err(FaultCode::WRONG_PEER),
            agreed => agreed,
        };
        match version {
            Ok(version) => {
                self.set_stage(conn, Stage::Greeted);
                let (server, at) = (ServerId(0), wall);
                out.push(Effect::to_client(conn, Ready { version, server, at }));
            }
            Err(code) => self.fault(conn, Fault::about(code, Kind::HELLO, 0), out),
        }
    }
}
