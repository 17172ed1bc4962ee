//! A username is given once.

use std::collections::{BTreeMap, BTreeSet};

use storage::Change;
use wire::{Instant, Name};

use super::{Attempt, Fact, Ledger, Property};

#[derive(Default)]
pub(super) struct Names {
    created: BTreeSet<Name>,
    heard: BTreeMap<Name, usize>,
}

impl Property for Names {
    fn name(&self) -> &'static str {
        "usernames are unique"
    }

    fn hear(&mut self, _now: Instant, fact: &Fact<'_>, _ledger: &Ledger) -> Result<(), String> {
        match fact {
            Fact::Committed { server, batch } => {
                for change in &batch.changes {
                    if let Change::CreateAccount { name, .. } = change
                        && !self.created.insert(*name)
                    {
                        return Err(format!("{server} creates {name} again"));
                    }
                }
            }
            Fact::Outcome { client, name, attempt: Attempt::SignUp, result: Ok(()), .. } => {
                let first = *self.heard.entry(*name).or_insert(*client);
                if first != *client {
                    return Err(format!("client-{first} and client-{client} signed up {name}"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
