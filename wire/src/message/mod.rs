//! Messages: one enum per direction, so that a wrong-way message does not compile.

use bytes::BytesMut;

use crate::frame::{self, Frame};
use crate::kind::Kind;
use crate::reader::{DecodeError, Reader};

pub mod auth;
pub mod blob;
pub mod common;
pub mod grant;
pub mod group;
pub mod log;
pub mod map;
pub mod peer;
pub mod router;
pub mod slots;

pub use auth::{
    Bundle, Bundles, Challenge, FetchBundles, KeyLogCopy, Redeem, Resume, SealedKeys, SessionEnded,
    SignInChallenge, SignInFinish, SignInStart, SignOut, SignUpChallenge, SignUpFinish,
    SignUpStart, Welcome,
};
pub use blob::{BeginBlob, BlobState, Chunk, ChunkBytes, FetchChunk, PutChunk};
pub use common::{Fault, Hello, Ping, Pong, Ready, Role};
pub use grant::{
    Announcement, FetchGrant, FetchKeyLog, Grant, GrantsPut, PutGrants, ReaderGrant, Wrapped,
};
pub use group::{
    ChangeRoster, FetchRoster, GroupChallenge, GroupNoted, GroupStart, Groups, ListGroups,
    NoteGroup, Roster, RosterChanged, StatementBytes,
};
pub use log::{
    Accepted, Attach, Body, CaughtUp, Class, CloseLog, Deliver, Entry, Fanned, LogOpened, OpenLog,
    Post, Receipt, Refusal, Refused, Seen, Shown, Unavailable, Up,
};
pub use map::{FetchMap, MapCopy, MapVersion};
pub use peer::{
    Answer, AnswerBody, Ask, AskAs, AskOpenLog, Dismiss, EndSession, PeerAccepted, PeerAnswered,
    PeerAttach, PeerDeliver, PeerDetach, PeerPost, PeerRange, PeerRead, PeerReceipt, PeerRefused,
    PeerSeen, PeerShown, PeerStore, Probe, ProbeAnswer, Question, RegisterSession, SessionClosed,
    SessionEnd, SessionQuestion, SessionRegistered,
};
pub use router::{
    Directory, ListServers, Place, Placed, Report, SeatAddress, ServerEntry, Servers,
};
pub use slots::{
    MoveBegin, MoveEnd, MoveReady, MoveRows, MoveSum, MoveSummed, MoveTaken, MovedRow, PeerSlots,
    SlotClaim, SlotsTold,
};

/// One message: a kind and fields in a fixed order.
pub trait Message: Sized {
    /// The kind that marks its frame.
    const KIND: Kind;

    /// Appends the fields.
    fn encode(&self, out: &mut BytesMut);

    /// Reads the fields.
    ///
    /// # Errors
    /// [`DecodeError`] naming the field that did not fit.
    fn decode(reader: &mut Reader) -> Result<Self, DecodeError>;

    /// Appends the message as one whole frame.
    fn append_frame(&self, out: &mut BytesMut) {
        frame::append(out, Self::KIND, |out| self.encode(out));
    }
}

/// Declares a message: its fields in wire order. Encoding and decoding follow that order.
macro_rules! message {
    (
        $(#[$doc:meta])*
        $name:ident = $kind:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Eq, PartialEq)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }

        impl $crate::message::Message for $name {
            const KIND: $crate::kind::Kind = $crate::kind::Kind::$kind;

            fn encode(&self, _out: &mut bytes::BytesMut) {
                $($crate::field::Field::put(&self.$field, _out);)*
            }

            fn decode(
                _reader: &mut $crate::reader::Reader,
            ) -> Result<Self, $crate::reader::DecodeError> {
                Ok(Self {
                    $($field: $crate::field::Field::get(_reader, stringify!($field))?,)*
                })
            }
        }
    };
}
pub(crate) use message;

