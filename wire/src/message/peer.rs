//! Between servers. A *seat* asks and posts for its sessions; a *home* owns accounts and logs.

use bytes::{BufMut, BytesMut};

use super::auth::{
    Bundles, FetchBundles, Resume, SignInChallenge, SignInFinish, SignInStart, SignUpChallenge,
    SignUpFinish, SignUpStart, Welcome,
};
use super::blob::{BeginBlob, BlobState, Chunk, FetchChunk, PutChunk};
use super::common::Fault;
use super::grant::{FetchGrant, FetchKeyLog, Grant, GrantsPut, PutGrants};
use super::group::{
    ChangeRoster, FetchRoster, GroupChallenge, GroupNoted, GroupStart, Groups, ListGroups,
    NoteGroup, Roster, RosterChanged,
};
use super::log::{Body, Class, Entry, LogOpened, Refusal};
use super::{Message, message};
use crate::fault::FaultCode;
use crate::field::{Field, List};
use crate::id::{ExchangeId, LogHandle, LogId, MessageSession, Number, Origin, Seq, SessionEpoch};
use crate::kind::Kind;
use crate::limits::RANGE_ENTRIES_MAX;
use crate::name::Name;
use crate::opening::Opening;
use crate::reader::{DecodeError, Reader};

macro_rules! tagged {
    ($(#[$doc:meta])* $name:ident { $($message:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Eq, PartialEq)]
        pub enum $name {
            $(
                #[doc = concat!("See [`", stringify!($message), "`].")]
                $message($message),
            )*
        }

        /// Layout: the message's kind `u8`, then its fields.
        impl Field for $name {
            fn put(&self, out: &mut BytesMut) {
                match self {
                    $(Self::$message(message) => {
                        out.put_u8($message::KIND.0);
                        message.encode(out);
                    })*
                }
            }

            fn get(reader: &mut Reader, field: &'static str) -> Result<Self, DecodeError> {
                match Kind(reader.u8(field)?) {
                    $($message::KIND => $message::decode(reader).map(Self::$message),)*
                    Kind(code) => Err(DecodeError::Kind(code)),
                }
            }
        }

        $(
            impl From<$message> for $name {
                fn from(message: $message) -> Self {
                    Self::$message(message)
                }
            }
        )*
    };
}

tagged! {
    /// What a seat may ask a home. Typed again here: a client's bytes never pass through.
    Question {
        SignUpStart, SignUpFinish, SignInStart, SignInFinish, Resume, FetchBundles, AskOpenLog,
    }
}

tagged! {
    /// What a home may answer.
    AnswerBody {
        SignUpChallenge, SignInChallenge, Welcome, Bundles, LogOpened, Fault, GroupChallenge,
        RosterChanged, Roster, GrantsPut, Grant, GroupNoted, Groups, BlobState, Chunk,
    }
}

tagged! {
    /// What a session may ask a home, as itself.
    SessionQuestion {
        GroupStart, ChangeRoster, FetchRoster, PutGrants, FetchGrant, NoteGroup, ListGroups,
        BeginBlob, PutChunk, FetchChunk, FetchKeyLog,
    }
}

message! {
    /// A session's question: the seat stamps whose it is. Answered like [`Ask`].
    AskAs = ASK_AS {
        /// The seat's number; comes back in the answer.
        exchange: ExchangeId,
        /// The session's account.
        account: Name,
        /// The session's origin.
        origin: Origin,
        /// The session's epoch.
        epoch: SessionEpoch,
        /// What is asked.
        question: SessionQuestion,
    }
}

message! {
    /// Home → seat: this account may not read the log any more, or only up to an entry. When its
    /// session has said that it holds everything up to there, the seat ends the reading, closes the
    /// handle and tells the client by a fault about ATTACH; above it nothing is delivered.
    Dismiss = DISMISS {
        /// Which log.
        log: LogId,
        /// Who reads.
        account: Name,
        /// Sessions with this epoch or an older one.
        epoch: SessionEpoch,
        /// Why: `removed`, `not-a-member` or `group-closed`.
        code: FaultCode,
        /// The last entry that it may read; `Seq::MAX` takes an earlier DISMISS back.
        upto: Seq,
    }
}

message! {
    /// A seat's question. One exchange carries the steps of one sign-up or sign-in.
    Ask = ASK {
        /// The seat's number; comes back in the answer.
        exchange: ExchangeId,
        /// What is asked.
        question: Question,
    }
}

message! {
    /// The home's answer to [`Ask`].
    Answer = ANSWER {
        /// From the question.
        exchange: ExchangeId,
        /// What is answered.
        body: AnswerBody,
    }
}

message! {
    /// A session opens a log: the seat stamps who it is.
    AskOpenLog = OPEN_LOG {
        /// The client's handle; comes back in the answer.
        handle: LogHandle,
        /// Which log.
        log: LogId,
        /// The session's account.
        account: Name,
        /// The session's origin.
        origin: Origin,
        /// The session's epoch.
        epoch: SessionEpoch,
    }
}

message! {
    /// A post, stamped by the seat with its sender and origin.
    PeerPost = PEER_POST {
        /// Which log.
        log: LogId,
        /// The session's account.
        sender: Name,
        /// The session's origin.
        origin: Origin,
        /// The session's epoch.
        epoch: SessionEpoch,
        /// The post's number.
        number: Number,
        /// Every number up to this one was answered.
        settled: Number,
        /// The message session that the body is sealed under; 0 = it brings its own key.
        message_session: MessageSession,
        /// These bytes may have left before under this number: no answer to them is known.
        again: bool,
        /// The sealed content.
        body: Body,
    }
}

message! {
    /// Every post of this sender and origin up to `upto` is safe. Cumulative.
    PeerAccepted = PEER_ACCEPTED {
        /// Which log.
        log: LogId,
        /// Whose posts.
        sender: Name,
        /// From which installation.
        origin: Origin,
        /// The highest number this answers.
        upto: Number,
        /// The seq of the entry with that number.
        seq: Seq,
        /// How it is safe.
        class: Class,
    }
}

message! {
    /// A post was not appended.
    PeerRefused = PEER_REFUSED {
        /// Which log.
        log: LogId,
        /// Whose post.
        sender: Name,
        /// From which installation.
        origin: Origin,
        /// The post's number.
        number: Number,
        /// Why.
        refusal: Refusal,
    }
}

message! {
    /// A session begins to read a log. Counts as seen up to `cursor`, at most the log's head.
    PeerAttach = PEER_ATTACH {
        /// Which log.
        log: LogId,
        /// Who reads.
        account: Name,
        /// The session's epoch.
        epoch: SessionEpoch,
        /// The last entry the reader holds durably.
        cursor: Seq,
    }
}

message! {
    /// A session no longer reads a log.
    PeerDetach = PEER_DETACH {
        /// Which log.
        log: LogId,
        /// Who read.
        account: Name,
        /// The session's epoch.
        epoch: SessionEpoch,
    }
}

message! {
    /// The reader holds every entry up to `upto` durably; the seat has clamped it to what it sent.
    PeerSeen = PEER_SEEN {
        /// Which log.
        log: LogId,
        /// Who has seen.
        account: Name,
        /// The session's epoch.
        epoch: SessionEpoch,
        /// The last entry held.
        upto: Seq,
    }
}

message! {
    /// A session that is behind asks for entries. One is in flight per session and log.
    PeerRead = PEER_READ {
        /// Which log.
        log: LogId,
        /// Who reads.
        account: Name,
        /// The session's epoch.
        epoch: SessionEpoch,
        /// Entries with a seq above this.
        after: Seq,
        /// At most so many entries; 1 to `RANGE_ENTRIES_MAX`.
        entries_max: u16,
    }
}

message! {
    /// The answer to [`PeerRead`]: on this link everything up to `upto` is in it, and everything
    /// above follows it when `caught_up`.
    PeerRange = PEER_RANGE {
        /// Which log.
        log: LogId,
        /// Who reads.
        account: Name,
        /// The session's epoch, from the question.
        epoch: SessionEpoch,
        /// From the question: a seat that asked anew since does not want this answer.
        after: Seq,
        /// The entries, in order.
        entries: List<Entry, RANGE_ENTRIES_MAX>,
        /// Nothing at or below this is missing, but what has expired.
        upto: Seq,
        /// Entries that expired before this account received them, since it last was told.
        expired: u64,
        /// The log holds nothing above `upto` now; live entries follow.
        caught_up: bool,
        /// The log could not be read; ask again after a pause.
        failed: bool,
    }
}

message! {
    /// A new entry, sent once per server with attached readers.
    PeerDeliver = PEER_DELIVER {
        /// Which log.
        log: LogId,
        /// The entry.
        entry: Entry,
    }
}

message! {
    /// The home asks whether a session's client still answers.
    Probe = PROBE {
        /// Whose session.
        account: Name,
        /// Which session.
        epoch: SessionEpoch,
    }
}

message! {
    /// The seat's answer to [`Probe`].
    ProbeAnswer = PROBE_ANSWER {
        /// Whose session.
        account: Name,
        /// Which session.
        epoch: SessionEpoch,
        /// The client answered a ping just now.
        alive: bool,
    }
}

/// How a session ends at its seat.
pub type SessionEnd = FaultCode;

message! {
    /// The home ends a session: its seat tells the client and closes.
    EndSession = END_SESSION {
        /// Whose session.
        account: Name,
        /// Which session; older ones end too.
        epoch: SessionEpoch,
        /// What the client is told.
        code: SessionEnd,
    }
}

message! {
    /// The seat's client has gone, or an [`EndSession`] was obeyed: the session is detached, or
    /// signed out for good.
    SessionClosed = SESSION_CLOSED {
        /// Whose session.
        account: Name,
        /// Which session.
        epoch: SessionEpoch,
        /// The user signed out: the session's tokens restore nothing any more.
        signed_out: bool,
    }
}

message! {
    /// A seat tells a home that lost it, or restarted, of a session that lives here.
    RegisterSession = REGISTER_SESSION {
        /// Whose session.
        account: Name,
        /// The session's origin.
        origin: Origin,
        /// Which session.
        epoch: SessionEpoch,
    }
}

message! {
    /// The home counts a session that was registered as live: its seat may act for it.
    SessionRegistered = SESSION_REGISTERED {
        /// Whose session.
        account: Name,
        /// Which session.
        epoch: SessionEpoch,
    }
}

message! {
    /// Seat → home of a mailbox: its owner has answered somebody; a post to that person's mailbox
    /// was accepted.
    PeerAnswered = PEER_ANSWERED {
        /// The owner's mailbox.
        log: LogId,
        /// The owner.
        account: Name,
        /// The session's epoch.
        epoch: SessionEpoch,
        /// Who was answered: a stranger no more.
        person: Name,
    }
}

message! {
    /// Seat → home of a mailbox: its owner was shown everything up to `upto`; the seat has clamped
    /// it to what it sent.
    PeerShown = PEER_SHOWN {
        /// The mailbox.
        log: LogId,
        /// Its owner.
        account: Name,
        /// The session's epoch.
        epoch: SessionEpoch,
        /// The last entry shown.
        upto: Seq,
    }
}

message! {
    /// Home → seat of a poster: the owner of the mailbox was shown what it posted up to `upto`.
    PeerReceipt = PEER_RECEIPT {
        /// The mailbox.
        log: LogId,
        /// Whose posts.
        sender: Name,
        /// From which installation.
        origin: Origin,
        /// The seq of its newest entry that was shown.
        upto: Seq,
    }
}

message! {
    /// Both ways, the first message after the hellos: which store a server works on, and which
    /// process it is. Nothing else is heard before it, and nothing at all from a server that it
    /// shows to be superseded.
    PeerStore = PEER_STORE {
        /// The process and its store.
        opening: Opening,
    }
}
