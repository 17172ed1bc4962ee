//! Identifiers, each its own type, with its range and its layout.

use std::fmt;
use std::hash::Hasher;
use std::str::FromStr;

use bytes::{BufMut, BytesMut};
use siphasher::sip::SipHasher24;
use thiserror::Error;

use crate::field::Field;
use crate::limits::{NUMBER_MAX, SLOTS};
use crate::name::Name;
use crate::reader::{DecodeError, Reader};

macro_rules! plain_id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(pub $inner);

        impl Field for $name {
            fn put(&self, out: &mut BytesMut) {
                self.0.put(out);
            }

            fn get(reader: &mut Reader, field: &'static str) -> Result<Self, DecodeError> {
                <$inner>::get(reader, field).map(Self)
            }
        }
    };
}

plain_id!(
    /// A server of the cluster; its certificate is for `server-N.server.fastchat`.
    ServerId(u16)
);
plain_id!(
    /// A store's identity, made with the store: 128 random bits.
    StoreId([u8; 16])
);
plain_id!(
    /// A server's process, from its start to its end: 128 random bits.
    ProcessId([u8; 16])
);
plain_id!(
    /// One client installation: 128 random bits.
    Origin([u8; 16])
);
plain_id!(
    /// Raised by every sign-in and resume of an account; an operation with a stale one changes
    /// nothing. 0 = never signed in.
    SessionEpoch(u64)
);
plain_id!(
    /// The client's short word for a log on one connection. 0 = its own mailbox, by convention.
    LogHandle(u32)
);
plain_id!(
    /// The client's number for a request that has one answer.
    RequestId(u32)
);
plain_id!(
    /// A message session of one sender's installation in one log: 1, 2, 3 …; 0 = the body brings
    /// its own key, allowed in mailboxes only.
    MessageSession(u32)
);
plain_id!(
    /// A blob's name: SHA-256 of its ciphertext.
    BlobId([u8; 32])
);
plain_id!(
    /// The seat's number for a question to a home; unique on one seat while it runs.
    ExchangeId(u64)
);
plain_id!(
    /// The router's promise of a seat; good for 30 s.
    Reservation([u8; 16])
);

/// 32 hexadecimal digits.
impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The text is no store's id: that has 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("a store's id has 32 hexadecimal digits")]
pub struct StoreIdError;

impl FromStr for StoreId {
    type Err = StoreIdError;

    fn from_str(text: &str) -> Result<Self, StoreIdError> {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let id = u128::from_str_radix(text, 16).map_err(|_| StoreIdError)?;
        if is_hex { Ok(Self(id.to_be_bytes())) } else { Err(StoreIdError) }
    }
}

impl ServerId {
    /// The only DNS name in the server's certificate: it says which server, and that it is one.
    #[must_use]
    pub fn certificate_name(self) -> String {
        format!("server-{}.server.fastchat", self.0)
    }
}

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "server-{}", self.0)
    }
}

/// A connection within one process: a slot of its table and the slot's generation, so that a late
/// event never reaches the slot's next owner. Never crosses a socket.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnId {
    /// Slot of the connection table.
    pub index: u32,
    /// How often the slot was used before.
    pub generation: u32,
}

/// The secret that restores a session without a password: 256 random bits.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Token(pub [u8; 32]);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(secret)")
    }
}

impl Field for Token {
    fn put(&self, out: &mut BytesMut) {
        out.put_slice(&self.0);
    }

    fn get(reader: &mut Reader, field: &'static str) -> Result<Self, DecodeError> {
        reader.array(field).map(Self)
    }
}

/// Where an entry stands: store epoch (24 bits) ‖ counter (40 bits). 0 = before every entry.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Seq(pub u64);

impl Seq {
    /// Above every entry.
    pub const MAX: Self = Self(u64::MAX);
    /// Largest counter within one store epoch.
    pub const COUNTER_MAX: u64 = (1 << 40) - 1;
    /// Largest store epoch.
    pub const STORE_EPOCH_MAX: u32 = (1 << 24) - 1;

    /// Joins the two parts.
    ///
    /// # Panics
    /// When a part is above its range: the store keeps both within.
    #[must_use]
    pub fn new(store_epoch: u32, counter: u64) -> Self {
        assert!(store_epoch <= Self::STORE_EPOCH_MAX, "store epoch {store_epoch} is spent");
        assert!(counter <= Self::COUNTER_MAX, "counter {counter} is spent");
        Self(u64::from(store_epoch) << 40 | counter)
    }

