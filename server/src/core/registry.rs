//! Which session an account has: who may sign in now, and what a sign-in or resume changes.
//!
//! *Logged in* means a live connection. A stored session never blocks; one that another origin
//! holds live is probed first, and is over at its seat before another is granted. So is each former
//! one that its origin left behind by a resume elsewhere. When a seat cannot be reached, nothing is
//! granted to another origin until the seat's lease is over: nobody can know whether the session
//! lives.

use sha2::{Digest, Sha256};
use storage::SessionRecord;
use subtle::ConstantTimeEq;
use wire::limits::{EPOCH_BLOCK, LEASE_TIME, ORIGINS_MAX, SESSIONS_PER_STORE_EPOCH};
use wire::{FaultCode, Instant, Origin, ServerId, SessionEpoch, Token};

use super::seldom::Seldom;

/// A session that sits somewhere.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Live {
    pub(super) seat: ServerId,
    pub(super) epoch: SessionEpoch,
    pub(super) origin: Origin,
    /// When its seat was last heard, if the link was lost and it has not registered again since.
    pub(super) lost: Option<Instant>,
}

/// What an account's newest session says about someone who proved who they are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// The session is theirs.
    Grant,
    /// Another origin seems to be live at this seat: ask it.
    Probe(ServerId, SessionEpoch),
    /// Another origin is live at this seat and has to go: the session is theirs after that.
    End(ServerId, SessionEpoch),
    /// Nobody can say now.
    Unknown,
}

/// The sessions of an account that its seats may act for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Sittings {
    /// The newest.
    pub(super) live: Option<Live>,
    /// Earlier ones that have been told to end and may not have heard it; one for each seat at
    /// most.
    former: Seldom<Vec<Live>>,
}

impl Sittings {
    /// Nobody acts for the account.
    pub(super) fn is_empty(&self) -> bool {
        self.live.is_none() && self.former().is_empty()
    }

    /// Earlier ones that may still be acted for.
    fn former(&self) -> &[Live] {
        self.former.get().map_or(&[], Vec::as_slice)
    }

    fn retain(&mut self, keep: impl Fn(&Live) -> bool) {
        if let Some(former) = self.former.get_mut() {
            former.retain(keep);
            if former.is_empty() {
                self.former = Seldom::default();
            }
        }
    }

    /// A newer session is in force, or `live` is over though its seat has not said so.
    pub(super) fn succeed(&mut self, next: Option<Live>) {
        if let Some(former) = self.live.take() {
            self.outlive(former);
        }
        self.live = next;
    }

    /// A session that is not the newest may still be acted for.
    pub(super) fn outlive(&mut self, former: Live) {
        let mut seats = self.former.get_mut().into_iter().flatten();
        let same_seat = seats.find(|other| other.seat == former.seat);
        match same_seat {
            Some(other) if other.epoch <= former.epoch => *other = former,
            Some(_) => {}
            None => self.former.need().push(former),
        }
    }

    /// `seat` has no session any more with this epoch or a lower one.
    pub(super) fn close(&mut self, seat: ServerId, epoch: SessionEpoch) {
        self.live.take_if(|live| live.epoch == epoch);
        self.retain(|former| former.seat != seat || former.epoch > epoch);
    }

    /// The link to a seat that was last `heard` then is lost.
    pub(super) fn lose(&mut self, seat: ServerId, heard: Instant) {
        let former = self.former.get_mut().into_iter().flatten();
        let there = self.live.iter_mut().chain(former).filter(|live| live.seat == seat);
        for live in there {
            live.lost.get_or_insert(heard);
        }
    }

    /// Forgets those that `gone` holds for; whether there were any.
    pub(super) fn forget(&mut self, gone: impl Fn(&Live) -> bool) -> bool {
        let before = self.former().len();
        self.retain(|former| !gone(former));
        self.live.take_if(|live| gone(live)).is_some() | (self.former().len() < before)
    }
}

/// Whether the seat's lease is over, so that nobody acts for the session.
pub(super) fn is_lapsed(live: &Live, now: Instant) -> bool {
    live.lost.is_some_and(|lost| now.since(lost) >= LEASE_TIME)
}

/// Decides for `origin`. `settled`: every seat has told this home which sessions it holds.
pub(super) fn judge(
    sittings: &Sittings,
    record: &SessionRecord,
    settled: bool,
    origin: Origin,
    takeover: bool,
    now: Instant,
) -> Verdict {
    let live = sittings.live.as_ref();
    let in_the_way = |other: &&Live| other.origin != origin && !is_lapsed(other, now);
    if let Some(live) = live.filter(in_the_way) {
        return match live.lost {
            Some(_) => Verdict::Unknown,
            None if takeover => Verdict::End(live.seat, live.epoch),
            None => Verdict::Probe(live.seat, live.epoch),
        };
    }
    if let Some(former) = sittings.former().iter().find(in_the_way) {
        return match former.lost {
            Some(_) => Verdict::Unknown,
            None => Verdict::End(former.seat, former.epoch),
        };
    }
    let is_idle = record.token_hash.is_none() || record.origin == origin;
    if live.is_some() || settled || is_idle { Verdict::Grant } else { Verdict::Unknown }
}

