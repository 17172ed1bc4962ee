//! The core of a run: users sign up, make a group, open their logs and greet; then posts flow, then
//! drain. Pure: time, frames and finished writes come in as events, what to do comes out as
//! effects.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::StdRng;
use thiserror::Error;
use wire::message::Pong;
use wire::net::CloseCause;
use wire::{DecodeError, FaultCode, Frame, FromRouter, Instant, Kind, LogHandle, LogId, ToClient};

use crate::group::Group;
use crate::layout::{MAILBOX, Target};
use crate::opening::Wanted;
use crate::plan::{Course, Plan};
use crate::record::Record;
use crate::sealing::work::{Done, Job};
use crate::traffic::{Traffic, TrafficError};
use crate::user::{Action, Progress, User, UserError};

mod phase;

use phase::Phase;

/// Pause before a user tries again.
const RETRY_PAUSE: Duration = Duration::from_millis(300);
/// Pause before a user that has lost its connection comes back.
const RETURN_PAUSE: Duration = Duration::from_millis(50);
/// Users that sign up, or come back, at the same time.
const AT_ONCE: usize = 64;
/// Setup without any progress for this long is given up.
const SETUP_SILENCE_MAX: Duration = Duration::from_secs(60);
/// From the decision to begin to the first post: time to read the servers' CPU clocks.
const LEAD_TIME: Duration = Duration::from_millis(50);
/// How long servers rest before the first post and after the last: they count their syncs once a
/// second for those who ask.
const REST_TIME: Duration = Duration::from_millis(1_200);
/// After the last post was due, posts that could not be sent in time are still sent for this long.
const BACKLOG_TIME_MAX: Duration = Duration::from_secs(5);
/// Draining without any progress for this long is over.
const DRAIN_SILENCE_MAX: Duration = Duration::from_secs(5);
/// The same where servers go away: a home that comes back may take so long.
const FAULTS_SILENCE_MAX: Duration = Duration::from_secs(20);

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// A frame came on a user's connection.
    Frame {
        /// Which user.
        user: usize,
        /// Not yet decoded.
        frame: Frame,
    },
    /// A user's connection ended by itself.
    Lost {
        /// Which user.
        user: usize,
        /// Why.
        why: CloseCause,
    },
    /// What [`Effect::Keep`] asked for is on disk.
    Kept,
    /// A [`Effect::Work`] is done; it took so much CPU time.
    Worked(Done, Duration),
    /// Everything that this turn of the loop brought was told.
    TurnEnd,
}

/// What to do.
#[derive(Debug)]
pub enum Effect {
    /// Something for one user.
    Act {
        /// Which user.
        user: usize,
        /// What.
        action: Action,
    },
    /// Write this to the readers' journal, with a sync.
    Keep(Bytes),
    /// Do this beside the loop.
    Work(Job),
    /// So many users are signed up.
    SignedUp(usize),
    /// Posts begin to flow: read the CPU clocks.
    Begin,
    /// The last one has arrived: read them again.
    End,
    /// These users' sockets are not read from now on.
    Hush(Range<usize>),
    /// They are read again: read first what the servers hold.
    Hear(Range<usize>),
    /// Everything is stored for readers who are away: read the CPU clocks.
    Stored,
    /// The server that is not the first goes away.
    Strike(Strike),
}

/// How a server goes away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Strike {
    /// It is emptied, and stops.
    Drain,
    /// It is killed.
    Kill,
}