    /// The upper 24 bits.
    #[must_use]
    pub fn store_epoch(self) -> u32 {
        u32::try_from(self.0 >> 40).expect("24 bits fit")
    }

    /// The lower 40 bits.
    #[must_use]
    pub fn counter(self) -> u64 {
        self.0 & Self::COUNTER_MAX
    }
}

impl Field for Seq {
    fn put(&self, out: &mut BytesMut) {
        out.put_u64(self.0);
    }

    fn get(reader: &mut Reader, field: &'static str) -> Result<Self, DecodeError> {
        reader.u64(field).map(Self)
    }
}

/// A post's place among its origin's posts to one log: 1, 2, 3 …; below 2^48. 0 = none yet.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Number(u64);

impl Number {
    /// Before the first post.
    pub const NONE: Self = Self(0);

    /// Checks the range.
    #[must_use]
    pub fn new(number: u64) -> Option<Self> {
        (number <= NUMBER_MAX).then_some(Self(number))
    }

    /// The plain value.
    #[must_use]
    pub fn value(self) -> u64 {
        self.0
    }

    /// The one after this.
    ///
    /// # Panics
    /// After 2^48 posts of one origin to one log, which no origin lives to see.
    #[must_use]
    pub fn next(self) -> Self {
        Self::new(self.0 + 1).expect("fewer than 2^48 posts per origin and log")
    }
}

impl Field for Number {
    fn put(&self, out: &mut BytesMut) {
        out.put_u64(self.0);
    }

    fn get(reader: &mut Reader, field: &'static str) -> Result<Self, DecodeError> {
        Self::new(reader.u64(field)?).ok_or(DecodeError::Value(field))
    }
}

/// The two kinds of log.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum LogKind {
    /// One account reads it: `@alice`.
    Mailbox,
    /// Its members read it: `#rust`.
    Group,
}

/// An ordered durable list of entries with readers.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LogId {
    /// Mailbox or group.
    pub kind: LogKind,
    /// The account's or the group's name.
    pub name: Name,
}

impl LogId {
    /// The mailbox of `account`.
    #[must_use]
    pub fn mailbox(account: Name) -> Self {
        Self { kind: LogKind::Mailbox, name: account }
    }

    /// The group `name`.
    #[must_use]
    pub fn group(name: Name) -> Self {
        Self { kind: LogKind::Group, name }
    }
}

/// Layout: kind `u8` (1 mailbox, 2 group), name.
impl Field for LogId {
    fn put(&self, out: &mut BytesMut) {
        out.put_u8(match self.kind {
            LogKind::Mailbox => 1,
            LogKind::Group => 2,
        });
        self.name.put(out);
    }

    fn get(reader: &mut Reader, field: &'static str) -> Result<Self, DecodeError> {
        let kind = match reader.u8(field)? {
            1 => LogKind::Mailbox,
            2 => LogKind::Group,
            _ => return Err(DecodeError::Value(field)),
        };
        Ok(Self { kind, name: Name::get(reader, field)? })
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            LogKind::Mailbox => write!(f, "@{}", self.name),
            LogKind::Group => write!(f, "#{}", self.name),
        }
    }
}

impl fmt::Debug for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// One of the 4,096 hash slots that the map gives to homes.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Slot(u16);

impl Slot {
    /// The slot of a log. An account has the slot of its mailbox.
    #[must_use]
    pub fn of(log: &LogId) -> Self {
        let slots = u64::try_from(SLOTS).expect("4,096 fits");
        Self(u16::try_from(log_point(log) % slots).expect("below SLOTS"))
    }

    /// The slot with this index.
    #[must_use]
    pub fn new(index: usize) -> Option<Self> {
        (index < SLOTS).then(|| Self(u16::try_from(index).expect("below SLOTS")))
    }

    /// Every slot, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..SLOTS).filter_map(Self::new)
    }

    /// 0 … 4,095.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Layout: index `u16`, below [`SLOTS`].
impl Field for Slot {
    fn put(&self, out: &mut BytesMut) {
        self.0.put(out);
    }

    fn get(reader: &mut Reader, field: &'static str) -> Result<Self, DecodeError> {
        Self::new(usize::from(reader.u16(field)?)).ok_or(DecodeError::Value(field))
    }
}

/// SipHash-2-4 of the log's encoded id under a fixed key: the same on every server, for ever.
#[must_use]
pub fn log_point(log: &LogId) -> u64 {
    let mut bytes = BytesMut::new();
    log.put(&mut bytes);
    let mut hasher = SipHasher24::new_with_key(b"fastchat slots 1");
    hasher.write(&bytes);
    hasher.finish()
}
