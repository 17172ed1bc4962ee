//! Logs: open, post, accepted, attach, deliver, seen. Mailboxes and groups alike.

use byteorder::{BigEndian, ByteOrder};
use bytes::{BufMut, BytesMut};

use super::message;
use crate::fault::FaultCode;
use crate::field::{Field, Opaque};
use crate::frame;
use crate::id::{LogHandle, LogId, MessageSession, Number, Origin, Seq};
use crate::kind::Kind;
use crate::limits::BODY_LEN_MAX;
use crate::name::Name;
use crate::reader::{DecodeError, Reader};
use crate::time::Wall;

/// The sealed content of an entry.
pub type Body = Opaque<BODY_LEN_MAX>;

message! {
    /// Opens a log for posting, reading or both. Answered by [`LogOpened`] or a fault with this
    /// handle.
    OpenLog = OPEN_LOG {
        /// The client's choice; not open yet on this connection.
        handle: LogHandle,
        /// Which log.
        log: LogId,
    }
}

message! {
    /// The log is open under its handle.
    LogOpened = LOG_OPENED {
        /// From [`OpenLog`].
        handle: LogHandle,
        /// The home's `max(last, settled)` for this sender and origin: it expects the next one.
        base: Number,
    }
}

message! {
    /// Closes a handle. Posts that are unanswered stay so; nothing is lost at the home.
    CloseLog = CLOSE_LOG {
        /// An open handle.
        handle: LogHandle,
    }
}

message! {
    /// Asks the home to append an entry.
    Post = POST {
        /// An open handle.
        handle: LogHandle,
        /// This post's number: `settled < number <= settled + 64`.
        number: Number,
        /// Every number up to this one was answered.
        settled: Number,
        /// The message session that the body is sealed under; 0 = it brings its own key.
        message_session: MessageSession,
        /// These bytes may have left before under this number: no answer to them is known.
        again: bool,
        /// The sealed content.
        body: Body,
    }
}

/// How an accepted post is safe.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Class {
    /// On the home's disk: the sync of its batch has returned.
    Stored,
    /// In the durable store of every reader.
    Seen,
}

impl Field for Class {
    fn put(&self, out: &mut BytesMut) {
        out.put_u8(match self {
            Self::Stored => 1,
            Self::Seen => 2,
        });
    }

    fn get(reader: &mut Reader, field: &'static str) -> Result<Self, DecodeError> {
        match reader.u8(field)? {
            1 => Ok(Self::Stored),
            2 => Ok(Self::Seen),
            _ => Err(DecodeError::Value(field)),
        }
    }
}

message! {
    /// Every post up to `upto` is safe. Cumulative.
    Accepted = ACCEPTED {
        /// An open handle.
        handle: LogHandle,
        /// The highest number this answers.
        upto: Number,
        /// The seq of the entry with that number.
        seq: Seq,
        /// How it is safe.
        class: Class,
    }
}

/// Why a post was not appended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// Definitely not stored; the number is spent. Trying again is a new post.
    Rejected(FaultCode),
    /// A number was skipped: the home expects this one next. Go back and send from there.
    Expected(Number),
    /// The number was used with other bytes. Begin a new origin and ask the user.
    Conflict,
    /// No room just now; the number is not spent. Send it again after a pause.
    Busy,
}

/// Layout: tag `u8` (1 rejected + code `u16`, 2 expected + number `u64`, 3 conflict, 4 busy).
impl Field for Refusal {
    fn put(&self, out: &mut BytesMut) {
        match self {
            Self::Rejected(code) => {
                out.put_u8(1);
                code.put(out);
            }
            Self::Expected(number) => {
                out.put_u8(2);
                number.put(out);
            }
            Self::Conflict => out.put_u8(3),
            Self::Busy => out.put_u8(4),
        }
    }

    fn get(reader: &mut Reader, field: &'static str) -> Result<Self, DecodeError> {
        match reader.u8(field)? {
            1 => FaultCode::get(reader, field).map(Self::Rejected),
            2 => Number::get(reader, field).map(Self::Expected),
            3 => Ok(Self::Conflict),
            4 => Ok(Self::Busy),
            _ => Err(DecodeError::Value(field)),
        }
    }
}

message! {
    /// A post was not appended.
    Refused = REFUSED {
        /// An open handle.
        handle: LogHandle,
        /// The post's number.
        number: Number,
        /// Why, and what to do.
        refusal: Refusal,
    }
}

message! {
    /// The log's home cannot be reached; unanswered posts are unknown. Send them again after
    /// [`Up`], from settled + 1, with the same bytes.
    Unavailable = UNAVAILABLE {
        /// An open handle.
        handle: LogHandle,
    }
}

message! {
    /// The log's home is back.
    Up = UP {
        /// An open handle.
        handle: LogHandle,
    }
}

