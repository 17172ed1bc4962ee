//! Passwords of groups at their home: joins that were begun. Which group there is, and who may
//! join it, the group's log knows.
//!
//! A join that was proven stays so until its time is over: when somebody else's statement came
//! first, the same proof goes with the next try.

use std::collections::{BTreeMap, VecDeque};

use opaque_ke::{ServerLogin, ServerSetup};
use wire::limits::{JOIN_TIME_MAX, LOGINS_MAX};
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
    /// In the order they were begun: each has the same time.
    begun: VecDeque<(Instant, Key)>,
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
            begun: VecDeque::new(),
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
        while let Some((until, key)) = self.begun.pop_front_if(|(until, _)| *until <= turn.now) {
            if self.joins.get(&key).is_some_and(|join| join.until == until) {
                self.joins.remove(&key);
            }
        }
        self.guesses.sweep(turn.now);
        self.is_watching = false;
        self.watch(turn);
    }

    /// The link to a seat is lost: its clients begin again.
    pub(super) fn on_link_lost(&mut self, server: ServerId) {
        self.joins.retain(|(from, ..), _| *from != server);
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
        // As many instants as joins wait at most, however often one account begins anew.
        if self.begun.len() >= LOGINS_MAX {
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
        self.joins.insert(key, Join { state, until });
        self.begun.push_back((until, key));
        self.watch(turn);
        Ok(response)
    }

    fn prove(
        &mut self,
        from: ServerId,
        statement: &Statement,
        proof: &Challenge,
    ) -> Result<(), FaultCode> {
        let (account, group) = (statement.actor, statement.group);
        let key = (from, account, group);
        let Join { state, until } = self.joins.remove(&key).ok_or(FaultCode::UNAVAILABLE)?;
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
        self.joins.insert(key, Join { state, until });
        Ok(())
    }

    /// One timer watches the oldest join.
    fn watch(&mut self, turn: &mut Turn<'_>) {
        if let (Some((at, _)), false) = (self.begun.front(), self.is_watching) {
            self.is_watching = true;
            turn.timers.arm(*at, Timer::Joins);
        }
    }
}
