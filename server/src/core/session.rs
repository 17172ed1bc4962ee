//! A session at its seat: who it is, which logs it holds open, and what waits for answers.

use std::collections::{BTreeSet, VecDeque};

use wire::limits::{PING_AFTER, PONG_TIME_MAX};
use wire::{
    Instant, LogHandle, LogId, LogKind, Name, Number, Origin, Seq, ServerId, SessionEpoch, Slot,
};

use super::handles::Handles;
use super::limit::Bucket;
use super::reading::Reading;
use super::seldom::Seldom;

/// One signed-in connection.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) account: Name,
    pub(super) origin: Origin,
    pub(super) epoch: SessionEpoch,
    /// The account's home, and the slot that it has there.
    pub(super) home: ServerId,
    pub(super) slot: Slot,
    pub(super) handles: Handles,
    /// Logs that were closed while a range was under way: it may still come.
    pub(super) stale_reads: Seldom<BTreeSet<LogId>>,
    /// Requests that wait for answers.
    pub(super) requests: u16,
    /// Those of them that bring whole chunks.
    pub(super) chunks: u16,
    /// Posts relayed and not answered, over all handles.
    pub(super) unanswered: u32,
    pub(super) bucket: Bucket,
    /// The rate of posts is limited.
    pub(super) is_metered: bool,
    /// The socket is not read until the bucket has a permit.
    pub(super) paused: bool,
    /// The write queue is above its high mark.
    pub(super) high: bool,
    /// Nothing is done for it: the lease from its home was over, and the home has not said since
    /// that it counts it.
    pub(super) is_fenced: bool,
    /// The home was asked to end it for good.
    pub(super) signing_out: bool,
    pub(super) pulse: Pulse,
}

impl Session {
    /// The open handle of `log`.
    pub(super) fn handle_of(&mut self, log: &LogId) -> Option<(LogHandle, &mut Handle)> {
        let id = self.handles.of(log, self.account)?;
        Some((id, self.handles.get_mut(id)?))
    }

    /// Forgets the handle and what was unanswered on it.
    pub(super) fn remove_handle(&mut self, id: LogHandle) -> Option<Handle> {
        let handle = self.handles.remove(id, self.account)?;
        self.unanswered -= handle.unanswered();
        Some(handle)
    }
}

/// A log that a session holds open.
#[derive(Debug)]
pub(super) struct Handle {
    /// Which log, unless it is the session's own mailbox.
    other: Option<Box<LogId>>,
    pub(super) slot: Slot,
    pub(super) home: ServerId,
    pub(super) state: HandleState,
    /// Numbers relayed and not answered, in the order they were relayed.
    pub(super) posts: Seldom<VecDeque<Number>>,
    /// What the session reads of it, once attached.
    pub(super) reading: Option<Reading>,
    /// The account's home was told that its owner was answered, or it is nobody's mailbox else.
    pub(super) is_answer_told: bool,
}

/// How far an open log is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum HandleState {
    /// The home was asked; an attach that came before its answer waits here.
    Opening { attach: Option<Seq> },
    /// Posts are relayed.
    Open,
    /// The home cannot be reached, or the session is fenced; the client was told.
    Down,
}

impl Handle {
    /// The home of a log, in this slot, is asked to open it for the session of `account`.
    pub(super) fn opening(log: &LogId, account: Name, (slot, home): (Slot, ServerId)) -> Self {
        let is_own = *log == LogId::mailbox(account);
        Self {
            other: (!is_own).then(|| Box::new(*log)),
            slot,
            home,
            state: HandleState::Opening { attach: None },
            posts: Seldom::default(),
            reading: None,
            is_answer_told: is_own || log.kind != LogKind::Mailbox,
        }
    }

    /// The log, as the session of `account` opened it.
    pub(super) fn log(&self, account: Name) -> LogId {
        self.other.as_ref().map_or(LogId::mailbox(account), |log| **log)
    }

    /// Whether it is this log that the session of `account` opened.
    pub(super) fn is_of(&self, log: &LogId, account: Name) -> bool {
        match &self.other {
            Some(other) => **other == *log,
            None => *log == LogId::mailbox(account),
        }
    }