/// Declares a direction: the messages that may travel it.
macro_rules! direction {
    ($(#[$doc:meta])* $name:ident { $($message:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Eq, PartialEq)]
        pub enum $name {
            $(
                #[doc = concat!("See [`", stringify!($message), "`].")]
                $message($message),
            )*
        }

        impl $name {
            /// The kinds that travel in this direction.
            pub const KINDS: &[Kind] = &[$($message::KIND),*];

            /// The kind of this message.
            #[must_use]
            pub fn kind(&self) -> Kind {
                match self { $(Self::$message(_) => $message::KIND,)* }
            }

            /// Appends the message as one whole frame.
            pub fn append_frame(&self, out: &mut BytesMut) {
                match self { $(Self::$message(message) => message.append_frame(out),)* }
            }

            /// Appends the message's fields alone.
            pub fn encode_body(&self, out: &mut BytesMut) {
                match self { $(Self::$message(message) => message.encode(out),)* }
            }

            /// Decodes a whole frame.
            ///
            /// # Errors
            /// [`DecodeError`]: unknown kind, wrong direction, or fields that do not fit.
            pub fn decode(frame: &Frame) -> Result<Self, DecodeError> {
                match frame.kind {
                    $($message::KIND => frame.decode().map(Self::$message),)*
                    Kind(code) if frame.kind.name().is_some() => Err(DecodeError::Direction(code)),
                    Kind(code) => Err(DecodeError::Kind(code)),
                }
            }
        }

        $(
            impl From<$message> for $name {
                fn from(message: $message) -> Self {
                    Self::$message(message)
                }
            }
        )*
    };
}

direction! {
    /// What a client says to a server.
    ToServer {
        Hello, Fault, Ping, Pong, Redeem, SignUpStart, SignUpFinish, SignInStart, SignInFinish,
        Resume, SignOut, FetchBundles, OpenLog, CloseLog, Post, Attach, Seen, GroupStart,
        ChangeRoster, FetchRoster, PutGrants, FetchGrant, NoteGroup, ListGroups, BeginBlob,
        PutChunk, FetchChunk, FetchKeyLog, Shown,
    }
}

direction! {
    /// What a server says to a client.
    ToClient {
        Ready, Fault, Ping, Pong, SignUpChallenge, SignInChallenge, Welcome, SessionEnded,
        Bundles, LogOpened, Accepted, Refused, Unavailable, Up, Deliver, CaughtUp, GroupChallenge,
        RosterChanged, Roster, GrantsPut, Grant, GroupNoted, Groups, BlobState, Chunk, Receipt,
    }
}

direction! {
    /// What two servers say to each other: seat to home and home to seat.
    ToPeer {
        Hello, Ready, Fault, Ping, Pong, Ask, Answer, PeerPost, PeerAccepted, PeerRefused,
        PeerAttach, PeerDetach, PeerSeen, PeerRead, PeerRange, PeerDeliver, Probe, ProbeAnswer,
        EndSession, SessionClosed, RegisterSession, AskAs, Dismiss, SessionRegistered,
        PeerAnswered, PeerShown, PeerReceipt, PeerStore, MapVersion, FetchMap, MapCopy,
        PeerSlots, SlotsTold, MoveBegin, MoveReady,
        MoveRows, MoveTaken, MoveSum, MoveSummed, MoveEnd,
    }
}

direction! {
    /// What a client says to a router.
    ToRouter { Hello, Fault, Ping, Pong, Place, ListServers, }
}

direction! {
    /// What a router says to a client.
    FromRouter { Ready, Fault, Ping, Pong, Placed, Servers, }
}

direction! {
    /// What a server says to a router.
    ServerToRouter { Hello, Fault, Ping, Pong, Report, MapCopy, }
}

direction! {
    /// What a router says to a server.
    RouterToServer { Ready, Fault, Ping, Pong, Directory, FetchMap, MapCopy, }
}
