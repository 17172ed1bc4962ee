//! How a session begins and ends: sign up, sign in, resume, sign out. One goal at a time; its state
//! survives the loss of a connection.

use wire::message::{Fault, Resume, SessionEnded, SignInChallenge, SignUpChallenge, Welcome};
use wire::{FaultCode, Name, ToServer};

use super::context::Context;
use super::event::{Effect, LinkId, Notice, Outgoing, OwnKeys, Password, StoreOp};
use super::job::{Job, JobKey, JobResult};
use crate::failure::{Code, Failure};
use crate::store::Session;
use sign_in::SignInGoal;
use sign_up::SignUpGoal;

mod sign_in;
mod sign_up;

/// What is being attempted.
#[derive(Debug)]
pub(crate) struct Auth {
    goal: Goal,
    /// Tells late results of an earlier attempt apart.
    attempt: u32,
}

#[derive(Debug)]
enum Goal {
    /// Nothing: no session is wanted or possible.
    Nothing,
    SignUp(SignUpGoal),
    SignIn(SignInGoal),
    /// Keep the stored session on.
    Session(Resuming),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Resuming {
    /// No connection, or no answer yet.
    Asked,
    /// The new token is on its way to the store.
    Saving,
    /// Signed in.
    On,
}

/// What an event means for the rest of the core.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Nothing beyond the sign-in itself.
    Nothing,
    /// The session is on.
    Online,
    /// Close the connection, and try again after a pause.
    Retry(Failure),
    /// Close the connection: the goal was not reached and is given up.
    Ended,
    /// Close the connection: the session is over.
    Over(Failure),
}

/// One step's output: messages to the seat and jobs go through here.
struct Steps<'a, 'b> {
    link: Option<LinkId>,
    attempt: u32,
    ctx: &'a mut Context<'b>,
}

impl Auth {
    pub(crate) fn new() -> Self {
        Self { goal: Goal::Nothing, attempt: 0 }
    }

    /// The account to find a seat for, when a connection is wanted.
    pub(crate) fn wants_link(&self, ctx: &Context<'_>) -> Option<Name> {
        match &self.goal {
            Goal::Nothing => None,
            Goal::SignUp(goal) => goal.wants_link(),
            Goal::SignIn(goal) => Some(goal.name()),
            Goal::Session(_) => ctx.me.name,
        }
    }

    /// A session is on, or is being resumed.
    pub(crate) fn has_session(&self) -> bool {
        matches!(self.goal, Goal::Session(_))
    }

    /// A sign-up or sign-in is under way.
    pub(crate) fn is_signing_in(&self) -> bool {
        matches!(self.goal, Goal::SignUp(_) | Goal::SignIn(_))
    }

    pub(crate) fn sign_up(&mut self, name: Name, password: Password, ctx: &mut Context<'_>) {
        let refusal = match ctx.me.name {
            Some(mine) if mine != name => Some(belongs_to(&mine)),
            Some(_) if ctx.me.session.is_some() => Some(Failure::usage(format!(
                "{name} is signed in here already; an account that its home does not know any more \
                 is signed up after `fastchat signout`"
            ))),
            _ => None,
        };
        match refusal {
            Some(failure) => ctx.notify(Notice::SignInFailed(failure)),
            None => {
                self.attempt += 1;
                let mut steps = self.steps(None, ctx);
                self.goal = Goal::SignUp(SignUpGoal::begin(name, password, &mut steps));
            }
        }
    }

    pub(crate) fn sign_in(
        &mut self,
        name: Name,
        password: Password,
        takeover: bool,
        ctx: &mut Context<'_>,
    ) {
        match ctx.me.name {
            Some(mine) if mine != name => {
                ctx.notify(Notice::SignInFailed(belongs_to(&mine)));
            }
            _ => {
                self.attempt += 1;
                self.goal = Goal::SignIn(SignInGoal::begin(name, password, takeover));
            }
        }
    }

    /// Uses the stored session, if there is one.
    pub(crate) fn resume(&mut self, ctx: &Context<'_>) {
        if matches!(self.goal, Goal::Nothing) && ctx.me.session.is_some() {
            self.goal = Goal::Session(Resuming::Asked);
        }
    }

    /// Gives up a sign-up or sign-in.
    pub(crate) fn stop(&mut self) {
        self.attempt += 1;
        self.goal = Goal::Nothing;
    }

    /// The seat's connection is open: say who we are.
    pub(crate) fn on_seat_opened(&mut self, link: LinkId, ctx: &mut Context<'_>) -> Outcome {
        self.attempt += 1;
        let mut steps = Steps { link: Some(link), attempt: self.attempt, ctx };
        match &mut self.goal {
            Goal::Nothing => Outcome::Ended,
            Goal::SignUp(goal) => goal.on_seat_opened(&mut steps),
            Goal::SignIn(goal) => goal.on_seat_opened(&mut steps),
            Goal::Session(resuming) => {
                *resuming = Resuming::Asked;
                steps.resume()
            }
        }
    }

