//! A server is emptied: its sessions are told to go elsewhere, so many a second, and the routers
//! place nobody here any more. Clients come back with their tokens, at another seat; what they
//! have not heard an answer to they send again there.

use std::time::Duration;

use wire::{ConnId, FaultCode, Instant, Kind};

use super::seat::{Client, Seat};
use super::timer::Timer;
use super::turn::Turn;

/// From telling the routers to telling the first session: by then routers that can be reached place
/// nobody here, and who was placed before has come.
const HEAD_START: Duration = Duration::from_millis(250);
/// Steps in a second, when sessions enough are told in it.
const STEPS_PER_SECOND: u32 = 10;

/// How sessions leave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drain {
    /// From then on nobody is let in.
    from: Instant,
    /// Between two steps.
    step: Duration,
    /// Sessions in each.
    count: usize,
}

impl Drain {
    /// Steps of a tenth of a second, or longer ones of a session each.
    fn new(now: Instant, per_second: u32) -> Self {
        assert!(per_second > 0, "a server that tells nobody is never empty");
        let count = per_second.div_ceil(STEPS_PER_SECOND);
        let step = Duration::from_secs(1) * count / per_second;
        let count = usize::try_from(count).expect("a count fits usize");
        Self { from: now + HEAD_START, step, count }
    }
}

impl Seat {
    /// Nobody new is let in, and everybody leaves in turn.
    pub(super) fn on_drain(&mut self, per_second: u32, turn: &mut Turn<'_>) {
        if self.drain.is_some() {
            return;
        }
        let drain = Drain::new(turn.now, per_second);
        turn.timers.arm(drain.from, Timer::Drain);
        self.drain = Some(drain);
    }

    /// Whether who comes now is sent elsewhere.
    pub(super) fn is_shut(&self, now: Instant) -> bool {
        self.drain.is_some_and(|drain| drain.from <= now)
    }

    /// Whether nobody has a session or may still get one.
    pub(super) fn is_emptied(&self, now: Instant) -> bool {
        let stays = |client: &Client| !matches!(client, Client::Leaving);
        let is_empty = || !self.clients.iter().any(|(_, client)| stays(client));
        self.is_shut(now) && self.sessions.is_empty() && is_empty()
    }

    /// The next sessions are told. Who is just signing in is told when that is done.
    pub(super) fn on_drain_timer(&mut self, turn: &mut Turn<'_>) {
        let Some(drain) = self.drain else {
            return;
        };
        let conns: Vec<ConnId> = self.sessions.iter().take(drain.count).copied().collect();
        for conn in conns {
            turn.metrics.moved += 1;
            self.reject(conn, FaultCode::DRAINING, (Kind(0), 0), turn);
        }
        turn.timers.arm(turn.now + drain.step, Timer::Drain);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_kept_whatever_it_is() {
        for per_second in [1, 2, 7, 10, 11, 99, 1000, u32::MAX] {
            let drain = Drain::new(Instant(0), per_second);
            let steps = 100.0 / drain.step.as_secs_f64();
            let count = f64::from(u32::try_from(drain.count).expect("small"));
            let told = steps * count / 100.0;
            let rate = f64::from(per_second);
            assert!(told <= rate * 1.001, "{per_second}: {told}");
            assert!(told >= rate * 0.5, "{per_second}: {told}");
            assert!(drain.step >= Duration::from_millis(100), "{per_second}");
        }
    }
}
