//! Notes of groups at the account's home: in which groups it is, for its other machines.
//!
//! To keep a note, the account's notes are read first: there are at most 512. They are in memory
//! only while something waits for them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use storage::{Batch, Change, Read};
use wire::field::List;
use wire::limits::{GROUPS_MAX, NOTES_MAX, REQUESTS_MAX};
use wire::message::{GroupNoted, Groups, NoteGroup};
use wire::{FaultCode, LogId, Name, Slot};

use super::asker::SessionAsker;
use super::turn::{ReadKey, Turn};

/// Every account whose notes are being read or written.
#[derive(Debug, Default)]
pub(super) struct Notes {
    accounts: BTreeMap<Name, Account>,
    gathered: Vec<Write>,
    in_flight: Vec<Write>,
    /// Lists that are being read.
    lists: usize,
    /// Accounts of slots that were closed, as long as they are in memory.
    leaving: Vec<Name>,
}

/// One account's notes.
#[derive(Debug, Default)]
struct Account {
    /// As they are when everything that was decided is durable; `None` before they were read.
    groups: Option<BTreeSet<Name>>,
    waiting: VecDeque<Asked>,
    /// Answers that wait for a batch.
    writes: usize,
}

#[derive(Debug)]
struct Asked {
    asker: SessionAsker,
    group: Name,
    kept: bool,
}

#[derive(Debug)]
struct Write {
    asker: SessionAsker,
    /// `None` when it was so already.
    change: Option<Change>,
}

impl Notes {
    /// A session notes a group, or forgets it.
    pub(super) fn on_note(&mut self, asker: SessionAsker, note: &NoteGroup, turn: &mut Turn<'_>) {
        let name = asker.account;
        let is_full = self.accounts.len() >= NOTES_MAX && !self.accounts.contains_key(&name);
        let account = self.accounts.get(&name);
        if is_full || account.is_some_and(|account| account.waiting.len() >= REQUESTS_MAX) {
            return asker.refuse(FaultCode::UNAVAILABLE, turn);
        }
        if account.is_none() {
            turn.read(ReadKey::Notes(name), Read::Notes { account: name });
        }
        let asked = Asked { asker, group: note.group, kept: note.kept };
        self.accounts.entry(name).or_default().waiting.push_back(asked);
        self.advance(&name, turn);
    }

    /// A session asks which groups were noted.
    pub(super) fn on_list(&mut self, asker: SessionAsker, turn: &mut Turn<'_>) {
        if self.lists >= NOTES_MAX {
            return asker.refuse(FaultCode::UNAVAILABLE, turn);
        }
        self.lists += 1;
        turn.read(ReadKey::Groups(asker), Read::Notes { account: asker.account });
    }

    /// An account's notes were read for a change.
    pub(super) fn on_read(&mut self, name: Name, groups: Vec<Name>, turn: &mut Turn<'_>) {
        let account = self.accounts.get_mut(&name).expect("it is kept while it is read");
        account.groups = Some(groups.into_iter().collect());
        self.advance(&name, turn);
    }

    /// An account's notes were read for a session.
    pub(super) fn on_listed(
        &mut self,
        asker: &SessionAsker,
        groups: Vec<Name>,
        turn: &mut Turn<'_>,
    ) {
        self.lists -= 1;
        let groups = List::new(groups).expect("the store reads at most GROUPS_MAX");
        asker.answer(Groups { request: asker.request, groups }, turn);
    }

    pub(super) fn has_changes(&self) -> bool {
        !self.gathered.is_empty()
    }

    pub(super) fn compose(&mut self, batch: &mut Batch) {
        assert!(self.in_flight.is_empty(), "one batch is in flight at most");
        self.in_flight = std::mem::take(&mut self.gathered);
        batch.changes.extend(self.in_flight.iter_mut().filter_map(|write| write.change.take()));
    }

    /// The batch last composed is durable.
    pub(super) fn on_committed(&mut self, turn: &mut Turn<'_>) {
        for Write { asker, .. } in std::mem::take(&mut self.in_flight) {
            asker.answer(GroupNoted { request: asker.request }, turn);
            let account = self.accounts.get_mut(&asker.account);
            account.expect("it is kept while it is written").writes -= 1;
            self.advance(&asker.account, turn);
        }
    }

    /// Nothing comes to the accounts of a slot any more; nobody waits for them.
    pub(super) fn close_slot(&mut self, slot: Slot) {
        let of_slot = |name: &&Name| Slot::of(&LogId::mailbox(**name)) == slot;
        let leaving: Vec<Name> = self.accounts.keys().filter(of_slot).copied().collect();
        self.leaving.retain(|name| self.accounts.contains_key(name));
        self.leaving.extend(&leaving);
        for name in leaving {
            if let Some(account) = self.accounts.get_mut(&name) {
                account.waiting.clear();
            }
            self.forget_idle(&name);
        }
    }

    /// The accounts of a slot are this home's, from now on or again.
    pub(super) fn open_slot(&mut self, slot: Slot) {
        self.leaving.retain(|name| Slot::of(&LogId::mailbox(*name)) != slot);
    }

    /// Whether nothing of slots that were closed is in memory.
    pub(super) fn is_closed(&self) -> bool {
        self.leaving.iter().all(|name| !self.accounts.contains_key(name))
    }

    /// Accounts in memory.
    pub(super) fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Decides what can be decided; forgets the account when nothing is left.
    fn advance(&mut self, name: &Name, turn: &mut Turn<'_>) {
        let Some(account) = self.accounts.get_mut(name) else {
            return;
        };
        let Some(groups) = &mut account.groups else {
            return;
        };
        for Asked { asker, group, kept } in account.waiting.drain(..) {
            if kept && !groups.contains(&group) && groups.len() >= GROUPS_MAX {
                asker.refuse(FaultCode::TOO_MANY_GROUPS, turn);
                continue;
            }
            let change = change(groups, *name, group, kept);
            account.writes += 1;
            self.gathered.push(Write { asker, change });
        }
        self.forget_idle(name);
    }

    fn forget_idle(&mut self, name: &Name) {
        let is_idle = |account: &Account| {
            account.groups.is_some() && account.writes == 0 && account.waiting.is_empty()
        };
        if self.accounts.get(name).is_some_and(is_idle) {
            self.accounts.remove(name);
        }
    }
}

/// What keeps or forgets a note, unless it is so already.
fn change(groups: &mut BTreeSet<Name>, account: Name, group: Name, kept: bool) -> Option<Change> {
    match kept {
        true => groups.insert(group).then_some(Change::PutNote { account, group }),
        false => groups.remove(&group).then_some(Change::DropNote { account, group }),
    }
}
