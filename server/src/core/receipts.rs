//! Read receipts at the seat: a client says what of its mailbox its user was shown, and those who
//! posted that hear of it.
//!
//! Signals: each is passed on at once or dropped. Nothing waits for one, and nothing is kept of it.

use wire::message::{PeerReceipt, PeerShown, Receipt, Shown};
use wire::{ConnId, FaultCode, Kind, LogKind, ServerId};

use super::seat::{Seat, signed};
use super::session::HandleState;
use super::turn::Turn;

impl Seat {
    /// A client's user was shown entries of its mailbox.
    pub(super) fn on_shown(&mut self, conn: ConnId, shown: &Shown, turn: &mut Turn<'_>) {
        let Some(session) = signed(&mut self.clients, conn) else {
            return;
        };
        let (account, epoch) = (session.account, session.epoch);
        let Some(handle) = session.handles.get_mut(shown.handle) else {
            return turn.fault(conn, FaultCode::BAD_HANDLE, Kind::SHOWN, shown.handle.0);
        };
        let is_mailbox = handle.log(session.account).kind == LogKind::Mailbox;
        let Some(reading) = handle.reading.as_mut().filter(|_| is_mailbox) else {
            return turn.fault(conn, FaultCode::NOT_A_READER, Kind::SHOWN, shown.handle.0);
        };
        if handle.state == HandleState::Open
            && let Some(upto) = reading.showed(shown.upto)
        {
            turn.tell_server(
                handle.home,
                PeerShown { log: handle.log(account), account, epoch, upto },
            );
        }
    }

    /// A home says what of a session's posts the reader was shown. A client that does not keep up
    /// is not told.
    pub(super) fn on_receipt(&mut self, from: ServerId, receipt: &PeerReceipt, turn: &mut Turn) {
        let Some(conn) = self.conn_of(&receipt.sender) else {
            return;
        };
        let Some(session) = signed(&mut self.clients, conn) else {
            return;
        };
        if session.origin != receipt.origin || session.high {
            return;
        }
        let Some((id, handle)) = session.handle_of(&receipt.log) else {
            return;
        };
        if handle.home != from {
            return self.confused_about(&receipt.log, from, turn);
        }
        if handle.state == HandleState::Open {
            turn.tell_client(conn, Receipt { handle: id, upto: receipt.upto });
        }
    }
}
