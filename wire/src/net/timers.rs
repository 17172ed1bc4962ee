//! Deadlines of connections: one each, for the stage it is in.

use std::collections::BTreeSet;

use super::conn::Conn;
use crate::id::ConnId;
use crate::time::Instant;

#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeSet<(Instant, ConnId)>,
}

impl Timers {
    /// Replaces the connection's deadline.
    pub(super) fn set(&mut self, conn: &mut Conn, deadline: Instant) {
        if conn.deadline != Instant::NEVER {
            self.due.remove(&(conn.deadline, conn.id));
        }
        if deadline != Instant::NEVER {
            self.due.insert((deadline, conn.id));
        }
        conn.deadline = deadline;
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// A connection whose deadline has come.
    pub(super) fn expired(&self, now: Instant) -> Option<ConnId> {
        self.due.first().filter(|(at, _)| *at <= now).map(|(_, conn)| *conn)
    }
}
