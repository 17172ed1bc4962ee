//! One user: signs up, signs in with its password, resumes by its token, reads its mailbox. Pure:
//! it says what to dial and to send.

use argon2::Argon2;
use client::crypto::{OpaqueError, SignIn, SignUp};
use rand::Rng;
use rand::rngs::StdRng;
use thiserror::Error;
use wire::message::{
    Attach, Fault, Hello, OpenLog, Place, Placed, Pong, Redeem, Resume, SignInFinish, SignInStart,
    SignUpFinish, SignUpStart, Welcome,
};
use wire::{
    DecodeError, FaultCode, Frame, FromRouter, LogHandle, LogId, Seq, ServerId, ToClient, ToRouter,
    ToServer, Token,
};

use super::core::Phase;
use crate::account::Account;

/// The handle of its own mailbox.
const MAILBOX: LogHandle = LogHandle(0);

/// What a user does.
#[derive(Debug)]
pub enum Action {
    /// Connect to the router, hanging up first.
    DialRouter,
    /// Connect to a server, hanging up first.
    DialSeat(ServerId),
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
    /// It has answered a ping.
    Ponged,
    /// It has a session.
    Welcomed,
    /// It reads its mailbox.
    Attached,
}

/// Why a user cannot go on.
#[derive(Debug, Error)]
pub enum PersonError {
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
    #[error("the password computation failed: {0}")]
    Opaque(#[from] OpaqueError),
}

/// See the module.
#[derive(Debug)]
pub struct Person {
    account: Account,
    password: [u8; 16],
    seat: ServerId,
    token: Token,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Not connected.
    Away,
    /// The router was asked for a seat.
    Placing,
    /// The first step of signing up was said.
    SigningUp(Box<SignUp>),
    /// The first step of signing in was said.
    SigningIn(Box<SignIn>),
    /// Its session is awaited.
    Finishing,
    /// It has a session.
    Here,
}

impl Person {
    /// Somebody whom no server knows yet.
    pub fn new(random: &mut StdRng) -> Self {
        let mut password = [0; 16];
        random.fill_bytes(&mut password);
        Self {
            account: Account::new(random),
            password,
            seat: ServerId(0),
            token: Token([0; 32]),
            stage: Stage::Away,
        }
    }

    /// Begins what this phase is about.
    ///
    /// # Errors
    /// [`PersonError::Opaque`].
    pub fn begin(
        &mut self,
        phase: Phase,
        random: &mut StdRng,
        out: &mut Vec<Action>,
    ) -> Result<(), PersonError> {
        match phase {
            Phase::SignUp => self.place(out),
            Phase::SignIn => self.sign_in(random, out)?,
            Phase::Resume | Phase::Attach => self.resume(out),
        }
        Ok(())
    }

    /// It has hung up, or was cut off.
    pub fn go_away(&mut self) {
        self.stage = Stage::Away;
    }

