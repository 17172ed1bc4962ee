//! A group's entries expire after a time, or when there are too many, whoever has not received
//! them: its members are told how many they missed.

use wire::{Seq, Wall};

use super::Logs;
use super::home::Home;
use super::state::Log;

impl Logs {
    /// Time has passed: lets entries of groups in memory expire. Those of others do when their
    /// group is next used.
    pub fn expire(&mut self, now: Wall) {
        self.home.now = now;
        let keys: Vec<usize> = self.logs.keys().collect();
        for key in keys {
            // A mailbox that sleeps holds no entries.
            if let Some(log) = self.logs.awake_mut(key) {
                if log.is_ready() {
                    log.expire(&mut self.home);
                }
                self.rest(key);
            }
        }
    }
}

impl Log {
    /// Lets go of what is too old or too much. Only what is durable expires, so that no member is
    /// told that it missed what it is sent.
    pub(super) fn expire(&mut self, home: &mut Home) {
        if self.group.is_none() {
            return;
        }
        let upto = self.usage.expired(home.now, &home.limits).min(self.durable);
        let before = self.floor();
        if upto <= before {
            return;
        }
        let usage = &self.usage;
        home.metrics.expired += usage.count(before, upto);
        self.members.force(upto, |after, upto| usage.count(after, upto));
        self.usage.truncate(upto);
        self.mark_dirty(home);
        self.trim(home);
    }

    /// Members changed, or their cursors: what nobody needs any more goes with the next batch.
    pub(super) fn settle_floor(&mut self, home: &mut Home) {
        let floor = self.floor();
        if floor > self.truncated {
            self.usage.truncate(floor);
            self.mark_dirty(home);
        }
    }

    /// Everything up to this was received by every member. Nobody needs anything of a group that
    /// its last member has left.
    pub(super) fn floor(&self) -> Seq {
        match (self.members.lowest_cursor(), &self.group) {
            (Some(lowest), _) => lowest,
            (None, Some(group)) if group.roster().is_closed() && !group.is_settling() => self.head,
            (None, _) => self.truncated,
        }
    }
}
