//! The posts to one log, in order: draft → sealed under a number → stored → sent → answered.
//!
//! Numbers are contiguous; `settled` is the last one before the oldest unanswered post. After any
//! trouble everything unanswered is sent again, from settled + 1, with the same bytes.
//!
//! A post that its home rejects for its message session is sealed anew, under a new number, before
//! those behind it: it becomes a draft again in its place, and nothing is sealed before every post
//! behind it has its answer too.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use wire::limits::UNANSWERED_MAX;
use wire::message::{Accepted, Body, Post};
use wire::{Instant, LogHandle, LogId, MessageSession, Number};

use super::context::{Backoff, Context};
use super::event::StoreOp;
use super::sealing::SealedBody;
use crate::crypto::plaintext::{Content, Plaintext};
use crate::store::{Draft, Fate, OutboxId, SealedPost};

const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_LONGEST: Duration = Duration::from_secs(5);
/// Without any answer for this long, unanswered posts are sent again: the home knows them.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);
/// A post is sealed anew by itself at most so many times.
const RESEALED_MAX: u32 = 8;

/// One log's posts that are not answered.
#[derive(Debug)]
pub(crate) struct Lane {
    log: LogId,
    /// The number of the next draft to be sealed.
    next: Number,
    /// Hash of the newest sealed message.
    previous: [u8; 32],
    posts: VecDeque<Waiting>,
    pause: Option<Instant>,
    backoff: Backoff,
    /// How many may be unanswered: one after a refusal for now, twice as many after each answer.
    window: u64,
    /// When the oldest unanswered post was sent or the last answer came.
    quiet_since: Option<Instant>,
    /// The home's base was compared with ours on this connection.
    pub(crate) checked: bool,
}

#[derive(Debug)]
struct Waiting {
    id: OutboxId,
    state: State,
    /// How often it was sealed anew.
    resealed: u32,
}

#[derive(Debug)]
enum State {
    Draft(Content),
    /// Rejected for its message session: the store makes it a draft again.
    Redrafting,
    /// Before that, the newest sealed message was this one.
    Saving(Sealed, [u8; 32]),
    Sealed {
        sealed: Sealed,
        copies: Copies,
    },
}

/// What has left of a sealed post.
#[derive(Clone, Copy, Debug, Default)]
struct Copies {
    /// One is on its way, and its answer is awaited.
    is_sent: bool,
    /// One left on this connection: an answer to it counts, also when it is to be sent again.
    has_left: bool,
    /// One may have left before, from this process or an earlier one.
    again: bool,
}

#[derive(Clone, Debug)]
struct Sealed {
    number: Number,
    message_session: MessageSession,
    body: Body,
}

/// What a lane can do next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Need {
    /// Nothing waits.
    Nothing,
    /// The oldest draft can be sealed.
    Seal,
    /// Only answers are awaited, or a worker.
    Answers,
}

