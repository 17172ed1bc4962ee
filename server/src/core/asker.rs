//! A session that asks a home, and how it is answered.

use wire::message::{Answer, AnswerBody, AskAs, Fault};
use wire::{ExchangeId, FaultCode, Kind, Name, RequestId, ServerId};

use super::relay::Subject;
use super::turn::Turn;

/// Who asked, through which seat, and what the answer is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct SessionAsker {
    pub(super) from: ServerId,
    pub(super) account: Name,
    pub(super) request: RequestId,
    exchange: ExchangeId,
    kind: Kind,
}

impl SessionAsker {
    /// The asker of `ask`, which came from the seat `from`.
    pub(super) fn of(from: ServerId, ask: &AskAs) -> Self {
        let Subject { kind, request, .. } = Subject::of(&ask.question, ask.account);
        Self { from, account: ask.account, request, exchange: ask.exchange, kind }
    }

    /// Answers with a fault.
    pub(super) fn refuse(&self, code: FaultCode, turn: &mut Turn<'_>) {
        self.answer(Fault::about(code, self.kind, self.request.0), turn);
    }

    /// Answers.
    pub(super) fn answer(&self, body: impl Into<AnswerBody>, turn: &mut Turn<'_>) {
        let (exchange, body) = (self.exchange, body.into());
        turn.tell_server(self.from, Answer { exchange, body });
    }
}
