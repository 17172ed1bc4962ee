//! The files that a server reads: who it is, whom it trusts, the map, and the OPAQUE setup.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use opaque_ke::ServerSetup;
use operate::files::{UnreadableError, check_readable, exposed};
use rustls::{ClientConfig, ServerConfig};
use thiserror::Error;
use wire::net::tls::{self, TlsFileError};
use wire::net::{Callers, Own};
use wire::opaque::Suite;
use wire::operator::OperatorKeyError;
use wire::{MapError, MapFile, OperatorPublic, ServerId};
use zeroize::Zeroizing;

use crate::config::Config;
use crate::map_file::may_serve;

/// A server's identity in its cluster.
pub struct Identity {
    /// TLS for the clients' listener.
    pub clients: Arc<ServerConfig>,
    /// TLS for the peers' listener, where a certificate of one of the `callers` is mandatory.
    pub peers: Arc<ServerConfig>,
    /// The CA that everybody trusts, in PEM.
    pub ca: Vec<u8>,
    /// This server's certificate, which all three show.
    pub own: Own,
    /// Who may dial this server's peer port: the servers of the map with a lower id.
    pub callers: Callers,
    /// TLS for dialing peers and routers, with this server's certificate.
    pub dialing: Arc<ClientConfig>,
    /// The home of each slot.
    pub map: MapFile,
    /// The cluster's OPAQUE setup.
    pub setup: ServerSetup<Suite>,
}

/// Why the files cannot be used.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// Some cannot be read.
    #[error(transparent)]
    Unreadable(#[from] UnreadableError),
    /// One cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
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
    /// The map does not list this server.
    #[error("--id: the map of {} has no {server}", path.display())]
    NotInMap {
        /// The map file.
        path: PathBuf,
        /// This server.
        server: ServerId,
    },
    /// The OPAQUE setup is damaged.
    #[error("{} holds no OPAQUE setup of this protocol version", .0.display())]
    Setup(PathBuf),
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
    /// Reads the files that the flags name.
    ///
    /// # Errors
    /// [`IdentityError`] names the file.
    pub fn read(config: &Config) -> Result<Self, IdentityError> {
        check_readable(&config.files())?;
        let wrong = |source| IdentityError::Tls { path: config.identity.clone(), source };
        let ca = read(&config.cluster.join("ca.pem"))?.to_vec();
        let own = read_own(&ca, &config.identity, config.id)?;
        let map = read_map(&config.cluster)?;
        if !may_serve(map.map(), config.id) {
            let (path, server) = (config.cluster.join("map"), config.id);
            return Err(IdentityError::NotInMap { path, server });
        }
        let callers = Callers::new(callers(&map.map().known(), config.id));
        Ok(Self {
            clients: tls::server_config(&own, None).map_err(wrong)?,
            peers: tls::server_config(&own, Some((&ca, &callers))).map_err(wrong)?,
            dialing: tls::client_config(&ca, Some(&own)).map_err(wrong)?,
            ca,
            own,
            callers,
            map,
            setup: read_setup(config.cluster.join("opaque.setup"))?,
        })
    }
}

/// Secrets of `config` that others can read, a line each that says what to do.
#[must_use]
pub fn exposed_secrets(config: &Config) -> Vec<String> {
    let (key, setup) = (config.identity.join("key.pem"), config.cluster.join("opaque.setup"));
    exposed(&[&key, &setup])
}

/// Reads the certificate and the key in the folder `identity`, and checks that the others, who
/// trust the CA `ca` (in PEM), will take this process for the server `me`.
///
/// # Errors
/// [`IdentityError`] names the file, or says whose the certificate is.
pub fn read_own(ca: &[u8], identity: &Path, me: ServerId) -> Result<Own, IdentityError> {
    let (cert, key) = (read(&identity.join("cert.pem"))?, read(&identity.join("key.pem"))?);
    let wrong = |source| IdentityError::Tls { path: identity.to_owned(), source };
    let own = Own::read(&cert, &key).map_err(wrong)?;
    let name = me.certificate_name();
    own.check(ca, &name).map_err(wrong)?;
    own.check_as_caller(ca, &name).map_err(wrong)?;
    Ok(own)
}

/// The certificate names of those of `servers` that dial `me`.
#[must_use]
pub fn callers(servers: &[ServerId], me: ServerId) -> Vec<String> {
    let lower = servers.iter().filter(|server| **server < me);
    lower.map(|server| server.certificate_name()).collect()
}

/// Reads the map of the directory `cluster`, and checks who made it.
///
/// # Errors
/// [`IdentityError`] names the file.
pub fn read_map(cluster: &Path) -> Result<MapFile, IdentityError> {
    let path = cluster.join("map");
    let operator = read_operator(cluster.join("operator.pub"))?;
    let bytes = read(&path)?.to_vec().into();
    MapFile::decode(bytes, operator.as_ref()).map_err(|source| IdentityError::Map { path, source })
}

/// Clusters that were made before maps could change have none.
fn read_operator(path: PathBuf) -> Result<Option<OperatorPublic>, IdentityError> {
    match read(&path) {
        Ok(bytes) => match OperatorPublic::decode(&bytes) {
            Ok(operator) => Ok(Some(operator)),
            Err(source) => Err(IdentityError::Operator { path, source }),
        },
        Err(IdentityError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn read_setup(path: PathBuf) -> Result<ServerSetup<Suite>, IdentityError> {
    let bytes = read(&path)?;
    ServerSetup::deserialize(&bytes).map_err(|_| IdentityError::Setup(path))
}

/// A file's bytes, wiped after use: some are keys.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
    let file = fs::read(path);
    file.map(Zeroizing::new).map_err(|source| IdentityError::File { path: path.into(), source })
}
