//! The message sessions of others that this account was granted, and the grants it has asked for.

use rusqlite::{OptionalExtension, Transaction};
use wire::roster::{Act, Statement};
use wire::{LogId, Name, Wall};
use zeroize::Zeroizing;

use super::cached::Cached;
use super::claims::{self, RosterClaim};
use super::error::StoreError;
use super::invitations::is_me;
use super::outbox::insert_draft;
use super::{KeptStatement, Store, value};
use crate::crypto::grant::SessionPlace;
use crate::crypto::{Content, KeyId};

const STATE: &str = "granted.state";
/// Message sessions kept for each installation of a sender in a log: what comes late still opens.
const KEPT: u32 = 8;
/// Grants that one sender is asked for in one log, ever: a home that invents entries must not make
/// this account fill the mailboxes of others.
const REQUESTS_MAX: u32 = 256;

/// A message session that was granted.
#[derive(Clone, Debug)]
pub struct GrantedSession {
    /// The key that its announcement was signed with.
    pub signing_key: KeyId,
    /// What opens it, as `Inbound::encode` made it.
    pub state: Zeroizing<Vec<u8>>,
}

impl Store {
    /// Keeps a message session that was granted, with what its sender has signed about the group's
    /// roster, if that is still to be compared. A second grant of it replaces the first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn keep_granted(
        &mut self,
        place: &SessionPlace,
        session: &GrantedSession,
        claim: Option<&RosterClaim>,
    ) -> Result<(), StoreError> {
        self.write(|transaction, sealer| {
            if let Some(claim) = claim {
                claims::note(transaction, sealer, &place.log.name, claim)?;
            }
            let sealed = sealer.seal(STATE, &row_key(place), &session.state);
            put_granted(transaction, place, session.signing_key, &sealed)
        })
    }

    /// The message session, if it was granted and is still kept.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn granted(&self, place: &SessionPlace) -> Result<Option<GrantedSession>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT signing_key, state FROM granted
             WHERE log = ?1 AND sender = ?2 AND origin = ?3 AND number = ?4",
        )?;
        let found = statement.query_row(sql_key(place), |row| {
            Ok((value::array(row, "signing_key"), row.get::<_, Vec<u8>>("state")?))
        });
        let Some((signing_key, sealed)) = found.optional()? else {
            return Ok(None);
        };
        let state = self.sealer.open(STATE, &row_key(place), &sealed)?;
        Ok(Some(GrantedSession { signing_key: KeyId(signing_key?), state }))
    }

    /// Whether any message session of the same installation in the same log was granted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_granted_from(&self, place: &SessionPlace) -> Result<bool, StoreError> {
        let (log, sender, origin, _) = sql_key(place);
        let sql = "SELECT EXISTS (SELECT 1 FROM granted
                   WHERE log = ?1 AND sender = ?2 AND origin = ?3)";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row((log, sender, origin), |row| row.get(0))?)
    }

    /// Asks the sender of a message session for its grant, by a draft to its mailbox; once for each
    /// message session, and of one sender in one log at most `REQUESTS_MAX` times. Whether there
    /// is a new draft.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn request_grant(
        &mut self,
        place: &SessionPlace,
        request: &Content,
        created: Wall,
    ) -> Result<bool, StoreError> {
        self.write(|transaction, sealer| {
            let (log, sender, origin, number) = sql_key(place);
            let is_new = transaction.run(
                "INSERT OR IGNORE INTO grant_requests (log, sender, origin, number)
                 SELECT ?1, ?2, ?3, ?4 WHERE (SELECT count(*) FROM grant_requests
                 WHERE log = ?1 AND sender = ?2) < ?5",
                (log, sender, origin, number, REQUESTS_MAX),
            )? == 1;
            if is_new {
                let log = wire::LogId::mailbox(place.sender);
                insert_draft(transaction, sealer, &log, request, created)?;
            }
            Ok(is_new)
        })
    }
}

fn put_granted(
    transaction: &Transaction<'_>,
    place: &SessionPlace,
    signing_key: KeyId,
    sealed: &[u8],
) -> Result<(), StoreError> {
    let (log, sender, origin, number) = sql_key(place);
    transaction.run(
        "INSERT OR REPLACE INTO granted (log, sender, origin, number, signing_key, state)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (&log, &sender, origin, number, signing_key.0, sealed),
    )?;
    transaction.run(
        "DELETE FROM granted WHERE log = ?1 AND sender = ?2 AND origin = ?3 AND number <= ?4",
        (log, sender, origin, number.saturating_sub(KEPT)),
    )?;
    Ok(())
}

/// A group is joined again: what others granted during the former membership is forgotten. Their
/// message sessions ended with that; what is still to be read of them is fetched anew.
pub(super) fn forget_former(
    transaction: &Transaction<'_>,
    group: &Name,
) -> Result<(), rusqlite::Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM groups WHERE name = ?1 AND ended IS NOT NULL)";
    let has_ended = transaction.query_row(sql, (group.as_str(),), |row| row.get(0))?;
    if has_ended { forget_others(transaction, group) } else { Ok(()) }
}

/// A statement of a group's roster is kept: one that made an end to the account's membership may
/// come together with one that began it again, to a machine that was away meanwhile.
pub(super) fn forget_at_departure(
    transaction: &Transaction<'_>,
    kept: &KeptStatement,
) -> Result<(), StoreError> {
    let Ok(statement) = Statement::decode(kept.encoded.clone()) else {
        return Ok(());
    };
    let is_end = matches!(statement.act, Act::Leave | Act::Remove) && kept.fault.is_none();
    if is_end && is_me(transaction, &statement.subject)? {
        forget_others(transaction, &statement.group)?;
    }
    Ok(())
}

fn forget_others(transaction: &Transaction<'_>, group: &Name) -> Result<(), rusqlite::Error> {
    transaction.run(
        "DELETE FROM granted WHERE log = ?1 AND sender NOT IN (SELECT name FROM account)",
        (value::log_value(&LogId::group(*group)),),
    )?;
    Ok(())
}

fn sql_key(place: &SessionPlace) -> (String, String, [u8; 16], u32) {
    let log = value::log_value(&place.log);
    (log, place.sender.as_str().to_owned(), place.origin.0, place.message_session.0)
}

/// The row's name inside its seal.
fn row_key(place: &SessionPlace) -> Vec<u8> {
    let (log, sender, origin, number) = sql_key(place);
    [&origin[..], &number.to_be_bytes(), log.as_bytes(), b" ", sender.as_bytes()].concat()
}
