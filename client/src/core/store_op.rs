//! What the core asks of the store, and what the store answers.

use std::sync::Arc;

use bytes::Bytes;
use wire::message::Class;
use wire::roster::Roster;
use wire::{BlobId, FaultCode, LogId, Name, Number, Origin, Seq, Wall};

use super::session_op::{SessionAnswer, SessionOp};
use crate::crypto::key_log::KeyLog;
use crate::crypto::keys::Identity;
use crate::failure::Failure;
use crate::store::{
    Chain, ChunkBytes, Contact, Download, Draft, Ended, Fate, GroupRecord, InboxId, KeptStatement,
    KnownServers, OutboxId, Received, RosterClaim, SealedPost, Session, SessionStep,
    SessionsRecord, Upload,
};

/// One durable operation. Each is one transaction with full sync.
#[derive(Debug)]
pub enum StoreOp {
    /// Load the private keys → [`Stored::Identity`].
    LoadIdentity,
    /// Keep the sign-up frame and the keys before the frame leaves → [`Stored::SignUpSaved`]. Of
    /// an account that is kept already: with the same keys.
    SaveSignUp {
        /// The wanted name.
        name: Name,
        /// This installation.
        origin: Origin,
        /// The account's keys.
        identity: Arc<Identity>,
        /// The first bundle.
        bundle: Bytes,
        /// The fields of the `SignUpFinish`.
        frame: Bytes,
    },
    /// The name is taken: forget the sign-up, and the account unless it had existed before.
    ClearSignUp,
    /// Keep keys and session after a sign-in → [`Stored::SessionSaved`].
    SaveSignIn {
        /// The account.
        name: Name,
        /// This installation.
        origin: Origin,
        /// The account's keys.
        identity: Arc<Identity>,
        /// The newest bundle.
        bundle: Bytes,
        /// The session.
        session: Session,
    },
    /// Keep the session after a sign-up or resume → [`Stored::SessionSaved`].
    SaveSession(Session),
    /// Forget the session.
    EndSession,
    /// Keep what routers have said about the cluster.
    SaveServers(KnownServers),
    /// Begin a new origin: unanswered posts become conflicts → [`Stored::OriginBegun`].
    BeginOrigin(Origin),
    /// Load what waits to be sent → [`Stored::Outbox`].
    LoadOutbox,
    /// Give a draft its number and its bytes, before they are sent → [`Stored::PostSealed`], or
    /// [`Stored::DraftGone`] when the user gave it up.
    SealDraft {
        /// Which draft.
        id: OutboxId,
        /// To which log.
        log: LogId,
        /// Its number.
        number: Number,
        /// The sealed bytes, resent as they are.
        body: Bytes,
        /// Hash of the message, the next one's `previous`.
        hash: [u8; 32],
        /// The ratchet that has sealed it.
        step: SessionStep,
    },
    /// Every post up to `upto` is accepted.
    Settle {
        /// To which log.
        log: LogId,
        /// The highest accepted number.
        upto: Number,
        /// The seq of that one.
        seq: Seq,
        /// How they are safe.
        class: Class,
    },
    /// A post was definitely not stored.
    Reject {
        /// To which log.
        log: LogId,
        /// Its number, which is spent.
        number: Number,
        /// Why.
        code: FaultCode,
    },
    /// A post was definitely not stored for its message session: make it a draft again →
    /// [`Stored::Redrafted`].
    Redraft {
        /// To which log.
        log: LogId,
        /// Its number, which is spent.
        number: Number,
    },
    /// Nothing more is heard of the posts to this log that are sealed and unanswered.
    Abandon {
        /// Which log.
        log: LogId,
        /// What became of them.
        fate: Fate,
    },
    /// A draft is not sent at all, unless the user gave it up.
    Refuse {
        /// Which draft.
        id: OutboxId,
        /// Why.
        failure: Failure,
    },
    /// Load the uploads that drafts wait for → [`Stored::Uploads`].
    LoadUploads,
    /// Read a chunk of an upload's file → [`Stored::UploadRead`].
    ReadUpload {
        /// Which upload.
        blob: BlobId,
        /// Which chunk.
        index: u32,
    },
    /// The upload is whole at the home: its draft may be sealed.
    FinishUpload {
        /// The draft.
        id: OutboxId,
        /// Which upload.
        blob: BlobId,
    },
    /// The home does not take the upload: its draft is not sent.
    RejectUpload {
        /// The draft.
        id: OutboxId,
        /// Which upload.
        blob: BlobId,
        /// Why.
        code: FaultCode,
    },
    /// What is known of a message's attachment → [`Stored::Download`].
    LoadDownload(InboxId),
    /// Keep a chunk of a download.
    WriteDownload {
        /// Which download.
        blob: BlobId,
        /// Which chunk.
        index: u32,
        /// Its bytes.
        chunk: ChunkBytes,
    },
    /// See [`SessionOp`].
    Session(Box<SessionOp>),
    /// Where a log was read up to → [`Stored::Cursor`].
    LoadCursor(LogId),
    /// Keep received messages, the cursor and the replay window → [`Stored::Received`].
    Receive {
        /// From which log.
        log: LogId,
        /// What came, in order.
        items: Vec<Received>,
        /// Everything up to this is held.
        cursor: Seq,
    },
    /// Load a contact → [`Stored::Contact`].
    LoadContact(Name),
    /// First use: keep the key log and trust its newest signing key.
    Pin(Name, Arc<KeyLog>),
    /// The key log has grown and the trusted key is still in use.
    Extend(Name, Arc<KeyLog>),
    /// The account's home has another key log than the one that is kept.
    ReplaceKeyLog(Name, Arc<KeyLog>),
    /// The signing key is not the trusted one any more.
    MarkChanged(Name, Arc<KeyLog>),
    /// The user agreed to the changed key.
    AcceptChange(Name),
    /// The user has compared safety numbers.
    MarkVerified(Name),
    /// Load the names of all groups → [`Stored::Groups`].
    LoadGroups,
    /// Load one group → [`Stored::Group`].
    LoadGroup(Name),
    /// Load one statement of a group's roster → [`Stored::Statement`].
    LoadStatement {
        /// Which group.
        group: Name,
        /// Its place.
        version: u32,
    },
    /// The account is a member of this group.
    KeepGroup(Name),
    /// The account is no member of this group any more.
    EndGroup {
        /// Which group.
        group: Name,
        /// Why, and whether its log is read on.
        ended: Ended,
    },
    /// A member's open claim about a roster is what the home shows here.
    SettleClaim {
        /// Which group.
        group: Name,
        /// Whose claim.
        sender: Name,
    },
    /// A member's claim contradicts what the home shows here → [`Stored::Contradicted`].
    Contradict {
        /// Which group.
        group: Name,
        /// What was signed.
        claim: RosterClaim,
        /// What the user is told, once.
        text: String,
        /// When.
        at: Wall,
    },
    /// The user agrees to go on in spite of what contradicts a roster.
    AgreeToRoster(Name),
    /// This account is about to invite somebody: before the statement leaves.
    NoteInvitation {
        /// To which group.
        group: Name,
        /// Whom.
        user: Name,
    },
    /// The invitation was refused.
    DropInvitation {
        /// To which group.
        group: Name,
        /// Whom.
        user: Name,
    },
    /// A roster has grown. An invitation that was noted becomes a draft to the invited.
    AddStatements {
        /// What is new, in order.
        statements: Vec<KeptStatement>,
        /// What the roster has come to.
        roster: Box<Roster>,
    },
}

