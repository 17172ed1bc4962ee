//! One user's way to a session: router, seat, sign-up; or back to it with its token. Then its logs
//! are opened. Pure: it says what to dial and to send.

use std::net::SocketAddr;

use client::crypto::{OpaqueError, SignUp};
use rand::rngs::StdRng;
use thiserror::Error;
use wire::message::{Fault, Hello, Place, Placed, Pong, Redeem, Resume, SignUpChallenge, Welcome};
use wire::{
    DecodeError, FaultCode, FromRouter, Kind, Name, ServerId, ToClient, ToRouter, ToServer, Token,
};

use crate::account::Account;
use crate::opening::{Opening, Wanted};

/// Tries of one user in a row before the run is given up.
const TRIES_MAX: u32 = 40;

/// What a user does.
#[derive(Debug)]
pub enum Action {
    /// Hang up, then connect to the router.
    DialRouter,
    /// Hang up, then connect to a server.
    DialSeat {
        /// Its address.
        address: SocketAddr,
        /// Who it must be.
        server: ServerId,
    },
    /// Hang up.
    HangUp,
    /// Say something to the router.
    Ask(ToRouter),
    /// Say something to the seat.
    Say(ToServer),
}

/// What a user has reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Progress {
    /// It is on its way.
    OnItsWay,
    /// It must try again after a pause: the cluster was not ready for it.
    TryAgain,
    /// It has a session.
    SignedIn,
    /// The logs that it was to open are open.
    Open,
}

