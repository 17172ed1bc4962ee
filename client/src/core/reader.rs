//! One log as it is being read, a mailbox or a group alike: entry → key of its message session →
//! opened → stored with cursor and replay window → `Seen`.
//!
//! In a mailbox entries of one sender are stored in order, and those of another need not wait for
//! them. In a group everybody sees the home's order, so everything waits for what stands before it.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use wire::limits::{BODY_LEN_MAX, UNSEEN_BYTES_MAX, UNSEEN_ENTRIES_MAX};
use wire::message::{Attach, Entry, Seen};
use wire::{FaultCode, Instant, LogId, LogKind, Number, Seq};

use super::contacts::Contacts;
use super::context::Context;
use super::event::{Peeked, StoreOp};
use super::grants::{Grants, Opening};
use super::groups::Groups;
use super::handles::HandleState;
use super::readers::{Readers, Told};
use super::session_op::SessionOp;
use crate::crypto::content::GrantRequest;
use crate::crypto::grant::SessionPlace;
use crate::crypto::message_session::message_hash;
use crate::crypto::plaintext::{Content, Plaintext};
use crate::store::{Received, ReceivedContent};

/// Entries held at most, more than the window allows.
const ITEMS_MAX: usize = 2 * UNSEEN_ENTRIES_MAX;
/// A peek that has filled its window is over when nothing came for this long.
const PEEK_QUIET: Duration = Duration::from_millis(500);
/// `Seen` of a group leaves after so many entries …
const SEEN_ENTRIES: u32 = 32;
/// … or so long after the first of them.
const SEEN_TIME: Duration = Duration::from_millis(200);

/// Store epochs that may lie between one entry and the next. An epoch passes with each start of the
/// home, 4,096 with each restoring of a backup.
const EPOCHS_MAX: u32 = 1 << 16;
/// And before the first one, at a home that has gone through more.
const FIRST_EPOCH_MAX: u32 = 1 << 20;

/// Why a message does not open that may be from before the account was let in.
const BEFORE_OR_WITHHELD: &str = "it is from before you joined, or its key is withheld from you";

/// A log that is being read.
#[derive(Debug)]
pub(crate) struct LogReader {
    log: LogId,
    state: State,
    /// Everything up to this is in the store.
    cursor: Seq,
    items: VecDeque<Item>,
    is_caught_up: bool,
    heard: Instant,
    /// Transactions that have not returned.
    storing: u32,
    owed: Option<Owed>,
    /// With this entry the reading ends: the account's departure.
    end: Option<Seq>,
    /// The group was closed before it was attached to: it ends when that has caught up.
    is_closed: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Detached,
    /// The store was asked for the cursor.
    Loading,
    /// The cursor is known; the log is being opened.
    Loaded,
    Attached,
    /// The home does not let this account read.
    Refused,
}

/// A `Seen` that was not sent yet.
#[derive(Clone, Copy, Debug)]
struct Owed {
    entries: u32,
    since: Instant,
}

#[derive(Debug)]
struct Item {
    entry: Entry,
    arrived: Instant,
    step: Step,
    /// What it asks of this account.
    request: Option<GrantRequest>,
    /// It is the statement of the account's departure.
    is_end: bool,
}

#[derive(Debug)]
enum Step {
    /// The key of its message session is awaited.
    Sealed,
    /// Ready to be stored.
    Ready(ReceivedContent),
    /// In the store, shown by a peek, or nothing to be shown.
    Done,
}

/// What a reader works with.
pub(crate) struct Desk<'a> {
    pub(crate) contacts: &'a mut Contacts,
    pub(crate) grants: &'a mut Grants,
    pub(crate) groups: &'a mut Groups,
}

/// What a reader's pumping leads to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pumped {
    /// It goes on.
    On,
    /// The home does not let this account read the log.
    Refused(FaultCode),
}

impl LogReader {
    pub(crate) fn new(log: LogId) -> Self {
        Self {
            log,
            state: State::Detached,
            cursor: Seq(0),
            items: VecDeque::new(),
            is_caught_up: false,
            heard: Instant(0),
            storing: 0,
            owed: None,
            end: None,
            is_closed: false,
        }
    }

    /// The home has ended the reading. What it has delivered is received all the same.
    pub(crate) fn on_dismissed(&mut self) {
        self.owed = None;
        self.state = State::Refused;
    }

