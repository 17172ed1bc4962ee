//! The files that a router reads: who it is, whom it trusts, and the map.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use operate::files::{UnreadableError, check_readable, exposed};
use rustls::ServerConfig;
use thiserror::Error;
use wire::net::tls::{self, TlsFileError};
use wire::net::{Callers, Own};
use wire::operator::OperatorKeyError;
use wire::{MapError, MapFile, OperatorPublic, ServerId};
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
    /// The CA that everybody trusts, in PEM.
    pub ca: Vec<u8>,
    /// This router's certificate, which both show.
    pub own: Own,
    /// Who may call there: the servers of the map.
    pub callers: Callers,
    /// The home of each slot.
    pub map: MapFile,
}

/// Why the files cannot be used.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// Some cannot be read.
    #[error(transparent)]
    Unreadable(#[from] UnreadableError),
    /// One cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The map is not a map.
    #[error("{}: {source}", path.display())]
    Map {
        /// The map file.
        path: PathBuf,
        /// What does not fit.
        source: MapError,
    },
    /// The operator's key is not one.
    #[error("{}: {source}", path.display())]
    Operator {
        /// The key file.
        path: PathBuf,
        /// What is wrong.
        source: OperatorKeyError,
    },
    /// The certificate, its key or the CA is wrong, or the certificate is another's.
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
        let shared = ["ca.pem", "map"].map(|name| cluster.join(name));
        let pair = ["cert.pem", "key.pem"].map(|name| identity.join(name));
        check_readable(&[shared, pair].concat())?;
        let in_dir = |source| IdentityError::Tls { path: identity.to_owned(), source };
        let ca = files::read(&cluster.join("ca.pem"))?;
        let own = read_own(&ca, identity)?;
        let map = read_map(cluster)?;
        let callers = Callers::new(map.map().servers().into_iter().map(ServerId::certificate_name));
        Ok(Self {
            clients: tls::server_config(&own, None).map_err(in_dir)?,
            servers: tls::server_config(&own, Some((&ca, &callers))).map_err(in_dir)?,
            ca,
            own,
            callers,
            map,
        })
    }
}

/// The secret in the folder `identity` if others can read it, with what to do.
#[must_use]
pub fn exposed_secrets(identity: &Path) -> Vec<String> {
    exposed(&[&identity.join("key.pem")])
}

/// Reads the certificate and the key in the folder `identity`, and checks that others, who trust
/// the CA `ca` (in PEM), will take this process for a router.
///
/// # Errors
/// [`IdentityError`] names the file, or says whose the certificate is.
pub fn read_own(ca: &[u8], identity: &Path) -> Result<Own, IdentityError> {
    let cert = files::read(&identity.join("cert.pem"))?;
    let key = Zeroizing::new(files::read(&identity.join("key.pem"))?);
    let wrong = |source| IdentityError::Tls { path: identity.to_owned(), source };
    let own = Own::read(&cert, &key).map_err(wrong)?;
    own.check(ca, ROUTER_NAME).map_err(wrong)?;
    Ok(own)
}

/// Reads the map of the directory `cluster`, and checks who made it.
///
/// # Errors
/// [`IdentityError`] names the file.
pub fn read_map(cluster: &Path) -> Result<MapFile, IdentityError> {
    let path = cluster.join("map");
    let operator = read_operator(cluster.join("operator.pub"))?;
    let bytes = files::read(&path)?;
    MapFile::decode(bytes.into(), operator.as_ref())
        .map_err(|source| IdentityError::Map { path, source })
}

/// Clusters that were made before maps could change have none.
fn read_operator(path: PathBuf) -> Result<Option<OperatorPublic>, IdentityError> {
    let Some(bytes) = files::read_if_there(&path)? else {
        return Ok(None);
    };
    match OperatorPublic::decode(&bytes) {
        Ok(operator) => Ok(Some(operator)),
        Err(source) => Err(IdentityError::Operator { path, source }),
    }
}