/// What the client of an ended session hears.
pub(super) fn end_code(ended: Origin, by: Origin) -> FaultCode {
    if ended == by { FaultCode::STALE_EPOCH } else { FaultCode::ALREADY_LOGGED_IN }
}

/// The lowest epoch of a session that is granted under this store epoch: above those of earlier
/// ones, also where a restored store has forgotten them. Rows at other homes have not, and would
/// take a lower one for a session that is over.
pub(super) fn lowest_epoch(store_epoch: u32) -> SessionEpoch {
    SessionEpoch(u64::from(store_epoch) * SESSIONS_PER_STORE_EPOCH)
}

/// The record of the next session, with a new token and a new epoch, at least `lowest`. `used` is
/// the hash of the token that a resume showed; it stays good until the new one is first used.
pub(super) fn next_session(
    record: &SessionRecord,
    lowest: SessionEpoch,
    origin: Origin,
    token: &Token,
    used: Option<[u8; 32]>,
) -> SessionRecord {
    let epoch = SessionEpoch(record.epoch.0 + 1).max(lowest);
    let mut reserved = record.epoch_reserved;
    if epoch > reserved {
        reserved = SessionEpoch(epoch.0 - 1 + EPOCH_BLOCK);
    }
    SessionRecord {
        epoch_reserved: reserved,
        epoch,
        origin,
        token_hash: Some(token_hash(token)),
        previous_token_hash: used,
        origins: with_origin(&record.origins, origin),
    }
}

/// The hash of the token that is good for a resume of this session, if `token` is.
pub(super) fn good_token(
    record: &SessionRecord,
    origin: Origin,
    token: &Token,
) -> Option<[u8; 32]> {
    let shown = token_hash(token);
    let known = [record.token_hash, record.previous_token_hash];
    let good =
        known.iter().flatten().fold(false, |good, hash| good | bool::from(hash.ct_eq(&shown)));
    (good && record.origin == origin).then_some(shown)
}

/// What is stored of a token.
pub(super) fn token_hash(token: &Token) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"fastchat resume token 1");
    hash.update(token.0);
    hash.finalize().into()
}

fn with_origin(origins: &[Origin], origin: Origin) -> Vec<Origin> {
    let mut origins: Vec<Origin> = origins.iter().copied().filter(|o| *o != origin).collect();
    origins.push(origin);
    let spare = origins.len().saturating_sub(ORIGINS_MAX);
    origins.drain(..spare);
    origins
}

#[cfg(test)]
mod tests {
    use super::{Live, Sittings, Verdict, good_token, judge, lowest_epoch, next_session};
    use storage::SessionRecord;
    use wire::limits::{EPOCH_BLOCK, LEASE_TIME, ORIGINS_MAX};
    use wire::{Instant, Origin, ServerId, SessionEpoch, Token};

    const MINE: Origin = Origin([1; 16]);
    const NONE: SessionEpoch = SessionEpoch(0);
    const OTHER: Origin = Origin([2; 16]);

    #[test]
    fn only_another_live_origin_is_in_the_way() {
        let record = SessionRecord::default();
        let now = Instant(1 << 40);
        let judge = |live: Option<Live>, takeover| {
            judge(&sitting(live), &record, true, MINE, takeover, now)
        };
        assert_eq!(judge(None, false), Verdict::Grant);
        assert_eq!(judge(Some(live(MINE, None)), false), Verdict::Grant);
        let probe = Verdict::Probe(ServerId(3), SessionEpoch(9));
        assert_eq!(judge(Some(live(OTHER, None)), false), probe);
        let end = Verdict::End(ServerId(3), SessionEpoch(9));
        assert_eq!(judge(Some(live(OTHER, None)), true), end);
    }

    #[test]
    fn an_unreachable_seat_blocks_others_for_its_lease() {
        let record = SessionRecord::default();
        let lost = Instant(1 << 40);
        let at = |now, origin, takeover| {
            let live = live(OTHER, Some(lost));
            judge(&sitting(Some(live)), &record, true, origin, takeover, now)
        };
        assert_eq!(at(lost, MINE, false), Verdict::Unknown);
        assert_eq!(at(lost, MINE, true), Verdict::Unknown);
        assert_eq!(at(lost, OTHER, false), Verdict::Grant);
        assert_eq!(at(lost + LEASE_TIME, MINE, false), Verdict::Grant);
    }