message! {
    /// Begins the reading of a mailbox or a group: everything after `cursor` follows, then
    /// [`CaughtUp`], then entries as they come. Counts as [`Seen`] up to the log's head.
    Attach = ATTACH {
        /// An open handle of a log this account reads.
        handle: LogHandle,
        /// The last entry that the reader holds durably; 0 for none.
        cursor: Seq,
    }
}

message! {
    /// The reader holds every entry up to `upto` durably. Cumulative.
    Seen = SEEN {
        /// An attached handle.
        handle: LogHandle,
        /// The last entry held.
        upto: Seq,
    }
}

message! {
    /// The reader's user was shown everything of its mailbox up to `upto`. A signal: it counts as
    /// nothing else, and may be lost. Cumulative.
    Shown = SHOWN {
        /// The attached handle of the account's own mailbox.
        handle: LogHandle,
        /// The last entry shown.
        upto: Seq,
    }
}

message! {
    /// The owner of a mailbox was shown everything that this installation posted there up to
    /// `upto`, as its home says. A signal: it may be lost.
    Receipt = RECEIPT {
        /// An open handle of the mailbox.
        handle: LogHandle,
        /// The seq of the installation's newest entry that was shown.
        upto: Seq,
    }
}

message! {
    /// One entry of an attached log.
    Deliver = DELIVER {
        /// An attached handle.
        handle: LogHandle,
        /// The entry.
        entry: Entry,
    }
}

message! {
    /// The reader has been sent everything the log held when this was said.
    CaughtUp = CAUGHT_UP {
        /// An attached handle.
        handle: LogHandle,
        /// Everything up to this was sent, or no longer exists.
        upto: Seq,
        /// Entries that expired before this account received them, since it last was told.
        expired: u64,
    }
}

/// One record of a log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Its place in the log.
    pub seq: Seq,
    /// Who posted it, as the seat proved.
    pub sender: Name,
    /// The sender's installation.
    pub origin: Origin,
    /// Its number among the sender's posts from that origin to this log.
    pub number: Number,
    /// When the home appended it, by the home's clock.
    pub at: Wall,
    /// The sealed content.
    pub body: Body,
}

impl Field for Entry {
    fn put(&self, out: &mut BytesMut) {
        self.seq.put(out);
        self.sender.put(out);
        self.origin.put(out);
        self.number.put(out);
        self.at.put(out);
        self.body.put(out);
    }

    fn get(reader: &mut Reader, _field: &'static str) -> Result<Self, DecodeError> {
        Ok(Self {
            seq: Field::get(reader, "seq")?,
            sender: Field::get(reader, "sender")?,
            origin: Field::get(reader, "origin")?,
            number: Field::get(reader, "number")?,
            at: Field::get(reader, "at")?,
            body: Field::get(reader, "body")?,
        })
    }
}

/// A [`Deliver`] for several readers: encoded once, it differs in their handles alone.
#[derive(Clone, Debug)]
pub struct Fanned(BytesMut);

/// Where a [`Deliver`] frame has its handle: behind the length and the kind.
const HANDLE_PLACE: std::ops::Range<usize> = 5..9;

/// Room for all of a [`Deliver`] frame but the body.
const ENTRY_HEADER_LEN: usize = 128;

impl Fanned {
    /// The frame of `entry`.
    #[must_use]
    pub fn new(entry: &Entry) -> Self {
        let mut frame = BytesMut::with_capacity(entry.body.bytes().len() + ENTRY_HEADER_LEN);
        frame::append(&mut frame, Kind::DELIVER, |out| {
            LogHandle(0).put(out);
            entry.put(out);
        });
        Self(frame)
    }

    /// Appends the frame for a reader whose log has this handle.
    pub fn append_frame(&self, handle: LogHandle, out: &mut BytesMut) {
        let start = out.len();
        out.put_slice(&self.0);
        BigEndian::write_u32(&mut out[start..][HANDLE_PLACE], handle.0);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::message::Message;

    #[test]
    fn a_fanned_frame_is_the_frame_of_each_reader() {
        let entry = Entry {
            seq: Seq(7),
            sender: Name::parse("alice").expect("a name"),
            origin: Origin([3; 16]),
            number: Number::new(9).expect("in range"),
            at: Wall(5),
            body: Body::new(Bytes::from_static(b"sealed")).expect("short"),
        };
        let fanned = Fanned::new(&entry);
        let (mut together, mut alone) = (BytesMut::new(), BytesMut::new());
        for handle in [LogHandle(0), LogHandle(1), LogHandle(u32::MAX)] {
            fanned.append_frame(handle, &mut together);
            Deliver { handle, entry: entry.clone() }.append_frame(&mut alone);
        }
        assert_eq!(together, alone);
    }
}
