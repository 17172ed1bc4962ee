//! The bytes of a map. `docs/STORAGE.md` draws them.
//!
//! Format 1 is a map without servers, epochs and signature, as clusters had it before maps could
//! change; it is read as the first map of its cluster.

use bytes::{BufMut, Bytes, BytesMut};

use super::{MapHash, Member, Place, SlotMap, distinct};
use crate::field::Field;
use crate::id::{ServerId, StoreId};
use crate::limits::{MAP_LEN_MAX, SERVERS_MAX, SLOTS};
use crate::reader::{DecodeError, Reader};

const MAGIC: &[u8; 7] = b"FCmap\0\0";
const UNSIGNED: u8 = 1;
const FORMAT: u8 = 2;

/// Magic and format, version, hash.
const HEAD_LEN: usize = 8 + 4 + 32;
const MEMBER_LEN_MAX: usize = 2 + 1 + 16 + 4;
const PLACE_LEN: usize = 2 + 4 + 2;
const SIGNATURE_LEN: usize = 64;
const _: () = assert!(
    HEAD_LEN + 2 + SERVERS_MAX * MEMBER_LEN_MAX + SLOTS * PLACE_LEN + SIGNATURE_LEN <= MAP_LEN_MAX
);

/// Whether these are the bytes of a map of format 1, which nobody signed.
pub(super) fn is_unsigned(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC) && bytes.get(MAGIC.len()) == Some(&UNSIGNED)
}

impl SlotMap {
    /// The bytes that the operator signs: magic with format, version, hash of the previous map,
    /// servers, slots.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(MAP_LEN_MAX);
        out.put_slice(MAGIC);
        out.put_u8(FORMAT);
        out.put_u32(self.version);
        out.put_slice(&self.previous.0);
        out.put_u16(u16::try_from(self.members.len()).expect("at most SERVERS_MAX"));
        for member in &self.members {
            member.put(&mut out);
        }
        for place in &self.places {
            place.put(&mut out);
        }
        out.freeze()
    }

    /// Reads what [`Self::encode`] gave. Who made it is not known: see [`super::SignedMap`].
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not a map of this format, or it contradicts itself.
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        check_head(&mut reader, FORMAT)?;
        let version = reader.u32("version")?;
        let previous = MapHash(reader.array("previous map")?);
        let members = members(&mut reader, version)?;
        let mut map = Self { version, previous, members, places: Vec::with_capacity(SLOTS) };
        for _ in 0..SLOTS {
            let place = Place::get(&mut reader, "slot")?;
            if place.epoch >= version || map.member(place.home).is_none() {
                return Err(DecodeError::Value("slot"));
            }
            map.places.push(place);
        }
        reader.finish()?;
        Ok(map)
    }

    /// Reads a map of format 1: version, 4,096 homes as `u16`.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not such a map.
    pub fn decode_unsigned(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        check_head(&mut reader, UNSIGNED)?;
        let version = reader.u32("version")?;
        let mut homes = Vec::with_capacity(SLOTS);
        for _ in 0..SLOTS {
            homes.push(ServerId::get(&mut reader, "home")?);
        }
        reader.finish()?;
        if version == 0 || distinct(homes.clone()).len() > SERVERS_MAX {
            return Err(DecodeError::Value("version or homes"));
        }
        Ok(Self::new(version, homes))
    }
}

fn check_head(reader: &mut Reader, format: u8) -> Result<(), DecodeError> {
    if &reader.array::<7>("magic")? != MAGIC {
        return Err(DecodeError::Value("magic"));
    }
    match reader.u8("format")? {
        found if found == format => Ok(()),
        _ => Err(DecodeError::Value("format")),
    }
}

/// At least one, their numbers rising.
fn members(reader: &mut Reader, version: u32) -> Result<Vec<Member>, DecodeError> {
    let count = usize::from(reader.u16("servers")?);
    if !(1..=SERVERS_MAX).contains(&count) {
        return Err(DecodeError::Value("servers"));
    }
    let mut members: Vec<Member> = Vec::new();
    for _ in 0..count {
        let member = Member::get(reader, "server")?;
        let rises = members.last().is_none_or(|last| last.server < member.server);
        if !rises || member.accepted > version {
            return Err(DecodeError::Value("server"));
        }
        members.push(member);
    }
    Ok(members)
}

/// Layout: server, whether a store is named, the store if so, version of the acceptance.
impl Field for Member {
    fn put(&self, out: &mut BytesMut) {
        self.server.put(out);
        out.put_u8(u8::from(self.store.is_some()));
        if let Some(store) = self.store {
            store.put(out);
        }
        out.put_u32(self.accepted);
    }

    fn get(reader: &mut Reader, field: &'static str) -> Result<Self, DecodeError> {
        let server = ServerId::get(reader, field)?;
        let store = match bool::get(reader, field)? {
            true => Some(StoreId::get(reader, field)?),
            false => None,
        };
        Ok(Self { server, store, accepted: reader.u32(field)? })
    }
}

/// Layout: home, epoch, first home.
impl Field for Place {
    fn put(&self, out: &mut BytesMut) {
        self.home.put(out);
        out.put_u32(self.epoch);
        self.first.put(out);
    }

    fn get(reader: &mut Reader, field: &'static str) -> Result<Self, DecodeError> {
        let home = ServerId::get(reader, field)?;
        let place = Self { home, epoch: reader.u32(field)?, first: ServerId::get(reader, field)? };
        match place.epoch == 0 && place.first != home {
            true => Err(DecodeError::Value(field)),
            false => Ok(place),
        }
    }
}
