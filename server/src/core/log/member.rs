//! Who may read a log: each account with its cursor, and its attached session if it has one.

use std::collections::BTreeMap;

use storage::{Batch, Change, CursorRecord};
use wire::{LogId, Name, Seq, ServerId, SessionEpoch};

/// The accounts that read a log. A mailbox has one, its owner; a group has its members.
#[derive(Debug, Default)]
pub(super) struct Members {
    by_account: BTreeMap<Name, Member>,
    /// Servers with attached readers, and how many.
    servers: Vec<(ServerId, usize)>,
    /// Members whose record differs from what a batch held last.
    changed: Vec<Name>,
    /// The lowest cursor of all, and how many are there.
    lowest: (Seq, usize),
}

#[derive(Debug, Default)]
struct Member {
    cursor: Seq,
    /// Entries that expired before this account received them, and that it has not acknowledged.
    missed: u64,
    /// How many of them the attached session was told of, and up to where it was sent everything.
    told: Option<(u64, Seq)>,
    /// The record that a batch held last.
    written: CursorRecord,
    is_changed: bool,
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
    /// These accounts, with nothing received.
    pub(super) fn of(accounts: impl IntoIterator<Item = Name>) -> Self {
        let accounts = accounts.into_iter().map(|account| (account, Member::default()));
        let by_account: BTreeMap<Name, Member> = accounts.collect();
        let lowest = (Seq(0), by_account.len());
        Self { by_account, lowest, ..Self::default() }
    }

    /// Takes the stored cursors in. Those of former members stay where they are.
    pub(super) fn load(&mut self, cursors: &[(Name, CursorRecord)]) {
        for (account, record) in cursors {
            if let Some(member) = self.by_account.get_mut(account) {
                (member.cursor, member.missed) = (record.cursor, record.missed);
                member.written = *record;
            }
        }
        self.find_lowest();
    }

    /// A new member, whose cursor is in a batch.
    pub(super) fn insert(&mut self, account: Name, cursor: Seq) {
        let written = CursorRecord { cursor, missed: 0 };
        let member = Member { cursor, written, ..Member::default() };
        let former = self.by_account.insert(account, member);
        assert!(former.is_none(), "a member does not join");
        self.find_lowest();
    }

    /// The account is a member no more; gives its attached session.
    pub(super) fn remove(&mut self, account: &Name) -> Option<Reader> {
        let member = self.by_account.remove(account)?;
        self.changed.retain(|changed| changed != account);
        self.find_lowest();
        if let Some(reader) = &member.reader {
            leave(&mut self.servers, reader.server);
        }
        member.reader
    }

    pub(super) fn contains(&self, account: &Name) -> bool {
        self.by_account.contains_key(account)
    }

    /// What the account has received; what is at or below it is no longer sent.
    pub(super) fn cursor(&self, account: &Name) -> Seq {
        self.by_account.get(account).map(|member| member.cursor).unwrap_or_default()
    }

