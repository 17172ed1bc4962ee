//! That a reader was shown what was sent from here.

use wire::{LogId, LogKind, Seq};

use super::Menu;
use crate::store::{PostRecord, PostState};
use crate::ui::dialogue::shown;

impl Menu {
    /// The post was accepted: a receipt may follow.
    pub(super) fn await_receipt(&mut self, post: &PostRecord) {
        if let (LogKind::Mailbox, PostState::Accepted { seq: Some(seq), .. }) =
            (post.log.kind, &post.state)
        {
            let newest = self.unread.entry(post.log).or_insert(*seq);
            *newest = (*newest).max(*seq);
        }
    }

    /// Tells it when everything that was sent there was read.
    pub(super) fn tell_receipt(&mut self, log: LogId, upto: Seq) {
        if self.unread.get(&log).is_some_and(|newest| *newest <= upto) {
            self.unread.remove(&log);
            let text = format!("read: your messages to {}", shown(&log));
            self.printer.print(&self.style.dim(&text));
        }
    }
}
