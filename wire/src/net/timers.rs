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
    pub(super) fn set(&mut self, conn: &mut Conn, deadline: Option<Instant>) {
        if let Some(old) = conn.deadline {
            self.due.remove(&(old, conn.id));
        }
        if let Some(new) = deadline {
            self.due.insert((new, conn.id));
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
