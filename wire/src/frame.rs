//! Frames: `len: u32` (counts kind and body) ‖ `kind: u8` ‖ body.

use byteorder::{BigEndian, ByteOrder};
use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

use crate::kind::Kind;
use crate::message::Message;
use crate::reader::{DecodeError, Reader};

/// Bytes of the length prefix.
pub const PREFIX_LEN: usize = 4;

/// One whole frame: what kind of message, and its body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frame {
    /// The kind of the message.
    pub kind: Kind,
    /// The fields, not yet decoded.
    pub body: Bytes,
}

/// Why a stream of bytes cannot be cut into frames. The stream is of no further use.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum FrameError {
    /// The prefix declares no kind at all.
    #[error("a frame of length 0")]
    Empty,
    /// The prefix declares more than this connection may send now.
    #[error("a frame of {len} bytes, where {max} are allowed")]
    TooLong {
        /// The declared length.
        len: u32,
        /// The limit that held when the prefix was read.
        max: u32,
    },
}

impl Frame {
    /// Cuts the next frame off the front of `input`, or leaves it untouched when it is not whole.
    ///
    /// # Errors
    /// [`FrameError`] when the declared length is 0 or above `max`; nothing is allocated then.
    pub fn split(input: &mut BytesMut, max: u32) -> Result<Option<Self>, FrameError> {
        let Some(prefix) = input.first_chunk::<PREFIX_LEN>() else {
            return Ok(None);
        };
        let len = BigEndian::read_u32(prefix);
        if len == 0 {
            return Err(FrameError::Empty);
        }
        if len > max {
            return Err(FrameError::TooLong { len, max });
        }
        let whole = PREFIX_LEN + usize::try_from(len).expect("u32 fits usize on 64-bit targets");
        if input.len() < whole {
            return Ok(None);
        }
        let mut frame = input.split_to(whole).freeze().slice(PREFIX_LEN..);
        let kind = Kind(frame.split_to(1)[0]);
        Ok(Some(Self { kind, body: frame }))
    }

    /// Decodes the body as `M`, which must fill it exactly.
    ///
    /// # Errors
    /// [`DecodeError`] naming the field that did not fit.
    pub fn decode<M: Message>(&self) -> Result<M, DecodeError> {
        let mut reader = Reader::new(self.body.clone());
        let message = M::decode(&mut reader)?;
        reader.finish()?;
        Ok(message)
    }
}

/// Appends one frame whose body `fill` writes; the length is patched in afterwards.
pub fn append(out: &mut BytesMut, kind: Kind, fill: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_u32(u32::MAX);
    out.put_u8(kind.0);
    fill(out);
    let len = u32::try_from(out.len() - start - PREFIX_LEN)
        .expect("every field is bounded far below 4 GiB");
    BigEndian::write_u32(&mut out[start..start + PREFIX_LEN], len);
}
