//! How bytes move: what a dial comes to, what is written, what arrives, how a connection ends.

use std::time::Duration;

use bytes::{Buf, Bytes};
use server::core::CloseReason;
use wire::frame::Frame;
use wire::message::{Fault, Message};
use wire::net::{Level, Policy};
use wire::{FaultCode, Instant};

use super::fault::FaultKind;
use super::host::{Node, State};
use super::net::{ConnKey, End, Local, Purpose, Segment, Stage};
use super::world::{What, World};

/// A dial that meets nothing ends after this.
const DIAL_TIME_MAX: Duration = Duration::from_secs(10);
/// What is queued has so long to leave after a close.
const LINGER_TIME_MAX: Duration = Duration::from_secs(5);
/// A segment that a cut has held back leaves within this after its end.
const CATCH_UP_MAX: Duration = Duration::from_millis(200);

/// Something that a process is told about one of its connections.
#[derive(Debug)]
pub(super) enum Told {
    /// It stands.
    Opened(Node),
    /// A frame came.
    Frame(Frame),
    /// Its write queue crossed a mark.
    Pressure(Level),
    /// It has ended.
    Closed(CloseReason),
}

impl World {
    /// Connects `from` to `to`, or does not.
    pub(super) fn dial(
        &mut self,
        from: (Node, Policy),
        to: (Node, Policy),
        purpose: Purpose,
    ) -> ConnKey {
        let key = self.net.add(from, to, purpose);
        let delay = self.dice.time(self.plan.delay.0, self.plan.delay.1);
        self.net.get(key).expect("just added").delay = delay;
        let is_cut = self.cut_until(from.0, to.0).or(self.cut_until(to.0, from.0)).is_some();
        let is_unlucky = self.has_faults && self.dice.chance(self.plan.dial_failures);
        let after = match self.host(to.0).state {
            State::Dark => DIAL_TIME_MAX,
            _ if is_cut => self.dice.time(DIAL_TIME_MAX / 4, DIAL_TIME_MAX),
            State::Down => delay * 2,
            State::Up if is_unlucky => {
                self.tally.count(FaultKind::DialFailed);
                self.dice.time(Duration::ZERO, DIAL_TIME_MAX / 4)
            }
            State::Up => return self.will(delay * 2, What::Connected { key }, key),
        };
        self.will(after, What::DialFailed { key }, key)
    }

    fn will(&mut self, after: Duration, what: What, key: ConnKey) -> ConnKey {
        self.queue.push(self.now + after, what);
        key
    }

    /// A dial has met someone: the near end may write at once, the far end hears of it later.
    pub(super) fn on_connected(&mut self, key: ConnKey) {
        let Some(conn) = self.net.get(key) else { return };
        let side = conn.side_mut(End::Near);
        if side.stage != Stage::Opening {
            return;
        }
        side.stage = Stage::Open;
        let (node, purpose) = (side.node, conn.purpose);
        self.send_segment(key, End::Near, Segment::Opening);
        let local = match purpose {
            Purpose::Client(link) => Local::Link(link),
            Purpose::Server(_) => Local::Conn(self.host_mut(node).take_slot()),
        };
        if !matches!(purpose, Purpose::Client(_)) {
            self.net.name(key, End::Near, local);
        }
        self.tell(key, End::Near, Told::Opened(node));
    }

    /// A dial came to nothing.
    pub(super) fn on_dial_failed(&mut self, key: ConnKey) {
        let Some(conn) = self.net.get(key) else { return };
        if conn.side(End::Near).stage != Stage::Opening {
            return;
        }
        let (node, purpose) = (conn.side(End::Near).node, conn.purpose);
        self.give_up_dial(key);
        self.tell_dial_failed(node, purpose);
    }

    /// Writes to a connection; `flush` moves it on.
    pub(super) fn write(
        &mut self,
        node: Node,
        local: Local,
        append: impl FnOnce(&mut bytes::BytesMut),
    ) {
        let Some((key, end)) = self.net.find(node, local) else { return };
        let Some(conn) = self.net.get(key) else { return };
        if conn.side(end).stage == Stage::Closing {
            return;
        }
        conn.from_mut(end).queue.append(append);
        let hard = conn.side(end).policy.write_hard;
        if conn.from(end).queue.len() > hard {
            self.flush(key, end);
            let len = self.net.get(key).map_or(0, |conn| conn.from(end).queue.len());
            if len > hard {
                return self.drop_now(key, end, CloseReason::SlowReader);
            }
        }
        self.dirty.push((key, end));
    }

