//! What a reader of a group is to have, as it joins, departs and joins again.
//!
//! Who departs stays a reader until it has received everything up to the statement of its
//! departure. Who joins again before that has an *absence* to pass over: what was posted in between
//! is not for it. There is one absence per reader: a second departure while the first absence was
//! not reached counts what stands before that one as missed.

use storage::{Absence, CursorRecord};
use wire::Seq;

/// What a statement does to who reads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Turn {
    /// The account joins; this is the newest entry before.
    Joins { before: Seq },
    /// The account is a member no more: the statement's entry and version.
    Departs { seq: Seq, version: u32 },
}

impl Turn {
    /// What becomes of an account's record. `count` counts the entries between two places.
    pub(super) fn apply(
        self,
        record: Option<CursorRecord>,
        count: impl Fn(Seq, Seq) -> u64,
    ) -> Option<CursorRecord> {
        match (self, record) {
            (Self::Joins { before }, None) => {
                Some(CursorRecord { cursor: before, ..CursorRecord::default() })
            }
            (Self::Joins { before }, Some(record)) => Some(join(record, before)),
            // An invitation was taken back.
            (Self::Departs { .. }, None) => None,
            (Self::Departs { seq, version }, Some(record)) => {
                Some(depart(record, (seq, version), count))
            }
        }
    }
}

/// Whether the account is no member and reads what was before its departure.
pub(super) fn is_departed(record: &CursorRecord) -> bool {
    record.absence.is_some_and(|absence| absence.until.is_none())
}

/// Whether the account has departed and received everything.
pub(super) fn is_over(record: &CursorRecord) -> bool {
    is_departed(record) && record.absence.is_some_and(|absence| record.cursor >= absence.after)
}

/// The last entry that the account is to have, of a log that ends at `head`.
pub(super) fn last_readable(record: &CursorRecord, head: Seq) -> Seq {
    match record.absence {
        Some(Absence { after, until: None, .. }) => after.min(head),
        _ => head,
    }
}

/// Where the account reads on when it has everything up to `at`.
pub(super) fn passed(record: &CursorRecord, at: Seq) -> Seq {
    let at = at.max(record.cursor);
    match record.absence {
        Some(Absence { after, until: Some(until), .. }) if after <= at => at.max(until),
        _ => at,
    }
}

/// Whether the account is to have the entry `seq`.
pub(super) fn is_readable(record: &CursorRecord, seq: Seq) -> bool {
    let is_absent =
        |absence: Absence| absence.after < seq && absence.until.is_none_or(|until| seq <= until);
    record.cursor < seq && !record.absence.is_some_and(is_absent)
}

/// The account has, or will not get, everything up to `upto`.
pub(super) fn advance(record: &mut CursorRecord, upto: Seq) {
    record.cursor = passed(record, last_readable(record, upto));
    if record.absence.is_some_and(|absence| absence.until.is_some_and(|at| at <= record.cursor)) {
        record.absence = None;
    }
}

/// How many entries up to `upto` the account was to have and has not.
pub(super) fn count_readable(
    record: &CursorRecord,
    upto: Seq,
    count: impl Fn(Seq, Seq) -> u64,
) -> u64 {
    let Some(Absence { after, until, .. }) = record.absence else {
        return count(record.cursor, upto);
    };
    let later = until.filter(|until| *until < upto).map_or(0, |until| count(until, upto));
    count(record.cursor, upto.min(after)) + later
}

fn join(mut record: CursorRecord, before: Seq) -> CursorRecord {
    if let Some(absence) = record.absence.as_mut().filter(|absence| absence.until.is_none()) {
        absence.until = Some(before);
        let cursor = record.cursor;
        advance(&mut record, cursor);
    }
    record
}

