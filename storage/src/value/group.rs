//! Values of groups, grants and notes, and whom the owner of a mailbox has answered.

use std::collections::BTreeSet;

use bytes::{BufMut, Bytes, BytesMut};
use wire::field::List;
use wire::limits::{
    ANNOUNCEMENT_LEN_MAX, ANSWERED_MAX, GROUP_MEMBERS_MAX, GROUPS_MAX, INVITED_MAX,
    MESSAGE_SESSIONS_MAX, NAME_LEN_MAX, OPAQUE_LEN_MAX, REMOVED_MAX, STATEMENT_LEN_MAX,
    WRAPPED_LEN_MAX,
};
use wire::message::{Bundle, KeyLogCopy};
use wire::{DecodeError, Field, MessageSession, Name, Reader, Seq, Wall};

use super::{Value, get_pairs, put_bytes};
use crate::record::{GrantedSession, GrantedState, GroupRecord, StoredGrant};

/// Largest roster: every list full of the longest names, and 256 bytes for all else.
const ROSTER_LEN_MAX: usize =
    (GROUP_MEMBERS_MAX + INVITED_MAX + REMOVED_MAX) * (1 + NAME_LEN_MAX + 4) + 256;

/// Layout: roster `u32` length ‖ bytes, password `u32` length ‖ bytes, created.
impl Value for GroupRecord {
    fn put_fields(&self, out: &mut BytesMut) {
        put_bytes(out, &self.roster, ROSTER_LEN_MAX);
        put_bytes(out, &self.password, OPAQUE_LEN_MAX);
        self.created.put(out);
    }

    fn get_fields(reader: &mut Reader, _format: u8) -> Result<Self, DecodeError> {
        Ok(Self {
            roster: reader.bytes(ROSTER_LEN_MAX, "group.roster")?,
            password: reader.bytes(OPAQUE_LEN_MAX, "group.password")?,
            created: Wall::get(reader, "group.created")?,
        })
    }
}

/// A signed statement, as it came.
pub(crate) struct Statement(pub(crate) Bytes);

impl Value for Statement {
    fn put_fields(&self, out: &mut BytesMut) {
        put_bytes(out, &self.0, STATEMENT_LEN_MAX);
    }

    fn get_fields(reader: &mut Reader, _format: u8) -> Result<Self, DecodeError> {
        reader.bytes(STATEMENT_LEN_MAX, "statement").map(Self)
    }
}

/// An announcement, as it came.
pub(crate) struct Announcement(pub(crate) Bytes);

impl Value for Announcement {
    fn put_fields(&self, out: &mut BytesMut) {
        put_bytes(out, &self.0, ANNOUNCEMENT_LEN_MAX);
    }

    fn get_fields(reader: &mut Reader, _format: u8) -> Result<Self, DecodeError> {
        reader.bytes(ANNOUNCEMENT_LEN_MAX, "announcement").map(Self)
    }
}

/// A grant without its reader, who is in the key.
pub(crate) struct GrantFields {
    pub(crate) part: u16,
    pub(crate) wrapping_key: [u8; 32],
    pub(crate) wrapped: Bytes,
}

impl GrantFields {
    /// What is stored of `grant`.
    pub(crate) fn of(grant: &StoredGrant) -> Self {
        let StoredGrant { part, wrapping_key, .. } = *grant;
        Self { part, wrapping_key, wrapped: grant.wrapped.clone() }
    }

    /// The grant of `reader`.
    pub(crate) fn with_reader(self, reader: Name) -> StoredGrant {
        let Self { part, wrapping_key, wrapped } = self;
        StoredGrant { reader, part, wrapping_key, wrapped }
    }
}

/// Layout: part `u16`, wrapping key, wrapped `u32` length ‖ bytes.
impl Value for GrantFields {
    fn put_fields(&self, out: &mut BytesMut) {
        self.part.put(out);
        self.wrapping_key.put(out);
        put_bytes(out, &self.wrapped, WRAPPED_LEN_MAX);
    }

    fn get_fields(reader: &mut Reader, _format: u8) -> Result<Self, DecodeError> {
        Ok(Self {
            part: reader.u16("grant.part")?,
            wrapping_key: reader.array("grant.wrapping_key")?,
            wrapped: reader.bytes(WRAPPED_LEN_MAX, "grant.wrapped")?,
        })
    }
}

/// A copy of a key log: its bundles, oldest first.
pub(crate) struct KeyLog(pub(crate) Vec<Bytes>);

/// Layout: `u16` count ‖ bundles, each `u32` length ‖ bytes.
impl Value for KeyLog {
    fn put_fields(&self, out: &mut BytesMut) {
        let bundles = self.0.iter().map(|bundle| Bundle::new(bundle.clone()));
        let bundles = bundles.collect::<Result<_, _>>().expect("the wire's limit");
        KeyLogCopy::new(bundles).expect("the wire's limit").put(out);
    }

