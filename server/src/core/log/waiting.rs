//! Operations that wait, in order, for a log's or a row's cold state. Bounded.

use std::collections::VecDeque;

use super::arrival::Arrival;
use super::home::Home;
use super::out::LogOut;

/// The queue before something that is being read from the store.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    queue: VecDeque<Arrival>,
    /// How many from the front waited when the store was asked: its answer is true for them.
    asked: usize,
}

impl Waiting {
    /// Lets `arrival` wait, or refuses it for now. What cannot be refused has twice the room.
    pub(super) fn push(&mut self, arrival: Arrival, home: &mut Home, out: &mut LogOut) {
        let factor = if arrival.is_answered() { 1 } else { 2 };
        let cost = arrival.pending_len();
        let has_room = self.queue.len() < factor * home.limits.cold_waiting_max
            && home.waiting < factor * home.limits.waiting_max
            && (cost == 0 || home.has_room(cost));
        if !has_room {
            arrival.refuse_busy(home, out);
            return;
        }
        home.waiting += 1;
        home.pending_len += cost;
        self.queue.push_back(arrival);
    }

    /// The first in the queue.
    pub(super) fn pop(&mut self, home: &mut Home) -> Option<Arrival> {
        let arrival = self.queue.pop_front()?;
        home.waiting -= 1;
        home.pending_len -= arrival.pending_len();
        self.asked = self.asked.saturating_sub(1);
        self.release();
        Some(arrival)
    }

    /// The store is asked now.
    pub(super) fn ask(&mut self) {
        self.asked = self.queue.len();
    }

    /// The first in the queue, if it waited when the store was asked.
    pub(super) fn pop_asked(&mut self, home: &mut Home) -> Option<Arrival> {
        if self.asked == 0 {
            return None;
        }
        self.pop(home)
    }

    /// Drops what `keep` does not keep; nothing is answered.
    pub(super) fn retain(&mut self, home: &mut Home, keep: impl Fn(&Arrival) -> bool) {
        let (mut place, mut asked_dropped) = (0, 0);
        let asked = self.asked;
        self.queue.retain(|arrival| {
            let kept = keep(arrival);
            if !kept {
                home.waiting -= 1;
                home.pending_len -= arrival.pending_len();
                asked_dropped += usize::from(place < asked);
            }
            place += 1;
            kept
        });
        self.asked -= asked_dropped;
        self.release();
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// An empty queue keeps no memory: a log is read once and stays for long.
    fn release(&mut self) {
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
    }

    pub(super) fn pending_len(&self) -> usize {
        self.queue.iter().map(Arrival::pending_len).sum()
    }
}
