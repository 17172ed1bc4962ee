//! Why a command did not come about, and what to do next.

use std::io;
use std::path::PathBuf;

use storage::backup::BackupError;
use thiserror::Error;

/// What went wrong.
#[derive(Debug, Error)]
pub enum CommandError {
    /// The backup or the store.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The socket beside the store cannot be used.
    #[error(
        "{}: {source}: run this as the user that the server runs as, or as root",
        path.display()
    )]
    Socket {
        /// The socket.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A process has the store open and listens to nobody.
    #[error(
        "the store {} is in use, but its server listens to nobody: its log says why (it could not \
         make the socket {}.socket); restart it, or stop it for the backup",
        .0.display(), .0.display()
    )]
    Silent(PathBuf),
    /// The running server made no checkpoint.
    #[error("the server: {0}")]
    Server(String),
    /// The server went while it was asked.
    #[error("the server stopped before its checkpoint was made: try again")]
    Gone,
    /// The mark of a superseded store cannot be taken away.
    #[error("{}: {source}: delete it", mark.display())]
    Mark {
        /// The mark.
        mark: PathBuf,
        /// Why it stays.
        source: io::Error,
    },
    /// No server runs there.
    #[error(
        "no server runs on the store {}, or its log says why it hears no commands",
        .0.display()
    )]
    NotServed(PathBuf),
    /// The server was stopped otherwise before it was empty.
    #[error(
        "the server was stopped before it was empty: who was connected finds another by itself"
    )]
    Stopped,
    /// The server's process has died.
    #[error("the server ended without a word: look into its log before it is started again")]
    Died,
    /// A server runs on what was moved away.
    #[error(
        "a server still runs on the store {}, though it may have been moved: stop it first",
        .0.display()
    )]
    Served(PathBuf),
}
