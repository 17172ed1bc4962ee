//! What several properties need to know.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use client::store::ReceivedContent;
use storage::Change;
use wire::message::Entry;
use wire::roster::{Act, Statement};
use wire::{Instant, LogId, LogKind, Name, Number, Seq, Wall};

use super::fact::{Fact, Place};

/// What a sender knows of a post.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PostState {
    /// Sealed; not answered.
    Sealed,
    /// Safe.
    Accepted,
    /// Definitely not stored.
    Rejected,
    /// Given up.
    Abandoned,
}

/// A post.
#[derive(Clone, Debug)]
pub struct Post {
    /// The installation that sealed it.
    pub client: usize,
    /// Its bytes.
    pub body: Bytes,
    /// What a person wrote.
    pub text: Option<String>,
    /// Its place among what was written on that installation.
    pub draft: i64,
    /// What the sender knows.
    pub state: PostState,
}

/// An entry on a home's disk, now or before.
#[derive(Clone, Debug)]
pub struct Written {
    /// Which post; a statement has number 0.
    pub place: Place,
    /// When its home took it, by its home's clock.
    pub at: Wall,
    /// Bytes of its body.
    pub len: u64,
    /// It was synced.
    pub is_durable: bool,
}

/// What a group's member is, by the statements of its log.
#[derive(Clone, Debug)]
pub struct Membership {
    /// The entry of its joining.
    pub joined: Seq,
}

/// What is known of everything.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Every post that was sealed.
    pub posts: BTreeMap<Place, Post>,
    /// What the last fact made accepted.
    pub just_accepted: Vec<Place>,
    /// Every entry that was given to a disk, by log and seq.
    pub written: BTreeMap<(LogId, Seq), Written>,
    /// Where each durable post stands.
    pub durable: BTreeMap<Place, Seq>,
    /// How far each installation has durably received a log.
    pub cursors: BTreeMap<(usize, LogId), Seq>,
    /// Who has a post in a store of its own.
    pub kept: BTreeSet<(Name, Place)>,
    /// Who has seen a post's text, or that it was written before they joined the group.
    pub shown: BTreeSet<(Name, Place)>,
    /// Who was told, in the place of a post, that its sender has not granted its key.
    pub ungranted: BTreeSet<(Name, Place)>,
    /// Where each former member's departure is in its group's log.
    pub departures: BTreeMap<(Name, Name), Seq>,
    /// Up to where each log was deleted.
    pub truncated: BTreeMap<LogId, Seq>,
    /// Group entries that were deleted before this member had them.
    pub expired: BTreeSet<(Name, LogId, Seq)>,
    /// Of how many entries each member was told that they are gone.
    pub told_expired: BTreeMap<(Name, LogId), u64>,
    /// The members of each group, by its durable statements.
    pub members: BTreeMap<Name, BTreeMap<Name, Membership>>,
    /// When each account became durable.
    pub accounts: BTreeMap<Name, Instant>,
    /// Whose each installation is.
    pub owners: BTreeMap<usize, Name>,
}

impl Ledger {
    /// Something has happened.
    pub fn hear(&mut self, now: Instant, fact: &Fact<'_>) {
        self.just_accepted.clear();
        match fact {
            Fact::Sealed { client, place, body, text, draft, .. } => {
                let (text, body) = (text.map(str::to_owned), (*body).clone());
                let (client, draft, state) = (*client, *draft, PostState::Sealed);
                self.posts.insert(*place, Post { client, body, text, draft, state });
            }
            Fact::Accepted { place, .. } => self.accept(*place),
            Fact::Rejected { place, .. } | Fact::Redrafted { place, .. } => {
                if let Some(post) = self.posts.get_mut(place) {
                    post.state = PostState::Rejected;
                }
            }
            Fact::Abandoned { client, log, .. } => self.abandon(*client, *log),
            Fact::Expired { reader, log, count } => {
                *self.told_expired.entry((*reader, *log)).or_default() += count;
            }
            Fact::Attempted { client, name, .. } => {
                self.owners.insert(*client, *name);
            }
            Fact::Submitted { batch, .. } => {
                batch.changes.iter().for_each(|change| self.submit(change));
            }
            Fact::Committed { batch, .. } => {
                batch.changes.iter().for_each(|change| self.commit(now, change));
            }
            Fact::Kept { client, reader, log, items, cursor, .. } => {
                let held = self.cursors.entry((*client, *log)).or_default();
                *held = (*held).max(*cursor);
                for item in *items {
                    let place = (item.sender, item.origin, *log, item.number);
                    self.kept.insert((*reader, place));
                }
            }
            Fact::Shown { reader, message, .. } => {
                let place = (message.sender, message.origin, message.log, message.number);
                // A sender who did not know of a newcomer yet writes to the others alone.
                if message.content.is_opened() || is_from_before(&message.content) {
                    self.shown.insert((*reader, place));
                } else if is_ungranted(&message.content) {
                    self.ungranted.insert((*reader, place));
                }
            }
            _ => {}
        }
    }

