//! The people the account writes with: their key logs, and which signing key is trusted.
//!
//! The trust is sealed by the vault: who can write to the database but has not the key cannot make
//! another key the trusted one.

use bytes::Bytes;
use rusqlite::Transaction;
use wire::Name;

use super::cached::Cached;
use super::error::StoreError;
use super::{Sealer, Store, value};
use crate::crypto::{KeyId, KeyLog, SignedBundle};

const TRUST: &str = "contacts.trust";

/// How far a contact's key is trusted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trust {
    /// First use: the key has been the same since.
    Pinned,
    /// The user has compared safety numbers.
    Verified,
    /// The contact now signs with another key; nothing is sent before the user agrees.
    Changed,
}

/// What is kept of a contact.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Contact {
    /// Who.
    pub name: Name,
    /// The trusted signing key.
    pub pinned: KeyId,
    /// The key log, oldest first. It was verified before it was kept.
    pub bundles: Vec<Bytes>,
    /// How far the key is trusted.
    pub trust: Trust,
}

impl Store {
    /// One contact, if there is one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn contact(&self, name: &Name) -> Result<Option<Contact>, StoreError> {
        let sql = "SELECT trust FROM contacts WHERE name = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query((name.as_str(),))?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let (pinned, trust) = open_trust(&self.sealer, name, &row.get::<_, Vec<u8>>("trust")?)?;
        let bundles = read_bundles(&self.connection, name)?;
        Ok(Some(Contact { name: *name, pinned, bundles, trust }))
    }

    /// All contacts, by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn contacts(&self) -> Result<Vec<Contact>, StoreError> {
        let sql = "SELECT name FROM contacts ORDER BY name";
        let mut statement = self.connection.prepare_cached(sql)?;
        let names = statement.query_and_then((), |row| value::name(row, "name"))?;
        let names: Vec<Name> = names.collect::<Result<_, StoreError>>()?;
        let contacts = names.iter().filter_map(|name| self.contact(name).transpose());
        contacts.collect()
    }

    /// First use: keeps the key log and trusts its newest signing key.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when there is a trusted key already.
    pub fn pin(&mut self, name: &Name, log: &KeyLog) -> Result<(), StoreError> {
        let key = log.newest().keys.signing.id();
        self.write(|transaction, sealer| {
            let sealed = seal_trust(sealer, name, &key, Trust::Pinned);
            let inserted = transaction.run(
                "INSERT INTO contacts (name, trust) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                (name.as_str(), sealed),
            )?;
            if inserted != 1 {
                return Err(StoreError::Changed("the contact is known already"));
            }
            put_bundles(transaction, name, log)
        })
    }

    /// Keeps a key log that has grown. When its newest signing key is not the trusted one, the
    /// trust becomes [`Trust::Changed`]; it never rises here.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when the contact is not known.
    pub fn extend(&mut self, name: &Name, log: &KeyLog) -> Result<Trust, StoreError> {
        self.write(|transaction, sealer| {
            let (pinned, held) = read_trust(transaction, sealer, name)?;
            let trust = if log.has_changed_from(&pinned) { Trust::Changed } else { held };
            put_trust(transaction, sealer, name, &pinned, trust)?;
            put_bundles(transaction, name, log)?;
            Ok(trust)
        })
    }

    /// Keeps a key log whose newest signing key is not the trusted one.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when the contact is not known.
    pub fn mark_changed(&mut self, name: &Name, log: &KeyLog) -> Result<(), StoreError> {
        self.write(|transaction, sealer| {
            let (pinned, _) = read_trust(transaction, sealer, name)?;
            put_trust(transaction, sealer, name, &pinned, Trust::Changed)?;
            put_bundles(transaction, name, log)
        })
    }

    /// Keeps another key log in place of the one that is kept. When its newest signing key is not
    /// the trusted one, the trust becomes [`Trust::Changed`]; it never rises here.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when the contact is not known.
    pub fn replace_key_log(&mut self, name: &Name, log: &KeyLog) -> Result<(), StoreError> {
        self.write(|transaction, sealer| {
            let (pinned, held) = read_trust(transaction, sealer, name)?;
            let trust = if log.has_changed_from(&pinned) { Trust::Changed } else { held };
            put_trust(transaction, sealer, name, &pinned, trust)?;
            transaction.run("DELETE FROM bundles WHERE name = ?1", (name.as_str(),))?;
            put_bundles(transaction, name, log)
        })
    }

    /// The user agreed to the newest key that is kept here: it is the trusted one from now on.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when the contact is not known.
    pub fn accept_change(&mut self, name: &Name) -> Result<(), StoreError> {
        self.trust_newest(name, Trust::Pinned)
    }

    /// The user has compared safety numbers for the newest key that is kept here.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when the contact is not known.
    pub fn mark_verified(&mut self, name: &Name) -> Result<(), StoreError> {
        self.trust_newest(name, Trust::Verified)
    }

    fn trust_newest(&mut self, name: &Name, trust: Trust) -> Result<(), StoreError> {
        self.write(|transaction, sealer| {
            let newest = read_bundles(transaction, name)?.pop();
            let newest = newest.ok_or(StoreError::Changed("the contact is not known"))?;
            let newest = SignedBundle::verify(newest).map_err(|_| StoreError::Damaged("bundle"))?;
            let key = newest.bundle().keys.signing.id();
            put_trust(transaction, sealer, name, &key, trust)
        })
    }
}

