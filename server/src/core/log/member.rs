//! Who may read a log: each account with its cursor, and its attached session if it has one.

use std::collections::BTreeMap;

use storage::{Batch, Change, CursorRecord};
use wire::{LogId, Name, Seq, ServerId, SessionEpoch};

/// The accounts that read a log. A mailbox has one, its owner.
#[derive(Debug, Default)]
pub(super) struct Members {
    by_account: BTreeMap<Name, Member>,
    /// Servers with attached readers, and how many.
    servers: Vec<(ServerId, usize)>,
}

#[derive(Debug, Default)]
struct Member {
    cursor: Seq,
    /// The cursor that a batch held last.
    written: Seq,
    /// Entries that expired before the account received them, since it last was told.
    missed: u64,
    /// Sessions with an epoch below this change nothing any more.
    floor: SessionEpoch,
    reader: Option<Reader>,
}

/// The session of a member that is attached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader {
    pub(super) server: ServerId,
    pub(super) epoch: SessionEpoch,
    /// Which of all attachments this is.
    pub(super) attachment: u64,
    /// A range read for it is in flight.
    pub(super) is_reading: bool,
}

/// Why an attach changed nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum NotAttached {
    /// The account is no member.
    NotAMember,
    /// A newer session of it is known.
    Stale,
}

impl Members {
    /// The owner of a mailbox.
    pub(super) fn owner(account: Name) -> Self {
        let by_account = BTreeMap::from([(account, Member::default())]);
        Self { by_account, servers: Vec::new() }
    }

    /// Takes the stored cursors in.
    pub(super) fn load(&mut self, cursors: &[(Name, CursorRecord)]) {
        for (account, CursorRecord { cursor, missed }) in cursors {
            if let Some(member) = self.by_account.get_mut(account) {
                (member.cursor, member.written) = (*cursor, *cursor);
                member.missed = *missed;
            }
        }
    }

    /// Attaches a session, instead of an older one of the account.
    pub(super) fn attach(&mut self, account: &Name, reader: Reader) -> Result<(), NotAttached> {
        let member = self.by_account.get_mut(account).ok_or(NotAttached::NotAMember)?;
        if reader.epoch < member.floor {
            return Err(NotAttached::Stale);
        }
        member.floor = reader.epoch;
        if let Some(old) = member.reader.replace(reader) {
            leave(&mut self.servers, old.server);
        }
        match self.servers.iter_mut().find(|(server, _)| *server == reader.server) {
            Some((_, count)) => *count += 1,
            None => self.servers.push((reader.server, 1)),
        }
        Ok(())
    }

    /// The attached session, if it is this one.
    pub(super) fn reader(
        &mut self,
        account: &Name,
        from: ServerId,
        epoch: SessionEpoch,
    ) -> Option<&mut Reader> {
        let reader = self.by_account.get_mut(account)?.reader.as_mut()?;
        (reader.server == from && reader.epoch == epoch).then_some(reader)
    }

    /// The attached session, if it is that of this attachment.
    pub(super) fn attached(&mut self, account: &Name, attachment: u64) -> Option<&mut Reader> {
        let reader = self.by_account.get_mut(account)?.reader.as_mut()?;
        (reader.attachment == attachment).then_some(reader)
    }

    /// Detaches the account's session if `gone` says so of it.
    pub(super) fn detach(&mut self, account: &Name, gone: impl Fn(&Reader) -> bool) {
        let Some(member) = self.by_account.get_mut(account) else {
            return;
        };
        if let Some(reader) = member.reader.take_if(|reader| gone(reader)) {
            leave(&mut self.servers, reader.server);
        }
    }

    /// Sessions of the account below an epoch change nothing from now on.
    pub(super) fn raise_floor(&mut self, account: &Name, floor: SessionEpoch) {
        let Some(member) = self.by_account.get_mut(account) else {
            return;
        };
        member.floor = member.floor.max(floor);
        self.detach(account, |reader| reader.epoch < floor);
    }

    /// Detaches every session on `server`.
    pub(super) fn forget_server(&mut self, server: ServerId) {
        for member in self.by_account.values_mut() {
            member.reader = member.reader.filter(|reader| reader.server != server);
        }
        self.servers.retain(|(other, _)| *other != server);
    }

    /// Moves a cursor forward; whether it moved.
    pub(super) fn advance(&mut self, account: &Name, upto: Seq) -> bool {
        let member = self.by_account.get_mut(account).expect("readers are members");
        let moved = member.cursor < upto;
        member.cursor = member.cursor.max(upto);
        moved
    }

    /// Everything up to this was received by every member.
    pub(super) fn lowest_cursor(&self) -> Seq {
        self.by_account.values().map(|member| member.cursor).min().unwrap_or_default()
    }

    /// The highest cursor of all.
    pub(super) fn highest_cursor(&self) -> Seq {
        self.by_account.values().map(|member| member.cursor).max().unwrap_or_default()
    }

    /// Puts moved cursors into a batch that holds the log's entries up to `composed`.
    pub(super) fn compose(&mut self, log: LogId, composed: Seq, batch: &mut Batch) {
        for (reader, member) in &mut self.by_account {
            let cursor = member.cursor.min(composed);
            if cursor > member.written {
                member.written = cursor;
                let cursor = CursorRecord { cursor, missed: member.missed };
                batch.changes.push(Change::PutCursor { log, reader: *reader, cursor });
            }
        }
    }

    /// Whether every cursor is in a batch.
    pub(super) fn is_written(&self) -> bool {
        self.by_account.values().all(|member| member.cursor == member.written)
    }

    /// Servers with attached readers.
    pub(super) fn servers(&self) -> &[(ServerId, usize)] {
        &self.servers
    }

    /// Attached readers.
    pub(super) fn readers(&self) -> usize {
        self.servers.iter().map(|(_, count)| count).sum()
    }

    pub(super) fn is_coherent(&self) -> bool {
        let readers = self.by_account.values().filter(|member| member.reader.is_some()).count();
        readers == self.readers()
            && self.servers.iter().all(|(_, count)| *count > 0)
            && self.by_account.values().all(|member| member.written <= member.cursor)
    }
}

fn leave(servers: &mut Vec<(ServerId, usize)>, server: ServerId) {
    let at = servers.iter().position(|(other, _)| *other == server);
    let at = at.expect("attach counted it");
    servers[at].1 -= 1;
    if servers[at].1 == 0 {
        servers.swap_remove(at);
    }
}
