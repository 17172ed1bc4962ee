//! The files of a cluster: made once, in an order that a crash may cut anywhere, and found again.

pub mod certificates;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use opaque_ke::ServerSetup;
use rand_core_06::{OsRng, RngCore};
use rcgen::KeyPair;
use thiserror::Error;
use wire::opaque::Suite;
use wire::{MapError, OperatorKey, OperatorPublic, ServerId, SignedMap, SlotMap};
use zeroize::{Zeroize, Zeroizing};

use self::certificates::{Authority, new_key};
use crate::core::homes::build_map;
use crate::files::{self, FileError, PUBLIC, SECRET};
use crate::identity::ROUTER_NAME;

/// The directory of a cluster's shared files and identities.
#[derive(Clone, Debug)]
pub struct ClusterDir(PathBuf);

/// Why the cluster's files cannot be used.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// One cannot be made or read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The directory belongs to a cluster of another size.
    #[error(
        "--local {wanted}: {} holds a cluster of {found}; run it with --local {found}, or name \
         another --data for a new one", data.display()
    )]
    Size {
        /// The directory.
        data: PathBuf,
        /// What the command line says.
        wanted: usize,
        /// What the map says.
        found: usize,
    },
    /// The map is damaged.
    #[error("{}: {source}", path.display())]
    Map {
        /// The map file.
        path: PathBuf,
        /// What does not fit.
        source: MapError,
    },
    /// A key file holds no key.
    #[error("{}: not a key of this cluster", .0.display())]
    Key(PathBuf),
    /// A key is needed that is elsewhere.
    #[error("{}: not there; run this where the cluster's keys are, where map init was run",
        .0.display())]
    NoKey(PathBuf),
    /// A certificate cannot be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
}

impl ClusterDir {
    /// The cluster whose files are in `path`.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The directory of a router's certificate and key.
    #[must_use]
    pub fn router_dir(&self, number: u16) -> PathBuf {
        self.0.join(format!("router-{number}"))
    }

    /// The directory of a server's certificate and key.
    #[must_use]
    pub fn server_dir(&self, server: ServerId) -> PathBuf {
        self.0.join(server.to_string())
    }

    /// Makes the operator's key and the map of so many servers, or finds them. First of all: from
    /// here on the cluster has its number of servers. A map that was made before there were
    /// operators' keys stays as it is, and is signed.
    ///
    /// # Errors
    /// [`ClusterError`] names the file.
    pub fn prepare_map(&self, servers: u16) -> Result<SignedMap, ClusterError> {
        let operator = self.prepare_operator()?;
        let path = self.0.join("map");
        let Some(bytes) = files::read_if_there(&path)?.map(Bytes::from) else {
            let servers: Vec<ServerId> = (1..=servers).map(ServerId).collect();
            let map = SignedMap::first(build_map(1, &servers), &operator);
            self.write_map(&map)?;
            return Ok(map);
        };
        let damaged = |source| ClusterError::Map { path: path.clone(), source };
        match SignedMap::decode(bytes.clone(), &operator.public()) {
            Err(MapError::Unsigned) => {
                let map = SlotMap::decode_unsigned(bytes).map_err(|error| damaged(error.into()))?;
                let map = SignedMap::first(map, &operator);
                self.write_map(&map)?;
                Ok(map)
            }
            read => read.map_err(damaged),
        }
    }

    /// Makes what is missing of the OPAQUE setup, the CA, and the certificates.
    ///
    /// # Errors
    /// [`ClusterError`] names the file.
    pub fn prepare_identities(
        &self,
        servers: &[ServerId],
        routers: u16,
    ) -> Result<(), ClusterError> {
        self.prepare_opaque()?;
        let authority = Authority::new(prepare_key(&self.0.join("ca.key"))?)?;
        let path = self.0.join("ca.pem");
        if !files::is_there(&path)? {
            files::write_whole(&path, PUBLIC, authority.pem().as_bytes())?;
        }
        for router in 1..=routers {
            self.prepare_router(router, &authority)?;
        }
        servers.iter().try_for_each(|server| self.prepare_server(*server, &authority))
    }

