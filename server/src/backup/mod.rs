//! `fastchat-server backup`, `verify`, `restore` and `drain`.
//!
//! A running server makes only a checkpoint, at the [`Hatch`]: links of its files, in a moment, on
//! a thread of its own. Copying and checking are this command's work, in a process of its own.

mod error;
mod hatch;
mod report;

use std::path::Path;

use storage::backup::{self, BackupError, Restored};
use storage::{StorageError, Watermark};

use crate::args::{BackupArgs, Command, RestoreArgs};
use crate::desk::End;
use crate::mark::Mark;

pub use error::CommandError;
pub use hatch::Hatch;

use hatch::Asked;
use report::{Report, say, size};

/// Does what the command line asks for, and says so on standard error.
///
/// # Errors
/// [`CommandError`] says what to do next. Nothing that was there was changed.
pub fn run(command: &Command) -> Result<(), CommandError> {
    match command {
        Command::Backup(args) => back_up(args),
        Command::Verify(args) => {
            let mut report = Report::new();
            let manifest = backup::verify(&args.from, &mut |progress| report.hear(progress))?;
            let (from, began) = (args.from.display(), manifest.began);
            let holds = manifest.holds;
            say(&format!("{from} is whole: {holds}, begun at {began:.3}"));
            Ok(())
        }
        Command::Restore(args) => restore(args),
        Command::Drain(args) => drain(&args.store),
    }
}

fn back_up(BackupArgs { store, to }: &BackupArgs) -> Result<(), CommandError> {
    if !store.is_dir() {
        return Err(BackupError::NoStore(store.clone()).into());
    }
    backup::check_target(store, to)?;
    let mut report = Report::new();
    let manifest = match Asked::of(store)? {
        Some(asked) => backup::copy(store, asked.moment(), to, &mut |told| report.hear(told))?,
        None => {
            say(&format!("no server runs on {}: opening it", store.display()));
            let checkpoint = backup::of_stopped(store).map_err(silent(store))?;
            backup::copy(store, checkpoint.moment(), to, &mut |told| report.hear(told))?
        }
    };
    let (to, files, bytes) = (to.display(), manifest.files(), size(manifest.bytes()));
    let (holds, began) = (manifest.holds, manifest.began);
    say(&format!(
        "{to} is whole: {holds}, {files} files, {bytes}; all that was accepted before {began:.3} \
         is in it"
    ));
    Ok(())
}

fn drain(store: &Path) -> Result<(), CommandError> {
    let mut hear = |clients: &str| say(&format!("clients still connected: {clients}"));
    match hatch::drain(store, &mut hear)? {
        End::Emptied => {
            say("empty, and stopped");
            Ok(())
        }
        End::Stopped => Err(CommandError::Stopped),
    }
}

/// A server that has the store open should have answered.
fn silent(store: &Path) -> impl FnOnce(BackupError) -> CommandError {
    |error| match error {
        BackupError::Storage(StorageError::InUse(_)) => CommandError::Silent(store.to_owned()),
        other => other.into(),
    }
}

fn restore(RestoreArgs { from, store, accept_loss }: &RestoreArgs) -> Result<(), CommandError> {
    if hatch::is_open(store)? {
        return Err(CommandError::Served(store.clone()));
    }
    let mut report = Report::new();
    let restored = backup::restore(from, store, *accept_loss, &mut |told| report.hear(told))?;
    let mark = Mark::beside(store);
    mark.lift().map_err(|source| CommandError::Mark { mark: mark.path().to_owned(), source })?;
    let Restored { manifest, opened, known } = restored;
    let (store, holds, epoch) = (store.display(), manifest.holds, opened.store_epoch);
    say(&format!("{store} is put back: it holds {holds}, and goes on in epoch {epoch}"));
    say(&lost(holds, known, &format!("{:.3}", manifest.began)));
    Ok(())
}

/// What a restore does not bring back.
fn lost(holds: Watermark, known: Option<Watermark>, began: &str) -> String {
    match known {
        Some(known) if known == holds => "nothing that was on disk is known to be lost".to_owned(),
        Some(known) => {
            format!("what was accepted after {began} is not in it: the lost store held {known}")
        }
        None => format!(
            "what was accepted after {began} is not in it; how far the lost store had come is not \
             known"
        ),
    }
}
