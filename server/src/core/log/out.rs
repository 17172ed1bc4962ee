//! What the logs ask of the core: messages, reads and alarms, as plain data.

use std::fmt;

use wire::message::Answer;
use wire::{LogId, ServerId, ToPeer};

use super::ask::Started;

/// What a call on [`super::Logs`] wants done, in order within each list. The core drains it after
/// each call and keeps it for the next.
#[derive(Debug, Default)]
pub struct LogOut {
    /// Messages to servers; those to this server go to its own seat without a socket.
    pub messages: Vec<(ServerId, ToPeer)>,
    /// Reads for the store; each is answered with its key through [`super::Logs::on_answer`].
    pub reads: Vec<(LogRead, storage::Read)>,
    /// Groups that may be created or joined: the core answers.
    pub starts: Vec<Started>,
    /// What an operator should know of.
    pub alarms: Vec<Alarm>,
}

impl LogOut {
    pub(super) fn send(&mut self, to: ServerId, message: impl Into<ToPeer>) {
        self.messages.push((to, message.into()));
    }

    pub(super) fn answer(&mut self, (to, answer): (ServerId, Answer)) {
        self.send(to, answer);
    }

    pub(super) fn alarm(&mut self, cause: AlarmCause, from: ServerId, log: LogId) {
        self.alarms.push(Alarm { cause, from, log });
    }
}

/// The logs' name for one of their reads. Used again after its answer.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct LogRead(pub(super) usize);

/// Something that no honest, healthy server does. Nothing changed because of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Alarm {
    /// What happened.
    pub cause: AlarmCause,
    /// Who sent it.
    pub from: ServerId,
    /// On which log. A name: log it at DEBUG only.
    pub log: LogId,
}

/// What an [`Alarm`] is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AlarmCause {
    /// An account that does not read the log attached to it or read it.
    NotAReader,
    /// A post, a reader or a read came for a log that this home does not have.
    NoSuchLog,
    /// A reader says that it holds entries that this store never gave, or a group's that it does
    /// not know: the store lost its newest entries, or the client lies. Raised once for each time
    /// that the log is read into memory.
    CursorAboveHead,
    /// A second read of one reader while its first is unanswered.
    ReadOverlaps,
    /// More operations wait for a log's cold state than honest seats send.
    WaitingOverflow,
}

impl fmt::Display for AlarmCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAReader => "an account that does not read a log used it as a reader",
            Self::NoSuchLog => "a log was used here that this home does not have",
            Self::CursorAboveHead => "a reader's cursor is above the log's head",
            Self::ReadOverlaps => "a reader asked for a second range before the first was sent",
            Self::WaitingOverflow => "too many operations wait for a log's cold state",
        })
    }
}
