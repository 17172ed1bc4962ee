//! One user's way from a name to two open logs: router, seat, sign-up, own mailbox, partner's.
//! Pure: it says what to dial and to send.

use std::net::SocketAddr;

use client::crypto::{OpaqueError, SignUp};
use rand::rngs::StdRng;
use thiserror::Error;
use wire::message::auth::Challenge;
use wire::message::{Attach, Fault, Hello, OpenLog, Place, Placed, Pong, Redeem, SignUpChallenge};
use wire::{
    DecodeError, FaultCode, Frame, FromRouter, LogHandle, LogId, Name, Seq, ServerId, ToClient,
    ToRouter, ToServer,
};

use crate::account::Account;

/// The handle of a user's own mailbox.
pub const MAILBOX: LogHandle = LogHandle(0);
/// The handle of its partner's mailbox.
pub const PARTNER: LogHandle = LogHandle(1);
/// Tries of one user to sign up before the run is given up.
const TRIES_MAX: u32 = 20;

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
    /// Say something to the router.
    Ask(ToRouter),
    /// Say something to the seat.
    Say(ToServer),
    /// The slow step of sign-up.
    Stretch {
        /// The account's name.
        name: Name,
        /// From the first step.
        sign_up: Box<SignUp>,
        /// The home's answer.
        response: Challenge,
    },
}

/// What a user has reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Progress {
    /// It is on its way.
    OnItsWay,
    /// It must try again after a pause: the cluster was not ready for it.
    TryAgain,
    /// It is signed in and reads its mailbox.
    SignedUp,
    /// Its partner's mailbox is open too.
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
    OutOfTurn(wire::Kind),
    /// The password computation failed.
    #[error("sign-up failed: {0}")]
    Opaque(#[from] OpaqueError),
}

/// One user until its logs are open.
#[derive(Debug)]
pub struct User {
    account: Account,
    stage: Stage,
    tries: u32,
}

#[derive(Debug)]
enum Stage {
    /// Not begun, or waiting to try again.
    Idle,
    /// The router was asked for a seat.
    Placing,
    /// The seat was asked to sign the account up.
    Starting(Box<SignUp>),
    /// The slow step is under way.
    Stretching,
    /// Waiting for the welcome, then for the mailbox.
    Finishing,
    /// Reads its mailbox.
    SignedUp,
    /// The partner's mailbox was asked for.
    Opening,
    /// Everything is open.
    Open,
}

impl User {
    /// A user with a fresh account.
    pub fn new(random: &mut StdRng) -> Self {
        Self { account: Account::new(random), stage: Stage::Idle, tries: 0 }
    }

    /// The account's name.
    #[must_use]
    pub fn name(&self) -> Name {
        self.account.name
    }

    /// Whether it is signed in and its partner's mailbox is not asked for yet.
    #[must_use]
    pub fn is_signed_up(&self) -> bool {
        matches!(self.stage, Stage::SignedUp)
    }

