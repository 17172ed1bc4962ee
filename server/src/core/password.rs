//! The home's side of OPAQUE (RFC 9807): registration, and sign-ins that were begun. The password
//! never comes here; the slow hash runs on the client.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use opaque_ke::{
    CredentialFinalization, CredentialRequest, Identifiers, RegistrationRequest,
    RegistrationUpload, ServerLogin, ServerLoginParameters, ServerRegistration, ServerSetup,
};
use wire::limits::{
    EARLY_TIME_MAX, GUESS_INTERVAL, GUESSED_ACCOUNTS_MAX, GUESSES_BURST, LOGINS_MAX,
};
use wire::message::Challenge;
use wire::opaque::{CONTEXT, Suite};
use wire::{ExchangeId, FaultCode, Instant, Name, ServerId};

use super::entropy::Entropy;
use super::limit::Bucket;

/// OPAQUE's name for the server: the whole cluster is one.
pub const SERVER_IDENTITY: &[u8] = b"fastchat";

/// What the home needs for OPAQUE, and the sign-ins that are half done.
pub(super) struct Passwords {
    setup: ServerSetup<Suite>,
    logins: BTreeMap<(ServerId, ExchangeId), Login>,
    /// In the order they were begun: each has the same time.
    begun: VecDeque<(Instant, ServerId, ExchangeId)>,
    guesses: BTreeMap<Name, Bucket>,
    /// When guesses that no longer count were last looked for.
    swept: Instant,
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
            guesses: BTreeMap::new(),
            swept: Instant(0),
            entropy,
        }
    }

    /// First step of a sign-up. Nothing is kept of it.
    pub(super) fn answer_registration(
        &self,
        name: &Name,
        request: &Challenge,
    ) -> Result<Challenge, FaultCode> {
        let request = RegistrationRequest::<Suite>::deserialize(request.bytes())
            .map_err(|_| FaultCode::MALFORMED)?;
        let answer = ServerRegistration::<Suite>::start(&self.setup, request, name.as_bytes())
            .map_err(|_| FaultCode::MALFORMED)?;
        Ok(challenge(&answer.message.serialize()))
    }

    /// Second step of a sign-up: what the account keeps.
    pub(super) fn registration(upload: &Challenge) -> Result<Bytes, FaultCode> {
        let upload = RegistrationUpload::<Suite>::deserialize(upload.bytes())
            .map_err(|_| FaultCode::MALFORMED)?;
        let record = ServerRegistration::<Suite>::finish(upload).serialize();
        Ok(Bytes::copy_from_slice(&record))
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
        let request = CredentialRequest::<Suite>::deserialize(request.bytes())
            .map_err(|_| FaultCode::MALFORMED)?;
        let record =
            ServerRegistration::<Suite>::deserialize(record).map_err(|_| FaultCode::UNAVAILABLE)?;
        if self.logins.len() >= LOGINS_MAX {
            return Err(FaultCode::UNAVAILABLE);
        }
        self.charge(now, name)?;
        let id = name.as_bytes();
        let started = ServerLogin::start(
            &mut self.entropy,
            &self.setup,
            Some(record),
            request,
            id,
            parameters(id),
        )
        .map_err(|_| FaultCode::MALFORMED)?;
        let until = now + EARLY_TIME_MAX;
        let login = Login { name: *name, state: started.state, sealed_keys, until };
        self.logins.insert((from, exchange), login);
        self.begun.push_back((until, from, exchange));
        Ok(challenge(&started.message.serialize()))
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
        let finish = CredentialFinalization::<Suite>::deserialize(finish.bytes())
            .map_err(|_| FaultCode::MALFORMED)?;
        login
            .state
            .finish(finish, parameters(name.as_bytes()))
            .map_err(|_| FaultCode::INCORRECT_PASSWORD)?;
        if let Some(bucket) = self.guesses.get_mut(name) {
            bucket.refund();
        }
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
        self.sweep(now);
    }

    /// The link to a seat is lost: it has forgotten its exchanges.
    pub(super) fn on_link_lost(&mut self, server: ServerId) {
        self.logins.retain(|(from, _), _| *from != server);
    }

    /// When [`Passwords::expire`] has something to forget.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.begun.front().map(|(until, ..)| *until)
    }

    fn sweep(&mut self, now: Instant) {
        if now.since(self.swept) >= GUESS_INTERVAL {
            self.swept = now;
            self.guesses.retain(|_, bucket| !bucket.is_full(now));
        }
    }

    fn charge(&mut self, now: Instant, name: &Name) -> Result<(), FaultCode> {
        self.sweep(now);
        if !self.guesses.contains_key(name) && self.guesses.len() >= GUESSED_ACCOUNTS_MAX {
            return Err(FaultCode::RATE_LIMITED);
        }
        let fresh = || Bucket::new(GUESS_INTERVAL, GUESSES_BURST, now);
        let bucket = self.guesses.entry(*name).or_insert_with(fresh);
        bucket.try_charge(now).then_some(()).ok_or(FaultCode::RATE_LIMITED)
    }
}

fn parameters(account: &[u8]) -> ServerLoginParameters<'_, '_> {
    ServerLoginParameters {
        context: Some(CONTEXT),
        identifiers: Identifiers { client: Some(account), server: Some(SERVER_IDENTITY) },
    }
}

fn challenge(bytes: &[u8]) -> Challenge {
    Challenge::new(Bytes::copy_from_slice(bytes)).expect("OPAQUE messages are below their limit")
}