    pub(crate) fn on_offline(&mut self) {
        match &mut self.goal {
            Goal::Nothing => {}
            Goal::SignUp(goal) => goal.on_offline(),
            Goal::SignIn(goal) => goal.on_offline(),
            Goal::Session(resuming) => *resuming = Resuming::Asked,
        }
    }

    pub(crate) fn on_sign_up_challenge(
        &mut self,
        challenge: SignUpChallenge,
        ctx: &mut Context<'_>,
    ) -> Outcome {
        let mut steps = self.steps(None, ctx);
        if let Goal::SignUp(goal) = &mut self.goal {
            goal.on_challenge(challenge, &mut steps);
        }
        Outcome::Nothing
    }

    pub(crate) fn on_sign_in_challenge(
        &mut self,
        challenge: SignInChallenge,
        ctx: &mut Context<'_>,
    ) -> Outcome {
        let mut steps = self.steps(None, ctx);
        if let Goal::SignIn(goal) = &mut self.goal {
            goal.on_challenge(challenge, &mut steps);
        }
        Outcome::Nothing
    }

    pub(crate) fn on_welcome(&mut self, welcome: Welcome, ctx: &mut Context<'_>) -> Outcome {
        let mut steps = self.steps(None, ctx);
        match &mut self.goal {
            Goal::Nothing => return Outcome::Ended,
            Goal::SignUp(goal) => goal.on_welcome(&welcome, &mut steps),
            Goal::SignIn(goal) => goal.on_welcome(welcome, &mut steps),
            Goal::Session(resuming) if *resuming == Resuming::Asked => {
                *resuming = Resuming::Saving;
                let session = session(&welcome);
                steps.ctx.me.session = Some(session);
                steps.ctx.store(StoreOp::SaveSession(session));
            }
            Goal::Session(_) => {}
        }
        Outcome::Nothing
    }

    /// A job of this attempt is done.
    pub(crate) fn on_worked(
        &mut self,
        attempt: u32,
        result: JobResult,
        link: Option<LinkId>,
        ctx: &mut Context<'_>,
    ) -> Outcome {
        if attempt != self.attempt {
            return Outcome::Nothing;
        }
        let mut steps = self.steps(link, ctx);
        let outcome = match &mut self.goal {
            Goal::SignUp(goal) => goal.on_worked(result, &mut steps),
            Goal::SignIn(goal) => goal.on_worked(result, &mut steps),
            Goal::Nothing | Goal::Session(_) => Outcome::Nothing,
        };
        self.end_if(outcome)
    }

    /// The store has read the account's keys.
    pub(crate) fn on_keys_loaded(&mut self, ctx: &mut Context<'_>) -> Outcome {
        let mut steps = self.steps(None, ctx);
        let outcome = match &mut self.goal {
            Goal::SignUp(goal) => goal.on_keys_loaded(&mut steps),
            Goal::Nothing | Goal::SignIn(_) | Goal::Session(_) => Outcome::Nothing,
        };
        self.end_if(outcome)
    }

    /// The sign-up frame is stored: it may leave.
    pub(crate) fn on_sign_up_saved(&mut self, link: Option<LinkId>, ctx: &mut Context<'_>) {
        let mut steps = self.steps(link, ctx);
        if let Goal::SignUp(goal) = &mut self.goal {
            goal.on_saved(&mut steps);
        }
    }

    /// The session is stored: it is on, when the connection still is.
    pub(crate) fn on_session_saved(
        &mut self,
        link: Option<LinkId>,
        ctx: &mut Context<'_>,
    ) -> Outcome {
        let notice = match &self.goal {
            Goal::Nothing | Goal::Session(Resuming::Asked | Resuming::On) => {
                return Outcome::Nothing;
            }
            Goal::SignUp(goal) => Some(goal.success()),
            Goal::SignIn(_) => Some(Notice::SignedIn),
            Goal::Session(Resuming::Saving) => None,
        };
        self.goal = Goal::Session(match link {
            Some(_) => Resuming::On,
            None => Resuming::Asked,
        });
        if let Some(notice) = notice {
            ctx.notify(notice);
        }
        match link {
            Some(_) => Outcome::Online,
            None => Outcome::Nothing,
        }
    }

