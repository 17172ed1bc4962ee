//! What goes into the core and what comes out: plain data, so that a simulator can hold, delay and
//! repeat it.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use wire::message::Entry;
use wire::{FaultCode, Frame, LogId, Name, Number, Origin, Seq, ServerId, ToRouter, ToServer};
use zeroize::Zeroizing;

use super::job::{Job, JobKey, JobResult};
use crate::crypto::key_log::KeyLog;
use crate::crypto::keys::{Identity, KeyId};
use crate::failure::Failure;
use crate::store::{
    Chain, Contact, Draft, InboxId, OutboxId, Received, ReceivedContent, SealedPost, Session,
};

/// The core's own name for one attempt to connect; never used twice by one core.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct LinkId(pub u32);

/// Names a question of the shell, so that its answer finds the one who asked.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Ticket(pub u64);

/// A password: wiped when the last copy goes, never printed.
#[derive(Clone)]
pub struct Password(Arc<Zeroizing<Vec<u8>>>);

impl Password {
    /// Takes the password's bytes.
    #[must_use]
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(Arc::new(bytes))
    }

    /// The password's bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(secret)")
    }
}

/// What the shell tells the core.
#[derive(Debug)]
pub enum Event {
    /// A dial has succeeded: TCP and TLS are done.
    Opened {
        /// From the dial.
        link: LinkId,
    },
    /// One whole frame came in.
    Frame {
        /// On which connection.
        link: LinkId,
        /// The frame.
        frame: Frame,
    },
    /// A connection has ended or could not be made; its last event.
    Closed {
        /// From the dial.
        link: LinkId,
        /// Why.
        cause: Cause,
    },
    /// A store operation that has an answer is done.
    Stored(Stored),
    /// A job is done.
    Worked {
        /// From the effect.
        key: JobKey,
        /// What came out.
        result: JobResult,
    },
    /// The user wants something.
    Command(Command),
    /// The shell has fed all events of this turn: what is done once per turn is done now.
    TurnEnded,
    /// The deadline has come.
    Timeout,
}

/// Why a connection ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Cause {
    /// Refused, reset, timed out: trying again may help. The text is for people.
    Lost(String),
    /// The other side's certificate is not the expected one: trying again does not help.
    Untrusted(String),
}

/// What the user wants.
#[derive(Debug)]
pub enum Command {
    /// Make an account and begin a session.
    SignUp {
        /// The wanted name.
        name: Name,
        /// Its password.
        password: Password,
    },
    /// Begin a session with a password.
    SignIn {
        /// The account.
        name: Name,
        /// Its password.
        password: Password,
        /// End a live session elsewhere.
        takeover: bool,
    },
    /// Give up a sign-up or sign-in that is under way.
    Stop,
    /// Anything that works with a stored session; answered by [`Notice::Answered`].
    Ask {
        /// Comes back in the answer.
        ticket: Ticket,
        /// What is wanted.
        request: Request,
    },
}

/// What works with a stored session. Several processes may ask one holder of the connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Request {
    /// The store has new drafts: seal and post them. Answered as soon as they were taken.
    Outbox,
    /// Read the mailbox. Answered when everything that waited was received.
    Attach(Reading),
    /// Bring the account's keys up to date. Answered when that is done.
    Fetch(Name),
    /// The user agrees to the contact's newest key, provided it still is this one.
    Trust {
        /// The contact.
        name: Name,
        /// The signing key that the user has seen.
        key: KeyId,
        /// The user has compared safety numbers.
        verified: bool,
    },
    /// End the session for good.
    SignOut,
}

/// How the mailbox is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reading {
    /// Receive and acknowledge everything.
    All,
    /// Receive and acknowledge at most this many messages; the others stay at the home.
    Count(u32),
    /// Receive without acknowledging: everything stays at the home.
    Peek,
}

/// What the core asks of the shell. Effects are performed in order.
#[derive(Debug)]
pub enum Effect {
    /// Connect to one of the configured routers.
    DialRouter {
        /// The connection's name from now on.
        link: LinkId,
        /// Index, modulo the number of configured routers.
        router: usize,
    },
    /// Connect to a server, verifying exactly its certificate name.
    DialSeat {
        /// The connection's name from now on.
        link: LinkId,
        /// Where it listens for clients.
        address: SocketAddr,
        /// Which server it must be.
        server: ServerId,
    },
    /// Send one message.
    Send {
        /// On which connection.
        link: LinkId,
        /// The message.
        message: Outgoing,
    },
    /// Close a connection; its `Closed` event is not needed any more.
    Close {
        /// Which connection.
        link: LinkId,
    },
    /// Perform one durable operation; what has an answer comes back as [`Event::Stored`].
    Store(StoreOp),
    /// Run slow cryptography elsewhere; comes back as [`Event::Worked`].
    Work {
        /// Comes back with the result.
        key: JobKey,
        /// What to compute.
        job: Job,
    },
    /// Tell the user.
    Notify(Notice),
}

