//! What every part of the core needs while one event is handled: the time, and places to put what
//! should happen.

use std::collections::VecDeque;

use storage::Read;
use wire::message::Fault;
use wire::{
    ConnId, FaultCode, Instant, Kind, Name, ServerId, ServerToRouter, SessionEpoch, ToClient,
    ToPeer, Wall,
};

use super::asker::SessionAsker;
use super::blobs::Fetch;
use super::bundles::Asker;
use super::event::{Alarm, Effect, Outgoing};
use super::log::LogRead;
use super::metrics::Metrics;
use super::slots::SlotRead;
use super::timer::Timers;

/// Who waits for a read of the storage.
#[derive(Clone, Copy, Debug)]
pub(super) enum ReadKey {
    /// The logs.
    Log(LogRead),
    /// The slots that move.
    Slot(SlotRead),
    /// The accounts: this account with its session.
    Account(Name),
    /// The accounts: a part of this account's key log, for a sign-in.
    NewestBundle(Name),
    /// A seat, for a client that asked for a key log.
    Bundles(Asker),
    /// The blobs: this account's records.
    Blobs(Name),
    /// The blobs: a page of all records.
    BlobPage,
    /// The blobs: the record of the blob that is fetched from.
    Blob(Fetch),
    /// The blobs: the chunk that is fetched.
    Chunk(Fetch),
    /// The notes: this account's, for a change.
    Notes(Name),
    /// The notes: for a session that asked for them.
    Groups(SessionAsker),
}

/// One event's handling.
pub(super) struct Turn<'a> {
    pub(super) now: Instant,
    pub(super) wall: Wall,
    pub(super) effects: &'a mut Vec<Effect>,
    /// Messages to servers, this one included, not yet given to their link.
    pub(super) peers: &'a mut VecDeque<(ServerId, ToPeer)>,
    /// Accounts whose sessions below an epoch have ended: their readers end too.
    pub(super) outdated: &'a mut Vec<(Name, SessionEpoch)>,
    pub(super) reads: &'a mut Vec<(ReadKey, Read)>,
    pub(super) timers: &'a mut Timers,
    pub(super) metrics: &'a mut Metrics,
}

impl Turn<'_> {
    pub(super) fn tell_client(&mut self, conn: ConnId, message: impl Into<ToClient>) {
        let message = Outgoing::Client(message.into());
        self.effects.push(Effect::Send { conn, message });
    }

    pub(super) fn tell_router(&mut self, conn: ConnId, message: impl Into<ServerToRouter>) {
        let message = Outgoing::Router(message.into());
        self.effects.push(Effect::Send { conn, message });
    }

    /// To the other side of a peer connection, whatever its state.
    pub(super) fn tell_link(&mut self, conn: ConnId, message: impl Into<ToPeer>) {
        let message = Outgoing::Peer(message.into());
        self.effects.push(Effect::Send { conn, message });
    }

    /// To a server, this one included; lost when there is no link.
    pub(super) fn tell_server(&mut self, server: ServerId, message: impl Into<ToPeer>) {
        self.peers.push_back((server, message.into()));
    }

    pub(super) fn fault(&mut self, conn: ConnId, code: FaultCode, kind: Kind, reference: u32) {
        self.metrics.faults += 1;
        self.tell_client(conn, Fault::about(code, kind, reference));
    }

    pub(super) fn close(&mut self, conn: ConnId) {
        self.effects.push(Effect::Close { conn });
    }

    pub(super) fn read(&mut self, key: ReadKey, read: Read) {
        self.reads.push((key, read));
    }

    pub(super) fn alarm(&mut self, alarm: Alarm) {
        self.metrics.alarms += 1;
        self.effects.push(Effect::Alarm(alarm));
    }
}
