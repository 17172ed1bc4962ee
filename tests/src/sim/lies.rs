//! A client that lies: it says that it has more than it was sent. Its seat knows better: it takes
//! that as up to what the client was told of, and nothing else follows from it.
//!
//! It does so when it has kept all that it was sent, and nothing is on the way between the two: of
//! what it was sent it may say what it likes.

use bytes::BytesMut;
use server::core::Event;
use wire::message::Seen;
use wire::{ConnId, Frame, LogHandle, LogId, Seq, ServerId, ToServer};

use super::host::Node;
use super::net::{Conn, End, Local, Stage};
use super::oracle::Fact;
use super::world::World;

/// How often, in thousandths of what people do.
const LIES_PERMILLE: u32 = 50;
/// Longer than the frame of a `Seen`.
const FRAME_LEN_MAX: u32 = 1024;

/// What a client has heard of its mailbox on its connection to a seat.
#[derive(Debug, Default)]
pub struct Hearing {
    /// It was told that it has caught up.
    pub is_live: bool,
    /// The newest entry that it was sent.
    pub newest: Seq,
    /// Up to here it was told that there is nothing more.
    pub caught_up: Seq,
}

fn is_still(conn: &Conn) -> bool {
    [End::Near, End::Far].into_iter().all(|end| {
        let (pipe, side) = (conn.from(end), conn.side(end));
        let is_empty = pipe.queue.is_empty() && pipe.flight.is_empty() && pipe.unread.is_empty();
        is_empty && side.stage == Stage::Open && side.input.is_empty()
    })
}

impl World {
    /// Perhaps the client at `index` lies now.
    pub(super) fn perhaps_lie(&mut self, index: usize) {
        if !self.lies.chance(LIES_PERMILLE) {
            return;
        }
        let (Some((seat, conn)), Some(handle)) = (self.still_seat(index), self.heard_all(index))
        else {
            return;
        };
        let mut bytes = BytesMut::new();
        ToServer::Seen(Seen { handle, upto: Seq::MAX }).append_frame(&mut bytes);
        let frame = Frame::split(&mut bytes, FRAME_LEN_MAX).expect("it was just encoded");
        let frame = frame.expect("and is whole");
        self.note(&[], format_args!("client-{index} lies to {seat}"));
        let client = &self.clients[index];
        let log = LogId::mailbox(self.users[client.user].name);
        let upto = client.hearing.newest.max(client.hearing.caught_up);
        self.fact(&Fact::Lied { client: index, log, upto });
        self.feed_server(seat, Event::Frame { conn, frame });
    }

    /// The seat of a client between which and the client nothing is on the way.
    fn still_seat(&mut self, index: usize) -> Option<(ServerId, ConnId)> {
        for (key, _) in self.net.of(Node::Client(index)) {
            let conn = self.net.get(key)?;
            let far = conn.side(End::Far);
            if let (Node::Server(seat), Some(Local::Conn(local)), true) =
                (far.node, far.local, is_still(conn))
            {
                let host = self.host(Node::Server(seat));
                return (host.is_up() && host.paused.is_none()).then_some((seat, local));
            }
        }
        None
    }

    /// The handle of a client's mailbox, if it keeps everything that it was sent there.
    fn heard_all(&self, index: usize) -> Option<LogHandle> {
        let client = &self.clients[index];
        let log = LogId::mailbox(self.users[client.user].name);
        let kept = self.oracle.ledger.cursors.get(&(index, log)).copied().unwrap_or_default();
        let has_all = client.hearing.is_live && client.hearing.newest <= kept;
        client.handle_of(log).filter(|_| has_all)
    }
}