/// The answer to a [`StoreOp`]. A failed operation has none: the shell stops the program.
#[derive(Debug)]
pub enum Stored {
    /// The account's own keys, if there are any.
    Identity(Option<OwnKeys>),
    /// The sign-up frame may leave.
    SignUpSaved,
    /// The session survives a restart.
    SessionSaved,
    /// The new origin is in use.
    OriginBegun,
    /// What waits to be sent.
    Outbox {
        /// Logs with posts that are sealed and unanswered, or with drafts.
        lanes: Vec<LaneRecord>,
        /// The oldest drafts, in order, at most [`super::outbox::DRAFTS_MAX`].
        drafts: Vec<Draft>,
    },
    /// The post may leave.
    PostSealed {
        /// Which post.
        id: OutboxId,
        /// To which log.
        log: LogId,
    },
    /// There is no such draft any more: another process has discarded it.
    DraftGone {
        /// Which draft.
        id: OutboxId,
        /// To which log.
        log: LogId,
    },
    /// The uploads that drafts wait for.
    Uploads(Vec<Upload>),
    /// A chunk of an upload's file.
    UploadRead {
        /// Which upload.
        blob: BlobId,
        /// Which chunk.
        index: u32,
        /// Its bytes; `None` when the file is not there any more.
        chunk: Option<ChunkBytes>,
    },
    /// What is known of a message's attachment.
    Download {
        /// Which message.
        message: InboxId,
        /// The attachment, if it has one.
        download: Option<Download>,
    },
    /// The post is a draft again.
    Redrafted {
        /// What it says.
        draft: Draft,
        /// The hash that the next message to that log names.
        previous: [u8; 32],
    },
    /// See [`SessionAnswer`].
    Session(SessionAnswer),
    /// Where a log was read up to.
    Cursor {
        /// Which log.
        log: LogId,
        /// Everything up to this is held; 0 for nothing.
        cursor: Seq,
    },
    /// `Seen` may leave.
    Received {
        /// From which log.
        log: LogId,
        /// Everything up to this is held.
        cursor: Seq,
        /// What is new; doubles are left out.
        new: Vec<InboxId>,
    },
    /// What is known of a contact.
    Contact {
        /// Who.
        name: Name,
        /// The record, if there is one.
        contact: Option<Contact>,
    },
    /// The groups that are kept, each with how the account's membership ended.
    Groups(Vec<(Name, Option<Ended>)>),
    /// What is known of a group.
    Group {
        /// Which group.
        name: Name,
        /// The record, if there is one.
        record: Option<Box<GroupRecord>>,
    },
    /// The warning is in the inbox.
    Contradicted(InboxId),
    /// A statement of a group's roster.
    Statement {
        /// Which group.
        group: Name,
        /// Its place.
        version: u32,
        /// The statement, if it is kept.
        statement: Option<KeptStatement>,
    },
}

/// The account's own keys.
#[derive(Clone, Debug)]
pub struct OwnKeys {
    /// The private ones.
    pub identity: Arc<Identity>,
    /// The newest bundle of public ones.
    pub bundle: Bytes,
}

/// One log's unanswered posts as the store has them.
#[derive(Clone, Debug)]
pub struct LaneRecord {
    /// Which log.
    pub log: LogId,
    /// Its numbers and the hash of its newest message.
    pub chain: Chain,
    /// Its sealed, unanswered posts by number.
    pub sealed: Vec<SealedPost>,
    /// The message sessions that they are sealed in.
    pub sessions: SessionsRecord,
}

impl From<SessionOp> for StoreOp {
    fn from(op: SessionOp) -> Self {
        Self::Session(Box::new(op))
    }
}
