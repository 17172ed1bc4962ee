//! The account's mailbox: entry → sender's key → opened → stored with cursor and replay window →
//! `Seen`. Entries of one sender are stored in order; those of another need not wait for them.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use wire::limits::{BODY_LEN_MAX, UNSEEN_BYTES_MAX, UNSEEN_ENTRIES_MAX};
use wire::message::{Attach, CaughtUp, Deliver, Entry, Seen};
use wire::{Instant, LogHandle, LogId, Name, Seq};

use super::contacts::{Contacts, SenderKey};
use super::context::Context;
use super::event::{Notice, Peeked, Reading, StoreOp, Ticket};
use super::handles::{HandleState, OWN};
use super::job::{Job, JobKey};
use crate::crypto::envelope::{self, Expected, Header, OpenError};
use crate::crypto::plaintext::{Content, Plaintext};
use crate::failure::{Code, Failure};
use crate::store::{InboxId, Received, ReceivedContent};

/// Entries held at most; a server that sends more than the window allows is ignored.
const ITEMS_MAX: usize = 2 * UNSEEN_ENTRIES_MAX;
/// A peek that has filled its window is over when nothing came for this long.
const PEEK_QUIET: Duration = Duration::from_millis(500);

/// The mailbox as it is being read.
#[derive(Debug)]
pub(crate) struct Inbox {
    reading: Option<Reading>,
    /// How many more may be received; `None` without limit.
    room: Option<usize>,
    state: State,
    /// Tells late results of an earlier attachment apart.
    round: u32,
    /// Everything up to this is in the store.
    cursor: Seq,
    items: VecDeque<Item>,
    caught_up: bool,
    heard: Instant,
    waiting: Vec<Ticket>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Detached,
    /// The store was asked for the cursor.
    Loading,
    /// The cursor is known; the log is being opened.
    Loaded,
    Attached,
}

