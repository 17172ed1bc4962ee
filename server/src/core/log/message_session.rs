//! Which message sessions of one sender's installation may be posted under, and until when their
//! grants are needed.
//!
//! A session is *complete* when part 0 of its grants is; the first post under a newer one *begins*
//! that one, ends the one in use at that entry's seq, and skips those between: nobody ever needs
//! their grants. What begins or ends becomes part of the row on disk with the batch that holds the
//! entry, never earlier: a crash that loses the entry leaves the older session in use. A session
//! is complete on disk with the batch that holds the last of its grants, never earlier nor later.
//!
//! When the log is truncated past the end of a session, no entry needs its grants. Those that wait
//! for their first post in vain go after a while, and the one in use when its installation has not
//! changed it for longer than clients do and no entry is left. Every grant on disk belongs to a
//! session that the row on disk knows, so that a crash leaves nothing that is not found again.

use std::collections::VecDeque;
use std::time::Duration;

use storage::{GrantedSession, GrantedState};
use wire::limits::{
    ENDED_SESSIONS_MAX, GRANTED_SESSIONS_MAX, GRANTS_REST_MAX, GRANTS_USE_MAX, MESSAGE_SESSIONS_MAX,
};
use wire::{MessageSession, Seq, Wall};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct MessageSessions {
    /// Rising: those that ended, the one in use, those that wait.
    known: Vec<Known>,
    /// First posts under newer sessions that no batch holds yet, in order.
    begun: VecDeque<(MessageSession, Seq)>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    number: MessageSession,
    /// Of the roster that its readers are from.
    version: u32,
    parts: u16,
    /// At most so many bytes of grants.
    len: u32,
    since: Wall,
    /// The newest entry under it.
    last: Seq,
    state: State,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Partial,
    /// A batch holds the last of its grants, or not yet.
    Complete {
        is_put: bool,
    },
    InUse,
    Ended(Seq),
    /// Its grants go with the next batch that no others wait for.
    Dropped,
}

/// What grants of a session are to its row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    /// Newer than every known one.
    New,
    /// Newer than every known one, while too many wait for their first post.
    TooMany,
    /// Its place is not free before the next batches are composed.
    NotYet,
    /// Known, and not complete.
    Partial,
    /// Complete.
    Complete,
    /// Replaced; its entries and their readers may still be there.
    Late,
    /// Replaced long ago, skipped, or there never was one.
    Gone,
}

/// A frame of grants, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Put {
    pub(super) session: MessageSession,
    pub(super) version: u32,
    pub(super) part: u16,
    /// Bytes that it adds.
    pub(super) len: usize,
    /// Bytes that a part of the session, and all its grants, may have.
    pub(super) len_max: (usize, usize),
    pub(super) at: Wall,
}

impl MessageSessions {
    pub(super) fn from_record(record: Vec<GrantedSession>) -> Self {
        let known: Vec<Known> = record.into_iter().map(Known::from_record).collect();
        let mut sessions = Self { known, begun: VecDeque::new() };
        sessions.skip_waiting();
        assert!(sessions.is_coherent(), "the store keeps what was put");
        sessions
    }

    /// The roster version of the readers of `session`, if it may be posted under.
    pub(super) fn usable(&self, session: MessageSession) -> Option<u32> {
        if self.begun.back().is_some_and(|(newest, _)| session < *newest) {
            return None;
        }
        let known = self.find(session)?;
        matches!(known.state, State::Complete { .. } | State::InUse).then_some(known.version)
    }

    /// What grants of `session` are.
    pub(super) fn standing(&self, session: MessageSession) -> Standing {
        match self.find(session).map(|known| known.state) {
            Some(State::Partial) => Standing::Partial,
            Some(State::Complete { .. } | State::InUse) => Standing::Complete,
            Some(State::Ended(_)) => Standing::Late,
            Some(State::Dropped) => Standing::NotYet,
            None if self.known.last().is_some_and(|newest| session < newest.number) => {
                Standing::Gone
            }
            None => self.standing_of_new(),
        }
    }

    /// Takes a frame of grants, of a session that is known or [`Standing::New`].
    pub(super) fn put(&mut self, put: &Put) {
        let place = self.known.partition_point(|known| known.number < put.session);
        if self.known.get(place).is_none_or(|known| known.number != put.session) {
            assert!(place == self.known.len() && self.has_room(), "sessions rise, and few wait");
            self.known.push(Known::new(put));
        }
        self.known[place].add(put);
        debug_assert!(self.is_coherent());
    }

    /// How many bytes a frame adds to what there is.
    pub(super) fn growth(&self, put: &Put) -> u64 {
        let before = self.find(put.session).copied().unwrap_or_else(|| Known::new(put));
        let mut after = before;
        after.add(put);
        u64::from(after.len - before.len)
    }

    /// Part 0 of `session` is complete; whether it was not before.
    pub(super) fn complete(&mut self, session: MessageSession, version: u32) -> bool {
        let known = self.find_mut(session).expect("its grants were put");
        let completes = known.state == State::Partial;
        if completes {
            (known.state, known.version) = (State::Complete { is_put: false }, version);
        }
        completes
    }

