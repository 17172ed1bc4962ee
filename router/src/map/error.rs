//! Why a map cannot be made, changed or shown.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;
use wire::limits::{SERVERS_MAX, SLOTS};
use wire::{NameError, ServerId};

use crate::cluster::ClusterError;
use crate::core::homes::ChangeError;
use crate::files::FileError;
use crate::identity::IdentityError;

/// Why a map command came to nothing. Nothing was changed.
#[derive(Debug, Error)]
pub enum EditError {
    /// No server has this number.
    #[error("servers are numbered from 1")]
    Number,
    /// A map has not so many servers.
    #[error("--servers: from 1 to {SERVERS_MAX}")]
    TooMany,
    /// So many servers cannot come.
    #[error("--count: at least 1, and no number above 65535")]
    Count,
    /// What should be slots is none.
    #[error("--slots {0}: one, such as 17, or from the first to the last, such as 0-127; the last \
        is {last}", last = SLOTS - 1)]
    Slots(String),
    /// What should be a store's id is none.
    #[error("--store {0}: not a store's id; it has 32 hexadecimal digits")]
    Store(String),
    /// What should be a user's or a group's name is none.
    #[error("--of {0}: {1}")]
    Name(String, NameError),
    /// The directory belongs to a cluster of another size.
    #[error(
        "--servers {wanted}: {} holds a cluster of {found}; change it with map add or map remove, \
         or name another --cluster for a new one", cluster.display()
    )]
    Size {
        /// The directory.
        cluster: PathBuf,
        /// What the command line says.
        wanted: usize,
        /// What the map says.
        found: usize,
    },
    /// The map cannot be changed so.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// A server that owns slots cannot be taken out of the list.
    #[error("{0} owns slots; take them away with map remove, and wait until they have moved")]
    StillOwns(ServerId),
    /// Another process changes the map.
    #[error("{}: another process changes this map; wait for it", .0.display())]
    Locked(PathBuf),
    /// The map is older than what was made here.
    #[error(
        "the map has version {found}, and version {newest} was made here: nothing may be made from \
         the older one; put it back with cp {} map", copy.display()
    )]
    Older {
        /// The map's version.
        found: u32,
        /// The newest that was made.
        newest: u32,
        /// Where the newest is.
        copy: PathBuf,
    },
    /// Two maps have the same version.
    #[error(
        "the map of version {version} does not fit {}: it was made elsewhere, from another one; \
         find out which of the two the servers have (map show), and keep that", copy.display()
    )]
    Fork {
        /// The map's version.
        version: u32,
        /// What it does not fit.
        copy: PathBuf,
    },
    /// The cluster's files cannot be used.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The map cannot be read.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A file cannot be made, read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Text cannot be made.
    #[error(transparent)]
    Text(#[from] fmt::Error),
}
