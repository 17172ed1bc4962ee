//! Processes that are paused: what comes for them waits.

use std::collections::VecDeque;

use wire::ServerId;

use super::{Arrival, End, World};

impl World {
    /// The process does nothing until it is woken.
    pub(crate) fn pause(&mut self, server: u16) {
        self.node(ServerId(server)).held = Some(VecDeque::new());
    }

    /// It goes on, with what came first.
    pub(crate) fn wake(&mut self, server: u16) {
        let held = self.node(ServerId(server)).held.take();
        self.arrivals.extend(held.into_iter().flatten());
        self.pump();
        self.advance(std::time::Duration::ZERO);
    }

    pub(super) fn is_away(&self, id: ServerId) -> bool {
        self.nodes[&id].held.is_some()
    }

    /// What is for a paused process waits there.
    pub(super) fn hold(&mut self, arrival: Arrival) -> Option<Arrival> {
        let (Arrival::Frame(end, _) | Arrival::Closed(end)) = &arrival;
        if let End::Server(id, _) = *end
            && let Some(held) = &mut self.node(id).held
        {
            held.push_back(arrival);
            return None;
        }
        Some(arrival)
    }
}
