//! The look through all rows for grants that nobody needs: of message sessions that never had a
//! post, and of installations that are gone. What a crash left is found like anything else, as each
//! grant on disk is known to a row. Rows come in pages; those that may have such grants are read
//! into memory, where their logs know better.

use std::time::Duration;

use storage::{Read, RowRecord};
use wire::limits::{GRANTS_SWEEP_INTERVAL, GRANTS_SWEEP_PAGE, GRANTS_SWEEP_PAUSE};
use wire::{LogId, Name, Origin, Wall};

use super::Logs;
use super::arrival::Arrival;
use super::home::Pending;
use super::message_session::may_expire;
use super::out::LogOut;

/// Which row, of all.
type Place = (LogId, Name, Origin);

/// How far the sweep is.
#[derive(Debug, Default)]
pub(super) enum Sweep {
    /// The next page begins behind this row; `None` = at the first of all.
    Behind(Option<Place>),
    /// A page is being read.
    Reading,
    /// The last page was read.
    #[default]
    Done,
}

impl Logs {
    /// Looks at the next page of rows, if the one before is done with; gives the time until it is
    /// to be called again.
    pub fn sweep(&mut self, now: Wall, out: &mut LogOut) -> Duration {
        self.home.now = now;
        let Sweep::Behind(after) = self.sweep else {
            return self.rest_sweep();
        };
        if self.home.can_read() {
            self.sweep = Sweep::Reading;
            self.home.read(Pending::Rows, Read::RowsAfter { after, max: GRANTS_SWEEP_PAGE }, out);
        }
        GRANTS_SWEEP_PAUSE
    }

    /// A page was read.
    pub(super) fn on_rows(&mut self, page: &[(LogId, Name, Origin, RowRecord)], out: &mut LogOut) {
        let last = page.last().map(|(log, sender, origin, _)| (*log, *sender, *origin));
        let is_last = page.len() < GRANTS_SWEEP_PAGE;
        self.sweep = if is_last { Sweep::Done } else { Sweep::Behind(last) };
        let (me, now) = (self.home.me(), self.home.now);
        for (log, sender, origin, row) in page {
            if may_expire(&row.sessions, now) {
                let (log, sender, origin) = (*log, *sender, *origin);
                self.arrive(Arrival::Sweep { me, log, sender, origin }, out);
            }
        }
    }

    fn rest_sweep(&mut self) -> Duration {
        if matches!(self.sweep, Sweep::Reading) {
            return GRANTS_SWEEP_PAUSE;
        }
        self.sweep = Sweep::Behind(None);
        GRANTS_SWEEP_INTERVAL
    }
}
