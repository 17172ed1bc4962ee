//! Sign-up: keys → challenge → stretching → the frame is stored → the frame leaves → welcome. The
//! stored frame is sent byte for byte until it is answered, also by a later process. An account
//! that its home has lost is signed up with the keys that it had.

use bytes::{Bytes, BytesMut};
use wire::message::{Bundle, Message, SignUpChallenge, SignUpFinish, SignUpStart, Welcome};
use wire::{Frame, Kind, Name};

use super::{Outcome, Steps, session};
use crate::core::event::{Notice, OwnKeys, Password, Step, StoreOp};
use crate::core::job::{Job, JobResult};
use crate::crypto::opaque::SignUp;
use crate::failure::Failure;
use crate::store::PendingSignUp;

/// One sign-up until its answer.
#[derive(Debug)]
pub(super) struct SignUpGoal {
    name: Name,
    password: Password,
    state: State,
    earlier_attempt: bool,
}

#[derive(Debug)]
enum State {
    MakingKeys,
    /// The store reads the keys of an account that had existed.
    LoadingKeys,
    /// There are keys; no exchange is under way.
    Keyed(OwnKeys),
    /// The challenge is awaited.
    Started(OwnKeys, Box<SignUp>),
    /// A worker stretches the password.
    Stretching(OwnKeys),
    /// The frame is on its way to the store.
    Saving(Bytes),
    /// The frame is stored, and sent whenever there is a connection.
    Framed(Bytes),
    /// Welcome; the session is on its way to the store.
    Welcomed,
}

impl SignUpGoal {
    pub(super) fn begin(name: Name, password: Password, steps: &mut Steps<'_, '_>) -> Self {
        let pending = steps.ctx.me.pending_sign_up.clone();
        let earlier_attempt = pending.is_some();
        let state = match pending {
            Some(pending) => State::Framed(pending.frame),
            None if steps.ctx.me.name.is_some() => {
                steps.ctx.keys().cloned().map_or(State::LoadingKeys, State::Keyed)
            }
            None => {
                let created = steps.ctx.wall;
                let seed = steps.ctx.seed();
                steps.ctx.notify(Notice::Progress(Step::MakingKeys));
                steps.work(Job::GenerateKeys { name, created, seed });
                State::MakingKeys
            }
        };
        Self { name, password, state, earlier_attempt }
    }

    pub(super) fn wants_link(&self) -> Option<Name> {
        (!matches!(self.state, State::MakingKeys | State::LoadingKeys)).then_some(self.name)
    }

    pub(super) fn success(&self) -> Notice {
        let earlier_attempt = self.earlier_attempt;
        Notice::SignedUp { earlier_attempt }
    }

    /// The store has read the account's keys.
    pub(super) fn on_keys_loaded(&mut self, steps: &mut Steps<'_, '_>) -> Outcome {
        match (&self.state, &steps.ctx.me.keys) {
            (State::LoadingKeys, Some(keys)) => self.state = State::Keyed(keys.clone()),
            (State::LoadingKeys, None) => {
                return steps.fail(Failure::unexpected(
                    "this data directory has lost its keys; give another one with --data",
                ));
            }
            _ => {}
        }
        Outcome::Nothing
    }

    pub(super) fn on_seat_opened(&mut self, steps: &mut Steps<'_, '_>) -> Outcome {
        match &self.state {
            State::Framed(frame) => match decode(frame) {
                Some(finish) => steps.send(finish),
                None => {
                    return steps.fail(Failure::unexpected("the stored sign-up is not readable"));
                }
            },
            State::Keyed(keys) => {
                let keys = keys.clone();
                match SignUp::start(self.password.bytes(), steps.ctx.rng) {
                    Ok((state, request)) => {
                        let name = self.name;
                        steps.send(SignUpStart { name, request });
                        self.state = State::Started(keys, Box::new(state));
                    }
                    Err(error) => return steps.fail(Failure::usage(error.to_string())),
                }
            }
            _ => {}
        }
        Outcome::Nothing
    }

