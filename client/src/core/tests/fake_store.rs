//! What a real store would hold, in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use wire::{LogId, Name, Number, Origin, Seq, Wall};

use super::fake_blobs::FakeBlobs;
use super::fake_groups::FakeGroups;
use super::fake_sessions::FakeSessions;
use super::world::{bundle_of, number};
use crate::core::event::{LaneRecord, OwnKeys};
use crate::core::session_op::SessionOp;
use crate::core::{StoreOp, Stored};
use crate::crypto::{Content, Identity};
use crate::failure::Failure;
use crate::store::{
    Chain, Contact, Draft, Fate, InboxId, KnownServers, OutboxId, PendingSignUp, Received,
    SealedPost, Session, Trust,
};

/// What a real store would hold.
#[derive(Default)]
pub(super) struct FakeStore {
    pub(super) identity: Option<Arc<Identity>>,
    pub(super) bundle: Option<Bytes>,
    pub(super) session: Option<Session>,
    pub(super) sign_up: Option<PendingSignUp>,
    pub(super) origin: Option<Origin>,
    pub(super) drafts: BTreeMap<i64, Draft>,
    pub(super) sealed: BTreeMap<(LogId, Number), SealedPost>,
    /// Drafts that are none any more.
    pub(super) taken: BTreeSet<OutboxId>,
    /// Each sealed message's hash, by log and number, unless it was rejected.
    pub(super) hashes: BTreeMap<(LogId, Number), [u8; 32]>,
    pub(super) chains: BTreeMap<LogId, Chain>,
    pub(super) accepted: Vec<(LogId, Number)>,
    pub(super) rejected: Vec<(Number, wire::FaultCode)>,
    pub(super) refused: Vec<(OutboxId, Failure)>,
    pub(super) received: Vec<Received>,
    /// From which log each of them came.
    pub(super) sources: Vec<LogId>,
    pub(super) cursors: BTreeMap<LogId, Seq>,
    pub(super) contacts: BTreeMap<Name, Contact>,
    pub(super) conflicts: BTreeSet<OutboxId>,
    pub(super) blobs: FakeBlobs,
    pub(super) seen: BTreeSet<(LogId, Name, Origin, Number)>,
    pub(super) groups: FakeGroups,
    pub(super) sessions: FakeSessions,
    pub(super) servers: KnownServers,
}

impl FakeStore {
    pub(super) fn perform(&mut self, op: StoreOp) -> (&'static str, Option<Stored>) {
        match op {
            StoreOp::LoadIdentity => {
                let keys = self.identity.clone().map(|identity| {
                    let bundle = bundle_of(&identity, "alice").encoded().clone();
                    OwnKeys { identity, bundle }
                });
                ("identity", Some(Stored::Identity(keys)))
            }
            StoreOp::SaveSignUp { identity, bundle, frame, .. } => {
                let was_new = self.sign_up.take().is_some_and(|pending| !pending.had_existed);
                let had_existed = self.identity.replace(identity).is_some() && !was_new;
                self.bundle = Some(bundle);
                self.sign_up = Some(PendingSignUp { frame, had_existed });
                ("sign-up", Some(Stored::SignUpSaved))
            }
            StoreOp::ClearSignUp => {
                if self.sign_up.take().is_some_and(|pending| !pending.had_existed) {
                    self.identity = None;
                }
                ("no sign-up", None)
            }
            StoreOp::SaveSignIn { identity, bundle, session, .. } => {
                (self.identity, self.bundle) = (Some(identity), Some(bundle));
                self.sign_up = None;
                self.session = Some(session);
                ("sign-in", Some(Stored::SessionSaved))
            }
            StoreOp::SaveSession(session) => {
                self.sign_up = None;
                self.session = Some(session);
                ("session", Some(Stored::SessionSaved))
            }
            StoreOp::SaveServers(servers) => {
                self.servers = servers;
                ("servers", None)
            }
            StoreOp::EndSession => {
                self.session = None;
                ("no session", None)
            }
            StoreOp::BeginOrigin(origin) => {
                self.origin = Some(origin);
                self.conflicts.extend(self.sealed.values().map(|post| post.id));
                self.sealed.clear();
                self.chains.clear();
                ("origin", Some(Stored::OriginBegun))
            }
            op => self.perform_posts(op),
        }
    }

