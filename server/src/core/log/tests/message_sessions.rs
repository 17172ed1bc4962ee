//! What a row knows of message sessions: which may be posted under, and whose grants go.

use storage::GrantedState;
use wire::limits::{ENDED_SESSIONS_MAX, GRANTS_USE_MAX};
use wire::{MessageSession, Seq, Wall};

use crate::core::log::message_session::{MessageSessions, Put, Standing};

fn session(session: u32) -> MessageSession {
    MessageSession(session)
}

fn put(number: u32, version: u32, at: u64) -> Put {
    let session = session(number);
    Put { session, version, part: 0, len: 100, len_max: (200, 300), at: Wall(at) }
}

fn grant(sessions: &mut MessageSessions, number: u32, version: u32, at: u64) {
    sessions.put(&put(number, version, at));
    assert!(sessions.complete(session(number), version));
    sessions.note_put(session(number));
}

fn with(complete: &[u32]) -> MessageSessions {
    let mut sessions = MessageSessions::default();
    complete.iter().for_each(|number| grant(&mut sessions, *number, 7, 0));
    sessions
}

/// Number and state of each on disk.
fn states(sessions: &MessageSessions) -> Vec<(u32, GrantedState)> {
    let record = sessions.record().into_iter();
    record.map(|session| (session.message_session.0, session.state)).collect()
}

#[test]
fn a_session_is_used_once_complete_until_a_newer_one_is() {
    let mut sessions = with(&[1]);
    assert_eq!(sessions.usable(session(1)), Some(7));
    sessions.put(&put(2, 9, 0));
    assert_eq!(sessions.usable(session(2)), None);
    assert!(sessions.complete(session(2), 9));
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
    sessions.post(session(1), Seq(9));
    sessions.post(session(2), Seq(11));
    sessions.compose(Seq(10));
    let before = [(1, GrantedState::InUse(Seq(9))), (2, GrantedState::Complete)];
    assert_eq!(states(&sessions), before, "a crash may lose the entry");
    sessions.compose(Seq(11));
    let after = [(1, GrantedState::Ended(Seq(11))), (2, GrantedState::InUse(Seq(11)))];
    assert_eq!(states(&sessions), after);
}

#[test]
fn grants_go_when_the_log_is_truncated_past_the_end_of_their_session() {
    let mut sessions = with(&[2, 3, 4, 5]);
    sessions.post(session(2), Seq(10));
    sessions.post(session(4), Seq(20));
    sessions.post(session(5), Seq(30));
    sessions.compose(Seq(20));
    assert_eq!(sessions.release(Seq(19)), [(session(3), session(3))], "skipped");
    sessions.compose(Seq(30));
    assert_eq!(sessions.release(Seq(19)), []);
    assert!(sessions.can_release(Seq(20)));
    assert_eq!(sessions.release(Seq(20)), [(session(0), session(2))]);
    assert_eq!(sessions.release(Seq(20)), [], "once");
    assert_eq!(sessions.release(Seq(99)), [(session(0), session(4))]);
    assert_eq!(sessions.len(), 100);
}

#[test]
fn ends_that_find_no_room_go_with_a_later_one() {
    let mut sessions = MessageSessions::default();
    let many = u32::try_from(ENDED_SESSIONS_MAX).expect("few") + 2;
    for number in 1..=many {
        grant(&mut sessions, number, 7, 0);
        sessions.post(session(number), Seq(u64::from(number) * 10));
        sessions.compose(Seq(u64::from(number) * 10));
        assert!(sessions.is_coherent());
    }
    assert_eq!(sessions.standing(session(1)), Standing::Gone);
    assert_eq!(sessions.standing(session(2)), Standing::Late);
    assert_eq!(sessions.release(Seq(20)), [], "its own end was merged into the next");
    assert_eq!(sessions.len(), u64::from(many) * 100, "and its bytes");
    assert_eq!(sessions.release(Seq(30)), [(session(0), session(2))]);
    assert_eq!(sessions.len(), u64::from(many - 2) * 100);
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
    assert_eq!(sessions.standing(session(1)), Standing::NotYet, "it is about to go");
    sessions.release(Seq(0));
    assert_eq!(sessions.standing(session(1)), Standing::Gone);
    assert_eq!(sessions.standing(session(u32::MAX)), Standing::New);
}

#[test]
fn what_never_was_is_not_late() {
    let mut sessions = with(&[60]);
    sessions.post(session(60), Seq(1));
    grant(&mut sessions, 100, 7, 0);
    sessions.post(session(100), Seq(2));
    sessions.compose(Seq(2));
    assert_eq!(sessions.standing(session(60)), Standing::Late);
    assert_eq!(sessions.standing(session(61)), Standing::Gone);
    assert_eq!(sessions.standing(session(59)), Standing::Gone);
}

#[test]
fn sessions_for_readers_of_before_a_departure_do_not_wait_for_ever() {
    let mut sessions = with(&[1, 2, 3, 4]);
    sessions.post(session(2), Seq(5));
    sessions.drop_behind(8);
    assert_eq!(sessions.usable(session(2)), Some(7), "its entry is there");
    assert_eq!(sessions.usable(session(3)), None);
    assert_eq!(sessions.standing(session(5)), Standing::NotYet);
    sessions.compose(Seq(5));
    let one = |number| (session(number), session(number));
    assert_eq!(sessions.release(Seq(0)), [one(1), one(3), one(4)]);
    assert_eq!(sessions.standing(session(5)), Standing::New);
}

#[test]
fn a_crash_before_grants_are_gone_finds_them_again() {
    let mut sessions = with(&[1, 2, 3]);
    sessions.post(session(2), Seq(5));
    sessions.post(session(3), Seq(6));
    sessions.compose(Seq(6));
    let mut restarted = MessageSessions::from_record(sessions.record());
    assert!(restarted.can_release(Seq(0)));
    assert_eq!(restarted.release(Seq(0)), [(session(1), session(1))]);
}

#[test]
fn the_session_in_use_goes_when_it_is_old_and_no_entry_needs_it() {
    let mut sessions = with(&[1]);
    sessions.post(session(1), Seq(5));
    sessions.compose(Seq(5));
    let old = Wall(u64::try_from(GRANTS_USE_MAX.as_millis()).expect("fits"));
    sessions.expire(Wall(old.0 - 1), Seq(5), Seq(5));
    sessions.expire(old, Seq(4), Seq(5));
    assert_eq!(sessions.usable(session(1)), Some(7));
    // The home lost the entry with this seq: there is nothing above the log's head.
    sessions.expire(old, Seq(4), Seq(4));
    assert_eq!(sessions.usable(session(1)), None);
    assert_eq!(sessions.release(Seq(4)), [(session(1), session(1))]);
}
