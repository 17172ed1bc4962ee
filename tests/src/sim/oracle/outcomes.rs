//! What a person hears of a sign-up or sign-in is true.

use client::failure::Code;
use wire::{Instant, Name};

use super::{Attempt, Fact, Ledger, Property};

pub(super) struct Outcomes;

impl Outcomes {
    fn check(
        name: Name,
        attempt: Attempt,
        result: Result<(), Code>,
        since: Instant,
        ledger: &Ledger,
    ) -> Result<(), &'static str> {
        let created = ledger.accounts.get(&name);
        match (attempt, result) {
            (_, Ok(())) if created.is_none() => Err("there is no such account"),
            (Attempt::SignIn { is_right: false, .. }, Ok(())) => Err("the password was wrong"),
            (Attempt::SignIn { is_right: true, .. }, Err(Code::IncorrectPassword)) => {
                Err("the password was right")
            }
            (Attempt::SignIn { is_right: false, .. }, Err(Code::AlreadyLoggedIn)) => {
                Err("the password was not proven")
            }
            (Attempt::SignIn { takeover: true, .. }, Err(Code::AlreadyLoggedIn)) => {
                Err("it was told to take over")
            }
            (_, Err(Code::NoSuchUser)) if created.is_some_and(|at| *at < since) => {
                Err("there was such an account")
            }
            (Attempt::SignUp, Err(Code::UsernameTaken)) if created.is_none() => {
                Err("nobody has the name")
            }
            (Attempt::SignUp, Err(Code::UsernameTaken)) if !ledger.is_shared(name) => {
                Err("the account is the person's own")
            }
            (_, Err(Code::AlreadyLoggedIn)) if !ledger.is_shared(name) => {
                Err("the person has one installation")
            }
            _ => Ok(()),
        }
    }
}

impl Property for Outcomes {
    fn name(&self) -> &'static str {
        "outcomes are true"
    }

    fn hear(&mut self, _now: Instant, fact: &Fact<'_>, ledger: &Ledger) -> Result<(), String> {
        let Fact::Outcome { client, name, attempt, result, since } = fact else {
            return Ok(());
        };
        Self::check(*name, *attempt, *result, *since, ledger)
            .map_err(|why| format!("client-{client} {name} {attempt:?}: {result:?}; {why}"))
    }
}
