//! Values of blobs.

use bytes::{Bytes, BytesMut};
use wire::limits::CHUNK_LEN_MAX;
use wire::{DecodeError, Field, Reader, Wall};

use super::{Value, put_bytes};
use crate::record::BlobRecord;

/// Layout: length `u64`, have `u32`, complete `u8` 0 or 1, touched.
impl Value for BlobRecord {
    fn put_fields(&self, out: &mut BytesMut) {
        self.len.put(out);
        self.have.put(out);
        self.complete.put(out);
        self.touched.put(out);
    }

    fn get_fields(reader: &mut Reader, _format: u8) -> Result<Self, DecodeError> {
        Ok(Self {
            len: reader.u64("blob.len")?,
            have: reader.u32("blob.have")?,
            complete: bool::get(reader, "blob.complete")?,
            touched: Wall::get(reader, "blob.touched")?,
        })
    }
}

/// A chunk's ciphertext, as it came.
pub(crate) struct Chunk(pub(crate) Bytes);

impl Value for Chunk {
    fn put_fields(&self, out: &mut BytesMut) {
        put_bytes(out, &self.0, CHUNK_LEN_MAX);
    }

    fn get_fields(reader: &mut Reader, _format: u8) -> Result<Self, DecodeError> {
        reader.bytes(CHUNK_LEN_MAX, "chunk").map(Self)
    }
}
