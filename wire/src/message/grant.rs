//! Grants: a message session's key, announced once by its sender and wrapped for each reader.

use bytes::BytesMut;

use super::auth::KeyLogCopy;
use super::message;
use crate::field::{Field, List, Opaque};
use crate::id::{LogId, MessageSession, Origin, RequestId};
use crate::limits::{ANNOUNCEMENT_LEN_MAX, GRANTS_MAX, WRAPPED_LEN_MAX};
use crate::name::Name;
use crate::reader::{DecodeError, Reader};

/// The part of a grant that all its readers share, signed by the sender.
pub type Announcement = Opaque<ANNOUNCEMENT_LEN_MAX>;

/// The announcement's secret, wrapped for one reader.
pub type Wrapped = Opaque<WRAPPED_LEN_MAX>;

/// The part of a grant that is one reader's own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReaderGrant {
    /// Who may open it.
    pub reader: Name,
    /// Id of the key that it is wrapped with.
    pub wrapping_key: [u8; 32],
    /// The wrapped secret.
    pub wrapped: Wrapped,
}

impl Field for ReaderGrant {
    fn put(&self, out: &mut BytesMut) {
        self.reader.put(out);
        self.wrapping_key.put(out);
        self.wrapped.put(out);
    }

    fn get(reader: &mut Reader, _field: &'static str) -> Result<Self, DecodeError> {
        Ok(Self {
            reader: Field::get(reader, "reader")?,
            wrapping_key: Field::get(reader, "wrapping_key")?,
            wrapped: Field::get(reader, "wrapped")?,
        })
    }
}

message! {
    /// Puts grants of the sender's own message session to the log's home. They are safe with the
    /// first post under them. Answered by [`GrantsPut`] or a fault with this request.
    PutGrants = PUT_GRANTS {
        /// Comes back in the answer.
        request: RequestId,
        /// Which log.
        log: LogId,
        /// Which message session; 1 or more, rising.
        message_session: MessageSession,
        /// Which announcement of it: 0 for its beginning, a higher one for readers who come later.
        part: u16,
        /// The version of the group's roster that the readers are from; 0 in a mailbox.
        roster_version: u32,
        /// The part's announcement; the same in each of its frames.
        announcement: Announcement,
        /// The readers' own parts.
        grants: List<ReaderGrant, GRANTS_MAX>,
        /// The part is complete: posts under the message session may follow.
        last: bool,
        /// The sender's key log, for readers who find the sender's own home away.
        key_log: KeyLogCopy,
    }
}

message! {
    /// The grants are on disk.
    GrantsPut = GRANTS_PUT {
        /// From the question.
        request: RequestId,
    }
}

message! {
    /// Asks for one's own grant. Answered by [`Grant`] or a fault with this request.
    FetchGrant = FETCH_GRANT {
        /// Comes back in the answer.
        request: RequestId,
        /// Which log.
        log: LogId,
        /// Whose message session.
        sender: Name,
        /// From which installation.
        origin: Origin,
        /// Which message session.
        message_session: MessageSession,
    }
}

message! {
    /// The asker's grant.
    Grant = GRANT {
        /// From the question.
        request: RequestId,
        /// What all its readers share.
        announcement: Announcement,
        /// The asker's own part.
        grant: ReaderGrant,
    }
}

message! {
    /// Asks a log's home for its copy of the key log of an account that has put a statement or
    /// grants there; for the log's readers only. Answered by [`super::Bundles`] with the whole
    /// copy, empty when there is none, or a fault with this request.
    FetchKeyLog = FETCH_KEY_LOG {
        /// Comes back in the answer.
        request: RequestId,
        /// Whose home keeps the copy.
        log: LogId,
        /// Whose keys.
        name: Name,
    }
}
