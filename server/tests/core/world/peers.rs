//! Somebody on a server's peer port who is no server of the world.

use std::collections::VecDeque;

use bytes::BytesMut;
use server::core::{Event, Side, Target};
use wire::message::{Hello, PeerStore};
use wire::{Opening, ProcessId, ServerId, StoreId, ToPeer};

use super::{End, World};

/// What a process of `server` shows that has opened the store this often.
pub(crate) fn opening(server: u16, epoch: u32) -> Opening {
    let mut store = [0; 16];
    store[0] = u8::try_from(server).expect("few servers");
    Opening { store: StoreId(store), epoch, process: ProcessId([0xee; 16]) }
}

impl World {
    /// Someone on a server's peer port, with a certificate for `certified`.
    pub(crate) fn connect_peer(&mut self, server: u16, certified: Option<u16>) -> usize {
        let client = self.inboxes.len();
        self.inboxes.push(VecDeque::new());
        let id = ServerId(server);
        let conn = self.node(id).slot();
        self.join(End::Client(client), End::Server(id, conn));
        let side = Side::PeerIn { certified: certified.map(ServerId) };
        self.feed(id, Event::Opened { conn, side });
        client
    }

    /// Who has said that a server is superseded.
    pub(crate) fn superseded(&self, server: u16) -> &[Target] {
        &self.nodes[&ServerId(server)].superseded
    }

    /// Connects to `server` with the certificate of `certified`, and says hello as that.
    pub(crate) fn call(&mut self, server: u16, certified: u16) -> usize {
        let peer = self.connect_peer(server, Some(certified));
        self.tell(peer, Hello::server(ServerId(certified)));
        peer
    }

    /// The same, and shows a later opening of its store than anybody else.
    pub(crate) fn impersonate(&mut self, server: u16, certified: u16) -> usize {
        let peer = self.call(server, certified);
        self.tell(peer, PeerStore { opening: opening(certified, 1_000) });
        peer
    }

    /// One message of a peer; it has not arrived before the next `pump`.
    pub(crate) fn tell(&mut self, peer: usize, message: impl Into<ToPeer>) {
        let mut bytes = BytesMut::new();
        message.into().append_frame(&mut bytes);
        self.send(peer, &bytes);
    }

    /// What a peer has heard since the last call, and whether its connection has ended.
    pub(crate) fn heard_by(&mut self, peer: usize) -> (Vec<ToPeer>, bool) {
        self.pump();
        let frames: Vec<_> = self.inboxes[peer].drain(..).collect();
        let is_closed = frames.last().is_some_and(Option::is_none);
        let decode = |frame| ToPeer::decode(&frame).expect("servers speak well");
        (frames.into_iter().flatten().map(decode).collect(), is_closed)
    }
}
