//! Who may read a log: each account with its cursor, and its attached session if it has one.

use std::collections::BTreeMap;

use storage::{Batch, Change, CursorRecord};
use wire::{LogId, Name, Seq, ServerId, SessionEpoch};

use super::absence::{self, Turn};
use crate::core::few::Few;

/// The accounts that read a log. A mailbox has one, its owner; a group has its members, and those
/// who have departed and have still to receive what was before.
#[derive(Debug, Default)]
pub(super) struct Members {
    by_account: Few<Name, Member>,
    /// Servers with attached readers, and how many.
    servers: Vec<(ServerId, usize)>,
    /// Readers whose record differs from what a batch held last.
    changed: Vec<Name>,
    /// Accounts that do not read any more, whose record no batch has dropped.
    dropped: Vec<Name>,
    /// The lowest cursor of all, and how many are there.
    lowest: (Seq, usize),
}

#[derive(Debug, Default)]
struct Member {
    /// Its cursor; entries that expired before this account received them, and that it has not
    /// acknowledged; and what it is not to have.
    record: CursorRecord,
    /// How many of them the attached session was told of, and up to where it was sent everything.
    told: Option<(u64, Seq)>,
    /// The record that a batch held last, if one did.
    written: Option<CursorRecord>,
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

/// The only reader of a log in which nothing is going on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resting {
    cursor: Seq,
    is_written: bool,
    floor: SessionEpoch,
    /// Where the session of the epoch `floor` is attached. Which of all attachments that is does
    /// not matter: no range is under way that was read for another.
    attached: Option<ServerId>,
}

impl Resting {
    pub(super) fn is_attached(&self) -> bool {
        self.attached.is_some()
    }

    pub(super) fn is_attached_at(&self, server: ServerId) -> bool {
        self.attached == Some(server)
    }

    fn of(member: &Member) -> Option<Self> {
        let record = member.record;
        let is_written = member.written.is_some();
        let is_plain = record == CursorRecord { cursor: record.cursor, ..CursorRecord::default() };
        let is_settled = member.written.is_none_or(|written| written == record);
        if !is_plain || !is_settled || member.told.is_some() || member.is_changed {
            return None;
        }
        let is_odd = |reader: Reader| reader.is_reading || reader.epoch != member.floor;
        if member.reader.is_some_and(is_odd) {
            return None;
        }
        let attached = member.reader.map(|reader| reader.server);
        Some(Self { cursor: record.cursor, is_written, floor: member.floor, attached })
    }

