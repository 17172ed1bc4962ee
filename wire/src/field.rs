//! How one field of a message is laid out. Encoding cannot fail; decoding checks every value.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::{BufMut, Bytes, BytesMut};

use crate::reader::{DecodeError, Reader};

/// A value with a fixed place in a message.
pub trait Field: Sized {
    /// Appends the value.
    fn put(&self, out: &mut BytesMut);

    /// Reads the value; `field` names it in an error.
    ///
    /// # Errors
    /// [`DecodeError`] when bytes are missing or the value is out of its range.
    fn get(reader: &mut Reader, field: &'static str) -> Result<Self, DecodeError>;
}

macro_rules! integer_field {
    ($($type:ident $put:ident),*) => {$(
        impl Field for $type {
            fn put(&self, out: &mut BytesMut) {
                out.$put(*self);
            }

            fn get(reader: &mut Reader, field: &'static str) -> Result<Self, DecodeError> {
                reader.$type(field)
            }
        }
    )*};
}

integer_field!(u8 put_u8, u16 put_u16, u32 put_u32, u64 put_u64);

impl Field for bool {
    fn put(&self, out: &mut BytesMut) {
        out.put_u8(u8::from(*self));
    }

    fn get(reader: &mut Reader, field: &'static str) -> Result<Self, DecodeError> {
        match reader.u8(field)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Value(field)),
        }
    }
}

impl<const N: usize> Field for [u8; N] {
    fn put(&self, out: &mut BytesMut) {
        out.put_slice(self);
    }

    fn get(reader: &mut Reader, field: &'static str) -> Result<Self, DecodeError> {
        reader.array(field)
    }
}

/// Bytes the protocol does not look into, at most `MAX` of them. Layout: `u32` length, bytes.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Opaque<const MAX: usize>(Bytes);

impl<const MAX: usize> Opaque<MAX> {
    /// Wraps `bytes`.
    ///
    /// # Errors
    /// [`DecodeError::Long`] above `MAX` bytes, so that encoding cannot fail later.
    pub fn new(bytes: Bytes) -> Result<Self, DecodeError> {
        if bytes.len() > MAX {
            return Err(DecodeError::Long("bytes"));
        }
        Ok(Self(bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// The same bytes in memory of their own. Decoded bytes share their frame, and that the buffer
    /// it was read into: a few bytes that are kept for long would keep all of it.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }

    /// The bytes, without the wrapper.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

/// Only the length: these bytes are ciphertext or secrets, and do not belong in a log.
impl<const MAX: usize> std::fmt::Debug for Opaque<MAX> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl<const MAX: usize> Field for Opaque<MAX> {
    fn put(&self, out: &mut BytesMut) {
        out.put_u32(u32::try_from(self.0.len()).expect("new and get keep the length below MAX"));
        out.put_slice(&self.0);
    }

    fn get(reader: &mut Reader, field: &'static str) -> Result<Self, DecodeError> {
        reader.bytes(MAX, field).map(Self)
    }
}

/// UTF-8 text of at most `MAX` bytes. Layout: `u32` length, bytes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Text<const MAX: usize>(String);

impl<const MAX: usize> Text<MAX> {
    /// Wraps `text`, cut at the last character boundary within `MAX` bytes.
    #[must_use]
    pub fn cut(text: &str) -> Self {
        let end = text.floor_char_boundary(MAX);
        Self(text.get(..end).expect("floor_char_boundary is a boundary").to_owned())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> Field for Text<MAX> {
    fn put(&self, out: &mut BytesMut) {
        out.put_u32(u32::try_from(self.0.len()).expect("cut and get keep the length below MAX"));
        out.put_slice(self.0.as_bytes());
    }

    fn get(reader: &mut Reader, field: &'static str) -> Result<Self, DecodeError> {
        let bytes = reader.bytes(MAX, field)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| DecodeError::Value(field))?;
        Ok(Self(text.to_owned()))
    }
}

/// A list of at most `MAX` items. Layout: `u16` count, items.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct List<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> List<T, MAX> {
    /// Wraps `items`.
    ///
    /// # Errors
    /// [`DecodeError::Long`] above `MAX` items, so that encoding cannot fail later.
    pub fn new(items: Vec<T>) -> Result<Self, DecodeError> {
        const { assert!(MAX <= 0xffff) }
        if items.len() > MAX {
            return Err(DecodeError::Long("list"));
        }
        Ok(Self(items))
    }

    /// The items.
    #[must_use]
    pub fn items(&self) -> &[T] {
        &self.0
    }

    /// The items, without the wrapper.
    #[must_use]
    pub fn into_items(self) -> Vec<T> {
        self.0
    }
}

impl<T: Field, const MAX: usize> Field for List<T, MAX> {
    fn put(&self, out: &mut BytesMut) {
        out.put_u16(u16::try_from(self.0.len()).expect("new and get keep the count below MAX"));
        for item in &self.0 {
            item.put(out);
        }
    }

    fn get(reader: &mut Reader, field: &'static str) -> Result<Self, DecodeError> {
        let count = usize::from(reader.u16(field)?);
        if count > MAX {
            return Err(DecodeError::Long(field));
        }
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(T::get(reader, field)?);
        }
        Ok(Self(items))
    }
}

/// Layout: family `u8` (4 or 6), address (4 or 16 bytes), port `u16`.
impl Field for SocketAddr {
    fn put(&self, out: &mut BytesMut) {
        match self.ip() {
            IpAddr::V4(ip) => {
                out.put_u8(4);
                out.put_slice(&ip.octets());
            }
            IpAddr::V6(ip) => {
                out.put_u8(6);
                out.put_slice(&ip.octets());
            }
        }
        out.put_u16(self.port());
    }

    fn get(reader: &mut Reader, field: &'static str) -> Result<Self, DecodeError> {
        let ip: IpAddr = match reader.u8(field)? {
            4 => Ipv4Addr::from(reader.array::<4>(field)?).into(),
            6 => Ipv6Addr::from(reader.array::<16>(field)?).into(),
            _ => return Err(DecodeError::Value(field)),
        };
        Ok(Self::new(ip, reader.u16(field)?))
    }
}
