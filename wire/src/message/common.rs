//! What every connection speaks: hello, ready, fault, ping.

use bytes::BytesMut;

use super::message;
use crate::fault::FaultCode;
use crate::field::{Field, Text};
use crate::id::ServerId;
use crate::kind::Kind;
use crate::limits::FAULT_TEXT_MAX;
use crate::reader::{DecodeError, Reader};
use crate::time::Wall;

/// The first four bytes of every conversation: `FCHT`.
pub const MAGIC: [u8; 4] = *b"FCHT";
/// Oldest protocol version spoken.
pub const VERSION_MIN: u16 = 1;
/// Newest protocol version spoken.
pub const VERSION_MAX: u16 = 1;

/// Who begins the conversation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// A person's client.
    Client,
    /// A server of the cluster, proven by its certificate.
    Server,
}

impl Field for Role {
    fn put(&self, out: &mut BytesMut) {
        match self {
            Self::Client => 1u8,
            Self::Server => 2,
        }
        .put(out);
    }

    fn get(reader: &mut Reader, field: &'static str) -> Result<Self, DecodeError> {
        match reader.u8(field)? {
            1 => Ok(Self::Client),
            2 => Ok(Self::Server),
            _ => Err(DecodeError::Value(field)),
        }
    }
}

message! {
    /// The first frame on every connection, from the side that connected.
    Hello = HELLO {
        /// [`MAGIC`].
        magic: [u8; 4],
        /// Oldest version the sender speaks.
        version_min: u16,
        /// Newest version the sender speaks.
        version_max: u16,
        /// Who the sender is.
        role: Role,
        /// Which server the sender is; 0 for a client.
        server: ServerId,
    }
}

impl Hello {
    /// A client's hello.
    #[must_use]
    pub fn client() -> Self {
        Self::new(Role::Client, ServerId(0))
    }

    /// A server's hello.
    #[must_use]
    pub fn server(server: ServerId) -> Self {
        Self::new(Role::Server, server)
    }

    fn new(role: Role, server: ServerId) -> Self {
        let (version_min, version_max) = (VERSION_MIN, VERSION_MAX);
        Self { magic: MAGIC, version_min, version_max, role, server }
    }

    /// The newest version both sides speak.
    ///
    /// # Errors
    /// [`FaultCode::BAD_MAGIC`] or [`FaultCode::BAD_VERSION`].
    pub fn agree(&self) -> Result<u16, FaultCode> {
        if self.magic != MAGIC {
            return Err(FaultCode::BAD_MAGIC);
        }
        let newest = self.version_max.min(VERSION_MAX);
        if newest < self.version_min.max(VERSION_MIN) {
            return Err(FaultCode::BAD_VERSION);
        }
        Ok(newest)
    }
}

message! {
    /// The answer to [`Hello`]: the conversation may begin.
    Ready = READY {
        /// The version both sides speak from now on.
        version: u16,
        /// Which server answers; 0 for a router.
        server: ServerId,
        /// The answerer's clock, for people.
        at: Wall,
    }
}

message! {
    /// Something went wrong; the code's table entry says whether the connection closes.
    Fault = FAULT {
        /// What went wrong.
        code: FaultCode,
        /// The kind of the message that is answered by this; 0 when none is.
        about: u8,
        /// The handle or request of that message; 0 when it has none.
        reference: u32,
        /// One line for people.
        text: Text<FAULT_TEXT_MAX>,
    }
}

impl Fault {
    /// A fault about no message in particular, with the table's text.
    #[must_use]
    pub fn new(code: FaultCode) -> Self {
        Self { code, about: 0, reference: 0, text: Text::cut(code.text()) }
    }

    /// A fault in answer to a message.
    #[must_use]
    pub fn about(code: FaultCode, kind: Kind, reference: u32) -> Self {
        Self { about: kind.0, reference, ..Self::new(code) }
    }
}

message! {
    /// Asks for a [`Pong`] with the same nonce.
    Ping = PING {
        /// Comes back in the answer.
        nonce: u64,
    }
}

message! {
    /// The answer to [`Ping`].
    Pong = PONG {
        /// The nonce of the ping.
        nonce: u64,
    }
}