fn read_bundles(connection: &rusqlite::Connection, name: &Name) -> Result<Vec<Bytes>, StoreError> {
    let sql = "SELECT bundle FROM bundles WHERE name = ?1 ORDER BY version";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map((name.as_str(),), |row| row.get::<_, Vec<u8>>(0))?;
    let bundles = rows.map(|row| row.map(Bytes::from));
    Ok(bundles.collect::<Result<_, _>>()?)
}

/// Adds what is new. A bundle that is held is never replaced.
fn put_bundles(transaction: &Transaction<'_>, name: &Name, log: &KeyLog) -> Result<(), StoreError> {
    assert!(log.name() == name, "a key log is kept for its own account");
    let held = read_bundles(transaction, name)?;
    let bundles = log.encoded();
    if !bundles.starts_with(&held) {
        return Err(StoreError::Changed("the key log does not continue the one that is kept"));
    }
    let sql = "INSERT INTO bundles (name, version, bundle) VALUES (?1, ?2, ?3)";
    let mut statement = transaction.prepare_cached(sql)?;
    for (index, bundle) in bundles.iter().enumerate().skip(held.len()) {
        let version = i64::try_from(index + 1).map_err(|_| StoreError::Damaged("version"))?;
        statement.execute((name.as_str(), version, &bundle[..]))?;
    }
    Ok(())
}

fn read_trust(
    transaction: &Transaction<'_>,
    sealer: &Sealer,
    name: &Name,
) -> Result<(KeyId, Trust), StoreError> {
    let sql = "SELECT trust FROM contacts WHERE name = ?1";
    let mut statement = transaction.prepare_cached(sql)?;
    let mut rows = statement.query((name.as_str(),))?;
    let row = rows.next()?.ok_or(StoreError::Changed("the contact is not known"))?;
    open_trust(sealer, name, &row.get::<_, Vec<u8>>(0)?)
}

fn put_trust(
    transaction: &Transaction<'_>,
    sealer: &mut Sealer,
    name: &Name,
    key: &KeyId,
    trust: Trust,
) -> Result<(), StoreError> {
    let sealed = seal_trust(sealer, name, key, trust);
    let sql = "UPDATE contacts SET trust = ?2 WHERE name = ?1";
    transaction.run(sql, (name.as_str(), sealed))?;
    Ok(())
}

/// Layout: key id (32), state `u8` (1 pinned, 2 verified, 3 changed).
fn seal_trust(sealer: &mut Sealer, name: &Name, key: &KeyId, trust: Trust) -> Vec<u8> {
    let mut bytes = key.0.to_vec();
    bytes.push(match trust {
        Trust::Pinned => 1,
        Trust::Verified => 2,
        Trust::Changed => 3,
    });
    sealer.seal(TRUST, name.as_bytes(), &bytes)
}

fn open_trust(sealer: &Sealer, name: &Name, sealed: &[u8]) -> Result<(KeyId, Trust), StoreError> {
    let bytes = sealer.open(TRUST, name.as_bytes(), sealed)?;
    let (key, state) = bytes.split_first_chunk::<32>().ok_or(StoreError::Damaged("trust"))?;
    let trust = match state {
        [1] => Trust::Pinned,
        [2] => Trust::Verified,
        [3] => Trust::Changed,
        _ => return Err(StoreError::Damaged("trust")),
    };
    Ok((KeyId(*key), trust))
}
