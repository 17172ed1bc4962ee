//! The group of a run: one user creates it, the others join in turn, and who posts grants its
//! message session to all. Statements are chained as real ones and signed by nobody, and grants are
//! random bytes of the real lengths: homes verify neither, and no member of a bench does.

use bytes::Bytes;
use rand::Rng;
use rand::rngs::StdRng;
use wire::field::List;
use wire::limits::GRANTS_MAX;
use wire::message::{
    Announcement, Challenge, ChangeRoster, PutGrants, ReaderGrant, StatementBytes, Wrapped,
};
use wire::roster::{Act, Policy, Statement};
use wire::{LogId, MessageSession, Name, RequestId, Wall};

use crate::account::Account;

/// The message session of all that somebody posts to the group.
pub const MESSAGE_SESSION: MessageSession = MessageSession(1);
/// Bytes of an RSA-3072 signature, and of a block that RSA-3072 wraps.
const SIGNATURE_LEN: usize = 384;
/// Bytes of an announcement: a sealed key, and a signature.
const ANNOUNCEMENT_LEN: usize = 700;

/// A group on its way to its members.
#[derive(Debug)]
pub struct Group {
    /// Its name.
    pub name: Name,
    version: u32,
    head: [u8; 32],
    stated: Option<[u8; 32]>,
}

impl Group {
    /// A group that nobody has.
    pub fn new(random: &mut StdRng) -> Self {
        Self { name: Account::new(random).name, version: 0, head: [0; 32], stated: None }
    }

    /// How many are members.
    #[must_use]
    pub fn members(&self) -> usize {
        usize::try_from(self.version).expect("32 bits")
    }

    /// The next one becomes a member: what it says.
    ///
    /// # Panics
    /// Never: a statement of ours is within the protocol's limits.
    pub fn next(&mut self, account: &Account) -> ChangeRoster {
        let act = if self.version == 0 { Act::Create } else { Act::Join };
        let statement = Statement {
            group: self.name,
            version: self.version + 1,
            previous: self.head,
            act,
            policy: (act == Act::Create).then_some(Policy::Open),
            actor: account.name,
            subject: account.name,
            key: [0; 32],
            at: Wall(0),
            signature: Bytes::from_static(&[0; SIGNATURE_LEN]),
        };
        let bytes = statement.encode();
        self.stated = Some(Statement::hash(&bytes));
        ChangeRoster {
            request: RequestId(0),
            group: self.name,
            statement: StatementBytes::new(bytes).expect("within the limit"),
            proof: Challenge::default(),
            key_log: List::new(vec![account.bundle().clone()]).expect("one is allowed"),
        }
    }

    /// What a member who posts says first: its message session, for every member.
    ///
    /// # Panics
    /// Never: grants of ours are within the protocol's limits.
    pub fn grants(
        &self,
        account: &Account,
        members: &[Name],
        random: &mut StdRng,
    ) -> Vec<PutGrants> {
        let parts = members.chunks(GRANTS_MAX).len();
        let frames = members.chunks(GRANTS_MAX).zip(1..).map(|(readers, part)| PutGrants {
            request: RequestId(1),
            log: LogId::group(self.name),
            message_session: MESSAGE_SESSION,
            part: 0,
            roster_version: self.version,
            announcement: Announcement::new(random_bytes(ANNOUNCEMENT_LEN, random))
                .expect("within the limit"),
            grants: List::new(readers.iter().map(|reader| grant(*reader, random)).collect())
                .expect("so many are allowed"),
            last: part == parts,
            key_log: List::new(vec![account.bundle().clone()]).expect("one is allowed"),
        });
        frames.collect()
    }

    /// The last statement is taken.
    pub fn on_changed(&mut self, version: u32) {
        if let Some(head) = self.stated.take()
            && version == self.version + 1
        {
            (self.version, self.head) = (version, head);
        }
    }
}

fn grant(reader: Name, random: &mut StdRng) -> ReaderGrant {
    let wrapped = Wrapped::new(random_bytes(SIGNATURE_LEN, random)).expect("within the limit");
    ReaderGrant { reader, wrapping_key: [0; 32], wrapped }
}

fn random_bytes(len: usize, random: &mut StdRng) -> Bytes {
    let mut bytes = vec![0; len];
    random.fill_bytes(&mut bytes);
    Bytes::from(bytes)
}