fn depart(
    mut record: CursorRecord,
    (seq, version): (Seq, u32),
    count: impl Fn(Seq, Seq) -> u64,
) -> CursorRecord {
    match record.absence {
        // It has departed already: this takes back an invitation.
        Some(Absence { until: None, .. }) => return record,
        Some(Absence { until: Some(until), .. }) => {
            record.missed += count_readable(&record, until, count);
            advance(&mut record, until);
        }
        None => {}
    }
    record.absence = Some(Absence { after: seq, version, until: None });
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: CursorRecord = CursorRecord { cursor: Seq(3), missed: 0, absence: None };

    /// As if there were an entry at every seq.
    fn count(after: Seq, upto: Seq) -> u64 {
        upto.0.saturating_sub(after.0)
    }

    fn turned(turns: &[Turn]) -> CursorRecord {
        let record = turns.iter().fold(None, |record, turn| turn.apply(record, count));
        record.expect("it has joined")
    }

    const JOINS: Turn = Turn::Joins { before: Seq(3) };
    const DEPARTS: Turn = Turn::Departs { seq: Seq(9), version: 4 };

    #[test]
    fn who_departs_reads_up_to_its_departure() {
        assert_eq!(turned(&[JOINS]), NEW);
        let mut record = turned(&[JOINS, DEPARTS]);
        assert!(is_departed(&record) && !is_over(&record));
        assert_eq!(last_readable(&record, Seq(20)), Seq(9));
        assert!([4, 9].iter().all(|seq| is_readable(&record, Seq(*seq))));
        assert!([3, 10].iter().all(|seq| !is_readable(&record, Seq(*seq))));
        assert_eq!(count_readable(&record, Seq(20), count), 6);
        advance(&mut record, Seq(8));
        assert!(!is_over(&record));
        advance(&mut record, Seq(20));
        assert!(is_over(&record));
        assert_eq!(record.cursor, Seq(9));
    }

    #[test]
    fn who_joins_again_passes_over_its_absence() {
        let mut record = turned(&[JOINS, DEPARTS, Turn::Joins { before: Seq(15) }]);
        assert!(!is_departed(&record));
        assert_eq!(last_readable(&record, Seq(20)), Seq(20));
        assert!([4, 9, 16].iter().all(|seq| is_readable(&record, Seq(*seq))));
        assert!([10, 15].iter().all(|seq| !is_readable(&record, Seq(*seq))));
        assert_eq!(count_readable(&record, Seq(20), count), 6 + 5);
        assert_eq!(count_readable(&record, Seq(12), count), 6);
        assert_eq!((passed(&record, Seq(8)), passed(&record, Seq(9))), (Seq(8), Seq(15)));
        advance(&mut record, Seq(10));
        assert_eq!(record, CursorRecord { cursor: Seq(15), ..NEW });
    }

    #[test]
    fn nothing_between_departure_and_joining_is_no_absence() {
        let again = Turn::Joins { before: Seq(9) };
        let mut record = turned(&[JOINS, DEPARTS, again]);
        assert!([4, 9, 10].iter().all(|seq| is_readable(&record, Seq(*seq))));
        advance(&mut record, Seq(9));
        assert_eq!(record, CursorRecord { cursor: Seq(9), ..NEW });
    }

    #[test]
    fn a_second_departure_counts_what_was_before_the_first_as_missed() {
        let again = Turn::Joins { before: Seq(15) };
        let record = turned(&[JOINS, DEPARTS, again, Turn::Departs { seq: Seq(30), version: 7 }]);
        assert_eq!((record.cursor, record.missed), (Seq(15), 6));
        assert_eq!(last_readable(&record, Seq(40)), Seq(30));
    }

    #[test]
    fn an_invitation_that_is_taken_back_changes_nothing() {
        assert_eq!(DEPARTS.apply(None, count), None);
        let departed = turned(&[JOINS, DEPARTS]);
        let later = Turn::Departs { seq: Seq(12), version: 6 };
        assert_eq!(later.apply(Some(departed), count), Some(departed));
    }
}
