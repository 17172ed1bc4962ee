//! Names of accounts and groups.

use std::fmt;

use bytes::{BufMut, BytesMut};
use thiserror::Error;

use crate::field::Field;
use crate::limits::NAME_LEN_MAX;
use crate::reader::{DecodeError, Reader};

/// 1–32 of `a-z 0-9 _ . -`, beginning with a letter; unique in the cluster.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Name {
    bytes: [u8; NAME_LEN_MAX],
    len: u8,
}

/// Why a text is not a name.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum NameError {
    /// Nothing, or more than 32 characters.
    #[error("a name has 1 to 32 characters")]
    Length,
    /// The first character is not a letter.
    #[error("a name begins with a letter")]
    First,
    /// A character outside `a-z 0-9 _ . -`.
    #[error("a name has only the characters a-z, 0-9, '_', '.' and '-'")]
    Character,
}

impl Name {
    /// Folds `text` to lower case and checks it.
    ///
    /// # Errors
    /// [`NameError`] says which rule it breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let mut bytes = [0; NAME_LEN_MAX];
        let slot = bytes.get_mut(..text.len()).ok_or(NameError::Length)?;
        slot.copy_from_slice(text.as_bytes());
        slot.make_ascii_lowercase();
        Self::check(bytes, text.len())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("check allowed ASCII only")
    }

    /// The name as ASCII bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    fn check(bytes: [u8; NAME_LEN_MAX], len: usize) -> Result<Self, NameError> {
        let used = bytes.get(..len).ok_or(NameError::Length)?;
        match used.first() {
            None => return Err(NameError::Length),
            Some(first) if !first.is_ascii_lowercase() => return Err(NameError::First),
            Some(_) => {}
        }
        if !used.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-')) {
            return Err(NameError::Character);
        }
        Ok(Self { bytes, len: u8::try_from(len).expect("len is at most NAME_LEN_MAX") })
    }
}

/// Layout: length `u8`, bytes. Only the folded form is accepted: one name, one encoding.
impl Field for Name {
    fn put(&self, out: &mut BytesMut) {
        out.put_u8(self.len);
        out.put_slice(self.as_bytes());
    }

    fn get(reader: &mut Reader, field: &'static str) -> Result<Self, DecodeError> {
        let len = usize::from(reader.u8(field)?);
        let used = reader.take(len, field)?;
        let mut bytes = [0; NAME_LEN_MAX];
        bytes.get_mut(..len).ok_or(DecodeError::Long(field))?.copy_from_slice(&used);
        Self::check(bytes, len).map_err(|_| DecodeError::Value(field))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}
