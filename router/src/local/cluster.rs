//! A local cluster's directory: the files of the cluster, and a folder for each server's data.

use std::path::{Path, PathBuf};

use wire::ServerId;

use crate::cluster::ClusterDir;
pub use crate::cluster::ClusterError;
use crate::files;

/// A cluster whose files are all there.
#[derive(Clone, Debug)]
pub struct Cluster {
    data: PathBuf,
    servers: Vec<ServerId>,
}

impl Cluster {
    /// Makes in the directory `data` what is missing of a cluster with `servers` servers.
    ///
    /// # Errors
    /// [`ClusterError`] names the file, and the way out where there is one.
    pub fn prepare(data: &Path, servers: u16) -> Result<Self, ClusterError> {
        let dir = ClusterDir::new(&data.join("cluster"));
        files::create_dir(dir.path())?;
        let listed = dir.prepare_map(servers)?.map().servers();
        let (wanted, found) = (usize::from(servers), listed.len());
        if found != wanted {
            return Err(ClusterError::Size { data: data.to_owned(), wanted, found });
        }
        dir.prepare_identities(&listed, 1)?;
        let cluster = Self { data: data.to_owned(), servers: listed };
        for server in &cluster.servers {
            files::create_dir(&cluster.server_data(*server))?;
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
        ClusterDir::new(&self.dir()).router_dir(1)
    }

    /// The directory of a server's certificate and key.
    #[must_use]
    pub fn server_dir(&self, server: ServerId) -> PathBuf {
        ClusterDir::new(&self.dir()).server_dir(server)
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
}
