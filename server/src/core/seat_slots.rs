//! Slots that move, as the seat sees them: what is lost with a link, and comes back with one, is
//! lost and comes back of these slots alone.

use std::collections::BTreeSet;

use wire::{FaultCode, Slot};

use super::lease::registration;
use super::posting::tell_answers_again;
use super::seat::{Seat, open_again, opened, shut, signed};
use super::session::HandleState;
use super::turn::Turn;

impl Seat {
    /// Nobody serves these slots, or another server than before: what waits for them ends, clients
    /// are told, and for sessions of theirs nothing is done until their home counts them.
    pub(super) fn on_slots_lost(&mut self, slots: &BTreeSet<Slot>, turn: &mut Turn<'_>) {
        for exchange in self.exchanges.take_if(|exchange| slots.contains(&exchange.slot)) {
            self.fail(&exchange, FaultCode::UNAVAILABLE, turn);
        }
        for conn in self.conns() {
            let Some(session) = signed(&mut self.clients, conn) else {
                continue;
            };
            for id in opened(session, |handle| slots.contains(&handle.slot)) {
                shut(session, conn, id, turn);
            }
            if slots.contains(&session.slot) {
                tell_answers_again(session);
                self.fence(conn, turn);
                self.fail_sign_out(conn, turn);
            }
        }
    }

    /// These slots are served: their holder hears of the sessions that sit here, and logs go on.
    pub(super) fn on_slots_up(&mut self, slots: &BTreeSet<Slot>, turn: &mut Turn<'_>) {
        for conn in self.conns() {
            let Some(session) = signed(&mut self.clients, conn) else {
                continue;
            };
            for handle in session.handles.values_mut() {
                if slots.contains(&handle.slot) {
                    handle.home = self.holders.get(handle.slot).server;
                }
            }
            if slots.contains(&session.slot) {
                session.home = self.holders.get(session.slot).server;
                if self.up.contains(&session.home) {
                    turn.tell_server(session.home, registration(session));
                }
            }
            if session.is_fenced {
                continue;
            }
            let up = &self.up;
            let is_down = |state| state == HandleState::Down;
            let meant = opened(session, |handle| {
                slots.contains(&handle.slot) && is_down(handle.state) && up.contains(&handle.home)
            });
            for id in meant {
                open_again(session, conn, id, turn);
            }
        }
    }
}
