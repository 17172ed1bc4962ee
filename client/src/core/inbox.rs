//! Everything that is being read: the account's mailbox and its groups, one reader for each.

use std::collections::{BTreeMap, BTreeSet};

use wire::message::{CaughtUp, Deliver, Shown};
use wire::{FaultCode, Instant, LogHandle, LogId, LogKind, Name, Seq};

use super::context::Context;
use super::event::{Notice, Reading, Ticket};
use super::groups::Groups;
use super::reader::{Desk, LogReader, Pumped};
use crate::failure::{Code, Failure};
use crate::store::InboxId;

/// The logs that are being read, and who waits for what was in them.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    reading: Option<Reading>,
    /// How many more may be received; `None` without limit.
    room: Option<usize>,
    logs: BTreeMap<LogId, LogReader>,
    /// Which groups there are to read is known.
    are_logs_known: bool,
    waiting: Vec<Ticket>,
    /// Requests for grants went to the store.
    is_asked: bool,
    /// Up to where the user was shown the mailbox.
    shown: Seq,
    /// Up to where that was said on this connection.
    told_shown: Seq,
}

impl Inbox {
    /// Begins to read, or joins those who read. The first one's way of reading counts.
    pub(crate) fn attach(&mut self, ticket: Ticket, reading: Reading) {
        self.waiting.push(ticket);
        if self.reading.is_none() {
            self.reading = Some(reading);
            self.room = match reading {
                Reading::Count(count) => Some(usize::try_from(count).unwrap_or(usize::MAX)),
                Reading::All | Reading::Peek => None,
            };
        }
    }

    /// The session is over: nobody reads any more.
    pub(crate) fn end(&mut self, failure: &Failure, ctx: &mut Context<'_>) {
        self.on_offline();
        self.reading = None;
        self.answer(&Err(failure.clone()), ctx);
    }

    pub(crate) fn on_offline(&mut self) {
        self.logs.clear();
        self.are_logs_known = false;
        self.told_shown = Seq(0);
    }

    /// The user was shown the mailbox up to `upto`.
    pub(crate) fn on_shown(&mut self, upto: Seq, ctx: &mut Context<'_>) {
        self.shown = self.shown.max(upto);
        self.tell_shown(ctx);
    }

    pub(crate) fn on_cursor(&mut self, log: LogId, cursor: Seq) {
        if let Some(reader) = self.logs.get_mut(&log) {
            reader.on_cursor(cursor);
        }
    }

    /// An entry has come.
    ///
    /// # Errors
    /// The server cannot be right: it is not to be read on.
    pub(crate) fn on_deliver(
        &mut self,
        deliver: Deliver,
        ctx: &Context<'_>,
    ) -> Result<(), Failure> {
        let Some(reader) = self.reader(deliver.handle, ctx) else {
            return Ok(());
        };
        let taken = reader.on_deliver(deliver.entry, ctx);
        taken.map_err(|why| Failure::unexpected(format!("the server sends {why}")))
    }

    pub(crate) fn on_caught_up(&mut self, caught_up: &CaughtUp, ctx: &mut Context<'_>) {
        let Some(log) = ctx.handles.log(caught_up.handle) else {
            return;
        };
        if let Some(reader) = self.logs.get_mut(&log) {
            reader.on_caught_up();
        }
        if log.kind == LogKind::Group && caught_up.expired > 0 {
            ctx.notify(Notice::Expired { group: log.name, count: caught_up.expired });
        }
    }

    /// The home does not let this account read a log, or not any more.
    pub(crate) fn on_dismissed(
        &mut self,
        log: LogId,
        code: FaultCode,
        groups: &mut Groups,
        ctx: &mut Context<'_>,
    ) {
        if log.kind == LogKind::Mailbox {
            return self.end(&unreadable(code), ctx);
        }
        groups.on_dismissed(log.name, code, ctx);
        if let Some(reader) = self.logs.get_mut(&log) {
            reader.on_dismissed();
        }
    }

    /// The transaction has returned with full sync: `Seen` may leave.
    pub(crate) fn on_received(
        &mut self,
        log: LogId,
        cursor: Seq,
        new: Vec<InboxId>,
        ctx: &mut Context<'_>,
    ) {
        if let Some(room) = &mut self.room {
            *room = room.saturating_sub(new.len());
        }
        if let Some(reader) = self.logs.get_mut(&log) {
            reader.on_received(cursor, new.len(), ctx);
        }
        if !new.is_empty() {
            ctx.notify(Notice::Received(new));
        }
        self.conclude(ctx);
    }

    /// Does whatever can be done now, except storing.
    pub(crate) fn pump(&mut self, desk: &mut Desk<'_>, ctx: &mut Context<'_>) {
        if self.reading.is_none() || ctx.seat.is_none() {
            return;
        }
        let Some(me) = ctx.me.name else {
            return;
        };
        self.choose_logs(me, desk.groups, ctx);
        let mut refused = Vec::new();
        for (log, reader) in &mut self.logs {
            if let Pumped::Refused(code) = reader.pump(desk, ctx) {
                refused.push((*log, code));
            }
        }
        for (log, code) in refused {
            self.on_dismissed(log, code, desk.groups, ctx);
        }
    }

