//! The database's tables and settings.
//!
//! Sealed by the vault: keys, tokens, texts, message bodies, the sign-up frame, message sessions
//! and the secrets of their announcements, and the trust in contacts and the rosters of groups (so
//! that they cannot be changed without the key). Readable: names, logs, seqs, numbers, times,
//! states, sizes, public key bundles, announcements, rosters' statements and the addresses of
//! servers. `secure_delete` overwrites what is removed.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::error::StoreError;

/// What leads from each version to the next, from none to the newest. A step that was published
/// never changes: what is new is a step of its own.
const STEPS: &[&str] = &[
    TABLES,
    GROUPS,
    ATTACHMENTS,
    MESSAGE_SESSIONS,
    WANTED_GRANTS,
    CLAIMS,
    UNSAVED,
    SUCCESSORS,
    INVITATIONS,
    DEPARTURES,
    CLASSES,
    SERVERS,
    SIGN_UPS_AGAIN,
];

const TABLES: &str = "
CREATE TABLE installation (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    origin BLOB NOT NULL CHECK (length(origin) = 16),
    probe BLOB NOT NULL              -- sealed; opens only with the right master key
) STRICT;
CREATE TABLE account (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL,
    identity BLOB NOT NULL,          -- sealed
    bundle BLOB NOT NULL,
    sign_up BLOB,                    -- sealed; fields of a sign-up whose answer is not known
    epoch INTEGER,
    token BLOB                       -- sealed
) STRICT;
CREATE TABLE contacts (
    name TEXT PRIMARY KEY,
    trust BLOB NOT NULL              -- sealed: pinned key id (32), state (1)
) STRICT, WITHOUT ROWID;
CREATE TABLE bundles (
    name TEXT NOT NULL REFERENCES contacts (name) ON DELETE CASCADE,
    version INTEGER NOT NULL,
    bundle BLOB NOT NULL,
    PRIMARY KEY (name, version)
) STRICT, WITHOUT ROWID;
CREATE TABLE chains (
    log TEXT NOT NULL,
    origin BLOB NOT NULL,
    next INTEGER NOT NULL,           -- number of the next post
    settled INTEGER NOT NULL,        -- every number up to this was answered
    previous BLOB NOT NULL,          -- hash of the newest sealed message
    PRIMARY KEY (log, origin)
) STRICT, WITHOUT ROWID;
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    log TEXT NOT NULL,
    created INTEGER NOT NULL,
    text BLOB NOT NULL,              -- sealed
    state INTEGER NOT NULL,          -- 0 draft, 1 sealed, 2 accepted, 3 rejected, 4 refused,
                                     -- 5 conflict
    origin BLOB,
    number INTEGER,
    body BLOB,                       -- sealed again; only while unanswered
    seq INTEGER,
    code INTEGER,
    reason TEXT
) STRICT;
CREATE UNIQUE INDEX outbox_number ON outbox (log, origin, number) WHERE number IS NOT NULL;
CREATE INDEX outbox_state ON outbox (state, id);
CREATE TABLE cursors (
    log TEXT PRIMARY KEY,
    seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE replay (
    log TEXT NOT NULL,
    sender TEXT NOT NULL,
    origin BLOB NOT NULL,
    opened INTEGER NOT NULL,         -- 1 for messages that opened, 0 for those that did not
    first INTEGER NOT NULL,          -- a run of numbers that were received, without a gap
    last INTEGER NOT NULL,
    PRIMARY KEY (log, sender, origin, opened, first)
) STRICT, WITHOUT ROWID;
CREATE TABLE inbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    log TEXT NOT NULL,
    seq INTEGER NOT NULL,
    sender TEXT NOT NULL,
    origin BLOB NOT NULL,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    hash BLOB NOT NULL,
    continuity INTEGER NOT NULL,
    content BLOB NOT NULL,           -- sealed
    shown INTEGER NOT NULL
) STRICT;
CREATE INDEX inbox_shown ON inbox (shown, id);
CREATE INDEX inbox_origin ON inbox (log, sender, origin, id);
";

const GROUPS: &str = "
CREATE TABLE groups (
    name TEXT PRIMARY KEY,
    ended INTEGER,                   -- why the account is no member: a fault's number
    roster BLOB                      -- sealed: who is in it, by the statements below
) STRICT, WITHOUT ROWID;
CREATE TABLE statements (
    name TEXT NOT NULL REFERENCES groups (name) ON DELETE CASCADE,
    version INTEGER NOT NULL,
    statement BLOB NOT NULL,
    fault TEXT,                      -- why it counts for nothing
    PRIMARY KEY (name, version)
) STRICT, WITHOUT ROWID;
";

const ATTACHMENTS: &str = "
CREATE TABLE uploads (
    id INTEGER PRIMARY KEY REFERENCES outbox (id) ON DELETE CASCADE,
    attachment BLOB NOT NULL,        -- sealed
    is_whole INTEGER NOT NULL        -- 0 still to be uploaded: its draft waits; 1 at the home
) STRICT;
";

