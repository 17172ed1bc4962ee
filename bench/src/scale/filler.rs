//! Fills the stores of a cluster by its own protocol: accounts sign up one after the other over a
//! few connections, each creates a group, posts to the account before it, which is away, and goes.
//! Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use wire::limits::STRANGER_ENTRIES_MAX;
use wire::message::{Pong, Post};
use wire::{Frame, FromRouter, Instant, LogHandle, LogId, MessageSession, Name, Number, ToClient};

use crate::body::{Bodies, Identity};
use crate::group::Group;
use crate::load::{Core, Effect, Event, LoadError};
use crate::opening::Wanted;
use crate::user::{Action, Progress, User, UserError};

/// Connections that are used at the same time.
pub const HANDS: u32 = 128;
/// The handle of the mailbox that is posted to.
const OTHER: LogHandle = LogHandle(1);
/// Pause after something was not possible.
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// Without any progress for this long the filling is given up.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// What is in the stores.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Filled {
    /// Accounts.
    pub accounts: u64,
    /// Groups of one member.
    pub groups: u64,
    /// Entries in mailboxes.
    pub entries: u64,
}

/// See the module.
pub struct Filler {
    hands: Vec<Hand>,
    wanted: Filled,
    filled: Filled,
    begun: u64,
    bodies: Bodies,
    random: StdRng,
    pauses: BTreeSet<(Instant, usize)>,
    progress: Instant,
    actions: Vec<Action>,
}

struct Hand {
    user: User,
    group: Group,
    /// Whom its last account was, to whom the next one posts.
    previous: Option<Name>,
    is_busy: bool,
}

impl Filler {
    /// Adds `wanted` to what is there: as many groups as accounts at most, and of each account as
    /// many entries as a stranger may leave.
    #[must_use]
    pub fn new(wanted: Filled, body_len: usize, secret: [u8; 32]) -> Self {
        let mut random = StdRng::from_seed(secret);
        let hands = (0..HANDS).map(|_| Hand {
            user: User::new(&mut random),
            group: Group::new(&mut random),
            previous: None,
            is_busy: false,
        });
        Self {
            hands: hands.collect(),
            wanted,
            filled: Filled::default(),
            begun: 0,
            bodies: Bodies::new(0, body_len),
            random,
            pauses: BTreeSet::new(),
            progress: Instant::default(),
            actions: Vec::new(),
        }
    }

    /// What was added.
    #[must_use]
    pub fn finish(self) -> Filled {
        self.filled
    }

    /// Posts of each account, so that all together are what was wanted.
    fn posts(&self) -> u64 {
        let each = self.wanted.entries.div_ceil(self.wanted.accounts.max(1));
        each.min(STRANGER_ENTRIES_MAX)
    }

    fn on_turn_end(&mut self, now: Instant, out: &mut Vec<Effect>) -> Result<(), LoadError> {
        while let Some((at, hand)) = self.pauses.first().copied()
            && at <= now
        {
            self.pauses.remove(&(at, hand));
            match self.hands[hand].user.is_signed_in() {
                true => self.hands[hand].user.open_again(&mut self.actions),
                false => self.hands[hand].user.start(&mut self.random, &mut self.actions),
            }
            self.act(hand, out);
        }
        for hand in 0..self.hands.len() {
            if !self.hands[hand].is_busy && self.begun < self.wanted.accounts {
                self.begin(hand, out);
            }
        }
        if !self.is_done() && now >= self.progress + SILENCE_MAX {
            return Err(LoadError::Stalled("filling the stores"));
        }
        Ok(())
    }

    fn begin(&mut self, hand: usize, out: &mut Vec<Effect>) {
        self.begun += 1;
        let place = &mut self.hands[hand];
        place.is_busy = true;
        place.user = User::new(&mut self.random);
        place.group = Group::new(&mut self.random);
        place.user.start(&mut self.random, &mut self.actions);
        self.act(hand, out);
    }

