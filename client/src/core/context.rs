//! What every part of the core needs while it handles one event.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::Rng;
use rand::rngs::StdRng;
use wire::message::{Bundle, KeyLogCopy};
use wire::{Instant, List, Name, Origin, RequestId, ToServer, Wall};
use zeroize::Zeroizing;

use super::event::{Effect, LinkId, Notice, Outgoing, OwnKeys, StoreOp};
use super::handles::Handles;
use super::job::{Job, JobKey, Seed};
use crate::crypto::keys::Identity;
use crate::store::{PendingSignUp, Session};

/// The account on this machine, as the store has it.
#[derive(Debug)]
pub(crate) struct Me {
    /// Who owns the data directory; `None` before the first sign-up or sign-in.
    pub name: Option<Name>,
    /// What the account has signed about its keys, once it has existed.
    pub bundle: Option<Bytes>,
    /// This installation.
    pub origin: Origin,
    /// Restores the session.
    pub session: Option<Session>,
    /// A sign-up whose answer is not known.
    pub pending_sign_up: Option<PendingSignUp>,
    /// The account's own keys, once they were needed.
    pub keys: Option<OwnKeys>,
    /// They were asked of the store.
    pub keys_asked: bool,
    /// The newest request that was named.
    pub last_request: u32,
}

/// Clock, randomness and output of one call of `handle`.
pub(crate) struct Context<'a> {
    /// Monotonic time.
    pub now: Instant,
    /// For people.
    pub wall: Wall,
    /// The core's only randomness.
    pub rng: &'a mut StdRng,
    /// Where effects go.
    pub out: &'a mut Vec<Effect>,
    /// The seat's connection while the session is on.
    pub seat: Option<LinkId>,
    /// The account.
    pub me: &'a mut Me,
    /// The logs that are open on this connection.
    pub handles: &'a mut Handles,
}

impl Context<'_> {
    /// Sends to the seat while the session is on; otherwise nothing happens, because everything is
    /// sent again after the next sign-in.
    pub(crate) fn send(&mut self, message: impl Into<ToServer>) {
        if let Some(link) = self.seat {
            let message = Outgoing::Seat(message.into());
            self.out.push(Effect::Send { link, message });
        }
    }

    pub(crate) fn store(&mut self, op: impl Into<StoreOp>) {
        self.out.push(Effect::Store(op.into()));
    }

    pub(crate) fn work(&mut self, key: JobKey, job: Job) {
        self.out.push(Effect::Work { key, job });
    }

    pub(crate) fn notify(&mut self, notice: Notice) {
        self.out.push(Effect::Notify(notice));
    }

    /// A name for a question to a home.
    pub(crate) fn request(&mut self) -> RequestId {
        self.me.last_request = self.me.last_request.wrapping_add(1);
        RequestId(self.me.last_request)
    }

    /// 256 fresh random bits for a job.
    pub(crate) fn seed(&mut self) -> Seed {
        let mut seed = Zeroizing::new([0; 32]);
        self.rng.fill_bytes(seed.as_mut_slice());
        Seed(seed)
    }

    /// Between half and one and a half times `base`, so that many clients do not return at once.
    pub(crate) fn jitter(&mut self, base: Duration) -> Duration {
        let permille = 500 + self.rng.next_u32() % 1001;
        base * permille / 1000
    }

    /// The private keys; asks the store for them the first time.
    pub(crate) fn identity(&mut self) -> Option<Arc<Identity>> {
        self.keys().map(|keys| Arc::clone(&keys.identity))
    }

    /// The account's own key log, as the homes of logs are given it with what it signs. In version
    /// 1 of the protocol it has one bundle.
    pub(crate) fn key_log(&mut self) -> Option<KeyLogCopy> {
        let bundle = Bundle::new(self.keys()?.bundle.clone()).ok()?;
        List::new(vec![bundle]).ok()
    }

    /// The account's own keys; asks the store for them the first time.
    pub(crate) fn keys(&mut self) -> Option<&OwnKeys> {
        if self.me.keys.is_none() && !self.me.keys_asked {
            self.me.keys_asked = true;
            self.store(StoreOp::LoadIdentity);
        }
        self.me.keys.as_ref()
    }
}

/// A pause that doubles with each failure in a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// The pause after one more failure, before jitter.
    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.first * 2u32.pow(self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        pause.min(self.longest)
    }

    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Backoff;

    #[test]
    fn back_off_doubles_up_to_its_longest_and_begins_anew() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(100), ms(350));
        let pauses: Vec<_> = (0..4).map(|_| backoff.next()).collect();
        assert_eq!(pauses, [ms(100), ms(200), ms(350), ms(350)]);
        backoff.reset();
        assert_eq!(backoff.next(), ms(100));
    }
}
