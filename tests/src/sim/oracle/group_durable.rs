//! What the home of a group sends to its readers' servers is on its disk, by its seq: no crash
//! takes away what a member elsewhere has seen.

use std::collections::BTreeSet;

use server::core::Outgoing;
use storage::{Batch, Change};
use wire::message::Entry;
use wire::{Instant, LogId, LogKind, Seq, ServerId, ToPeer};

use super::{Fact, Ledger, Property};

/// The entries of groups that are, or were, on a disk.
#[derive(Default)]
pub(super) struct GroupDurable(BTreeSet<(LogId, Seq)>);

impl GroupDurable {
    fn commit(&mut self, batch: &Batch) {
        for change in &batch.changes {
            if let Change::Append { log, entry } = change
                && log.kind == LogKind::Group
            {
                self.0.insert((*log, entry.seq));
            }
        }
    }

    fn check(&self, server: ServerId, log: LogId, entries: &[Entry]) -> Result<(), String> {
        let is_early = |entry: &&Entry| !self.0.contains(&(log, entry.seq));
        match entries.iter().find(is_early) {
            Some(early) if log.kind == LogKind::Group => {
                Err(format!("{server} sends {log} {:?} before it is on disk", early.seq))
            }
            _ => Ok(()),
        }
    }
}

impl Property for GroupDurable {
    fn name(&self) -> &'static str {
        "a group's entries are durable when sent"
    }

    fn hear(&mut self, _now: Instant, fact: &Fact<'_>, _ledger: &Ledger) -> Result<(), String> {
        match fact {
            Fact::Committed { batch, .. } => {
                self.commit(batch);
                Ok(())
            }
            Fact::Said {
                server, message: Outgoing::Peer(ToPeer::PeerDeliver(deliver)), ..
            } => self.check(*server, deliver.log, std::slice::from_ref(&deliver.entry)),
            Fact::Said { server, message: Outgoing::Peer(ToPeer::PeerRange(range)), .. } => {
                self.check(*server, range.log, range.entries.items())
            }
            _ => Ok(()),
        }
    }
}