    /// Writes what waits, once per connection.
    pub(super) fn flush_dirty(&mut self) {
        for (key, end) in std::mem::take(&mut self.dirty) {
            self.flush(key, end);
        }
    }

    /// Moves what the window has room for.
    pub(super) fn flush(&mut self, key: ConnKey, end: End) {
        let (window, splits) = (self.plan.window, self.plan.splits);
        let Some(conn) = self.net.get(key) else { return };
        if !matches!(conn.side(end).stage, Stage::Open | Stage::Closing) {
            return;
        }
        if conn.is_broken {
            let pipe = conn.from_mut(end);
            let len = pipe.queue.front().len();
            pipe.queue.written(len);
        }
        let mut cut = Vec::new();
        let pipe = conn.from_mut(end);
        let room = window.saturating_sub(pipe.flight_len + pipe.unread.len());
        let len = room.min(pipe.queue.front().len());
        if len > 0 {
            let bytes = Bytes::copy_from_slice(&pipe.queue.front()[..len]);
            pipe.queue.written(len);
            cut.push(bytes);
        }
        if len > 1 && self.has_faults && self.dice.chance(splits) {
            let rest = cut[0].split_off(1 + self.dice.index(len - 1));
            cut.push(rest);
            self.tally.count(FaultKind::Split);
        }
        for bytes in cut {
            self.send_segment(key, end, Segment::Bytes(bytes));
        }
        self.settle_queue(key, end);
    }

    /// The queue's level may have changed, or a close may be done.
    fn settle_queue(&mut self, key: ConnKey, end: End) {
        let now = self.now;
        let Some(conn) = self.net.get(key) else { return };
        let (stage, policy) = (conn.side(end).stage, conn.side(end).policy);
        let queue = &mut conn.from_mut(end).queue;
        if stage == Stage::Closing {
            if queue.is_empty() {
                self.finish_close(key, end, CloseReason::Local);
            }
            return;
        }
        if let Some(level) = queue.level_change(policy.write_high) {
            self.queue.push(now, What::Pressure { key, end, level });
        }
    }

    fn send_segment(&mut self, key: ConnKey, end: End, segment: Segment) {
        let jitter = self.dice.time(Duration::ZERO, self.plan.delay.1);
        let now = self.now;
        let Some(conn) = self.net.get(key) else { return };
        let at = now + conn.delay + jitter;
        let pipe = conn.from_mut(end);
        pipe.last = pipe.last.max(at);
        let at = pipe.last;
        if let Segment::Bytes(bytes) = &segment {
            pipe.flight_len += bytes.len();
        }
        pipe.flight.push_back(segment);
        self.queue.push(at, What::Arrive { key, end: end.other() });
    }

    /// The next segment reaches `end`, unless a cut holds it back.
    pub(super) fn on_arrive(&mut self, key: ConnKey, end: End) {
        let Some(conn) = self.net.get(key) else { return };
        let (from, to) = (conn.side(end.other()).node, conn.side(end).node);
        if let Some(until) = self.cut_until(from, to) {
            let late = self.dice.time(Duration::ZERO, CATCH_UP_MAX);
            self.queue.push(until + late, What::Arrive { key, end });
            return;
        }
        let conn = self.net.get(key).expect("it was there");
        match conn.from_mut(end.other()).flight.pop_front() {
            None => {}
            Some(Segment::Opening) => self.on_opening(key, to),
            Some(Segment::Bytes(bytes)) => self.on_bytes(key, end, &bytes),
            Some(Segment::End) => {
                conn.from_mut(end.other()).has_ended = true;
                self.read(key, end);
            }
        }
    }

    /// The far end learns of a connection; a machine without its process refuses it.
    fn on_opening(&mut self, key: ConnKey, node: Node) {
        match self.host(node).state {
            State::Up => {}
            State::Down => return self.refuse(key, End::Far),
            State::Dark => return self.close_silently(key, End::Far),
        }
        let local = Local::Conn(self.host_mut(node).take_slot());
        let conn = self.net.get(key).expect("it was there");
        let from = conn.side(End::Near).node;
        conn.side_mut(End::Far).stage = Stage::Open;
        self.net.name(key, End::Far, local);
        self.tell(key, End::Far, Told::Opened(from));
        self.read(key, End::Far);
    }