    fn on_frame(
        &mut self,
        now: Instant,
        hand: usize,
        frame: &Frame,
        out: &mut Vec<Effect>,
    ) -> Result<(), LoadError> {
        let posts = self.posts();
        let (random, actions) = (&mut self.random, &mut self.actions);
        let user = &mut self.hands[hand].user;
        if user.is_at_router() {
            let progress = user.on_router(FromRouter::decode(frame)?, random, actions)?;
            self.act(hand, out);
            self.on_progress(now, hand, progress, out);
            return Ok(());
        }
        match ToClient::decode(frame)? {
            ToClient::Ping(ping) => {
                actions.push(Action::Say(Pong { nonce: ping.nonce }.into()));
                self.act(hand, out);
            }
            ToClient::RosterChanged(_) => {
                self.filled.groups += 1;
                self.post(hand, out);
            }
            ToClient::Accepted(accepted) if accepted.upto.value() == posts => {
                self.filled.entries += posts;
                self.end(now, hand, out);
            }
            ToClient::Accepted(_) => {}
            ToClient::Refused(refused) => {
                let why = format!("{:?}", refused.refusal);
                return Err(UserError::Refused(wire::FaultCode::UNAVAILABLE, why).into());
            }
            message => {
                let progress = user.on_seat(message, random, actions)?;
                self.act(hand, out);
                self.on_progress(now, hand, progress, out);
            }
        }
        Ok(())
    }

    fn on_progress(
        &mut self,
        now: Instant,
        hand: usize,
        progress: Progress,
        out: &mut Vec<Effect>,
    ) {
        match progress {
            Progress::OnItsWay => {}
            Progress::TryAgain => {
                self.pauses.insert((now + RETRY_PAUSE, hand));
            }
            Progress::SignedIn => {
                self.progress = now;
                self.filled.accounts += 1;
                self.found(now, hand, out);
            }
            Progress::Open => {
                for number in 1..=self.posts() {
                    let message = self.composed(hand, number);
                    self.actions.push(Action::Say(message.into()));
                }
                self.act(hand, out);
            }
        }
    }

    /// A new account creates a group, if there are to be more.
    fn found(&mut self, now: Instant, hand: usize, out: &mut Vec<Effect>) {
        if self.filled.groups >= self.wanted.groups {
            return self.post(hand, out);
        }
        let place = &mut self.hands[hand];
        let change = place.group.next(place.user.account());
        self.actions.push(Action::Say(change.into()));
        self.act(hand, out);
        self.progress = now;
    }

    /// Then it posts to the account before it.
    fn post(&mut self, hand: usize, out: &mut Vec<Effect>) {
        let place = &mut self.hands[hand];
        match place.previous {
            Some(previous) if self.wanted.entries > 0 => {
                let (handle, log) = (OTHER, LogId::mailbox(previous));
                let wanted = vec![Wanted { handle, log, cursor: None }];
                place.user.open(wanted, &mut self.actions);
                self.act(hand, out);
            }
            _ => self.end(self.progress, hand, out),
        }
    }

    fn composed(&self, hand: usize, number: u64) -> Post {
        let lane = u32::try_from(hand).expect("few hands");
        Post {
            handle: OTHER,
            number: Number::new(number).expect("few posts"),
            settled: Number::NONE,
            message_session: MessageSession(0),
            again: false,
            body: self.bodies.compose(Identity { lane, number }),
        }
    }

    fn end(&mut self, now: Instant, hand: usize, out: &mut Vec<Effect>) {
        self.progress = now;
        let place = &mut self.hands[hand];
        place.previous = Some(place.user.name());
        place.is_busy = false;
        place.user.leave(&mut self.actions);
        self.act(hand, out);
        let accounts = usize::try_from(self.filled.accounts).expect("u64 fits usize");
        out.push(Effect::SignedUp(accounts));
    }

    fn act(&mut self, user: usize, out: &mut Vec<Effect>) {
        out.extend(self.actions.drain(..).map(|action| Effect::Act { user, action }));
    }
}

impl Core for Filler {
    fn handle(
        &mut self,
        now: Instant,
        event: Event,
        out: &mut Vec<Effect>,
    ) -> Result<(), LoadError> {
        match event {
            Event::Frame { user, frame } => self.on_frame(now, user, &frame, out),
            Event::Lost { user, why } => match self.hands[user].user.on_lost() {
                Some(progress) => {
                    self.on_progress(now, user, progress, out);
                    Ok(())
                }
                None => Err(LoadError::Lost { phase: "filling the stores", why }),
            },
            Event::Kept | Event::Worked(..) => Ok(()),
            Event::TurnEnd => self.on_turn_end(now, out),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let pause = self.pauses.first().map(|(at, _)| *at);
        let idle = (self.begun == 0).then_some(Instant::default());
        [pause, idle, Some(self.progress + SILENCE_MAX)].into_iter().flatten().min()
    }

    fn is_done(&self) -> bool {
        let is_begun = self.begun == self.wanted.accounts;
        is_begun && self.hands.iter().all(|hand| !hand.is_busy)
    }

    fn sign_ups(&self) -> u64 {
        self.wanted.accounts
    }
}

#[cfg(test)]
mod tests;
