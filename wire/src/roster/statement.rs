//! One signed statement of a roster.
//!
//! # Layout (big-endian; version 1)
//! ```text
//! magic       4  "FCRS"
//! format      1  1
//! group          length u8, ASCII
//! version     4  1 for the first statement, then one more each
//! previous   32  SHA-256(u8 length ‖ "FastChat roster hash 1" ‖ the whole statement before);
//!                zeros in version 1
//! act         1  1 create, 2 join, 3 leave, 4 invite, 5 remove, 6 hand over, 7 close
//! policy      1  who may join: 1 everybody, 2 with the password, 3 the invited; 0 unless create
//! actor          length u8, ASCII: who says it
//! subject        length u8, ASCII: whom it is about; the actor in create, join, leave and close
//! key        32  id of the actor's signing key
//! at          8  u64, milliseconds since 1970 by the actor's clock
//! signature      length u32, at most 512 bytes: by that key over all before it
//! ```

use bytes::{BufMut, Bytes, BytesMut};
use sha2::{Digest, Sha256};

use crate::field::Field;
use crate::name::Name;
use crate::reader::{DecodeError, Reader};
use crate::time::Wall;

const MAGIC: [u8; 4] = *b"FCRS";
const FORMAT: u8 = 1;
const SIGNATURE_LEN_MAX: usize = 512;
const HASH_DOMAIN: &[u8] = b"FastChat roster hash 1";

/// What a statement does.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Act {
    /// The group begins; the actor is its admin and first member.
    Create,
    /// The actor becomes a member.
    Join,
    /// The actor is a member no more.
    Leave,
    /// The admin lets the subject join.
    Invite,
    /// The admin ends the subject's membership or invitation.
    Remove,
    /// The admin makes the subject, a member, admin instead.
    HandOver,
    /// The admin ends the group.
    Close,
}

const ACTS: [Act; 7] =
    [Act::Create, Act::Join, Act::Leave, Act::Invite, Act::Remove, Act::HandOver, Act::Close];

/// Layout: `u8`, 1 to 7 in the order of the enum.
impl Field for Act {
    fn put(&self, out: &mut BytesMut) {
        out.put_u8(match self {
            Self::Create => 1,
            Self::Join => 2,
            Self::Leave => 3,
            Self::Invite => 4,
            Self::Remove => 5,
            Self::HandOver => 6,
            Self::Close => 7,
        });
    }

    fn get(reader: &mut Reader, field: &'static str) -> Result<Self, DecodeError> {
        let index = usize::from(reader.u8(field)?).checked_sub(1);
        index.and_then(|index| ACTS.get(index)).copied().ok_or(DecodeError::Value(field))
    }
}

/// Who may join a group.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Policy {
    /// Everybody but the removed.
    Open,
    /// Whoever proves the group's password, but the removed.
    Password,
    /// Whom the admin has invited.
    Invitation,
}

/// Layout: `u8`, 1 to 3 in the order of the enum.
impl Field for Policy {
    fn put(&self, out: &mut BytesMut) {
        out.put_u8(match self {
            Self::Open => 1,
            Self::Password => 2,
            Self::Invitation => 3,
        });
    }

    fn get(reader: &mut Reader, field: &'static str) -> Result<Self, DecodeError> {
        match reader.u8(field)? {
            1 => Ok(Self::Open),
            2 => Ok(Self::Password),
            3 => Ok(Self::Invitation),
            _ => Err(DecodeError::Value(field)),
        }
    }
}

/// A statement. That it is signed by its actor is for readers to verify, not known by decoding.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Statement {
    /// The group.
    pub group: Name,
    /// Its place in the roster: 1, 2, 3 …
    pub version: u32,
    /// Hash of the statement before it.
    pub previous: [u8; 32],
    /// What it does.
    pub act: Act,
    /// Who may join; with [`Act::Create`] only.
    pub policy: Option<Policy>,
    /// Who says it.
    pub actor: Name,
    /// Whom it is about.
    pub subject: Name,
    /// Id of the actor's signing key.
    pub key: [u8; 32],
    /// When, by the actor's clock.
    pub at: Wall,
    /// The actor's signature over [`Statement::signed_bytes`].
    pub signature: Bytes,
}

impl Statement {
    /// What the signature covers.
    #[must_use]
    pub fn signed_bytes(&self) -> Bytes {
        let mut out = BytesMut::new();
        self.put_signed(&mut out);
        out.freeze()
    }

    /// The whole statement.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        self.put_signed(&mut out);
        out.put_u32(u32::try_from(self.signature.len()).expect("a signature is short"));
        out.put_slice(&self.signature);
        out.freeze()
    }

    /// Reads a whole statement.
    ///
    /// # Errors
    /// [`DecodeError`] names the field that does not fit; also a subject or policy that the act
    /// does not have.
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        if reader.array("magic")? != MAGIC {
            return Err(DecodeError::Value("magic"));
        }
        if reader.u8("format")? != FORMAT {
            return Err(DecodeError::Value("format"));
        }
        let group = Name::get(&mut reader, "group")?;
        let version = reader.u32("version")?;
        let previous = reader.array("previous")?;
        let act = Act::get(&mut reader, "act")?;
        let policy = get_policy(act, &mut reader)?;
        let statement = Self {
            group,
            version,
            previous,
            act,
            policy,
            actor: Name::get(&mut reader, "actor")?,
            subject: Name::get(&mut reader, "subject")?,
            key: reader.array("key")?,
            at: Wall::get(&mut reader, "at")?,
            signature: reader.bytes(SIGNATURE_LEN_MAX, "signature")?,
        };
        reader.finish()?;
        let alone = matches!(act, Act::Create | Act::Join | Act::Leave | Act::Close);
        if alone != (statement.actor == statement.subject) {
            return Err(DecodeError::Value("subject"));
        }
        Ok(statement)
    }

    /// What the next statement names as its previous one; `encoded` is a whole statement.
    #[must_use]
    pub fn hash(encoded: &[u8]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update([u8::try_from(HASH_DOMAIN.len()).expect("a short domain")]);
        hash.update(HASH_DOMAIN);
        hash.update(encoded);
        hash.finalize().into()
    }

    fn put_signed(&self, out: &mut BytesMut) {
        out.put_slice(&MAGIC);
        out.put_u8(FORMAT);
        self.group.put(out);
        self.version.put(out);
        self.previous.put(out);
        self.act.put(out);
        match &self.policy {
            Some(policy) => policy.put(out),
            None => out.put_u8(0),
        }
        self.actor.put(out);
        self.subject.put(out);
        self.key.put(out);
        self.at.put(out);
    }
}

fn get_policy(act: Act, reader: &mut Reader) -> Result<Option<Policy>, DecodeError> {
    if act == Act::Create {
        return Policy::get(reader, "policy").map(Some);
    }
    match reader.u8("policy")? {
        0 => Ok(None),
        _ => Err(DecodeError::Value("policy")),
    }
}
