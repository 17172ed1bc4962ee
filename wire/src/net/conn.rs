//! One connection: its stage, its input cut into frames, its write queue.

use std::net::SocketAddr;

use bytes::BytesMut;

use super::early::Seat;
use super::event::{CloseCause, Level, ListenerId, NetEvent};
use super::policy::Policy;
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
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    /// A dial that the other side has not taken yet.
    Connecting,
    /// TLS is being agreed; also an accepted plain connection before its first turn.
    Handshaking,
    /// Frames travel.
    Open,
    /// What is queued is written, then `Closed` is told with this cause.
    Closing(Box<CloseCause>),
    /// `Closed` was told; input is drained so that the other side gets the last bytes.
    Lingering,
}

/// How a connection came to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    Dialed,
    Accepted { listener: ListenerId },
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
    pub(super) policy: Policy,
    /// When the present stage ends at the latest.
    pub(super) deadline: Option<Instant>,
    /// Of an accepted connection that has not signed in.
    pub(super) newcomer: Option<Box<Newcomer>>,
    /// It waits in the run queue.
    pub(super) is_queued: bool,
    /// It waits in the list of sockets to write.
    pub(super) is_dirty: bool,
    input: BytesMut,
    input_len: usize,
    has_frames: bool,
    end: Option<Box<CloseCause>>,
}

impl Conn {
    pub(super) fn new(id: ConnId, way: Way, stream: Stream, policy: Policy) -> Self {
        let stage = match way {
            Way::Dialed => Stage::Connecting,
            Way::Accepted { .. } => Stage::Handshaking,
        };
        let (queue, input) = (WriteQueue::new(), BytesMut::new());
        let (deadline, newcomer, end) = (None, None, None);
        let (is_queued, is_dirty, has_frames, input_len) = (false, false, false, 0);
        Self {
            id,
            way,
            stage,
            stream,
            queue,
            policy,
            deadline,
            newcomer,
            is_queued,
            is_dirty,
            input,
            input_len,
            has_frames,
            end,
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
            Stage::Closing(_) | Stage::Lingering => self.skip(scratch),
        }
    }

    /// Whether another turn has work without waiting for the socket.
    pub(super) fn has_work(&self) -> bool {
        match self.stage {
            Stage::Connecting => false,
            Stage::Handshaking | Stage::Closing(_) | Stage::Lingering => self.stream.is_readable(),
            Stage::Open => {
                self.may_read()
                    && (self.has_frames || self.end.is_some() || self.stream.is_readable())
            }
        }
    }

    /// Whether the socket would take something that waits.
    pub(super) fn has_output(&self) -> bool {
        let waits = match self.stage {
            Stage::Connecting | Stage::Handshaking => return false,
            Stage::Open => !self.queue.is_empty() || self.stream.wants_write(),
            Stage::Closing(_) => true,
            Stage::Lingering => false,
        };
        waits && self.stream.is_writable()
    }

    /// Whether frames may still be queued.
    pub(super) fn takes_output(&self) -> bool {
        !matches!(self.stage, Stage::Closing(_) | Stage::Lingering)
    }

    /// Whether the shell knows this connection and has not been told of its end.
    pub(super) fn owes_closed(&self) -> bool {
        match self.stage {
            Stage::Connecting | Stage::Handshaking => self.way == Way::Dialed,
            Stage::Open | Stage::Closing(_) => true,
            Stage::Lingering => false,
        }
    }

    /// Replaces the limits; counting of input begins anew.
    pub(super) fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
        self.input_len = 0;
    }

    /// Stops the conversation. The other side is told why when the cause is its fault.
    pub(super) fn begin_close(&mut self, cause: CloseCause) {
        if let Some(code) = fault_of(&cause) {
            self.queue.append(|out| Fault::new(code).append_frame(out));
        }
        self.stage = Stage::Closing(Box::new(cause));
        self.input = BytesMut::new();
    }

    fn shake(&mut self, scratch: &mut [u8], events: &mut Vec<NetEvent>) -> Result<(), CloseCause> {
        if self.stream.is_handshaking() && self.stream.is_readable() {
            self.input_len += self.stream.receive(scratch, &mut self.input)?;
        }
        self.stream.transmit(&mut self.queue);
        if !self.stream.is_handshaking() {
            self.open(events);
            return self.count(self.input.len());
        }
        if self.input_len > EARLY_BYTES_MAX {
            return Err(CloseCause::TooMuchInput);
        }
        Ok(())
    }

    fn open(&mut self, events: &mut Vec<NetEvent>) {
        self.stage = Stage::Open;
        self.input_len = 0;
        self.has_frames = !self.input.is_empty();
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
        let mut budget = FRAMES_MAX;
        self.cut(&mut budget, events)?;
        if !self.has_frames && self.end.is_none() && self.stream.is_readable() {
            let held = self.input.len();
            // What came before the end is delivered before the end.
            self.end = self.stream.receive(scratch, &mut self.input).err().map(Box::new);
            self.count(self.input.len() - held)?;
            self.cut(&mut budget, events)?;
        }
        match &self.end {
            Some(cause) if !self.has_frames => Err((**cause).clone()),
            _ => Ok(()),
        }
    }

    fn cut(&mut self, budget: &mut usize, events: &mut Vec<NetEvent>) -> Result<(), CloseCause> {
        self.has_frames = true;
        while *budget > 0 {
            let Some(frame) = Frame::split(&mut self.input, self.policy.frame_len_max)? else {
                self.has_frames = false;
                break;
            };
            *budget -= 1;
            events.push(NetEvent::Frame { conn: self.id, frame });
        }
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
        Ok(())
    }

    fn count(&mut self, len: usize) -> Result<(), CloseCause> {
        self.input_len = self.input_len.saturating_add(len);
        match self.policy.input_len_max {
            Some(max) if self.input_len > max => Err(CloseCause::TooMuchInput),
            _ => Ok(()),
        }
    }

    /// A broken stream is read to its end whatever the policy says.
    fn may_read(&self) -> bool {
        let has_room = self.policy.reads_while_high || self.queue.level() == Level::Low;
        self.stream.is_broken() || (has_room && !self.policy.paused)
    }

    fn skip(&mut self, scratch: &mut [u8]) -> Result<(), CloseCause> {
        if self.stream.is_readable() && self.end.is_none() {
            self.end = self.stream.skip(scratch).err().map(Box::new);
        }
        match (self.end.as_deref(), &self.stage) {
            (None, _) => Ok(()),
            // The other side's end alone does not stop our last words.
            (Some(CloseCause::Peer), Stage::Closing(_)) => Ok(()),
            (Some(cause), _) => Err(cause.clone()),
        }
    }
}

fn fault_of(cause: &CloseCause) -> Option<FaultCode> {
    match cause {
        CloseCause::Frame(_) => Some(FaultCode::BAD_FRAME),
        CloseCause::TooMuchInput => Some(FaultCode::TOO_SLOW_TO_SIGN_IN),
        _ => None,
    }
}
