//! The slot map: which server is the home of each slot. Computed by the router's ring, changed
//! only by an operator's command, and the same bytes on every server.

use bytes::{BufMut, Bytes, BytesMut};

use crate::field::Field;
use crate::id::{LogId, ServerId, Slot};
use crate::limits::SLOTS;
use crate::reader::{DecodeError, Reader};

const MAGIC: [u8; 8] = *b"FCmap\0\0\x01";

/// The versioned table slot → home server. The highest version wins.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SlotMap {
    version: u32,
    homes: Vec<ServerId>,
}

impl SlotMap {
    /// A map from `homes`, one for each slot.
    ///
    /// # Panics
    /// When there are not exactly [`SLOTS`] homes.
    #[must_use]
    pub fn new(version: u32, homes: Vec<ServerId>) -> Self {
        assert_eq!(homes.len(), SLOTS, "a map gives every slot a home");
        Self { version, homes }
    }

    /// Rises with each change of the map.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The server that owns `slot`.
    #[must_use]
    pub fn home(&self, slot: Slot) -> ServerId {
        self.homes[slot.index()]
    }

    /// The server that owns `log`.
    #[must_use]
    pub fn home_of(&self, log: &LogId) -> ServerId {
        self.home(Slot::of(log))
    }

    /// The servers that own at least one slot, in order.
    #[must_use]
    pub fn servers(&self) -> Vec<ServerId> {
        let mut servers = self.homes.clone();
        servers.sort_unstable();
        servers.dedup();
        servers
    }

    /// The bytes of a map file: magic with format version, map version, 4,096 homes as `u16`.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(MAGIC.len() + 4 + 2 * SLOTS);
        out.put_slice(&MAGIC);
        out.put_u32(self.version);
        for home in &self.homes {
            home.put(&mut out);
        }
        out.freeze()
    }

    /// Reads a map file.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not a map of this format.
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        if reader.array::<8>("magic")? != MAGIC {
            return Err(DecodeError::Value("magic"));
        }
        let version = reader.u32("version")?;
        let mut homes = Vec::new();
        for _ in 0..SLOTS {
            homes.push(ServerId::get(&mut reader, "home")?);
        }
        reader.finish()?;
        Ok(Self { version, homes })
    }
}
