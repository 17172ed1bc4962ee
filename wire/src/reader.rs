//! A cursor over one received frame. It never panics and never allocates by a declared length.

use byteorder::{BigEndian, ByteOrder};
use bytes::Bytes;
use thiserror::Error;

/// Why the bytes of a frame are not a message. Names the field that did not fit.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum DecodeError {
    /// The frame ended inside the named field.
    #[error("the frame ends inside {0}")]
    Short(&'static str),
    /// Bytes were left after the last field.
    #[error("{0} bytes are left after the last field")]
    Trailing(usize),
    /// The named field holds a value outside its range.
    #[error("{0} is out of its range")]
    Value(&'static str),
    /// The named field declares more bytes or items than its limit.
    #[error("{0} is longer than its limit")]
    Long(&'static str),
    /// No message of this direction has this kind.
    #[error("kind {0:#04x} is unknown here")]
    Kind(u8),
    /// The kind exists, but travels the other way.
    #[error("kind {0:#04x} travels in another direction")]
    Direction(u8),
}

/// Reads fields in order from one frame's body.
#[derive(Debug)]
pub struct Reader {
    rest: Bytes,
}

impl Reader {
    /// Begins at the first byte of `body`.
    #[must_use]
    pub fn new(body: Bytes) -> Self {
        Self { rest: body }
    }

    /// Bytes not yet read.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next `len` bytes, shared with the frame rather than copied.
    ///
    /// # Errors
    /// [`DecodeError::Short`] when fewer are left.
    pub fn take(&mut self, len: usize, field: &'static str) -> Result<Bytes, DecodeError> {
        if len > self.rest.len() {
            return Err(DecodeError::Short(field));
        }
        Ok(self.rest.split_to(len))
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// [`DecodeError::Short`] when fewer are left.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let bytes = self.take(N, field)?;
        Ok(*bytes.first_chunk::<N>().expect("take returned exactly N bytes"))
    }

    /// One byte.
    ///
    /// # Errors
    /// [`DecodeError::Short`] at the end.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        Ok(self.array::<1>(field)?[0])
    }

    /// A big-endian `u16`.
    ///
    /// # Errors
    /// [`DecodeError::Short`] at the end.
    pub fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        Ok(BigEndian::read_u16(&self.array::<2>(field)?))
    }

    /// A big-endian `u32`.
    ///
    /// # Errors
    /// [`DecodeError::Short`] at the end.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        Ok(BigEndian::read_u32(&self.array::<4>(field)?))
    }

    /// A big-endian `u64`.
    ///
    /// # Errors
    /// [`DecodeError::Short`] at the end.
    pub fn u64(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        Ok(BigEndian::read_u64(&self.array::<8>(field)?))
    }

    /// Bytes behind a `u32` length of at most `max`.
    ///
    /// # Errors
    /// [`DecodeError::Long`] above `max`, [`DecodeError::Short`] at the end.
    pub fn bytes(&mut self, max: usize, field: &'static str) -> Result<Bytes, DecodeError> {
        let len = usize::try_from(self.u32(field)?).map_err(|_| DecodeError::Long(field))?;
        if len > max {
            return Err(DecodeError::Long(field));
        }
        self.take(len, field)
    }

    /// Ends the reading: a message fills its frame exactly.
    ///
    /// # Errors
    /// [`DecodeError::Trailing`] when bytes are left.
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(DecodeError::Trailing(left)),
        }
    }
}
