//! Why a server cannot run, or has ended unasked.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use operate::admin::AdminError;
use storage::StorageError;
use thiserror::Error;

use crate::identity::IdentityError;
use crate::map_file::StoredMapError;
use crate::setup_mark::SetupMarkError;

/// Why a server cannot run.
#[derive(Debug, Error)]
pub enum ShellError {
    /// Its files cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Neither the map file nor the map in the store can be used.
    #[error("{}: {source}", path.display())]
    Map {
        /// The map file.
        path: PathBuf,
        /// Why not.
        source: StoredMapError,
    },
    /// Its store cannot be opened.
    #[error("--store: {0}")]
    Storage(#[from] StorageError),
    /// Its store belongs to another OPAQUE setup.
    #[error(transparent)]
    Setup(#[from] SetupMarkError),
    /// An address cannot be listened on.
    #[error("{flag} {address}: {source}")]
    Listen {
        /// The flag of the address.
        flag: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The admin listener cannot be had.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The operating system gave no poll, no signals or no thread.
    #[error("the operating system: {0}")]
    System(#[from] io::Error),
    /// The operating system has no random bytes.
    #[error("the operating system has no random bytes: {0}")]
    Random(#[from] rand::rngs::SysError),
    /// Others have said that this store must not be served.
    #[error(
        "--store: {} says that a later process of this server, or another store, is known; make \
         sure which store holds. If it is this one, stop the other and run \
         `fastchat-server --restored {}` once", mark.display(), store.display()
    )]
    Marked {
        /// The mark.
        mark: PathBuf,
        /// The store.
        store: PathBuf,
    },
}

/// Why a server that ran has ended unasked.
#[derive(Debug, Error)]
pub enum RunError {
    /// The poll failed.
    #[error("the operating system: {0}")]
    System(#[from] io::Error),
    /// The store failed while it was closed.
    #[error("--store: {0}; what was accepted before is on disk")]
    Storage(#[from] StorageError),
    /// Others know a later process of this server, or another store.
    #[error(
        "{by} knows a later process of this server, or another store: this process works on an \
         old copy and has ended; see {}", mark.display()
    )]
    Superseded {
        /// Who said so.
        by: String,
        /// The mark that keeps the store from being served again.
        mark: PathBuf,
    },
}
