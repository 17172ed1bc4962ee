//! Connections with work left over, in the order in which they got it: each turn runs every one
//! of them once, so a busy connection cannot starve a quiet one.

use std::collections::VecDeque;

use super::conn::Conn;
use crate::id::ConnId;

/// Each connection stands in the queue at most once. Ids of gone connections are skipped later.
#[derive(Debug, Default)]
pub(super) struct RunQueue {
    queue: VecDeque<ConnId>,
}

impl RunQueue {
    pub(super) fn add(&mut self, conn: &mut Conn) {
        if !conn.is_queued {
            conn.is_queued = true;
            self.queue.push_back(conn.id);
        }
    }

    /// How many wait now: the work of one turn.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn pop(&mut self) -> Option<ConnId> {
        self.queue.pop_front()
    }
}

/// Connections whose queue is to be written at the end of the turn, each at most once.
#[derive(Debug, Default)]
pub(super) struct WriteList {
    list: VecDeque<ConnId>,
}

impl WriteList {
    pub(super) fn add(&mut self, conn: &mut Conn) {
        if !conn.is_dirty {
            conn.is_dirty = true;
            self.list.push_back(conn.id);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn pop(&mut self) -> Option<ConnId> {
        self.list.pop_front()
    }
}
