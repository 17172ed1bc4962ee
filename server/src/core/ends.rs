//! Who is at the other end of a connection, and what becomes of it.

use wire::frame::Frame;
use wire::{ConnId, FaultCode, RouterToServer, ServerId, ToPeer};

use super::event::{CloseReason, Effect, Side, Target};
use super::load::Told;
use super::parts::Parts;
use super::peers::LinkChange;
use super::turn::Turn;

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Role {
    Client,
    /// A peer; which one, once its link has been up.
    Peer(Option<ServerId>),
    /// A router, by its place in the configuration.
    Router(u16),
}

impl Parts {
    pub(super) fn on_opened(&mut self, conn: ConnId, side: Side, turn: &mut Turn<'_>) {
        turn.metrics.conns_opened += 1;
        match side {
            Side::Client => {
                self.conns.insert(conn, Role::Client);
                self.seat.on_opened(conn, turn);
            }
            Side::PeerIn { certified } => {
                self.conns.insert(conn, Role::Peer(None));
                self.peers.on_arrived(conn, certified, turn);
            }
            Side::PeerOut { server } => {
                self.conns.insert(conn, Role::Peer(None));
                self.peers.on_dialed(conn, server, turn);
            }
            Side::Router { index } => {
                let place = u16::try_from(index).expect("few routers");
                self.conns.insert(conn, Role::Router(place));
                self.routers.on_dialed(conn, index, turn);
            }
        }
    }

    pub(super) fn on_closed(&mut self, conn: ConnId, why: CloseReason, turn: &mut Turn<'_>) {
        let Some(role) = self.conns.remove(conn) else {
            return;
        };
        turn.metrics.conns_closed += 1;
        match why {
            CloseReason::SlowReader => turn.metrics.slow_readers += 1,
            CloseReason::BadStream => turn.metrics.bad_streams += 1,
            CloseReason::Gone | CloseReason::Local => {}
        }
        match role {
            Role::Client => self.seat.on_closed(conn, turn),
            Role::Peer(_) => {
                let change = self.peers.on_closed(conn, turn);
                self.on_link_changes(change, turn);
            }
            Role::Router(index) => self.routers.on_lost(index.into(), turn),
        }
    }

    pub(super) fn on_peer_frame(
        &mut self,
        conn: ConnId,
        server: Option<ServerId>,
        frame: &Frame,
        turn: &mut Turn<'_>,
    ) {
        let message = match ToPeer::decode(frame) {
            Ok(message) => message,
            Err(error) => {
                // What follows would leave a gap: the link is lost now, not when it has closed.
                self.peers.turn_away(conn, error.into(), turn);
                let change = self.peers.on_closed(conn, turn);
                return self.on_link_changes(change, turn);
            }
        };
        if let ToPeer::Fault(fault) = &message
            && fault.code == FaultCode::SUPERSEDED
            && let Some(server) = self.peers.whose(conn)
        {
            return turn.effects.push(Effect::Superseded { by: Target::Peer(server) });
        }
        match server {
            Some(server) if self.peers.up(conn, server, turn.now) => {
                if let ToPeer::PeerStore(shown) = &message {
                    let changes = self.peers.on_store(conn, server, shown.opening, turn);
                    return self.on_link_changes(changes, turn);
                }
                self.on_peer_message(server, message, turn);
            }
            Some(_) => {}
            None => {
                let changes = self.peers.on_greeting(conn, &message, turn);
                for change in &changes {
                    if let LinkChange::Up(server) = change
                        && let Some(role) = self.conns.get_mut(conn)
                    {
                        *role = Role::Peer(Some(*server));
                    }
                }
                self.on_link_changes(changes, turn);
            }
        }
    }

    pub(super) fn on_router_frame(
        &mut self,
        conn: ConnId,
        index: usize,
        frame: &Frame,
        turn: &mut Turn<'_>,
    ) {
        let Ok(message) = RouterToServer::decode(frame) else {
            return turn.close(conn);
        };
        if let RouterToServer::Fault(fault) = &message
            && fault.code == FaultCode::SUPERSEDED
        {
            return turn.effects.push(Effect::Superseded { by: Target::Router(index) });
        }
        match self.routers.on_message(conn, index, message, turn) {
            Some(Told::Directory(servers)) => self.peers.on_directory(&servers, turn),
            Some(Told::FetchMap) => {
                if let Some(copy) = self.maps.copy() {
                    turn.tell_router(conn, copy);
                }
            }
            Some(Told::Map(bytes)) => self.maps.on_copy(None, bytes, turn),
            None => {}
        }
    }

    pub(super) fn on_link_changes(
        &mut self,
        changes: impl IntoIterator<Item = LinkChange>,
        turn: &mut Turn<'_>,
    ) {
        for change in changes {
            match change {
                // The seat goes on when the other side has said the same.
                LinkChange::Up(server) => {
                    turn.tell_server(server, self.whole_claims());
                    self.maps.on_link_up(server, turn);
                }
                LinkChange::Lost(server, heard) => {
                    self.logs.on_link_lost(server);
                    self.accounts.on_link_lost(server, heard, turn);
                    self.group_passwords.on_link_lost(server);
                    self.seat.on_link_lost(server, turn);
                    self.maps.on_link_lost(server, turn);
                    self.on_slots_link_lost(server, turn);
                }
            }
        }
    }
}