#[derive(Debug)]
struct Item {
    entry: Entry,
    arrived: Instant,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// The sender's key is awaited.
    Sealed(Header),
    /// A worker has it; whether the key is trusted.
    Opening(bool),
    /// Ready to be stored.
    Ready(ReceivedContent),
    /// In the store, or shown by a peek.
    Done,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            reading: None,
            room: None,
            state: State::Detached,
            round: 0,
            cursor: Seq(0),
            items: VecDeque::new(),
            caught_up: false,
            heard: Instant(0),
            waiting: Vec::new(),
        }
    }

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
        self.state = State::Detached;
        self.round = self.round.wrapping_add(1);
        self.items.clear();
        self.caught_up = false;
    }

    pub(crate) fn on_cursor(&mut self, cursor: Seq) {
        if self.state == State::Loading {
            self.state = State::Loaded;
            self.cursor = cursor;
        }
    }

    pub(crate) fn on_deliver(&mut self, deliver: Deliver, ctx: &Context<'_>) {
        let newest = self.items.back().map_or(self.cursor, |item| item.entry.seq);
        let expected = deliver.handle == OWN && self.state == State::Attached;
        if !expected || deliver.entry.seq <= newest || self.items.len() >= ITEMS_MAX {
            return;
        }
        self.heard = ctx.now;
        let step = match envelope::read_header(&deliver.entry.body) {
            Ok(header) => Step::Sealed(header),
            Err(error) => Step::Ready(undecryptable(&error)),
        };
        self.items.push_back(Item { entry: deliver.entry, arrived: ctx.now, step });
    }

    pub(crate) fn on_caught_up(&mut self, caught_up: &CaughtUp) {
        if caught_up.handle == OWN && self.state == State::Attached {
            self.caught_up = true;
        }
    }

    pub(crate) fn on_opened(
        &mut self,
        round: u32,
        seq: Seq,
        result: Result<Box<Plaintext>, OpenError>,
    ) {
        let of_now = round == self.round;
        let item = self.items.iter_mut().find(|item| item.entry.seq == seq);
        if let (true, Some(item)) = (of_now, item)
            && let Step::Opening(trusted) = item.step
        {
            item.step = Step::Ready(match result {
                Ok(plaintext) => content(*plaintext, trusted),
                Err(error) => undecryptable(&error),
            });
        }
    }

    /// The transaction has returned with full sync: `Seen` may leave.
    pub(crate) fn on_received(&mut self, cursor: Seq, new: Vec<InboxId>, ctx: &mut Context<'_>) {
        if let Some(room) = &mut self.room {
            *room = room.saturating_sub(new.len());
        }
        if cursor > self.cursor {
            self.cursor = cursor;
            let (handle, upto) = (OWN, cursor);
            ctx.send(Seen { handle, upto });
        }
        if !new.is_empty() {
            ctx.notify(Notice::Received(new));
        }
    }

    /// Does whatever can be done now, except storing.
    pub(crate) fn pump(&mut self, contacts: &mut Contacts, ctx: &mut Context<'_>) {
        if self.reading.is_none() || ctx.seat.is_none() {
            return;
        }
        let Some(me) = ctx.me.name else {
            return;
        };
        match self.state {
            State::Detached => {
                self.state = State::Loading;
                ctx.store(StoreOp::LoadCursor(LogId::mailbox(me)));
            }
            State::Loading => {}
            State::Loaded => self.open(me, ctx),
            State::Attached => self.open_items(me, contacts, ctx),
        }
    }

    /// Once per turn: store what is ready, and see whether the reading is done.
    pub(crate) fn on_turn_ended(&mut self, ctx: &mut Context<'_>) {
        match self.reading {
            None => return,
            Some(Reading::Peek) => self.show_peeked(ctx),
            Some(_) => self.receive(ctx),
        }
        if self.is_done(ctx.now) {
            self.answer(&Ok(()), ctx);
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let peeking = self.reading == Some(Reading::Peek) && !self.waiting.is_empty();
        let is_idle = self.items.iter().all(Item::is_done);
        (peeking && is_idle && self.window_is_full()).then(|| self.heard + PEEK_QUIET)
    }

    fn open(&mut self, me: Name, ctx: &mut Context<'_>) {
        let log = LogId::mailbox(me);
        if let Some(open) = ctx.handles.want(log, Some(me)) {
            ctx.send(open);
        }
        match ctx.handles.state(&log) {
            Some(HandleState::Open(_)) => {
                self.state = State::Attached;
                self.heard = ctx.now;
                let (handle, cursor): (LogHandle, Seq) = (OWN, self.cursor);
                ctx.send(Attach { handle, cursor });
            }
            Some(HandleState::Failed(code)) => self.answer(&Err(Failure::fault(code)), ctx),
            _ => {}
        }
    }

    fn open_items(&mut self, me: Name, contacts: &mut Contacts, ctx: &mut Context<'_>) {
        if !self.items.iter().any(|item| matches!(item.step, Step::Sealed(_))) {
            return;
        }
        let Some(identity) = ctx.identity() else {
            return;
        };
        for item in &mut self.items {
            let Step::Sealed(header) = &item.step else {
                continue;
            };
            let sender = item.entry.sender;
            match contacts.sender(sender, &header.signing_key, item.arrived, ctx) {
                SenderKey::Pending => {}
                SenderKey::Missing(reason) => {
                    item.step = Step::Ready(ReceivedContent::Undecryptable { reason });
                }
                SenderKey::Found(key, trusted) => {
                    item.step = Step::Opening(trusted);
                    let expected = expected(me, &item.entry);
                    let seed = ctx.seed();
                    ctx.work(
                        JobKey::Open(self.round, item.entry.seq),
                        Job::Open {
                            identity: identity.clone(),
                            expected,
                            key,
                            body: item.entry.body.clone(),
                            seed,
                        },
                    );
                }
            }
        }
    }

    /// Stores every ready entry before which its sender has no unready one, in one transaction.
    fn receive(&mut self, ctx: &mut Context<'_>) {
        let Some(me) = ctx.me.name else {
            return;
        };
        let mut room = self.room.unwrap_or(usize::MAX);
        let mut blocked = BTreeSet::new();
        let mut ready = Vec::new();
        for item in &mut self.items {
            if matches!(item.step, Step::Done) {
                continue;
            }
            if room == 0 || blocked.contains(&item.entry.sender) || !item.is_ready() {
                blocked.insert(item.entry.sender);
                continue;
            }
            room -= 1;
            ready.extend(item.take());
        }
        if ready.is_empty() {
            return;
        }
        let mut cursor = self.cursor;
        while let Some(item) = self.items.front().filter(|item| item.is_done()) {
            cursor = item.entry.seq;
            self.items.pop_front();
        }
        ctx.store(StoreOp::Receive { log: LogId::mailbox(me), items: ready, cursor });
    }

    fn show_peeked(&mut self, ctx: &mut Context<'_>) {
        let Some(me) = ctx.me.name else {
            return;
        };
        let mut peeked = Vec::new();
        for item in &mut self.items {
            if item.is_done() {
                continue;
            }
            let Step::Ready(content) = &item.step else {
                break;
            };
            peeked.push(Peeked {
                log: LogId::mailbox(me),
                entry: item.entry.clone(),
                content: content.clone(),
            });
            item.step = Step::Done;
        }
        if !peeked.is_empty() {
            ctx.notify(Notice::Peeked(peeked));
        }
    }

    fn is_done(&self, now: Instant) -> bool {
        if self.room == Some(0) {
            return true;
        }
        let all = self.items.iter().all(Item::is_done);
        let peeked = self.reading == Some(Reading::Peek)
            && self.window_is_full()
            && self.heard + PEEK_QUIET <= now;
        self.state == State::Attached && all && (self.caught_up || peeked)
    }

    /// The seat may hold entries back because nothing is acknowledged.
    fn window_is_full(&self) -> bool {
        let bytes: usize = self.items.iter().map(|item| item.entry.body.bytes().len()).sum();
        self.items.len() >= UNSEEN_ENTRIES_MAX || bytes + BODY_LEN_MAX >= UNSEEN_BYTES_MAX
    }

    fn answer(&mut self, result: &Result<(), Failure>, ctx: &mut Context<'_>) {
        for ticket in std::mem::take(&mut self.waiting) {
            let result = result.clone();
            ctx.notify(Notice::Answered { ticket, result });
        }
    }
}