    /// Whether both logs are open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open)
    }

    /// Begins, or begins again with another account.
    pub fn start(&mut self, random: &mut StdRng, out: &mut Vec<Action>) {
        if self.tries > 0 {
            self.account = Account::new(random);
        }
        self.tries += 1;
        self.stage = Stage::Placing;
        let name = self.account.name;
        out.push(Action::DialRouter);
        out.push(Action::Ask(Hello::client().into()));
        out.push(Action::Ask(Place { name }.into()));
    }

    /// A frame came on the user's connection.
    ///
    /// # Errors
    /// [`UserError`]: this user cannot be signed up.
    pub fn on_frame(
        &mut self,
        frame: &Frame,
        random: &mut StdRng,
        out: &mut Vec<Action>,
    ) -> Result<Progress, UserError> {
        match self.stage {
            Stage::Placing => self.on_router(FromRouter::decode(frame)?, random, out),
            _ => self.on_seat(ToClient::decode(frame)?, out),
        }
    }

    /// The slow step is done, for the account `name`.
    ///
    /// # Errors
    /// [`UserError::Opaque`] when it failed.
    pub fn on_stretched(
        &mut self,
        name: Name,
        record: Result<Challenge, OpaqueError>,
        random: &mut StdRng,
        out: &mut Vec<Action>,
    ) -> Result<(), UserError> {
        let record = record?;
        if name == self.account.name && matches!(self.stage, Stage::Stretching) {
            out.push(Action::Say(self.account.finish(record, random).into()));
            self.stage = Stage::Finishing;
        }
        Ok(())
    }

    /// Both users of the pair are signed up: opens the partner's mailbox.
    pub fn open_partner(&mut self, partner: Name, out: &mut Vec<Action>) {
        self.stage = Stage::Opening;
        self.tries += 1;
        out.push(open(PARTNER, partner));
    }

    /// The connection ended. On the way to a session that is a reason to try again.
    #[must_use]
    pub fn on_lost(&mut self) -> Option<Progress> {
        match self.stage {
            Stage::Placing | Stage::Starting(_) | Stage::Stretching | Stage::Finishing => {
                Some(self.try_again()).filter(|_| self.tries < TRIES_MAX)
            }
            Stage::Idle => Some(Progress::OnItsWay),
            Stage::SignedUp | Stage::Opening | Stage::Open => None,
        }
    }

    fn on_router(
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

    fn on_placed(
        &mut self,
        placed: &Placed,
        random: &mut StdRng,
        out: &mut Vec<Action>,
    ) -> Result<(), UserError> {
        let (address, server) = (placed.address, placed.seat);
        let reservation = placed.reservation;
        let (sign_up, start) = self.account.begin(random)?;
        self.stage = Stage::Starting(Box::new(sign_up));
        out.push(Action::DialSeat { address, server });
        out.push(Action::Say(Hello::client().into()));
        out.push(Action::Say(Redeem { reservation }.into()));
        out.push(Action::Say(start.into()));
        Ok(())
    }

    fn on_seat(&mut self, message: ToClient, out: &mut Vec<Action>) -> Result<Progress, UserError> {
        let kind = message.kind();
        match (message, &self.stage) {
            (ToClient::Ready(_) | ToClient::Pong(_) | ToClient::Up(_), _) => {}
            (ToClient::Ping(ping), _) => out.push(Action::Say(Pong { nonce: ping.nonce }.into())),
            (ToClient::Fault(fault), _) => return self.on_fault(&fault),
            (ToClient::SignUpChallenge(challenge), Stage::Starting(_)) => {
                self.stretch(challenge, out);
            }
            (ToClient::Welcome(_), Stage::Finishing) => self.read_mailbox(out),
            (ToClient::LogOpened(opened), Stage::Finishing) if opened.handle == MAILBOX => {}
            (ToClient::CaughtUp(_), Stage::Finishing) => {
                self.stage = Stage::SignedUp;
                return Ok(Progress::SignedUp);
            }
            (ToClient::LogOpened(opened), Stage::Opening) if opened.handle == PARTNER => {
                self.stage = Stage::Open;
                return Ok(Progress::Open);
            }
            _ => return Err(UserError::OutOfTurn(kind)),
        }
        Ok(Progress::OnItsWay)
    }

    fn stretch(&mut self, challenge: SignUpChallenge, out: &mut Vec<Action>) {
        if let Stage::Starting(sign_up) = std::mem::replace(&mut self.stage, Stage::Stretching) {
            out.push(Action::Stretch {
                name: self.account.name,
                sign_up,
                response: challenge.response,
            });
        }
    }

    fn read_mailbox(&self, out: &mut Vec<Action>) {
        let (handle, cursor) = (MAILBOX, Seq::default());
        out.push(open(handle, self.account.name));
        out.push(Action::Say(Attach { handle, cursor }.into()));
    }

    fn on_fault(&mut self, fault: &Fault) -> Result<Progress, UserError> {
        let passing = matches!(
            fault.code,
            FaultCode::UNAVAILABLE | FaultCode::SEAT_FULL | FaultCode::TOO_MANY_CONNECTIONS
        );
        if passing && !self.is_open() && self.tries < TRIES_MAX {
            return Ok(self.try_again());
        }
        let text = fault.text.as_str().to_owned();
        Err(UserError::Refused(fault.code, text))
    }

    fn try_again(&mut self) -> Progress {
        self.stage = match self.stage {
            Stage::SignedUp | Stage::Opening => Stage::SignedUp,
            _ => Stage::Idle,
        };
        Progress::TryAgain
    }
}

fn open(handle: LogHandle, owner: Name) -> Action {
    let log = LogId::mailbox(owner);
    Action::Say(OpenLog { handle, log }.into())
}

#[cfg(test)]
mod tests;
