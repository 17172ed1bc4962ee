//! One connection: its stage, its input cut into frames, its write queue.

use std::net::SocketAddr;

use bytes::BytesMut;

use super::early::Seat;
use super::event::{CloseCause, Level, ListenerId, NetEvent};
use super::policy::{Bounds, Policy};
use super::stream::Stream;
use super::write_queue::WriteQueue;
use crate::fault::FaultCode;
use crate::frame::Frame;
use crate::id::ConnId;
use crate::limits::EARLY_BYTES_MAX;
use crate::message::{Fault, Message};
use crate::time::Instant;

/// Frames cut on one connection in one turn, at most.
const FRAMES_MAX: usize = 256;

/// How far a connection is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    /// A dial that the other side has not taken yet.
    Connecting,
    /// TLS is being agreed; also an accepted plain connection before its first turn.
    Handshaking,
    /// Frames travel.
    Open,
    /// What is queued is written, then `Closed` is told.
    Closing,
    /// `Closed` was told; input is drained so that the other side gets the last bytes.
    Lingering,
}

/// How a connection came to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    Dialed,
    Accepted { listener: ListenerId },
}

/// Why a connection ends. Each is what came first.
#[derive(Default)]
struct Ends {
    /// Why it is being closed.
    cause: Option<CloseCause>,
    /// Why nothing more comes in.
    input: Option<CloseCause>,
}

/// What is kept of an accepted connection while nobody has vouched for it.
pub(super) struct Newcomer {
    pub(super) address: SocketAddr,
    /// Its place among the connections that have not signed in.
    pub(super) seat: Seat,
}

/// One connection of the table.
pub(super) struct Conn {
    pub(super) id: ConnId,
    pub(super) way: Way,
    pub(super) stage: Stage,
    pub(super) stream: Stream,
    pub(super) queue: WriteQueue,
    pub(super) bounds: Bounds,
    /// When the present stage ends at the latest; most stages may last.
    pub(super) deadline: Instant,
    /// Of an accepted connection that has not signed in.
    pub(super) newcomer: Option<Box<Newcomer>>,
    /// It waits in the run queue.
    pub(super) is_queued: bool,
    /// It waits in the list of sockets to write.
    pub(super) is_dirty: bool,
    /// What came in and is not cut into frames; mostly nothing.
    input: Option<Box<BytesMut>>,
    input_len: u32,
    has_frames: bool,
    ends: Option<Box<Ends>>,
}

impl Conn {
    pub(super) fn new(id: ConnId, way: Way, stream: Stream, policy: Policy) -> Self {
        let stage = match way {
            Way::Dialed => Stage::Connecting,
            Way::Accepted { .. } => Stage::Handshaking,
        };
        let (queue, bounds, deadline) = (WriteQueue::new(), policy.into(), Instant::NEVER);
        let (newcomer, input, ends) = (None, None, None);
        let (is_queued, is_dirty, has_frames, input_len) = (false, false, false, 0);
        Self {
            id,
            way,
            stage,
            stream,
            queue,
            bounds,
            deadline,
            newcomer,
            is_queued,
            is_dirty,
            input,
            input_len,
            has_frames,
            ends,
        }
    }

    /// Does one turn's share of work. An error ends the connection.
    pub(super) fn run(
        &mut self,
        scratch: &mut [u8],
        events: &mut Vec<NetEvent>,
    ) -> Result<(), CloseCause> {
        if self.stage == Stage::Connecting && self.stream.finish_connect()? {
            self.stage = Stage::Handshaking;
        }
        if self.stage == Stage::Handshaking {
            self.shake(scratch, events)?;
        }
        match self.stage {
            Stage::Connecting | Stage::Handshaking => Ok(()),
            Stage::Open => self.receive(scratch, events),
            Stage::Closing | Stage::Lingering => self.skip(scratch),
        }
    }

    /// Whether another turn has work without waiting for the socket.
    pub(super) fn has_work(&self) -> bool {
        match self.stage {
            Stage::Connecting => false,
            Stage::Handshaking | Stage::Closing | Stage::Lingering => self.stream.is_readable(),
            Stage::Open => {
                self.may_read()
                    && (self.has_frames || self.has_ended() || self.stream.is_readable())
            }
        }
    }

    /// Whether the socket would take something that waits.
    pub(super) fn has_output(&self) -> bool {
        let waits = match self.stage {
            Stage::Connecting | Stage::Handshaking => return false,
            Stage::Open => !self.queue.is_empty() || self.stream.wants_write(),
            Stage::Closing => true,
            Stage::Lingering => false,
        };
        waits && self.stream.is_writable()
    }

    /// Whether frames may still be queued.
    pub(super) fn takes_output(&self) -> bool {
        !matches!(self.stage, Stage::Closing | Stage::Lingering)
    }

    /// Whether the shell knows this connection and has not been told of its end.
    pub(super) fn owes_closed(&self) -> bool {
        match self.stage {
            Stage::Connecting | Stage::Handshaking => self.way == Way::Dialed,
            Stage::Open | Stage::Closing => true,
            Stage::Lingering => false,
        }
    }

    /// Replaces the limits; counting of input begins anew.
    pub(super) fn set_policy(&mut self, policy: Policy) {
        self.bounds = policy.into();
        self.input_len = 0;
    }

