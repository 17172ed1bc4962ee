//! Values of groups, grants and notes.

use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};
use wire::field::List;
use wire::limits::{
    ANNOUNCEMENT_LEN_MAX, GROUP_MEMBERS_MAX, GROUPS_MAX, INVITED_MAX, NAME_LEN_MAX, OPAQUE_LEN_MAX,
    REMOVED_MAX, STATEMENT_LEN_MAX, WRAPPED_LEN_MAX,
};
use wire::message::{Bundle, KeyLogCopy};
use wire::{DecodeError, Field, Name, Reader, Wall};

use super::{Value, put_bytes};
use crate::record::{GroupRecord, StoredGrant};

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