    /// Makes certificates for servers that come, with the CA that is there.
    ///
    /// # Errors
    /// [`ClusterError`] names the file.
    pub fn certify(&self, servers: &[ServerId]) -> Result<(), ClusterError> {
        let path = self.0.join("ca.key");
        if !files::is_there(&path)? {
            return Err(ClusterError::NoKey(path));
        }
        let authority = Authority::new(prepare_key(&path)?)?;
        servers.iter().try_for_each(|server| self.prepare_server(*server, &authority))
    }

    /// The operator's key, which must be there.
    ///
    /// # Errors
    /// [`ClusterError`] names the file.
    pub fn operator(&self) -> Result<OperatorKey, ClusterError> {
        let path = self.0.join("operator.key");
        let Some(bytes) = files::read_if_there(&path)?.map(Zeroizing::new) else {
            return Err(ClusterError::NoKey(path));
        };
        OperatorKey::decode(&bytes).map_err(|_| ClusterError::Key(path))
    }

    /// The map, if `operator` has signed it.
    ///
    /// # Errors
    /// [`ClusterError`] names the file.
    pub fn read_map(&self, operator: &OperatorPublic) -> Result<SignedMap, ClusterError> {
        let path = self.0.join("map");
        let bytes = files::read(&path)?.into();
        SignedMap::decode(bytes, operator).map_err(|source| ClusterError::Map { path, source })
    }

    /// Writes the map whole.
    ///
    /// # Errors
    /// [`ClusterError`] names the file.
    pub fn write_map(&self, map: &SignedMap) -> Result<(), ClusterError> {
        Ok(files::write_whole(&self.0.join("map"), PUBLIC, map.bytes())?)
    }

    /// The secret half first: the public half follows from it.
    fn prepare_operator(&self) -> Result<OperatorKey, ClusterError> {
        let path = self.0.join("operator.key");
        if !files::is_there(&path)? {
            let mut seed = Zeroizing::new([0; 32]);
            OsRng.fill_bytes(seed.as_mut_slice());
            files::write_whole(&path, SECRET, &OperatorKey::from_seed(&seed).encode())?;
        }
        let key = self.operator()?;
        let path = self.0.join("operator.pub");
        if !files::is_there(&path)? {
            files::write_whole(&path, PUBLIC, &key.public().encode())?;
        }
        Ok(key)
    }

    fn prepare_opaque(&self) -> Result<(), ClusterError> {
        let path = self.0.join("opaque.setup");
        if files::is_there(&path)? {
            return Ok(());
        }
        let mut setup = ServerSetup::<Suite>::new(&mut OsRng).serialize();
        let written = files::write_whole(&path, SECRET, &setup);
        setup.as_mut_slice().zeroize();
        Ok(written?)
    }

    fn prepare_router(&self, number: u16, authority: &Authority) -> Result<(), ClusterError> {
        let names = vec![format!("router-{number}.{ROUTER_NAME}"), ROUTER_NAME.to_owned()];
        prepare_identity(&self.router_dir(number), |key| authority.certify_router(names, key))
    }

    fn prepare_server(&self, server: ServerId, authority: &Authority) -> Result<(), ClusterError> {
        let name = server.certificate_name();
        prepare_identity(&self.server_dir(server), |key| authority.certify_server(name, key))
    }
}

fn prepare_identity(
    dir: &Path,
    certify: impl FnOnce(&KeyPair) -> Result<rcgen::Certificate, rcgen::Error>,
) -> Result<(), ClusterError> {
    files::create_dir(dir)?;
    let key = prepare_key(&dir.join("key.pem"))?;
    let path = dir.join("cert.pem");
    if !files::is_there(&path)? {
        files::write_whole(&path, PUBLIC, certify(&key)?.pem().as_bytes())?;
    }
    Ok(())
}

fn prepare_key(path: &Path) -> Result<KeyPair, ClusterError> {
    if let Some(pem) = files::read_if_there(path)?.map(Zeroizing::new) {
        let pem = std::str::from_utf8(&pem).map_err(|_| ClusterError::Key(path.to_owned()))?;
        return KeyPair::from_pem(pem).map_err(|_| ClusterError::Key(path.to_owned()));
    }
    let key = new_key()?;
    let pem = Zeroizing::new(key.serialize_pem());
    files::write_whole(path, SECRET, pem.as_bytes())?;
    Ok(key)
}
