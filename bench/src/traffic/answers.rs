//! What homes answer to posts: accepted, or refused and why.

use wire::Instant;
use wire::message::{Accepted, Refused};

use super::{GREETING, HOLD_TIME, Traffic, Writer, intended_of};
use crate::sender::{Consequence, Misanswer};

impl Traffic {
    pub(super) fn on_accepted(
        &mut self,
        now: Instant,
        lane: usize,
        accepted: &Accepted,
    ) -> Result<(), Misanswer> {
        if let Some(sealing) = &mut self.sealing {
            sealing.settle(lane, accepted.upto.value());
        }
        let is_silent = self.silent.has_lane(lane);
        let readers = u64::try_from(self.layout.readers(lane)).expect("usize fits u64");
        let Writer { accepted: known, sender, intended, .. } = &mut self.writers[lane];
        let (record, greetings) = (&mut self.record, &mut self.greetings);
        sender.on_accepted(accepted.upto, |number| {
            known.insert(number);
            if number == GREETING {
                *greetings -= 1;
                return;
            }
            record.counts_mut(is_silent).add_accepted(accepted.class, readers);
            if let Some(at) = intended_of(intended, number) {
                record.accepted.add(now.since(at));
            }
        })?;
        self.progress = now;
        self.mark_ready(lane);
        Ok(())
    }

    pub(super) fn on_refused(
        &mut self,
        now: Instant,
        lane: usize,
        refused: &Refused,
    ) -> Result<(), Misanswer> {
        let sender = &mut self.writers[lane].sender;
        match sender.on_refused(refused.number, refused.refusal)? {
            Consequence::Spent(code) => {
                *self.counts(lane).rejected.entry(code).or_default() += 1;
                self.progress = now;
                self.mark_ready(lane);
            }
            Consequence::Hold => {
                self.counts(lane).held += 1;
                self.holds.insert((now + HOLD_TIME, lane));
            }
            Consequence::Nothing => {}
        }
        Ok(())
    }
}
