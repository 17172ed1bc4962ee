//! Who reads a log: whom the key of a message session is handed to, and from when on.
//!
//! The outbox asks for it before it seals, log by log: a mailbox has its owner, a group the members
//! of its verified roster. The part that keeps rosters answers for groups:
//!
//! | asked by | question | answer |
//! | --- | --- | --- |
//! | outbox | `readers(group, ctx)`, at each pump while posts wait | [`Readers`] |
//! | inbox | `joined(ctx)`: which groups are to be read | `None` until that is known |
//! | inbox | `on_statement(group, entry, ctx)`, at each pump until it is not pending | [`Told`] |
//! | inbox | `on_dismissed(group, code, ctx)`: the home does not let this account read | nothing |

use std::sync::Arc;

use wire::Name;

use crate::failure::Failure;
use crate::store::ReceivedContent;

/// The readers of one log, as far as they are known.
#[derive(Clone, Debug)]
pub enum Readers {
    /// Not known yet, or not verified up to the newest statement that was heard of.
    Pending,
    /// Known and verified.
    Ready(Arc<ReaderList>),
    /// Nothing can be posted there: no such group, not a member, closed.
    Refused(Failure),
}

/// The readers of a log at one moment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReaderList {
    /// Version of the group's roster; 0 for a mailbox.
    pub version: u32,
    /// The version by which a member departed last; 0 for never. What was sealed for readers of an
    /// older version is not posted any more.
    pub last_departure: u32,
    /// Hash of the roster's head; zeros for a mailbox.
    pub head: [u8; 32],
    /// Everybody who may open what is sealed now, by name, oneself among them.
    pub readers: Vec<Reader>,
}

/// One reader.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reader {
    /// The account.
    pub name: Name,
    /// The roster version of its joining; 0 for a mailbox's owner.
    pub joined: u32,
}

impl ReaderList {
    /// The reader of a mailbox: its owner.
    #[must_use]
    pub fn mailbox(owner: Name) -> Self {
        let readers = vec![Reader { name: owner, joined: 0 }];
        Self { version: 0, last_departure: 0, head: [0; 32], readers }
    }

    /// The version of `name`'s joining, if it reads the log.
    #[must_use]
    pub fn joining(&self, name: &Name) -> Option<u32> {
        let found = self.readers.binary_search_by_key(name, |reader| reader.name);
        found.ok().map(|at| self.readers[at].joined)
    }
}

/// What became of an entry with number 0 of a group's log: a roster statement.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Told {
    /// It is being verified; entries behind it wait.
    Pending,
    /// Taken into the roster or passed over; what is shown in its place, if anything.
    Done(Option<ReceivedContent>),
}

#[cfg(test)]
mod tests {
    use wire::Name;

    use super::{Reader, ReaderList};

    #[test]
    fn a_reader_is_found_by_name_with_its_joining() {
        let name = |text| Name::parse(text).expect("a name");
        let mailbox = ReaderList::mailbox(name("bob"));
        assert_eq!(mailbox.joining(&name("bob")), Some(0));
        let readers = [("alice", 1), ("bob", 4), ("carol", 2)];
        let readers = readers.map(|(who, joined)| Reader { name: name(who), joined }).to_vec();
        let list = ReaderList { readers, ..mailbox };
        assert_eq!(list.joining(&name("carol")), Some(2));
        assert_eq!(list.joining(&name("dave")), None);
    }
}
