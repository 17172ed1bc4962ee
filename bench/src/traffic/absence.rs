//! Users who lose their session and come back to where they were.

use wire::{LogHandle, Seq};

use super::Traffic;

impl Traffic {
    /// A user's connection is gone: what it has posted without an answer will be sent again.
    pub fn on_left(&mut self, user: usize) {
        self.away[user] = true;
        self.inboxes.on_left(user);
        for (lane, _) in self.lanes_of(user).collect::<Vec<_>>() {
            if let Some(writer) = self.writers.get_mut(lane) {
                writer.sender.on_down();
            }
        }
    }

    /// A user that had left is back, with its logs open.
    pub fn on_back(&mut self, user: usize) {
        self.away[user] = false;
        for (_, handle) in self.lanes_of(user).collect::<Vec<_>>() {
            self.on_up(user, handle);
        }
    }

    /// From now on what comes twice is dropped, as clients drop it, and counted apart.
    pub fn disturb(&mut self) {
        self.is_disturbed = true;
    }

    /// Up to where a user has kept a log.
    #[must_use]
    pub fn kept(&self, user: usize, handle: LogHandle) -> Seq {
        self.inboxes.kept(user, handle)
    }

    pub(super) fn on_up(&mut self, user: usize, handle: LogHandle) {
        if let Some(lane) = self.layout.lane(user, handle)
            && lane < self.writers.len()
        {
            self.writers[lane].sender.on_up();
            self.mark_ready(lane);
        }
    }

    fn lanes_of(&self, user: usize) -> impl Iterator<Item = (usize, LogHandle)> + '_ {
        (0..=self.layout.logs(user).len()).filter_map(move |handle| {
            let handle = LogHandle(u32::try_from(handle).ok()?);
            Some((self.layout.lane(user, handle)?, handle))
        })
    }
}
