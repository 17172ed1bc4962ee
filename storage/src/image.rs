//! What both engines have in common: ordered bytes per family, to read and to write.

use std::ops::ControlFlow;

use bytes::Bytes;
use wire::DecodeError;

use crate::error::StorageError;
use crate::key::Family;

/// What a visit of one pair says: go on, or that is enough.
pub(crate) type Visit = Result<ControlFlow<()>, DecodeError>;

/// The store at one moment.
pub(crate) trait Image {
    /// The value of `key`.
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, StorageError>;

    /// Visits the pairs with `from ≤ key < to` in order, until `visit` breaks. What `visit` cannot
    /// decode is damaged.
    fn scan(
        &self,
        family: Family,
        from: &[u8],
        to: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Visit,
    ) -> Result<(), StorageError>;
}

/// Where the writes of one batch go.
pub(crate) trait Writes {
    /// Sets `key`.
    fn put(&mut self, family: Family, key: &[u8], value: &[u8]);

    /// Removes `key`, which was put exactly once.
    fn erase(&mut self, family: Family, key: &[u8]);

    /// Removes `key`, which was put any number of times, or never.
    fn delete(&mut self, family: Family, key: &[u8]);
}

/// What a value of `family` that does not decode means.
pub(crate) fn damaged(family: Family) -> impl Fn(DecodeError) -> StorageError {
    move |cause| StorageError::Damaged { family: family.name(), cause }
}
