//! Grants: put any number of times, and deleted by message session.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use bytes::BytesMut;
use wire::{LogId, MessageSession, Name, Origin};

use super::{Applier, KNOWN_MAX};
use crate::error::StorageError;
use crate::image::{Image, Writes};
use crate::key::{self, Family};
use crate::value::Value;

/// Whose message sessions, and in which log.
pub(super) type Granter = (LogId, Name, Origin);

/// Remembers, between batches, below which message session everything was deleted: a deletion does
/// not walk over what went before.
#[derive(Debug, Default)]
pub(super) struct DroppedGrants(BTreeMap<Granter, MessageSession>);

/// Keys of announcements and grants that a batch puts, which the image does not show yet.
#[derive(Default)]
pub(super) struct PendingGrants(BTreeSet<(Family, BytesMut)>);

impl DroppedGrants {
    /// Forgets everything when it is too much, between two batches.
    pub(super) fn bound(&mut self) {
        if self.0.len() > KNOWN_MAX {
            self.0.clear();
        }
    }

    /// Forgets what was deleted of whose grant or announcement this is.
    pub(super) fn forget(&mut self, family: Family, key: &[u8]) {
        let is_meant = matches!(family, Family::Announcements | Family::Grants);
        if let Some(granter) = key::granter(key).filter(|_| is_meant) {
            self.0.remove(&granter);
        }
    }
}

impl Applier {
    /// Puts an announcement or a grant of a message session.
    pub(super) fn put_granted(
        &mut self,
        (granter, session): (Granter, MessageSession),
        (family, key): (Family, BytesMut),
        value: &impl Value,
        pending: &mut PendingGrants,
        writes: &mut impl Writes,
    ) {
        if let Some(dropped) = self.dropped.0.get_mut(&granter) {
            *dropped = session.min(*dropped);
        }
        self.put(family, &key, value, writes);
        pending.0.insert((family, key));
    }

    /// Deletes what is stored of a sender's message sessions between two, these included.
    pub(super) fn drop_grants(
        &mut self,
        image: &impl Image,
        granter: Granter,
        (from, upto): (MessageSession, MessageSession),
        pending: &mut PendingGrants,
        writes: &mut impl Writes,
    ) -> Result<(), StorageError> {
        let dropped = self.dropped.0.get(&granter).copied().unwrap_or_default();
        let first = from.max(dropped);
        if upto < first {
            return Ok(());
        }
        let (log, sender, origin) = &granter;
        let start = key::session_grants(log, sender, origin, first);
        let end = key::session_grants_end(log, sender, origin, upto);
        for family in [Family::Announcements, Family::Grants] {
            image.scan(family, &start, &end, &mut |key, _| {
                writes.delete(family, key);
                Ok(ControlFlow::Continue(()))
            })?;
            for (_, key) in pending.0.range((family, start.clone())..(family, end.clone())) {
                writes.delete(family, key);
            }
        }
        // What is between the two that were dropped stays to be looked through.
        if from <= dropped {
            self.dropped.0.insert(granter, MessageSession(upto.0.saturating_add(1)));
        }
        Ok(())
    }
}