impl Item {
    fn is_ready(&self) -> bool {
        matches!(self.step, Step::Ready(_))
    }

    fn is_done(&self) -> bool {
        matches!(self.step, Step::Done)
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
            hash: envelope::message_hash(&entry.body),
            content,
        })
    }
}

fn expected(me: Name, entry: &Entry) -> Expected {
    Expected {
        reader: me,
        log: LogId::mailbox(me),
        sender: entry.sender,
        origin: entry.origin,
        number: entry.number,
    }
}

fn content(plaintext: Plaintext, verified: bool) -> ReceivedContent {
    let Plaintext { sent, previous, .. } = plaintext;
    match plaintext.content {
        Content::Text(text) => ReceivedContent::Text { text, sent, previous, verified },
        Content::Attachment(attachment) => {
            ReceivedContent::Attachment { attachment, sent, previous, verified }
        }
        Content::GrantRequest(_) => {
            let (kind, bytes) = (3, bytes::Bytes::new());
            ReceivedContent::Unknown { kind, bytes, sent, previous, verified }
        }
        Content::Unknown { kind, bytes } => {
            ReceivedContent::Unknown { kind, bytes, sent, previous, verified }
        }
    }
}

fn undecryptable(error: &OpenError) -> ReceivedContent {
    let reason = error.to_string();
    ReceivedContent::Undecryptable { reason }
}

/// What those hear who wait for a mailbox that cannot be read in this session.
pub(crate) fn unreadable() -> Failure {
    Failure::new(Code::Unavailable, "the mailbox cannot be read now; try again")
}
