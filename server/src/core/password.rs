//! Passwords of accounts at their home: registration, and sign-ins that were begun.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use opaque_ke::{ServerLogin, ServerSetup};
use wire::limits::{EARLY_TIME_MAX, LOGINS_MAX};
use wire::message::Challenge;
use wire::opaque::Suite;
use wire::{ExchangeId, FaultCode, Instant, Name, ServerId};

use super::entropy::Entropy;
use super::guesses::Guesses;
use super::opaque::{self, Opening};

/// What the home needs for OPAQUE, and the sign-ins that are half done.
pub(super) struct Passwords {
    setup: ServerSetup<Suite>,
    logins: BTreeMap<(ServerId, ExchangeId), Login>,
    /// In the order they were begun: each has the same time.
    begun: VecDeque<(Instant, ServerId, ExchangeId)>,
    guesses: Guesses<Name>,
    entropy: Entropy,
}

/// A sign-in whose password is not proven yet. The state is wiped when dropped.
struct Login {
    name: Name,
    state: ServerLogin<Suite>,
    sealed_keys: Bytes,
    until: Instant,
}

impl Passwords {
    pub(super) fn new(setup: ServerSetup<Suite>, entropy: Entropy) -> Self {
        Self {
            setup,
            logins: BTreeMap::new(),
            begun: VecDeque::new(),
            guesses: Guesses::default(),
            entropy,
        }
    }

    /// First step of a sign-up. Nothing is kept of it.
    pub(super) fn answer_registration(
        &self,
        name: &Name,
        request: &Challenge,
    ) -> Result<Challenge, FaultCode> {
        opaque::answer_registration(&self.setup, name.as_bytes(), request)
    }

    /// First step of a sign-in, charged as a guess: from here on the client can test a password.
    pub(super) fn begin_login(
        &mut self,
        now: Instant,
        (from, exchange): (ServerId, ExchangeId),
        name: &Name,
        (record, sealed_keys): (&Bytes, Bytes),
        request: &Challenge,
    ) -> Result<Challenge, FaultCode> {
        let opening = Opening::new(record, request)?;
        if self.logins.len() >= LOGINS_MAX {
            return Err(FaultCode::UNAVAILABLE);
        }
        self.guesses.charge(now, *name)?;
        let (state, response) = opening.answer(&self.setup, &mut self.entropy, name.as_bytes())?;
        let until = now + EARLY_TIME_MAX;
        let login = Login { name: *name, state, sealed_keys, until };
        self.logins.insert((from, exchange), login);
        self.begun.push_back((until, from, exchange));
        Ok(response)
    }

    /// Second step of a sign-in: the account's sealed keys when the password is proven. A proven
    /// password was no guess.
    pub(super) fn finish_login(
        &mut self,
        from: ServerId,
        exchange: ExchangeId,
        name: &Name,
        finish: &Challenge,
    ) -> Result<Bytes, FaultCode> {
        let login = self.logins.remove(&(from, exchange));
        let login = login.ok_or(FaultCode::UNAVAILABLE)?;
        if login.name != *name {
            return Err(FaultCode::WRONG_STATE);
        }
        if !opaque::is_proven(login.state, name.as_bytes(), finish)? {
            return Err(FaultCode::INCORRECT_PASSWORD);
        }
        self.guesses.refund(name);
        Ok(login.sealed_keys)
    }

    /// Forgets sign-ins whose time is over, and guesses that no longer count.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((until, from, exchange)) = self.begun.front().copied()
            && until <= now
        {
            self.begun.pop_front();
            let key = (from, exchange);
            if self.logins.get(&key).is_some_and(|login| login.until == until) {
                self.logins.remove(&key);
            }
        }
        self.guesses.sweep(now);
    }

    /// The link to a seat is lost: it has forgotten its exchanges.
    pub(super) fn on_link_lost(&mut self, server: ServerId) {
        self.logins.retain(|(from, _), _| *from != server);
    }

    /// When [`Passwords::expire`] has something to forget.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.begun.front().map(|(until, ..)| *until)
    }
}
