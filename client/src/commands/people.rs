//! `contacts` and `verify`: whose keys are known, and whether they are the right ones.

use std::time::Duration;

use serde_json::{Value, json};
use wire::Name;

use super::Local;
use super::task::{self, Flow, Task};
use crate::args;
use crate::config::user_name;
use crate::core::Request;
use crate::crypto::keys::KeyId;
use crate::crypto::{KeyLog, SafetyNumber, SignedBundle};
use crate::failure::Failure;
use crate::output::{Style, data, talk};
use crate::shell::store_failure;
use crate::store::{Contact, Store, Trust};

/// A contact as it is shown.
#[derive(Clone, Debug)]
pub struct PersonView {
    /// Who.
    pub name: Name,
    /// The newest signing key.
    pub key: KeyId,
    /// Of both accounts' newest signing keys.
    pub safety_number: SafetyNumber,
    /// How far the key is trusted.
    pub trust: Trust,
}

impl PersonView {
    fn json(&self) -> Value {
        json!({
            "user": self.name.as_str(),
            "safety_number": self.safety_number.to_string(),
            "fingerprint": self.key.to_string(),
            "verified": self.trust == Trust::Verified,
            "changed": self.trust == Trust::Changed,
        })
    }
}

/// `fastchat contacts`.
pub(super) fn contacts(local: &Local) -> Result<(), Failure> {
    local.account()?.ok_or_else(Failure::signed_out)?;
    let contacts = local.store.contacts().map_err(|e| store_failure(&e))?;
    let style = Style::detect();
    if contacts.is_empty() && !local.is_json {
        talk("no contacts yet; send someone a message");
    }
    for contact in contacts {
        match local.is_json {
            true => data(&contact_json(&contact).to_string())?,
            false => data(&line(&contact, style))?,
        }
    }
    Ok(())
}

/// `fastchat verify`.
pub(super) fn verify(local: Local, command: &args::Verify) -> Result<(), Failure> {
    let name = user_name(&command.user, "USER")?;
    local.account()?.ok_or_else(Failure::signed_out)?;
    let mut task = Verifying { name, is_ok: command.ok, is_json: local.is_json, agreed: None };
    if view(&local.store, &name)?.is_none() {
        local.signed_in()?;
    }
    task::run(&mut task, local)
}

/// A contact as it is shown; `None` when nothing is known of it.
///
/// # Errors
/// The store fails, or its keys are damaged.
pub fn view(store: &Store, name: &Name) -> Result<Option<PersonView>, Failure> {
    let broken = |e| store_failure(&e);
    let (Some(account), Some(contact)) =
        (store.account().map_err(broken)?, store.contact(name).map_err(broken)?)
    else {
        return Ok(None);
    };
    let mine = SignedBundle::verify(account.bundle)
        .map_err(|error| Failure::unexpected(format!("your own keys: {error}")))?;
    let log = KeyLog::verify(name, &contact.bundles)
        .map_err(|error| Failure::unexpected(format!("{name}'s keys: {error}")))?;
    let key = &log.newest().keys.signing;
    let my_key = &mine.bundle().keys.signing;
    Ok(Some(PersonView {
        name: *name,
        key: key.id(),
        safety_number: SafetyNumber::between((&account.name, my_key), (name, key)),
        trust: contact.trust,
    }))
}

/// One line of the list of contacts.
#[must_use]
pub fn line(contact: &Contact, style: Style) -> String {
    let name = style.bold(&format!("{:<16}", contact.name));
    let trust = match contact.trust {
        Trust::Verified => "verified".to_owned(),
        Trust::Pinned => style.dim("not verified"),
        Trust::Changed => style.warning("KEY CHANGED"),
    };
    format!("{name} {} {trust}", contact.pinned)
}

fn contact_json(contact: &Contact) -> Value {
    json!({
        "user": contact.name.as_str(),
        "fingerprint": contact.pinned.to_string(),
        "verified": contact.trust == Trust::Verified,
        "changed": contact.trust == Trust::Changed,
    })
}

/// Fetches the keys when they are not known, shows them, and marks them when told to.
struct Verifying {
    name: Name,
    is_ok: bool,
    is_json: bool,
    /// The key that was shown and is agreed to.
    agreed: Option<KeyId>,
}

impl Verifying {
    fn tell(&self, view: &PersonView) -> Result<(), Failure> {
        if self.is_json {
            return data(&view.json().to_string());
        }
        let name = &view.name;
        match view.trust {
            Trust::Changed => {
                talk(&format!("{name}'s key has CHANGED since you last agreed to it"));
            }
            Trust::Verified => talk(&format!("you have verified {name}")),
            Trust::Pinned => talk(&format!("you have not verified {name} yet")),
        }
        data(&view.safety_number.to_string())?;
        if view.trust != Trust::Verified {
            talk(&format!(
                "read these numbers to {name} over another channel; when both are the same, run \
                 `fastchat verify {name} --ok`"
            ));
        }
        Ok(())
    }
}

impl Task for Verifying {
    fn request(&self) -> Request {
        let name = self.name;
        match self.agreed {
            Some(key) => Request::Trust { name, key, verified: true },
            None => Request::Fetch(name),
        }
    }

    fn time_max(&self) -> Option<Duration> {
        None
    }

    fn look(&mut self, store: &mut Store) -> Result<Flow, Failure> {
        let Some(view) = view(store, &self.name)? else {
            return Ok(Flow::On);
        };
        if self.is_ok && view.trust != Trust::Verified {
            self.agreed = Some(view.key);
            return Ok(Flow::On);
        }
        self.tell(&view)?;
        Ok(Flow::Done)
    }

    fn on_answered(&mut self, store: &mut Store) -> Result<Flow, Failure> {
        self.look(store)
    }

    fn request_again(&self) -> Option<Request> {
        self.agreed.map(|_| self.request())
    }

    fn on_time_over(&mut self, trouble: Option<Failure>) -> Result<(), Failure> {
        trouble.map_or(Ok(()), Err)
    }
}
