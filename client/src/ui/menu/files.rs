//! What the menu does with attachments: sends them, shows images as they come, and saves what comes
//! in the data directory.

use std::path::{Path, PathBuf};

use wire::LogId;

use super::Menu;
use crate::commands::attach::{Source, attach, is_image_file};
use crate::core::{Request, Ticket, TransferProgress};
use crate::failure::Failure;
use crate::output::{Shown, columns};
use crate::shell::store_failure;
use crate::store::{InboxMessage, ReceivedContent};

impl Menu {
    /// Puts a message with a file into the outbox; an image is sent as one.
    pub(super) fn send_file(
        &mut self,
        to: LogId,
        path: PathBuf,
        caption: &str,
    ) -> Result<(), Failure> {
        let Some(me) = self.shell.core().name() else {
            return Ok(());
        };
        let source = if is_image_file(&path) { Source::Image(path) } else { Source::File(path) };
        let created = self.shell.wall();
        let store = self.shell.store();
        let (attachment, path) = match attach(source, caption, me, store) {
            Ok(attached) => attached,
            Err(failure) => {
                self.printer.print(&self.style.warning(&failure.text));
                return Ok(());
            }
        };
        let id = store.add_attachment(&to, &attachment, &path, created);
        self.sent.insert(id.map_err(|e| store_failure(&e))?, to);
        self.shell.ask(Request::Outbox).map(drop)
    }

    /// Shows a message, with a preview of its image, and begins to fetch what is attached.
    pub(super) fn show(&mut self, message: InboxMessage) -> Result<(), Failure> {
        let is_attachment = matches!(message.content, ReceivedContent::Attachment { .. });
        let shown = Shown::from(message.clone());
        self.printer.print(&shown.line(self.style));
        let preview = shown.preview(self.style, columns().unwrap_or(0));
        if !preview.is_empty() {
            self.printer.print(&preview.join("\n"));
        }
        if is_attachment {
            let ticket = self.shell.ask(Request::Download(message.id))?;
            self.fetching.insert(ticket, message);
        }
        Ok(())
    }

    /// The ciphertext of an attachment is here, or cannot be had.
    pub(super) fn on_fetched(
        &mut self,
        ticket: Ticket,
        result: &Result<(), Failure>,
    ) -> Result<(), Failure> {
        let Some(message) = self.fetching.remove(&ticket) else {
            return Ok(());
        };
        if let Err(failure) = result {
            self.saving.give_up(message.id, failure);
        }
        let from = message.sender;
        match self.saving.fetch(&message, self.shell.store()) {
            Ok(Some(fetched)) => match (fetched.path, fetched.error) {
                (Some(path), _) => self.tell_saved(&path),
                (None, Some(error)) => {
                    let text = format!("what {from} attached cannot be had: {error}");
                    self.printer.print(&self.style.warning(&text));
                }
                (None, None) => {}
            },
            Ok(None) => {
                let ticket = self.shell.ask(Request::Download(message.id))?;
                self.fetching.insert(ticket, message);
            }
            Err(failure) => self.printer.print(&self.style.warning(&failure.text)),
        }
        Ok(())
    }

    /// Every quarter of an upload is told; what comes down is told when it is saved.
    pub(super) fn tell_progress(&mut self, progress: TransferProgress) {
        let quarter = |done: u64| done.saturating_mul(4) / progress.total.max(1);
        let reached = quarter(progress.done);
        let is_news = progress.is_upload && reached != self.quarter && progress.total > 1 << 20;
        self.quarter = if reached >= 4 { 0 } else { reached };
        if is_news && reached > 0 {
            self.printer.print(&self.style.dim(&format!("uploading: {} %", reached * 25)));
        }
    }

    fn tell_saved(&self, path: &Path) {
        let path = crate::escape::one_line(&path.to_string_lossy());
        self.printer.print(&self.style.dim(&format!("saved as {path}")));
    }
}
