//! A session at its seat: who it is, which logs it holds open, and what waits for answers.

use std::collections::{BTreeSet, VecDeque};

use wire::limits::{PING_AFTER, PONG_TIME_MAX};
use wire::{Instant, LogHandle, LogId, Name, Number, Origin, Seq, ServerId, SessionEpoch, Slot};

use super::handles::Handles;
use super::limit::Bucket;
use super::reading::Reading;

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
    pub(super) stale_reads: BTreeSet<LogId>,
    /// Requests that wait for answers.
    pub(super) requests: usize,
    /// Those of them that bring whole chunks.
    pub(super) chunks: usize,
    /// Posts relayed and not answered, over all handles.
    pub(super) unanswered: u64,
    /// `None` where the rate of posts is not limited.
    pub(super) bucket: Option<Bucket>,
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
        let id = self.handles.of(log)?;
        Some((id, self.handles.get_mut(id)?))
    }

    /// Forgets the handle and what was unanswered on it.
    pub(super) fn remove_handle(&mut self, id: LogHandle) -> Option<Handle> {
        let handle = self.handles.remove(id)?;
        self.unanswered -= count(&handle.posts);
        Some(handle)
    }
}

/// A log that a session holds open.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) log: LogId,
    pub(super) slot: Slot,
    pub(super) home: ServerId,
    pub(super) state: HandleState,
    /// Numbers relayed and not answered, in the order they were relayed.
    pub(super) posts: VecDeque<Number>,
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

/// Number of posts, as it is counted.
pub(super) fn count(posts: &VecDeque<Number>) -> u64 {
    u64::try_from(posts.len()).expect("at most UNANSWERED_MAX")
}

/// Whether the client is still there: pings after silence, and probes for its home.
#[derive(Debug)]
pub(super) struct Pulse {
    heard: Instant,
    /// When [`super::timer::Timer::Idle`] is armed for.
    pub(super) armed: Instant,
    nonce: u64,
    misses: u32,
    probe: Option<u64>,
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
        self.nonce += 1;
        Beat::Ping(self.nonce)
    }

    /// The home asks: the nonce of a ping whose answer will prove that the client lives.
    pub(super) fn probe(&mut self) -> u64 {
        self.nonce += 1;
        self.probe = Some(self.nonce);
        self.nonce
    }

    /// Whether this pong answers the home's question.
    pub(super) fn answers_probe(&mut self, nonce: u64) -> bool {
        let answers = self.probe == Some(nonce);
        if answers {
            self.probe = None;
        }
        answers
    }
}

#[cfg(test)]
mod tests {
    use super::{Beat, Pulse};
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
    fn only_the_ping_of_the_probe_answers_it() {
        let mut pulse = Pulse::new(Instant(0));
        let nonce = pulse.probe();
        assert!(!pulse.answers_probe(nonce + 1));
        assert!(pulse.answers_probe(nonce));
        assert!(!pulse.answers_probe(nonce));
    }
}
