//! The files that a router reads: who it is, whom it trusts, and the map.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use thiserror::Error;
use wire::net::Callers;
use wire::net::tls::{self, TlsFileError};
use wire::{DecodeError, ServerId, SlotMap};
use zeroize::Zeroizing;

use crate::files::{self, FileError};

/// The DNS name that clients and servers verify in the certificate of every router.
pub const ROUTER_NAME: &str = "router.fastchat";

/// A router's identity in its cluster.
pub struct Identity {
    /// TLS for the clients' listener.
    pub clients: Arc<ServerConfig>,
    /// TLS for the servers' listener, where a certificate of one of the `callers` is mandatory.
    pub servers: Arc<ServerConfig>,
    /// Who may call there: the servers of the map.
    pub callers: Callers,
    /// The home of each slot.
    pub map: SlotMap,
}

/// Why the files cannot be used.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// One cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The map is not a map.
    #[error("{}: {source}", path.display())]
    Map {
        /// The map file.
        path: PathBuf,
        /// What does not fit.
        source: DecodeError,
    },
    /// The certificate, its key or the CA is wrong.
    #[error("the certificate in {}: {source}", path.display())]
    Tls {
        /// The directory of the certificate.
        path: PathBuf,
        /// What is wrong.
        source: TlsFileError,
    },
}

impl Identity {
    /// Reads `ca.pem` and `map` of the directory `cluster`, `cert.pem` and `key.pem` of `identity`.
    ///
    /// # Errors
    /// [`IdentityError`] names the file.
    pub fn read(cluster: &Path, identity: &Path) -> Result<Self, IdentityError> {
        let ca = files::read(&cluster.join("ca.pem"))?;
        let cert = files::read(&identity.join("cert.pem"))?;
        let key = Zeroizing::new(files::read(&identity.join("key.pem"))?);
        let in_dir = |source| IdentityError::Tls { path: identity.to_owned(), source };
        let map = read_map(&cluster.join("map"))?;
        let callers = Callers::new(map.servers().into_iter().map(ServerId::certificate_name));
        let servers = tls::server_config(&cert, &key, Some((&ca, &callers)));
        Ok(Self {
            clients: tls::server_config(&cert, &key, None).map_err(in_dir)?,
            servers: servers.map_err(in_dir)?,
            callers,
            map,
        })
    }
}

fn read_map(path: &Path) -> Result<SlotMap, IdentityError> {
    let bytes = files::read(path)?;
    SlotMap::decode(bytes.into())
        .map_err(|source| IdentityError::Map { path: path.to_owned(), source })
}
