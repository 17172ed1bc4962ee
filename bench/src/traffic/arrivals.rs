//! What readers receive: whose post each entry is, and whether it came once and in order.

use wire::message::Deliver;
use wire::{Instant, Kind, Name, Number};

use super::{GREETING, Traffic, TrafficError, intended_of};
use crate::body::Identity;
use crate::layout::Target;
use crate::load::Effect;

impl Traffic {
    pub(super) fn on_deliver(
        &mut self,
        now: Instant,
        user: usize,
        deliver: &Deliver,
        out: &mut Vec<Effect>,
    ) -> Result<(), TrafficError> {
        let Deliver { handle, entry } = deliver;
        let Some(log) = self.layout.read_log(user, *handle) else {
            return Err(TrafficError::OutOfTurn(Kind::DELIVER));
        };
        self.progress = now;
        self.away[user] = false;
        let place = (user, *handle, entry.seq);
        if entry.number == Number::NONE && log == Target::Group {
            // What members said about the roster.
            self.inboxes.on_entry(now, place, None);
            return Ok(());
        }
        if self.is_sealed {
            self.on_sealed(now, place, entry, out);
            return Ok(());
        }
        let number = entry.number.value();
        let identity = self.bodies_of(user).identify(entry.body.bytes());
        let lane =
            identity.and_then(|identity| self.lane_into(log, identity, number, entry.sender));
        let rises = self.inboxes.on_entry(now, place, identity);
        let Some(lane) = lane else {
            self.record.counts_mut(self.silent.has(user)).damaged += 1;
            return Ok(());
        };
        self.on_entry(now, (user, lane), number, rises);
        self.fetch(now, lane, number, out);
        Ok(())
    }

    /// The lane that leads to `log` and whose writer's post an entry is.
    fn lane_into(&self, log: Target, is: Identity, number: u64, sender: Name) -> Option<usize> {
        let index = usize::try_from(is.lane).ok()?;
        let lane = self.layout.lanes().get(index)?;
        let fits = lane.target == log && self.names[lane.writer] == sender;
        (fits && is.number == number && number > 0).then_some(index)
    }

    pub(super) fn on_entry(
        &mut self,
        now: Instant,
        (user, lane): (usize, usize),
        number: u64,
        rises: bool,
    ) {
        let reader = match self.layout.lanes()[lane].target {
            Target::Mailbox(_) => 0,
            Target::Group => user,
        };
        let received = &mut self.receipts[self.writers[lane].first_receipt + reader];
        let is_above = number > received.highest();
        let is_disturbed = self.is_disturbed;
        if !received.insert(number) {
            let counts = self.counts(lane);
            let count = if is_disturbed { &mut counts.repeated } else { &mut counts.doubled };
            *count += 1;
            return;
        }
        if !(rises && is_above) {
            self.counts(lane).disordered += 1;
        }
        self.on_new(now, lane, number);
    }

    fn on_new(&mut self, now: Instant, lane: usize, number: u64) {
        if number == GREETING {
            self.greetings -= 1;
            return;
        }
        self.counts(lane).delivered += 1;
        if self.silent.has_lane(lane) {
            return;
        }
        self.record.ended = now;
        if let Some(at) = intended_of(&self.writers[lane].intended, number) {
            let is_beside = !self.silent.users().is_empty() && at >= self.record.hushed;
            let record = &mut self.record;
            let latencies = if is_beside { &mut record.beside } else { &mut record.delivered };
            latencies.add(now.since(at));
        }
    }
}
