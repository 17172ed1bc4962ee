//! Invitations on their way: noted before the statement leaves that makes one, and turned into a
//! message to the invited in the transaction that keeps the statement. So the message is written
//! exactly once, however often the program ends between the two.

use rusqlite::Transaction;
use wire::roster::{Act, Statement};
use wire::{LogId, Name};

use super::cached::Cached;
use super::error::StoreError;
use super::outbox::insert_draft;
use super::{KeptStatement, Sealer, Store};
use crate::crypto::Content;

impl Store {
    /// This account is about to invite `user` to `group`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn note_invitation(&mut self, group: &Name, user: &Name) -> Result<(), StoreError> {
        self.write(|transaction, _| {
            let sql = "INSERT INTO invitations (name, user) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            transaction.run(sql, (group.as_str(), user.as_str()))?;
            Ok(())
        })
    }

    /// It was refused: nothing is written to `user`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn drop_invitation(&mut self, group: &Name, user: &Name) -> Result<(), StoreError> {
        self.write(|transaction, _| take(transaction, group, user).map(drop))
    }
}

/// A statement is kept: when it is an invitation that was noted, it is written to the invited.
pub(super) fn write(
    transaction: &Transaction<'_>,
    sealer: &mut Sealer,
    kept: &KeptStatement,
) -> Result<(), StoreError> {
    let Ok(statement) = Statement::decode(kept.encoded.clone()) else {
        return Ok(());
    };
    let counts = statement.act == Act::Invite && kept.fault.is_none();
    if !counts || !is_me(transaction, &statement.actor)? {
        return Ok(());
    }
    let (group, user) = (statement.group, statement.subject);
    if take(transaction, &group, &user)? {
        let log = LogId::mailbox(user);
        insert_draft(transaction, sealer, &log, &Content::Invitation(group), statement.at)?;
    }
    Ok(())
}

/// Removes the note; whether there was one.
fn take(transaction: &Transaction<'_>, group: &Name, user: &Name) -> Result<bool, StoreError> {
    let sql = "DELETE FROM invitations WHERE name = ?1 AND user = ?2";
    Ok(transaction.run(sql, (group.as_str(), user.as_str()))? > 0)
}

pub(super) fn is_me(transaction: &Transaction<'_>, name: &Name) -> Result<bool, StoreError> {
    let sql = "SELECT count(*) FROM account WHERE name = ?1";
    let count: i64 = transaction.row(sql, (name.as_str(),), |row| row.get(0))?;
    Ok(count > 0)
}
