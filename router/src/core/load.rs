//! What the servers last said of themselves. Soft state: a router that restarts hears it anew.

use std::collections::BTreeMap;

use wire::limits::REPORT_SILENCE_MAX;
use wire::message::{Report, ServerEntry};
use wire::{ConnId, Instant, Opening, ServerId};

/// The servers that are connected and have reported.
#[derive(Debug)]
pub struct Loads {
    servers: BTreeMap<ServerId, Load>,
    /// What each server last showed, also of those that have left.
    last: BTreeMap<ServerId, Opening>,
    /// The map that a server must have; `None`: any that the operator has signed.
    map_version: Option<u32>,
}

/// One server's last report.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    conn: ConnId,
    sequence: u64,
    heard: Instant,
    opening: Opening,
    map_version: u32,
    is_open: bool,
    /// How to reach the server.
    pub entry: ServerEntry,
    /// Sessions that sat there.
    pub sessions: u32,
    /// Sessions that may sit there.
    pub sessions_max: u32,
}

/// What became of a report.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It is not newer than the last one of its connection; ignored.
    Stale,
    /// Another process with another store is heard under this server's id; refused.
    Impostor,
    /// A later process of this server was heard; refused.
    Superseded,
    /// It holds from now on.
    Taken {
        /// The server's earlier connection, which is dead.
        replaced: Option<ConnId>,
        /// The server is new or reached in another way than before.
        is_moved: bool,
    },
}

impl Loads {
    /// None yet. Servers with another map than `map_version`, if it is set, are not placed on.
    #[must_use]
    pub fn new(map_version: Option<u32>) -> Self {
        Self { servers: BTreeMap::new(), last: BTreeMap::new(), map_version }
    }

    /// Takes a report that came on `conn`. A restarted server comes on another connection, where
    /// its numbers begin anew.
    pub fn report(&mut self, now: Instant, conn: ConnId, report: &Report) -> Outcome {
        let earlier = self.servers.get(&report.entry.server).copied();
        if let Some(earlier) = earlier {
            if earlier.conn == conn && earlier.sequence >= report.sequence {
                return Outcome::Stale;
            }
            let is_other = earlier.opening.store != report.opening.store;
            if earlier.conn != conn && is_other && earlier.is_heard(now) {
                return Outcome::Impostor;
            }
        }
        if let Some(last) = self.last.get(&report.entry.server)
            && last.store == report.opening.store
            && !report.opening.may_follow(last)
        {
            return Outcome::Superseded;
        }
        self.last.insert(report.entry.server, report.opening);
        let load = Load::new(now, conn, report);
        self.servers.insert(report.entry.server, load);
        Outcome::Taken {
            replaced: earlier.map(|earlier| earlier.conn).filter(|old| *old != conn),
            is_moved: earlier.is_none_or(|earlier| earlier.entry != report.entry),
        }
    }

    /// Forgets `server` if `conn` is its connection; says whether it was.
    pub fn forget(&mut self, server: ServerId, conn: ConnId) -> bool {
        let is_current = self.servers.get(&server).is_some_and(|load| load.conn == conn);
        if is_current {
            self.servers.remove(&server);
        }
        is_current
    }

    /// What `server` last said, if it is connected and has reported.
    #[must_use]
    pub fn of(&self, server: ServerId) -> Option<&Load> {
        self.servers.get(&server)
    }

    /// How to reach each connected server, by id.
    #[must_use]
    pub fn entries(&self) -> Vec<ServerEntry> {
        self.servers.values().map(|load| load.entry).collect()
    }

    /// The servers that may be placed on now, by id.
    pub fn placeable(&self, now: Instant) -> impl Iterator<Item = (ServerId, &Load)> {
        let is_placeable = move |load: &Load| {
            let has_map = self.map_version.is_none_or(|version| load.map_version == version);
            load.is_open && has_map && load.is_heard(now)
        };
        let servers = self.servers.iter().map(|(server, load)| (*server, load));
        servers.filter(move |(_, load)| is_placeable(load))
    }
}

impl Load {
    fn new(now: Instant, conn: ConnId, report: &Report) -> Self {
        Self {
            conn,
            sequence: report.sequence,
            heard: now,
            opening: report.opening,
            map_version: report.map_version,
            is_open: report.open,
            entry: report.entry,
            sessions: report.sessions,
            sessions_max: report.sessions_max,
        }
    }

    fn is_heard(&self, now: Instant) -> bool {
        now.since(self.heard) < REPORT_SILENCE_MAX
    }
}
