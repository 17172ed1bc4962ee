//! A home reads key logs for the clients of any seat.

use bytes::Bytes;
use storage::Read;
use wire::limits::BUNDLE_READS_MAX;
use wire::message::{Answer, AnswerBody, Bundle, Bundles, Fault, FetchBundles};
use wire::{ExchangeId, FaultCode, Kind, Name, RequestId, ServerId};

use super::turn::{ReadKey, Turn};

/// How many reads are under way; each is small and ends by itself.
#[derive(Debug, Default)]
pub(super) struct KeyLogs {
    reading: usize,
}

/// Who asked for which key log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    pub(super) from: ServerId,
    pub(super) exchange: ExchangeId,
    pub(super) request: RequestId,
    pub(super) name: Name,
    after: u32,
}

impl KeyLogs {
    pub(super) fn on_fetch(
        &mut self,
        from: ServerId,
        exchange: ExchangeId,
        fetch: &FetchBundles,
        turn: &mut Turn<'_>,
    ) {
        let (request, name, after) = (fetch.request, fetch.name, fetch.after);
        let asker = Asker { from, exchange, request, name, after };
        if self.reading >= BUNDLE_READS_MAX {
            return asker.refuse(FaultCode::UNAVAILABLE, turn);
        }
        self.reading += 1;
        turn.read(ReadKey::Bundles(asker), Read::Bundles { name, after });
    }

    pub(super) fn on_read(
        &mut self,
        asker: Asker,
        links: Vec<Bytes>,
        complete: bool,
        turn: &mut Turn<'_>,
    ) {
        self.reading -= 1;
        if links.is_empty() && asker.after == 0 {
            return asker.refuse(FaultCode::NO_SUCH_USER, turn);
        }
        let links: Result<Vec<Bundle>, _> = links.into_iter().map(Bundle::new).collect();
        let Ok(Ok(bundles)) = links.map(wire::field::List::new) else {
            return asker.refuse(FaultCode::UNAVAILABLE, turn);
        };
        let answer = Bundles { request: asker.request, name: asker.name, bundles, complete };
        asker.answer(answer, turn);
    }
}

impl Asker {
    fn refuse(&self, code: FaultCode, turn: &mut Turn<'_>) {
        let fault = Fault::about(code, Kind::FETCH_BUNDLES, self.request.0);
        self.answer(fault, turn);
    }

    fn answer(&self, body: impl Into<AnswerBody>, turn: &mut Turn<'_>) {
        let (exchange, body) = (self.exchange, body.into());
        turn.tell_server(self.from, Answer { exchange, body });
    }
}