    fn on_bytes(&mut self, key: ConnKey, end: End, bytes: &[u8]) {
        let conn = self.net.get(key).expect("it was there");
        let (stage, node) = (conn.side(end).stage, conn.side(end).node);
        let pipe = conn.from_mut(end.other());
        pipe.flight_len -= bytes.len();
        match stage {
            Stage::Open => {
                pipe.unread.extend_from_slice(bytes);
                self.read(key, end);
            }
            Stage::Closed if self.host(node).state != State::Dark => self.refuse(key, end),
            Stage::Opening | Stage::Closing | Stage::Closed => self.make_room(key, end.other()),
        }
    }

    /// Takes what has arrived, cuts it into frames, and tells the process.
    pub(super) fn read(&mut self, key: ConnKey, end: End) {
        let Some(conn) = self.net.get(key) else { return };
        let has_ended = conn.from(end.other()).has_ended;
        match conn.side(end).stage {
            Stage::Closing if has_ended => {
                return self.finish_close(key, end, CloseReason::Local);
            }
            Stage::Opening if has_ended => {
                conn.side_mut(end).stage = Stage::Closed;
                return self.net.forget(key);
            }
            _ => {}
        }
        if conn.side(end).stage != Stage::Open {
            return;
        }
        let policy = conn.side(end).policy;
        let is_high = conn.from(end).queue.level() == Level::High;
        if policy.paused || (is_high && !policy.reads_while_high) {
            return;
        }
        let bytes = std::mem::take(&mut conn.from_mut(end.other()).unread);
        let side = conn.side_mut(end);
        side.input_len += bytes.len();
        side.input.extend_from_slice(&bytes);
        let is_too_much = policy.input_len_max.is_some_and(|max| side.input_len > max);
        if !bytes.is_empty() {
            self.make_room(key, end.other());
        }
        if is_too_much {
            return self.fail(key, end, FaultCode::TOO_SLOW_TO_SIGN_IN);
        }
        self.cut_frames(key, end, policy.frame_len_max);
        let Some(conn) = self.net.get(key) else { return };
        let pipe = conn.from(end.other());
        if conn.side(end).stage == Stage::Open && pipe.has_ended && pipe.unread.is_empty() {
            conn.side_mut(end).stage = Stage::Closed;
            self.tell_closed(key, end, CloseReason::Gone);
        }
    }

