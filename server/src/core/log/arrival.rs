//! One operation from a seat, in the form in which it may wait for cold state.

use wire::message::{
    Answer, AskOpenLog, Fault, LogOpened, PeerAnswered, PeerAttach, PeerDetach, PeerPost,
    PeerRange, PeerRead, PeerRefused, PeerSeen, Refusal,
};
use wire::{
    ExchangeId, FaultCode, Kind, LogId, LogKind, Name, Number, Origin, ServerId, SessionEpoch, Wall,
};

use super::ask::{Asked, LogQuestion};
use super::grant::grants_cost;
use super::home::{Home, cost};
use super::out::{AlarmCause, LogOut};

/// A post, who sent it, and when it came.
#[derive(Debug)]
pub(super) struct Posted {
    pub(super) at: Wall,
    pub(super) from: ServerId,
    pub(super) post: PeerPost,
}

/// An operation and who sent it.
#[derive(Debug)]
pub(super) enum Arrival {
    Open {
        from: ServerId,
        exchange: ExchangeId,
        ask: AskOpenLog,
    },
    Post(Posted),
    Attach {
        from: ServerId,
        attach: PeerAttach,
    },
    Detach {
        from: ServerId,
        detach: PeerDetach,
    },
    Seen {
        from: ServerId,
        seen: PeerSeen,
    },
    Read {
        from: ServerId,
        read: PeerRead,
    },
    Answered {
        from: ServerId,
        told: PeerAnswered,
    },
    Ask(Box<Asked>),
    /// Nobody's: this home looks at a row, see `sweep.rs`.
    Sweep {
        me: ServerId,
        log: LogId,
        sender: Name,
        origin: Origin,
    },
}

impl Arrival {
    pub(super) fn log(&self) -> &LogId {
        match self {
            Self::Open { ask, .. } => &ask.log,
            Self::Post(posted) => &posted.post.log,
            Self::Attach { attach, .. } => &attach.log,
            Self::Detach { detach, .. } => &detach.log,
            Self::Seen { seen, .. } => &seen.log,
            Self::Read { read, .. } => &read.log,
            Self::Answered { told, .. } => &told.log,
            Self::Ask(asked) => &asked.log,
            Self::Sweep { log, .. } => log,
        }
    }

    pub(super) fn from(&self) -> ServerId {
        match self {
            Self::Open { from, .. }
            | Self::Post(Posted { from, .. })
            | Self::Attach { from, .. }
            | Self::Detach { from, .. }
            | Self::Seen { from, .. }
            | Self::Read { from, .. }
            | Self::Answered { from, .. } => *from,
            Self::Ask(asked) => asked.asker.to,
            Self::Sweep { me, .. } => *me,
        }
    }

    /// The reader that the operation is of, if it is one.
    pub(super) fn reader(&self) -> Option<(&Name, SessionEpoch)> {
        match self {
            Self::Open { .. } | Self::Post(_) | Self::Ask(_) | Self::Sweep { .. } => None,
            Self::Attach { attach, .. } => Some((&attach.account, attach.epoch)),
            Self::Detach { detach, .. } => Some((&detach.account, detach.epoch)),
            Self::Seen { seen, .. } => Some((&seen.account, seen.epoch)),
            Self::Read { read, .. } => Some((&read.account, read.epoch)),
            Self::Answered { told, .. } => Some((&told.account, told.epoch)),
        }
    }

    /// Whose row the operation needs, if it needs one.
    pub(super) fn poster(&self) -> Option<(Name, Origin)> {
        match self {
            Self::Open { ask, .. } => Some((ask.account, ask.origin)),
            Self::Post(Posted { post, .. }) => Some((post.sender, post.origin)),
            Self::Sweep { sender, origin, .. } => Some((*sender, *origin)),
            Self::Ask(asked) if matches!(asked.question, LogQuestion::PutGrants(_)) => {
                Some((asked.asker.account, asked.origin))
            }
            _ => None,
        }
    }

    /// Whether it may be refused: its sender hears of it, or comes again.
    pub(super) fn is_answered(&self) -> bool {
        matches!(
            self,
            Self::Open { .. }
                | Self::Post(_)
                | Self::Read { .. }
                | Self::Ask(_)
                | Self::Answered { .. }
                | Self::Sweep { .. }
        )
    }

