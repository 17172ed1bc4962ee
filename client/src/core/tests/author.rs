//! Those who write to alice: their message sessions, her grants, their entries.

use wire::message::{Announcement, Entry, Grant};
use wire::{LogId, MessageSession, Origin, RequestId, Seq, Wall};

use super::world::{World, identity_of, mailbox, me, number};
use crate::crypto::grant::{self, Announcing, Secret, SessionPlace};
use crate::crypto::test_keys::{alice, name, rng};
use crate::crypto::{Content, Outbound, Plaintext, WrappingPublicKey};

/// Somebody else's message session that alice can read.
pub(super) struct Author {
    pub(super) outbound: Outbound,
    pub(super) announcement: Announcement,
    pub(super) secret: Secret,
}

impl World {
    /// An entry of `sender` in alice's mailbox, not delivered yet; alice has its grant.
    pub(super) fn entry(&mut self, sender: &str, entry_number: u64, text: &str) -> Entry {
        self.entry_in(mailbox("alice"), sender, entry_number, text)
    }

    /// An entry of `sender` in `log`, not delivered yet; alice has its grant.
    pub(super) fn entry_in(&mut self, log: LogId, sender: &str, at: u64, text: &str) -> Entry {
        if !self.authors.contains_key(&(name(sender), log)) {
            self.begin_session(log, sender, 1);
            self.grant(log, sender, &alice().public().wrapping);
        }
        self.entry_of(log, sender, at, Content::Text(text.to_owned()))
    }

    /// `sender` begins a message session, which nobody is granted yet.
    pub(super) fn begin_session(&mut self, log: LogId, sender: &str, session: u32) {
        let outbound = Outbound::begin(MessageSession(session), Wall(1));
        self.announce(log, sender, outbound, (0, 0));
    }

    /// `sender` announces its message session as `(part, roster version)`, from where it is.
    pub(super) fn announce(
        &mut self,
        log: LogId,
        sender: &str,
        outbound: Outbound,
        (part, roster_version): (u16, u32),
    ) {
        let roster = self.roster.as_ref().filter(|roster| roster.version() == roster_version);
        let head = roster.map_or([0; 32], wire::roster::Roster::head);
        let (roster_version, roster_head) = self.claim.unwrap_or((roster_version, head));
        let announcing = Announcing {
            sender: name(sender),
            log,
            origin: Origin([2; 16]),
            part,
            roster_version,
            roster_head,
            created: Wall(1),
        };
        let key = outbound.session_key();
        let (announcement, secret) =
            grant::announce(identity_of(sender), &key, &announcing, &mut rng()).expect("signs");
        let author = Author { outbound, announcement, secret };
        self.authors.insert((name(sender), log), author);
    }

    /// Puts alice's grant of `sender`'s message session, wrapped with `key`, to the log's home.
    pub(super) fn grant(&mut self, log: LogId, sender: &str, key: &WrappingPublicKey) {
        let author = &self.authors[&(name(sender), log)];
        let reader = (me(), key);
        let wrapped = grant::wrap(&author.secret, &author.announcement, reader, &mut rng());
        let place = SessionPlace {
            sender: name(sender),
            log,
            origin: Origin([2; 16]),
            message_session: author.outbound.number(),
        };
        let (request, announcement) = (RequestId(0), author.announcement.clone());
        let grant = Grant { request, announcement, grant: wrapped.expect("wraps") };
        self.grants.insert(place, grant);
    }

    /// An entry under `sender`'s present message session.
    pub(super) fn entry_of(
        &mut self,
        log: LogId,
        sender: &str,
        entry_number: u64,
        content: Content,
    ) -> Entry {
        let plaintext = Plaintext {
            sender: name(sender),
            log,
            origin: Origin([2; 16]),
            number: number(entry_number),
            previous: [0; 32],
            sent: Wall(1),
            content,
        };
        let author = self.authors.get_mut(&(name(sender), log)).expect("it was begun");
        let body = author.outbound.seal(&plaintext).expect("seals");
        self.seq += 1;
        Entry {
            seq: Seq(self.seq),
            sender: name(sender),
            origin: plaintext.origin,
            number: plaintext.number,
            at: Wall(2),
            body,
        }
    }
}