    /// The home does not let this account read, and nothing is left of what it delivered.
    pub(crate) fn is_over(&self) -> bool {
        self.state == State::Refused && self.is_idle()
    }

    /// The seat sends what comes.
    pub(crate) fn is_attached(&self) -> bool {
        self.state == State::Attached
    }

    /// A transaction has not returned.
    pub(crate) fn is_storing(&self) -> bool {
        self.storing > 0
    }

    pub(crate) fn on_cursor(&mut self, cursor: Seq) {
        if self.state == State::Loading {
            self.state = State::Loaded;
            self.cursor = cursor;
        }
    }

    /// Takes an entry. What is left out here would be acknowledged with the next one, and what is
    /// acknowledged is never delivered again: so a server that cannot be right is not read on.
    ///
    /// # Errors
    /// Why it cannot be right.
    pub(crate) fn on_deliver(
        &mut self,
        entry: Entry,
        ctx: &Context<'_>,
    ) -> Result<(), &'static str> {
        let newest = self.items.back().map_or(self.cursor, |item| item.entry.seq);
        if self.state != State::Attached || entry.seq <= newest {
            return Ok(());
        }
        if self.items.len() >= ITEMS_MAX {
            return Err("more messages than may be on their way");
        }
        if !may_follow(newest, entry.seq) {
            return Err("a message in a place that cannot be; nothing after it would be shown");
        }
        self.heard = ctx.now;
        let item =
            Item { entry, arrived: ctx.now, step: Step::Sealed, request: None, is_end: false };
        self.items.push_back(item);
        Ok(())
    }

    pub(crate) fn on_caught_up(&mut self) {
        self.is_caught_up |= self.state == State::Attached;
    }

    /// The transaction has returned with full sync: `Seen` may leave.
    pub(crate) fn on_received(&mut self, cursor: Seq, new: usize, ctx: &mut Context<'_>) {
        self.storing = self.storing.saturating_sub(1);
        if cursor <= self.cursor {
            return;
        }
        self.cursor = cursor;
        if self.log.kind == LogKind::Mailbox {
            return self.send_seen(ctx);
        }
        let owed = self.owed.get_or_insert(Owed { entries: 0, since: ctx.now });
        owed.entries = owed.entries.saturating_add(u32::try_from(new).unwrap_or(u32::MAX));
        if owed.entries >= SEEN_ENTRIES || self.end.is_some_and(|end| end <= cursor) {
            self.send_seen(ctx);
        }
    }

    /// Sends the `Seen` that is owed, if it is time, or if the reading is over.
    pub(crate) fn settle(&mut self, is_over: bool, ctx: &mut Context<'_>) {
        if self.owed.is_some_and(|owed| is_over || owed.since + SEEN_TIME <= ctx.now) {
            self.send_seen(ctx);
        }
    }

    /// Does whatever can be done now, except storing.
    pub(crate) fn pump(&mut self, desk: &mut Desk<'_>, ctx: &mut Context<'_>) -> Pumped {
        match self.state {
            State::Detached => {
                self.state = State::Loading;
                ctx.store(StoreOp::LoadCursor(self.log));
            }
            State::Loading => {}
            State::Loaded => return self.open(desk.groups, ctx),
            State::Attached | State::Refused => self.open_items(desk, ctx),
        }
        Pumped::On
    }

    /// Tells when everything is in the store that the account is to have of a group that it is no
    /// member of any more.
    pub(crate) fn conclude(&mut self, groups: &mut Groups, ctx: &mut Context<'_>) {
        let is_ended = self.end.is_some_and(|end| end <= self.cursor);
        if is_ended || (self.is_closed && self.is_caught_up && self.is_idle()) {
            (self.end, self.is_closed) = (None, false);
            groups.on_read(self.log.name, ctx);
        }
    }

    /// Stores every ready entry before which nothing unready stands that it must wait for, at most
    /// `room`, in one transaction; whether a request for a grant is among them.
    pub(crate) fn receive(&mut self, room: &mut usize, ctx: &mut Context<'_>) -> bool {
        let is_group = self.log.kind == LogKind::Group;
        let (mut blocked, mut ready) = (BTreeSet::new(), Vec::new());
        for item in &mut self.items {
            if item.is_done() {
                continue;
            }
            let sender = item.entry.sender;
            if *room == 0 || blocked.contains(&sender) || !item.is_ready() {
                blocked.insert(sender);
                if is_group {
                    break;
                }
                continue;
            }
            *room -= usize::from(item.is_shown());
            if item.is_end {
                self.end = Some(item.entry.seq);
            }
            ready.extend(item.take());
        }
        let mut cursor = self.cursor;
        while let Some(item) = self.items.front().filter(|item| item.is_done()) {
            cursor = item.entry.seq;
            self.items.pop_front();
        }
        let is_asked = ready.iter().any(|received| received.request.is_some());
        if !ready.is_empty() || cursor > self.cursor {
            self.storing += 1;
            ctx.store(StoreOp::Receive { log: self.log, items: ready, cursor });
        }
        is_asked
    }

    /// What is ready and was not shown, in order.
    pub(crate) fn peek(&mut self) -> Vec<Peeked> {
        let mut peeked = Vec::new();
        for item in &mut self.items {
            if item.is_done() {
                continue;
            }
            let Step::Ready(content) = &item.step else {
                break;
            };
            if item.is_shown() {
                let (log, entry, content) = (self.log, item.entry.clone(), content.clone());
                peeked.push(Peeked { log, entry, content });
            }
            item.step = Step::Done;
        }
        peeked
    }

    /// Everything that waited at the home is in the store, or shown by a peek.
    pub(crate) fn is_done(&self, is_peek: bool, now: Instant) -> bool {
        let is_peeked = is_peek && self.window_is_full() && self.heard + PEEK_QUIET <= now;
        let is_read = self.state == State::Attached && (self.is_caught_up || is_peeked);
        self.is_idle() && (is_read || self.state == State::Refused)
    }

    /// Everything that was delivered is in the store, or shown by a peek.
    fn is_idle(&self) -> bool {
        self.storing == 0 && self.items.iter().all(Item::is_done)
    }

    pub(crate) fn deadline(&self, is_peek: bool) -> Option<Instant> {
        let is_idle = self.items.iter().all(Item::is_done);
        let quiet = (is_peek && is_idle && self.window_is_full()).then(|| self.heard + PEEK_QUIET);
        let owed = self.owed.map(|owed| owed.since + SEEN_TIME);
        [quiet, owed].into_iter().flatten().min()
    }

    fn send_seen(&mut self, ctx: &mut Context<'_>) {
        self.owed = None;
        if let Some(handle) = ctx.handles.open_handle(&self.log) {
            ctx.send(Seen { handle, upto: self.cursor });
        }
    }

    fn open(&mut self, groups: &Groups, ctx: &mut Context<'_>) -> Pumped {
        let me = ctx.me.name;
        if let Some(open) = ctx.handles.want(self.log, me, ctx.now) {
            ctx.send(open);
        }
        match ctx.handles.state(&self.log) {
            Some(HandleState::Open(_)) => {
                self.state = State::Attached;
                self.heard = ctx.now;
                self.is_closed =
                    self.log.kind == LogKind::Group && groups.is_closed_unread(&self.log.name);
                if let Some(handle) = ctx.handles.open_handle(&self.log) {
                    ctx.send(Attach { handle, cursor: self.cursor });
                }
            }
            Some(HandleState::Failed(code, _)) => {
                self.state = State::Refused;
                return Pumped::Refused(code);
            }
            _ => {}
        }
        Pumped::On
    }

    fn open_items(&mut self, desk: &mut Desk<'_>, ctx: &mut Context<'_>) {
        let log = self.log;
        for item in &mut self.items {
            if matches!(item.step, Step::Sealed) {
                item.open(log, desk, ctx);
            }
        }
    }

    /// The seat may hold entries back because nothing is acknowledged.
    fn window_is_full(&self) -> bool {
        let bytes: usize = self.items.iter().map(|item| item.entry.body.bytes().len()).sum();
        self.items.len() >= UNSEEN_ENTRIES_MAX || bytes + BODY_LEN_MAX >= UNSEEN_BYTES_MAX
    }
}

