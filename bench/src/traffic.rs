//! Posts and deliveries of users whose logs are open. Before anything is measured every lane
//! carries a greeting, as people greet each other: it opens mailboxes for more than a stranger's
//! posts, and warms the path; greetings are not measured.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;
use wire::limits::{NUMBER_MAX, UNANSWERED_MAX};
use wire::message::{Body, Bundle, Post, Seen};
use wire::{FaultCode, Instant, Kind, LogHandle, MessageSession, Name, Number, ToClient};

use crate::account::Account;
use crate::body::{Bodies, Identity};
use crate::group::MESSAGE_SESSION;
use crate::images::Images;
use crate::inbox::{Acknowledgement, Inboxes};
use crate::layout::{Layout, Target};
use crate::load::Effect;
use crate::numbers::Numbers;
use crate::plan::{Course, Pace, Plan};
use crate::record::{Counts, Record};
use crate::schedule::Schedule;
use crate::sealing::Sealing;
use crate::sender::{Misanswer, Sender};
use crate::silent::Silent;
use crate::user::Action;

mod absence;
mod answers;
mod arrivals;
mod pictures;
mod sealed;

/// The number of the greeting.
const GREETING: u64 = 1;
/// Pause after a refusal that asks to go back.
const HOLD_TIME: Duration = Duration::from_millis(10);

/// What a cluster must not say while posts flow.
#[derive(Debug, Error)]
pub enum TrafficError {
    /// The session was ended by its home.
    #[error("a session was ended: {0}")]
    Ended(FaultCode),
    /// A message at the wrong time or for another log.
    #[error("the cluster said {0} out of turn")]
    OutOfTurn(Kind),
    /// An answer that fits no post.
    #[error(transparent)]
    Misanswer(#[from] Misanswer),
    /// A grant that cannot be made or opened.
    #[error("a grant: {0}")]
    Grant(String),
}

/// Every user's posts and deliveries.
pub struct Traffic {
    layout: Layout,
    names: Vec<Name>,
    bodies: Bodies,
    silent: Silent,
    images: Images,
    /// One for each lane.
    writers: Vec<Writer>,
    /// What each reader of each lane has; a lane's begin at its `first_receipt`.
    receipts: Vec<Numbers>,
    inboxes: Inboxes,
    /// Users who have received nothing since they left.
    away: Vec<bool>,
    pace: Pace,
    course: Course,
    duration: Duration,
    schedule: Option<Schedule>,
    /// Posts of the schedule that were released to their lanes.
    released: u64,
    record: Record,
    /// Greetings that are not accepted, or not delivered.
    greetings: usize,
    /// Lanes that may have something to send.
    ready: Vec<usize>,
    holds: BTreeSet<(Instant, usize)>,
    is_stopped: bool,
    /// Connections were lost: what comes twice since is what clients drop.
    is_disturbed: bool,
    progress: Instant,
    said: Vec<Acknowledgement>,
    is_sealed: bool,
    body_len: usize,
    bundles: Vec<Bundle>,
    /// Message sessions, when bodies are sealed.
    sealing: Option<Sealing>,
}

struct Writer {
    sender: Sender,
    accepted: Numbers,
    /// When each post after the greeting was meant to be sent, if the clock says so.
    intended: Vec<Instant>,
    first_receipt: usize,
    is_ready: bool,
}

impl Traffic {
    /// The traffic of one run.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let layout = Layout::new(plan.pattern, plan.silent);
        Self {
            names: Vec::new(),
            bodies: Bodies::new(plan.seed, plan.body_len),
            silent: Silent::new(plan, &layout),
            images: Images::new(plan.images, mailbox_lanes(&layout), plan.seed),
            writers: Vec::new(),
            receipts: Vec::new(),
            inboxes: Inboxes::new(layout.users(), plan.keeping),
            away: vec![false; layout.users()],
            pace: plan.pace,
            course: plan.course,
            duration: plan.duration,
            schedule: None,
            released: 0,
            record: Record::default(),
            greetings: 0,
            ready: Vec::new(),
            holds: BTreeSet::new(),
            is_stopped: false,
            is_disturbed: false,
            progress: Instant::default(),
            said: Vec::new(),
            is_sealed: plan.is_sealed,
            body_len: plan.body_len,
            bundles: Vec::new(),
            sealing: None,
            layout,
        }
    }

