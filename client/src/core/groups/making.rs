//! Creating and joining: the group's head from its home, and OPAQUE where it has a password.

use wire::message::{Challenge, GroupChallenge, GroupStart};
use wire::roster::{Act, Policy};
use wire::{FaultCode, Name};

use super::change::{Head, Step, creation_password};
use super::{Groups, Question};
use crate::core::context::Context;
use crate::core::job::{GroupPassword, Job, JobKey};
use crate::core::notice::{Notice, Step as SlowStep};
use crate::core::request::GroupWish;
use crate::crypto::opaque::{OpaqueError, SignIn, SignUp};
use crate::failure::{Code, Failure};

impl Groups {
    /// Asks for the head; a new group without a password has none.
    pub(super) fn open(&mut self, id: u32, ctx: &mut Context<'_>) {
        let Some(change) = self.changes.get(&id) else {
            return;
        };
        let (group, wish) = (change.group, change.wish.clone());
        let begun = match &wish {
            GroupWish::Join(None) => Ok((Act::Join, None, Challenge::default())),
            GroupWish::Join(_) if change.proof.is_some() => {
                Ok((Act::Join, None, Challenge::default()))
            }
            GroupWish::Join(Some(password)) => SignIn::start(password.bytes(), ctx.rng)
                .map(|(state, ke1)| (Act::Join, Some(joining(state)), ke1)),
            wish => match creation_password(wish) {
                Some(password) => SignUp::start(password.bytes(), ctx.rng)
                    .map(|(state, request)| (Act::Create, Some(creating(state)), request)),
                None => {
                    let head = Head { version: 0, hash: [0; 32] };
                    return self.ready(id, head, Challenge::default(), ctx);
                }
            },
        };
        match begun {
            Ok((act, state, opening)) => self.ask(id, Step::Opening(state), ctx, |request| {
                GroupStart { request, group, act, opening }.into()
            }),
            Err(error) => self.refuse(id, Failure::usage(error.to_string()), ctx),
        }
    }

    /// The home has answered with the head.
    pub(crate) fn on_challenge(&mut self, answer: GroupChallenge, ctx: &mut Context<'_>) {
        let Some(Question::Change(id)) = self.requests.remove(&answer.request) else {
            return;
        };
        let Some(change) = self.changes.get_mut(&id) else {
            return;
        };
        let Step::Opening(state) = &mut change.step else {
            return;
        };
        let (state, group) = (state.take(), change.group);
        let head = Head { version: answer.version, hash: answer.head };
        let needs_password = answer.policy == Policy::Password;
        match (state, change.proof.clone()) {
            (None, Some(proof)) => self.ready(id, head, proof, ctx),
            (Some(state), _) if !answer.response.bytes().is_empty() => {
                self.prove(id, (head, state), answer.response, ctx);
            }
            (None, None) if needs_password => self.refuse(id, password_needed(&group), ctx),
            (Some(_), _) if needs_password => {
                let text = format!("the home of #{group} does not answer to a password");
                self.refuse(id, Failure::unexpected(text), ctx);
            }
            _ => self.ready(id, head, Challenge::default(), ctx),
        }
    }

    /// A worker has proven the password, or not.
    pub(crate) fn on_proof(
        &mut self,
        job: u32,
        result: Result<Challenge, OpaqueError>,
        ctx: &mut Context<'_>,
    ) {
        let proving = self.changes.iter().find_map(|(id, change)| match change.step {
            Step::Proving(mine, head) if mine == job => Some((*id, head)),
            _ => None,
        });
        let Some((id, head)) = proving else {
            return;
        };
        match result {
            Ok(proof) => {
                if let Some(change) = self.changes.get_mut(&id) {
                    change.proof = Some(proof.clone());
                }
                self.ready(id, head, proof, ctx);
            }
            Err(OpaqueError::IncorrectPassword) => {
                self.refuse(id, Failure::fault(FaultCode::WRONG_GROUP_PASSWORD), ctx);
            }
            Err(error) => self.refuse(id, Failure::unexpected(error.to_string()), ctx),
        }
    }

    fn prove(
        &mut self,
        id: u32,
        (head, state): (Head, GroupPassword),
        response: Challenge,
        ctx: &mut Context<'_>,
    ) {
        let Some(change) = self.changes.get_mut(&id) else {
            return;
        };
        self.last_job = self.last_job.wrapping_add(1);
        change.step = Step::Proving(self.last_job, head);
        let (group, seed) = (change.group, ctx.seed());
        ctx.notify(Notice::Progress(SlowStep::Stretching));
        let job = Job::ProveGroupPassword { group, state, response, seed };
        ctx.work(JobKey::Change(self.last_job), job);
    }
}

fn creating(state: SignUp) -> GroupPassword {
    GroupPassword::Creating(Box::new(state))
}

fn joining(state: SignIn) -> GroupPassword {
    GroupPassword::Joining(Box::new(state))
}

fn password_needed(group: &Name) -> Failure {
    Failure::new(
        Code::WrongGroupPassword,
        format!(
            "#{group} has a group password; give it with --password, --group-password-file or \
             FASTCHAT_GROUP_PASSWORD"
        ),
    )
}
