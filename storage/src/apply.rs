//! Commits: from a batch to the writes of an image. The same for every engine.
//!
//! The rules of [`Change`] are checked here once more. The core's state is their truth; a batch
//! that breaks one comes from a core that no longer knows what it holds.

mod blobs;
mod grants;
mod logs;
mod notes;
mod slots;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bytes::BytesMut;
use wire::{LogId, Seq};

use self::blobs::PendingBlobs;
use self::grants::{DroppedGrants, PendingGrants};
pub(crate) use self::logs::is_indexed;
use self::notes::PendingNotes;
use self::slots::{PendingOnce, Watching};
use crate::change::{Batch, Change};
use crate::error::StorageError;
use crate::identity;
use crate::image::{Image, Writes};
use crate::key::{self, Family, MAP, STORE};
use crate::op::Opened;
use crate::slot::SlotRow;
use crate::value::{
    Announcement, Answered, Bundle, Chunk, GrantFields, GrantsLen, KeyLog, Statement, Value,
};

/// Logs whose ends are remembered from batch to batch. Above it all are forgotten, between two
/// batches, which costs one seek per log.
const KNOWN_MAX: usize = 65_536;

/// Remembers, between batches, where logs begin and end: a seek per entry is spared, and a
/// truncation does not walk over what it deleted before.
#[derive(Debug, Default)]
pub(crate) struct Applier {
    known: BTreeMap<LogId, Ends>,
    dropped: DroppedGrants,
    value: BytesMut,
}

#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    /// Every entry up to this was deleted.
    truncated: Seq,
    /// The highest seq appended.
    head: Seq,
}

/// What this batch did that the image does not show yet.
#[derive(Default)]
struct Pending {
    created: BTreeSet<(Family, BytesMut)>,
    appended: BTreeMap<LogId, Vec<Seq>>,
    blobs: PendingBlobs,
    grants: PendingGrants,
    notes: PendingNotes,
    once: PendingOnce,
}

impl Applier {
    /// Turns `batch` into `writes`; gives those of the slots that it watches. After an error the
    /// writes are worthless.
    pub(crate) fn apply(
        &mut self,
        image: &impl Image,
        batch: &Batch,
        writes: &mut impl Writes,
    ) -> Result<Vec<SlotRow>, StorageError> {
        let writes = &mut Watching::new(writes, &batch.watched);
        if self.known.len() > KNOWN_MAX {
            self.known.clear();
        }
        self.dropped.bound();
        let mut pending = Pending::default();
        for change in &batch.changes {
            self.apply_one(image, change, &mut pending, writes)?;
        }
        for (account, notes) in pending.notes.into_records() {
            self.put(Family::Notes, &key::account(&account), &notes, writes);
        }
        pending.blobs.check()?;
        Ok(writes.take_rows())
    }

    fn apply_one(
        &mut self,
        image: &impl Image,
        change: &Change,
        pending: &mut Pending,
        writes: &mut impl Writes,
    ) -> Result<(), StorageError> {
        match change {
            Change::RaiseEpoch { store_epoch } => raise_epoch(image, *store_epoch, writes)?,
            Change::CreateAccount { name, account } => {
                let place = (Family::Accounts, key::account(name));
                self.create(image, place, account, pending, writes)?;
            }
            Change::AddBundle { name, version, bundle } => {
                let place = (Family::Bundles, key::bundle(name, *version));
                self.create(image, place, &Bundle(bundle.clone()), pending, writes)?;
            }
            Change::AddStatement { group, version, statement } => {
                let key = key::statement(&LogId::group(*group), *version);
                let statement = Statement(statement.clone());
                self.create(image, (Family::Statements, key), &statement, pending, writes)?;
            }
            Change::Append { log, entry } => self.append(image, *log, entry, pending, writes)?,
            Change::Truncate { log, upto } => self.truncate(image, *log, *upto, pending, writes)?,
            Change::PutChunk { uploader, blob, index, chunk } => {
                let key = key::chunk(uploader, blob, *index);
                self.put(Family::Chunks, &key, &Chunk(chunk.clone()), writes);
                pending.blobs.add_chunk((*uploader, *blob), *index);
            }
            Change::PutBlob { uploader, blob, record } => {
                self.put(Family::Blobs, &key::blob(uploader, blob), record, writes);
                pending.blobs.put((*uploader, *blob), record.have);
            }
            Change::DropBlob { uploader, blob } => {
                pending.blobs.drop((*uploader, *blob), image, writes)?;
            }
            Change::PutAnnouncement {
                log,
                sender,
                origin,
                message_session,
                part,
                announcement,
            } => {
                let key = key::announcement(log, sender, origin, *message_session, *part);
                let place = (Family::Announcements, key);
                let of = ((*log, *sender, *origin), *message_session);
                let announcement = Announcement(announcement.clone());
                self.put_granted(of, place, &announcement, &mut pending.grants, writes);
            }
            Change::PutGrant { log, sender, origin, message_session, grant } => {
                let key = key::grant(log, sender, origin, *message_session, &grant.reader);
                let place = (Family::Grants, key);
                let of = ((*log, *sender, *origin), *message_session);
                self.put_granted(of, place, &GrantFields::of(grant), &mut pending.grants, writes);
            }
            Change::DropGrants { log, sender, origin, from, upto } => {
                let granter = (*log, *sender, *origin);
                self.drop_grants(image, granter, (*from, *upto), &mut pending.grants, writes)?;
            }
            Change::PutNote { account, group } => pending.notes.keep(image, *account, *group)?,
            Change::DropNote { account, group } => pending.notes.drop(image, *account, *group)?,
            Change::PutSlotRows { slot, rows } => {
                self.put_slot_rows(image, (*slot, rows), &mut pending.once, writes)?;
            }
            change => self.replace(change, writes),
        }
        Ok(())
    }

