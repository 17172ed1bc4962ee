//! The readers' keys, for handing out a message session's key.
//!
//! A mailbox's owner must be known and trusted, or nothing is sealed. In a group one member whose
//! key has changed, or whose home is away, does not keep the others from writing: that member is
//! left out, and granted the key as soon as its own is there and agreed to.

use std::sync::Arc;
use std::time::Duration;

use wire::{LogId, LogKind, Name};

use super::contacts::{Contacts, MemberKeys, ReaderKeys};
use super::context::Context;
use super::grant_work::ReaderKey;
use super::readers::ReaderList;
use crate::crypto::keys::WrappingPublicKey;
use crate::failure::Failure;

/// Keys of a group's members are looked at again when it was done longer ago than this.
const FRESH_TIME_GROUP: Duration = Duration::from_secs(3600);

/// Where the keys come from.
pub(crate) struct Audience<'a> {
    pub(crate) contacts: &'a mut Contacts,
}

/// A reader whose key is known and trusted.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) name: Name,
    pub(crate) joined: u32,
    pub(crate) key: WrappingPublicKey,
}

impl Member {
    pub(crate) fn reader_key(&self) -> ReaderKey {
        (self.name, self.key.clone())
    }
}

impl Audience<'_> {
    /// Counts what has changed in anybody's keys or trust.
    pub(crate) fn changes(&self) -> u64 {
        self.contacts.changes()
    }

    /// After this long the readers' keys are looked at again.
    pub(crate) fn fresh_time(log: &LogId) -> Duration {
        match log.kind {
            LogKind::Mailbox => super::contacts::FRESH_TIME,
            LogKind::Group => FRESH_TIME_GROUP,
        }
    }

    /// The readers that the key is handed to; `None` while keys are awaited.
    pub(crate) fn members(
        &mut self,
        log: &LogId,
        readers: &ReaderList,
        ctx: &mut Context<'_>,
    ) -> Result<Option<Vec<Member>>, Failure> {
        let mut members = Some(Vec::new());
        for reader in &readers.readers {
            // Every reader is asked about, so that all their keys are fetched at the same time.
            match self.key(log, reader.name, ctx)? {
                Key::Pending => members = None,
                Key::LeftOut => {}
                Key::Known(key) => {
                    if let Some(members) = &mut members {
                        members.push(Member { name: reader.name, joined: reader.joined, key });
                    }
                }
            }
        }
        Ok(members)
    }

    fn key(&mut self, log: &LogId, name: Name, ctx: &mut Context<'_>) -> Result<Key, Failure> {
        if ctx.me.name == Some(name) {
            let identity = ctx.identity();
            return Ok(
                identity.map_or(Key::Pending, |own| Key::Known(own.public().wrapping.clone()))
            );
        }
        let known =
            |log: Arc<crate::crypto::KeyLog>| Key::Known(log.newest().keys.wrapping.clone());
        if log.kind == LogKind::Mailbox {
            return match self.contacts.reader(name, ctx) {
                ReaderKeys::Pending => Ok(Key::Pending),
                ReaderKeys::Ready(log) => Ok(known(log)),
                ReaderKeys::Refused(failure) => Err(failure),
            };
        }
        Ok(match self.contacts.member(name, FRESH_TIME_GROUP, *log, ctx) {
            MemberKeys::Pending => Key::Pending,
            MemberKeys::Ready(log) => known(log),
            MemberKeys::LeftOut => Key::LeftOut,
        })
    }
}

enum Key {
    Pending,
    Known(WrappingPublicKey),
    LeftOut,
}