    #[test]
    fn before_the_seats_have_spoken_a_stored_session_may_live() {
        let mut record =
            next_session(&SessionRecord::default(), NONE, OTHER, &Token([0; 32]), None);
        let at = |record: &SessionRecord, origin| {
            judge(&sitting(None), record, false, origin, true, Instant(0))
        };
        assert_eq!(at(&record, MINE), Verdict::Unknown);
        assert_eq!(at(&record, OTHER), Verdict::Grant);
        record.token_hash = None;
        assert_eq!(at(&record, MINE), Verdict::Grant);
    }

    #[test]
    fn a_resume_keeps_its_token_until_the_next_is_used() {
        let (first, second, third) = (Token([1; 32]), Token([2; 32]), Token([3; 32]));
        let record = next_session(&SessionRecord::default(), NONE, MINE, &first, None);
        let used = good_token(&record, MINE, &first);
        assert!(used.is_some());
        let record = next_session(&record, NONE, MINE, &second, used);
        assert_eq!(good_token(&record, MINE, &first), used);
        let again = next_session(&record, NONE, MINE, &third, used);
        assert_eq!(good_token(&again, MINE, &second), None);
        let used = good_token(&record, MINE, &second);
        let record = next_session(&record, NONE, MINE, &third, used);
        assert_eq!(good_token(&record, MINE, &first), None);
        assert_eq!(good_token(&record, OTHER, &third), None);
        assert_eq!(record.epoch, SessionEpoch(3));
        assert_eq!(record.epoch_reserved, SessionEpoch(EPOCH_BLOCK));
    }

    #[test]
    fn a_restored_store_gives_no_epoch_that_it_has_forgotten() {
        let (backup, lost, restored) = (lowest_epoch(5), lowest_epoch(9), lowest_epoch(9 + 4096));
        let next = |record: &SessionRecord, lowest| {
            next_session(record, lowest, MINE, &Token([1; 32]), None)
        };
        let kept = next(&SessionRecord::default(), backup);
        let mut forgotten = kept.clone();
        for _ in 0..5_000 {
            forgotten = next(&forgotten, lost);
        }
        assert!(forgotten.epoch <= forgotten.epoch_reserved);
        let after = next(&kept, restored);
        assert!(after.epoch > forgotten.epoch && after.epoch <= after.epoch_reserved);
    }

    #[test]
    fn the_oldest_origin_is_replaced() {
        let mut record = SessionRecord::default();
        for origin in 0..=16 {
            record = next_session(&record, NONE, Origin([origin; 16]), &Token([0; 32]), None);
        }
        record = next_session(&record, NONE, Origin([1; 16]), &Token([0; 32]), None);
        assert_eq!(record.origins.len(), ORIGINS_MAX);
        assert_eq!(record.origins.first(), Some(&Origin([2; 16])));
        assert_eq!(record.origins.last(), Some(&Origin([1; 16])));
    }

    #[test]
    fn a_former_session_blocks_others_until_its_seat_has_spoken() {
        let (record, now) = (SessionRecord::default(), Instant(1 << 40));
        let mut sittings = sitting(Some(live(OTHER, None)));
        let next = Live { seat: ServerId(2), epoch: SessionEpoch(10), ..live(OTHER, None) };
        sittings.succeed(Some(next));
        let at =
            |sittings: &Sittings, origin, now| judge(sittings, &record, true, origin, false, now);
        assert_eq!(at(&sittings, OTHER, now), Verdict::Grant);
        let probe = Verdict::Probe(ServerId(2), SessionEpoch(10));
        assert_eq!(at(&sittings, MINE, now), probe, "the newest is asked first");
        sittings.close(ServerId(2), SessionEpoch(10));
        let end = Verdict::End(ServerId(3), SessionEpoch(9));
        assert_eq!(at(&sittings, MINE, now), end);
        let mut spoken = sittings.clone();
        spoken.close(ServerId(3), SessionEpoch(9));
        assert!(spoken.is_empty());
        assert_eq!(at(&spoken, MINE, now), Verdict::Grant);
        sittings.lose(ServerId(3), now);
        assert_eq!(at(&sittings, MINE, now), Verdict::Unknown);
        assert_eq!(at(&sittings, MINE, now + LEASE_TIME), Verdict::Grant);
    }

    #[test]
    fn of_a_seats_former_sessions_the_newest_counts() {
        let mut sittings = Sittings::default();
        for epoch in [7, 9, 8] {
            let epoch = SessionEpoch(epoch);
            sittings.outlive(Live { epoch, ..live(OTHER, None) });
        }
        sittings.close(ServerId(3), SessionEpoch(8));
        assert_eq!(sittings.former(), [live(OTHER, None)]);
        sittings.close(ServerId(2), SessionEpoch(9));
        assert!(!sittings.is_empty(), "another seat has spoken");
    }

    fn sitting(live: Option<Live>) -> Sittings {
        Sittings { live, ..Sittings::default() }
    }

    fn live(origin: Origin, lost: Option<Instant>) -> Live {
        Live { seat: ServerId(3), epoch: SessionEpoch(9), origin, lost }
    }
}