    /// Stops the conversation. The other side is told why when the cause is its fault.
    pub(super) fn begin_close(&mut self, cause: CloseCause) {
        if let Some(code) = fault_of(&cause) {
            self.queue.append(|out| Fault::new(code).append_frame(out));
        }
        self.ends.get_or_insert_default().cause = Some(cause);
        self.stage = Stage::Closing;
        self.input = None;
    }

    /// Why it is being closed, if it is.
    pub(super) fn close_cause(&self) -> Option<&CloseCause> {
        self.ends.as_ref()?.cause.as_ref().filter(|_| self.stage == Stage::Closing)
    }

    fn shake(&mut self, scratch: &mut [u8], events: &mut Vec<NetEvent>) -> Result<(), CloseCause> {
        let mut input = self.take_input();
        if self.stream.is_handshaking() && self.stream.is_readable() {
            let len = self.stream.receive(scratch, &mut input)?;
            self.input_len = self.input_len.saturating_add(saturated(len));
        }
        self.stream.transmit(&mut self.queue);
        let held = input.len();
        self.keep_input(input);
        if !self.stream.is_handshaking() {
            self.open(events);
            return self.count(held);
        }
        if self.input_len > saturated(EARLY_BYTES_MAX) {
            return Err(CloseCause::TooMuchInput);
        }
        Ok(())
    }

    fn open(&mut self, events: &mut Vec<NetEvent>) {
        self.stage = Stage::Open;
        self.input_len = 0;
        self.has_frames = self.input.is_some();
        events.push(match self.way {
            Way::Dialed => NetEvent::Connected { conn: self.id },
            Way::Accepted { listener } => {
                let newcomer = self.newcomer.as_ref().expect("it is one until it has signed in");
                let address = newcomer.address;
                NetEvent::Accepted { conn: self.id, listener, address }
            }
        });
    }

    fn receive(
        &mut self,
        scratch: &mut [u8],
        events: &mut Vec<NetEvent>,
    ) -> Result<(), CloseCause> {
        if !self.may_read() {
            return Ok(());
        }
        let mut input = self.take_input();
        let received = self.receive_into(&mut input, scratch, events);
        self.keep_input(input);
        received?;
        match self.ends.as_ref().and_then(|ends| ends.input.as_ref()) {
            Some(cause) if !self.has_frames => Err(cause.clone()),
            _ => Ok(()),
        }
    }

    /// What came before the end is delivered before the end.
    fn receive_into(
        &mut self,
        input: &mut BytesMut,
        scratch: &mut [u8],
        events: &mut Vec<NetEvent>,
    ) -> Result<(), CloseCause> {
        let mut budget = FRAMES_MAX;
        self.cut(input, &mut budget, events)?;
        if !self.has_frames && !self.has_ended() && self.stream.is_readable() {
            let held = input.len();
            if let Err(cause) = self.stream.receive(scratch, input) {
                self.ends.get_or_insert_default().input = Some(cause);
            }
            self.count(input.len() - held)?;
            self.cut(input, &mut budget, events)?;
        }
        Ok(())
    }

    fn cut(
        &mut self,
        input: &mut BytesMut,
        budget: &mut usize,
        events: &mut Vec<NetEvent>,
    ) -> Result<(), CloseCause> {
        self.has_frames = true;
        while *budget > 0 {
            let Some(frame) = Frame::split(input, self.bounds.frame_len_max)? else {
                self.has_frames = false;
                break;
            };
            *budget -= 1;
            events.push(NetEvent::Frame { conn: self.id, frame });
        }
        Ok(())
    }

    fn count(&mut self, len: usize) -> Result<(), CloseCause> {
        self.input_len = self.input_len.saturating_add(saturated(len));
        match self.bounds.input_len_max() {
            Some(max) if self.input_len > max => Err(CloseCause::TooMuchInput),
            _ => Ok(()),
        }
    }

    fn take_input(&mut self) -> BytesMut {
        self.input.take().map(|input| *input).unwrap_or_default()
    }

    fn keep_input(&mut self, input: BytesMut) {
        self.input = (!input.is_empty()).then(|| Box::new(input));
    }

    fn has_ended(&self) -> bool {
        self.ends.as_ref().is_some_and(|ends| ends.input.is_some())
    }

    /// A broken stream is read to its end whatever the policy says.
    fn may_read(&self) -> bool {
        let has_room = self.bounds.reads_while_high || self.queue.level() == Level::Low;
        self.stream.is_broken() || (has_room && !self.bounds.paused)
    }

    fn skip(&mut self, scratch: &mut [u8]) -> Result<(), CloseCause> {
        if self.stream.is_readable()
            && !self.has_ended()
            && let Err(cause) = self.stream.skip(scratch)
        {
            self.ends.get_or_insert_default().input = Some(cause);
        }
        match (self.ends.as_ref().and_then(|ends| ends.input.as_ref()), self.stage) {
            (None, _) => Ok(()),
            // The other side's end alone does not stop our last words.
            (Some(CloseCause::Peer), Stage::Closing) => Ok(()),
            (Some(cause), _) => Err(cause.clone()),
        }
    }
}

/// Input is counted up to a limit far below 4 GiB.
fn saturated(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

fn fault_of(cause: &CloseCause) -> Option<FaultCode> {
    match cause {
        CloseCause::Frame(_) => Some(FaultCode::BAD_FRAME),
        CloseCause::TooMuchInput => Some(FaultCode::TOO_SLOW_TO_SIGN_IN),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Conn;

    #[test]
    fn an_idle_connection_takes_128_bytes() {
        assert!(size_of::<Conn>() <= 128, "{}", size_of::<Conn>());
    }
}
