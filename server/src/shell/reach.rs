//! Whom this server reaches of those that it dials, as operators hear of it: each change once.

use std::collections::BTreeMap;

use wire::ConnId;
use wire::net::CloseCause;

use super::Shell;
use crate::core::Target;

/// What was told last.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// Connections that this server has made.
    made: BTreeMap<ConnId, Target>,
    /// Why somebody is not reached.
    troubles: BTreeMap<Target, String>,
    routers: usize,
    /// Connections that were refused at the peer port, as far as it was looked at them.
    refused: u64,
}

impl Reach {
    pub(super) fn on_connected(&mut self, conn: ConnId, target: Target) {
        self.made.insert(conn, target);
    }

    /// Whose connection has ended, if this server had made it.
    pub(super) fn on_closed(&mut self, conn: ConnId) -> Option<Target> {
        self.made.remove(&conn)
    }
}

impl Shell {
    /// A connection to `target` has ended, or none could be made.
    pub(super) fn tell_of_trouble(&mut self, target: Target, why: &CloseCause) {
        let who = match target {
            Target::Peer(server) => server.to_string(),
            Target::Router(index) => format!("the router at {}", self.routers[index]),
        };
        if self.core.reaches(target) {
            self.reach.troubles.remove(&target);
        }
        let told = self.reach.troubles.insert(target, why.to_string());
        if self.stop || told.is_some_and(|told| told == why.to_string()) {
            return;
        }
        let is_refused = matches!(why, CloseCause::Tls(_));
        let advice = match is_refused {
            true => "; its map may not list this server: its log says so",
            false => "; tried again until it is there",
        };
        // Who stops a local cluster stops all of it; peers come and go.
        if is_refused || (matches!(target, Target::Router(_)) && !self.is_local) {
            tracing::warn!("{who} is not reached: {why}{advice}");
        } else {
            tracing::info!("{who} is not reached: {why}{advice}");
        }
    }

    /// Tells what has changed since the last turn.
    pub(super) fn tell_of_changes(&mut self) {
        self.tell_of_routers();
        let refused = self.net.refused(self.peers);
        if refused != std::mem::replace(&mut self.reach.refused, refused) {
            self.tell_of_the_turned_away();
        }
    }

    /// How many routers hear this server.
    fn tell_of_routers(&mut self) {
        let (routers, of) = (self.core.routers_in_touch(), self.routers.len());
        if routers == self.reach.routers {
            return;
        }
        tracing::info!(routers, of, "routers in touch");
        self.reach.routers = routers;
    }

    /// Servers that the map does not list, or whose certificates are others', get no link.
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
