//! A map with its operator's signature: as files, stores and links between servers carry it.

use std::fmt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::{SlotMap, layout};
use crate::limits::MAP_LEN_MAX;
use crate::operator::{OperatorKey, OperatorPublic, SIGNATURE_LEN};
use crate::reader::DecodeError;

/// What the operator's signature of a map is of begins with this.
pub const MAP_DOMAIN: &[u8] = b"FastChat slot map 1";

/// SHA-256 of a signed map's bytes; zeros where there is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MapHash(pub [u8; 32]);

impl MapHash {
    /// Before the first map.
    pub const NONE: Self = Self([0; 32]);
}

impl fmt::Display for MapHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Why bytes are not a map that counts.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum MapError {
    /// They are no map.
    #[error("not a map: {0}")]
    Decode(#[from] DecodeError),
    /// The operator of this cluster has not signed it.
    #[error("the signature is not that of this cluster's operator (operator.pub)")]
    Signature,
    /// A cluster with an operator's key has signed maps alone.
    #[error("the map is not signed, and this cluster has an operator's key; copy the signed one")]
    Unsigned,
    /// A signed map cannot be checked.
    #[error("the map is signed, and operator.pub is missing; copy it from where the map is from")]
    NoOperator,
}

/// A map that the operator has signed, and was found to have.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedMap {
    map: Arc<SlotMap>,
    bytes: Bytes,
    operator: OperatorPublic,
}

impl SignedMap {
    /// Signs the first map of a cluster.
    #[must_use]
    pub fn first(map: SlotMap, key: &OperatorKey) -> Self {
        Self::sign(SlotMap { previous: MapHash::NONE, ..map }, key)
    }

    /// Signs the map that follows this one.
    ///
    /// # Panics
    /// When its version is not the next.
    #[must_use]
    pub fn follow(&self, map: SlotMap, key: &OperatorKey) -> Self {
        assert_eq!(Some(map.version), self.map.version.checked_add(1), "versions rise by one");
        Self::sign(SlotMap { previous: self.hash(), ..map }, key)
    }

    /// Reads a signed map, and checks that `operator` has signed it.
    ///
    /// # Errors
    /// [`MapError`].
    pub fn decode(bytes: Bytes, operator: &OperatorPublic) -> Result<Self, MapError> {
        if bytes.len() > MAP_LEN_MAX {
            return Err(DecodeError::Long("map").into());
        }
        if layout::is_unsigned(&bytes) {
            return Err(MapError::Unsigned);
        }
        let short = MapError::Decode(DecodeError::Short("signature"));
        let (body, signature) = bytes.split_last_chunk::<SIGNATURE_LEN>().ok_or(short)?;
        if !operator.verifies(MAP_DOMAIN, body, signature) {
            SlotMap::decode(Bytes::copy_from_slice(body))?;
            return Err(MapError::Signature);
        }
        let map = Arc::new(SlotMap::decode(bytes.slice(..body.len()))?);
        Ok(Self { map, bytes, operator: *operator })
    }

    /// The map in a signed map's bytes, whoever has signed it.
    ///
    /// # Errors
    /// [`DecodeError`] when it is none.
    pub fn unchecked(bytes: &Bytes) -> Result<SlotMap, DecodeError> {
        let len = bytes.len().checked_sub(SIGNATURE_LEN).ok_or(DecodeError::Short("signature"))?;
        SlotMap::decode(bytes.slice(..len))
    }

    /// The map.
    #[must_use]
    pub fn map(&self) -> &Arc<SlotMap> {
        &self.map
    }

    /// Its bytes, with the signature.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Who signed it.
    #[must_use]
    pub fn operator(&self) -> &OperatorPublic {
        &self.operator
    }

    /// What the next map names as the one before.
    #[must_use]
    pub fn hash(&self) -> MapHash {
        MapHash(Sha256::digest(&self.bytes).into())
    }

    fn sign(map: SlotMap, key: &OperatorKey) -> Self {
        let body = map.encode();
        let mut bytes = BytesMut::from(&body[..]);
        bytes.extend_from_slice(&key.sign(MAP_DOMAIN, &body));
        Self { map: Arc::new(map), bytes: bytes.freeze(), operator: key.public() }
    }
}

/// What a cluster's file `map` holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MapFile {
    /// A map with its operator's signature.
    Signed(SignedMap),
    /// A map of a cluster that was made before there were operators' keys. It never changes.
    Unsigned(Arc<SlotMap>),
}

impl MapFile {
    /// Reads the file's bytes. `operator`: the cluster's `operator.pub`, `None` when there is none.
    ///
    /// # Errors
    /// [`MapError`].
    pub fn decode(bytes: Bytes, operator: Option<&OperatorPublic>) -> Result<Self, MapError> {
        match operator {
            Some(operator) => SignedMap::decode(bytes, operator).map(Self::Signed),
            None if layout::is_unsigned(&bytes) => {
                Ok(Self::Unsigned(Arc::new(SlotMap::decode_unsigned(bytes)?)))
            }
            None => Err(MapError::NoOperator),
        }
    }

    /// The map.
    #[must_use]
    pub fn map(&self) -> &Arc<SlotMap> {
        match self {
            Self::Signed(signed) => signed.map(),
            Self::Unsigned(map) => map,
        }
    }
}
