//! A roster as bytes, for the home's store: what the fold of all statements has come to.
//!
//! ```text
//! group name │ version u32 │ head [32] │ policy u8 │ admin name │ last departure u32 │ closed bool
//! three times: count u16 │ (name │ version u32) …       members, invited, removed
//! ```

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};

use super::Roster;
use crate::field::{Field, List};
use crate::limits::{GROUP_MEMBERS_MAX, INVITED_MAX, REMOVED_MAX};
use crate::name::Name;
use crate::reader::{DecodeError, Reader};

struct Since(Name, u32);

impl Field for Since {
    fn put(&self, out: &mut BytesMut) {
        self.0.put(out);
        self.1.put(out);
    }

    fn get(reader: &mut Reader, field: &'static str) -> Result<Self, DecodeError> {
        Ok(Self(Field::get(reader, field)?, Field::get(reader, field)?))
    }
}

impl Roster {
    /// The roster as bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        self.group.put(&mut out);
        self.version.put(&mut out);
        self.head.put(&mut out);
        self.policy.put(&mut out);
        self.admin.put(&mut out);
        self.last_departure.put(&mut out);
        self.closed.put(&mut out);
        put_names::<GROUP_MEMBERS_MAX>(&self.members, &mut out);
        put_names::<INVITED_MAX>(&self.invited, &mut out);
        put_names::<REMOVED_MAX>(&self.removed, &mut out);
        out.freeze()
    }

    /// Reads what [`Roster::encode`] made.
    ///
    /// # Errors
    /// [`DecodeError`] names the field that does not fit.
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let mut roster = Self {
            group: Field::get(&mut reader, "group")?,
            version: Field::get(&mut reader, "version")?,
            head: Field::get(&mut reader, "head")?,
            policy: Field::get(&mut reader, "policy")?,
            admin: Field::get(&mut reader, "admin")?,
            last_departure: Field::get(&mut reader, "last departure")?,
            closed: Field::get(&mut reader, "closed")?,
            members: BTreeMap::new(),
            invited: BTreeMap::new(),
            removed: BTreeMap::new(),
        };
        roster.members = get_names::<GROUP_MEMBERS_MAX>(&mut reader, "members")?;
        roster.invited = get_names::<INVITED_MAX>(&mut reader, "invited")?;
        roster.removed = get_names::<REMOVED_MAX>(&mut reader, "removed")?;
        reader.finish()?;
        Ok(roster)
    }
}

fn put_names<const MAX: usize>(names: &BTreeMap<Name, u32>, out: &mut BytesMut) {
    let items = names.iter().map(|(name, version)| Since(*name, *version)).collect();
    List::<Since, MAX>::new(items).expect("the fold keeps the limit").put(out);
}

fn get_names<const MAX: usize>(
    reader: &mut Reader,
    field: &'static str,
) -> Result<BTreeMap<Name, u32>, DecodeError> {
    let items = List::<Since, MAX>::get(reader, field)?.into_items();
    let names: BTreeMap<Name, u32> =
        items.iter().map(|Since(name, version)| (*name, *version)).collect();
    if names.len() != items.len() {
        return Err(DecodeError::Value(field));
    }
    Ok(names)
}
