//! Messages that may have arrived or not: their numbers were used before, or nothing more is heard
//! of them. The user decides; nothing is sent twice by itself.

use super::Menu;
use crate::core::Request;
use crate::crypto::Content;
use crate::failure::Failure;
use crate::shell::store_failure;
use crate::store::PostRecord;
use crate::ui::dialogue::{Decision, shown};

impl Menu {
    /// Tells which messages are to be decided on, and how.
    pub(super) fn tell_conflicts(&mut self) -> Result<(), Failure> {
        let posts = self.shell.store().conflicts().map_err(|e| store_failure(&e))?;
        let mut written = posts.iter().filter(|post| is_written(post)).peekable();
        if written.peek().is_none() {
            return Ok(());
        }
        for post in written {
            self.sent.remove(&post.id);
            let text = format!("a message to {} may have arrived or not", shown(&post.log));
            self.printer.print(&self.style.warning(&text));
        }
        self.printer.print(
            "type \"again\" to send what may not have arrived once more, \"drop\" to give it up",
        );
        Ok(())
    }

    /// Sends all of them again, or gives them up.
    pub(super) fn decide(&mut self, decision: Decision) -> Result<(), Failure> {
        let posts = self.shell.store().conflicts().map_err(|e| store_failure(&e))?;
        for post in &posts {
            let store = self.shell.store();
            let decided = match decision {
                Decision::Again => store.redraft(post.id),
                Decision::Drop => store.discard(post.id),
            };
            decided.map_err(|e| store_failure(&e))?;
            if decision == Decision::Again && is_written(post) {
                self.sent.insert(post.id, post.log);
            }
        }
        let count = posts.iter().filter(|post| is_written(post)).count();
        let what =
            if count == 1 { "1 message is".to_owned() } else { format!("{count} messages are") };
        self.printer.print(&match decision {
            _ if count == 0 => "there is nothing to decide".to_owned(),
            Decision::Again => format!("{what} sent again"),
            Decision::Drop => format!("{what} given up"),
        });
        self.shell.ask(Request::Outbox).map(drop)
    }
}

/// Whether the user has written it.
fn is_written(post: &PostRecord) -> bool {
    !matches!(post.content, Content::GrantRequest(_))
}
