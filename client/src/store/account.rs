//! The one account of a data directory: its keys, its session, a sign-up under way.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, Transaction};
use wire::{Name, Origin, SessionEpoch, Token};

use super::cached::Cached;
use super::error::StoreError;
use super::{Sealer, Store, value};
use crate::crypto::{Identity, sealed_keys};

const IDENTITY: &str = "account.identity";
const SIGN_UP: &str = "account.sign_up";
const TOKEN: &str = "account.token";

/// What restores a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Session {
    /// The session's epoch.
    pub epoch: SessionEpoch,
    /// Its resume token.
    pub token: Token,
}

/// A sign-up that was stored and not answered yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PendingSignUp {
    /// The fields of the `SignUpFinish`: resent byte for byte.
    pub frame: Bytes,
    /// The account had existed, and its home has lost it: whatever the answer is, it stays here.
    pub had_existed: bool,
}

/// The account, without its private keys.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// Its name.
    pub name: Name,
    /// This installation.
    pub origin: Origin,
    /// Its newest bundle of public keys.
    pub bundle: Bytes,
    /// A sign-up whose answer is not known.
    pub pending_sign_up: Option<PendingSignUp>,
    /// The stored session; `None` after sign-out.
    pub session: Option<Session>,
}

impl Store {
    /// This installation's origin: made with the store, changed only by [`Self::begin_origin`] or a
    /// sign-in with another one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn origin(&self) -> Result<Origin, StoreError> {
        read_origin(&self.connection)
    }

    /// The account, if there is one. Touches no private key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn account(&self) -> Result<Option<Account>, StoreError> {
        let origin = self.origin()?;
        let sql = "SELECT name, bundle, sign_up, had_existed, epoch, token FROM account";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query(())?;
        let row = rows.next()?;
        row.map(|row| read_account(row, origin, &self.sealer)).transpose()
    }

    /// The account's private keys, if there is an account. Takes some milliseconds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn identity(&self) -> Result<Option<Identity>, StoreError> {
        let sealed: Option<Vec<u8>> =
            self.connection.row("SELECT identity FROM account", (), |row| row.get(0)).optional()?;
        let Some(sealed) = sealed else {
            return Ok(None);
        };
        let keys = self.sealer.open(IDENTITY, b"1", &sealed)?;
        Ok(Some(sealed_keys::decode(&keys)?))
    }

    /// Keeps the keys and the frame of a sign-up before the frame leaves. An account that had
    /// existed is signed up again with the keys that it has.
    ///
    /// # Errors
    /// [`StoreError::OtherAccount`] when the directory is another account's,
    /// [`StoreError::AccountExists`] when this one has a session, or other keys, and the others.
    pub fn save_sign_up(
        &mut self,
        name: &Name,
        origin: Origin,
        identity: &Identity,
        bundle: &[u8],
        frame: &[u8],
    ) -> Result<(), StoreError> {
        self.write(|transaction, sealer| {
            let had_existed = has_account(transaction, bundle)?;
            put_account(transaction, sealer, name, identity, bundle)?;
            put_origin(transaction, origin)?;
            let frame = sealer.seal(SIGN_UP, b"1", frame);
            let sql = "UPDATE account SET sign_up = ?1, had_existed = ?2";
            transaction.run(sql, (frame, had_existed))?;
            Ok(())
        })
    }

    /// Forgets a sign-up whose name was taken. An account that had existed before it stays.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn clear_sign_up(&mut self) -> Result<(), StoreError> {
        self.write(|transaction, _| {
            transaction
                .run("DELETE FROM account WHERE sign_up IS NOT NULL AND had_existed = 0", ())?;
            transaction.run("UPDATE account SET sign_up = NULL, had_existed = 0", ())?;
            Ok(())
        })
    }

    /// Keeps the keys that came back and the session, after a sign-in with a password.
    ///
    /// # Errors
    /// [`StoreError::OtherAccount`] when the directory is another account's,
    /// [`StoreError::AccountExists`] when it has other keys, and the others.
    pub fn save_sign_in(
        &mut self,
        name: &Name,
        origin: Origin,
        identity: &Identity,
        bundle: &[u8],
        session: &Session,
    ) -> Result<(), StoreError> {
        self.write(|transaction, sealer| {
            check_same_keys(transaction, bundle)?;
            put_account(transaction, sealer, name, identity, bundle)?;
            put_origin(transaction, origin)?;
            put_session(transaction, sealer, session)
        })
    }

    /// Keeps the session after a sign-up or a resume; replaces the token before, ends a sign-up
    /// under way.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when there is no account, and the others.
    pub fn save_session(&mut self, session: &Session) -> Result<(), StoreError> {
        self.write(|transaction, sealer| put_session(transaction, sealer, session))
    }

    /// Forgets the session. Keys, messages and contacts stay. The token is overwritten in the
    /// database and its journal.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn sign_out(&mut self) -> Result<(), StoreError> {
        self.write(|transaction, _| {
            transaction.run("UPDATE account SET epoch = NULL, token = NULL", ())?;
            Ok(())
        })?;
        // Another process's reader may hold the journal open: then it goes with its last one.
        let ignored = |_: &Row<'_>| Ok(());
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), ignored)?;
        Ok(())
    }

    /// Begins to post under another origin. Every sealed post without an answer becomes
    /// [`super::PostState::Conflict`]: whether it was stored is not known.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn begin_origin(&mut self, origin: Origin) -> Result<(), StoreError> {
        self.write(|transaction, _| {
            put_origin(transaction, origin)?;
            transaction.run("UPDATE outbox SET state = 5, body = NULL WHERE state = 1", ())?;
            Ok(())
        })
    }
}