    /// How far an account has received a log, on whichever of its installations.
    #[must_use]
    pub fn cursor(&self, reader: Name, log: LogId) -> Seq {
        let mine = self
            .cursors
            .iter()
            .filter(|((client, of), _)| *of == log && self.owners.get(client) == Some(&reader));
        mine.map(|(_, cursor)| *cursor).max().unwrap_or_default()
    }

    /// Whether an account reads a log now, by what is durable.
    #[must_use]
    pub fn reads(&self, account: Name, log: LogId) -> bool {
        match log.kind {
            LogKind::Mailbox => log.name == account,
            LogKind::Group => {
                self.members.get(&log.name).is_some_and(|members| members.contains_key(&account))
            }
        }
    }

    /// Whether an account was attempted to be used on several installations.
    #[must_use]
    pub fn is_shared(&self, name: Name) -> bool {
        self.owners.values().filter(|owner| **owner == name).count() > 1
    }

    fn accept(&mut self, (sender, origin, log, upto): Place) {
        let range = (sender, origin, log, Number::NONE)..=(sender, origin, log, upto);
        for (place, post) in self.posts.range_mut(range).rev() {
            match post.state {
                PostState::Sealed => {
                    post.state = PostState::Accepted;
                    self.just_accepted.push(*place);
                }
                // Everything before it was accepted with it, or decided already.
                PostState::Accepted => break,
                PostState::Rejected | PostState::Abandoned => {}
            }
        }
    }

    fn abandon(&mut self, client: usize, log: Option<LogId>) {
        let mine = self
            .posts
            .iter_mut()
            .filter(|(place, post)| post.client == client && log.is_none_or(|log| log == place.2));
        for (_, post) in mine {
            if post.state == PostState::Sealed {
                post.state = PostState::Abandoned;
            }
        }
    }

    fn submit(&mut self, change: &Change) {
        match change {
            Change::Append { log, entry } => {
                let written = Written {
                    place: place_of(*log, entry),
                    at: entry.at,
                    len: u64::try_from(entry.body.bytes().len()).expect("short"),
                    is_durable: false,
                };
                self.written.entry((*log, entry.seq)).or_insert(written);
            }
            Change::Truncate { log, upto } => {
                self.expire(*log, *upto);
                let truncated = self.truncated.entry(*log).or_default();
                *truncated = (*truncated).max(*upto);
            }
            _ => {}
        }
    }

    fn commit(&mut self, now: Instant, change: &Change) {
        match change {
            Change::Append { log, entry } => {
                let place = place_of(*log, entry);
                self.durable.insert(place, entry.seq);
                if let Some(written) = self.written.get_mut(&(*log, entry.seq)) {
                    written.is_durable = true;
                }
                if log.kind == LogKind::Group && entry.number == Number::NONE {
                    self.state(log.name, entry);
                }
            }
            Change::CreateAccount { name, .. } => {
                self.accounts.entry(*name).or_insert(now);
            }
            _ => {}
        }
    }

    /// A group's statement has come true.
    fn state(&mut self, group: Name, entry: &Entry) {
        let bytes = entry.body.bytes().clone();
        let statement = Statement::decode(bytes).expect("a home appends whole statements");
        let members = self.members.entry(group).or_default();
        let mut depart = |account: Name| {
            members.remove(&account);
            self.departures.insert((group, account), entry.seq);
        };
        match statement.act {
            Act::Create | Act::Join => {
                members.insert(statement.actor, Membership { joined: entry.seq });
            }
            Act::Leave => depart(statement.actor),
            Act::Remove => depart(statement.subject),
            Act::Close => members.clear(),
            Act::Invite | Act::HandOver => {}
        }
    }

    /// Entries of a group go, whether its members have them or not.
    fn expire(&mut self, log: LogId, upto: Seq) {
        if log.kind != LogKind::Group {
            return;
        }
        let Some(members) = self.members.get(&log.name) else { return };
        for (member, membership) in members {
            let cursor = self.cursor(*member, log).max(membership.joined);
            let gone = self.written.range((log, Seq(0))..=(log, upto)).map(|((_, seq), _)| *seq);
            let missed: Vec<Seq> = gone.filter(|seq| *seq > cursor).collect();
            self.expired.extend(missed.into_iter().map(|seq| (*member, log, seq)));
        }
    }
}

/// A post's name, from its entry.
#[must_use]
pub(super) fn place_of(log: LogId, entry: &Entry) -> Place {
    (entry.sender, entry.origin, log, entry.number)
}

/// Whether a member is told that a message was written before it joined the group, or joined again.
fn is_from_before(content: &ReceivedContent) -> bool {
    match content {
        ReceivedContent::BeforeYouJoined => true,
        ReceivedContent::Undecryptable { reason } => reason.contains("before you joined"),
        _ => false,
    }
}

fn is_ungranted(content: &ReceivedContent) -> bool {
    match content {
        ReceivedContent::Undecryptable { reason } => reason.contains("has not granted its key"),
        _ => false,
    }
}