/// Why a run ends without a result.
#[derive(Debug, Error)]
pub enum LoadError {
    /// A user cannot sign in, or open its logs.
    #[error(transparent)]
    User(#[from] UserError),
    /// A user cannot go on.
    #[error(transparent)]
    Traffic(#[from] TrafficError),
    /// A frame that is no message.
    #[error("the cluster said something that is no message: {0}")]
    Malformed(#[from] DecodeError),
    /// A signed-in user lost its connection.
    #[error("a user lost its connection while {phase}: {why}")]
    Lost {
        /// When.
        phase: &'static str,
        /// Why.
        why: CloseCause,
    },
    /// Nothing happened any more.
    #[error("nothing happened for a minute while {0}")]
    Stalled(&'static str),
}

/// What a shell runs: users who do something until they are done. Pure.
pub trait Core {
    /// Takes one event in.
    ///
    /// # Errors
    /// [`LoadError`]: there will be no result.
    fn handle(
        &mut self,
        now: Instant,
        event: Event,
        out: &mut Vec<Effect>,
    ) -> Result<(), LoadError>;

    /// When the loop must turn again, at the latest.
    fn deadline(&self) -> Option<Instant>;

    /// Whether it is over.
    fn is_done(&self) -> bool;

    /// Accounts that will be signed up.
    fn sign_ups(&self) -> u64;
}

/// One run.
pub struct Load {
    users: Vec<User>,
    group: Group,
    traffic: Traffic,
    phase: Phase,
    random: StdRng,
    duration: Duration,
    course: Course,
    started: usize,
    signed_up: usize,
    open: usize,
    /// Frames of grants without an answer.
    grants: usize,
    retries: BTreeSet<(Instant, usize)>,
    strikes: VecDeque<(Instant, Strike)>,
    progress: Instant,
    actions: Vec<Action>,
}

impl Load {
    /// A run of `plan`; `secret` makes names and passwords.
    #[must_use]
    pub fn new(plan: &Plan, secret: [u8; 32]) -> Self {
        let mut random = StdRng::from_seed(secret);
        let traffic = Traffic::new(plan);
        let users = (0..traffic.layout().users()).map(|_| User::new(&mut random)).collect();
        Self {
            users,
            group: Group::new(&mut random),
            traffic,
            phase: Phase::SigningUp,
            random,
            duration: plan.duration,
            course: plan.course,
            started: 0,
            signed_up: 0,
            open: 0,
            grants: 0,
            retries: BTreeSet::new(),
            strikes: VecDeque::new(),
            progress: Instant::default(),
            actions: Vec::new(),
        }
    }

    /// Users whose seat is not their home.
    #[must_use]
    pub fn overflow(&self) -> usize {
        let places = self.users.iter().filter_map(User::place);
        places.filter(|(home, seat)| home != seat).count()
    }

    /// Links between servers that a post crosses to its readers, on average: to the log's home, and
    /// from there to each reader's seat.
    #[must_use]
    pub fn hops(&self) -> f64 {
        let lanes = &self.traffic.layout().lanes()[self.traffic.layout().measured()];
        let crossed = lanes.iter().filter_map(|lane| {
            let Target::Mailbox(reader) = lane.target else { return None };
            let (_, from) = self.users[lane.writer].place()?;
            let (home, seat) = self.users[reader].place()?;
            Some(u32::from(from != home) + u32::from(home != seat))
        });
        let (links, lanes) =
            crossed.fold((0, 0), |(links, lanes), crossed| (links + crossed, lanes + 1));
        f64::from(links) / f64::from(lanes.max(1))
    }

    /// What the run found.
    #[must_use]
    pub fn finish(self) -> Record {
        self.traffic.finish()
    }

    fn on_frame(
        &mut self,
        now: Instant,
        user: usize,
        frame: &Frame,
        out: &mut Vec<Effect>,
    ) -> Result<(), LoadError> {
        let (random, actions) = (&mut self.random, &mut self.actions);
        if self.users[user].is_at_router() {
            let message = FromRouter::decode(frame)?;
            let progress = self.users[user].on_router(message, random, actions)?;
            self.act(user, out);
            self.on_progress(now, user, progress, out);
            return Ok(());
        }
        let message = ToClient::decode(frame)?;
        let is_in = self.users[user].is_signed_in();
        match message {
            ToClient::Ping(ping) => {
                actions.push(Action::Say(Pong { nonce: ping.nonce }.into()));
                self.act(user, out);
            }
            ToClient::RosterChanged(changed) => {
                self.group.on_changed(changed.version);
                self.progress = now;
                self.join_next(out);
            }
            ToClient::GrantsPut(_) if self.phase == Phase::Granting => {
                self.grants = self.grants.saturating_sub(1);
                self.progress = now;
            }
            ToClient::GrantsPut(put) => self.traffic.on_granted(put.request),
            ToClient::BlobState(state) => self.traffic.on_blob_state(now, &state, out),
            ToClient::Chunk(chunk) => self.traffic.on_chunk(now, &chunk, out),
            ToClient::Grant(grant) => self.traffic.on_grant(user, grant, out),
            ToClient::Fault(fault) if is_in && fault.about == Kind::CHANGE_ROSTER.0 => {
                let text = fault.text.as_str().to_owned();
                return Err(UserError::Refused(fault.code, text).into());
            }
            ToClient::Fault(fault) if is_in && fault.code == FaultCode::DRAINING => {
                self.on_away(now, user);
                self.users[user].leave(&mut self.actions);
                self.act(user, out);
            }
            ToClient::Deliver(_)
            | ToClient::Accepted(_)
            | ToClient::Refused(_)
            | ToClient::Unavailable(_)
            | ToClient::Up(_)
            | ToClient::Receipt(_)
            | ToClient::SessionEnded(_) => self.traffic.on_message(now, user, message, out)?,
            message => {
                let progress = self.users[user].on_seat(message, random, actions)?;
                self.act(user, out);
                self.on_progress(now, user, progress, out);
            }
        }
        Ok(())
    }

    fn on_lost(&mut self, now: Instant, user: usize, why: CloseCause) -> Result<(), LoadError> {
        match self.users[user].on_lost() {
            Some(Progress::TryAgain) => self.retry(now, user),
            Some(_) => {}
            None if self.course == Course::Faults && self.phase.is_measured() => {
                self.on_away(now, user);
                self.users[user].leave(&mut self.actions);
                self.actions.clear();
            }
            None => {
                let phase = self.phase.name();
                return Err(LoadError::Lost { phase, why });
            }
        }
        Ok(())
    }

    /// A user has no session now, and comes back soon.
    fn on_away(&mut self, now: Instant, user: usize) {
        self.traffic.on_left(user);
        self.retries.insert((now + RETURN_PAUSE, user));
    }

    fn on_progress(
        &mut self,
        now: Instant,
        user: usize,
        progress: Progress,
        out: &mut Vec<Effect>,
    ) {
        match progress {
            Progress::OnItsWay => {}
            Progress::TryAgain => self.retry(now, user),
            Progress::SignedIn => {
                self.progress = now;
                let logs = if self.phase == Phase::SigningUp { 0..1 } else { 0..usize::MAX };
                self.open_logs(user, logs, out);
            }
            Progress::Open if self.phase == Phase::SigningUp => {
                self.progress = now;
                self.signed_up += 1;
                out.push(Effect::SignedUp(self.signed_up));
            }
            Progress::Open => {
                self.progress = now;
                self.open += 1;
                self.traffic.on_back(user);
            }
        }
    }

    fn retry(&mut self, now: Instant, user: usize) {
        self.retries.insert((now + RETRY_PAUSE, user));
    }

    /// Opens those of a user's logs that have these handles.
    fn open_logs(&mut self, user: usize, handles: Range<usize>, out: &mut Vec<Effect>) {
        let layout = self.traffic.layout();
        let mailbox = (MAILBOX, Target::Mailbox(user));
        let others = layout.logs(user).iter().zip(1..);
        let others = others.map(|(target, handle)| (LogHandle(handle), *target));
        let all = std::iter::once(mailbox).chain(others);
        let chosen = all.skip(handles.start).take(handles.len());
        let wanted = chosen.map(|(handle, target)| {
            let log = match target {
                Target::Mailbox(owner) => LogId::mailbox(self.users[owner].name()),
                Target::Group => LogId::group(self.group.name),
            };
            let is_read = layout.read_log(user, handle).is_some();
            let cursor = is_read.then(|| self.traffic.kept(user, handle));
            Wanted { handle, log, cursor }
        });
        let wanted: Vec<Wanted> = wanted.collect();
        self.users[user].open(wanted, &mut self.actions);
        self.act(user, out);
    }

    /// Whoever is not a member yet becomes one, one after the other.
    fn join_next(&mut self, out: &mut Vec<Effect>) {
        let next = self.group.members();
        if next < self.traffic.layout().members() {
            let change = self.group.next(self.users[next].account());
            self.actions.push(Action::Say(change.into()));
            self.act(next, out);
        }
    }

    fn last_progress(&self) -> Instant {
        self.progress.max(self.traffic.progress())
    }

    fn drain_silence(&self) -> Duration {
        if self.course == Course::Faults { FAULTS_SILENCE_MAX } else { DRAIN_SILENCE_MAX }
    }

    fn act(&mut self, user: usize, out: &mut Vec<Effect>) {
        out.extend(self.actions.drain(..).map(|action| Effect::Act { user, action }));
    }
}

impl Core for Load {
    fn handle(
        &mut self,
        now: Instant,
        event: Event,
        out: &mut Vec<Effect>,
    ) -> Result<(), LoadError> {
        match event {
            Event::Frame { user, frame } => self.on_frame(now, user, &frame, out),
            Event::Lost { user, why } => self.on_lost(now, user, why),
            Event::Kept => {
                self.traffic.on_kept(out);
                Ok(())
            }
            Event::Worked(done, cost) => Ok(self.traffic.on_worked(now, (done, cost), out)?),
            Event::TurnEnd => self.on_turn_end(now, out),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let own = match self.phase {
            Phase::SigningUp if self.started == 0 => Some(Instant::default()),
            Phase::Running { until } | Phase::Hushed { until } => Some(until),
            Phase::Resting { until } | Phase::Ending { until } => Some(until),
            Phase::Draining { backlog_until } => {
                let silence = self.last_progress() + self.drain_silence();
                let backlog = (!self.traffic.is_stopped()).then_some(backlog_until);
                Some(backlog.map_or(silence, |until| until.min(silence)))
            }
            Phase::Done => None,
            _ => Some(self.last_progress() + SETUP_SILENCE_MAX),
        };
        let retry = self.retries.first().map(|(at, _)| *at);
        let strike = self.strikes.front().map(|(at, _)| *at);
        [own, retry, strike, self.traffic.deadline()].into_iter().flatten().min()
    }

    fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    fn sign_ups(&self) -> u64 {
        u64::try_from(self.users.len()).expect("usize fits u64")
    }
}

#[cfg(test)]
mod tests;