impl Item {
    fn open(&mut self, log: LogId, desk: &mut Desk<'_>, ctx: &mut Context<'_>) {
        if self.entry.number == Number::NONE {
            return self.tell(log, desk, ctx);
        }
        let Desk { contacts, grants, .. } = desk;
        let content = match grants.open(log, &self.entry, self.arrived, contacts, ctx) {
            Opening::Pending => return,
            Opening::Opened(plaintext, is_verified) => {
                self.request = request(&plaintext);
                ReceivedContent::of(*plaintext, is_verified)
            }
            Opening::NoGrant { place, reason, is_origin_known } => {
                let is_before = may_be_from_before(&place, is_origin_known, desk.groups, ctx);
                let Some(is_before) = is_before else {
                    return;
                };
                request_grant(place, ctx);
                let reason = if is_before { BEFORE_OR_WITHHELD.to_owned() } else { reason };
                ReceivedContent::Undecryptable { reason }
            }
            Opening::TooEarly if log.kind == LogKind::Group => ReceivedContent::BeforeYouJoined,
            Opening::TooEarly => {
                let reason = "sealed before this account was granted its key".to_owned();
                ReceivedContent::Undecryptable { reason }
            }
            Opening::Failed(reason) => ReceivedContent::Undecryptable { reason },
        };
        self.step = Step::Ready(content);
    }