    fn perform_posts(&mut self, op: StoreOp) -> (&'static str, Option<Stored>) {
        match op {
            StoreOp::LoadOutbox => ("outbox", Some(self.outbox())),
            StoreOp::SealDraft { id, log, number, body, hash, step } => {
                let Some(draft) = self.drafts.get(&id.0) else {
                    return ("gone", Some(Stored::DraftGone { id, log }));
                };
                assert_eq!(draft.log, log);
                assert!(self.taken.insert(id), "a draft is sealed once");
                let own = self.sessions.own.get_mut(&(log, step.number));
                own.expect("the message session is kept first").state = step.state;
                let message_session = step.number;
                self.sealed.insert((log, number), SealedPost { id, number, message_session, body });
                self.hashes.insert((log, number), hash);
                let settled = number;
                self.chains.insert(log, Chain { next: number.next(), settled, previous: hash });
                ("sealed", Some(Stored::PostSealed { id, log }))
            }
            StoreOp::Redraft { log, number } => {
                let post = self.sealed.remove(&(log, number)).expect("it is sealed");
                self.taken.remove(&post.id);
                self.hashes.remove(&(log, number));
                let newest = self.hashes.iter().rfind(|((of, _), _)| *of == log);
                let previous = newest.map_or([0; 32], |(_, hash)| *hash);
                self.chains.get_mut(&log).expect("there is one").previous = previous;
                let draft = self.drafts[&post.id.0].clone();
                ("redrafted", Some(Stored::Redrafted { draft, previous }))
            }
            StoreOp::Settle { log, upto, .. } => {
                let numbers = self.sealed.keys().filter(|(l, n)| *l == log && *n <= upto);
                self.accepted.extend(numbers);
                self.sealed.retain(|(l, n), _| *l != log || *n > upto);
                ("settled", None)
            }
            StoreOp::Reject { log, number, code } => {
                self.sealed.remove(&(log, number));
                self.rejected.push((number, code));
                ("rejected", None)
            }
            StoreOp::Abandon { log, fate } => {
                let gone = self.sealed.extract_if(.., |(of, _), _| *of == log);
                match fate {
                    Fate::Unknown => self.conflicts.extend(gone.map(|(_, post)| post.id)),
                    Fate::Rejected(code) => {
                        self.rejected.extend(gone.map(|((_, number), _)| (number, code)));
                    }
                }
                ("abandoned", None)
            }
            StoreOp::Refuse { id, failure } => {
                self.refused.push((id, failure));
                ("refused", None)
            }
            op => self.perform_reading(op),
        }
    }

