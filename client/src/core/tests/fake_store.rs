//! What a real store would hold, in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use wire::{LogId, Name, Number, Origin, Seq};

use super::fake_blobs::FakeBlobs;
use super::fake_groups::FakeGroups;
use super::world::number;
use crate::core::event::LaneRecord;
use crate::core::{StoreOp, Stored};
use crate::crypto::Identity;
use crate::failure::Failure;
use crate::store::{
    Chain, Contact, Draft, InboxId, OutboxId, Received, SealedPost, Session, Trust,
};

/// What a real store would hold.
#[derive(Default)]
pub(super) struct FakeStore {
    pub(super) identity: Option<Arc<Identity>>,
    pub(super) session: Option<Session>,
    pub(super) sign_up: Option<Bytes>,
    pub(super) origin: Option<Origin>,
    pub(super) drafts: BTreeMap<i64, Draft>,
    pub(super) sealed: BTreeMap<(LogId, Number), (OutboxId, Bytes)>,
    pub(super) chains: BTreeMap<LogId, Chain>,
    pub(super) accepted: Vec<(LogId, Number)>,
    pub(super) rejected: Vec<(Number, wire::FaultCode)>,
    pub(super) refused: Vec<(OutboxId, Failure)>,
    pub(super) received: Vec<Received>,
    pub(super) cursor: Seq,
    pub(super) contacts: BTreeMap<Name, Contact>,
    pub(super) conflicts: BTreeSet<OutboxId>,
    pub(super) seen: BTreeSet<(Name, Origin, Number)>,
    pub(super) blobs: FakeBlobs,
    pub(super) groups: FakeGroups,
}

impl FakeStore {
    pub(super) fn perform(&mut self, op: StoreOp) -> (&'static str, Option<Stored>) {
        match op {
            StoreOp::LoadIdentity => ("identity", Some(Stored::Identity(self.identity.clone()))),
            StoreOp::SaveSignUp { identity, frame, .. } => {
                self.identity = Some(identity);
                self.sign_up = Some(frame);
                ("sign-up", Some(Stored::SignUpSaved))
            }
            StoreOp::ClearSignUp => {
                self.identity = None;
                self.sign_up = None;
                ("no sign-up", None)
            }
            StoreOp::SaveSignIn { identity, session, .. } => {
                self.identity = Some(identity);
                self.session = Some(session);
                ("sign-in", Some(Stored::SessionSaved))
            }
            StoreOp::SaveSession(session) => {
                self.sign_up = None;
                self.session = Some(session);
                ("session", Some(Stored::SessionSaved))
            }
            StoreOp::EndSession => {
                self.session = None;
                ("no session", None)
            }
            StoreOp::BeginOrigin(origin) => {
                self.origin = Some(origin);
                self.conflicts.extend(self.sealed.values().map(|(id, _)| *id));
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
            StoreOp::SealDraft { id, log, number, body, hash } => {
                let draft = self.drafts.get(&id.0).expect("it was a draft");
                assert_eq!(draft.log, log);
                self.sealed.insert((log, number), (id, body));
                let settled = number;
                self.chains.insert(log, Chain { next: number.next(), settled, previous: hash });
                ("sealed", Some(Stored::PostSealed { id, log }))
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
            StoreOp::Refuse { id, failure } => {
                self.refused.push((id, failure));
                ("refused", None)
            }
            op => self.perform_reading(op),
        }
    }

    fn perform_reading(&mut self, op: StoreOp) -> (&'static str, Option<Stored>) {
        match op {
            StoreOp::LoadCursor(_) => ("cursor", Some(Stored::Cursor(self.cursor))),
            StoreOp::Receive { items, cursor, .. } => {
                let mut new = Vec::new();
                for item in items {
                    if self.seen.insert((item.sender, item.origin, item.number)) {
                        self.received.push(item);
                        let id = i64::try_from(self.received.len()).expect("few");
                        new.push(InboxId(id));
                    }
                }
                self.cursor = cursor;
                ("received", Some(Stored::Received { cursor, new }))
            }
            StoreOp::LoadContact(name) => {
                let contact = self.contacts.get(&name).cloned();
                ("contact", Some(Stored::Contact { name, contact }))
            }
            StoreOp::Pin(..)
            | StoreOp::Extend(..)
            | StoreOp::MarkChanged(..)
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

    fn outbox(&self) -> Stored {
        let busy = |id: &OutboxId| {
            let refused = self.refused.iter().any(|(refused, _)| refused == id)
                || self.conflicts.contains(id);
            let sealed = self.sealed.values().any(|(sealed, _)| sealed == id);
            refused
                || sealed
                || self.chains.values().any(|c| c.settled.value() >= id.0.unsigned_abs())
        };
        let drafts: Vec<Draft> =
            self.drafts.values().filter(|draft| !busy(&draft.id)).take(64).cloned().collect();
        let mut logs: BTreeSet<LogId> = self.sealed.keys().map(|(log, _)| *log).collect();
        logs.extend(drafts.iter().map(|draft| draft.log));
        let first = Chain { next: number(1), settled: Number::NONE, previous: [0; 32] };
        let lanes = logs.into_iter().map(|log| LaneRecord {
            log,
            chain: self.chains.get(&log).copied().unwrap_or(first),
            sealed: self
                .sealed
                .iter()
                .filter(|((of, _), _)| *of == log)
                .map(|((_, number), (id, body))| SealedPost {
                    id: *id,
                    number: *number,
                    body: body.clone(),
                })
                .collect(),
        });
        Stored::Outbox { lanes: lanes.collect(), drafts }
    }
}
