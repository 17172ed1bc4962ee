//! `signup`, `signin`, `signout`, `whoami`.

use std::time::Duration;

use serde_json::json;

use super::pushing::Pushing;
use super::task::{self, Flow, Task};
use super::{Local, Progress, password};
use crate::core::{Command, Notice, Request};
use crate::crypto::SignedBundle;
use crate::crypto::keys::KeyId;
use crate::failure::{Code, Failure};
use crate::output::{data, talk};
use crate::shell::Shell;
use crate::store::{Account, ConnectionLock, Store};

/// Trouble with the connection that lasts this long ends a sign-up or sign-in.
const PATIENCE: Duration = Duration::from_secs(6);

/// `fastchat signup`.
pub(super) fn sign_up(local: Local) -> Result<(), Failure> {
    let name = local.user()?;
    let password = password::read(&local.config, true)?;
    let is_json = local.is_json;
    let notice = begin(local, Command::SignUp { name, password })?;
    let earlier_attempt = matches!(notice, Notice::SignedUp { earlier_attempt: true });
    if is_json {
        return data(&json!({ "status": "signed-up", "user": name.as_str() }).to_string());
    }
    data(&format!("signed up as {name}"))?;
    if earlier_attempt {
        talk("an earlier attempt had got through: the password is the one you typed then");
    }
    Ok(())
}

/// `fastchat signin`.
pub(super) fn sign_in(local: Local, takeover: bool) -> Result<(), Failure> {
    let name = local.user()?;
    let password = password::read(&local.config, false)?;
    let is_json = local.is_json;
    let command = Command::SignIn { name, password, takeover };
    begin(local, command)?;
    match is_json {
        true => data(&json!({ "status": "signed-in", "user": name.as_str() }).to_string()),
        false if takeover => data(&format!("signed in as {name}; other machines are signed out")),
        false => data(&format!("signed in as {name}")),
    }
}

/// The same with a session: who gives a file with the password and has none need not sign in by a
/// command of its own. Who holds a session that has ended elsewhere is told so, as by any command.
///
/// # Errors
/// The sign-in failed.
pub(super) fn with_session(local: Local) -> Result<Local, Failure> {
    let is_in = local.account()?.is_some_and(|account| account.session.is_some());
    let Some(file) = local.config.password_file.as_deref().filter(|_| !is_in) else {
        return Ok(local);
    };
    let (name, password) = (local.user()?, password::in_file(file)?);
    let (config, is_json) = (local.config.clone(), local.is_json);
    let lock = local.lock()?;
    // Another command of the same script may have signed in meanwhile.
    if local.account()?.is_none_or(|account| account.session.is_none()) {
        begin_under(lock, local, Command::SignIn { name, password, takeover: false })?;
    }
    Local::open(config, is_json)
}

/// `fastchat signout`.
pub(super) fn sign_out(local: Local) -> Result<(), Failure> {
    let is_json = local.is_json;
    let account = local.account()?;
    if account.is_some_and(|account| account.session.is_some()) {
        match task::run(&mut SignOut, local) {
            Err(failure) if failure.code != Code::SignedOut => return Err(failure),
            _ => {}
        }
    }
    match is_json {
        true => data(&json!({ "status": "signed-out" }).to_string()),
        false => data("signed out"),
    }
}

/// `fastchat whoami`.
pub(super) fn who_am_i(local: &Local) -> Result<(), Failure> {
    let Some(account) = local.account()? else {
        return Err(Failure::signed_out());
    };
    let fingerprint = signing_key(&account)?.to_string();
    let is_signed_in = account.session.is_some();
    if local.is_json {
        let value = json!({
            "user": account.name.as_str(),
            "fingerprint": fingerprint,
            "signed_in": is_signed_in,
            "data": local.directory.root().display().to_string(),
        });
        return data(&value.to_string());
    }
    data(account.name.as_str())?;
    talk(&format!("fingerprint {fingerprint}"));
    talk(&format!("data in {}", local.directory.root().display()));
    if !is_signed_in {
        talk("signed out; run `fastchat signin`");
    }
    Ok(())
}

/// The id of the account's own signing key.
fn signing_key(account: &Account) -> Result<KeyId, Failure> {
    SignedBundle::verify(account.bundle.clone())
        .map(|bundle| bundle.bundle().keys.signing.id())
        .map_err(|error| Failure::unexpected(format!("your own keys: {error}")))
}

/// Runs a sign-up or sign-in to its end.
fn begin(local: Local, command: Command) -> Result<Notice, Failure> {
    let lock = local.lock()?;
    begin_under(lock, local, command)
}

fn begin_under(lock: ConnectionLock, local: Local, command: Command) -> Result<Notice, Failure> {
    let mut progress = Progress::new(local.is_json);
    let dialer = local.dialer();
    let pushing = Pushing::begin(&local.store, Vec::new(), local.is_json)?;
    let mut shell = Shell::start(&local.directory, lock, local.store, dialer)?;
    shell.command(command)?;
    let result = until_signed_in(&mut shell, &mut progress);
    if result.is_ok() {
        pushing.end(&mut shell, &mut progress)?;
    }
    shell.finish()?;
    result
}

fn until_signed_in(shell: &mut Shell, progress: &mut Progress) -> Result<Notice, Failure> {
    let mut trouble: Option<(Failure, wire::Instant)> = None;
    loop {
        for notice in shell.turn(trouble.as_ref().map(|(_, until)| *until))? {
            progress.show(&notice);
            match notice {
                Notice::SignedUp { .. } | Notice::SignedIn => return Ok(notice),
                Notice::SignInFailed(failure) => return Err(failure),
                Notice::Trouble(failure) if failure.code == Code::UntrustedKey => {
                    return Err(failure);
                }
                Notice::Trouble(failure) => {
                    let first = trouble.map_or(shell.now() + PATIENCE, |(_, until)| until);
                    trouble = Some((failure, first));
                }
                _ => {}
            }
        }
        if let Some((failure, until)) = &trouble
            && *until <= shell.now()
        {
            return Err(failure.clone());
        }
    }
}

struct SignOut;

impl Task for SignOut {
    fn request(&self) -> Request {
        Request::SignOut
    }

    fn time_max(&self) -> Option<Duration> {
        None
    }

    fn look(&mut self, _store: &mut Store) -> Result<Flow, Failure> {
        Ok(Flow::On)
    }

    fn on_answered(&mut self, _store: &mut Store) -> Result<Flow, Failure> {
        Ok(Flow::Done)
    }

    fn on_time_over(&mut self, trouble: Option<Failure>) -> Result<(), Failure> {
        trouble.map_or(Ok(()), Err)
    }
}