    /// An entry without a number is a statement of the group's roster.
    fn tell(&mut self, log: LogId, desk: &mut Desk<'_>, ctx: &mut Context<'_>) {
        if log.kind == LogKind::Mailbox {
            let reason = "not a message: it has no number".to_owned();
            self.step = Step::Ready(ReceivedContent::Undecryptable { reason });
            return;
        }
        let Desk { contacts, groups, .. } = desk;
        match groups.on_statement(log.name, &self.entry, contacts, ctx) {
            Told::Pending => {}
            Told::Done(Some(content)) => {
                self.is_end = groups.ends_with(&log.name, self.entry.body.bytes(), ctx);
                self.step = Step::Ready(content);
            }
            Told::Done(None) => self.step = Step::Done,
        }
    }

    fn is_ready(&self) -> bool {
        matches!(self.step, Step::Ready(_))
    }

    fn is_done(&self) -> bool {
        matches!(self.step, Step::Done)
    }

    fn is_shown(&self) -> bool {
        matches!(&self.step, Step::Ready(content) if content.is_shown())
    }

    fn take(&mut self) -> Option<Received> {
        let Step::Ready(content) = std::mem::replace(&mut self.step, Step::Done) else {
            return None;
        };
        let entry = &self.entry;
        Some(Received {
            seq: entry.seq,
            sender: entry.sender,
            origin: entry.origin,
            number: entry.number,
            at: entry.at,
            hash: message_hash(&entry.body),
            content,
            request: self.request.take(),
        })
    }
}

/// Whether a home may have come from one entry to the next. One place near the end of all places
/// would be the last that is ever read.
fn may_follow(newest: Seq, next: Seq) -> bool {
    let limit = match newest {
        Seq(0) => FIRST_EPOCH_MAX,
        newest => newest.store_epoch().saturating_add(EPOCHS_MAX),
    };
    next.store_epoch() <= limit
}

/// Whether a message without a grant may be one of a sender that had not heard of this account's
/// joining; `None` while the group's roster is awaited. It may, when nothing of that sender's
/// installation was ever granted here, and the sender has been a member for longer. Nothing that is
/// signed tells it from one whose grant the home withholds: what a session's announcement says is
/// of the session's beginning, not of this message.
fn may_be_from_before(
    place: &SessionPlace,
    is_origin_known: bool,
    groups: &mut Groups,
    ctx: &mut Context<'_>,
) -> Option<bool> {
    if place.log.kind == LogKind::Mailbox || is_origin_known {
        return Some(false);
    }
    match groups.readers(place.log.name, ctx) {
        Readers::Pending => None,
        Readers::Refused(_) => Some(false),
        Readers::Ready(readers) => {
            let own = ctx.me.name.and_then(|me| readers.joining(&me));
            let its = readers.joining(&place.sender);
            Some(own.zip(its).is_some_and(|(own, its)| its < own))
        }
    }
}

/// Asks the sender for a grant; the store sees to it that this is done once.
fn request_grant(place: SessionPlace, ctx: &mut Context<'_>) {
    let own = Some(place.sender) == ctx.me.name && place.origin == ctx.me.origin;
    if own {
        return;
    }
    let SessionPlace { log, origin, message_session, .. } = place;
    let request = GrantRequest { log, origin, message_session };
    ctx.store(SessionOp::Request { place, request, created: ctx.wall });
}

fn request(plaintext: &Plaintext) -> Option<GrantRequest> {
    match &plaintext.content {
        Content::GrantRequest(request) => Some(*request),
        _ => None,
    }
}
