//! Read receipts at the home of a mailbox: what its owner was shown is told to those who posted it.
//!
//! A signal: nothing is stored of it, no entry stays or goes for it, and what is not in memory, or
//! cannot be reached, is not told. A poster hears of its own entries only, by the seq of the newest
//! that was shown: where others' stand says nothing to it. A stranger, whom the owner has not
//! answered, hears nothing.

use wire::ServerId;
use wire::message::{PeerReceipt, PeerShown};

use super::out::LogOut;
use super::state::Log;

impl Log {
    /// The owner was shown everything up to a seq. Other sessions than the attached one say
    /// nothing, and what it does not hold was not shown to it.
    pub(super) fn shown(&mut self, from: ServerId, shown: &PeerShown, out: &mut LogOut) {
        let is_reader = self.members.reader(&shown.account, from, shown.epoch).is_some();
        if !self.is_mailbox() || !is_reader {
            return;
        }
        let (log, upto, answered) = (self.id, shown.upto.min(self.floor()), &self.answered);
        self.rows.tell_shown(upto, |server, (sender, origin), upto| {
            if sender == log.name || answered.has(&sender) {
                out.send(server, PeerReceipt { log, sender, origin, upto });
            }
        });
    }
}
