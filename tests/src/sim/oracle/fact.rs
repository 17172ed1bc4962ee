//! What a world, or a test of real processes, tells the oracle.

use bytes::Bytes;
use client::failure::Code;
use client::store::{InboxMessage, Received, Session};
use router::core::event::Event as RouterEvent;
use server::core::{Alarm, Metrics, Outgoing};
use storage::Batch;
use wire::message::Placed;
use wire::{
    ConnId, FaultCode, Instant, LogId, MessageSession, Name, Number, Origin, Seq, ServerId,
};

/// A post's name in the whole cluster: sender, installation, log, number.
pub type Place = (Name, Origin, LogId, Number);

/// What a person attempts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Attempt {
    /// To make the account.
    SignUp,
    /// To begin a session.
    SignIn {
        /// With the account's password.
        is_right: bool,
        /// Ending a live session elsewhere.
        takeover: bool,
    },
}

/// Something that has happened.
#[derive(Debug)]
pub enum Fact<'a> {
    /// A server raised an alarm.
    Alarm {
        /// Which server.
        server: ServerId,
        /// What it says.
        alarm: Alarm,
    },
    /// A server's process has ended.
    Died {
        /// Which server.
        server: ServerId,
    },
    /// A server says something.
    Said {
        /// Which server.
        server: ServerId,
        /// On which connection.
        conn: ConnId,
        /// What it says.
        message: &'a Outgoing,
    },
    /// A server gave a batch to its disk.
    Submitted {
        /// Which server.
        server: ServerId,
        /// The batch.
        batch: &'a Batch,
    },
    /// A batch is on a disk.
    Committed {
        /// Which server.
        server: ServerId,
        /// The batch.
        batch: &'a Batch,
    },
    /// A server after an event: what it counts, and how many connections it was told of.
    Measured {
        /// Which server.
        server: ServerId,
        /// What it counts.
        metrics: &'a Metrics,
        /// The connections it knows.
        conns: usize,
    },
    /// A server after an event, in a world whose map changes: which logs it serves.
    Serves {
        /// Which server.
        server: ServerId,
        /// Of those that people use.
        logs: &'a [LogId],
    },
    /// A router began.
    RouterStarted {
        /// Which router.
        router: usize,
    },
    /// A router hears something.
    RouterHears {
        /// Which router.
        router: usize,
        /// What it hears.
        event: &'a RouterEvent,
    },
    /// A router gives a seat.
    Placed {
        /// Which router.
        router: usize,
        /// To whom.
        conn: ConnId,
        /// The seat.
        placed: &'a Placed,
    },
    /// A client has sealed a post, which is about to be kept and sent; `None` is no text.
    Sealed {
        /// Which installation.
        client: usize,
        /// Which post.
        place: Place,
        /// In which message session.
        message_session: MessageSession,
        /// Its bytes.
        body: &'a Bytes,
        /// What it says.
        text: Option<&'a str>,
        /// Its place among what was written on that installation.
        draft: i64,
    },
    /// A client was told that its posts up to this one are safe.
    Accepted {
        /// Which installation.
        client: usize,
        /// Which post.
        place: Place,
    },
    /// A client was told that a post was definitely not stored.
    Rejected {
        /// Which installation.
        client: usize,
        /// Which post.
        place: Place,
        /// Why.
        code: FaultCode,
    },
    /// The same, and it is sealed anew.
    Redrafted {
        /// Which installation.
        client: usize,
        /// Which post.
        place: Place,
    },
    /// A client gives up what was not answered, in one log or in all.
    Abandoned {
        /// Which installation.
        client: usize,
        /// Whose account.
        sender: Name,
        /// Which log.
        log: Option<LogId>,
    },
    /// A client's store has kept what came from a log, `new` of it for the first time.
    Kept {
        /// Which installation.
        client: usize,
        /// Whose account.
        reader: Name,
        /// Which log.
        log: LogId,
        /// What came.
        items: &'a [Received],
        /// Everything up to this is held.
        cursor: Seq,
        /// How many were new.
        new: usize,
    },
    /// A client says that it has everything up to here, later or when it begins to read.
    SeenSent {
        /// Which installation.
        client: usize,
        /// Which log.
        log: LogId,
        /// The last of it.
        upto: Seq,
    },
    /// A client says that it has more than it was sent.
    Lied {
        /// Which installation.
        client: usize,
        /// Which log.
        log: LogId,
        /// What it was told of.
        upto: Seq,
    },
    /// A person hears that messages of a group are gone that were not received.
    Expired {
        /// Whose account.
        reader: Name,
        /// Which group's log.
        log: LogId,
        /// How many.
        count: u64,
    },
    /// A person sees a message.
    Shown {
        /// Which installation.
        client: usize,
        /// Whose account.
        reader: Name,
        /// The message.
        message: &'a InboxMessage,
    },
    /// A person was warned of a group.
    Warned {
        /// Which installation.
        client: usize,
        /// Whose account.
        name: Name,
        /// Which group.
        group: Name,
        /// What it says.
        text: &'a str,
    },
    /// A client keeps a session.
    Session {
        /// Which installation.
        client: usize,
        /// Whose account.
        name: Name,
        /// The session.
        session: Session,
    },
    /// A session is over.
    SessionOver {
        /// Which installation.
        client: usize,
        /// Whose account.
        name: Name,
        /// Why.
        code: Code,
    },
    /// A person begins to attempt something.
    Attempted {
        /// Which installation.
        client: usize,
        /// Whose account.
        name: Name,
        /// What is attempted.
        attempt: Attempt,
    },
    /// And hears what came of it.
    Outcome {
        /// Which installation.
        client: usize,
        /// Whose account.
        name: Name,
        /// What is attempted.
        attempt: Attempt,
        /// What came of it.
        result: Result<(), Code>,
        /// When it was begun.
        since: Instant,
    },
}