    /// The changes that put or drop one record, whatever was there.
    fn replace(&mut self, change: &Change, writes: &mut impl Writes) {
        match change {
            Change::PutSession { name, session } => {
                self.put(Family::Sessions, &key::account(name), session, writes);
            }
            Change::PutMap { map } => writes.put(Family::Meta, MAP, map),
            Change::PutRow { log, sender, origin, row } => {
                self.put(Family::Rows, &key::row(log, sender, origin), row, writes);
            }
            Change::PutCursor { log, reader, cursor } => {
                self.put(Family::Cursors, &key::cursor(log, reader), cursor, writes);
            }
            Change::DropCursor { log, reader } => {
                writes.delete(Family::Cursors, &key::cursor(log, reader));
            }
            Change::PutGroup { group, record } => {
                self.put(Family::Groups, &key::log(&LogId::group(*group)), record, writes);
            }
            Change::PutKeyLog { log, account, bundles } => {
                let copy = KeyLog(bundles.clone());
                self.put(Family::KeyLogs, &key::key_log(log, account), &copy, writes);
            }
            Change::PutAnswered { log, people } => {
                let answered = Answered(people.clone());
                self.put(Family::Answered, &key::log(log), &answered, writes);
            }
            Change::PutGrantsLen { log, sender, len } => {
                let key = key::grants_len(log, sender);
                self.put(Family::Grants, &key, &GrantsLen(*len), writes);
            }
            Change::PutSlot { slot, record } => {
                self.put(Family::Meta, &key::slot(*slot), record, writes);
            }
            Change::RaiseEpoch { .. }
            | Change::CreateAccount { .. }
            | Change::AddBundle { .. }
            | Change::AddStatement { .. }
            | Change::Append { .. }
            | Change::Truncate { .. }
            | Change::PutChunk { .. }
            | Change::PutBlob { .. }
            | Change::DropBlob { .. }
            | Change::PutAnnouncement { .. }
            | Change::PutGrant { .. }
            | Change::DropGrants { .. }
            | Change::PutNote { .. }
            | Change::DropNote { .. }
            | Change::PutSlotRows { .. } => unreachable!("apply_one does these itself"),
        }
    }

    fn put(&mut self, family: Family, key: &[u8], value: &impl Value, writes: &mut impl Writes) {
        value.encode(&mut self.value);
        writes.put(family, key, &self.value);
    }

    fn create(
        &mut self,
        image: &impl Image,
        (family, key): (Family, BytesMut),
        value: &impl Value,
        pending: &mut Pending,
        writes: &mut impl Writes,
    ) -> Result<(), StorageError> {
        let is_new = image.get(family, &key)?.is_none();
        self.put(family, &key, value, writes);
        if !is_new || !pending.created.insert((family, key)) {
            return Err(StorageError::RuleBroken("what it creates exists"));
        }
        Ok(())
    }
}

fn raise_epoch(
    image: &impl Image,
    store_epoch: u32,
    writes: &mut impl Writes,
) -> Result<(), StorageError> {
    let record = image.get(Family::Meta, STORE)?;
    let record = record.ok_or(StorageError::RuleBroken("a store without an identity"))?;
    let opened = identity::decode(Path::new("the store"), record)?;
    if store_epoch <= opened.store_epoch {
        return Err(StorageError::RuleBroken("an epoch is not above the store's"));
    }
    let raised = identity::raised(Opened { store_epoch: store_epoch - 1, ..opened })?;
    writes.put(Family::Meta, STORE, &identity::encode(raised));
    Ok(())
}
