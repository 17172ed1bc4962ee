//! The accounts whose records are in memory. Those with nothing going on make room for others.

use std::collections::{BTreeMap, BTreeSet};

use wire::{BlobId, Name, Wall};

use super::uploader::Uploader;

/// See the module.
#[derive(Debug)]
pub(super) struct Uploaders {
    by_name: BTreeMap<Name, Uploader>,
    /// Accounts with nothing going on, the least recently used first.
    idle: BTreeSet<(u64, Name)>,
    uses: u64,
    /// Records in all, and one for each account.
    held: usize,
    held_max: usize,
}

impl Uploaders {
    /// Holds at most `held_max` records, but those of accounts that something waits for.
    pub(super) fn new(held_max: usize) -> Self {
        Self { by_name: BTreeMap::new(), idle: BTreeSet::new(), uses: 0, held: 0, held_max }
    }

    pub(super) fn contains(&self, account: &Name) -> bool {
        self.by_name.contains_key(account)
    }

    /// Records in memory, and one more for each account.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Takes in an account that was read.
    pub(super) fn insert(&mut self, account: Name, uploader: Uploader) {
        self.held += 1 + uploader.records();
        let former = self.by_name.insert(account, uploader);
        assert!(former.is_none(), "an account is read once while it is in memory");
    }

    /// An account that is known to be in memory.
    pub(super) fn get_mut(&mut self, account: &Name) -> &mut Uploader {
        self.by_name.get_mut(account).expect("its records were read")
    }

    /// A record was added to an account.
    pub(super) fn count_record(&mut self) {
        self.held += 1;
    }

    /// A write of the account waits for its batch.
    pub(super) fn note_write(&mut self, account: &Name) {
        let uploader = self.get_mut(account);
        uploader.writes += 1;
        if let Some(since) = uploader.idle_since.take() {
            self.idle.remove(&(since, *account));
        }
    }

    /// A write of the account is durable.
    pub(super) fn note_committed(&mut self, account: &Name) {
        self.get_mut(account).writes -= 1;
        self.rest(account);
    }

    /// Forgets the account's blobs whose time is over.
    pub(super) fn expire(&mut self, account: &Name, now: Wall) -> Vec<BlobId> {
        let over = self.get_mut(account).expire(now);
        self.held -= over.len();
        over
    }

    /// The accounts in memory that `is_meant` holds for.
    pub(super) fn find(&self, is_meant: impl Fn(&Name) -> bool) -> Vec<Name> {
        self.by_name.keys().copied().filter(is_meant).collect()
    }

    /// Forgets an account when everything of it is durable; whether it is not in memory now.
    pub(super) fn forget(&mut self, account: &Name) -> bool {
        let Some(uploader) = self.by_name.get(account) else {
            return true;
        };
        if !uploader.is_durable() {
            return false;
        }
        self.held -= 1 + uploader.records();
        if let Some(since) = uploader.idle_since {
            self.idle.remove(&(since, *account));
        }
        self.by_name.remove(account).is_some()
    }

    /// The account was used; when nothing is going on with it, it may make room for others.
    pub(super) fn rest(&mut self, account: &Name) {
        self.uses += 1;
        let since = self.uses;
        let uploader = self.get_mut(account);
        if uploader.is_durable() {
            let former = uploader.idle_since.replace(since);
            self.idle.extend([(since, *account)]);
            former.into_iter().for_each(|former| {
                self.idle.remove(&(former, *account));
            });
        }
        while self.held > self.held_max
            && let Some((_, account)) = self.idle.pop_first()
            && let Some(uploader) = self.by_name.remove(&account)
        {
            self.held -= 1 + uploader.records();
        }
    }
}

#[cfg(test)]
mod tests {
    use storage::BlobRecord;
    use wire::{BlobId, Name};

    use super::{Uploader, Uploaders};

    fn name(text: &str) -> Name {
        Name::parse(text).expect("a name")
    }

    fn with_records(count: u8) -> Uploader {
        let records = (0..count).map(|mark| (BlobId([mark; 32]), BlobRecord::default()));
        Uploader::new(records.collect())
    }

    #[test]
    fn the_least_recently_used_makes_room() {
        let mut uploaders = Uploaders::new(10);
        for account in ["a", "b", "c"] {
            uploaders.insert(name(account), with_records(2));
            uploaders.rest(&name(account));
        }
        uploaders.rest(&name("a"));
        assert_eq!(uploaders.held(), 9);
        uploaders.insert(name("d"), with_records(1));
        uploaders.rest(&name("d"));
        let held = ["a", "b", "c", "d"].map(|account| uploaders.contains(&name(account)));
        assert_eq!(held, [true, false, true, true]);
        assert_eq!(uploaders.held(), 8);
    }

    #[test]
    fn what_something_waits_for_stays() {
        let mut uploaders = Uploaders::new(4);
        uploaders.insert(name("a"), with_records(2));
        uploaders.rest(&name("a"));
        uploaders.note_write(&name("a"));
        uploaders.insert(name("b"), with_records(2));
        uploaders.rest(&name("b"));
        assert!(uploaders.contains(&name("a")), "its write is not durable");
        assert!(!uploaders.contains(&name("b")));
        uploaders.note_committed(&name("a"));
        uploaders.insert(name("b"), with_records(2));
        uploaders.note_write(&name("b"));
        uploaders.rest(&name("b"));
        assert!(!uploaders.contains(&name("a")));
        assert_eq!(uploaders.held(), 3);
    }
}