    fn wake(self) -> Member {
        let record = CursorRecord { cursor: self.cursor, ..CursorRecord::default() };
        let reader = |server| {
            let (epoch, attachment, is_reading) = (self.floor, 0, false);
            Reader { server, epoch, attachment, is_reading }
        };
        Member {
            record,
            told: None,
            written: self.is_written.then_some(record),
            is_changed: false,
            floor: self.floor,
            reader: self.attached.map(reader),
        }
    }
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
        let by_account: Few<Name, Member> = accounts.collect();
        let lowest = (Seq(0), by_account.len());
        Self { by_account, lowest, ..Self::default() }
    }

    /// A mailbox's only reader, as it was when it came to rest.
    pub(super) fn woken(owner: Name, resting: Resting) -> Self {
        let servers = resting.attached.map(|server| (server, 1)).into_iter().collect();
        let by_account = [(owner, resting.wake())].into_iter().collect();
        Self { by_account, servers, lowest: (resting.cursor, 1), ..Self::default() }
    }

    /// The only reader, if there is nothing else to know of who reads.
    pub(super) fn resting(&self, owner: &Name) -> Option<Resting> {
        let is_settled = self.is_written() && self.by_account.len() == 1;
        is_settled.then(|| Resting::of(self.by_account.get(owner)?)).flatten()
    }

    /// Takes the stored cursors in: those of members, and of who has departed.
    pub(super) fn load(&mut self, cursors: &[(Name, CursorRecord)]) {
        for (account, record) in cursors {
            if absence::is_departed(record) {
                self.by_account.or_insert_with(*account, Member::default);
            }
            if let Some(member) = self.by_account.get_mut(account) {
                (member.record, member.written) = (*record, Some(*record));
            }
        }
        self.find_lowest();
    }

    /// The account is a member, as a batch says; gives its attached session, if it had departed.
    pub(super) fn join(&mut self, account: Name, before: Seq) -> Option<Reader> {
        let turn = Turn::Joins { before };
        let former = self.by_account.get(&account).map(|member| member.record);
        let record = turn.apply(former, |_, _| 0).expect("who joins reads");
        // What the batch held of it was to be dropped, if it received the last entry meanwhile.
        let is_new = former.is_none() && !self.dropped.contains(&account);
        self.dropped.retain(|dropped| *dropped != account);
        let member = self.by_account.or_insert_with(account, Member::default);
        if is_new {
            member.written = Some(record);
        }
        member.record = record;
        let reader = member.reader;
        self.note_change(&account);
        self.find_lowest();
        reader
    }

    /// The account is a member no more, as a batch says; gives its attached session. It reads on up
    /// to this.
    pub(super) fn depart(
        &mut self,
        account: &Name,
        (seq, version): (Seq, u32),
        count: impl Fn(Seq, Seq) -> u64,
    ) -> Option<Reader> {
        let member = self.by_account.get_mut(account)?;
        let was_departed = absence::is_departed(&member.record);
        let record = Turn::Departs { seq, version }.apply(Some(member.record), count);
        member.record = record.expect("who departs reads on");
        let reader = member.reader.filter(|_| !was_departed);
        self.note_change(account);
        self.find_lowest();
        reader
    }

    /// Too many have departed and not received everything: the one that departed first does not
    /// read any more. Gives it, with its attached session.
    pub(super) fn bound_departed(&mut self, max: usize) -> Option<(Name, Option<Reader>)> {
        let departed = self.by_account.iter().filter_map(|(account, member)| {
            let absence = member.record.absence.filter(|absence| absence.until.is_none())?;
            Some((absence.after, *account))
        });
        if departed.clone().count() <= max {
            return None;
        }
        let (_, first) = departed.min()?;
        Some((first, self.remove(&first)))
    }

    /// The account does not read any more, if it has departed and received everything; gives its
    /// attached session.
    pub(super) fn remove_if_over(&mut self, account: &Name) -> Option<Reader> {
        let member = self.by_account.get(account)?;
        if absence::is_over(&member.record) { self.remove(account) } else { None }
    }

    /// The statement by which the account departed, if it reads what was before.
    pub(super) fn departure(&self, account: &Name) -> Option<(Seq, u32)> {
        let absence = self.by_account.get(account)?.record.absence?;
        absence.until.is_none().then_some((absence.after, absence.version))
    }

    pub(super) fn contains(&self, account: &Name) -> bool {
        self.by_account.contains_key(account)
    }

    /// What the account has received, and is not to have; nothing for who does not read.
    pub(super) fn record(&self, account: &Name) -> CursorRecord {
        self.by_account.get(account).map(|member| member.record).unwrap_or_default()
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
            None => {
                // Most logs have readers on one server.
                self.servers.reserve_exact(1);
                self.servers.push((reader.server, 1));
            }
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
        let before = member.record.cursor;
        let told = member.told.take_if(|(_, sent)| *sent <= upto);
        member.record.missed -= told.map_or(0, |(count, _)| count);
        absence::advance(&mut member.record, before.max(upto));
        let moved = before < member.record.cursor;
        if moved || told.is_some_and(|(count, _)| count > 0) {
            self.note_change(account);
        }
        if moved {
            self.leave_lowest(before);
        }
        moved || told.is_some()
    }

    /// Moves every cursor below `upto` there: the entries between are gone. `count` counts those
    /// between two places. Who has departed and is to have nothing more does not read any more.
    pub(super) fn force(&mut self, upto: Seq, count: impl Fn(Seq, Seq) -> u64) {
        let mut over = Vec::new();
        for (account, member) in self.by_account.iter_mut() {
            if member.record.cursor < upto {
                member.record.missed += absence::count_readable(&member.record, upto, &count);
                absence::advance(&mut member.record, upto);
                if absence::is_over(&member.record) {
                    over.push(*account);
                }
                if !std::mem::replace(&mut member.is_changed, true) {
                    self.changed.push(*account);
                }
            }
        }
        for account in over {
            self.remove(&account);
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
            && member.record.missed > told
        {
            member.told = Some((member.record.missed, upto));
        }
        member.record.missed - told
    }

    /// Everything up to this was received by every reader; nothing is known when there is none.
    pub(super) fn lowest_cursor(&self) -> Option<Seq> {
        (!self.by_account.is_empty()).then_some(self.lowest.0)
    }

    /// The highest cursor of all.
    pub(super) fn highest_cursor(&self) -> Seq {
        self.by_account.values().map(|member| member.record.cursor).max().unwrap_or_default()
    }

    /// Puts changed cursors into a batch that holds the log's entries up to `composed`, and
    /// statements with these turns.
    pub(super) fn compose(
        &mut self,
        (log, composed): (LogId, Seq),
        turns: &[(Name, Turn)],
        count: impl Fn(Seq, Seq) -> u64,
        batch: &mut Batch,
    ) {
        let mut turned = BTreeMap::new();
        for (account, turn) in turns {
            let member = self.by_account.get(account);
            let record = turned.entry(*account).or_insert_with(|| member.map(|m| m.record));
            *record = turn.apply(*record, &count);
        }
        for account in self.dropped.drain(..) {
            if turned.get(&account).is_none_or(Option::is_none) {
                batch.changes.push(Change::DropCursor { log, reader: account });
            }
        }
        let records = turned.iter().filter_map(|(account, record)| Some((account, (*record)?)));
        for (account, record) in records {
            put(log, account, record, self.by_account.get_mut(account), batch);
        }
        let members = &mut self.by_account;
        self.changed.retain(|account| {
            let member = members.get_mut(account).expect("a reader that goes is forgotten here");
            let cursor = member.record.cursor.min(composed);
            let record = CursorRecord { cursor, ..member.record };
            let is_turned = turned.contains_key(account);
            if !is_turned {
                put(log, account, record, Some(member), batch);
            }
            member.is_changed = member.record.cursor > composed && !is_turned;
            member.is_changed
        });
    }

    /// Whether every cursor is in a batch.
    pub(super) fn is_written(&self) -> bool {
        self.changed.is_empty() && self.dropped.is_empty()
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
        let lowest = members().map(|member| member.record.cursor).min().unwrap_or_default();
        let at_lowest = members().filter(|member| member.record.cursor == lowest).count();
        readers == self.readers()
            && self.servers.iter().all(|(_, count)| *count > 0)
            && self.lowest == (lowest, at_lowest)
            && self.changed.len() == members().filter(|member| member.is_changed).count()
            && members().all(|member| !absence::is_over(&member.record))
            && members()
                .all(|member| member.told.is_none_or(|(count, _)| count <= member.record.missed))
    }

    /// The account does not read any more; gives its attached session.
    fn remove(&mut self, account: &Name) -> Option<Reader> {
        let member = self.by_account.remove(account)?;
        self.changed.retain(|changed| changed != account);
        self.dropped.push(*account);
        self.find_lowest();
        if let Some(reader) = &member.reader {
            leave(&mut self.servers, reader.server);
        }
        member.reader
    }

    fn note_change(&mut self, account: &Name) {
        let member = self.by_account.get_mut(account).expect("readers are members");
        if member.written != Some(member.record) && !std::mem::replace(&mut member.is_changed, true)
        {
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
            if member.record.cursor < lowest.0 {
                lowest = (member.record.cursor, 0);
            }
            lowest.1 += usize::from(member.record.cursor == lowest.0);
        }
        self.lowest = if lowest.1 == 0 { (Seq(0), 0) } else { lowest };
    }
}

/// Puts a reader's record into a batch, unless the last one held the same.
fn put(
    log: LogId,
    account: &Name,
    record: CursorRecord,
    member: Option<&mut Member>,
    batch: &mut Batch,
) {
    let written = member.map(|member| member.written.replace(record));
    if written != Some(Some(record)) {
        batch.changes.push(Change::PutCursor { log, reader: *account, cursor: record });
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