    /// Who posts where.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Everybody's logs are open: each lane carries a greeting.
    pub fn greet(&mut self, accounts: &[&Account]) {
        self.names = accounts.iter().map(|account| account.name).collect();
        self.bundles = accounts.iter().map(|account| account.bundle().clone()).collect();
        self.sealing = self.is_sealed.then(|| self.sealing(accounts));
        for lane in 0..self.layout.lanes().len() {
            let mut sender = Sender::new(UNANSWERED_MAX);
            sender.release(GREETING);
            let (accepted, intended) = (Numbers::default(), Vec::new());
            let first_receipt = self.receipts.len();
            let readers = self.layout.readers(lane);
            self.receipts.resize(first_receipt + readers, Numbers::default());
            self.greetings += 1 + readers;
            self.writers.push(Writer {
                sender,
                accepted,
                intended,
                first_receipt,
                is_ready: false,
            });
            self.mark_ready(lane);
        }
    }

    /// Whether every greeting was accepted and delivered.
    #[must_use]
    pub fn is_greeted(&self) -> bool {
        self.greetings == 0
    }

    /// Posts flow from `start` on.
    pub fn begin(&mut self, start: Instant) {
        (self.record.began, self.record.ended) = (start, start);
        self.record.crypto = Duration::ZERO;
        self.sealing.iter_mut().for_each(Sealing::forget_cost);
        match self.pace {
            Pace::Open { rate } => {
                let lanes = u32::try_from(self.layout.measured().len()).expect("few lanes");
                let rounds = if self.silent.users().is_empty() { 1 } else { 2 };
                let duration = rounds * self.duration;
                self.schedule = Some(Schedule::new(start, rate, lanes, duration));
                self.record.hushed = start + self.duration;
                self.silent.begin(self.record.hushed);
                self.images.begin(start, self.duration);
            }
            Pace::Closed { window } => {
                let posts = match self.course {
                    Course::Away { posts } => posts,
                    Course::Steady | Course::Faults => NUMBER_MAX - GREETING,
                };
                for lane in self.layout.measured() {
                    let sender = &mut self.writers[lane].sender;
                    sender.set_window(window);
                    sender.release(posts);
                    self.mark_ready(lane);
                }
            }
        }
    }

    /// A frame's message came to a user.
    ///
    /// # Errors
    /// [`TrafficError`]: the run cannot go on.
    pub fn on_message(
        &mut self,
        now: Instant,
        user: usize,
        message: ToClient,
        out: &mut Vec<Effect>,
    ) -> Result<(), TrafficError> {
        let kind = message.kind();
        match message {
            ToClient::Accepted(accepted) => {
                let lane = self.lane(user, accepted.handle, kind)?;
                self.on_accepted(now, lane, &accepted)?;
            }
            ToClient::Deliver(deliver) => self.on_deliver(now, user, &deliver, out)?,
            ToClient::Refused(refused) => {
                let lane = self.lane(user, refused.handle, kind)?;
                self.on_refused(now, lane, &refused)?;
            }
            ToClient::Unavailable(lost) => {
                if let Some(lane) = self.layout.lane(user, lost.handle) {
                    self.counts(lane).unavailable += 1;
                    self.writers[lane].sender.on_down();
                }
            }
            ToClient::Up(up) => self.on_up(user, up.handle),
            ToClient::Receipt(_) => {}
            ToClient::SessionEnded(ended) => return Err(TrafficError::Ended(ended.code)),
            other => return Err(TrafficError::OutOfTurn(other.kind())),
        }
        Ok(())
    }