    /// Whether requests for grants went to the store since the last call.
    pub(crate) fn take_asked(&mut self) -> bool {
        std::mem::take(&mut self.is_asked)
    }

    /// Groups that the account has departed from may be read to their end.
    pub(crate) fn pump_ends(&mut self, groups: &mut Groups, ctx: &mut Context<'_>) {
        for reader in self.logs.values_mut() {
            reader.conclude(groups, ctx);
        }
    }

    /// Once per turn: store what is ready, and see whether the reading is done.
    pub(crate) fn on_turn_ended(&mut self, ctx: &mut Context<'_>) {
        match self.reading {
            None => return,
            Some(Reading::Peek) => self.show_peeked(ctx),
            Some(_) => {
                self.receive(ctx);
                self.tell_shown(ctx);
            }
        }
        self.conclude(ctx);
    }

    /// The connection is about to be closed: everything that is held is said to be so.
    pub(crate) fn take_leave(&mut self, ctx: &mut Context<'_>) {
        for reader in self.logs.values_mut() {
            reader.settle(true, ctx);
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let is_peek = self.reading == Some(Reading::Peek) && !self.waiting.is_empty();
        self.logs.values().filter_map(|reader| reader.deadline(is_peek)).min()
    }

    /// The mailbox and every group that the account is in. One that it has left is read until its
    /// home says so: its last entry tells of it.
    fn choose_logs(&mut self, me: Name, groups: &mut Groups, ctx: &mut Context<'_>) {
        let own = LogId::mailbox(me);
        self.logs.entry(own).or_insert_with(|| LogReader::new(own));
        let joined = groups.joined(ctx);
        self.are_logs_known = joined.is_some();
        let joined: BTreeSet<LogId> = joined.into_iter().flatten().map(LogId::group).collect();
        if self.are_logs_known {
            self.logs.retain(|_, reader| !reader.is_over());
        }
        for log in joined {
            self.logs.entry(log).or_insert_with(|| LogReader::new(log));
        }
    }

    /// Sends what `Seen` is due, and answers those who wait once there is nothing left for them.
    /// Nobody hears that before every `Seen` has left: the process may end then.
    fn conclude(&mut self, ctx: &mut Context<'_>) {
        if self.reading.is_none() {
            return;
        }
        let is_over = !self.waiting.is_empty() && self.is_done(ctx.now);
        for reader in self.logs.values_mut() {
            reader.settle(is_over, ctx);
        }
        if is_over {
            self.answer(&Ok(()), ctx);
        }
    }

    /// Says what the user was shown, once the mailbox is being read: the seat takes it only then.
    /// Who peeks says nothing.
    fn tell_shown(&mut self, ctx: &mut Context<'_>) {
        let Some(me) = ctx.me.name.filter(|_| self.shown > self.told_shown) else {
            return;
        };
        let own = LogId::mailbox(me);
        let is_peek = self.reading == Some(Reading::Peek);
        let is_read = self.logs.get(&own).is_some_and(LogReader::is_attached) && !is_peek;
        if let Some(handle) = ctx.handles.open_handle(&own).filter(|_| is_read) {
            ctx.send(Shown { handle, upto: self.shown });
            self.told_shown = self.shown;
        }
    }

    fn reader(&mut self, handle: LogHandle, ctx: &Context<'_>) -> Option<&mut LogReader> {
        let log = ctx.handles.log(handle)?;
        self.logs.get_mut(&log)
    }

    fn receive(&mut self, ctx: &mut Context<'_>) {
        let mut room = self.room.unwrap_or(usize::MAX);
        for reader in self.logs.values_mut() {
            self.is_asked |= reader.receive(&mut room, ctx);
        }
    }

    fn show_peeked(&mut self, ctx: &mut Context<'_>) {
        let peeked: Vec<_> = self.logs.values_mut().flat_map(LogReader::peek).collect();
        if !peeked.is_empty() {
            ctx.notify(Notice::Peeked(peeked));
        }
    }

    fn is_done(&self, now: Instant) -> bool {
        if self.room == Some(0) {
            return !self.logs.values().any(LogReader::is_storing);
        }
        let is_peek = self.reading == Some(Reading::Peek);
        self.are_logs_known && self.logs.values().all(|reader| reader.is_done(is_peek, now))
    }

    fn answer(&mut self, result: &Result<(), Failure>, ctx: &mut Context<'_>) {
        for ticket in std::mem::take(&mut self.waiting) {
            let result = result.clone();
            ctx.notify(Notice::Answered { ticket, result });
        }
    }
}

/// What those hear who wait for a mailbox that cannot be read in this session.
fn unreadable(code: FaultCode) -> Failure {
    match code {
        FaultCode::NOT_A_READER | FaultCode::UNAVAILABLE => {
            Failure::new(Code::Unavailable, "the mailbox cannot be read now; try again")
        }
        code => Failure::fault(code),
    }
}
