//! What members of groups have signed about their rosters, until it is compared with the own chain,
//! and for ever where it contradicts it. One claim of each member; sealed like the trust in
//! contacts, so that nobody without the key agrees in the user's place.

use bytes::{BufMut, Bytes, BytesMut};
use rusqlite::{Connection, OptionalExtension, Transaction};
use wire::{DecodeError, LogId, Name, Number, Origin, Reader, Seq, Wall};

use super::cached::Cached;
use super::error::StoreError;
use super::inbox::{self, InboxId, Received, ReceivedContent};
use super::{Sealer, Store, value};

const CLAIM: &str = "roster_claims.claim";

/// What a member has signed with a grant: which roster it has sealed for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RosterClaim {
    /// The member.
    pub sender: Name,
    /// The roster's version; 0 for none.
    pub version: u32,
    /// The hash of that version's statement.
    pub head: [u8; 32],
}

/// What became of a claim.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClaimState {
    /// The own chain has not come so far.
    Open,
    /// It contradicts what the group's home shows here: nothing is sealed for the group.
    Contradicting,
    /// It contradicts, and the user has agreed to go on.
    Agreed,
}

/// A claim that is kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeptClaim {
    /// What was signed.
    pub claim: RosterClaim,
    /// What became of it.
    pub state: ClaimState,
}

impl Store {
    /// The open claim of `sender` is what the home shows here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn settle_claim(&mut self, group: &Name, sender: &Name) -> Result<(), StoreError> {
        self.write(|transaction, sealer| {
            let kept = read_one(transaction, sealer, group, sender)?;
            if kept.is_some_and(|kept| kept.state == ClaimState::Open) {
                let sql = "DELETE FROM roster_claims WHERE name = ?1 AND sender = ?2";
                transaction.run(sql, (group.as_str(), sender.as_str()))?;
            }
            Ok(())
        })
    }

    /// The claim contradicts what the home shows here. A warning goes into the inbox, to be shown
    /// once; its place.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn contradict(
        &mut self,
        group: &Name,
        claim: &RosterClaim,
        text: &str,
        at: Wall,
    ) -> Result<InboxId, StoreError> {
        self.write(|transaction, sealer| {
            let kept = KeptClaim { claim: *claim, state: ClaimState::Contradicting };
            put(transaction, sealer, group, &kept)?;
            let warning = Received {
                seq: Seq(0),
                sender: claim.sender,
                origin: Origin([0; 16]),
                number: Number::NONE,
                at,
                hash: [0; 32],
                content: ReceivedContent::Warning { text: text.to_owned() },
                request: None,
            };
            inbox::insert(transaction, sealer, &LogId::group(*group), &warning)
        })
    }

    /// The user agrees to go on with the group in spite of what contradicts its roster.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn agree_to_roster(&mut self, group: &Name) -> Result<(), StoreError> {
        self.write(|transaction, sealer| {
            let kept = read_all(transaction, sealer, group)?;
            for kept in kept.iter().filter(|kept| kept.state == ClaimState::Contradicting) {
                let agreed = KeptClaim { state: ClaimState::Agreed, ..*kept };
                put(transaction, sealer, group, &agreed)?;
            }
            Ok(())
        })
    }
}

/// Keeps an open claim, unless its sender's last one contradicts or is of a newer roster.
pub(super) fn note(
    transaction: &Transaction<'_>,
    sealer: &mut Sealer,
    group: &Name,
    claim: &RosterClaim,
) -> Result<(), StoreError> {
    let held = read_one(transaction, sealer, group, &claim.sender)?;
    let is_held = held
        .is_some_and(|held| held.state != ClaimState::Open || held.claim.version >= claim.version);
    match is_held {
        true => Ok(()),
        false => {
            let kept = KeptClaim { claim: *claim, state: ClaimState::Open };
            put(transaction, sealer, group, &kept)
        }
    }
}

/// The claims about a group's roster, by sender.
pub(super) fn read_all(
    connection: &Connection,
    sealer: &Sealer,
    group: &Name,
) -> Result<Vec<KeptClaim>, StoreError> {
    let sql = "SELECT sender, claim FROM roster_claims WHERE name = ?1 ORDER BY sender";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_and_then((group.as_str(),), |row| {
        let sender = value::name(row, "sender")?;
        open(sealer, group, sender, &row.get::<_, Vec<u8>>("claim")?)
    })?;
    rows.collect()
}

fn read_one(
    connection: &Connection,
    sealer: &Sealer,
    group: &Name,
    sender: &Name,
) -> Result<Option<KeptClaim>, StoreError> {
    let sql = "SELECT claim FROM roster_claims WHERE name = ?1 AND sender = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let values = (group.as_str(), sender.as_str());
    let sealed: Option<Vec<u8>> = statement.query_row(values, |row| row.get(0)).optional()?;
    sealed.map(|sealed| open(sealer, group, *sender, &sealed)).transpose()
}

fn put(
    transaction: &Transaction<'_>,
    sealer: &mut Sealer,
    group: &Name,
    kept: &KeptClaim,
) -> Result<(), StoreError> {
    let sender = kept.claim.sender;
    let sealed = sealer.seal(CLAIM, &row_key(group, &sender), &encode(kept));
    transaction.run(
        "INSERT OR REPLACE INTO roster_claims (name, sender, claim) VALUES (?1, ?2, ?3)",
        (group.as_str(), sender.as_str(), sealed),
    )?;
    Ok(())
}

fn open(
    sealer: &Sealer,
    group: &Name,
    sender: Name,
    sealed: &[u8],
) -> Result<KeptClaim, StoreError> {
    let bytes = sealer.open(CLAIM, &row_key(group, &sender), sealed)?;
    let kept = decode(sender, Bytes::copy_from_slice(&bytes));
    kept.map_err(|_| StoreError::Damaged("claim about a roster"))
}

/// The row's name inside its seal.
fn row_key(group: &Name, sender: &Name) -> Vec<u8> {
    [group.as_bytes(), b" ", sender.as_bytes()].concat()
}

/// Layout: state `u8`, version `u32`, head (32).
fn encode(kept: &KeptClaim) -> Bytes {
    let mut out = BytesMut::with_capacity(37);
    out.put_u8(match kept.state {
        ClaimState::Open => 0,
        ClaimState::Contradicting => 1,
        ClaimState::Agreed => 2,
    });
    out.put_u32(kept.claim.version);
    out.put_slice(&kept.claim.head);
    out.freeze()
}

fn decode(sender: Name, bytes: Bytes) -> Result<KeptClaim, DecodeError> {
    let mut reader = Reader::new(bytes);
    let state = match reader.u8("state")? {
        0 => ClaimState::Open,
        1 => ClaimState::Contradicting,
        2 => ClaimState::Agreed,
        _ => return Err(DecodeError::Value("state")),
    };
    let version = reader.u32("version")?;
    let head = reader.array("head")?;
    reader.finish()?;
    Ok(KeptClaim { claim: RosterClaim { sender, version, head }, state })
}
