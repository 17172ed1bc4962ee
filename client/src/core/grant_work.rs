//! Slow cryptography of message sessions: beginning one, announcing and wrapping its key, opening a
//! grant. Computed by workers.

use std::sync::Arc;

use wire::message::{Announcement, ReaderGrant};
use wire::{LogKind, MessageSession, Name, Wall};

use super::job::Seed;
use crate::crypto::grant::{self, Announcing, GrantError, GrantHeader, Secret, SessionPlace};
use crate::crypto::keys::{Identity, KeyError, SigningPublicKey, WrappingPublicKey};
use crate::crypto::message_session::{Inbound, Outbound, SessionKey};
use crate::store::{RosterClaim, SessionPart};
use rand::rngs::StdRng;

/// A reader and the key that its grants are wrapped with.
pub type ReaderKey = (Name, WrappingPublicKey);

/// What to compute.
pub enum GrantJob {
    /// Begin a message session and announce it.
    Begin {
        /// Its number.
        number: MessageSession,
        /// What the announcement says.
        announcing: Announcing,
        /// For whom.
        readers: Vec<ReaderKey>,
    },
    /// Announce the key of a running one from where it is.
    Extend {
        /// The key.
        key: SessionKey,
        /// What the announcement says.
        announcing: Announcing,
        /// For whom.
        readers: Vec<ReaderKey>,
    },
    /// Wrap the secret of a part that was announced before.
    Wrap {
        /// The part.
        part: SessionPart,
        /// For whom.
        readers: Vec<ReaderKey>,
    },
    /// Verify an announcement and open it with one's own grant.
    Open {
        /// Which message session is expected.
        place: SessionPlace,
        /// The sender's key.
        key: SigningPublicKey,
        /// What its readers share.
        announcement: Announcement,
        /// The own part.
        grant: ReaderGrant,
    },
}

/// What came out.
#[derive(Debug)]
pub enum GrantResult {
    /// Of [`GrantJob::Begin`].
    Begun(Result<Box<Begun>, GrantJobError>),
    /// Of [`GrantJob::Extend`].
    Extended(Result<Granted, GrantJobError>),
    /// Of [`GrantJob::Wrap`].
    Wrapped(Result<Granted, GrantJobError>),
    /// Of [`GrantJob::Open`].
    Opened(Result<Box<Opened>, GrantError>),
}

/// A message session that was granted.
#[derive(Debug)]
pub struct Opened {
    /// What opens its messages.
    pub inbound: Inbound,
    /// What its sender has signed about the group's roster; of a mailbox nothing.
    pub claim: Option<RosterClaim>,
}

/// Why an own message session cannot be handed out.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum GrantJobError {
    /// The announcement cannot be signed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The secret cannot be wrapped.
    #[error(transparent)]
    Grant(#[from] GrantError),
}

/// A message session with its first part.
#[derive(Debug)]
pub struct Begun {
    /// The sender's side.
    pub outbound: Outbound,
    /// The readers' side, from the beginning.
    pub key: SessionKey,
    /// Announced to whom.
    pub granted: Granted,
}

/// A part of a message session with grants.
#[derive(Debug)]
pub struct Granted {
    /// What was announced.
    pub part: SessionPart,
    /// To whom.
    pub grants: Vec<ReaderGrant>,
}

impl GrantJob {
    /// Computes the job with the account's keys.
    #[must_use]
    pub fn run(self, identity: &Arc<Identity>, seed: &Seed) -> GrantResult {
        let mut rng = seed.rng();
        match self {
            Self::Begin { number, announcing, readers } => GrantResult::Begun(
                begin(number, &announcing, &readers, identity, &mut rng).map(Box::new),
            ),
            Self::Extend { key, announcing, readers } => {
                GrantResult::Extended(announce(&key, &announcing, &readers, identity, &mut rng))
            }
            Self::Wrap { part, readers } => GrantResult::Wrapped(
                wrap(&part, &readers, &mut rng).map(|grants| Granted { part, grants }),
            ),
            Self::Open { place, key, announcement, grant } => {
                let verified = grant::verify_announcement(&place, &key, &announcement);
                let opened = verified.and_then(|verified| {
                    let key = grant::open(identity, &verified, &grant, &mut rng)?;
                    let inbound = Inbound::new(&key).map_err(|_| GrantError::Seal)?;
                    Ok(Box::new(Opened { inbound, claim: claim(verified.header()) }))
                });
                GrantResult::Opened(opened)
            }
        }
    }
}

impl std::fmt::Debug for GrantJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Begin { .. } => "Begin",
            Self::Extend { .. } => "Extend",
            Self::Wrap { .. } => "Wrap",
            Self::Open { .. } => "Open",
        })
    }
}

/// What an announcement's sender has signed about the group's roster.
#[must_use]
pub fn claim(header: &GrantHeader) -> Option<RosterClaim> {
    let GrantHeader { place, roster_version: version, roster_head: head, .. } = *header;
    let is_group = place.log.kind == LogKind::Group;
    is_group.then_some(RosterClaim { sender: place.sender, version, head })
}

fn begin(
    number: MessageSession,
    announcing: &Announcing,
    readers: &[ReaderKey],
    identity: &Identity,
    rng: &mut StdRng,
) -> Result<Begun, GrantJobError> {
    let begun: Wall = announcing.created;
    let outbound = Outbound::begin(number, begun);
    let key = outbound.session_key();
    let granted = announce(&key, announcing, readers, identity, rng)?;
    Ok(Begun { outbound, key, granted })
}

fn announce(
    key: &SessionKey,
    announcing: &Announcing,
    readers: &[ReaderKey],
    identity: &Identity,
    rng: &mut StdRng,
) -> Result<Granted, GrantJobError> {
    let (announcement, secret): (Announcement, Secret) =
        grant::announce(identity, key, announcing, rng)?;
    let Announcing { part, roster_version, .. } = *announcing;
    let part = SessionPart { part, roster_version, announcement, secret };
    let grants = wrap(&part, readers, rng)?;
    Ok(Granted { part, grants })
}

fn wrap(
    part: &SessionPart,
    readers: &[ReaderKey],
    rng: &mut StdRng,
) -> Result<Vec<ReaderGrant>, GrantJobError> {
    let wrapped = readers
        .iter()
        .map(|(name, key)| grant::wrap(&part.secret, &part.announcement, (*name, key), rng));
    Ok(wrapped.collect::<Result<_, _>>()?)
}
