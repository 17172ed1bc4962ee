//! What sealing and opening cost on one core, without servers: the steps of a message session, and
//! those of a grant, which are what RSA for every message would cost.

use std::time::Duration;

use client::crypto::grant::{self, Announcing, SessionPlace};
use client::crypto::message_session::{Expected, Inbound, Outbound};
use client::crypto::{Content, Identity, Plaintext, verify_announcement};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};
use thiserror::Error;
use wire::net::Clock;
use wire::{LogId, MessageSession, Name, Number, Origin, Wall};

/// Sessions that are measured, each with [`SESSION_MESSAGES`] messages.
const SESSIONS: u32 = 50;
/// After so many messages a session is replaced.
const SESSION_MESSAGES: u64 = 100;
/// Grants that are announced, wrapped, verified and opened.
const GRANTS: u32 = 100;

/// Why nothing was measured.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("{0} failed")]
pub struct SealError(&'static str);

/// Mean cost of each step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Costs {
    text_len: usize,
    steps: Vec<(&'static str, Duration)>,
}

/// Measures with a text of `text_len` bytes. Making the keys takes seconds.
///
/// # Errors
/// [`SealError`].
pub fn measure(text_len: usize, seed: u64) -> Result<Costs, SealError> {
    let mut rng = StdRng::seed_from_u64(seed);
    let identity = Identity::generate(&mut rng).map_err(|_| SealError("making keys"))?;
    let mut steps = measure_messages(text_len)?;
    steps.extend(measure_grants(&identity, &mut rng)?);
    Ok(Costs { text_len, steps })
}

impl Costs {
    /// One object: microseconds by step.
    #[must_use]
    pub fn json(&self) -> Value {
        let steps: Map<String, Value> = self
            .steps
            .iter()
            .map(|(name, cost)| ((*name).to_owned(), micros(*cost).into()))
            .collect();
        json!({ "scenario": "seal", "text_len": self.text_len, "us": steps })
    }

    /// A table for people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut lines = vec![format!("a text of {} bytes, mean on one core", self.text_len)];
        for (name, cost) in &self.steps {
            lines.push(format!("  {name:<20}{:>10.1} µs", micros(*cost)));
        }
        lines.join("\n")
    }
}

fn measure_messages(text_len: usize) -> Result<Vec<(&'static str, Duration)>, SealError> {
    let [mut sealing, mut keeping, mut opening] = [Duration::ZERO; 3];
    for session in 1..=SESSIONS {
        let mut outbound = Outbound::begin(MessageSession(session), Wall(0));
        let key = outbound.session_key();
        let mut inbound = Inbound::new(&key).map_err(|_| SealError("a session key"))?;
        for number in 1..=SESSION_MESSAGES {
            let plaintext = plaintext(text_len, number);
            let body = timed(&mut sealing, || outbound.seal(&plaintext));
            let body = body.map_err(|_| SealError("sealing"))?;
            timed(&mut keeping, || outbound.encode());
            let opened = timed(&mut opening, || inbound.open(&expected(number), &body));
            if opened != Ok(plaintext) {
                return Err(SealError("opening"));
            }
        }
    }
    let messages = SESSIONS * u32::try_from(SESSION_MESSAGES).expect("a small constant");
    Ok([("seal", sealing), ("keep_ratchet", keeping), ("open", opening)]
        .map(|(name, total)| (name, total / messages))
        .to_vec())
}

fn measure_grants(
    identity: &Identity,
    rng: &mut StdRng,
) -> Result<Vec<(&'static str, Duration)>, SealError> {
    let [mut announcing, mut wrapping, mut verifying, mut opening] = [Duration::ZERO; 4];
    let public = identity.public();
    let key = Outbound::begin(MessageSession(1), Wall(0)).session_key();
    for _ in 0..GRANTS {
        let announced =
            timed(&mut announcing, || grant::announce(identity, &key, &announcement(), rng));
        let (announcement, secret) = announced.map_err(|_| SealError("announcing"))?;
        let reader = (name("bob"), &public.wrapping);
        let wrapped = timed(&mut wrapping, || grant::wrap(&secret, &announcement, reader, rng));
        let wrapped = wrapped.map_err(|_| SealError("wrapping"))?;
        let verified =
            timed(&mut verifying, || verify_announcement(&place(), &public.signing, &announcement));
        let verified = verified.map_err(|_| SealError("verifying"))?;
        let opened = timed(&mut opening, || grant::open(identity, &verified, &wrapped, rng));
        opened.map_err(|_| SealError("opening a grant"))?;
    }
    Ok([
        ("grant_announce", announcing),
        ("grant_wrap", wrapping),
        ("grant_verify", verifying),
        ("grant_open", opening),
    ]
    .map(|(name, total)| (name, total / GRANTS))
    .to_vec())
}

fn timed<T>(total: &mut Duration, step: impl FnOnce() -> T) -> T {
    let clock = Clock::new();
    let begun = clock.now();
    let done = step();
    *total += clock.now().since(begun);
    done
}

fn micros(cost: Duration) -> f64 {
    cost.as_secs_f64() * 1e6
}

fn name(text: &str) -> Name {
    Name::parse(text).expect("a good name")
}

fn log() -> LogId {
    LogId::group(name("rust"))
}

fn plaintext(text_len: usize, number: u64) -> Plaintext {
    let Expected { log, sender, origin, number } = expected(number);
    let content = Content::Text("x".repeat(text_len));
    Plaintext { sender, log, origin, number, previous: [0; 32], sent: Wall(0), content }
}

fn expected(number: u64) -> Expected {
    let number = Number::new(number).expect("in range");
    Expected { log: log(), sender: name("alice"), origin: Origin([1; 16]), number }
}

fn place() -> SessionPlace {
    let Expected { log, sender, origin, .. } = expected(1);
    SessionPlace { sender, log, origin, message_session: MessageSession(1) }
}

fn announcement() -> Announcing {
    let SessionPlace { sender, log, origin, .. } = place();
    let (roster_version, roster_head) = (1, [0; 32]);
    Announcing { sender, log, origin, part: 0, roster_version, roster_head, created: Wall(0) }
}

#[cfg(test)]
mod tests {
    use super::measure_messages;

    #[test]
    fn every_message_opens_and_costs_something() {
        let steps = measure_messages(200).expect("measures");
        assert!(steps.iter().all(|(_, cost)| !cost.is_zero()), "{steps:?}");
    }
}
