//! Passwords of groups at their home: joins that were begun. Which group there is, and who may
//! join it, the group's log knows.
//!
//! A join that was proven stays so until its time is over: when somebody else's statement came
//! first, the same proof goes with the next try. So a proven password costs no guess and still
//! holds a place: places are bounded for each account, whose newest joins push out its oldest, and
//! for each group.

use std::collections::{BTreeMap, BTreeSet};

use opaque_ke::{ServerLogin, ServerSetup};
use wire::limits::{JOIN_TIME_MAX, JOINS_PER_ACCOUNT_MAX, JOINS_PER_GROUP_MAX, LOGINS_MAX};
use wire::message::{Answer, AnswerBody, Challenge, Fault, GroupChallenge};
use wire::opaque::{Suite, group_identity};
use wire::roster::{Act, Policy, Statement};
use wire::{FaultCode, Instant, Kind, Name, ServerId};

use super::entropy::Entropy;
use super::guesses::Guesses;
use super::log::{Entrance, Started};
use super::opaque::{self, Opening};
use super::timer::Timer;
use super::turn::Turn;

/// A seat, and who asks there to join which group.
type Key = (ServerId, Name, Name);

/// See the module.
pub(super) struct GroupPasswords {
    setup: ServerSetup<Suite>,
    joins: BTreeMap<Key, Join>,
    /// The same, in the order they were begun: each has the same time.
    begun: BTreeSet<(Instant, Key)>,
    /// By group and account.
    guesses: Guesses<(Name, Name)>,
    entropy: Entropy,
    /// [`Timer::Joins`] is armed.
    is_watching: bool,
}

struct Join {
    state: State,
    until: Instant,
}

enum State {
    /// The password is not proven yet. What is in it is wiped when dropped.
    Begun(Box<ServerLogin<Suite>>),
    /// By this.
    Proven(Challenge),
}

impl GroupPasswords {
    pub(super) fn new(setup: ServerSetup<Suite>, entropy: Entropy) -> Self {
        Self {
            setup,
            joins: BTreeMap::new(),
            begun: BTreeSet::new(),
            guesses: Guesses::default(),
            entropy,
            is_watching: false,
        }
    }

    /// A group may be created or joined, as far as its log knows: answers the client.
    pub(super) fn on_started(&mut self, started: &Started, turn: &mut Turn<'_>) {
        let request = started.start.request;
        let body: AnswerBody = match self.respond(started, turn) {
            Ok(response) => {
                let Started { policy, version, head, .. } = *started;
                GroupChallenge { request, policy, version, head, response }.into()
            }
            Err(code) => Fault::about(code, Kind::GROUP_START, request.0).into(),
        };
        turn.tell_server(started.to, Answer { exchange: started.exchange, body });
    }

    /// What the OPAQUE part of a statement comes to.
    pub(super) fn on_statement(
        &mut self,
        from: ServerId,
        statement: &Statement,
        proof: &Challenge,
    ) -> Result<Entrance, FaultCode> {
        match statement.act {
            _ if proof.bytes().is_empty() => Ok(Entrance::None),
            Act::Create if statement.policy == Some(Policy::Password) => {
                opaque::registration(proof).map(Entrance::Registered)
            }
            Act::Join => Ok(match self.prove(from, statement, proof) {
                Ok(()) => Entrance::Proven,
                Err(code) => Entrance::Failed(code),
            }),
            _ => Err(FaultCode::MALFORMED),
        }
    }

    /// Some join that was begun may have run out of time.
    pub(super) fn on_joins_due(&mut self, turn: &mut Turn<'_>) {
        while let Some((_, key)) = self.begun.first().copied().filter(|(at, _)| *at <= turn.now) {
            self.forget(&key);
        }
        self.guesses.sweep(turn.now);
        self.is_watching = false;
        self.watch(turn);
    }

    /// The link to a seat is lost: its clients begin again.
    pub(super) fn on_link_lost(&mut self, server: ServerId) {
        self.joins.retain(|(from, ..), _| *from != server);
        self.begun.retain(|(_, (from, ..))| *from != server);
    }

    fn respond(&mut self, started: &Started, turn: &mut Turn<'_>) -> Result<Challenge, FaultCode> {
        let Started { to, account, start, password, .. } = started;
        let (group, opening) = (start.group, &start.opening);
        if opening.bytes().is_empty() {
            return Ok(Challenge::default());
        }
        if start.act == Act::Create {
            return opaque::answer_registration(&self.setup, &group_identity(&group), opening);
        }
        if password.is_empty() {
            return Ok(Challenge::default());
        }
        self.begin((*to, *account, group), password, opening, turn)
    }

