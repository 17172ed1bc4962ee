//! A seat relays its sessions' posts to the logs' homes, and the homes' answers back.
//!
//! A post is relayed at once and never kept: what the home did not answer when its link is lost is
//! dropped, the client is told, and sends it again itself. So nothing is ever replayed here.

use wire::limits::{POSTS_BURST, POSTS_PER_SECOND, UNANSWERED_MAX};
use wire::message::{
    Accepted, PeerAccepted, PeerAnswered, PeerPost, PeerRefused, Post, Refusal, Refused,
    Unavailable,
};
use wire::{ConnId, FaultCode, Kind, LogHandle, LogId, Name, Number, Origin, ServerId};

use std::collections::VecDeque;
use std::time::Duration;

use super::event::Effect;
use super::limit::Rate;
use super::seat::{Seat, signed};
use super::session::{Handle, HandleState, Session};
use super::timer::Timer;
use super::turn::Turn;

/// Posts that a session may send.
const POST_RATE: Rate = Rate {
    interval: Duration::from_secs(1).checked_div(POSTS_PER_SECOND).expect("some may be sent"),
    burst: POSTS_BURST,
};

impl Seat {
    /// A client posts: the hot path.
    pub(super) fn on_post(&mut self, conn: ConnId, post: Post, turn: &mut Turn<'_>) {
        let Some(session) = signed(&mut self.clients, conn) else {
            return self.on_early_kind(conn, Kind::POST, turn);
        };
        session.pulse.hear(turn.now);
        charge(session, conn, turn);
        let Some(handle) = session.handles.get_mut(post.handle) else {
            return turn.fault(conn, FaultCode::BAD_HANDLE, Kind::POST, post.handle.0);
        };
        if !is_counted_well(&post) {
            return turn.fault(conn, FaultCode::BAD_NUMBER, Kind::POST, post.handle.0);
        }
        match handle.state {
            HandleState::Open if u64::from(session.unanswered) >= UNANSWERED_MAX => {
                turn.metrics.posts_busy += 1;
                turn.tell_client(conn, refused(post.handle, post.number, Refusal::Busy));
            }
            HandleState::Open => {
                session.unanswered += 1;
                handle.posts.need().push_back(post.number);
                turn.metrics.posts += 1;
                let stamped = PeerPost {
                    log: handle.log(session.account),
                    sender: session.account,
                    origin: session.origin,
                    epoch: session.epoch,
                    number: post.number,
                    settled: post.settled,
                    message_session: post.message_session,
                    again: post.again,
                    body: post.body,
                };
                turn.tell_server(handle.home, stamped);
            }
            HandleState::Down => turn.metrics.posts_dropped += 1,
            HandleState::Opening { .. } => {
                turn.fault(conn, FaultCode::BAD_HANDLE, Kind::POST, post.handle.0);
            }
        }
    }

    /// A home has made posts safe.
    pub(super) fn on_accepted(&mut self, from: ServerId, message: &PeerAccepted, turn: &mut Turn) {
        let poster = (message.sender, message.origin);
        let Some((conn, id)) = self.answered(from, &message.log, poster, turn, |posts| {
            posts.retain(|number| *number > message.upto);
        }) else {
            return;
        };
        let answer =
            Accepted { handle: id, upto: message.upto, seq: message.seq, class: message.class };
        turn.tell_client(conn, answer);
        self.tell_answered(conn, id, turn);
    }

    /// The owner of that mailbox was answered: the poster's own home hears of the first time.
    fn tell_answered(&mut self, conn: ConnId, id: LogHandle, turn: &mut Turn<'_>) {
        let Some(session) = signed(&mut self.clients, conn) else {
            return;
        };
        let (account, epoch, home) = (session.account, session.epoch, session.home);
        let Some(handle) = session.handles.get_mut(id).filter(|handle| !handle.is_answer_told)
        else {
            return;
        };
        if self.up.contains(&home) {
            handle.is_answer_told = true;
            let (log, person) = (LogId::mailbox(account), handle.log(account).name);
            turn.tell_server(home, PeerAnswered { log, account, epoch, person });
        }
    }

    /// A home did not append a post.
    pub(super) fn on_refused(&mut self, from: ServerId, message: &PeerRefused, turn: &mut Turn) {
        let poster = (message.sender, message.origin);
        let Some((conn, id)) = self.answered(from, &message.log, poster, turn, |posts| {
            take_refused(posts, message);
        }) else {
            return;
        };
        turn.tell_client(conn, refused(id, message.number, message.refusal));
    }

