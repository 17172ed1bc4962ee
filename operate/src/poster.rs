//! The loop's side of the admin listener: measures turns, and posts once a second.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use wire::Instant;
use wire::net::Clock;

use crate::admin::{Admin, AdminError};
use crate::board::Board;
use crate::exposition::Program;
use crate::metric::Metric;
use crate::metrics;
use crate::readiness::Readiness;

/// How old what is shown may be. A change of readiness is shown at once.
const POST_INTERVAL: Duration = Duration::from_secs(1);

metrics! {
    /// What a loop counts of itself.
    pub struct LoopMetrics {
        /// Turns of the loop.
        turns: Counter,
        /// Time in which the loop did not wait. Its rate per second is the loop's busy share.
        busy_micros: Seconds,
        /// Sockets held, half-open and closing ones included.
        sockets: Gauge,
        /// Bytes that wait in the write queues of all connections.
        queued_len: Bytes,
    }
}

/// What a shell owns to be seen by its operators. Without an address it only measures.
#[derive(Debug)]
pub struct Poster {
    area: &'static str,
    turns: u64,
    busy: Duration,
    shown: Option<Shown>,
}

#[derive(Debug)]
struct Shown {
    /// Answers until it is dropped.
    admin: Admin,
    board: Arc<Board>,
    next: Instant,
    readiness: Readiness,
}

impl Poster {
    /// Listens on `address`, if there is one, and says that the program is starting. The loop's
    /// own metrics are listed under `area`.
    ///
    /// # Errors
    /// [`AdminError`] names the address.
    pub fn open(
        address: Option<SocketAddr>,
        program: Program,
        area: &'static str,
        clock: Clock,
    ) -> Result<Self, AdminError> {
        let open = |address| {
            let board = Arc::new(Board::new(program, clock));
            let admin = Admin::open(address, Arc::clone(&board))?;
            tracing::info!(address = %admin.address(), "admin listening");
            Ok(Shown { admin, board, next: Instant(0), readiness: Readiness::Starting })
        };
        let shown = address.map(open).transpose()?;
        Ok(Self { area, turns: 0, busy: Duration::ZERO, shown })
    }

    /// Where it listens, if it does.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.shown.as_ref().map(|shown| shown.admin.address())
    }

    /// When the next turn must have ended.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.shown.as_ref().map(|shown| shown.next)
    }

    /// A turn took from `begun` to `ended`. Posts what `measure` says when that is due: sockets
    /// and bytes in write queues; it appends all other metrics.
    pub fn end_turn(
        &mut self,
        (begun, ended): (Instant, Instant),
        readiness: Readiness,
        measure: impl FnOnce(&mut Vec<Metric>) -> (usize, usize),
    ) {
        self.turns += 1;
        self.busy += ended.since(begun);
        let Some(shown) = &mut self.shown else { return };
        if ended < shown.next && readiness == shown.readiness {
            return;
        }
        let mut metrics = Vec::new();
        let (sockets, queued) = measure(&mut metrics);
        let own = LoopMetrics {
            turns: self.turns,
            busy_micros: u64::try_from(self.busy.as_micros()).unwrap_or(u64::MAX),
            sockets: u64::try_from(sockets).unwrap_or(u64::MAX),
            queued_len: u64::try_from(queued).unwrap_or(u64::MAX),
        };
        own.list(self.area, &mut metrics);
        shown.board.post(readiness, metrics);
        if readiness != shown.readiness {
            let (from, to) = (shown.readiness.reason(), readiness.reason());
            tracing::info!(from, to, "readiness");
        }
        (shown.readiness, shown.next) = (readiness, ended + POST_INTERVAL);
    }
}
