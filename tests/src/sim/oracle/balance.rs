//! What was opened and not closed is there: connections, and sessions on them.

use wire::Instant;

use super::{Fact, Ledger, Property};

pub(super) struct Balance;

impl Property for Balance {
    fn name(&self) -> &'static str {
        "opened − closed = live"
    }

    fn hear(&mut self, _now: Instant, fact: &Fact<'_>, _ledger: &Ledger) -> Result<(), String> {
        let Fact::Measured { server, metrics, conns } = fact else { return Ok(()) };
        let conns = u64::try_from(*conns).expect("few");
        let counted = metrics.conns_opened - metrics.conns_closed;
        if (counted, metrics.conns) != (conns, conns) {
            let held = metrics.conns;
            return Err(format!("{server} counts {counted}, holds {held}, was told of {conns}"));
        }
        let sessions = metrics.sessions_begun - metrics.sessions_ended;
        if sessions != metrics.sessions || metrics.sessions > metrics.clients {
            return Err(format!("{server} counts {sessions} sessions: {metrics}"));
        }
        Ok(())
    }
}
