//! The hourly look for blobs whose time is over: pages of records, and of each account that has
//! such a blob the records are read like for an upload, which deletes them.

use std::collections::VecDeque;

use storage::{BlobRecord, Read};
use wire::limits::{BLOB_SWEEP_INTERVAL, BLOB_SWEEP_PAGE};
use wire::{BlobId, Name};

use super::super::timer::Timer;
use super::super::turn::{ReadKey, Turn};
use super::Blobs;
use super::uploader::is_over;

/// How far the sweep is.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// Accounts of the last page that have something to delete.
    due: VecDeque<Name>,
    /// The one among them whose records are being read.
    waiting_for: Option<Name>,
    /// The last blob of the last page; `None` when it was the last of all.
    after: Option<(Name, BlobId)>,
}

impl Sweep {
    pub(super) fn is_waiting_for(&self, account: &Name) -> bool {
        self.waiting_for.as_ref() == Some(account)
    }
}

impl Blobs {
    /// Begins to look through all blobs; when that is done, a timer is armed for the next time.
    pub(in super::super) fn begin_sweep(&mut self, turn: &mut Turn<'_>) {
        self.sweep.after = None;
        self.read_page(turn);
    }

    /// A page was read.
    pub(in super::super) fn on_page(
        &mut self,
        page: &[(Name, BlobId, BlobRecord)],
        turn: &mut Turn<'_>,
    ) {
        let is_last = page.len() < BLOB_SWEEP_PAGE;
        let last = page.last().map(|(uploader, blob, _)| (*uploader, *blob));
        self.sweep.after = last.filter(|_| !is_last);
        for (uploader, _, record) in page {
            let is_due = is_over(record, turn.wall) && self.slots.is_here(uploader);
            if is_due && self.sweep.due.back() != Some(uploader) {
                self.sweep.due.push_back(*uploader);
            }
        }
        self.step_sweep(turn);
    }

    /// Goes on with the next account, or the next page.
    pub(super) fn step_sweep(&mut self, turn: &mut Turn<'_>) {
        self.sweep.waiting_for = None;
        while let Some(account) = self.sweep.due.pop_front() {
            if !self.slots.is_here(&account) {
                continue;
            }
            if !self.uploaders.contains(&account) {
                self.sweep.waiting_for = Some(account);
                self.load(account, turn);
                return;
            }
            self.expire(&account, turn);
            self.uploaders.rest(&account);
        }
        if self.sweep.after.is_some() {
            return self.read_page(turn);
        }
        turn.timers.arm(turn.now + BLOB_SWEEP_INTERVAL, Timer::BlobSweep);
    }

    fn read_page(&self, turn: &mut Turn<'_>) {
        let (after, max) = (self.sweep.after, BLOB_SWEEP_PAGE);
        turn.read(ReadKey::BlobPage, Read::BlobsAfter { after, max });
    }
}
