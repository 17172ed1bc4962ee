//! What an earlier command left in the outbox: whoever connects gives it a chance to leave, and
//! tells what became of it.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use wire::{LogId, LogKind};

use super::Progress;
use super::outcome::outcome;
use crate::core::Notice;
use crate::failure::Failure;
use crate::output::{self, talk};
use crate::shell::{Shell, store_failure};
use crate::store::{OutboxId, Store};

/// While nothing moves for this long, nothing will: a home is away.
const SILENCE_MAX: Duration = Duration::from_secs(2);
/// Longest that a command goes on for others' posts.
const TIME_MAX: Duration = Duration::from_secs(60);

/// What waits in the outbox besides what a command tells of itself.
#[derive(Debug)]
pub(super) struct Pushing {
    own: Vec<OutboxId>,
    waiting: BTreeSet<OutboxId>,
    is_json: bool,
}

impl Pushing {
    /// A command begins; `own` are the posts that it tells of itself.
    ///
    /// # Errors
    /// The store fails.
    pub(super) fn begin(store: &Store, own: Vec<OutboxId>, is_json: bool) -> Result<Self, Failure> {
        let mut pushing = Self { own, waiting: BTreeSet::new(), is_json };
        pushing.note(store)?;
        Ok(pushing)
    }

    /// Goes on as long as something moves, then tells what became of everything.
    ///
    /// # Errors
    /// The store or the operating system fails.
    pub(super) fn end(mut self, shell: &mut Shell, progress: &mut Progress) -> Result<(), Failure> {
        // The command itself may have left something, as an invitation.
        self.note(shell.store())?;
        let until = shell.now() + TIME_MAX;
        let mut quiet = shell.now() + SILENCE_MAX;
        let is_busy = |shell: &Shell| shell.core().is_online() && !shell.core().is_outbox_empty();
        while is_busy(shell) && shell.now() < quiet.min(until) {
            for notice in shell.turn(Some(quiet.min(until)))? {
                progress.show(&notice);
                if matches!(notice, Notice::OutboxChanged | Notice::Transfer(_)) {
                    quiet = shell.now() + SILENCE_MAX;
                }
            }
        }
        progress.end();
        self.tell(shell.store())
    }

    fn note(&mut self, store: &Store) -> Result<(), Failure> {
        let waiting = store.waiting().map_err(|e| store_failure(&e))?;
        let others = waiting.into_iter().map(|(id, _)| id).filter(|id| !self.own.contains(id));
        self.waiting.extend(others);
        Ok(())
    }

    fn tell(self, store: &Store) -> Result<(), Failure> {
        for id in &self.waiting {
            let Some(post) = store.post(*id).map_err(|e| store_failure(&e))? else {
                continue;
            };
            if let Err(failure) = outcome(&post) {
                let text = format!("the message to {} that waited: {failure}", post.log);
                output::failure(&Failure { text, ..failure }, self.is_json);
            }
        }
        let queued = store.queued().map_err(|e| store_failure(&e))?;
        if !queued.is_empty() {
            tell_queued(&queued, self.is_json);
        }
        Ok(())
    }
}

fn tell_queued(queued: &[(LogId, u64)], is_json: bool) {
    if is_json {
        let each = |(log, count): &(LogId, u64)| json!({ "log": log.to_string(), "count": count });
        let queued: Vec<_> = queued.iter().map(each).collect();
        return talk(&json!({ "queued": queued }).to_string());
    }
    let each = |(log, count): &(LogId, u64)| match log.kind {
        LogKind::Mailbox => format!("{count} to {}", log.name),
        LogKind::Group => format!("{count} to {log}"),
    };
    let queued: Vec<_> = queued.iter().map(each).collect();
    talk(&format!(
        "still in the outbox: {}; they leave with the next command that connects, or while the \
         menu is open",
        queued.join(", ")
    ));
}