    /// The exchange cannot go on; what is kept is used again.
    pub(super) fn on_offline(&mut self) {
        if let State::Started(keys, _) | State::Stretching(keys) = &self.state {
            self.state = State::Keyed(keys.clone());
        }
    }

    pub(super) fn on_challenge(&mut self, challenge: SignUpChallenge, steps: &mut Steps<'_, '_>) {
        let State::Started(keys, _) = &self.state else {
            return;
        };
        let next = State::Stretching(keys.clone());
        let State::Started(keys, state) = std::mem::replace(&mut self.state, next) else {
            unreachable!("matched above");
        };
        let seed = steps.ctx.seed();
        steps.ctx.notify(Notice::Progress(Step::Stretching));
        steps.work(Job::FinishSignUp {
            name: self.name,
            state,
            response: challenge.response,
            identity: keys.identity,
            seed,
        });
    }

    pub(super) fn on_worked(&mut self, result: JobResult, steps: &mut Steps<'_, '_>) -> Outcome {
        match (result, &self.state) {
            (JobResult::Keys(Ok((identity, bundle))), State::MakingKeys) => {
                self.state = State::Keyed(OwnKeys { identity, bundle });
                Outcome::Nothing
            }
            (JobResult::Keys(Err(error)), State::MakingKeys) => {
                steps.fail(Failure::unexpected(error.to_string()))
            }
            (JobResult::SignUp(Ok((record, sealed_keys))), State::Stretching(keys)) => {
                let keys = keys.clone();
                let Ok(bundle) = Bundle::new(keys.bundle.clone()) else {
                    return steps.fail(Failure::unexpected("the new keys do not fit a bundle"));
                };
                let finish = SignUpFinish {
                    name: self.name,
                    origin: steps.ctx.me.origin,
                    record,
                    bundle,
                    sealed_keys,
                };
                self.save(&finish, keys, steps);
                Outcome::Nothing
            }
            (JobResult::SignUp(Err(error)), State::Stretching(_)) => {
                steps.fail(Failure::unexpected(error.to_string()))
            }
            _ => Outcome::Nothing,
        }
    }

    pub(super) fn on_saved(&mut self, steps: &mut Steps<'_, '_>) {
        if let State::Saving(frame) = &self.state {
            let frame = frame.clone();
            if let Some(finish) = decode(&frame) {
                steps.send(finish);
            }
            self.state = State::Framed(frame);
        }
    }

    pub(super) fn on_welcome(&mut self, welcome: &Welcome, steps: &mut Steps<'_, '_>) {
        if matches!(self.state, State::Framed(_)) {
            self.state = State::Welcomed;
            let session = session(welcome);
            steps.ctx.me.pending_sign_up = None;
            if let Some(keys) = &steps.ctx.me.keys {
                steps.ctx.me.bundle = Some(keys.bundle.clone());
            }
            steps.ctx.me.session = Some(session);
            steps.ctx.store(StoreOp::SaveSession(session));
        }
    }

    fn save(&mut self, finish: &SignUpFinish, keys: OwnKeys, steps: &mut Steps<'_, '_>) {
        let mut frame = BytesMut::new();
        finish.encode(&mut frame);
        let frame = frame.freeze();
        let had_existed = steps.ctx.me.name.is_some();
        steps.adopt(self.name, keys.clone());
        let pending = PendingSignUp { frame: frame.clone(), had_existed };
        steps.ctx.me.pending_sign_up = Some(pending);
        steps.ctx.store(StoreOp::SaveSignUp {
            name: self.name,
            origin: finish.origin,
            identity: keys.identity,
            bundle: keys.bundle,
            frame: frame.clone(),
        });
        self.state = State::Saving(frame);
    }
}

/// The stored fields as a message; encoding it again gives the same bytes.
fn decode(frame: &Bytes) -> Option<SignUpFinish> {
    let kind = Kind::SIGN_UP_FINISH;
    let body = frame.clone();
    Frame { kind, body }.decode().ok()
}