pub(super) fn read_origin(connection: &Connection) -> Result<Origin, StoreError> {
    let sql = "SELECT origin FROM installation";
    connection.query_row_and_then(sql, (), |row| value::origin(row, "origin"))
}

fn read_account(row: &Row<'_>, origin: Origin, sealer: &Sealer) -> Result<Account, StoreError> {
    let sign_up: Option<Vec<u8>> = row.get("sign_up")?;
    let sign_up = sign_up.map(|sealed| sealer.open(SIGN_UP, b"1", &sealed)).transpose()?;
    let had_existed = row.get("had_existed")?;
    let pending_sign_up =
        sign_up.map(|frame| PendingSignUp { frame: Bytes::copy_from_slice(&frame), had_existed });
    Ok(Account {
        name: value::name(row, "name")?,
        origin,
        bundle: Bytes::from(row.get::<_, Vec<u8>>("bundle")?),
        pending_sign_up,
        session: read_session(row, sealer)?,
    })
}

fn read_session(row: &Row<'_>, sealer: &Sealer) -> Result<Option<Session>, StoreError> {
    let epoch: Option<i64> = row.get("epoch")?;
    let token: Option<Vec<u8>> = row.get("token")?;
    let (Some(epoch), Some(token)) = (epoch, token) else {
        return Ok(None);
    };
    let token = sealer.open(TOKEN, b"1", &token)?;
    let token = token.first_chunk().filter(|_| token.len() == 32);
    let token = Token(*token.ok_or(StoreError::Damaged("token"))?);
    Ok(Some(Session { epoch: SessionEpoch(epoch.cast_unsigned()), token }))
}

/// Whether there is an account, with these keys and without a session. A sign-up under way may be
/// begun anew; the keys of an account that has existed are never replaced.
fn has_account(transaction: &Transaction<'_>, bundle: &[u8]) -> Result<bool, StoreError> {
    let sql = "SELECT name, bundle, token IS NOT NULL AS is_signed_in FROM account
               WHERE sign_up IS NULL OR had_existed = 1";
    let found = transaction.query_row_and_then(sql, (), |row| {
        let kept: Vec<u8> = row.get("bundle")?;
        let is_signed_in: bool = row.get("is_signed_in")?;
        Ok::<_, StoreError>((value::name(row, "name")?, kept == bundle && !is_signed_in))
    });
    match found.map(Some).or_else(absent)? {
        Some((held, false)) => Err(StoreError::AccountExists { held }),
        found => Ok(found.is_some()),
    }
}

/// What was sealed for the keys of an account that has existed could not be opened without them.
fn check_same_keys(transaction: &Transaction<'_>, bundle: &[u8]) -> Result<(), StoreError> {
    let sql = "SELECT name FROM account
               WHERE (sign_up IS NULL OR had_existed = 1) AND bundle <> ?1";
    let other = transaction.query_row_and_then(sql, (bundle,), |row| value::name(row, "name"));
    match other.map(Some).or_else(absent)? {
        Some(held) => Err(StoreError::AccountExists { held }),
        None => Ok(()),
    }
}

fn put_account(
    transaction: &Transaction<'_>,
    sealer: &mut Sealer,
    name: &Name,
    identity: &Identity,
    bundle: &[u8],
) -> Result<(), StoreError> {
    let held = transaction
        .query_row_and_then("SELECT name FROM account", (), |row| value::name(row, "name"))
        .map(Some)
        .or_else(absent)?;
    if let Some(held) = held.filter(|held| held != name) {
        return Err(StoreError::OtherAccount { held });
    }
    let identity = sealer.seal(IDENTITY, b"1", &sealed_keys::encode(identity));
    transaction.run(
        "INSERT INTO account (id, name, identity, bundle) VALUES (1, ?1, ?2, ?3)
         ON CONFLICT (id)
         DO UPDATE SET identity = ?2, bundle = ?3, sign_up = NULL, had_existed = 0",
        (name.as_str(), identity, bundle),
    )?;
    Ok(())
}

fn put_origin(transaction: &Transaction<'_>, origin: Origin) -> Result<(), StoreError> {
    transaction.run("UPDATE installation SET origin = ?1", (origin.0,))?;
    Ok(())
}

fn put_session(
    transaction: &Transaction<'_>,
    sealer: &mut Sealer,
    session: &Session,
) -> Result<(), StoreError> {
    let token = sealer.seal(TOKEN, b"1", &session.token.0);
    let changed = transaction.run(
        "UPDATE account SET epoch = ?1, token = ?2, sign_up = NULL, had_existed = 0",
        (session.epoch.0.cast_signed(), token),
    )?;
    if changed == 1 { Ok(()) } else { Err(StoreError::Changed("there is no account")) }
}

fn absent<T>(error: StoreError) -> Result<Option<T>, StoreError> {
    match error {
        StoreError::Database(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
        other => Err(other),
    }
}
