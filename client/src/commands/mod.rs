//! The commands for scripts and people in a hurry.

use std::path::PathBuf;
use std::time::Duration;

use wire::Name;
use wire::net::Clock;

use crate::args::Command;
use crate::config::Config;
use crate::failure::Failure;
use crate::shell::dialer::Dialer;
use crate::shell::store_failure;
use crate::store::{Account, ConnectionLock, DataDirectory, Store};

mod account;
pub mod attach;
mod group;
mod json_input;
mod outcome;
pub mod password;
mod people;
mod progress;
mod pushing;
mod receipts;
mod receive;
mod save;
pub mod saving;
mod send;
mod task;

pub use group::{
    done as group_change_done, list_lines as group_lines, member_lines, trusted as group_trusted,
};
pub use outcome::outcome as post_outcome;
pub use people::{PersonView, line as contact_line, view};
pub use progress::Progress;
pub use save::line as unsaved_line;

/// Another command that is about to end is waited for this long.
const LOCK_TIME_MAX: Duration = Duration::from_secs(2);
const LOCK_INTERVAL: Duration = Duration::from_millis(20);

/// What every command works on: the settings, the data directory and its store.
#[derive(Debug)]
pub struct Local {
    /// The settings.
    pub config: Config,
    /// The data directory.
    pub directory: DataDirectory,
    /// Its store.
    pub store: Store,
    /// The output is for a script.
    pub is_json: bool,
}

impl Local {
    /// Opens the data directory, or makes it.
    ///
    /// # Errors
    /// Nobody said whose it is, or it cannot be opened.
    pub fn open(config: Config, is_json: bool) -> Result<Self, Failure> {
        let path = data_path(&config)?;
        let directory = DataDirectory::open(&path).map_err(|error| {
            Failure::usage(format!("no data directory ({error}); name another one with --data"))
        })?;
        let store = Store::open(&directory).map_err(|e| store_failure(&e))?;
        Ok(Self { config, directory, store, is_json })
    }

    /// The account in the data directory, which must be the one that was asked for.
    ///
    /// # Errors
    /// It is another one, or the store fails.
    pub fn account(&self) -> Result<Option<Account>, Failure> {
        let account = self.store.account().map_err(|e| store_failure(&e))?;
        match (&account, self.config.user) {
            (Some(held), Some(wanted)) if held.name != wanted => Err(Failure::usage(format!(
                "this data directory belongs to {}; give another one with --data",
                held.name
            ))),
            _ => Ok(account),
        }
    }

    /// The account in the data directory, which must have a session.
    ///
    /// # Errors
    /// There is none, or the session has ended.
    pub fn signed_in(&self) -> Result<Account, Failure> {
        self.account()?.filter(|account| account.session.is_some()).ok_or_else(Failure::signed_out)
    }

    /// Who signs up or in.
    ///
    /// # Errors
    /// Nobody said.
    pub fn user(&self) -> Result<Name, Failure> {
        let held = self.account()?.map(|account| account.name);
        held.or(self.config.user)
            .ok_or_else(|| Failure::usage("who are you? use --user NAME or FASTCHAT_USER"))
    }

    /// The lock on the connection; a command that is about to end is waited for.
    ///
    /// # Errors
    /// Another process keeps it.
    pub fn lock(&self) -> Result<ConnectionLock, Failure> {
        let clock = Clock::new();
        let until = clock.now() + LOCK_TIME_MAX;
        loop {
            let lock = self.directory.try_lock().map_err(|e| store_failure(&e))?;
            if let Some(lock) = lock {
                return Ok(lock);
            }
            if clock.now() >= until {
                return Err(Failure::usage(
                    "another fastchat uses this data directory; quit it first",
                ));
            }
            std::thread::park_timeout(LOCK_INTERVAL);
        }
    }

    /// How to reach the cluster.
    #[must_use]
    pub fn dialer(&self) -> Dialer {
        Dialer::new(self.config.routers.clone(), self.config.ca.clone())
    }
}

/// Runs one command to its end.
///
/// # Errors
/// What went wrong, for the exit status.
pub fn run(command: Command, config: Config) -> Result<(), Failure> {
    let local = Local::open(config, command.is_json())?;
    match command {
        Command::SignUp(_) => account::sign_up(local),
        Command::SignIn(command) => account::sign_in(local, command.takeover),
        Command::SignOut(_) => account::sign_out(local),
        Command::WhoAmI(_) => account::who_am_i(&local),
        Command::Send(command) => send::send(local, &command),
        Command::Receive(command) => receive::receive(local, &command),
        Command::Save(command) => save::save(local, &command),
        Command::Contacts(_) => people::contacts(&local),
        Command::Verify(command) => people::verify(local, &command),
        Command::Receipts(command) => receipts::receipts(&local, &command),
        Command::Group(group) => group::group(local, group.command),
    }
}

fn data_path(config: &Config) -> Result<PathBuf, Failure> {
    match (&config.data, config.user) {
        (Some(path), _) => Ok(path.clone()),
        (None, Some(user)) => DataDirectory::default_for(&user).map_err(|e| store_failure(&e)),
        (None, None) => Err(Failure::usage(
            "who are you? use --user NAME (FASTCHAT_USER) or --data DIR (FASTCHAT_DATA)",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::Local;
    use crate::args::Args;
    use crate::config::Config;
    use crate::failure::Code;

    #[test]
    fn a_data_directory_that_cannot_be_is_for_the_user_to_put_right() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let path = file.path().display().to_string();
        let args = Args::parse(&["--data".to_owned(), path.clone()]).expect("good words");
        let config = Config::new(&args, |_| None).expect("good settings");
        let failure = Local::open(config, false).expect_err("a file is no directory");
        assert_eq!(failure.code, Code::Usage);
        assert!(failure.text.contains(&path) && failure.text.contains("--data"), "{failure}");
    }
}