    /// Whether a group may begin with it.
    pub(super) fn creates(&self) -> bool {
        matches!(self, Self::Ask(asked) if asked.question.creates())
    }

    /// Whether the operation is reason enough to read its log from the store. Who detaches or has
    /// seen is attached, and the log of an attached reader is in memory: these come too late.
    pub(super) fn loads(&self) -> bool {
        !matches!(self, Self::Detach { .. } | Self::Seen { .. })
    }

    /// What it costs to let it wait, as `pending_len` counts.
    pub(super) fn pending_len(&self) -> usize {
        match self {
            Self::Post(posted) => cost(&posted.post.body),
            Self::Ask(asked) => match &asked.question {
                LogQuestion::PutGrants(put) => grants_cost(put),
                _ => 0,
            },
            _ => 0,
        }
    }

    /// There is no such log here. Whoever posts or reads has opened it, so that the home is not
    /// what its seat takes it for: what is not known to be true is not said to a sender.
    pub(super) fn refuse_absent(self, home: &mut Home, out: &mut LogOut) {
        let code = match self.log().kind {
            LogKind::Mailbox => FaultCode::NO_SUCH_USER,
            LogKind::Group => FaultCode::NO_SUCH_GROUP,
        };
        if !matches!(self, Self::Open { .. } | Self::Ask(_) | Self::Sweep { .. }) {
            home.alarm(AlarmCause::NoSuchLog, self.from(), self.log(), out);
        }
        match self {
            Self::Open { from, exchange, ask } => out.send(from, not_opened(code, exchange, &ask)),
            Self::Post(Posted { from, post, .. }) => home.refuse(from, &post, Refusal::Busy, out),
            Self::Read { from, read } => out.send(from, failed(&read)),
            Self::Ask(asked) => out.answer(asked.asker.fault(code)),
            Self::Attach { .. }
            | Self::Detach { .. }
            | Self::Seen { .. }
            | Self::Answered { .. }
            | Self::Sweep { .. } => {}
        }
    }

    /// The log is not in memory and is not going to be for this.
    pub(super) fn refuse_cold(self, home: &mut Home, out: &mut LogOut) {
        if self.loads() {
            self.refuse_busy(home, out);
        }
    }

    /// There is no room to let it wait. A reader whose attach is lost here is attached by its next
    /// read.
    pub(super) fn refuse_busy(self, home: &mut Home, out: &mut LogOut) {
        match self {
            Self::Open { from, exchange, ask } => {
                out.send(from, not_opened(FaultCode::UNAVAILABLE, exchange, &ask));
            }
            Self::Ask(asked) => out.answer(asked.asker.fault(FaultCode::UNAVAILABLE)),
            Self::Post(Posted { from, post, .. }) => home.refuse(from, &post, Refusal::Busy, out),
            Self::Read { from, read } => out.send(from, failed(&read)),
            Self::Answered { .. } | Self::Sweep { .. } => {}
            Self::Attach { .. } | Self::Detach { .. } | Self::Seen { .. } => {
                home.alarm(AlarmCause::WaitingOverflow, self.from(), self.log(), out);
            }
        }
    }
}

/// The answer to an open that succeeded.
pub(super) fn opened(exchange: ExchangeId, ask: &AskOpenLog, base: Number) -> Answer {
    let body = LogOpened { handle: ask.handle, base }.into();
    Answer { exchange, body }
}

/// The answer to a read that could not be done now.
pub(super) fn failed(read: &PeerRead) -> PeerRange {
    PeerRange {
        log: read.log,
        account: read.account,
        epoch: read.epoch,
        after: read.after,
        entries: wire::field::List::default(),
        upto: read.after,
        expired: 0,
        caught_up: false,
        failed: true,
    }
}

/// The refusal of `post`.
pub(super) fn refused(post: &PeerPost, refusal: Refusal) -> PeerRefused {
    PeerRefused {
        log: post.log,
        sender: post.sender,
        origin: post.origin,
        number: post.number,
        refusal,
    }
}

/// The answer to an open that did not.
pub(super) fn not_opened(code: FaultCode, exchange: ExchangeId, ask: &AskOpenLog) -> Answer {
    let body = Fault::about(code, Kind::OPEN_LOG, ask.handle.0).into();
    Answer { exchange, body }
}
