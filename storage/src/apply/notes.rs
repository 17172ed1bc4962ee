//! Notes: one record per account, so that what is forgotten leaves nothing to walk over.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};

use wire::Name;
use wire::limits::GROUPS_MAX;

use crate::error::StorageError;
use crate::image::{Image, damaged};
use crate::key::{self, Family};
use crate::value::{Notes, Value};

/// The notes that a batch changes, as they are after it.
#[derive(Default)]
pub(super) struct PendingNotes(BTreeMap<Name, BTreeSet<Name>>);

impl PendingNotes {
    /// Keeps a note.
    pub(super) fn keep(
        &mut self,
        image: &impl Image,
        account: Name,
        group: Name,
    ) -> Result<(), StorageError> {
        self.set(image, account, group, true)
    }

    /// Forgets a note, if there is one.
    pub(super) fn drop(
        &mut self,
        image: &impl Image,
        account: Name,
        group: Name,
    ) -> Result<(), StorageError> {
        self.set(image, account, group, false)
    }

    fn set(
        &mut self,
        image: &impl Image,
        account: Name,
        group: Name,
        kept: bool,
    ) -> Result<(), StorageError> {
        let groups = match self.0.entry(account) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(stored(image, &account)?),
        };
        if kept {
            groups.insert(group)
        } else {
            groups.remove(&group)
        };
        if groups.len() > GROUPS_MAX {
            return Err(StorageError::RuleBroken("more notes than an account may have"));
        }
        Ok(())
    }

    /// Each account's key and whole record.
    pub(super) fn into_records(self) -> impl Iterator<Item = (Name, Notes)> {
        self.0.into_iter().map(|(account, groups)| (account, Notes(groups)))
    }
}

fn stored(image: &impl Image, account: &Name) -> Result<BTreeSet<Name>, StorageError> {
    let record = image.get(Family::Notes, &key::account(account))?;
    let notes = record.map(Notes::decode).transpose().map_err(damaged(Family::Notes))?;
    Ok(notes.map(|Notes(groups)| groups).unwrap_or_default())
}