/// What was sealed before message sessions cannot be sent any more: the user decides.
const MESSAGE_SESSIONS: &str = "
ALTER TABLE outbox ADD COLUMN kind INTEGER NOT NULL DEFAULT 1;
ALTER TABLE outbox ADD COLUMN message_session INTEGER;  -- that it was sealed in
ALTER TABLE outbox ADD COLUMN hash BLOB;                -- of the sealed message
UPDATE outbox SET state = 5, body = NULL WHERE state = 1;
ALTER TABLE chains ADD COLUMN accepted BLOB;            -- hash of the newest accepted message
CREATE TABLE message_sessions (      -- that this installation seals in
    log TEXT NOT NULL,
    origin BLOB NOT NULL,
    number INTEGER NOT NULL,
    state BLOB NOT NULL,             -- sealed
    ended INTEGER NOT NULL,
    PRIMARY KEY (log, origin, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE announcements (
    log TEXT NOT NULL,
    origin BLOB NOT NULL,
    number INTEGER NOT NULL,
    part INTEGER NOT NULL,
    roster_version INTEGER NOT NULL,
    announcement BLOB NOT NULL,
    secret BLOB NOT NULL,            -- sealed
    PRIMARY KEY (log, origin, number, part)
) STRICT, WITHOUT ROWID;
CREATE TABLE grants (
    log TEXT NOT NULL,
    origin BLOB NOT NULL,
    number INTEGER NOT NULL,
    reader TEXT NOT NULL,
    part INTEGER NOT NULL,
    wrapping_key BLOB NOT NULL,
    wrapped BLOB NOT NULL,           -- empty once the home has confirmed it
    put INTEGER NOT NULL,
    PRIMARY KEY (log, origin, number, reader)
) STRICT, WITHOUT ROWID;
CREATE INDEX grants_put ON grants (put, log) WHERE put = 0;
CREATE TABLE granted (               -- message sessions of others
    log TEXT NOT NULL,
    sender TEXT NOT NULL,
    origin BLOB NOT NULL,
    number INTEGER NOT NULL,
    signing_key BLOB NOT NULL,
    state BLOB NOT NULL,             -- sealed
    PRIMARY KEY (log, sender, origin, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE grant_requests (        -- that were sent
    log TEXT NOT NULL,
    sender TEXT NOT NULL,
    origin BLOB NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (log, sender, origin, number)
) STRICT, WITHOUT ROWID;
";

const WANTED_GRANTS: &str = "
CREATE TABLE wanted_grants (         -- that others have asked for and were not given yet
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    asker TEXT NOT NULL,
    log TEXT NOT NULL,
    origin BLOB NOT NULL,
    number INTEGER NOT NULL,
    UNIQUE (asker, log, origin, number)
) STRICT;
";

const CLAIMS: &str = "
CREATE TABLE roster_claims (         -- what members have signed about a group's roster
    name TEXT NOT NULL,
    sender TEXT NOT NULL,
    claim BLOB NOT NULL,             -- sealed: state (1), version (4), head (32)
    PRIMARY KEY (name, sender)
) STRICT, WITHOUT ROWID;
";

const UNSAVED: &str = "
CREATE TABLE unsaved (               -- attachments that came and were not saved yet
    id INTEGER PRIMARY KEY REFERENCES inbox (id) ON DELETE CASCADE
) STRICT;
CREATE INDEX inbox_seq ON inbox (log, seq);
";

const SUCCESSORS: &str = "
ALTER TABLE statements ADD COLUMN successor TEXT;  -- whose the admin's office is after it, where
                                                   -- that is not what it says
";

const INVITATIONS: &str = "
CREATE TABLE invitations (           -- that this installation makes, not known to be made yet
    name TEXT NOT NULL,              -- of the group
    user TEXT NOT NULL,
    PRIMARY KEY (name, user)
) STRICT, WITHOUT ROWID;
";

const DEPARTURES: &str = "
ALTER TABLE groups ADD COLUMN unread INTEGER NOT NULL DEFAULT 0;  -- 1 no member, and what was
                                                                  -- before is still to be read
";

const CLASSES: &str = "
ALTER TABLE outbox ADD COLUMN class INTEGER;  -- of an accepted post: 1 stored, 2 seen; NULL unknown
";

const SERVERS: &str = "
CREATE TABLE servers (               -- that a router has named: ways to a seat without one
    server INTEGER PRIMARY KEY,
    address TEXT NOT NULL,
    heard INTEGER NOT NULL,          -- when a router named it last
    is_home INTEGER NOT NULL         -- 1 for the account's home
) STRICT;
";

/// A program of before would delete the account when the name is taken: it refuses the newer store.
const SIGN_UPS_AGAIN: &str = "
ALTER TABLE account ADD COLUMN had_existed INTEGER NOT NULL DEFAULT 0;  -- 1 while a sign-up is
                                                     -- under way, before which the account existed
";

/// Sets what one connection needs. WAL with full sync: a commit returns after its bytes are on the
/// disk, and readers of other processes do not wait for a writer.
pub(super) fn configure(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    Ok(())
}

/// The version of the database's schema; 0 when it has none yet.
pub(super) fn version(connection: &Connection) -> Result<u32, StoreError> {
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > known() {
        return Err(StoreError::Newer { found, known: known() });
    }
    Ok(found)
}

/// The newest version; kept in `user_version`.
pub(super) fn known() -> u32 {
    u32::try_from(STEPS.len()).expect("few steps")
}

/// Takes the steps that the database has not taken, each in a transaction of its own.
pub(super) fn upgrade(connection: &mut Connection) -> Result<(), StoreError> {
    for version in version(connection)?..known() {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        take_step(&transaction, version)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Makes the tables of `upto`, [`known`] unless in tests, and the installation's row, in one
/// transaction.
pub(super) fn create(
    connection: &mut Connection,
    upto: u32,
    origin: &[u8; 16],
    probe: &[u8],
) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for version in 0..upto {
        take_step(&transaction, version)?;
    }
    transaction.execute(
        "INSERT INTO installation (id, origin, probe) VALUES (1, ?1, ?2)",
        (origin, probe),
    )?;
    transaction.commit()?;
    Ok(())
}

fn take_step(transaction: &Transaction<'_>, version: u32) -> Result<(), StoreError> {
    let step = STEPS[usize::try_from(version).expect("few steps")];
    transaction.execute_batch(step)?;
    transaction.pragma_update(None, "user_version", version + 1)?;
    Ok(())
}