    /// Charged as a guess: from here on the client can test a password.
    fn begin(
        &mut self,
        key: Key,
        password: &[u8],
        request: &Challenge,
        turn: &mut Turn<'_>,
    ) -> Result<Challenge, FaultCode> {
        let (_, account, group) = key;
        let opening = Opening::new(password, request)?;
        if !self.has_room(&key) {
            return Err(FaultCode::UNAVAILABLE);
        }
        if let Err(code) = self.guesses.charge(turn.now, (group, account)) {
            turn.metrics.guesses_refused += 1;
            return Err(code);
        }
        let identity = group_identity(&group);
        let (state, response) = opening.answer(&self.setup, &mut self.entropy, &identity)?;
        let until = turn.now + JOIN_TIME_MAX;
        let state = State::Begun(Box::new(state));
        if self.forget(&key).is_none()
            && let Some(oldest) = self.oldest_of(&account)
        {
            self.forget(&oldest);
        }
        self.keep(key, Join { state, until });
        self.watch(turn);
        Ok(response)
    }

    /// Whether there is a place for this join, its account's oldest one aside.
    fn has_room(&self, key: &Key) -> bool {
        let (_, account, group) = key;
        let others = self.joins.keys().filter(|(_, other, _)| other != account);
        let here = others.filter(|(.., other)| other == group).count();
        let is_known = self.joins.contains_key(key) || self.oldest_of(account).is_some();
        here < JOINS_PER_GROUP_MAX && (is_known || self.joins.len() < LOGINS_MAX)
    }

    /// The oldest join of an account that has as many as it may.
    fn oldest_of(&self, account: &Name) -> Option<Key> {
        let mut own = self.begun.iter().filter(|(_, (_, owner, _))| owner == account);
        let oldest = own.next().map(|(_, key)| *key);
        oldest.filter(|_| 1 + own.count() >= JOINS_PER_ACCOUNT_MAX)
    }

    fn keep(&mut self, key: Key, join: Join) {
        self.begun.insert((join.until, key));
        self.joins.insert(key, join);
        debug_assert_eq!(self.begun.len(), self.joins.len(), "one instant for each join");
    }

    fn forget(&mut self, key: &Key) -> Option<Join> {
        let join = self.joins.remove(key)?;
        self.begun.remove(&(join.until, *key));
        Some(join)
    }

    fn prove(
        &mut self,
        from: ServerId,
        statement: &Statement,
        proof: &Challenge,
    ) -> Result<(), FaultCode> {
        let (account, group) = (statement.actor, statement.group);
        let key = (from, account, group);
        let Join { state, until } = self.forget(&key).ok_or(FaultCode::UNAVAILABLE)?;
        match state {
            State::Begun(login) => {
                if !opaque::is_proven(*login, &group_identity(&group), proof)? {
                    return Err(FaultCode::WRONG_GROUP_PASSWORD);
                }
                self.guesses.refund(&(group, account));
            }
            State::Proven(by) if by != *proof => return Err(FaultCode::WRONG_GROUP_PASSWORD),
            State::Proven(_) => {}
        }
        let state = State::Proven(proof.clone());
        self.keep(key, Join { state, until });
        Ok(())
    }

    /// One timer watches the oldest join.
    fn watch(&mut self, turn: &mut Turn<'_>) {
        if let (Some((at, _)), false) = (self.begun.first(), self.is_watching) {
            self.is_watching = true;
            turn.timers.arm(*at, Timer::Joins);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core_06::OsRng;

    fn name(text: &str) -> Name {
        Name::parse(text).expect("tests use good names")
    }

    fn key(account: &str, group: &str) -> Key {
        (ServerId(1), name(account), name(group))
    }

    fn passwords() -> GroupPasswords {
        GroupPasswords::new(ServerSetup::new(&mut OsRng), Entropy::new([7; 32]))
    }

    fn begin(passwords: &mut GroupPasswords, key: Key) {
        let until = Instant(9) + JOIN_TIME_MAX;
        passwords.keep(key, Join { state: State::Proven(Challenge::default()), until });
    }

    #[test]
    fn a_crowd_at_one_group_keeps_nobody_from_another() {
        let mut passwords = passwords();
        for index in 0..JOINS_PER_GROUP_MAX {
            let next = key(&format!("user{index}"), "rust");
            assert!(passwords.has_room(&next));
            begin(&mut passwords, next);
        }
        assert!(!passwords.has_room(&key("alice", "rust")));
        assert!(passwords.has_room(&key("alice", "go")));
        passwords.on_link_lost(ServerId(1));
        assert!(passwords.has_room(&key("alice", "rust")));
        assert!(passwords.begun.is_empty());
    }

    #[test]
    fn who_has_joins_under_way_may_begin_anew_when_there_is_room_for_nobody_else() {
        let mut passwords = passwords();
        for index in 0..LOGINS_MAX {
            begin(&mut passwords, key(&format!("user{index}"), &format!("group{index}")));
        }
        assert!(!passwords.has_room(&key("alice", "rust")));
        assert!(passwords.has_room(&key("user7", "group7")));
    }
}