    /// The end of a turn: sends what is due and possible, and acknowledges what is kept. What is to
    /// be written before more can be acknowledged is returned.
    pub fn on_turn_end(&mut self, now: Instant, out: &mut Vec<Effect>) -> Option<Bytes> {
        self.release(now);
        self.release_images(now, out);
        self.end_holds(now);
        while let Some(lane) = self.ready.pop() {
            self.writers[lane].is_ready = false;
            self.send(now, lane, out);
        }
        let mut said = std::mem::take(&mut self.said);
        let bytes = self.inboxes.on_turn_end(now, &mut said);
        self.acknowledge(said, out);
        bytes
    }

    /// What was last returned to be written is on disk.
    pub fn on_kept(&mut self, out: &mut Vec<Effect>) {
        let mut said = std::mem::take(&mut self.said);
        self.inboxes.on_kept(&mut said);
        self.acknowledge(said, out);
    }

    /// When the next post, resend or acknowledgement is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let next = self.schedule.filter(|all| self.released < all.posts());
        let next = next.map(|all| all.intended(self.released));
        let hold = self.holds.first().map(|(until, _)| *until);
        let images = self.images.deadline();
        let others = [hold, self.silent.deadline(), self.inboxes.deadline(), images];
        next.into_iter().chain(others.into_iter().flatten()).min()
    }

    /// Who reads nothing in the second half.
    #[must_use]
    pub fn silent(&self) -> std::ops::Range<usize> {
        self.silent.users()
    }

    /// When something was accepted or delivered last.
    #[must_use]
    pub fn progress(&self) -> Instant {
        self.progress
    }

    /// Whether posts are paced by the clock.
    #[must_use]
    pub fn is_by_the_clock(&self) -> bool {
        matches!(self.pace, Pace::Open { .. })
    }

    /// Whether nothing is sent for the first time any more.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// Sends nothing for the first time any more.
    pub fn stop_sending(&mut self) {
        self.is_stopped = true;
        let measured = self.layout.measured();
        let unsent: u64 = measured.map(|lane| self.writers[lane].sender.withdraw()).sum();
        if self.schedule.is_some() {
            self.record.counts.unsent += unsent;
        }
    }

    /// Whether every post that was to be sent has its answer.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        let mut lanes = self.layout.measured();
        lanes.all(|lane| self.writers[lane].sender.is_answered())
    }

    /// Everything is answered while its readers are away.
    pub fn on_all_stored(&mut self, now: Instant) {
        self.record.stored = now;
    }

    /// Whether everything that was sent is answered, and everything accepted delivered.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let counts = &self.record.counts;
        let all_sent = self
            .schedule
            .is_none_or(|all| counts.posted + counts.unsent == all.posts() + counts.named);
        let is_silent_sent = self.record.silent.posted == self.silent.released();
        let is_seen = is_silent_sent && self.images.is_quiet() && self.inboxes.is_acknowledged();
        all_sent && is_seen && counts.is_settled() && self.record.silent.is_settled()
    }

    /// What the run found.
    #[must_use]
    pub fn finish(mut self) -> Record {
        let sealed = self.sealing.as_ref().map_or(Duration::ZERO, Sealing::cost);
        self.record.crypto += sealed;
        self.record.counts.lost += self.images.missing();
        for (lane, writer) in self.writers.iter().enumerate() {
            let all = writer.first_receipt..writer.first_receipt + self.layout.readers(lane);
            let lost = |received: &Numbers| writer.accepted.missing_in(received);
            let lost: u64 = self.receipts[all].iter().map(lost).sum();
            let counts = self.record.counts_mut(self.silent.has_lane(lane));
            counts.lost += lost;
            counts.unanswered += writer.sender.unanswered();
        }
        self.record
    }

    fn lane(&self, user: usize, handle: LogHandle, kind: Kind) -> Result<usize, TrafficError> {
        self.layout.lane(user, handle).ok_or(TrafficError::OutOfTurn(kind))
    }

    fn acknowledge(&mut self, mut said: Vec<Acknowledgement>, out: &mut Vec<Effect>) {
        for (user, handle, upto) in said.drain(..) {
            // Who comes back says it with its cursor.
            if !self.away[user] {
                say(user, Seen { handle, upto }, out);
            }
        }
        self.said = said;
    }

    fn counts(&mut self, lane: usize) -> &mut Counts {
        self.record.counts_mut(self.silent.has_lane(lane))
    }

    fn bodies_of(&self, user: usize) -> &Bodies {
        if self.silent.has(user) { self.silent.bodies() } else { &self.bodies }
    }

    fn release(&mut self, now: Instant) {
        for lane in self.silent.release(now) {
            self.writers[lane].sender.release(1);
            self.mark_ready(lane);
        }
        let Some(schedule) = self.schedule else {
            return;
        };
        let due = schedule.due(now);
        for index in self.released..due {
            let lane = self.layout.lane_of_post(index);
            self.writers[lane].sender.release(1);
            self.writers[lane].intended.push(schedule.intended(index));
            self.mark_ready(lane);
        }
        self.released = self.released.max(due);
    }

    fn end_holds(&mut self, now: Instant) {
        while let Some((until, lane)) = self.holds.first().copied()
            && until <= now
        {
            self.holds.remove(&(until, lane));
            self.writers[lane].sender.resume();
            self.mark_ready(lane);
        }
    }

    fn mark_ready(&mut self, lane: usize) {
        if !std::mem::replace(&mut self.writers[lane].is_ready, true) {
            self.ready.push(lane);
        }
    }

    fn send(&mut self, now: Instant, lane: usize, out: &mut Vec<Effect>) {
        let to = self.layout.lanes()[lane];
        while self.may_compose(lane, out)
            && let Some(post) = self.writers[lane].sender.next_post()
        {
            self.count_sent(now, lane, post.number, post.is_first);
            let (message_session, body) = self.compose(lane, post.number);
            let message = Post {
                handle: to.handle,
                number: number(post.number),
                settled: number(post.settled),
                message_session,
                again: !post.is_first,
                body,
            };
            say(to.writer, message, out);
        }
    }

    fn compose(&mut self, lane: usize, number: u64) -> (MessageSession, Body) {
        let to = self.layout.lanes()[lane];
        if let Some(sealing) = &mut self.sealing {
            return sealing.seal(lane, number);
        }
        let body = self.bodies_of(to.writer).compose(identity_of(lane, number));
        match to.target {
            Target::Mailbox(_) => (MessageSession(0), body),
            Target::Group => (MESSAGE_SESSION, body),
        }
    }

    fn count_sent(&mut self, now: Instant, lane: usize, number: u64, is_first: bool) {
        if number == GREETING {
            return;
        }
        if !is_first {
            self.counts(lane).resent += 1;
            return;
        }
        self.counts(lane).posted += 1;
        if let Some(at) = intended_of(&self.writers[lane].intended, number) {
            self.record.sent.add(now.since(at));
        }
    }
}

/// When a post was meant to be sent, if the clock says so.
fn intended_of(intended: &[Instant], number: u64) -> Option<Instant> {
    let ordinal = number.checked_sub(GREETING + 1)?;
    intended.get(usize::try_from(ordinal).ok()?).copied()
}

fn identity_of(lane: usize, number: u64) -> Identity {
    let lane = u32::try_from(lane).expect("the plan bounds the lanes");
    Identity { lane, number }
}

/// Lanes that lead to mailboxes: they come first.
fn mailbox_lanes(layout: &Layout) -> u32 {
    let measured = &layout.lanes()[layout.measured()];
    let mailboxes = measured.iter().take_while(|lane| lane.target != Target::Group);
    u32::try_from(mailboxes.count()).expect("the plan bounds the lanes")
}

fn number(value: u64) -> Number {
    Number::new(value).expect("a run ends long before 2^48 posts")
}

fn say(user: usize, message: impl Into<wire::ToServer>, out: &mut Vec<Effect>) {
    let action = Action::Say(message.into());
    out.push(Effect::Act { user, action });
}