    /// Finds who waits for a home's answer and lets `settle` take from its unanswered posts.
    fn answered(
        &mut self,
        from: ServerId,
        log: &LogId,
        (sender, origin): (Name, Origin),
        turn: &mut Turn<'_>,
        settle: impl FnOnce(&mut VecDeque<Number>),
    ) -> Option<(ConnId, LogHandle)> {
        let conn = self.conn_of(&sender)?;
        let session = signed(&mut self.clients, conn)?;
        if session.origin != origin {
            return None;
        }
        let (id, handle) = session.handle_of(log)?;
        if handle.home != from {
            self.confused_about(log, from, turn);
            return None;
        }
        let before = handle.unanswered();
        if let Some(posts) = handle.posts.get_mut() {
            settle(posts);
        }
        let settled = before - handle.unanswered();
        let open = handle.state == HandleState::Open;
        session.unanswered -= settled;
        open.then_some((conn, id))
    }

    /// A client that posted too fast has paid its debt, unless it posted on.
    pub(super) fn on_refill(&mut self, conn: ConnId, turn: &mut Turn<'_>) {
        let Some(session) = signed(&mut self.clients, conn) else {
            return;
        };
        let permit_at = session.bucket.permit_at(&POST_RATE);
        if session.is_metered && permit_at > turn.now {
            return turn.timers.arm(permit_at, Timer::Refill(conn));
        }
        session.paused = false;
        let reading = true;
        turn.effects.push(Effect::SetReading { conn, reading });
    }
}

/// The home is lost: what it did not answer is dropped, and the client told.
pub(super) fn drop_unanswered(
    conn: ConnId,
    id: LogHandle,
    handle: &mut Handle,
    turn: &mut Turn<'_>,
) -> u32 {
    let dropped = handle.unanswered();
    if let Some(posts) = handle.posts.get_mut() {
        posts.clear();
    }
    handle.state = HandleState::Down;
    turn.metrics.posts_dropped += u64::from(dropped);
    turn.tell_client(conn, Unavailable { handle: id });
    dropped
}

/// The session's home may not have heard, or may have forgotten, whom it has answered.
pub(super) fn tell_answers_again(session: &mut Session) {
    for handle in session.handles.values_mut() {
        handle.is_answer_told = !handle.is_to_a_person();
    }
}

/// Charges the session for what costs its home a synced write: over its rate it is not read.
pub(super) fn charge(session: &mut Session, conn: ConnId, turn: &mut Turn<'_>) {
    if !session.is_metered {
        return;
    }
    session.bucket.charge(&POST_RATE, turn.now);
    let permit_at = session.bucket.permit_at(&POST_RATE);
    if permit_at > turn.now && !session.paused {
        session.paused = true;
        turn.metrics.pauses += 1;
        let reading = false;
        turn.effects.push(Effect::SetReading { conn, reading });
        turn.timers.arm(permit_at, Timer::Refill(conn));
    }
}

/// A rejection is said once for all copies of a post, any other refusal once for each.
fn take_refused(posts: &mut VecDeque<Number>, message: &PeerRefused) {
    let found = posts.iter().position(|number| *number == message.number);
    if matches!(message.refusal, Refusal::Rejected(_)) {
        posts.retain(|number| *number != message.number);
    } else if let Some(found) = found {
        posts.remove(found);
    }
}

/// `settled < number ≤ settled + 64`: what the home could not answer is not relayed.
fn is_counted_well(post: &Post) -> bool {
    let (number, settled) = (post.number.value(), post.settled.value());
    number > settled && number - settled <= UNANSWERED_MAX
}

fn refused(handle: LogHandle, number: Number, refusal: Refusal) -> Refused {
    Refused { handle, number, refusal }
}

#[cfg(test)]
mod tests {
    use super::take_refused;
    use wire::message::{PeerRefused, Refusal};
    use wire::{FaultCode, LogId, Name, Number, Origin};

    fn left_after(refusal: Refusal) -> Vec<u64> {
        let number = |value| Number::new(value).expect("small");
        let name = Name::parse("alice").expect("a name");
        let mut posts = [3, 4, 3].map(number).into();
        let message = PeerRefused {
            log: LogId::mailbox(name),
            sender: name,
            origin: Origin::default(),
            number: number(3),
            refusal,
        };
        take_refused(&mut posts, &message);
        posts.into_iter().map(Number::value).collect()
    }

    #[test]
    fn a_rejection_answers_every_copy_of_a_post() {
        assert_eq!(left_after(Refusal::Rejected(FaultCode::MAILBOX_FULL)), [4]);
        assert_eq!(left_after(Refusal::Busy), [4, 3]);
    }
}
