//! Which message sessions of one sender's installation may be posted under, and until when their
//! grants are needed.
//!
//! A session is *complete* when part 0 of its grants is; the first post under a newer one *begins*
//! it and ends the older ones at that entry's seq. That becomes part of the row on disk with the
//! batch that holds the entry, never earlier: a crash that loses the entry leaves the older session
//! in use. When the log is truncated past the end, no entry needs the older sessions' grants.

use std::collections::VecDeque;

use wire::limits::MESSAGE_SESSIONS_MAX;
use wire::{MessageSession, Seq};

/// How far below the newest session grants are still taken, for readers who ask late, and how far
/// above it: what is put and never used is bounded.
const DISTANCE_MAX: u32 = 64;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct MessageSessions {
    /// Complete ones, rising, each with the roster version of its readers; none below the one that
    /// the composed entries are under.
    complete: Vec<(MessageSession, u32)>,
    /// First posts under newer sessions that no batch holds yet, in order.
    begun: VecDeque<(MessageSession, Seq)>,
    /// Sessions up to the first ended at the second, the oldest first.
    retired: Vec<(MessageSession, Seq)>,
}

/// What grants of a session are to its row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    /// Newer than every known one.
    New,
    /// Newer than every known one, while too many wait for their first post, or too far above.
    TooMany,
    /// Newer than every known one; too many wait until the next batch is composed.
    NotYet,
    /// Complete.
    Complete,
    /// Replaced, and its entries or their readers may still be there.
    Late,
    /// Replaced long ago, or skipped.
    Gone,
}

impl MessageSessions {
    pub(super) fn from_record(
        complete: Vec<(MessageSession, u32)>,
        retired: Vec<(MessageSession, Seq)>,
    ) -> Self {
        let sessions = Self { complete, begun: VecDeque::new(), retired };
        assert!(sessions.is_coherent(), "the store keeps what was put");
        sessions
    }

    /// The roster version of the readers of `session`, if it may be posted under.
    pub(super) fn usable(&self, session: MessageSession) -> Option<u32> {
        if self.begun.back().is_some_and(|(newest, _)| session < *newest) {
            return None;
        }
        self.complete.iter().find(|(complete, _)| *complete == session).map(|(_, version)| *version)
    }

    /// What grants of `session` are.
    pub(super) fn standing(&self, session: MessageSession) -> Standing {
        if self.complete.iter().any(|(complete, _)| *complete == session) {
            return Standing::Complete;
        }
        let newest = self.complete.last().map(|(newest, _)| *newest);
        let newest = newest.max(self.retired.last().map(|(upto, _)| *upto)).unwrap_or_default();
        if session.0.abs_diff(newest.0) > DISTANCE_MAX {
            return if session > newest { Standing::TooMany } else { Standing::Gone };
        }
        if session > newest { self.standing_of_new() } else { Standing::Late }
    }

    /// Sessions whose readers are from before `roster_version` wait in vain for a post: they make
    /// room. The first may be in use, so that a later one has to end it.
    pub(super) fn forget_behind(&mut self, roster_version: u32) {
        let used = self.begun.back().map(|(session, _)| *session);
        let used = used.or(self.complete.first().map(|(session, _)| *session)).unwrap_or_default();
        self.complete.retain(|(session, version)| *session <= used || *version >= roster_version);
    }

    /// Part 0 of `session`, which is new, is complete.
    pub(super) fn complete(&mut self, session: MessageSession, roster_version: u32) {
        assert!(self.standing(session) == Standing::New, "sessions rise, and few wait");
        self.complete.push((session, roster_version));
    }

    /// An entry under `session`, which is usable, has this seq.
    pub(super) fn post(&mut self, session: MessageSession, seq: Seq) {
        let in_use = self.begun.back().map(|(session, _)| *session);
        let in_use = in_use.or(self.complete.first().map(|(session, _)| *session));
        if in_use.is_some_and(|in_use| in_use < session) {
            self.begun.push_back((session, seq));
        }
    }

    /// A batch holds the entries up to `composed`: what they ended has ended.
    pub(super) fn compose(&mut self, composed: Seq) {
        while let Some((session, seq)) = self.begun.pop_front_if(|(_, seq)| *seq <= composed) {
            self.complete.retain(|(complete, _)| *complete >= session);
            self.retired.push((MessageSession(session.0 - 1), seq));
            if self.retired.len() > MESSAGE_SESSIONS_MAX {
                // The older of two goes with the later one: never too early.
                self.retired.remove(0);
            }
        }
    }

    /// The log is gone up to `truncated`: sessions below the one that is given are needed no more.
    pub(super) fn release(&mut self, truncated: Seq) -> Option<MessageSession> {
        let over = self.retired.partition_point(|(_, ended)| *ended <= truncated);
        let (upto, _) = self.retired.drain(..over).next_back()?;
        Some(MessageSession(upto.0 + 1))
    }

    /// Whether [`MessageSessions::release`] would give one.
    pub(super) fn can_release(&self, truncated: Seq) -> bool {
        self.retired.first().is_some_and(|(_, ended)| *ended <= truncated)
    }

    /// What the row on disk says, once [`MessageSessions::compose`] was called for its batch.
    #[expect(clippy::type_complexity, reason = "the two fields of a RowRecord")]
    pub(super) fn record(&self) -> (Vec<(MessageSession, u32)>, Vec<(MessageSession, Seq)>) {
        (self.complete.clone(), self.retired.clone())
    }

