//! Posts and deliveries of users whose logs are open. Users 2p and 2p + 1 are pair p: the first
//! writes, the second reads. Before that both greet each other, as people do: it opens both
//! mailboxes for more than a stranger's posts, and warms the path; greetings are not measured.

use std::collections::BTreeSet;
use std::time::Duration;

use thiserror::Error;
use wire::limits::{NUMBER_MAX, UNANSWERED_MAX};
use wire::message::{Accepted, Deliver, Pong, Post, Refused, Seen};
use wire::{FaultCode, Instant, Kind, LogHandle, MessageSession, Name, Number, ToClient};

use crate::body::{Bodies, Identity};
use crate::load::Effect;
use crate::numbers::Numbers;
use crate::plan::{Pace, Plan};
use crate::reader::{Arrival, Reader};
use crate::record::{Counts, Record};
use crate::schedule::Schedule;
use crate::sender::{Consequence, Misanswer, Sender};
use crate::silent::Silent;
use crate::user::{Action, MAILBOX, PARTNER};

/// The number of the greeting.
const GREETING: u64 = 1;
/// Pause after a refusal that asks to go back.
const HOLD_TIME: Duration = Duration::from_millis(10);

/// What a cluster must not say while posts flow.
#[derive(Debug, Error)]
pub enum TrafficError {
    /// A fault that is no answer to a post.
    #[error("the cluster refuses a user in mid-run: {0}: {1}")]
    Refused(FaultCode, String),
    /// The session was ended by its home.
    #[error("a session was ended: {0}")]
    Ended(FaultCode),
    /// A message at the wrong time or for another log.
    #[error("the cluster said {0} out of turn")]
    OutOfTurn(Kind),
    /// An answer that fits no post.
    #[error(transparent)]
    Misanswer(#[from] Misanswer),
}

/// Every user's posts and deliveries.
pub struct Traffic {
    bodies: Bodies,
    /// Users of the pairs; silent ones follow.
    paired: usize,
    silent: Silent,
    parties: Vec<Party>,
    pace: Pace,
    duration: Duration,
    schedule: Option<Schedule>,
    /// Posts of the schedule that were released to their writers.
    released: u64,
    record: Record,
    /// Greetings that are not accepted, or not delivered.
    greetings: usize,
    /// Users that may have something to send.
    ready: Vec<usize>,
    /// Users with entries to acknowledge.
    unseen: Vec<usize>,
    holds: BTreeSet<(Instant, usize)>,
    is_stopped: bool,
    progress: Instant,
}

struct Party {
    name: Name,
    sender: Sender,
    accepted: Numbers,
    reader: Reader,
    is_ready: bool,
}

impl Traffic {
    /// The traffic of one run.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        Self {
            bodies: Bodies::new(plan.seed, plan.body_len),
            paired: usize::try_from(2 * plan.pairs).expect("32 bits"),
            silent: Silent::new(plan),
            parties: Vec::new(),
            pace: plan.pace,
            duration: plan.duration,
            schedule: None,
            released: 0,
            record: Record::default(),
            greetings: 0,
            ready: Vec::new(),
            unseen: Vec::new(),
            holds: BTreeSet::new(),
            is_stopped: false,
            progress: Instant::default(),
        }
    }

    /// Everybody's logs are open: each greets its partner.
    pub fn greet(&mut self, names: &[Name]) {
        self.greetings = 2 * names.len();
        for name in names {
            let mut sender = Sender::new(UNANSWERED_MAX);
            sender.release(GREETING);
            self.parties.push(Party {
                name: *name,
                sender,
                accepted: Numbers::default(),
                reader: Reader::default(),
                is_ready: false,
            });
        }
        (0..names.len()).for_each(|user| self.mark_ready(user));
    }

    /// Whether every greeting was accepted and delivered.
    #[must_use]
    pub fn is_greeted(&self) -> bool {
        self.greetings == 0
    }

    /// Posts flow from `start` on.
    pub fn begin(&mut self, start: Instant) {
        (self.record.began, self.record.ended) = (start, start);
        match self.pace {
            Pace::Open { rate } => {
                let pairs = u32::try_from(self.paired / 2).expect("the plan bounds it");
                let rounds = if self.silent.users().is_empty() { 1 } else { 2 };
                let duration = rounds * self.duration;
                self.schedule = Some(Schedule::new(start, rate, pairs, duration));
                self.record.hushed = start + self.duration;
                self.silent.begin(self.record.hushed);
            }
            Pace::Closed { window } => {
                for writer in writers(self.paired) {
                    let sender = &mut self.parties[writer].sender;
                    sender.set_window(window);
                    sender.release(NUMBER_MAX - GREETING);
                    self.mark_ready(writer);
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
        match message {
            ToClient::Accepted(accepted) if accepted.handle == PARTNER => {
                self.on_accepted(now, user, &accepted)?;
            }
            ToClient::Deliver(deliver) if deliver.handle == MAILBOX => {
                self.on_deliver(now, user, &deliver);
            }
            ToClient::Refused(refused) if refused.handle == PARTNER => {
                self.on_refused(now, user, &refused)?;
            }
            ToClient::Unavailable(lost) => self.on_unavailable(user, lost.handle),
            ToClient::Up(up) => self.on_up(user, up.handle),
            ToClient::CaughtUp(_) | ToClient::Ready(_) | ToClient::Pong(_) => {}
            ToClient::Ping(ping) => say(user, Pong { nonce: ping.nonce }, out),
            ToClient::Fault(fault) => {
                let text = fault.text.as_str().to_owned();
                return Err(TrafficError::Refused(fault.code, text));
            }
            ToClient::SessionEnded(ended) => return Err(TrafficError::Ended(ended.code)),
            other => return Err(TrafficError::OutOfTurn(other.kind())),
        }
        Ok(())
    }

    /// The end of a turn: sends what is due and possible, and acknowledges what came.
    pub fn on_turn_end(&mut self, now: Instant, out: &mut Vec<Effect>) {
        self.release(now);
        self.end_holds(now);
        while let Some(user) = self.ready.pop() {
            self.parties[user].is_ready = false;
            self.send(now, user, out);
        }
        while let Some(user) = self.unseen.pop() {
            if let Some(upto) = self.parties[user].reader.take_seen() {
                let handle = MAILBOX;
                say(user, Seen { handle, upto }, out);
            }
        }
    }

    /// When the next post or resend is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let next = self.schedule.filter(|all| self.released < all.posts());
        let next = next.map(|all| all.intended(self.released));
        let hold = self.holds.first().map(|(until, _)| *until);
        next.into_iter().chain(hold).chain(self.silent.deadline()).min()
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
        let unsent: u64 =
            writers(self.paired).map(|writer| self.parties[writer].sender.withdraw()).sum();
        if self.schedule.is_some() {
            self.record.counts.unsent += unsent;
        }
    }

    /// Whether everything that was sent is answered, and everything accepted delivered.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let counts = &self.record.counts;
        let all_sent = self.schedule.is_none_or(|all| counts.posted + counts.unsent == all.posts());
        let is_silent_sent = self.record.silent.posted == self.silent.released();
        all_sent && is_silent_sent && counts.is_settled() && self.record.silent.is_settled()
    }

    /// What the run found.
    #[must_use]
    pub fn finish(mut self) -> Record {
        for (user, party) in self.parties.iter().enumerate() {
            let received = self.parties[partner(user)].reader.numbers();
            let counts = self.record.counts_mut(self.silent.has(user));
            counts.lost += party.accepted.missing_in(received);
            counts.unanswered += party.sender.unanswered();
        }
        self.record
    }

    fn on_accepted(
        &mut self,
        now: Instant,
        user: usize,
        accepted: &Accepted,
    ) -> Result<(), Misanswer> {
        let is_silent = self.silent.has(user);
        let pace = (self.schedule.filter(|_| !is_silent), user);
        let party = &mut self.parties[user];
        let (record, greetings) = (&mut self.record, &mut self.greetings);
        let (known, sender) = (&mut party.accepted, &mut party.sender);
        sender.on_accepted(accepted.upto, |number| {
            known.insert(number);
            if number == GREETING {
                *greetings -= 1;
                return;
            }
            record.counts_mut(is_silent).add_accepted(accepted.class);
            if let Some(at) = intended(pace, number) {
                record.accepted.add(now.since(at));
            }
        })?;
        self.progress = now;
        self.mark_ready(user);
        Ok(())
    }

    fn on_refused(
        &mut self,
        now: Instant,
        user: usize,
        refused: &Refused,
    ) -> Result<(), Misanswer> {
        let sender = &mut self.parties[user].sender;
        match sender.on_refused(refused.number, refused.refusal)? {
            Consequence::Spent(code) => {
                *self.counts(user).rejected.entry(code).or_default() += 1;
                self.progress = now;
                self.mark_ready(user);
            }
            Consequence::Hold => {
                self.counts(user).held += 1;
                self.holds.insert((now + HOLD_TIME, user));
            }
            Consequence::Nothing => {}
        }
        Ok(())
    }

    fn on_deliver(&mut self, now: Instant, user: usize, deliver: &Deliver) {
        let entry = &deliver.entry;
        self.progress = now;
        if !self.parties[user].reader.is_unseen() {
            self.unseen.push(user);
        }
        let writer = partner(user);
        let identity = self.bodies_of(writer).identify(entry.body.bytes());
        let number = entry.number.value();
        let is_own = identity == Some(identity_of(writer, number));
        if number == 0 || !is_own || entry.sender != self.parties[writer].name {
            self.counts(user).damaged += 1;
            return self.parties[user].reader.on_foreign(entry.seq);
        }
        match self.parties[user].reader.on_entry(entry.seq, number) {
            Arrival::Doubled => self.counts(user).doubled += 1,
            Arrival::OutOfOrder => {
                self.counts(user).disordered += 1;
                self.on_new(now, writer, number);
            }
            Arrival::InOrder => self.on_new(now, writer, number),
        }
    }

    fn on_new(&mut self, now: Instant, writer: usize, number: u64) {
        if number == GREETING {
            self.greetings -= 1;
            return;
        }
        self.counts(writer).delivered += 1;
        if self.silent.has(writer) {
            return;
        }
        self.record.ended = now;
        if let Some(at) = intended((self.schedule, writer), number) {
            let is_beside = !self.silent.users().is_empty() && at >= self.record.hushed;
            let record = &mut self.record;
            let latencies = if is_beside { &mut record.beside } else { &mut record.delivered };
            latencies.add(now.since(at));
        }
    }

    fn counts(&mut self, user: usize) -> &mut Counts {
        self.record.counts_mut(self.silent.has(user))
    }

    fn bodies_of(&self, writer: usize) -> &Bodies {
        if self.silent.has(writer) { self.silent.bodies() } else { &self.bodies }
    }

    fn on_unavailable(&mut self, user: usize, handle: LogHandle) {
        self.counts(user).unavailable += 1;
        if handle == PARTNER {
            self.parties[user].sender.on_down();
        }
    }

    fn on_up(&mut self, user: usize, handle: LogHandle) {
        if handle == PARTNER {
            self.parties[user].sender.on_up();
            self.mark_ready(user);
        }
    }

    fn release(&mut self, now: Instant) {
        for writer in self.silent.release(now) {
            self.parties[writer].sender.release(1);
            self.mark_ready(writer);
        }
        let Some(schedule) = self.schedule else {
            return;
        };
        let due = schedule.due(now);
        for index in self.released..due {
            let writer = 2 * schedule.pair(index);
            self.parties[writer].sender.release(1);
            self.mark_ready(writer);
        }
        self.released = self.released.max(due);
    }

    fn end_holds(&mut self, now: Instant) {
        while let Some((until, user)) = self.holds.first().copied()
            && until <= now
        {
            self.holds.remove(&(until, user));
            self.parties[user].sender.resume();
            self.mark_ready(user);
        }
    }

    fn mark_ready(&mut self, user: usize) {
        let party = &mut self.parties[user];
        if !std::mem::replace(&mut party.is_ready, true) {
            self.ready.push(user);
        }
    }

    fn send(&mut self, now: Instant, user: usize, out: &mut Vec<Effect>) {
        while let Some(post) = self.parties[user].sender.next_post() {
            self.count_sent(now, user, post.number, post.is_first);
            let identity = identity_of(user, post.number);
            let message = Post {
                handle: PARTNER,
                number: number(post.number),
                settled: number(post.settled),
                message_session: MessageSession(0),
                again: !post.is_first,
                body: self.bodies_of(user).compose(identity),
            };
            say(user, message, out);
        }
    }

    fn count_sent(&mut self, now: Instant, user: usize, number: u64, is_first: bool) {
        if number == GREETING {
            return;
        }
        if !is_first {
            self.counts(user).resent += 1;
            return;
        }
        self.counts(user).posted += 1;
        if self.silent.has(user) {
            return;
        }
        if let Some(at) = intended((self.schedule, user), number) {
            self.record.sent.add(now.since(at));
        }
    }
}

/// The other one of the pair.
fn partner(user: usize) -> usize {
    user ^ 1
}

fn writers(users: usize) -> impl Iterator<Item = usize> {
    (0..users).step_by(2)
}

/// When a writer's post was meant to be sent, if the clock says so.
fn intended((schedule, writer): (Option<Schedule>, usize), number: u64) -> Option<Instant> {
    let ordinal = number.checked_sub(GREETING + 1)?;
    schedule.map(|all| all.intended(all.index(writer / 2, ordinal)))
}

fn identity_of(user: usize, number: u64) -> Identity {
    let user = u32::try_from(user).expect("the plan bounds the pairs");
    Identity { user, number }
}

fn number(value: u64) -> Number {
    Number::new(value).expect("a run ends long before 2^48 posts")
}

fn say(user: usize, message: impl Into<wire::ToServer>, out: &mut Vec<Effect>) {
    let action = Action::Say(message.into());
    out.push(Effect::Act { user, action });
}
