//! Where the routers are and how their certificates are checked; looked up at the first dial.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use wire::ServerId;
use wire::net::{Security, tls};

use crate::failure::{Code, Failure};

/// The DNS name in every router's certificate.
const ROUTER_NAME: &str = "router.fastchat";

/// What the user said about the cluster, and what was made of it.
pub struct Dialer {
    routers: Vec<String>,
    ca: Option<PathBuf>,
    addresses: Vec<SocketAddr>,
    tls: Option<Arc<ClientConfig>>,
}

/// One of the routers.
pub(super) struct Router {
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// How to check that it is one.
    pub(super) security: Security,
    /// How many addresses of routers there are.
    pub(super) count: usize,
}

impl Dialer {
    /// `routers` as `HOST:PORT`, `ca` as a PEM file. Both may be missing as long as nothing dials.
    #[must_use]
    pub fn new(routers: Vec<String>, ca: Option<PathBuf>) -> Self {
        Self { routers, ca, addresses: Vec::new(), tls: None }
    }

    /// The router of this index, modulo their number.
    pub(super) fn router(&mut self, index: usize) -> Result<Router, Failure> {
        let tls = self.tls()?;
        if self.addresses.is_empty() {
            self.addresses = self.look_up()?;
        }
        let count = self.addresses.len();
        let address = self.addresses[index % count];
        let security = Security::Connect(tls, ROUTER_NAME.to_owned());
        Ok(Router { address, security, count })
    }

    /// How to check that a server is the named one.
    pub(super) fn seat(&mut self, server: ServerId) -> Result<Security, Failure> {
        Ok(Security::Connect(self.tls()?, server.certificate_name()))
    }

    fn tls(&mut self) -> Result<Arc<ClientConfig>, Failure> {
        if let Some(tls) = &self.tls {
            return Ok(Arc::clone(tls));
        }
        let tls = self.load_tls()?;
        self.tls = Some(Arc::clone(&tls));
        Ok(tls)
    }

    fn load_tls(&self) -> Result<Arc<ClientConfig>, Failure> {
        let Some(path) = &self.ca else {
            return Err(Failure::usage(
                "no certificate authority is given; use --ca FILE or FASTCHAT_CA",
            ));
        };
        let wrong = |error: &dyn std::fmt::Display| {
            Failure::usage(format!("--ca {}: {error}", path.display()))
        };
        let pem = std::fs::read(path).map_err(|error| wrong(&error))?;
        tls::client_config(&pem, None).map_err(|error| wrong(&error))
    }

    fn look_up(&self) -> Result<Vec<SocketAddr>, Failure> {
        if self.routers.is_empty() {
            return Err(Failure::usage(
                "no router is given; use --router HOST:PORT or FASTCHAT_ROUTER",
            ));
        }
        let mut addresses = Vec::new();
        let mut last = None;
        for router in &self.routers {
            match router.to_socket_addrs() {
                Ok(found) => addresses.extend(found),
                Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => {
                    return Err(Failure::usage(format!("--router {router}: {error}")));
                }
                Err(error) => last = Some(format!("{router} cannot be looked up: {error}")),
            }
        }
        match (addresses.is_empty(), last) {
            (true, Some(why)) => Err(Failure::new(Code::Unavailable, why)),
            (true, None) => Err(Failure::usage("--router names no address")),
            (false, _) => Ok(addresses),
        }
    }
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialer")
            .field("routers", &self.routers)
            .field("ca", &self.ca)
            .finish_non_exhaustive()
    }
}
