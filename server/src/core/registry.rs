//! Which session an account has: who may sign in now, and what a sign-in or resume changes.
//!
//! *Logged in* means a live connection. A stored session never blocks; one that another origin
//! holds live is probed first, and is over at its seat before another is granted. When its seat
//! cannot be reached, nothing is granted to another origin until the seat's lease is over: nobody
//! can know whether the session lives.

use sha2::{Digest, Sha256};
use storage::SessionRecord;
use subtle::ConstantTimeEq;
use wire::limits::{EPOCH_BLOCK, LEASE_TIME, ORIGINS_MAX, SESSIONS_PER_STORE_EPOCH};
use wire::{FaultCode, Instant, Origin, ServerId, SessionEpoch, Token};

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

/// Decides for `origin`. `settled`: every seat has told this home which sessions it holds.
pub(super) fn judge(
    live: Option<&Live>,
    record: &SessionRecord,
    settled: bool,
    origin: Origin,
    takeover: bool,
    now: Instant,
) -> Verdict {
    match live {
        Some(live) if live.origin == origin => Verdict::Grant,
        Some(live) => match live.lost {
            Some(lost) if now.since(lost) >= LEASE_TIME => Verdict::Grant,
            Some(_) => Verdict::Unknown,
            None if takeover => Verdict::End(live.seat, live.epoch),
            None => Verdict::Probe(live.seat, live.epoch),
        },
        None if settled || record.token_hash.is_none() || record.origin == origin => Verdict::Grant,
        None => Verdict::Unknown,
    }
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
    use super::{Live, Verdict, good_token, judge, lowest_epoch, next_session};
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
        let judge =
            |live: Option<Live>, takeover| judge(live.as_ref(), &record, true, MINE, takeover, now);
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
            judge(Some(&live), &record, true, origin, takeover, now)
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
        let at =
            |record: &SessionRecord, origin| judge(None, record, false, origin, true, Instant(0));
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

    fn live(origin: Origin, lost: Option<Instant>) -> Live {
        Live { seat: ServerId(3), epoch: SessionEpoch(9), origin, lost }
    }
}