impl Lane {
    pub(crate) fn new(log: LogId, next: Number, previous: [u8; 32]) -> Self {
        Self {
            log,
            next,
            previous,
            posts: VecDeque::new(),
            pause: None,
            backoff: Backoff::new(PAUSE_FIRST, PAUSE_LONGEST),
            window: UNANSWERED_MAX,
            quiet_since: None,
            checked: false,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.posts.is_empty()
    }

    /// Takes a post that was sealed by an earlier process.
    pub(crate) fn restore(&mut self, post: &SealedPost, body: Body) {
        assert!(post.number < self.next, "sealed numbers are below the next");
        let sealed = Sealed { number: post.number, message_session: post.message_session, body };
        let copies = Copies { again: true, ..Copies::default() };
        self.posts.push_back(Waiting::new(post.id, State::Sealed { sealed, copies }));
    }

    /// Takes a draft to its place, unless it is here already. Most come behind all others, but not
    /// one whose attachment was uploaded meanwhile, nor one that an earlier process had sealed and
    /// that was rejected for its message session.
    pub(crate) fn add(&mut self, draft: Draft) {
        let at = self.posts.partition_point(|post| post.id < draft.id);
        if self.posts.get(at).is_none_or(|post| post.id != draft.id) {
            self.posts.insert(at, Waiting::new(draft.id, State::Draft(draft.content)));
        }
    }

    /// There are sealed posts without an answer.
    pub(crate) fn has_sealed(&self) -> bool {
        self.posts.iter().any(Waiting::is_sealed)
    }

    /// Every number up to this was answered.
    pub(crate) fn settled(&self) -> Number {
        let first = self.posts.iter().find_map(Waiting::number);
        let first = first.unwrap_or(self.next).value();
        Number::new(first.saturating_sub(1)).expect("below a number")
    }

    pub(crate) fn need(&self) -> Need {
        let window_full = self.next.value() > self.settled().value() + UNANSWERED_MAX;
        let is_busy = |post: &Waiting| matches!(post.state, State::Redrafting | State::Saving(..));
        let first_draft = self.posts.iter().position(|post| !post.is_sealed());
        match first_draft {
            None if self.posts.is_empty() => Need::Nothing,
            None => Need::Answers,
            Some(_) if window_full || self.posts.iter().any(is_busy) => Need::Answers,
            Some(at) if self.posts.iter().skip(at).any(Waiting::is_sealed) => Need::Answers,
            Some(_) => Need::Seal,
        }
    }

    /// The oldest draft as it is to be sealed.
    pub(crate) fn next_plaintext(&self, ctx: &Context<'_>) -> Option<Plaintext> {
        let sender = ctx.me.name?;
        let content = self.posts.iter().find_map(Waiting::draft)?;
        Some(Plaintext {
            sender,
            log: self.log,
            origin: ctx.me.origin,
            number: self.next,
            previous: self.previous,
            sent: ctx.wall,
            content: content.clone(),
        })
    }

    /// The oldest draft was sealed: it goes to the store before it goes out.
    pub(crate) fn on_sealed(&mut self, sealed: SealedBody, ctx: &mut Context<'_>) {
        let post = self.posts.iter_mut().find(|post| post.draft().is_some());
        let post = post.expect("next_plaintext() was this one's");
        let SealedBody { body, hash, step } = sealed;
        let (number, message_session) = (self.next, step.number);
        ctx.store(StoreOp::SealDraft {
            id: post.id,
            log: self.log,
            number,
            body: body.bytes().clone(),
            hash,
            step,
        });
        post.state = State::Saving(Sealed { number, message_session, body }, self.previous);
        self.next = number.next();
        self.previous = hash;
    }

    /// The oldest draft cannot be sealed: it leaves the lane, its number is not used.
    pub(crate) fn drop_draft(&mut self) -> Option<OutboxId> {
        let at = self.posts.iter().position(|post| post.draft().is_some())?;
        self.posts.remove(at).map(|post| post.id)
    }

    /// The store has the sealed post: it may leave.
    pub(crate) fn on_saved(&mut self, id: OutboxId) {
        let Some(post) = self.posts.iter_mut().find(|post| post.id == id) else {
            return;
        };
        if let State::Saving(sealed, _) = &post.state {
            post.state = State::Sealed { sealed: sealed.clone(), copies: Copies::default() };
        }
    }

    /// The user gave the post up before it was kept: its number was not used. The place of the
    /// ratchet that has sealed it is left out.
    pub(crate) fn on_gone(&mut self, id: OutboxId) {
        let gone = self.posts.iter().position(|post| post.id == id);
        let gone = gone.and_then(|at| self.posts.remove(at));
        if let Some(Waiting { state: State::Saving(sealed, previous), .. }) = gone {
            self.next = sealed.number;
            self.previous = previous;
        }
    }

    /// The store has made a rejected post a draft again; `previous` is what the next message names.
    pub(crate) fn on_redrafted(&mut self, draft: Draft, previous: [u8; 32]) {
        self.previous = previous;
        if let Some(post) = self.posts.iter_mut().find(|post| post.id == draft.id) {
            post.state = State::Draft(draft.content);
        }
    }

    /// Takes out every draft that has no number: they will not be sent.
    pub(crate) fn drain_drafts(&mut self) -> Vec<OutboxId> {
        let (drafts, rest): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.posts)
            .into_iter()
            .partition(|post| matches!(post.state, State::Draft(_)));
        self.posts = rest;
        drafts.into_iter().map(|post| post.id).collect()
    }