    /// Whether posts here go to another's mailbox: an answer to whoever that is.
    pub(super) fn is_to_a_person(&self) -> bool {
        self.other.as_ref().is_some_and(|log| log.kind == LogKind::Mailbox)
    }

    /// Posts that were relayed and not answered.
    pub(super) fn unanswered(&self) -> u32 {
        let posts = self.posts.get().map_or(0, VecDeque::len);
        u32::try_from(posts).expect("at most UNANSWERED_MAX")
    }
}

/// Whether the client is still there: pings after silence, and probes for its home.
#[derive(Debug)]
pub(super) struct Pulse {
    heard: Instant,
    /// When [`super::timer::Timer::Idle`] is armed for.
    pub(super) armed: Instant,
    nonce: u32,
    misses: u8,
    probe: Option<u32>,
}

/// What an idle timer asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Beat {
    /// Nothing yet.
    Wait,
    /// Send this ping.
    Ping(u64),
    /// The client is gone.
    Dead,
}

impl Pulse {
    pub(super) fn new(now: Instant) -> Self {
        Self { heard: now, armed: now + PING_AFTER, nonce: 0, misses: 0, probe: None }
    }

    /// A frame came in.
    pub(super) fn hear(&mut self, now: Instant) {
        self.heard = now;
        self.misses = 0;
    }

    /// The idle timer fired: what to do, and when it is armed for next.
    pub(super) fn beat(&mut self, now: Instant) -> Beat {
        let quiet_until = self.heard + PING_AFTER;
        if self.misses == 0 && quiet_until > now {
            self.armed = quiet_until;
            return Beat::Wait;
        }
        if self.misses == 2 {
            return Beat::Dead;
        }
        self.misses += 1;
        self.armed = now + PONG_TIME_MAX;
        Beat::Ping(self.next_nonce())
    }

    /// The home asks: the nonce of a ping whose answer will prove that the client lives.
    pub(super) fn probe(&mut self) -> u64 {
        let nonce = self.next_nonce();
        self.probe = Some(self.nonce);
        nonce
    }

    /// Counts from 1, as long as 32 bits last.
    fn next_nonce(&mut self) -> u64 {
        self.nonce = self.nonce.wrapping_add(1);
        self.nonce.into()
    }

    /// Whether this pong answers the home's question.
    pub(super) fn answers_probe(&mut self, nonce: u64) -> bool {
        let answers = self.probe.map(u64::from) == Some(nonce);
        if answers {
            self.probe = None;
        }
        answers
    }
}

#[cfg(test)]
mod tests {
    use super::{Beat, Pulse, Session};
    use std::time::Duration;
    use wire::Instant;

    #[test]
    fn two_missed_pings_end_a_silent_client() {
        let second = Duration::from_secs(1);
        let mut pulse = Pulse::new(Instant(0));
        pulse.hear(Instant(0) + second);
        assert_eq!(pulse.beat(Instant(0) + 30 * second), Beat::Wait);
        assert_eq!(pulse.armed, Instant(0) + 31 * second);
        assert_eq!(pulse.beat(pulse.armed), Beat::Ping(1));
        assert_eq!(pulse.beat(pulse.armed), Beat::Ping(2));
        assert_eq!(pulse.beat(pulse.armed), Beat::Dead);
        pulse.hear(pulse.armed);
        assert_eq!(pulse.beat(pulse.armed), Beat::Wait);
    }

    #[test]
    fn a_session_with_its_own_mailbox_open_takes_256_bytes() {
        assert!(size_of::<Session>() <= 256, "{}", size_of::<Session>());
    }

    #[test]
    fn only_the_ping_of_the_probe_answers_it() {
        let mut pulse = Pulse::new(Instant(0));
        let nonce = pulse.probe();
        assert!(!pulse.answers_probe(nonce + 1));
        assert!(pulse.answers_probe(nonce));
        assert!(!pulse.answers_probe(nonce));
    }
}
