//! Storage in FastChat's terms: accounts, sessions, logs, rows, cursors, groups, grants and blobs,
//! never keys and values.
//!
//! One trait, [`Storage`], with two engines: [`RocksStorage`] on threads of its own, and
//! [`MemStorage`] with a disk model for tests and the simulator. Both keep the same bytes under the
//! same keys; `docs/STORAGE.md` draws them.

mod answer;
mod apply;
pub mod change;
pub mod error;
mod identity;
mod image;
mod key;
pub mod mem;
pub mod op;
pub mod read;
pub mod record;
mod rocks;
mod slot;
mod value;
pub mod watermark;

pub use change::{Batch, Change};
pub use error::StorageError;
pub use identity::RESTORED_EPOCHS;
pub use mem::{DiskModel, InFlight, MemDisk, MemStorage};
pub use op::{Completion, Op, Opened, Ticket};
pub use read::{Answer, IndexEntry, Read};
pub use record::{
    Absence, AccountRecord, BlobRecord, CursorRecord, GrantedSession, GrantedState, GroupRecord,
    RowRecord, SessionRecord, StoredGrant,
};
pub use rocks::{RocksStorage, Sizing, backup};
pub use slot::{Copying, SlotDigest, SlotPlace, SlotRecord, SlotRow, Tenure};
pub use watermark::{Breach, Watermark};

/// Reads that may be submitted and not yet polled. Above it `submit` panics: the core counts what
/// it asked and answers `Busy` before it comes to this.
pub const READS_MAX: usize = 65_536;

/// An engine. Neither function blocks; an engine that runs elsewhere wakes the loop when `poll`
/// has something to give.
///
/// One [`Op::Commit`] is in flight at most: the core composes the next batch from what gathered
/// while the last was synced. A read sees every batch whose [`Completion::Committed`] was polled
/// before the read was submitted; it may also see a later one. What it sees is durable.
///
/// After [`Completion::Poisoned`] the engine does nothing more and knows nothing: the process must
/// end, and what is on disk is read again by the next one.
pub trait Storage {
    /// Begins `op`. Its completion carries its ticket.
    ///
    /// # Panics
    /// When a commit is in flight already, [`READS_MAX`] reads are, or the ticket does not rise.
    fn submit(&mut self, op: Op);

    /// The next completion, if one is ready. Drained once per turn.
    fn poll(&mut self) -> Option<Completion>;

    /// Bytes the disk has left for this store, as last measured (at open and after each commit).
    /// Below a threshold of its own the core refuses posts; cursors and truncation go on.
    /// An engine that cannot know says [`u64::MAX`].
    fn free_bytes(&self) -> u64 {
        u64::MAX
    }
}