    /// Gives up the posts that are sealed and unanswered; whether there were any.
    pub(crate) fn abandon(&mut self, fate: Fate, ctx: &mut Context<'_>) -> bool {
        if !self.has_sealed() {
            return false;
        }
        self.posts.retain(|post| !post.is_sealed());
        self.quiet_since = None;
        ctx.store(StoreOp::Abandon { log: self.log, fate });
        true
    }

    /// Sends what may be sent, at most `room` posts; what is left of the room.
    pub(crate) fn send(&mut self, handle: LogHandle, room: u64, ctx: &mut Context<'_>) -> u64 {
        if self.is_pausing(ctx.now) {
            return room;
        }
        self.pause = None;
        let settled = self.settled();
        let mut left = self.window.saturating_sub(self.unanswered());
        let mut room = room;
        for post in &mut self.posts {
            let State::Sealed { sealed, copies } = &mut post.state else {
                continue;
            };
            if copies.is_sent {
                continue;
            }
            if room == 0 || left == 0 || sealed.number.value() > settled.value() + UNANSWERED_MAX {
                break;
            }
            (room, left) = (room - 1, left - 1);
            self.quiet_since.get_or_insert(ctx.now);
            let Sealed { number, message_session, body } = sealed.clone();
            let again = copies.again;
            *copies = Copies { is_sent: true, has_left: true, again: true };
            ctx.send(Post { handle, number, settled, message_session, again, body });
        }
        room
    }

    /// Nothing is sent just now.
    pub(crate) fn is_pausing(&self, now: Instant) -> bool {
        self.pause.is_some_and(|until| until > now)
    }

    /// How many drafts have no number yet.
    pub(crate) fn drafts(&self) -> usize {
        self.posts.iter().filter(|post| matches!(post.state, State::Draft(_))).count()
    }

    /// How many posts were sent and not answered.
    pub(crate) fn unanswered(&self) -> u64 {
        let count = self.posts.iter().filter(|post| post.is_sent()).count();
        u64::try_from(count).expect("at most the window")
    }

    /// Posts up to a number are safe; whether any of ours was.
    pub(crate) fn on_accepted(&mut self, accepted: &Accepted, ctx: &mut Context<'_>) -> bool {
        if !self.posts.iter().any(|post| post.has_left_as(accepted.upto)) {
            return false;
        }
        self.posts.retain(|post| post.number().is_none_or(|number| number > accepted.upto));
        self.on_progress(ctx);
        let Accepted { upto, seq, class, .. } = *accepted;
        ctx.store(StoreOp::Settle { log: self.log, upto, seq, class });
        true
    }

    /// A post was definitely not stored; whether it was ours.
    pub(crate) fn on_rejected(&mut self, number: Number, ctx: &mut Context<'_>) -> bool {
        let Some(at) = self.posts.iter().position(|post| post.has_left_as(number)) else {
            return false;
        };
        self.posts.remove(at);
        self.on_progress(ctx);
        true
    }

    /// A post was definitely not stored because of its message session: which one that is, when the
    /// post was ours and can be sealed anew. One that was sealed anew before waits a little.
    pub(crate) fn on_rejected_for_key(
        &mut self,
        number: Number,
        ctx: &mut Context<'_>,
    ) -> Option<MessageSession> {
        let post = self.posts.iter_mut().find(|post| post.has_left_as(number))?;
        let State::Sealed { sealed, .. } = &post.state else {
            return None;
        };
        if post.resealed >= RESEALED_MAX {
            return None;
        }
        let message_session = sealed.message_session;
        post.resealed += 1;
        let is_again = post.resealed > 1;
        post.state = State::Redrafting;
        ctx.store(StoreOp::Redraft { log: self.log, number });
        let waits = self.posts.iter().any(Waiting::is_sent);
        self.quiet_since = waits.then_some(ctx.now);
        if is_again && self.pause.is_none() {
            let pause = self.backoff.next();
            self.pause = Some(ctx.now + ctx.jitter(pause));
        }
        Some(message_session)
    }

