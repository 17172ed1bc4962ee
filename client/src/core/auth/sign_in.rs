//! Sign-in: challenge → stretching → proof → welcome → the private keys are opened → stored.

use std::sync::Arc;

use wire::Name;
use wire::message::{SignInChallenge, SignInFinish, SignInStart, SignOut, Welcome};

use super::{Outcome, Steps, session};
use crate::core::event::{Notice, OwnKeys, Password, Step, StoreOp};
use crate::core::job::{Job, JobResult};
use crate::crypto::opaque::{ExportKey, OpaqueError, SignIn};
use crate::failure::{Code, Failure};

/// One sign-in until its answer.
#[derive(Debug)]
pub(super) struct SignInGoal {
    name: Name,
    password: Password,
    takeover: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    /// No exchange is under way.
    Waiting,
    /// The challenge is awaited.
    Started(Box<SignIn>),
    /// A worker stretches the password.
    Stretching,
    /// The proof was sent.
    Proven(Arc<ExportKey>),
    /// Welcome; a worker opens the private keys.
    Opening(Box<Welcome>),
    /// Everything is on its way to the store.
    Saving,
}

impl SignInGoal {
    pub(super) fn begin(name: Name, password: Password, takeover: bool) -> Self {
        Self { name, password, takeover, state: State::Waiting }
    }

    pub(super) fn name(&self) -> Name {
        self.name
    }

    pub(super) fn on_seat_opened(&mut self, steps: &mut Steps<'_, '_>) -> Outcome {
        match SignIn::start(self.password.bytes(), steps.ctx.rng) {
            Ok((state, request)) => {
                let name = self.name;
                steps.send(SignInStart { name, request });
                self.state = State::Started(Box::new(state));
                Outcome::Nothing
            }
            Err(error) => steps.fail(Failure::usage(error.to_string())),
        }
    }

    /// The exchange begins anew with the next connection.
    pub(super) fn on_offline(&mut self) {
        self.state = State::Waiting;
    }

    pub(super) fn on_challenge(&mut self, challenge: SignInChallenge, steps: &mut Steps<'_, '_>) {
        let state = match std::mem::replace(&mut self.state, State::Stretching) {
            State::Started(state) => state,
            other => {
                self.state = other;
                return;
            }
        };
        let seed = steps.ctx.seed();
        steps.ctx.notify(Notice::Progress(Step::Stretching));
        steps.work(Job::FinishSignIn {
            name: self.name,
            state,
            response: challenge.response,
            seed,
        });
    }

    pub(super) fn on_worked(&mut self, result: JobResult, steps: &mut Steps<'_, '_>) -> Outcome {
        match (result, &self.state) {
            (JobResult::SignIn(Ok((finish, export_key))), State::Stretching) => {
                steps.send(SignInFinish {
                    name: self.name,
                    origin: steps.ctx.me.origin,
                    takeover: self.takeover,
                    finish,
                });
                self.state = State::Proven(export_key);
                Outcome::Nothing
            }
            (JobResult::SignIn(Err(error)), State::Stretching) => steps.fail(explain(error)),
            (JobResult::OpenedKeys(Ok(identity)), State::Opening(welcome)) => {
                let session = session(welcome);
                let bundle = welcome.bundle.bytes().clone();
                if steps.ctx.me.bundle.as_ref().is_some_and(|kept| *kept != bundle) {
                    // The session that has begun is nobody's.
                    steps.send(SignOut {});
                    return steps.fail(other_keys(&self.name));
                }
                let keys = OwnKeys { identity: Arc::clone(&identity), bundle: bundle.clone() };
                steps.adopt(self.name, keys);
                steps.ctx.me.bundle = Some(bundle.clone());
                steps.ctx.me.pending_sign_up = None;
                steps.ctx.me.session = Some(session);
                steps.ctx.store(StoreOp::SaveSignIn {
                    name: self.name,
                    origin: steps.ctx.me.origin,
                    identity,
                    bundle,
                    session,
                });
                self.state = State::Saving;
                Outcome::Nothing
            }
            (JobResult::OpenedKeys(Err(error)), State::Opening(_)) => steps.fail(Failure::new(
                Code::UntrustedKey,
                format!("the server's copy of the private keys cannot be used: {error}"),
            )),
            _ => Outcome::Nothing,
        }
    }

    pub(super) fn on_welcome(&mut self, welcome: Welcome, steps: &mut Steps<'_, '_>) {
        let State::Proven(export_key) = &self.state else {
            return;
        };
        steps.work(Job::OpenKeys {
            name: self.name,
            sealed: welcome.sealed_keys.clone(),
            export_key: Arc::clone(export_key),
        });
        self.state = State::Opening(Box::new(welcome));
    }
}

/// Keys are never replaced: what was sealed for them could not be opened any more.
fn other_keys(name: &Name) -> Failure {
    Failure::new(
        Code::UntrustedKey,
        format!(
            "{name} has other keys now than this data directory, which stays as it is: the name \
             was signed up anew, by you or by somebody else; to use that account, give another \
             directory with --data"
        ),
    )
}

fn explain(error: OpaqueError) -> Failure {
    match error {
        OpaqueError::IncorrectPassword => {
            Failure::new(Code::IncorrectPassword, "the password is not right; try again")
        }
        error => Failure::unexpected(error.to_string()),
    }
}
