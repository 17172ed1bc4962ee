//! Where clients and peers connect.

use std::net::SocketAddr;
use std::sync::Arc;

use wire::net::{ListenSecurity, ListenerId, Net, Policy};

use super::ShellError;
use crate::config::Config;
use crate::identity::Identity;

pub(super) fn listen_for_clients(
    net: &mut Net,
    config: &Config,
    identity: &Identity,
) -> Result<(ListenerId, SocketAddr), ShellError> {
    let security = if config.is_plaintext {
        tracing::warn!("--plaintext: clients are served without TLS, for benches");
        ListenSecurity::Plain
    } else {
        ListenSecurity::Tls(Arc::clone(&identity.clients))
    };
    listen(net, "--listen", config.listen, security, Policy::early_client())
}

pub(super) fn listen_for_peers(
    net: &mut Net,
    config: &Config,
    identity: &Identity,
) -> Result<(ListenerId, SocketAddr), ShellError> {
    let security = ListenSecurity::Tls(Arc::clone(&identity.peers));
    listen(net, "--peer-listen", config.peer_listen, security, Policy::peer())
}

fn listen(
    net: &mut Net,
    flag: &'static str,
    address: SocketAddr,
    security: ListenSecurity,
    policy: Policy,
) -> Result<(ListenerId, SocketAddr), ShellError> {
    let bound = net.listen(address, security, policy);
    bound.map_err(|source| ShellError::Listen { flag, address, source })
}