    /// A fault that is about the sign-in.
    pub(crate) fn on_fault(&mut self, fault: &Fault, ctx: &mut Context<'_>) -> Outcome {
        let failure = match (fault.code, self.wants_link(ctx)) {
            (FaultCode::UNAVAILABLE, Some(name)) => self.home_away(&name),
            _ => super::link::failure(fault),
        };
        let outcome = match (&self.goal, failure.code) {
            (_, Code::Unavailable) => Outcome::Retry(failure),
            (Goal::Session(_), Code::SignedOut) => Outcome::Over(failure),
            (Goal::Session(_), Code::NoSuchUser) => {
                Outcome::Over(lost_by_home(ctx).unwrap_or(failure))
            }
            (Goal::Session(_) | Goal::Nothing, _) => Outcome::Retry(failure),
            (Goal::SignUp(_), Code::UsernameTaken) => {
                let failure = forget_sign_up(ctx).unwrap_or(failure);
                ctx.notify(Notice::SignInFailed(failure));
                Outcome::Ended
            }
            (Goal::SignIn(_), Code::NoSuchUser) => {
                let failure = lost_by_home(ctx).unwrap_or(failure);
                // The session was of the account that is not there any more.
                if ctx.me.session.take().is_some() {
                    ctx.store(StoreOp::EndSession);
                }
                ctx.notify(Notice::SignInFailed(failure));
                Outcome::Ended
            }
            (Goal::SignUp(_) | Goal::SignIn(_), _) => {
                ctx.notify(Notice::SignInFailed(failure));
                Outcome::Ended
            }
        };
        self.end_if(outcome)
    }

    /// The seat has ended the session.
    pub(crate) fn on_session_ended(&mut self, ended: &SessionEnded) -> Outcome {
        let failure = match ended.code {
            FaultCode::ALREADY_LOGGED_IN => Failure::new(
                Code::SignedOut,
                "signed out: another machine took over; run `fastchat signin --takeover` to return",
            ),
            FaultCode::SIGNED_OUT => Failure::new(Code::SignedOut, FaultCode::SIGNED_OUT.text()),
            code => return Outcome::Retry(Failure::fault(code)),
        };
        self.end_if(Outcome::Over(failure))
    }

    /// A seat is there, and the account's home has not answered or can do nothing just now.
    fn home_away(&self, name: &Name) -> Failure {
        let keeps = if matches!(self.goal, Goal::SignUp(_)) { "is to keep" } else { "keeps" };
        let text = format!(
            "the server that {keeps} {name}'s account does not answer or cannot do this now; try \
             again in a moment"
        );
        Failure::new(Code::Unavailable, text)
    }

    fn end_if(&mut self, outcome: Outcome) -> Outcome {
        if matches!(outcome, Outcome::Ended | Outcome::Over(_)) {
            self.stop();
        }
        outcome
    }

    fn steps<'a, 'b>(&self, link: Option<LinkId>, ctx: &'a mut Context<'b>) -> Steps<'a, 'b> {
        let attempt = self.attempt;
        Steps { link, attempt, ctx }
    }
}

impl Steps<'_, '_> {
    /// Sends to the seat, which does not know the session yet.
    fn send(&mut self, message: impl Into<ToServer>) {
        if let Some(link) = self.link {
            let message = Outgoing::Seat(message.into());
            self.ctx.out.push(Effect::Send { link, message });
        }
    }

    fn work(&mut self, job: Job) {
        self.ctx.work(JobKey::Auth(self.attempt), job);
    }

    fn resume(&mut self) -> Outcome {
        let (Some(name), Some(session)) = (self.ctx.me.name, &self.ctx.me.session) else {
            return Outcome::Over(Failure::signed_out());
        };
        let token = session.token;
        let origin = self.ctx.me.origin;
        self.send(Resume { name, origin, token });
        Outcome::Nothing
    }

    /// From now on the data directory belongs to `name`.
    fn adopt(&mut self, name: Name, keys: OwnKeys) {
        self.ctx.me.name = Some(name);
        self.ctx.me.keys = Some(keys);
        self.ctx.me.keys_asked = true;
    }

    fn fail(&mut self, failure: Failure) -> Outcome {
        self.ctx.notify(Notice::SignInFailed(failure));
        Outcome::Ended
    }
}

fn session(welcome: &Welcome) -> Session {
    Session { epoch: welcome.epoch, token: welcome.token }
}

/// The name is taken. An account that had existed stays here, with its keys: what is said of it
/// then.
fn forget_sign_up(ctx: &mut Context<'_>) -> Option<Failure> {
    let pending = ctx.me.pending_sign_up.take()?;
    ctx.store(StoreOp::ClearSignUp);
    if !pending.had_existed {
        ctx.me.name = None;
        ctx.me.keys = None;
        ctx.me.keys_asked = false;
        return None;
    }
    let name = ctx.me.name?;
    Some(Failure::new(
        Code::UsernameTaken,
        format!(
            "{name} has an account, yours or, after its home has lost yours, somebody else's: \
             run `fastchat signin`"
        ),
    ))
}

/// What is said when no account has the name, of one that had existed.
fn lost_by_home(ctx: &Context<'_>) -> Option<Failure> {
    let name = ctx.me.name?;
    let is_new = ctx.me.pending_sign_up.as_ref().is_some_and(|pending| !pending.had_existed);
    (!is_new).then(|| {
        Failure::new(
            Code::NoSuchUser,
            format!(
                "the server that kept {name}'s account does not know it any more; to register it \
                 again with the same keys, run `fastchat signup`"
            ),
        )
    })
}

fn belongs_to(name: &Name) -> Failure {
    Failure::usage(format!("this data directory belongs to {name}; give another one with --data"))
}