/// Why a user cannot go on.
#[derive(Debug, Error)]
pub enum UserError {
    /// A frame that is none.
    #[error("the cluster said something that is no message: {0}")]
    Malformed(#[from] DecodeError),
    /// The cluster refuses this user.
    #[error("the cluster refuses a user: {0}: {1}")]
    Refused(FaultCode, String),
    /// A message at the wrong time.
    #[error("the cluster said {0} out of turn")]
    OutOfTurn(Kind),
    /// The password computation failed.
    #[error("sign-up failed: {0}")]
    Opaque(#[from] OpaqueError),
}

/// One user.
#[derive(Debug)]
pub struct User {
    account: Account,
    stage: Stage,
    tries: u32,
    /// What brings its session back.
    token: Option<Token>,
    /// Where its account is at home, and where it sits.
    place: Option<(ServerId, ServerId)>,
    opening: Opening,
}

#[derive(Debug)]
enum Stage {
    /// Not begun, gone, or waiting to try again.
    Idle,
    /// The router was asked for a seat.
    Placing,
    /// The seat was asked to sign the account up.
    Starting(Box<SignUp>),
    /// Waiting for the welcome.
    Finishing,
    /// It has a session.
    SignedIn,
}

impl User {
    /// A user with a fresh account.
    pub fn new(random: &mut StdRng) -> Self {
        Self {
            account: Account::new(random),
            stage: Stage::Idle,
            tries: 0,
            token: None,
            place: None,
            opening: Opening::default(),
        }
    }

    /// The account.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The account's name.
    #[must_use]
    pub fn name(&self) -> Name {
        self.account.name
    }

    /// The servers of its account and of its session.
    #[must_use]
    pub fn place(&self) -> Option<(ServerId, ServerId)> {
        self.place
    }

    /// Whether its connection leads to the router.
    #[must_use]
    pub fn is_at_router(&self) -> bool {
        matches!(self.stage, Stage::Placing)
    }

    /// Whether it has a session.
    #[must_use]
    pub fn is_signed_in(&self) -> bool {
        matches!(self.stage, Stage::SignedIn)
    }

    /// Whether its session is there, and every log that was to be opened.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_signed_in() && self.opening.is_done()
    }

    /// Begins to sign up, with another account than the last time; or comes back.
    pub fn start(&mut self, random: &mut StdRng, out: &mut Vec<Action>) {
        if self.tries > 0 && self.token.is_none() {
            self.account = Account::new(random);
        }
        self.tries += 1;
        self.stage = Stage::Placing;
        self.opening = Opening::default();
        let name = self.account.name;
        out.push(Action::DialRouter);
        out.push(Action::Ask(Hello::client().into()));
        out.push(Action::Ask(Place { name }.into()));
    }

    /// Hangs up; [`User::start`] brings it back.
    pub fn leave(&mut self, out: &mut Vec<Action>) {
        self.stage = Stage::Idle;
        out.push(Action::HangUp);
    }

    /// Opens these logs too.
    pub fn open(&mut self, wanted: Vec<Wanted>, out: &mut Vec<Action>) {
        self.opening.add(wanted);
        self.opening.go_on(out);
    }

    /// A pause is over: what could not be opened is opened now.
    pub fn open_again(&mut self, out: &mut Vec<Action>) {
        self.opening.go_on(out);
    }

    /// The router said something.
    ///
    /// # Errors
    /// [`UserError`]: this user cannot sign in.
    pub fn on_router(
        &mut self,
        message: FromRouter,
        random: &mut StdRng,
        out: &mut Vec<Action>,
    ) -> Result<Progress, UserError> {
        match message {
            FromRouter::Ready(_) | FromRouter::Pong(_) | FromRouter::Servers(_) => {}
            FromRouter::Ping(ping) => out.push(Action::Ask(Pong { nonce: ping.nonce }.into())),
            FromRouter::Placed(placed) => self.on_placed(&placed, random, out)?,
            FromRouter::Fault(fault) => return self.on_fault(&fault),
        }
        Ok(Progress::OnItsWay)
    }

    /// The seat said something about signing in or opening logs.
    ///
    /// # Errors
    /// [`UserError`]: this user cannot go on.
    pub fn on_seat(
        &mut self,
        message: ToClient,
        random: &mut StdRng,
        out: &mut Vec<Action>,
    ) -> Result<Progress, UserError> {
        match message {
            ToClient::Ready(_) | ToClient::Pong(_) => Ok(Progress::OnItsWay),
            ToClient::Fault(fault) => self.on_fault(&fault),
            ToClient::SignUpChallenge(challenge) => self.on_challenge(&challenge, random, out),
            ToClient::Welcome(welcome) => self.on_welcome(&welcome),
            ToClient::LogOpened(opened) => Ok(self.opening.on_opened(opened.handle, out)),
            ToClient::CaughtUp(caught_up) => Ok(self.opening.on_caught_up(caught_up.handle, out)),
            other => Err(UserError::OutOfTurn(other.kind())),
        }
    }

    /// The connection ended. On the way to a session that is a reason to try again.
    #[must_use]
    pub fn on_lost(&mut self) -> Option<Progress> {
        match self.stage {
            Stage::Placing | Stage::Starting(_) | Stage::Finishing => {
                self.stage = Stage::Idle;
                (self.tries < TRIES_MAX).then_some(Progress::TryAgain)
            }
            Stage::Idle => Some(Progress::OnItsWay),
            Stage::SignedIn => None,
        }
    }

    fn on_placed(
        &mut self,
        placed: &Placed,
        random: &mut StdRng,
        out: &mut Vec<Action>,
    ) -> Result<(), UserError> {
        let (address, server) = (placed.address, placed.seat);
        let reservation = placed.reservation;
        self.place = Some((placed.home, placed.seat));
        out.push(Action::DialSeat { address, server });
        out.push(Action::Say(Hello::client().into()));
        out.push(Action::Say(Redeem { reservation }.into()));
        let Account { name, origin, .. } = self.account;
        if let Some(token) = self.token {
            self.stage = Stage::Finishing;
            out.push(Action::Say(Resume { name, origin, token }.into()));
            return Ok(());
        }
        let (sign_up, start) = self.account.begin(random)?;
        self.stage = Stage::Starting(Box::new(sign_up));
        out.push(Action::Say(start.into()));
        Ok(())
    }

    fn on_challenge(
        &mut self,
        challenge: &SignUpChallenge,
        random: &mut StdRng,
        out: &mut Vec<Action>,
    ) -> Result<Progress, UserError> {
        match std::mem::replace(&mut self.stage, Stage::Finishing) {
            Stage::Starting(sign_up) => {
                let finish = self.account.finish(*sign_up, &challenge.response, random)?;
                out.push(Action::Say(finish.into()));
                Ok(Progress::OnItsWay)
            }
            _ => Err(UserError::OutOfTurn(Kind::SIGN_UP_CHALLENGE)),
        }
    }

    fn on_welcome(&mut self, welcome: &Welcome) -> Result<Progress, UserError> {
        if !matches!(self.stage, Stage::Finishing) {
            return Err(UserError::OutOfTurn(Kind::WELCOME));
        }
        self.stage = Stage::SignedIn;
        self.token = Some(welcome.token);
        self.tries = 1;
        Ok(Progress::SignedIn)
    }

    fn on_fault(&mut self, fault: &Fault) -> Result<Progress, UserError> {
        let passing = matches!(
            fault.code,
            FaultCode::UNAVAILABLE
                | FaultCode::SEAT_FULL
                | FaultCode::TOO_MANY_CONNECTIONS
                | FaultCode::DRAINING
        );
        if passing && self.tries < TRIES_MAX {
            if self.is_signed_in() && fault.about == Kind::OPEN_LOG.0 {
                self.tries += 1;
                self.opening.on_fault(fault.reference);
                return Ok(Progress::TryAgain);
            }
            if !self.is_signed_in() {
                self.stage = Stage::Idle;
                return Ok(Progress::TryAgain);
            }
        }
        let text = fault.text.as_str().to_owned();
        Err(UserError::Refused(fault.code, text))
    }
}

#[cfg(test)]
mod tests;