    /// A batch holds the last of the grants that make `session` complete.
    pub(super) fn note_put(&mut self, session: MessageSession) {
        if let Some(Known { state: State::Complete { is_put }, .. }) = self.find_mut(session) {
            *is_put = true;
        }
    }

    /// An entry under `session`, which is usable, has this seq.
    pub(super) fn post(&mut self, session: MessageSession, seq: Seq) {
        let current = self.current();
        let Some(known) = self.find_mut(session) else { return };
        known.last = seq;
        if current.is_none_or(|current| current < session) {
            self.begun.push_back((session, seq));
        }
    }

    /// A batch holds the entries up to `composed`: what they ended has ended.
    pub(super) fn compose(&mut self, composed: Seq) {
        while let Some((session, seq)) = self.begun.pop_front_if(|(_, seq)| *seq <= composed) {
            if let Some(former) = self.known.iter_mut().find(|known| known.state == State::InUse) {
                former.state = State::Ended(seq);
            }
            self.find_mut(session).expect("what is posted under is known").state = State::InUse;
            self.skip_waiting();
            self.merge_ended();
        }
    }

    /// The log is gone up to `truncated`: the sessions that need no grants any more, as first and
    /// last each; they are forgotten.
    pub(super) fn release(&mut self, truncated: Seq) -> Vec<(MessageSession, MessageSession)> {
        let is_over = |known: &Known| matches!(known.state, State::Ended(end) if end <= truncated);
        let over = self.known.iter().rposition(is_over).map(|place| self.known[place].number);
        let mut gone: Vec<_> = over.map(|upto| (MessageSession(0), upto)).into_iter().collect();
        self.known.retain(|known| {
            let is_released = over.is_some_and(|upto| known.number <= upto);
            if known.state == State::Dropped && !is_released {
                gone.push((known.number, known.number));
            }
            known.state != State::Dropped && !is_released
        });
        gone
    }

    /// Whether [`MessageSessions::release`] would give some.
    pub(super) fn can_release(&self, truncated: Seq) -> bool {
        self.known.iter().any(|known| match known.state {
            State::Ended(end) => end <= truncated,
            State::Dropped => true,
            State::Partial | State::Complete { .. } | State::InUse => false,
        })
    }

    /// Sessions whose readers are from before `version` wait in vain for a post: they make room.
    /// The one in use has entries, so that a later one has to end it.
    pub(super) fn drop_behind(&mut self, version: u32) {
        self.drop_waiting(|known| known.version < version);
    }

    /// Time has passed: drops what has waited for too long, and what is in use, once the log,
    /// which ends at `head`, is truncated past its last entry.
    pub(super) fn expire(&mut self, now: Wall, truncated: Seq, head: Seq) {
        self.drop_waiting(|known| is_over(known.since, GRANTS_REST_MAX, now));
        if !self.begun.is_empty() {
            return;
        }
        for known in &mut self.known {
            let is_unneeded = known.last.min(head) <= truncated;
            if known.state == State::InUse
                && is_unneeded
                && is_over(known.since, GRANTS_USE_MAX, now)
            {
                known.state = State::Dropped;
            }
        }
    }