    fn cut_frames(&mut self, key: ConnKey, end: End, len_max: u32) {
        let mut frames = Vec::new();
        let Some(conn) = self.net.get(key) else { return };
        let input = &mut conn.side_mut(end).input;
        let failed = loop {
            match Frame::split(input, len_max) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        for frame in frames {
            let Some(conn) = self.net.get(key) else { return };
            if conn.side(end).stage == Stage::Closed {
                return;
            }
            self.tell(key, end, Told::Frame(frame));
        }
        if failed {
            self.fail(key, end, FaultCode::BAD_FRAME);
        }
    }

    /// The reader has taken something: its sender may write again.
    fn make_room(&mut self, key: ConnKey, end: End) {
        let now = self.now;
        let Some(conn) = self.net.get(key) else { return };
        if !conn.from(end).queue.is_empty() {
            let at = now + conn.delay;
            self.queue.push(at, What::Writable { key, end });
        }
    }

    /// The other side broke a rule: it is told, then closed.
    fn fail(&mut self, key: ConnKey, end: End, code: FaultCode) {
        let Some(conn) = self.net.get(key) else { return };
        conn.from_mut(end).queue.append(|out| Fault::new(code).append_frame(out));
        self.begin_close(key, end, CloseReason::BadStream);
    }

    /// Closes after what is queued was written.
    pub(super) fn begin_close(&mut self, key: ConnKey, end: End, why: CloseReason) {
        let now = self.now;
        let Some(conn) = self.net.get(key) else { return };
        if conn.side(end).stage == Stage::Opening {
            return self.give_up_dial(key);
        }
        if conn.side(end).stage != Stage::Open {
            return;
        }
        let side = conn.side_mut(end);
        side.stage = Stage::Closing;
        side.input.clear();
        self.queue.push(now + LINGER_TIME_MAX, What::CloseDue { key, end, why });
        self.flush(key, end);
    }

    /// Nobody waits for this dial any more.
    fn give_up_dial(&mut self, key: ConnKey) {
        self.close_silently(key, End::Near);
        self.close_silently(key, End::Far);
        self.net.unname(key, End::Near);
        self.net.forget(key);
    }

    /// A close is done, or has taken too long.
    pub(super) fn finish_close(&mut self, key: ConnKey, end: End, why: CloseReason) {
        let now = self.now;
        let Some(conn) = self.net.get(key) else { return };
        if conn.side(end).stage != Stage::Closing {
            return;
        }
        conn.side_mut(end).stage = Stage::Closed;
        self.send_segment(key, end, Segment::End);
        self.queue.push(now, What::Closed { key, end, why });
    }

    /// Ends at once, as a broken limit does; what waits is lost.
    fn drop_now(&mut self, key: ConnKey, end: End, why: CloseReason) {
        let now = self.now;
        let Some(conn) = self.net.get(key) else { return };
        conn.side_mut(end).stage = Stage::Closed;
        self.send_segment(key, end, Segment::End);
        self.queue.push(now, What::Closed { key, end, why });
    }

    /// The process hears of an end, and forgets the connection.
    pub(super) fn tell_closed(&mut self, key: ConnKey, end: End, why: CloseReason) {
        let Some(conn) = self.net.get(key) else { return };
        let node = conn.side(end).node;
        let local = self.net.unname(key, end);
        self.net.forget(key);
        if let Some(Local::Conn(conn)) = local {
            self.host_mut(node).free_slot(conn);
        }
        if let Some(local) = local {
            self.tell_as(node, local, key, Told::Closed(why));
        }
    }

    /// Nobody is there: the other side hears so.
    fn refuse(&mut self, key: ConnKey, end: End) {
        self.close_silently(key, end);
        self.send_segment(key, end, Segment::End);
    }

    fn close_silently(&mut self, key: ConnKey, end: End) {
        if let Some(conn) = self.net.get(key) {
            conn.side_mut(end).stage = Stage::Closed;
        }
    }

    /// A process has died. What its machine had taken may still arrive; what only the process had
    /// is lost, or was just on its way.
    pub(super) fn abandon_conns(&mut self, node: Node, state: State) {
        for (key, end) in self.net.of(node) {
            if self.dice.chance(500) {
                self.flush(key, end);
            }
            let conn = self.net.get(key).expect("just listed");
            if conn.side(End::Near).stage == Stage::Opening {
                // Whoever dials this machine hears in time that nobody is there.
                if end == End::Near {
                    self.give_up_dial(key);
                }
                continue;
            }
            self.net.unname(key, end);
            self.close_silently(key, end);
            if state == State::Down {
                self.send_segment(key, end, Segment::End);
            }
            self.net.forget(key);
        }
        self.dirty.clear();
    }

    /// The network loses a connection: each direction breaks anywhere, and each side hears of it
    /// in its own time.
    pub(super) fn break_conn(&mut self, key: ConnKey) {
        for end in [End::Near, End::Far] {
            let late = match self.dice.below(10) {
                0 => self.dice.time(Duration::from_secs(1), Duration::from_secs(40)),
                1..=3 => self.dice.time(Duration::ZERO, Duration::from_secs(2)),
                _ => Duration::ZERO,
            };
            let dice = &mut self.dice;
            let Some(conn) = self.net.get(key) else { return };
            conn.is_broken = true;
            let pipe = conn.from_mut(end);
            let whole = dice.index(pipe.flight.len() + 1);
            for lost in pipe.flight.iter_mut().skip(whole) {
                if let Segment::Bytes(bytes) = lost {
                    pipe.flight_len -= bytes.len();
                    // An empty segment in its place: what is scheduled finds something.
                    bytes.advance(bytes.len());
                }
            }
            pipe.last = pipe.last.max(self.now + late);
            self.send_segment(key, end, Segment::End);
        }
    }

    /// Until when nothing gets from one host to another.
    pub(super) fn cut_until(&self, from: Node, to: Node) -> Option<Instant> {
        let until = self.cuts.get(&(from, to)).copied();
        until.filter(|until| *until > self.now)
    }
}
