//! Whom this server reaches of those that it dials, as operators hear of it: each change once.

use std::collections::{BTreeMap, BTreeSet};

use wire::ConnId;
use wire::net::CloseCause;

use super::Shell;
use crate::core::Target;

/// What was told last.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// Connections that this server has made.
    made: BTreeMap<ConnId, Target>,
    /// Why somebody is not reached, as far as it was told since it was reached last.
    troubles: BTreeMap<Target, BTreeSet<String>>,
    routers: usize,
    /// Connections that were refused at the peer port, as far as it was looked at them.
    refused: u64,
}

impl Reach {
    pub(super) fn on_connected(&mut self, conn: ConnId, target: Target) {
        self.made.insert(conn, target);
    }

    /// Who is not reached any more, if this server had made the connection that has ended and has
    /// made no other since.
    pub(super) fn on_closed(&mut self, conn: ConnId) -> Option<Target> {
        let target = self.made.remove(&conn)?;
        let is_replaced = self.made.values().any(|other| *other == target);
        (!is_replaced).then_some(target)
    }
}

impl Shell {
    /// A connection to `target` has ended, or none could be made.
    pub(super) fn tell_of_trouble(&mut self, target: Target, why: &CloseCause) {
        if self.stop || !self.core.wants(target) {
            return;
        }
        let who = match target {
            Target::Peer(server) => server.to_string(),
            Target::Router(index) => format!("the router at {}", self.routers[index]),
        };
        let why = match why {
            CloseCause::Local => "it does not answer".to_owned(),
            // What rustls calls the refusal of a certificate that is not on the list.
            CloseCause::Tls(why) if why.contains("AccessDenied") => {
                format!("{why}: its map lists no such server, as its log says")
            }
            CloseCause::Tls(why) => format!("{why}: compare the certificates of both sides"),
            why => why.to_string(),
        };
        if !self.reach.troubles.entry(target).or_default().insert(why.clone()) {
            return;
        }
        // Peers come and go; who stops a local cluster stops its router first.
        if matches!(target, Target::Router(_)) && !self.is_local {
            tracing::warn!("{who} is not reached: {why}; tried again until it is there");
        } else {
            tracing::info!("{who} is not reached: {why}; tried again until it is there");
        }
    }

    /// Tells what has changed since the last turn.
    pub(super) fn tell_of_changes(&mut self) {
        let core = &self.core;
        self.reach.troubles.retain(|target, _| core.wants(*target) && !core.reaches(*target));
        let (routers, of) = (core.routers_in_touch(), self.routers.len());
        if routers != std::mem::replace(&mut self.reach.routers, routers) {
            tracing::info!(routers, of, "routers in touch");
        }
        let refused = self.net.refused(self.peers);
        if refused != std::mem::replace(&mut self.reach.refused, refused) {
            self.tell_of_the_turned_away();
        }
    }

    /// Servers that the map does not list, or that have no business here.
    fn tell_of_the_turned_away(&self) {
        for name in self.identity.callers.turned_away() {
            tracing::warn!(
                name,
                "turned away: this server's map lists no such server that dials here; if it \
                 should, give the routers and servers the newest map and send them SIGHUP"
            );
        }
    }
}