    /// None is known.
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty() && self.begun.is_empty()
    }

    /// Bytes of grants.
    pub(super) fn len(&self) -> u64 {
        self.known.iter().map(|known| u64::from(known.len)).sum()
    }

    /// What the row on disk says, once [`MessageSessions::compose`] was called for its batch.
    pub(super) fn record(&self) -> Vec<GrantedSession> {
        self.known.iter().map(Known::record).collect()
    }

    pub(super) fn is_coherent(&self) -> bool {
        let ended = |known: &Known| match known.state {
            State::Ended(end) => Some(end),
            _ => None,
        };
        self.known.is_sorted_by(|a, b| a.number < b.number)
            && self.known.len() <= GRANTED_SESSIONS_MAX
            && self.known.iter().filter_map(ended).count() <= ENDED_SESSIONS_MAX
            && self.known.iter().filter_map(ended).is_sorted()
            && self.known.iter().filter(|known| known.state == State::InUse).count() <= 1
            && self
                .known
                .iter()
                .rev()
                .skip_while(|known| !known.state.is_settled())
                .all(|known| known.state.is_settled() || known.state == State::Dropped)
            && self.begun.iter().is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1)
            && self.begun.iter().all(|(session, _)| self.find(*session).is_some())
    }

    /// The session that was posted under last.
    fn current(&self) -> Option<MessageSession> {
        let in_use = self.known.iter().find(|known| known.state == State::InUse);
        let begun = self.begun.back().map(|(session, _)| *session);
        begun.or(in_use.map(|known| known.number))
    }

    fn find(&self, session: MessageSession) -> Option<&Known> {
        let place = self.known.binary_search_by_key(&session, |known| known.number).ok()?;
        self.known.get(place)
    }

    fn find_mut(&mut self, session: MessageSession) -> Option<&mut Known> {
        let place = self.known.binary_search_by_key(&session, |known| known.number).ok()?;
        self.known.get_mut(place)
    }

    /// Those that wait below one that was posted under wait in vain.
    fn skip_waiting(&mut self) {
        let newest = self.known.iter().rposition(|known| known.state.is_settled());
        for known in &mut self.known[..newest.unwrap_or_default()] {
            if !known.state.is_settled() {
                known.state = State::Dropped;
            }
        }
    }

    fn drop_waiting(&mut self, is_in_vain: impl Fn(&Known) -> bool) {
        let current = self.current();
        for known in &mut self.known {
            let waits = matches!(known.state, State::Partial | State::Complete { .. });
            let is_newer = current.is_none_or(|current| known.number > current);
            if waits && is_newer && is_in_vain(known) {
                known.state = State::Dropped;
            }
        }
    }

    /// Of many that ended the oldest is not known any more: its grants go with those of the next.
    fn merge_ended(&mut self) {
        let is_ended = |known: &Known| matches!(known.state, State::Ended(_));
        if self.known.iter().filter(|known| is_ended(known)).count() > ENDED_SESSIONS_MAX {
            let oldest = self.known.iter().position(is_ended).expect("there are many");
            let len = self.known.remove(oldest).len;
            let next = self.known.iter_mut().find(|known| is_ended(known));
            let next = next.expect("there are many");
            next.len = next.len.saturating_add(len);
        }
    }

    /// Sessions that take the places of those that wait.
    fn waiting(&self) -> impl Iterator<Item = &Known> {
        self.known.iter().filter(|known| !known.state.is_settled())
    }

    fn has_room(&self) -> bool {
        self.waiting().count() < MESSAGE_SESSIONS_MAX
    }

    fn standing_of_new(&self) -> Standing {
        let current = self.begun.back().map(|(session, _)| *session);
        let stays = |known: &&Known| {
            known.state != State::Dropped && current.is_none_or(|current| known.number > current)
        };
        if self.has_room() {
            Standing::New
        } else if self.waiting().filter(stays).count() < MESSAGE_SESSIONS_MAX {
            Standing::NotYet
        } else {
            Standing::TooMany
        }
    }
}

impl State {
    /// It was posted under.
    fn is_settled(self) -> bool {
        matches!(self, Self::InUse | Self::Ended(_))
    }
}

impl Known {
    fn new(put: &Put) -> Self {
        Self {
            number: put.session,
            version: put.version,
            parts: 0,
            len: 0,
            since: put.at,
            last: Seq(0),
            state: State::Partial,
        }
    }

    /// Counts what a frame adds. What is put again takes no more room than there is in it.
    fn add(&mut self, put: &Put) {
        self.parts = self.parts.max(put.part.saturating_add(1));
        let (part_max, grants_max) = put.len_max;
        let len_max = usize::from(self.parts).saturating_mul(part_max).saturating_add(grants_max);
        let len = usize::try_from(self.len).unwrap_or(usize::MAX).saturating_add(put.len);
        self.len = u32::try_from(len.min(len_max)).unwrap_or(u32::MAX).max(self.len);
    }

    fn from_record(record: GrantedSession) -> Self {
        let (state, last) = match record.state {
            GrantedState::Partial => (State::Partial, Seq(0)),
            GrantedState::Complete => (State::Complete { is_put: true }, Seq(0)),
            GrantedState::InUse(last) => (State::InUse, last),
            GrantedState::Ended(end) => (State::Ended(end), Seq(0)),
        };
        Self {
            number: record.message_session,
            version: record.roster_version,
            parts: record.parts,
            len: record.len,
            since: record.since,
            last,
            state,
        }
    }

    /// What is dropped stays on disk until its grants are gone.
    fn record(&self) -> GrantedSession {
        GrantedSession {
            message_session: self.number,
            roster_version: self.version,
            parts: self.parts,
            len: self.len,
            since: self.since,
            state: match self.state {
                State::Complete { is_put: true } => GrantedState::Complete,
                State::InUse => GrantedState::InUse(self.last),
                State::Ended(end) => GrantedState::Ended(end),
                State::Partial | State::Complete { is_put: false } | State::Dropped => {
                    GrantedState::Partial
                }
            },
        }
    }
}

/// Whether a row on disk may have grants that nobody needs: whoever has it in memory knows more.
pub(super) fn may_expire(sessions: &[GrantedSession], now: Wall) -> bool {
    sessions.iter().any(|session| match session.state {
        GrantedState::Partial | GrantedState::Complete => {
            is_over(session.since, GRANTS_REST_MAX, now)
        }
        GrantedState::InUse(_) | GrantedState::Ended(_) => {
            is_over(session.since, GRANTS_USE_MAX, now)
        }
    })
}

fn is_over(since: Wall, time: Duration, now: Wall) -> bool {
    let time = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    since.0.saturating_add(time) <= now.0
}
