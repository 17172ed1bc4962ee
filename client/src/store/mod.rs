//! The client's durable state: SQLite with full sync, secrets and texts sealed by the vault.
//!
//! Each public function that changes something is one transaction: when it has returned, its bytes
//! are on the disk. Several processes may use one [`Store`] file at the same time. What is sealed
//! and what stays readable is listed in `schema`.

mod abandon;
mod account;
mod blobs;
mod cached;
mod chain;
mod claims;
mod contacts;
mod continuity;
mod directory;
mod error;
mod granted;
mod groups;
mod inbox;
mod invitations;
mod key_file;
mod message_sessions;
mod outbox;
mod receipts;
mod replay;
mod schema;
mod servers;
#[cfg(test)]
mod tests;
mod unsaved;
mod value;
mod waiting;
mod wanted;

use std::path::PathBuf;

use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use zeroize::Zeroizing;

use self::cached::{Cached, STATEMENTS_MAX};
use crate::crypto::{MasterKey, Vault};

pub use abandon::Fate;
pub use account::{Account, PendingSignUp, Session};
pub use blobs::{ChunkBytes, Download, Upload};
pub use chain::Chain;
pub use claims::{ClaimState, KeptClaim, RosterClaim};
pub use contacts::{Contact, Trust};
pub use directory::{ConnectionLock, DataDirectory, ShowLock};
pub use error::StoreError;
pub use granted::GrantedSession;
pub use groups::{Ended, GroupRecord, KeptStatement};
pub use inbox::{Continuity, InboxContent, InboxId, InboxMessage, Received, ReceivedContent};
pub use message_sessions::{SessionGrant, SessionPart, SessionRecord, SessionsRecord};
pub use outbox::{Draft, OutboxId, PostRecord, PostState, SealedPost, SessionStep};
pub use servers::{KnownServer, KnownServers};
pub use wanted::{WantedGrant, WantedId};

const PROBE: &[u8] = b"FastChat";
const PROBE_CELL: &str = "installation.probe";

/// One process's access to the local store.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    sealer: Sealer,
    /// Where attachments lie that are on their way.
    blobs: PathBuf,
    /// Messages were marked as shown, here or in an earlier process, and that was not taken.
    is_newly_shown: bool,
}

impl Store {
    /// Opens the store of `directory`, or makes it with a fresh master key and origin.
    ///
    /// # Errors
    /// [`StoreError`] says what is wrong and what to do.
    pub fn open(directory: &DataDirectory) -> Result<Self, StoreError> {
        let _opening = directory.lock_opening()?;
        let path = directory.database_path();
        drop(key_file::open_private(&path)?);
        let mut connection = Connection::open(&path)?;
        let is_new = schema::version(&connection)? == 0;
        schema::configure(&connection)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        let mut rng = StdRng::try_from_rng(&mut SysRng)
            .map_err(|error| StoreError::file(&path)(std::io::Error::other(error)))?;
        let vault = Vault::new(key_file::master_key(directory, is_new, &mut rng)?);
        let mut sealer = Sealer { vault, rng };
        if is_new {
            let mut origin = [0; 16];
            rand::Rng::fill_bytes(&mut sealer.rng, &mut origin);
            let probe = sealer.seal(PROBE_CELL, b"1", PROBE);
            schema::create(&mut connection, schema::known(), &origin, &probe)?;
        }
        let blobs = directory.blobs_path();
        let mut store = Self { connection, sealer, blobs, is_newly_shown: true };
        store.check_key()?;
        schema::upgrade(&mut store.connection)?;
        Ok(store)
    }

    /// A store without files, for simulations: empty, with an origin and a master key from `seed`.
    /// It has no room for attachments.
    ///
    /// # Errors
    /// The database's own.
    pub fn in_memory(seed: [u8; 32]) -> Result<Self, StoreError> {
        let mut connection = Connection::open_in_memory()?;
        schema::configure(&connection)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        let mut rng = StdRng::from_seed(seed);
        let vault = Vault::new(MasterKey::generate(&mut rng));
        let mut sealer = Sealer { vault, rng };
        let mut origin = [0; 16];
        rand::Rng::fill_bytes(&mut sealer.rng, &mut origin);
        let probe = sealer.seal(PROBE_CELL, b"1", PROBE);
        schema::create(&mut connection, schema::known(), &origin, &probe)?;
        Ok(Self { connection, sealer, blobs: PathBuf::new(), is_newly_shown: true })
    }

    /// Fails when the key file is another store's.
    fn check_key(&self) -> Result<(), StoreError> {
        let probe: Vec<u8> =
            self.connection.row("SELECT probe FROM installation", (), |row| row.get(0))?;
        self.sealer.open(PROBE_CELL, b"1", &probe).map(drop)
    }

    /// Runs `change` as one transaction with full sync; nothing is kept when it fails.
    fn write<T>(
        &mut self,
        change: impl FnOnce(&Transaction<'_>, &mut Sealer) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let behavior = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(behavior)?;
        let result = change(&transaction, &mut self.sealer)?;
        transaction.commit()?;
        Ok(result)
    }
}

/// The vault with its randomness.
#[derive(Debug)]
struct Sealer {
    vault: Vault,
    rng: StdRng,
}

impl Sealer {
    fn seal(&mut self, cell: &'static str, row: &[u8], bytes: &[u8]) -> Vec<u8> {
        self.vault.seal(cell, row, bytes, &mut self.rng)
    }

    fn open(
        &self,
        cell: &'static str,
        row: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        Ok(self.vault.open(cell, row, sealed)?)
    }
}
