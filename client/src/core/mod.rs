//! The client without its surroundings: no socket, file, thread, clock or ambient randomness.
//!
//! [`Core::handle`] takes one [`Event`] and appends [`Effect`]s, which the shell performs in order
//! after it returns; their results come back as later events. [`Core::deadline`] says when
//! [`Event::Timeout`] is due.

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use wire::{Instant, Name, Origin, Wall};

use crate::store::{KnownServers, PendingSignUp, Session};
use context::{Context, Me};
use handles::Handles;
use parts::Parts;

mod asks;
mod audience;
mod auth;
mod contacts;
mod context;
pub mod event;
pub mod grant_answers;
pub mod grant_work;
mod granting;
mod grants;
mod groups;
mod handles;
mod inbox;
pub mod job;
mod lane;
mod link;
mod notice;
pub mod outbox;
mod parts;
mod reader;
pub mod readers;
mod request;
mod sealing;
pub mod session_op;
mod store_op;
#[cfg(test)]
mod tests;
mod transfers;
mod upload;
mod ways;

pub use event::{
    Admission, Cause, Command, Effect, Event, GroupWish, LinkId, Notice, Outgoing, Password,
    Reading, Request, StoreOp, Stored, Ticket,
};
pub use job::{Job, JobKey, JobResult};
pub use transfers::TransferProgress;

/// What the store knew of the account when the process began.
#[derive(Debug)]
pub struct Saved {
    /// Who owns the data directory, if anybody does yet.
    pub name: Option<Name>,
    /// The account's signed bundle, unless its first sign-up is under way.
    pub bundle: Option<Bytes>,
    /// This installation.
    pub origin: Origin,
    /// The session, unless it was ended.
    pub session: Option<Session>,
    /// A sign-up whose answer is not known.
    pub pending_sign_up: Option<PendingSignUp>,
    /// What routers have said about the cluster.
    pub servers: KnownServers,
}

/// One account on one machine.
#[derive(Debug)]
pub struct Core {
    parts: Parts,
    me: Me,
    handles: Handles,
    rng: StdRng,
}

impl Core {
    /// A core that does nothing until it gets a command.
    #[must_use]
    pub fn new(saved: Saved, seed: [u8; 32]) -> Self {
        Self {
            parts: Parts::new(saved.servers),
            me: Me {
                name: saved.name,
                bundle: saved.bundle,
                origin: saved.origin,
                session: saved.session,
                pending_sign_up: saved.pending_sign_up,
                keys: None,
                keys_asked: false,
                last_request: 0,
            },
            handles: Handles::default(),
            rng: StdRng::from_seed(seed),
        }
    }

    /// Takes one event and appends what is to be done.
    pub fn handle(&mut self, now: Instant, wall: Wall, event: Event, out: &mut Vec<Effect>) {
        let mut ctx = Context {
            now,
            wall,
            rng: &mut self.rng,
            out,
            seat: self.parts.seat(),
            me: &mut self.me,
            handles: &mut self.handles,
        };
        self.parts.on_event(event, &mut ctx);
        self.parts.pump(&mut ctx);
        assert_eq!(ctx.seat, self.parts.seat(), "everyone knows whether the session is on");
    }

    /// When [`Event::Timeout`] is due, if nothing happens before.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        [self.parts.deadline(), self.handles.deadline()].into_iter().flatten().min()
    }

    /// The account that this data directory belongs to.
    #[must_use]
    pub fn name(&self) -> Option<Name> {
        self.me.name
    }

    /// A session is on.
    #[must_use]
    pub fn is_online(&self) -> bool {
        self.parts.seat().is_some()
    }

    /// Nothing waits to be sent, as far as this process knows.
    #[must_use]
    pub fn is_outbox_empty(&self) -> bool {
        self.parts.is_outbox_empty()
    }
}

/// 128 random bits for an installation.
fn new_origin(rng: &mut StdRng) -> Origin {
    let mut origin = [0; 16];
    rng.fill_bytes(&mut origin);
    Origin(origin)
}
