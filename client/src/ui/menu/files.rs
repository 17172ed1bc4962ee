//! What the menu does with attachments: sends them, shows images as they come, and saves what comes
//! in the data directory.

use std::path::{Path, PathBuf};

use wire::LogId;

use super::Menu;
use super::errands::{Done, Errand};
use crate::commands::unsaved_line;
use crate::core::{Request, Ticket, TransferProgress};
use crate::escape::one_line;
use crate::failure::Failure;
use crate::output::{Fetched, Shown, columns};
use crate::shell::store_failure;
use crate::store::{InboxMessage, ReceivedContent};

/// Files above this take long enough to be told of.
const LARGE: u64 = 1 << 20;

impl Menu {
    /// Puts a message with a file into the outbox, as soon as it is encrypted.
    pub(super) fn send_file(
        &mut self,
        to: LogId,
        path: PathBuf,
        caption: String,
    ) -> Result<(), Failure> {
        let Some(me) = self.shell.core().name() else {
            return Ok(());
        };
        let is_large = std::fs::metadata(&path).is_ok_and(|file| file.len() > LARGE);
        if is_large {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            self.printer.print(&self.style.dim(&format!("encrypting {} …", one_line(&name))));
        }
        let created = self.shell.wall();
        self.errands.begin(Errand::Send { to, path, caption, me, created })
    }

    /// Goes on with what the other thread has done.
    pub(super) fn take_errands(&mut self) -> Result<(), Failure> {
        while let Some(done) = self.errands.next() {
            match done {
                Done::Sent(to, Ok(id)) => {
                    self.sent.insert(id, to);
                    self.shell.ask(Request::Outbox)?;
                }
                Done::Sent(_, Err(failure)) => {
                    self.printer.print(&self.style.warning(&failure.text));
                }
                Done::Saved(message, saved) => self.on_saved(*message, saved)?,
            }
        }
        Ok(())
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
        if let ReceivedContent::Invitation { group, .. } = message.content {
            self.dialogue.on_invitation(group);
            self.printer.print(&self.style.dim("    to join it: 3, then 2, then Enter"));
        }
        if is_attachment {
            self.fetch(message)?;
        }
        Ok(())
    }

    /// Lists the attachments that were not saved yet.
    pub(super) fn list_unsaved(&mut self) -> Result<(), Failure> {
        self.unsaved = self.shell.store().unsaved().map_err(|e| store_failure(&e))?;
        if self.unsaved.is_empty() {
            self.printer.print("nothing waits to be saved");
        }
        for (number, message) in (1..).zip(&self.unsaved) {
            self.printer.print(&format!("{number:>3}  {}", unsaved_line(message, self.style)));
        }
        self.dialogue.on_unsaved(self.unsaved.len());
        Ok(())
    }

    /// Begins to fetch one of those that were listed, or all.
    pub(super) fn save(&mut self, wanted: Option<usize>) -> Result<(), Failure> {
        let listed = std::mem::take(&mut self.unsaved);
        for (index, message) in listed.into_iter().enumerate() {
            if wanted.is_none_or(|wanted| wanted == index) {
                self.fetch(message)?;
            }
        }
        Ok(())
    }

    /// Begins to fetch what is attached to `message`, unless that is under way.
    fn fetch(&mut self, message: InboxMessage) -> Result<(), Failure> {
        if self.fetching.values().all(|fetching| fetching.id != message.id) {
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
        let why_not = result.as_ref().err().cloned();
        self.errands.begin(Errand::Save(Box::new(message), why_not))
    }

    /// What came with a message was saved, or not.
    fn on_saved(
        &mut self,
        message: InboxMessage,
        saved: Result<Option<Fetched>, Failure>,
    ) -> Result<(), Failure> {
        let from = message.sender;
        match saved {
            Ok(Some(fetched)) => match (fetched.path, fetched.error) {
                (Some(path), _) => self.tell_saved(&path),
                (None, Some(error)) => {
                    let text = format!("what {from} attached was not saved: {error} (7: again)");
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
        let path = one_line(&path.to_string_lossy());
        self.printer.print(&self.style.dim(&format!("saved as {path}")));
    }
}
