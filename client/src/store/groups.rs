//! The groups that the account is or was in: where it stands, the statements of their rosters, and
//! what they have come to.
//!
//! A roster is folded from verified statements once and kept sealed: who can write to the database
//! but has not the key cannot make anybody a member.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, Transaction};
use wire::roster::Roster;
use wire::{FaultCode, Name};

use super::cached::Cached;
use super::claims::{self, KeptClaim};
use super::error::StoreError;
use super::{Sealer, Store, granted, invitations, value};

const ROSTER: &str = "groups.roster";

/// What is kept of a group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupRecord {
    /// Which group.
    pub name: Name,
    /// How the account's membership ended; `None`: it is a member.
    pub ended: Option<Ended>,
    /// Who is in it, as of the newest statement that is kept here.
    pub roster: Option<Roster>,
    /// What members have signed about it that was not compared, or contradicts it.
    pub claims: Vec<KeptClaim>,
}

/// How a membership ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ended {
    /// Why the account is no member.
    pub why: FaultCode,
    /// What was posted before is still to be read.
    pub is_unread: bool,
}

/// One statement of a roster, verified or passed over.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeptStatement {
    /// Its place.
    pub version: u32,
    /// The whole statement.
    pub encoded: Bytes,
    /// Why it counts for nothing; `None`: it counts.
    pub fault: Option<String>,
    /// Whose the admin's office is after it, when that is not what it says itself: an admin left.
    pub successor: Option<Name>,
}

impl Store {
    /// Every group that is kept, by name, each with how the account's membership ended.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn groups(&self) -> Result<Vec<(Name, Option<Ended>)>, StoreError> {
        let sql = "SELECT name, ended, unread FROM groups ORDER BY name";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows =
            statement.query_and_then((), |row| Ok((value::name(row, "name")?, ended(row)?)))?;
        rows.collect()
    }

    /// One group, if it is kept.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn group(&self, name: &Name) -> Result<Option<GroupRecord>, StoreError> {
        let sql = "SELECT name, ended, unread, roster FROM groups WHERE name = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query((name.as_str(),))?;
        let claims = claims::read_all(&self.connection, &self.sealer, name)?;
        rows.next()?.map(|row| read_group(row, &self.sealer, claims)).transpose()
    }

    /// One statement of a group's roster, if it is kept.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn statement(
        &self,
        group: &Name,
        version: u32,
    ) -> Result<Option<KeptStatement>, StoreError> {
        let sql = "SELECT statement, fault, successor FROM statements
                   WHERE name = ?1 AND version = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let found = statement.query_row((group.as_str(), version), |row| {
            let encoded = Bytes::from(row.get::<_, Vec<u8>>(0)?);
            let (fault, successor): (_, Option<String>) = (row.get(1)?, row.get(2)?);
            Ok((KeptStatement { version, encoded, fault, successor: None }, successor))
        });
        let Some((kept, successor)) = found.optional()? else {
            return Ok(None);
        };
        let successor = successor.map(|name| Name::parse(&name)).transpose();
        let successor = successor.map_err(|_| StoreError::Damaged("successor"))?;
        Ok(Some(KeptStatement { successor, ..kept }))
    }

    /// The account is a member: its log is read from now on. What members granted it when it was
    /// one before says no more that they have heard of its joining.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn keep_group(&mut self, name: &Name) -> Result<(), StoreError> {
        self.write(|transaction, _| {
            granted::forget_former(transaction, name)?;
            transaction.run(
                "INSERT INTO groups (name) VALUES (?1)
                 ON CONFLICT (name) DO UPDATE SET ended = NULL, unread = 0",
                (name.as_str(),),
            )?;
            Ok(())
        })
    }

    /// The account is a member no more. What was received stays, and its log is read on when that
    /// is said.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn end_group(&mut self, name: &Name, ended: Ended) -> Result<(), StoreError> {
        self.write(|transaction, _| {
            let sql = "UPDATE groups SET ended = ?2, unread = ?3 WHERE name = ?1";
            transaction.run(sql, (name.as_str(), ended.why.0, ended.is_unread))?;
            Ok(())
        })
    }

    /// Keeps the next statements of a roster and what it has come to by them. A group that was not
    /// kept before is kept as one that the account is no member of.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when a statement does not follow those that are kept.
    pub fn add_statements(
        &mut self,
        statements: &[KeptStatement],
        roster: &Roster,
    ) -> Result<(), StoreError> {
        let name = roster.group();
        self.write(|transaction, sealer| {
            transaction.run(
                "INSERT INTO groups (name, ended) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                (name.as_str(), FaultCode::NOT_A_MEMBER.0),
            )?;
            for statement in statements {
                add_statement(transaction, &name, statement)?;
                invitations::write(transaction, sealer, statement)?;
                granted::forget_at_departure(transaction, statement)?;
            }
            put_roster(transaction, sealer, roster)
        })
    }
}

fn add_statement(
    transaction: &Transaction<'_>,
    name: &Name,
    statement: &KeptStatement,
) -> Result<(), StoreError> {
    let newest = newest_version(transaction, name)?;
    if statement.version != newest + 1 {
        return Err(StoreError::Changed("a group's statements do not follow each other"));
    }
    let sql = "INSERT INTO statements (name, version, statement, fault, successor)
               VALUES (?1, ?2, ?3, ?4, ?5)";
    let (encoded, fault) = (statement.encoded.as_ref(), statement.fault.as_deref());
    let successor = statement.successor.as_ref().map(Name::as_str);
    let values = (name.as_str(), statement.version, encoded, fault, successor);
    transaction.run(sql, values)?;
    Ok(())
}

fn newest_version(connection: &Connection, name: &Name) -> Result<u32, StoreError> {
    let sql = "SELECT max(version) FROM statements WHERE name = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let newest: Option<u32> = statement.query_row((name.as_str(),), |row| row.get(0))?;
    Ok(newest.unwrap_or(0))
}

fn put_roster(
    transaction: &Transaction<'_>,
    sealer: &mut Sealer,
    roster: &Roster,
) -> Result<(), StoreError> {
    let name = roster.group();
    let sealed = sealer.seal(ROSTER, name.as_bytes(), &roster.encode());
    let sql = "UPDATE groups SET roster = ?2 WHERE name = ?1";
    transaction.run(sql, (name.as_str(), sealed))?;
    Ok(())
}

fn read_group(
    row: &Row<'_>,
    sealer: &Sealer,
    claims: Vec<KeptClaim>,
) -> Result<GroupRecord, StoreError> {
    let name = value::name(row, "name")?;
    let sealed: Option<Vec<u8>> = row.get("roster")?;
    let roster = sealed.map(|sealed| {
        let bytes = sealer.open(ROSTER, name.as_bytes(), &sealed)?;
        let roster = Roster::decode(Bytes::copy_from_slice(&bytes));
        roster.map_err(|_| StoreError::Damaged("roster"))
    });
    Ok(GroupRecord { name, ended: ended(row)?, roster: roster.transpose()?, claims })
}

fn ended(row: &Row<'_>) -> Result<Option<Ended>, StoreError> {
    let is_unread = row.get("unread")?;
    let why: Option<u16> = row.get("ended")?;
    Ok(why.map(|why| Ended { why: FaultCode(why), is_unread }))
}