    pub(super) fn is_coherent(&self) -> bool {
        self.complete.is_sorted_by(|a, b| a.0 < b.0)
            && self.complete.len() <= MESSAGE_SESSIONS_MAX
            && self.retired.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1)
            && self.retired.len() <= MESSAGE_SESSIONS_MAX
            && self.retired.last().zip(self.complete.first()).is_none_or(|(r, c)| r.0 < c.0)
            && self.begun.iter().is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1)
    }

    fn standing_of_new(&self) -> Standing {
        let in_use = self.begun.back().map(|(session, _)| *session).unwrap_or_default();
        let waiting = self.complete.iter().filter(|(session, _)| *session >= in_use).count();
        if self.complete.len() < MESSAGE_SESSIONS_MAX {
            Standing::New
        } else if waiting < MESSAGE_SESSIONS_MAX {
            Standing::NotYet
        } else {
            Standing::TooMany
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MessageSessions, Standing};
    use wire::{MessageSession, Seq};

    fn session(session: u32) -> MessageSession {
        MessageSession(session)
    }

    fn with(complete: &[u32]) -> MessageSessions {
        let mut sessions = MessageSessions::default();
        complete.iter().for_each(|number| sessions.complete(session(*number), 7));
        sessions
    }

    #[test]
    fn a_session_is_used_once_complete_until_a_newer_one_is() {
        let mut sessions = with(&[1]);
        assert_eq!(sessions.usable(session(1)), Some(7));
        assert_eq!(sessions.usable(session(2)), None);
        sessions.complete(session(2), 9);
        sessions.post(session(1), Seq(10));
        assert_eq!(sessions.usable(session(1)), Some(7));
        sessions.post(session(2), Seq(11));
        assert_eq!(sessions.usable(session(1)), None, "never back");
        assert_eq!(sessions.usable(session(2)), Some(9));
        sessions.compose(Seq(11));
        assert_eq!(sessions.usable(session(1)), None);
        assert!(sessions.is_coherent());
    }

    #[test]
    fn an_end_is_on_disk_with_the_entry_that_made_it() {
        let mut sessions = with(&[1, 2]);
        sessions.post(session(2), Seq(11));
        sessions.compose(Seq(10));
        let before = (vec![(session(1), 7), (session(2), 7)], vec![]);
        assert_eq!(sessions.record(), before, "a crash may lose the entry");
        sessions.compose(Seq(11));
        let after = (vec![(session(2), 7)], vec![(session(1), Seq(11))]);
        assert_eq!(sessions.record(), after);
    }

    #[test]
    fn grants_go_when_the_log_is_truncated_past_the_end_of_their_session() {
        let mut sessions = with(&[1, 2, 3]);
        sessions.post(session(2), Seq(10));
        sessions.post(session(3), Seq(20));
        sessions.compose(Seq(20));
        assert_eq!(sessions.release(Seq(9)), None);
        assert!(sessions.can_release(Seq(10)));
        assert_eq!(sessions.release(Seq(10)), Some(session(2)));
        assert_eq!(sessions.release(Seq(10)), None, "once");
        assert_eq!(sessions.release(Seq(99)), Some(session(3)));
    }

    #[test]
    fn ends_that_find_no_room_are_kept_by_a_later_one() {
        let mut sessions = with(&[1]);
        for number in 2..=6 {
            sessions.complete(session(number), 7);
            sessions.post(session(number), Seq(u64::from(number) * 10));
            sessions.compose(Seq(u64::from(number) * 10));
            assert!(sessions.is_coherent());
        }
        assert_eq!(sessions.release(Seq(20)), None, "its own end was merged into the next");
        assert_eq!(sessions.release(Seq(30)), Some(session(3)));
    }

    #[test]
    fn few_sessions_wait_for_their_first_post() {
        let mut sessions = with(&[1, 2, 3, 4]);
        assert_eq!(sessions.standing(session(5)), Standing::TooMany);
        sessions.post(session(2), Seq(1));
        assert_eq!(sessions.standing(session(5)), Standing::NotYet, "one batch later");
        sessions.compose(Seq(1));
        assert_eq!(sessions.standing(session(5)), Standing::New);
        assert_eq!(sessions.standing(session(2)), Standing::Complete);
        assert_eq!(sessions.standing(session(1)), Standing::Late);
    }

    #[test]
    fn grants_of_sessions_long_gone_are_not_kept() {
        let mut sessions = with(&[60]);
        sessions.complete(session(100), 7);
        assert_eq!(sessions.standing(session(36)), Standing::Late);
        assert_eq!(sessions.standing(session(35)), Standing::Gone);
        assert_eq!(sessions.standing(session(164)), Standing::New);
        assert_eq!(sessions.standing(session(165)), Standing::TooMany);
    }

    #[test]
    fn sessions_for_readers_of_before_a_departure_do_not_wait_for_ever() {
        let mut sessions = with(&[1, 2, 3, 4]);
        sessions.post(session(2), Seq(5));
        sessions.forget_behind(8);
        assert_eq!(sessions.usable(session(2)), Some(7), "its entry is there");
        assert_eq!(sessions.usable(session(3)), None);
        assert_eq!(sessions.standing(session(5)), Standing::New);
    }
}
