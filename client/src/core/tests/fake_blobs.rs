//! The files of attachments that a real store would hold, in memory.

use std::collections::BTreeMap;

use bytes::Bytes;
use wire::limits::CHUNK_LEN_MAX;
use wire::{BlobId, FaultCode};

use crate::core::{StoreOp, Stored};
use crate::store::{ChunkBytes, Download, InboxId, OutboxId, Upload};

/// Files on their way.
#[derive(Default)]
pub(super) struct FakeBlobs {
    /// What drafts wait for, and the files.
    pub(super) uploads: Vec<(Upload, Vec<u8>)>,
    pub(super) finished: Vec<OutboxId>,
    pub(super) rejected: Vec<(OutboxId, FaultCode)>,
    pub(super) downloads: BTreeMap<InboxId, Download>,
    /// The chunks that were written, in order.
    pub(super) written: Vec<(BlobId, u32, Bytes)>,
}

impl FakeBlobs {
    pub(super) fn plays(op: &StoreOp) -> bool {
        matches!(
            op,
            StoreOp::LoadUploads
                | StoreOp::ReadUpload { .. }
                | StoreOp::FinishUpload { .. }
                | StoreOp::RejectUpload { .. }
                | StoreOp::LoadDownload(_)
                | StoreOp::WriteDownload { .. }
        )
    }

    pub(super) fn perform(&mut self, op: StoreOp) -> (&'static str, Option<Stored>) {
        match op {
            StoreOp::LoadUploads => {
                let uploads = self.uploads.iter().map(|(upload, _)| *upload).collect();
                ("uploads", Some(Stored::Uploads(uploads)))
            }
            StoreOp::ReadUpload { blob, index } => {
                let chunk = self.chunk(&blob, index);
                ("upload read", Some(Stored::UploadRead { blob, index, chunk }))
            }
            StoreOp::FinishUpload { id, .. } => {
                self.uploads.retain(|(upload, _)| upload.id != id);
                self.finished.push(id);
                ("upload finished", None)
            }
            StoreOp::RejectUpload { id, code, .. } => {
                self.uploads.retain(|(upload, _)| upload.id != id);
                self.rejected.push((id, code));
                ("upload rejected", None)
            }
            StoreOp::LoadDownload(message) => {
                let download = self.downloads.get(&message).copied();
                ("download", Some(Stored::Download { message, download }))
            }
            StoreOp::WriteDownload { blob, index, chunk } => {
                self.written.push((blob, index, chunk.bytes().clone()));
                for download in self.downloads.values_mut().filter(|known| known.blob == blob) {
                    download.have = index + 1;
                }
                ("download written", None)
            }
            op => panic!("{op:?} is not about blobs"),
        }
    }

    fn chunk(&self, blob: &BlobId, index: u32) -> Option<ChunkBytes> {
        let (_, file) = self.uploads.iter().find(|(upload, _)| upload.blob == *blob)?;
        let chunk = file.chunks(CHUNK_LEN_MAX).nth(usize::try_from(index).expect("small"))?;
        Some(ChunkBytes::new(Bytes::copy_from_slice(chunk)).expect("a chunk"))
    }
}