    fn get_fields(reader: &mut Reader, _format: u8) -> Result<Self, DecodeError> {
        let bundles = KeyLogCopy::get(reader, "key_log")?.into_items();
        Ok(Self(bundles.into_iter().map(Bundle::into_bytes).collect()))
    }
}

/// Layout: message session, roster version `u32`, parts `u16`, len `u32`, since, state `u8` ‖ seq
/// (1 partial, 2 complete, 3 in use, 4 ended; seq is 0 in the first two).
impl Field for GrantedSession {
    fn put(&self, out: &mut BytesMut) {
        self.message_session.put(out);
        out.put_u32(self.roster_version);
        out.put_u16(self.parts);
        out.put_u32(self.len);
        self.since.put(out);
        let (state, seq) = match self.state {
            GrantedState::Partial => (1, Seq(0)),
            GrantedState::Complete => (2, Seq(0)),
            GrantedState::InUse(last) => (3, last),
            GrantedState::Ended(end) => (4, end),
        };
        out.put_u8(state);
        seq.put(out);
    }

    fn get(reader: &mut Reader, field: &'static str) -> Result<Self, DecodeError> {
        let message_session = MessageSession::get(reader, field)?;
        let (roster_version, parts) = (reader.u32(field)?, reader.u16(field)?);
        let (len, since) = (reader.u32(field)?, Wall::get(reader, field)?);
        let state = match (reader.u8(field)?, Seq::get(reader, field)?) {
            (1, Seq(0)) => GrantedState::Partial,
            (2, Seq(0)) => GrantedState::Complete,
            (3, last) => GrantedState::InUse(last),
            (4, end) => GrantedState::Ended(end),
            _ => return Err(DecodeError::Value(field)),
        };
        Ok(Self { message_session, roster_version, parts, len, since, state })
    }
}

/// The message sessions of a row of format 2, as `u8` count ‖ (message session, roster version
/// `u32`) each, the one in use first; then `u8` count ‖ (message session, seq) of each that ended.
/// What they did not say is taken to be so that they go when no entry needs them.
pub(super) fn get_older_sessions(reader: &mut Reader) -> Result<Vec<GrantedSession>, DecodeError> {
    let field = "row.sessions";
    let current: Vec<(MessageSession, u32)> = get_pairs(reader, MESSAGE_SESSIONS_MAX, field)?;
    let ended: Vec<(MessageSession, Seq)> = get_pairs(reader, MESSAGE_SESSIONS_MAX, field)?;
    let session = |message_session, roster_version, state| {
        let (parts, len, since) = (u16::MAX, 0, Wall(0));
        GrantedSession { message_session, roster_version, parts, len, since, state }
    };
    let ended = ended.into_iter().map(|(number, end)| session(number, 0, GrantedState::Ended(end)));
    let current = current.into_iter().enumerate().map(|(place, (number, version))| match place {
        0 => session(number, version, GrantedState::InUse(Seq(u64::MAX))),
        _ => session(number, version, GrantedState::Complete),
    });
    Ok(ended.chain(current).collect())
}

/// How many bytes of grants a sender has in a log.
pub(crate) struct GrantsLen(pub(crate) u64);

impl Value for GrantsLen {
    fn put_fields(&self, out: &mut BytesMut) {
        out.put_u64(self.0);
    }

    fn get_fields(reader: &mut Reader, _format: u8) -> Result<Self, DecodeError> {
        reader.u64("grants.len").map(Self)
    }
}

/// The groups that an account has noted.
pub(crate) struct Notes(pub(crate) BTreeSet<Name>);

/// Layout: `u16` count ‖ names, rising.
impl Value for Notes {
    fn put_fields(&self, out: &mut BytesMut) {
        let names = List::<Name, GROUPS_MAX>::new(self.0.iter().copied().collect());
        names.expect("the batch was refused above GROUPS_MAX").put(out);
    }

    fn get_fields(reader: &mut Reader, _format: u8) -> Result<Self, DecodeError> {
        let names = List::<Name, GROUPS_MAX>::get(reader, "notes")?.into_items();
        if !names.is_sorted_by(|name, next| name < next) {
            return Err(DecodeError::Value("notes"));
        }
        Ok(Self(names.into_iter().collect()))
    }
}

/// Whom the owner of a mailbox has answered.
pub(crate) struct Answered(pub(crate) Vec<Name>);

/// Layout: `u16` count ‖ names, in the order of their first answers.
impl Value for Answered {
    fn put_fields(&self, out: &mut BytesMut) {
        let names = List::<Name, ANSWERED_MAX>::new(self.0.clone());
        names.expect("a home remembers at most ANSWERED_MAX").put(out);
    }

    fn get_fields(reader: &mut Reader, _format: u8) -> Result<Self, DecodeError> {
        List::<Name, ANSWERED_MAX>::get(reader, "answered").map(|names| Self(names.into_items()))
    }
}
