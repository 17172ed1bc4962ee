//! Grants and statements without RSA: a hash stands for each signature, a mask for each wrapping.
//!
//! What is checked stays checked: a signature of another key, over other bytes or of another
//! message session does not hold; a secret that was wrapped for another key does not come out.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use client::core::grant_work::{GrantJob, GrantResult, Granted, Opened, ReaderKey, claim};
use client::core::job::Seed;
use client::crypto::grant::read_header;
use client::crypto::{
    Announcing, GrantError, Identity, Inbound, KeyId, Secret, SessionKey, SessionPlace,
    SigningPublicKey, StatementError,
};
use client::store::SessionPart;
use sha2::{Digest, Sha256};
use wire::message::grant::{Announcement, ReaderGrant, Wrapped};
use wire::roster::Statement;
use wire::{Field, Reader};

const HASH_LEN: usize = 32;

fn hash(what: &[u8], parts: &[&[u8]]) -> [u8; HASH_LEN] {
    let mut hash = Sha256::new();
    hash.update(what);
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// Signs in name only.
#[must_use]
pub(super) fn sign_statement(identity: &Identity, mut statement: Statement) -> Bytes {
    statement.key = identity.public().signing.id().0;
    let signature = hash(b"statement", &[&statement.key, &statement.signed_bytes()]);
    statement.signature = Bytes::copy_from_slice(&signature);
    statement.encode()
}

/// Verifies what [`sign_statement`] has signed.
///
/// # Errors
/// [`StatementError`].
pub(super) fn verify_statement(
    statement: &Statement,
    key: &SigningPublicKey,
) -> Result<(), StatementError> {
    if statement.key != key.id().0 {
        return Err(StatementError::OtherKey);
    }
    let signature = hash(b"statement", &[&statement.key, &statement.signed_bytes()]);
    if statement.signature != signature[..] {
        return Err(StatementError::Signature);
    }
    Ok(())
}

/// Computes a job on grants, except the beginning of a message session.
#[must_use]
pub(super) fn run(job: GrantJob, identity: &Arc<Identity>, seed: &Seed) -> GrantResult {
    match job {
        GrantJob::Begin { .. } => unreachable!("the worker has made an `Extend` of it"),
        GrantJob::Extend { key, announcing, readers } => {
            GrantResult::Extended(Ok(announce(identity, &key, &announcing, &readers, seed)))
        }
        GrantJob::Wrap { part, readers } => {
            let grants = wrap_all(&part.secret, &readers);
            GrantResult::Wrapped(Ok(Granted { part, grants }))
        }
        GrantJob::Open { place, key, announcement, grant } => {
            let opened = open(identity, &place, &key, (&announcement, &grant));
            GrantResult::Opened(opened.map(Box::new))
        }
    }
}

/// An announcement in the layout of `client::crypto::grant`, with the key readable and the secret's
/// hash as its commitment.
fn announce(
    identity: &Identity,
    key: &SessionKey,
    announcing: &Announcing,
    readers: &[ReaderKey],
    seed: &Seed,
) -> Granted {
    let signing_key = identity.public().signing.id();
    let secret = Secret::new(hash(b"secret", &[&*seed.0]));
    let mut out = BytesMut::new();
    out.put_slice(b"FCGR\x01");
    announcing.sender.put(&mut out);
    signing_key.0.put(&mut out);
    announcing.log.put(&mut out);
    announcing.origin.put(&mut out);
    key.number().put(&mut out);
    announcing.part.put(&mut out);
    key.first_index().put(&mut out);
    announcing.roster_version.put(&mut out);
    announcing.roster_head.put(&mut out);
    announcing.created.put(&mut out);
    out.put_slice(&hash(b"commitment", &[secret.as_bytes()]));
    put_bytes(key.as_bytes(), &mut out);
    let signature = hash(b"announcement", &[&signing_key.0, &out]);
    put_bytes(&signature, &mut out);
    let announcement = Announcement::new(out.freeze()).expect("shorter than a real one");
    let Announcing { part, roster_version, .. } = *announcing;
    let grants = wrap_all(&secret, readers);
    Granted { part: SessionPart { part, roster_version, announcement, secret }, grants }
}

fn wrap_all(secret: &Secret, readers: &[ReaderKey]) -> Vec<ReaderGrant> {
    let wrap = |(reader, key): &ReaderKey| {
        let wrapped = Bytes::copy_from_slice(&mask(secret.as_bytes(), &key.id()));
        let wrapped = Wrapped::new(wrapped).expect("32 bytes are few");
        ReaderGrant { reader: *reader, wrapping_key: key.id().0, wrapped }
    };
    readers.iter().map(wrap).collect()
}

fn open(
    identity: &Identity,
    place: &SessionPlace,
    key: &SigningPublicKey,
    (announcement, grant): (&Announcement, &ReaderGrant),
) -> Result<Opened, GrantError> {
    let header = read_header(announcement)?;
    if header.place != *place {
        return Err(GrantError::Misplaced);
    }
    if header.signing_key != key.id() {
        return Err(GrantError::OtherSender);
    }
    let bytes = announcement.bytes();
    let signed = bytes.len() - 4 - HASH_LEN;
    let signature = hash(b"announcement", &[&key.id().0, &bytes[..signed]]);
    if bytes[signed + 4..] != signature {
        return Err(GrantError::Signature);
    }
    let wrapping = KeyId(grant.wrapping_key);
    if !identity.has_wrapping(&wrapping) {
        return Err(GrantError::NotForThisKey);
    }
    let (commitment, session_key) = read_sealed(bytes)?;
    let wrapped = grant.wrapped.bytes().first_chunk().ok_or(GrantError::Unwrap)?;
    if hash(b"commitment", &[&mask(wrapped, &wrapping)]) != commitment {
        return Err(GrantError::Unwrap);
    }
    let session_key = SessionKey::from_bytes(place.message_session, &session_key);
    let session_key = session_key.map_err(|_| GrantError::Seal)?;
    let inbound = Inbound::new(&session_key).map_err(|_| GrantError::Seal)?;
    Ok(Opened { inbound, claim: claim(&header) })
}

/// The commitment and the session key, which stand before the signature.
fn read_sealed(announcement: &Bytes) -> Result<([u8; HASH_LEN], Bytes), GrantError> {
    const KEY_LEN: usize = 229;
    let start = announcement.len() - (4 + HASH_LEN) - (4 + KEY_LEN) - HASH_LEN;
    let mut reader = Reader::new(announcement.slice(start..));
    let commitment = reader.array("commitment")?;
    Ok((commitment, reader.bytes(KEY_LEN, "sealed")?))
}

fn mask(secret: &[u8; HASH_LEN], key: &KeyId) -> [u8; HASH_LEN] {
    let mut mask = hash(b"mask", &[&key.0]);
    for (byte, secret) in mask.iter_mut().zip(secret) {
        *byte ^= secret;
    }
    mask
}

fn put_bytes(bytes: &[u8], out: &mut BytesMut) {
    out.put_u32(u32::try_from(bytes.len()).expect("short"));
    out.put_slice(bytes);
}