/// A message to either kind of other side.
#[derive(Debug)]
pub enum Outgoing {
    /// To a router.
    Router(ToRouter),
    /// To the seat.
    Seat(ToServer),
}

impl Outgoing {
    /// Appends the message as one whole frame.
    pub fn append_frame(&self, out: &mut BytesMut) {
        match self {
            Self::Router(message) => message.append_frame(out),
            Self::Seat(message) => message.append_frame(out),
        }
    }
}

/// One durable operation. Each is one transaction with full sync.
#[derive(Debug)]
pub enum StoreOp {
    /// Load the private keys → [`Stored::Identity`].
    LoadIdentity,
    /// Keep the sign-up frame and the keys before the frame leaves → [`Stored::SignUpSaved`].
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
    /// The name is taken: forget the sign-up.
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
    /// Begin a new origin: unanswered posts become conflicts → [`Stored::OriginBegun`].
    BeginOrigin(Origin),
    /// Load what waits to be sent → [`Stored::Outbox`].
    LoadOutbox,
    /// Give a draft its number and its bytes, before they are sent → [`Stored::PostSealed`].
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
    },
    /// Every post up to `upto` is accepted.
    Settle {
        /// To which log.
        log: LogId,
        /// The highest accepted number.
        upto: Number,
        /// The seq of that one.
        seq: Seq,
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
    /// A draft is not sent at all.
    Refuse {
        /// Which draft.
        id: OutboxId,
        /// Why.
        failure: Failure,
    },
    /// Where the mailbox was read up to → [`Stored::Cursor`].
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
    /// The signing key is not the trusted one any more.
    MarkChanged(Name, Arc<KeyLog>),
    /// The user agreed to the changed key.
    AcceptChange(Name),
    /// The user has compared safety numbers.
    MarkVerified(Name),
}

/// The answer to a [`StoreOp`]. A failed operation has none: the shell stops the program.
#[derive(Debug)]
pub enum Stored {
    /// The private keys, if there are any.
    Identity(Option<Arc<Identity>>),
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
    /// Where the mailbox was read up to.
    Cursor(Seq),
    /// `Seen` may leave.
    Received {
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
}

/// What the core tells the user.
#[derive(Clone, Debug)]
pub enum Notice {
    /// A slow step has begun.
    Progress(Step),
    /// The session is on: posts leave, the mailbox is read.
    Online,
    /// The account exists and the session is on.
    SignedUp {
        /// The frame had been stored by an earlier attempt: its password counts, not the last one
        /// typed.
        earlier_attempt: bool,
    },
    /// The password was right and the session is on.
    SignedIn,
    /// Sign-up or sign-in has ended without success.
    SignInFailed(Failure),
    /// No connection just now; the core goes on trying.
    Trouble(Failure),
    /// The session has ended for good.
    SessionOver(Failure),
    /// Posts were answered, or refused before they were sent; the store says which and how.
    OutboxChanged,
    /// Posts may have been stored twice or not at all under a worn-out origin: ask the user.
    Conflict,
    /// New messages are in the store.
    Received(Vec<InboxId>),
    /// Messages that stay where they are.
    Peeked(Vec<Peeked>),
    /// A contact was seen for the first time, or its key or trust has changed.
    ContactChanged {
        /// Who.
        name: Name,
        /// What happened.
        change: ContactChange,
    },
    /// The answer to a [`Command::Ask`].
    Answered {
        /// From the command.
        ticket: Ticket,
        /// Done, or why not.
        result: Result<(), Failure>,
    },
}

/// A step that takes long enough to be shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Two RSA key pairs are being made.
    MakingKeys,
    /// Router and seat are being asked.
    Connecting,
    /// The password is being stretched.
    Stretching,
}

/// What happened to a contact.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ContactChange {
    /// First use: its key is trusted from now on.
    Pinned,
    /// Its signing key is another one now; nothing is sent to it before the user agrees.
    Changed,
    /// The user agreed to its key, or verified it.
    Trusted,
}

/// A message that was looked at without being received.
#[derive(Clone, Debug)]
pub struct Peeked {
    /// The log it stays in.
    pub log: LogId,
    /// Its place and sender.
    pub entry: Entry,
    /// What it says.
    pub content: ReceivedContent,
}