    fn perform_reading(&mut self, op: StoreOp) -> (&'static str, Option<Stored>) {
        match op {
            StoreOp::LoadCursor(log) => {
                let cursor = self.cursors.get(&log).copied().unwrap_or(Seq(0));
                ("cursor", Some(Stored::Cursor { log, cursor }))
            }
            StoreOp::Receive { log, items, cursor } => {
                let mut new = Vec::new();
                for item in items {
                    let key = (log, item.sender, item.origin, item.number);
                    if item.number != Number::NONE && !self.seen.insert(key) {
                        continue;
                    }
                    let is_shown = item.content.is_shown();
                    if let Some(request) = &item.request {
                        self.sessions.note(item.sender, request);
                    }
                    self.received.push(item);
                    self.sources.push(log);
                    let id = i64::try_from(self.received.len()).expect("few");
                    new.extend(is_shown.then_some(InboxId(id)));
                }
                self.cursors.insert(log, cursor);
                ("received", Some(Stored::Received { log, cursor, new }))
            }
            StoreOp::Session(op) => {
                if let SessionOp::KeepGranted { place, claim: Some(claim), .. } = &*op {
                    self.groups.note(place.log.name, *claim);
                }
                let (name, answer) = self.sessions.perform(*op);
                (name, answer.map(Stored::Session))
            }
            StoreOp::LoadContact(name) => {
                let contact = self.contacts.get(&name).cloned();
                ("contact", Some(Stored::Contact { name, contact }))
            }
            StoreOp::Pin(..)
            | StoreOp::Extend(..)
            | StoreOp::MarkChanged(..)
            | StoreOp::ReplaceKeyLog(..)
            | StoreOp::AcceptChange(_)
            | StoreOp::MarkVerified(_) => (self.perform_trust(op), None),
            op if FakeBlobs::plays(&op) => self.blobs.perform(op),
            op => self.groups.perform(op),
        }
    }

    fn perform_trust(&mut self, op: StoreOp) -> &'static str {
        let (name, what) = match op {
            StoreOp::Pin(name, log) => {
                let pinned = log.newest().keys.signing.id();
                let (bundles, trust) = (log.encoded(), Trust::Pinned);
                self.contacts.insert(name, Contact { name, pinned, bundles, trust });
                return "pinned";
            }
            StoreOp::Extend(name, log) => {
                self.contacts.get_mut(&name).expect("pinned").bundles = log.encoded();
                return "extended";
            }
            StoreOp::ReplaceKeyLog(name, log) => {
                let contact = self.contacts.get_mut(&name).expect("pinned");
                contact.bundles = log.encoded();
                if !log.has_changed_from(&contact.pinned) {
                    return "replaced";
                }
                (name, Trust::Changed)
            }
            StoreOp::MarkChanged(name, log) => {
                self.contacts.get_mut(&name).expect("pinned").bundles = log.encoded();
                (name, Trust::Changed)
            }
            StoreOp::AcceptChange(name) => (name, Trust::Pinned),
            StoreOp::MarkVerified(name) => (name, Trust::Verified),
            op => panic!("{op:?} is not played"),
        };
        self.contacts.get_mut(&name).expect("pinned").trust = what;
        "trust"
    }

    fn outbox(&mut self) -> Stored {
        self.add_requests();
        let is_busy = |id: &OutboxId| {
            let refused = self.refused.iter().any(|(refused, _)| refused == id);
            refused || self.conflicts.contains(id) || self.taken.contains(id)
        };
        let drafts: Vec<Draft> =
            self.drafts.values().filter(|draft| !is_busy(&draft.id)).take(64).cloned().collect();
        let mut logs: BTreeSet<LogId> = self.sealed.keys().map(|(log, _)| *log).collect();
        logs.extend(drafts.iter().map(|draft| draft.log));
        logs.extend(self.sessions.busy());
        let first = Chain { next: number(1), settled: Number::NONE, previous: [0; 32] };
        let lanes = logs.into_iter().map(|log| LaneRecord {
            log,
            chain: self.chains.get(&log).copied().unwrap_or(first),
            sealed: self
                .sealed
                .iter()
                .filter(|((of, _), _)| *of == log)
                .map(|(_, post)| post.clone())
                .collect(),
            sessions: self.sessions.record(log),
        });
        Stored::Outbox { lanes: lanes.collect(), drafts }
    }

    /// Requests for grants are drafts like others.
    fn add_requests(&mut self) {
        for (place, request) in std::mem::take(&mut self.sessions.drafts) {
            let (log, content) = (LogId::mailbox(place.sender), Content::GrantRequest(request));
            let id = OutboxId(i64::try_from(self.drafts.len()).expect("few") + 1);
            self.drafts.insert(id.0, Draft { id, log, content, created: Wall(1) });
        }
    }
}