    /// Attaches a session, instead of an older one of the account.
    pub(super) fn attach(&mut self, account: &Name, reader: Reader) -> Result<(), NotAttached> {
        let member = self.by_account.get_mut(account).ok_or(NotAttached::NotAMember)?;
        if reader.epoch < member.floor {
            return Err(NotAttached::Stale);
        }
        member.floor = reader.epoch;
        member.told = None;
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

    /// A newer session of the account than that with this epoch is known.
    pub(super) fn is_stale(&self, account: &Name, epoch: SessionEpoch) -> bool {
        self.by_account.get(account).is_some_and(|member| epoch < member.floor)
    }

    /// Detaches every session on `server`.
    pub(super) fn forget_server(&mut self, server: ServerId) {
        for member in self.by_account.values_mut() {
            member.reader = member.reader.filter(|reader| reader.server != server);
        }
        self.servers.retain(|(other, _)| *other != server);
    }

    /// The account holds everything up to `upto`; whether that is news.
    pub(super) fn advance(&mut self, account: &Name, upto: Seq) -> bool {
        let member = self.by_account.get_mut(account).expect("readers are members");
        let before = member.cursor;
        let told = member.told.take_if(|(_, sent)| *sent <= upto);
        member.missed -= told.map_or(0, |(count, _)| count);
        member.cursor = before.max(upto);
        let moved = before < upto;
        if moved || told.is_some_and(|(count, _)| count > 0) {
            self.note_change(account);
        }
        if moved {
            self.leave_lowest(before);
        }
        moved || told.is_some()
    }

    /// Moves every cursor below `upto` there: the entries between are gone. `missed` counts those
    /// above a cursor.
    pub(super) fn force(&mut self, upto: Seq, missed: impl Fn(Seq) -> u64) {
        for (account, member) in &mut self.by_account {
            if member.cursor < upto {
                member.missed += missed(member.cursor);
                member.cursor = upto;
                if !std::mem::replace(&mut member.is_changed, true) {
                    self.changed.push(*account);
                }
            }
        }
        self.find_lowest();
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.by_account.len()
    }

    /// How many entries expired that the attached session of `account` was not told of. When it is
    /// sent everything up to `caught_up`, it is told with that.
    pub(super) fn tell_expired(&mut self, account: &Name, caught_up: Option<Seq>) -> u64 {
        let Some(member) = self.by_account.get_mut(account) else {
            return 0;
        };
        let told = member.told.map_or(0, |(count, _)| count);
        if let Some(upto) = caught_up
            && member.missed > told
        {
            member.told = Some((member.missed, upto));
        }
        member.missed - told
    }

    /// Everything up to this was received by every member; nothing is known when there is none.
    pub(super) fn lowest_cursor(&self) -> Option<Seq> {
        (!self.by_account.is_empty()).then_some(self.lowest.0)
    }

    /// The highest cursor of all.
    pub(super) fn highest_cursor(&self) -> Seq {
        self.by_account.values().map(|member| member.cursor).max().unwrap_or_default()
    }

    /// Puts changed cursors into a batch that holds the log's entries up to `composed`.
    pub(super) fn compose(&mut self, log: LogId, composed: Seq, batch: &mut Batch) {
        let members = &mut self.by_account;
        self.changed.retain(|account| {
            let member = members.get_mut(account).expect("a member that goes is forgotten here");
            let cursor = member.cursor.min(composed);
            let record = CursorRecord { cursor, missed: member.missed };
            if record != member.written {
                member.written = record;
                batch.changes.push(Change::PutCursor { log, reader: *account, cursor: record });
            }
            member.is_changed = member.cursor > composed;
            member.is_changed
        });
    }

    /// Whether every cursor is in a batch.
    pub(super) fn is_written(&self) -> bool {
        self.changed.is_empty()
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
        let members = || self.by_account.values();
        let readers = members().filter(|member| member.reader.is_some()).count();
        let lowest = members().map(|member| member.cursor).min().unwrap_or_default();
        let at_lowest = members().filter(|member| member.cursor == lowest).count();
        readers == self.readers()
            && self.servers.iter().all(|(_, count)| *count > 0)
            && self.lowest == (lowest, at_lowest)
            && self.changed.len() == members().filter(|member| member.is_changed).count()
            && members().all(|member| member.written.cursor <= member.cursor)
            && members().all(|member| member.told.is_none_or(|(count, _)| count <= member.missed))
    }

    fn note_change(&mut self, account: &Name) {
        let member = self.by_account.get_mut(account).expect("readers are members");
        if !std::mem::replace(&mut member.is_changed, true) {
            self.changed.push(*account);
        }
    }

    /// A cursor moved up from `before`. All members are looked at once per round, when the last of
    /// them leaves the lowest place.
    fn leave_lowest(&mut self, before: Seq) {
        if before == self.lowest.0 {
            self.lowest.1 -= 1;
            if self.lowest.1 == 0 {
                self.find_lowest();
            }
        }
    }

    fn find_lowest(&mut self) {
        let mut lowest = (Seq(u64::MAX), 0);
        for member in self.by_account.values() {
            if member.cursor < lowest.0 {
                lowest = (member.cursor, 0);
            }
            lowest.1 += usize::from(member.cursor == lowest.0);
        }
        self.lowest = if lowest.1 == 0 { (Seq(0), 0) } else { lowest };
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
