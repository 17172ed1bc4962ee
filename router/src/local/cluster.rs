//! The files of a cluster: made once, in an order that a crash may cut anywhere, and found again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use opaque_ke::ServerSetup;
use rand_core_06::{OsRng, RngCore};
use rcgen::KeyPair;
use thiserror::Error;
use wire::opaque::Suite;
use wire::{MapError, OperatorKey, ServerId, SignedMap, SlotMap};
use zeroize::{Zeroize, Zeroizing};

use super::certificates::{Authority, new_key};
use crate::core::homes::build_map;
use crate::files::{self, FileError, PUBLIC, SECRET};
use crate::identity::ROUTER_NAME;

/// A cluster whose files are all there.
#[derive(Clone, Debug)]
pub struct Cluster {
    data: PathBuf,
    servers: Vec<ServerId>,
}

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
    /// A certificate cannot be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
}

impl Cluster {
    /// Makes in the directory `data` what is missing of a cluster with `servers` servers.
    ///
    /// # Errors
    /// [`ClusterError`] names the file, and the way out where there is one.
    pub fn prepare(data: &Path, servers: u16) -> Result<Self, ClusterError> {
        let cluster =
            Self { data: data.to_owned(), servers: (1..=servers).map(ServerId).collect() };
        files::create_dir(&cluster.dir())?;
        cluster.prepare_map()?;
        cluster.prepare_opaque()?;
        let authority = cluster.prepare_authority()?;
        cluster.prepare_router(&authority)?;
        for server in &cluster.servers {
            cluster.prepare_server(*server, &authority)?;
        }
        Ok(cluster)
    }

    /// The directory of the cluster's shared files and identities.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        self.data.join("cluster")
    }

    /// The directory of the router's certificate and key.
    #[must_use]
    pub fn router_dir(&self) -> PathBuf {
        self.dir().join("router-1")
    }

    /// The directory of a server's certificate and key.
    #[must_use]
    pub fn server_dir(&self, server: ServerId) -> PathBuf {
        self.dir().join(server.to_string())
    }

    /// The directory of a server's store and log.
    #[must_use]
    pub fn server_data(&self, server: ServerId) -> PathBuf {
        self.data.join(server.to_string())
    }

    /// The servers, by id.
    #[must_use]
    pub fn servers(&self) -> &[ServerId] {
        &self.servers
    }

    /// First of all: from here on the directory has its number of servers.
    fn prepare_map(&self) -> Result<(), ClusterError> {
        let operator = self.prepare_operator()?;
        let path = self.dir().join("map");
        let Some(bytes) = files::read_if_there(&path)?.map(Bytes::from) else {
            let map = SignedMap::first(build_map(1, &self.servers), &operator);
            return Ok(files::write_whole(&path, PUBLIC, map.bytes())?);
        };
        let signed = SignedMap::decode(bytes.clone(), &operator.public());
        let map = match signed {
            Ok(map) => Arc::clone(map.map()),
            Err(MapError::Unsigned) => Arc::new(self.sign_anew(bytes, &operator)?),
            Err(source) => return Err(ClusterError::Map { path, source }),
        };
        let found = map.servers();
        if found == self.servers {
            return Ok(());
        }
        Err(ClusterError::Size {
            data: self.data.clone(),
            wanted: self.servers.len(),
            found: found.len(),
        })
    }

    /// A cluster that was made before there were operators' keys: its map stays, and is signed.
    fn sign_anew(&self, bytes: Bytes, operator: &OperatorKey) -> Result<SlotMap, ClusterError> {
        let path = self.dir().join("map");
        let map = SlotMap::decode_unsigned(bytes);
        let map =
            map.map_err(|source| ClusterError::Map { path: path.clone(), source: source.into() })?;
        let signed = SignedMap::first(map.clone(), operator);
        files::write_whole(&path, PUBLIC, signed.bytes())?;
        Ok(map)
    }

    /// The operator's key, its secret half first: the public half follows from it.
    fn prepare_operator(&self) -> Result<OperatorKey, ClusterError> {
        let path = self.dir().join("operator.key");
        let key = match files::read_if_there(&path)?.map(Zeroizing::new) {
            Some(bytes) => OperatorKey::decode(&bytes).map_err(|_| ClusterError::Key(path))?,
            None => {
                let mut seed = Zeroizing::new([0; 32]);
                OsRng.fill_bytes(seed.as_mut_slice());
                let key = OperatorKey::from_seed(&seed);
                files::write_whole(&path, SECRET, &key.encode())?;
                key
            }
        };
        let path = self.dir().join("operator.pub");
        if !files::is_there(&path)? {
            files::write_whole(&path, PUBLIC, &key.public().encode())?;
        }
        Ok(key)
    }

    fn prepare_opaque(&self) -> Result<(), ClusterError> {
        let path = self.dir().join("opaque.setup");
        if files::is_there(&path)? {
            return Ok(());
        }
        let mut setup = ServerSetup::<Suite>::new(&mut OsRng).serialize();
        let written = files::write_whole(&path, SECRET, &setup);
        setup.as_mut_slice().zeroize();
        Ok(written?)
    }

    fn prepare_authority(&self) -> Result<Authority, ClusterError> {
        let authority = Authority::new(prepare_key(&self.dir().join("ca.key"))?)?;
        let path = self.dir().join("ca.pem");
        if !files::is_there(&path)? {
            files::write_whole(&path, PUBLIC, authority.pem().as_bytes())?;
        }
        Ok(authority)
    }

    fn prepare_router(&self, authority: &Authority) -> Result<(), ClusterError> {
        let names = vec![format!("router-1.{ROUTER_NAME}"), ROUTER_NAME.to_owned()];
        prepare_identity(&self.router_dir(), |key| authority.certify_router(names, key))
    }

    fn prepare_server(&self, server: ServerId, authority: &Authority) -> Result<(), ClusterError> {
        files::create_dir(&self.server_data(server))?;
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
