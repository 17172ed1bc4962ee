//! Blobs: encrypted attachments in chunks, at the home of the account that uploads them.

use super::message;
use crate::field::Opaque;
use crate::id::{BlobId, RequestId};
use crate::limits::CHUNK_LEN_MAX;
use crate::name::Name;

/// One chunk's ciphertext.
pub type ChunkBytes = Opaque<CHUNK_LEN_MAX>;

message! {
    /// Begins an upload, or asks how far it is. Answered by [`BlobState`] or a fault with this
    /// request.
    BeginBlob = BEGIN_BLOB {
        /// Comes back in the answer.
        request: RequestId,
        /// Its name: SHA-256 of the whole ciphertext.
        blob: BlobId,
        /// Bytes of the whole ciphertext.
        len: u64,
    }
}

message! {
    /// The next chunk. Answered by [`BlobState`] when it is on disk, or a fault with this request.
    PutChunk = PUT_CHUNK {
        /// Comes back in the answer.
        request: RequestId,
        /// From [`BeginBlob`].
        blob: BlobId,
        /// 0, 1, 2 …
        index: u32,
        /// The ciphertext; every chunk but the last is full.
        chunk: ChunkBytes,
    }
}

message! {
    /// How far an upload is.
    BlobState = BLOB_STATE {
        /// From the question.
        request: RequestId,
        /// Chunks below this are on disk.
        have: u32,
        /// All of them are.
        complete: bool,
    }
}

message! {
    /// Asks for one chunk of a complete blob; whoever knows its name may. Answered by [`Chunk`] or
    /// a fault with this request.
    FetchChunk = FETCH_CHUNK {
        /// Comes back in the answer.
        request: RequestId,
        /// Who uploaded it.
        uploader: Name,
        /// Its name.
        blob: BlobId,
        /// 0, 1, 2 …
        index: u32,
    }
}

message! {
    /// One chunk of a blob.
    Chunk = CHUNK {
        /// From [`FetchChunk`].
        request: RequestId,
        /// The ciphertext.
        chunk: ChunkBytes,
    }
}
