//! A router of a world: the real core and a shell without sockets.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use router::core::event::{Effect, Event, Outgoing, Side};
use router::core::{Core, Settings};
use wire::{ConnId, FromRouter, MapFile};

use super::host::Node;
use super::links::Told;
use super::net::Local;
use super::oracle::Fact;
use super::world::World;

/// One router, while it runs.
#[derive(Debug, Default)]
pub struct RouterProcess {
    /// The core, while the process runs.
    pub core: Option<Core>,
}

impl World {
    pub(super) fn start_router(&mut self, index: usize) {
        let settings = Settings {
            map: match &self.signed {
                Some(signed) => MapFile::Signed(signed.clone()),
                None => MapFile::Unsigned(Arc::clone(&self.map)),
            },
            placing: self.plan.placing,
            exempt_loopback: false,
        };
        let core = Core::new(self.now, settings, self.dice.seed());
        let deadline = core.deadline();
        self.routers[index].core = Some(core);
        self.fact(&Fact::RouterStarted { router: index });
        self.set_timer(Node::Router(index), deadline);
    }

    pub(super) fn tell_router(&mut self, index: usize, conn: ConnId, told: Told) {
        let event = match told {
            Told::Opened(Node::Server(server)) => {
                Event::Opened { conn, side: Side::Server { certified: Some(server) } }
            }
            Told::Opened(from) => {
                let address = client_address(from);
                Event::Opened { conn, side: Side::Client { address } }
            }
            Told::Frame(frame) => Event::Frame { conn, frame },
            Told::Closed(_) => Event::Closed { conn },
            Told::Pressure(_) => return,
        };
        self.feed_router(index, event);
    }

    pub(super) fn time_router(&mut self, index: usize) {
        self.feed_router(index, Event::Timeout);
    }

    fn feed_router(&mut self, index: usize, event: Event) {
        let node = Node::Router(index);
        let (now, wall) = (self.now, self.wall(node));
        if !self.host(node).is_up() {
            return;
        }
        self.trace.note(now, &[], format_args!("{node:?} {event:?}"));
        self.oracle.hear(now, &Fact::RouterHears { router: index, event: &event });
        let mut effects = Vec::new();
        let core = self.routers[index].core.as_mut().expect("a router that is up has a core");
        core.handle(now, wall, event, &mut effects);
        let deadline = core.deadline();
        for effect in effects {
            match effect {
                Effect::Send { conn, message } => {
                    if let Outgoing::Client(FromRouter::Placed(placed)) = &message {
                        self.oracle.hear(now, &Fact::Placed { router: index, conn, placed });
                    }
                    self.write(node, Local::Conn(conn), |out| match message {
                        Outgoing::Client(message) => message.append_frame(out),
                        Outgoing::Server(message) => message.append_frame(out),
                    });
                }
                // The map of a world never changes.
                Effect::Know { .. } => {}
                Effect::Close { conn } => {
                    if let Some((key, end)) = self.net.find(node, Local::Conn(conn)) {
                        self.begin_close(key, end, server::core::CloseReason::Local);
                    }
                }
            }
        }
        self.set_timer(node, deadline);
    }
}

/// Where a client connects from.
fn client_address(node: Node) -> IpAddr {
    let last = match node {
        Node::Client(index) => u8::try_from(index).expect("few clients"),
        node => unreachable!("{node:?} does not come in by the clients' door"),
    };
    IpAddr::V4(Ipv4Addr::new(10, 0, 1, last))
}
