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
    ready: Option<Ready>,
}

struct Ready {
    addresses: Vec<SocketAddr>,
    tls: Arc<ClientConfig>,
}

impl Dialer {
    /// `routers` as `HOST:PORT`, `ca` as a PEM file. Both may be missing as long as nothing dials.
    #[must_use]
    pub fn new(routers: Vec<String>, ca: Option<PathBuf>) -> Self {
        let ready = None;
        Self { routers, ca, ready }
    }

    /// The address of a router and how to check it.
    pub(super) fn router(&mut self, index: usize) -> Result<(SocketAddr, Security), Failure> {
        let ready = self.ready()?;
        let address = ready.addresses[index % ready.addresses.len()];
        let tls = Arc::clone(&ready.tls);
        Ok((address, Security::Connect(tls, ROUTER_NAME.to_owned())))
    }

    /// How to check that a server is the named one.
    pub(super) fn seat(&mut self, server: ServerId) -> Result<Security, Failure> {
        let tls = Arc::clone(&self.ready()?.tls);
        Ok(Security::Connect(tls, server.certificate_name()))
    }

    fn ready(&mut self) -> Result<&Ready, Failure> {
        if self.ready.is_none() {
            self.ready = Some(Ready { tls: self.load_tls()?, addresses: self.look_up()? });
        }
        Ok(self.ready.as_ref().expect("set above"))
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
