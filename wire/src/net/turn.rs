//! One turn of the loop: wait, note readiness, expire, accept, run; later, write.

use std::io::{self, ErrorKind};
use std::time::Duration;

use super::conn::{Conn, Stage, Way};
use super::event::{CloseCause, Level, NetEvent};
use super::token::Owner;
use super::{Net, index};
use crate::id::ConnId;
use crate::time::Instant;

/// Closing and draining together end after this, whether the other side has read or not.
const LINGER_TIME_MAX: Duration = Duration::from_secs(5);

impl Net {
    /// Waits for the operating system, unless there is work without it.
    pub(super) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = self.time_to_wait(timeout);
        match self.poll.poll(&mut self.ready, timeout) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            Ok(()) | Err(_) => {}
        }
        self.now = self.clock.now();
        self.wall = self.clock.wall();
        Ok(())
    }

    /// Keeps in the structs what the operating system has reported.
    pub(super) fn note(&mut self, events: &mut Vec<NetEvent>) {
        for event in &self.ready {
            match Owner::of(event.token()) {
                Owner::Conn(id) => {
                    if let Some(conn) = self.table.get_mut(id) {
                        conn.stream.note(event);
                        self.run.add(conn);
                    }
                }
                Owner::Listener(id) => {
                    self.listeners[index(id)].note_ready();
                }
                Owner::Source(id) if self.sources.has(id) => events.push(NetEvent::Source { id }),
                Owner::Source(_) => {}
                Owner::Waker => events.push(NetEvent::Woken),
            }
        }
    }

    /// Ends what has used up its time.
    pub(super) fn expire(&mut self, events: &mut Vec<NetEvent>) {
        while let Some(id) = self.timers.expired(self.now) {
            events.extend(self.end(id, CloseCause::TimedOut));
        }
    }

    /// Gives every connection with work its share, once.
    pub(super) fn run(&mut self, events: &mut Vec<NetEvent>) {
        for _ in 0..self.run.len() {
            let Some(id) = self.run.pop() else { break };
            let Some(conn) = self.table.get_mut(id) else {
                continue;
            };
            conn.is_queued = false;
            match conn.run(&mut self.scratch, events) {
                Ok(()) => self.settle(id),
                Err(cause) => events.extend(self.end(id, cause)),
            }
        }
    }

    /// Writes one connection's queue and follows what that changes.
    pub(super) fn flush_one(&mut self, id: ConnId) {
        let Some(conn) = self.table.get_mut(id) else {
            return;
        };
        conn.is_dirty = false;
        if matches!(conn.stage, Stage::Connecting | Stage::Handshaking | Stage::Lingering) {
            return;
        }
        conn.stream.transmit(&mut conn.queue);
        conn.queue.lend_to(&mut self.spare);
        if let Some(cause) = conn.close_cause().cloned() {
            return self.finish(id, cause);
        }
        if let Some(level) = conn.queue.level_change(conn.bounds.write_high()) {
            self.pending.push(NetEvent::Pressure { conn: id, level });
            if level == Level::Low {
                self.run.add(conn);
            }
        }
        if conn.stream.is_broken() {
            self.run.add(conn);
        }
        if conn.has_output() {
            self.dirty.add(conn);
        }
    }

    /// Begins an orderly end, or ends at once what is not open.
    pub(super) fn begin_close(&mut self, id: ConnId, cause: CloseCause) -> Option<NetEvent> {
        let conn = self.table.get_mut(id)?;
        match conn.stage {
            Stage::Closing | Stage::Lingering => None,
            Stage::Connecting | Stage::Handshaking => self.drop_now(id, cause),
            Stage::Open => {
                conn.begin_close(cause);
                self.timers.set(conn, self.now + LINGER_TIME_MAX);
                self.dirty.add(conn);
                None
            }
        }
    }

    /// Ends a connection: a broken rule is told first, all else ends at once.
    pub(super) fn end(&mut self, id: ConnId, cause: CloseCause) -> Option<NetEvent> {
        let conn = self.table.get(id)?;
        let first = conn.close_cause().cloned();
        match (conn.stage, &cause) {
            (Stage::Open, CloseCause::Frame(_) | CloseCause::TooMuchInput) => {
                self.begin_close(id, cause)
            }
            _ => self.drop_now(id, first.unwrap_or(cause)),
        }
    }

    /// Takes a connection out of every book; its socket closes with it.
    pub(super) fn remove(&mut self, id: ConnId) {
        if let Some(conn) = self.table.remove(id) {
            if let (Stage::Handshaking, Way::Accepted { listener }) = (&conn.stage, conn.way) {
                self.listeners[index(listener)].refused += 1;
            }
            self.release(conn);
        }
    }

    /// Gives back what a connection held outside the table.
    pub(super) fn release(&mut self, mut conn: Conn) {
        self.early.end_handshake(conn.deadline, conn.id);
        self.timers.set(&mut conn, Instant::NEVER);
        if let Some(newcomer) = conn.newcomer.take() {
            self.early.leave(newcomer.seat);
        }
    }

    /// Brings the books in line with a connection that has just run.
    fn settle(&mut self, id: ConnId) {
        let Some(conn) = self.table.get_mut(id) else {
            return;
        };
        if conn.stage == Stage::Open {
            if conn.deadline != Instant::NEVER {
                self.early.end_handshake(conn.deadline, id);
                self.timers.set(conn, Instant::NEVER);
            }
            if conn.bounds.input_len_max().is_none()
                && let Some(newcomer) = conn.newcomer.take()
            {
                self.early.leave(newcomer.seat);
            }
        }
        if conn.has_work() {
            self.run.add(conn);
        }
        if conn.has_output() {
            self.dirty.add(conn);
        }
    }

    /// Everything that was queued is with the operating system: say good-bye and drain.
    fn finish(&mut self, id: ConnId, cause: CloseCause) {
        let Some(conn) = self.table.get_mut(id) else {
            return;
        };
        if !conn.queue.is_empty() && !conn.stream.is_broken() {
            if conn.has_output() {
                self.dirty.add(conn);
            }
            return;
        }
        match conn.stream.finish(&mut conn.queue) {
            Ok(false) => {}
            Ok(true) => {
                conn.stage = Stage::Lingering;
                self.run.add(conn);
                self.pending.push(NetEvent::Closed { conn: id, why: cause });
            }
            Err(_) => {
                let closed = self.drop_now(id, cause);
                self.pending.extend(closed);
            }
        }
    }

    fn drop_now(&mut self, id: ConnId, why: CloseCause) -> Option<NetEvent> {
        let owes = self.table.get(id).is_some_and(Conn::owes_closed);
        self.remove(id);
        owes.then_some(NetEvent::Closed { conn: id, why })
    }

    fn time_to_wait(&self, timeout: Option<Duration>) -> Option<Duration> {
        if self.run.len() > 0 || !self.pending.is_empty() || !self.dirty.is_empty() {
            return Some(Duration::ZERO);
        }
        let accepts = self.listeners.iter().filter_map(|listener| listener.next_work());
        let own = self.timers.next().into_iter().chain(accepts).min();
        let own = own.map(|at: Instant| at.since(self.now));
        own.into_iter().chain(timeout).min()
    }
}