    /// The home does not take a post now: it and those behind it are sent again after a pause,
    /// fewer at a time. An answer to an earlier copy of a post that waits for that is no news.
    pub(crate) fn on_busy(&mut self, number: Number, ctx: &mut Context<'_>) {
        if self.posts.iter().any(|post| post.is_sent() && post.number() == Some(number)) {
            self.window = 1;
            self.go_back(ctx);
        }
    }

    /// Nothing is known of what was sent: send it again after a pause, or when the home is back.
    pub(crate) fn go_back(&mut self, ctx: &mut Context<'_>) {
        if self.pause.is_some() {
            return;
        }
        let pause = self.backoff.next();
        self.pause = Some(ctx.now + ctx.jitter(pause));
        self.unsend();
    }

    /// The home is back: what was sent meanwhile was dropped on the way.
    pub(crate) fn on_up(&mut self) {
        self.pause = None;
        self.unsend();
    }

    /// The connection is gone.
    pub(crate) fn on_offline(&mut self) {
        self.pause = None;
        self.checked = false;
        self.unsend();
        self.copies_mut().for_each(|copies| copies.has_left = false);
    }

    /// Whether the home knows no number that this store has not given yet. Were it so, the store
    /// would be an old copy, and its next numbers would be used twice.
    pub(crate) fn fits(&self, base: Number) -> bool {
        base < self.next
    }

    /// Whether going back helps a home that expects this number: it was used. It may be settled by
    /// now: a home may forget a rejection that it has told us of, and asks for that number until
    /// it hears what is settled.
    pub(crate) fn can_go_back_to(&self, expected: Number) -> bool {
        expected < self.next
    }

    pub(crate) fn on_timeout(&mut self, ctx: &mut Context<'_>) {
        if self.pause.is_some_and(|until| until <= ctx.now) {
            self.pause = None;
        }
        if self.answers_due().is_some_and(|at| at <= ctx.now) {
            self.unsend();
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.pause.or(self.answers_due())
    }

    fn answers_due(&self) -> Option<Instant> {
        self.quiet_since.map(|since| since + ANSWER_TIME_MAX)
    }

    fn on_progress(&mut self, ctx: &Context<'_>) {
        self.backoff.reset();
        self.window = (self.window * 2).min(UNANSWERED_MAX);
        let waits = self.posts.iter().any(Waiting::is_sent);
        self.quiet_since = waits.then_some(ctx.now);
    }

    fn unsend(&mut self) {
        self.quiet_since = None;
        self.copies_mut().for_each(|copies| copies.is_sent = false);
    }

    fn copies_mut(&mut self) -> impl Iterator<Item = &mut Copies> {
        self.posts.iter_mut().filter_map(|post| match &mut post.state {
            State::Sealed { copies, .. } => Some(copies),
            _ => None,
        })
    }
}

impl Waiting {
    fn new(id: OutboxId, state: State) -> Self {
        Self { id, state, resealed: 0 }
    }

    fn number(&self) -> Option<Number> {
        match &self.state {
            State::Draft(_) | State::Redrafting => None,
            State::Saving(sealed, _) | State::Sealed { sealed, .. } => Some(sealed.number),
        }
    }

    fn draft(&self) -> Option<&Content> {
        match &self.state {
            State::Draft(content) => Some(content),
            _ => None,
        }
    }

    fn is_sealed(&self) -> bool {
        matches!(self.state, State::Sealed { .. })
    }

    fn is_sent(&self) -> bool {
        matches!(self.state, State::Sealed { copies: Copies { is_sent: true, .. }, .. })
    }

    fn has_left_as(&self, wanted: Number) -> bool {
        let has_left =
            matches!(self.state, State::Sealed { copies: Copies { has_left: true, .. }, .. });
        has_left && self.number() == Some(wanted)
    }
}

/// The stored bytes of a sealed post as a body, unless the store holds something impossible.
pub(crate) fn stored_body(bytes: &Bytes) -> Option<Body> {
    Body::new(bytes.clone()).ok()
}
