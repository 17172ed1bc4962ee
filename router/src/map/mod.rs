//! `fastchat-router map`: makes a cluster's files, and changes which server is the home of what.
//!
//! Everything is done to files; what runs hears of it when it reads them.

pub mod args;
mod edit;
mod error;
mod show;

pub use error::EditError;

use args::{Edit, MapArgs};

/// Does what the command line says; what to print, and the next step.
///
/// # Errors
/// [`EditError`] says what to do about it.
pub fn run(args: &MapArgs) -> Result<String, EditError> {
    match &args.edit {
        Edit::Init(args) => edit::init(args),
        Edit::Add(args) => edit::add(args),
        Edit::Remove(args) => edit::remove(args),
        Edit::Forget(args) => edit::forget(args),
        Edit::Replace(args) => edit::replace(args),
        Edit::Move(args) => edit::move_to(args),
        Edit::Show(args) => show::show(args),
    }
}
