//! FastChat's protocol: what crosses a socket, and the words every crate shares.
//!
//! Frames are length-prefixed, big-endian and encoded by hand. Nothing here performs I/O, except
//! the [`net`] module behind the feature `net`. The protocol for strangers is `docs/PROTOCOL.md`.

pub mod fault;
pub mod field;
pub mod frame;
pub mod id;
pub mod kind;
pub mod limits;
pub mod map;
pub mod message;
pub mod name;
#[cfg(feature = "net")]
pub mod net;
#[cfg(feature = "opaque")]
pub mod opaque;
pub mod opening;
pub mod operator;
pub mod reader;
pub mod roster;
pub mod time;

pub use fault::FaultCode;
pub use field::{Field, List, Opaque, Text};
pub use frame::{Frame, FrameError};
pub use id::{
    BlobId, ConnId, ExchangeId, LogHandle, LogId, LogKind, MessageSession, Number, Origin,
    ProcessId, RequestId, Reservation, Seq, ServerId, SessionEpoch, Slot, StoreId, StoreIdError,
    Token,
};
pub use kind::Kind;
pub use map::{MapError, MapFile, MapHash, Member, SignedMap, SlotMap};
pub use message::{
    FromRouter, Message, RouterToServer, ServerToRouter, ToClient, ToPeer, ToRouter, ToServer,
};
pub use name::{Name, NameError};
pub use opening::Opening;
pub use operator::{OperatorKey, OperatorPublic};
pub use reader::{DecodeError, Reader};
pub use roster::{Act, Policy, Statement};
pub use time::{Instant, Wall};
