//! Copies of key logs at a log's home: each statement and each grant brings its author's key log,
//! so that readers can verify them while the author's own home is away.
//!
//! A copy is durable in the batch of what it came with and is replaced by the next one. It stays as
//! long as its log: a new member verifies every statement of a group, also of who has departed.
//! What is in it is not looked at here. It proves itself to who reads it, or does not.

use bytes::Bytes;
use storage::Read;
use wire::field::List;
use wire::limits::KEY_LOG_LEN_MAX;
use wire::message::{Bundle, Bundles, FetchKeyLog, KeyLogCopy};
use wire::{FaultCode, Name};

use super::ask::Asker;
use super::home::{Home, Pending};
use super::out::LogOut;
use super::state::Log;

/// Whether a copy may be kept: there is one, and it is not too long.
///
/// # Errors
/// The fault that answers it.
pub(crate) fn check(copy: &KeyLogCopy) -> Result<(), FaultCode> {
    let is_whole = copy.items().iter().all(|bundle| !bundle.bytes().is_empty());
    let is_good = !copy.items().is_empty() && is_whole && len(copy) <= KEY_LOG_LEN_MAX;
    if is_good { Ok(()) } else { Err(FaultCode::MALFORMED) }
}

/// Its bytes, out of the buffer that it came in.
pub(super) fn copied(copy: &KeyLogCopy) -> Vec<Bytes> {
    copy.items().iter().map(|bundle| Bytes::copy_from_slice(bundle.bytes())).collect()
}

/// Bytes of its bundles.
pub(super) fn len(copy: &KeyLogCopy) -> usize {
    copy.items().iter().map(|bundle| bundle.bytes().len()).sum()
}

impl Log {
    /// Somebody's key log for a reader of this log: from memory while it is not durable, else from
    /// the store. Who writes to a mailbox is its owner's to know.
    pub(super) fn fetch_key_log(
        &mut self,
        asker: &Asker,
        fetch: &FetchKeyLog,
        home: &mut Home,
        out: &mut LogOut,
    ) {
        let reader = &asker.account;
        if self.is_mailbox() && self.id.name != *reader {
            return answer_key_log(asker, fetch.name, vec![], out);
        }
        if !self.is_mailbox()
            && let Err(code) = self.roster_limit(reader)
        {
            return self.answer_settled(asker, asker.fault(code), out);
        }
        if let Some(bundles) = self.grants.key_log(&fetch.name) {
            let bundles = bundles.to_vec();
            return answer_key_log(asker, fetch.name, bundles, out);
        }
        if !home.can_read() {
            return out.answer(asker.fault(FaultCode::UNAVAILABLE));
        }
        let read = Read::KeyLog { log: self.id, account: fetch.name };
        let pending = Pending::KeyLog { log: self.key, asker: *asker, name: fetch.name };
        self.ask(pending, read, home, out);
    }
}

/// Tells a reader somebody's key log, empty when there is no copy.
pub(super) fn answer_key_log(asker: &Asker, name: Name, bundles: Vec<Bytes>, out: &mut LogOut) {
    let bundles = bundles.into_iter().map(Bundle::new).collect::<Result<_, _>>();
    let bundles = List::new(bundles.expect("the store keeps what was put"));
    let bundles = bundles.expect("the store keeps what was put");
    let (request, complete) = (asker.request, true);
    out.answer(asker.answer(Bundles { request, name, bundles, complete }));
}