    /// A frame came on its connection.
    ///
    /// # Errors
    /// [`PersonError`]: it cannot go on.
    pub fn on_frame(
        &mut self,
        phase: Phase,
        frame: &Frame,
        (stretch, random): (&Argon2<'static>, &mut StdRng),
        out: &mut Vec<Action>,
    ) -> Result<Progress, PersonError> {
        if matches!(self.stage, Stage::Placing) {
            return self.on_router(FromRouter::decode(frame)?, random, out);
        }
        let message = ToClient::decode(frame)?;
        let kind = message.kind();
        match message {
            ToClient::Ready(_) | ToClient::Pong(_) | ToClient::Up(_) | ToClient::LogOpened(_) => {}
            ToClient::Ping(ping) => {
                out.push(Action::Say(Pong { nonce: ping.nonce }.into()));
                return Ok(Progress::Ponged);
            }
            ToClient::Fault(fault) => return self.on_fault(&fault),
            ToClient::SignUpChallenge(challenge) => {
                self.finish_sign_up(challenge.response.bytes(), stretch, random, out)?;
            }
            ToClient::SignInChallenge(challenge) => {
                self.finish_sign_in(challenge.response.bytes(), stretch, random, out)?;
            }
            ToClient::Welcome(welcome) => return Ok(self.on_welcome(phase, &welcome, out)),
            ToClient::CaughtUp(_) => return Ok(Progress::Attached),
            _ => return Err(PersonError::OutOfTurn(kind)),
        }
        Ok(Progress::OnItsWay)
    }

    fn place(&mut self, out: &mut Vec<Action>) {
        self.stage = Stage::Placing;
        out.push(Action::DialRouter);
        out.push(Action::Ask(Hello::client().into()));
        out.push(Action::Ask(Place { name: self.account.name }.into()));
    }

    fn on_router(
        &mut self,
        message: FromRouter,
        random: &mut StdRng,
        out: &mut Vec<Action>,
    ) -> Result<Progress, PersonError> {
        match message {
            FromRouter::Ready(_) | FromRouter::Pong(_) | FromRouter::Servers(_) => {}
            FromRouter::Ping(ping) => out.push(Action::Ask(Pong { nonce: ping.nonce }.into())),
            FromRouter::Placed(placed) => self.sign_up(&placed, random, out)?,
            FromRouter::Fault(fault) => return self.on_fault(&fault),
        }
        Ok(Progress::OnItsWay)
    }

    fn sign_up(
        &mut self,
        placed: &Placed,
        random: &mut StdRng,
        out: &mut Vec<Action>,
    ) -> Result<(), PersonError> {
        let (sign_up, request) = SignUp::start(&self.password, random)?;
        let (name, reservation) = (self.account.name, placed.reservation);
        self.seat = placed.seat;
        self.greet(Stage::SigningUp(Box::new(sign_up)), out);
        out.push(Action::Say(Redeem { reservation }.into()));
        out.push(Action::Say(SignUpStart { name, request }.into()));
        Ok(())
    }

    fn finish_sign_up(
        &mut self,
        response: &[u8],
        stretch: &Argon2<'static>,
        random: &mut StdRng,
        out: &mut Vec<Action>,
    ) -> Result<(), PersonError> {
        let Stage::SigningUp(sign_up) = std::mem::replace(&mut self.stage, Stage::Finishing) else {
            return Err(PersonError::OutOfTurn(wire::Kind::SIGN_UP_CHALLENGE));
        };
        let identity = self.account.name.as_bytes();
        let (record, _) = sign_up.finish(identity, response, stretch, random)?;
        let finish: SignUpFinish = self.account.finish_with(record, random);
        out.push(Action::Say(finish.into()));
        Ok(())
    }

    fn sign_in(&mut self, random: &mut StdRng, out: &mut Vec<Action>) -> Result<(), PersonError> {
        let (sign_in, request) = SignIn::start(&self.password, random)?;
        let name = self.account.name;
        self.greet(Stage::SigningIn(Box::new(sign_in)), out);
        out.push(Action::Say(SignInStart { name, request }.into()));
        Ok(())
    }

    fn finish_sign_in(
        &mut self,
        response: &[u8],
        stretch: &Argon2<'static>,
        random: &mut StdRng,
        out: &mut Vec<Action>,
    ) -> Result<(), PersonError> {
        let Stage::SigningIn(sign_in) = std::mem::replace(&mut self.stage, Stage::Finishing) else {
            return Err(PersonError::OutOfTurn(wire::Kind::SIGN_IN_CHALLENGE));
        };
        let Account { name, origin, .. } = self.account;
        let (finish, _) = sign_in.finish(name.as_bytes(), response, stretch, random)?;
        let finish = SignInFinish { name, origin, takeover: false, finish };
        out.push(Action::Say(finish.into()));
        Ok(())
    }

    fn resume(&mut self, out: &mut Vec<Action>) {
        let (Account { name, origin, .. }, token) = (&self.account, self.token);
        let (name, origin) = (*name, *origin);
        self.greet(Stage::Finishing, out);
        out.push(Action::Say(Resume { name, origin, token }.into()));
    }

    fn greet(&mut self, stage: Stage, out: &mut Vec<Action>) {
        self.stage = stage;
        out.push(Action::DialSeat(self.seat));
        out.push(Action::Say(Hello::client().into()));
    }

    /// As a real client does, it opens and attaches to its mailbox; only where it stays.
    fn on_welcome(&mut self, phase: Phase, welcome: &Welcome, out: &mut Vec<Action>) -> Progress {
        self.stage = Stage::Here;
        self.token = welcome.token;
        if phase == Phase::Attach {
            let (handle, cursor) = (MAILBOX, Seq::default());
            let log = LogId::mailbox(self.account.name);
            out.push(Action::Say(OpenLog { handle, log }.into()));
            out.push(Action::Say(Attach { handle, cursor }.into()));
        }
        Progress::Welcomed
    }

    fn on_fault(&mut self, fault: &Fault) -> Result<Progress, PersonError> {
        let passing = [FaultCode::UNAVAILABLE, FaultCode::SEAT_FULL];
        if passing.contains(&fault.code) && !matches!(self.stage, Stage::Here) {
            return Ok(Progress::TryAgain);
        }
        Err(PersonError::Refused(fault.code, fault.text.as_str().to_owned()))
    }
}
