//! The router of the tests: answers hellos, and tells every server where the others are.

use bytes::BytesMut;
use wire::frame::Frame;
use wire::message::{Directory, Pong, Ready};
use wire::{RouterToServer, ServerId, ServerToRouter};

use crate::world::{Arrival, End, World};

impl World {
    /// The router: answers hellos, and tells everyone who has reported.
    pub(crate) fn on_router_frame(&mut self, server: ServerId, frame: &Frame) {
        match ServerToRouter::decode(frame).expect("servers speak well") {
            ServerToRouter::Hello(_) => {
                let ready = Ready { version: 1, server: ServerId(0), at: self.wall() };
                self.say_as_router(server, &ready.into());
            }
            ServerToRouter::Report(report) => {
                let is_news = self.reports.insert(server, report).is_none();
                if is_news {
                    self.publish();
                }
            }
            ServerToRouter::Ping(ping) => {
                let pong = Pong { nonce: ping.nonce };
                self.say_as_router(server, &pong.into());
            }
            ServerToRouter::MapCopy(copy) => {
                self.maps.copies.push((server, copy.map.into_bytes()));
            }
            ServerToRouter::Fault(_) | ServerToRouter::Pong(_) => {}
        }
    }

    fn publish(&mut self) {
        let entries = self.reports.values().map(|report| report.entry).collect();
        let servers = wire::field::List::new(entries).expect("few servers");
        let directory = RouterToServer::Directory(Directory { servers });
        let ids: Vec<ServerId> = self.reports.keys().copied().collect();
        for id in ids {
            self.say_as_router(id, &directory);
        }
    }

    pub(crate) fn say_as_router(&mut self, server: ServerId, message: &RouterToServer) {
        let mut bytes = BytesMut::new();
        message.append_frame(&mut bytes);
        let frame = Frame::split(&mut bytes, u32::MAX).expect("whole").expect("whole");
        if let Some(to) = self.pairs.get(&End::Router(server)).copied() {
            self.arrivals.push_back(Arrival::Frame(to, frame));
        }
    }
}
