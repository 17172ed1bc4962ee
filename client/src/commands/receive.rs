//! `recv`: what waits is received into the store, shown, and only then marked as shown.

use std::time::Duration;

use super::Local;
use super::saving::Fetching;
use super::task::{self, Flow, Task};
use crate::args;
use crate::core::event::Peeked;
use crate::core::{Reading, Request};
use crate::failure::{Code, Failure};
use crate::output::{Fetched, Remark, Shown, Style, columns, data, flush, talk};
use crate::shell::store_failure;
use crate::store::{DataDirectory, InboxId, InboxMessage, ReceivedContent, Store};

/// Messages taken from the store at a time.
const PAGE: u32 = 256;

/// `fastchat recv`.
pub(super) fn receive(local: Local, command: &args::Receive) -> Result<(), Failure> {
    local.signed_in()?;
    if command.count == Some(0) {
        return Err(Failure::usage("--count 0 asks for nothing"));
    }
    if command.peek && (command.save.is_some() || command.base64) {
        return Err(Failure::usage(
            "--peek leaves attachments where they are; drop --save, --base64",
        ));
    }
    if command.base64 && !command.json {
        return Err(Failure::usage("--base64 goes with --json"));
    }
    let directory = local.directory.clone();
    let mut task = Receiving {
        directory,
        fetching: Fetching::new(command.save.clone(), command.base64),
        wanted: None,
        is_download_asked: false,
        wait: command.wait,
        left: command.count,
        is_peek: command.peek,
        shown: 0,
        is_caught_up: false,
        peeked: None,
        printer: Printer { is_json: local.is_json, style: Style::detect() },
    };
    task::run(&mut task, local)
}

struct Receiving {
    directory: DataDirectory,
    fetching: Fetching,
    /// The message that waits for its attachment, and those behind it with it.
    wanted: Option<InboxId>,
    /// It was asked for.
    is_download_asked: bool,
    wait: Option<Duration>,
    left: Option<u32>,
    is_peek: bool,
    shown: u32,
    is_caught_up: bool,
    /// The newest message of the store that a peek has shown.
    peeked: Option<InboxId>,
    printer: Printer,
}

#[derive(Clone, Copy, Debug)]
struct Printer {
    is_json: bool,
    style: Style,
}

impl Printer {
    fn print(self, message: &Shown) -> Result<(), Failure> {
        match self.is_json {
            true => {
                let gap = message.gap_json();
                gap.map_or(Ok(()), |gap| data(&gap.to_string()))?;
                data(&message.json().to_string())
            }
            false => {
                data(&message.line(self.style))?;
                let lines = message.preview(self.style, columns().unwrap_or(0));
                lines.iter().try_for_each(|line| data(line))
            }
        }
    }

    /// What was acknowledged without its attachment can be had later.
    fn tell_how_to_save(self, message: &Shown) {
        if let (ReceivedContent::Attachment { .. }, None, None, false) =
            (&message.content, &message.fetched.path, &message.fetched.data, self.is_json)
        {
            let Shown { log, seq, .. } = message;
            talk(&format!("    to save it: fastchat save '{log}' {}", seq.0));
        }
    }
}

impl Receiving {
    fn is_full(&self) -> bool {
        self.left == Some(0)
    }

    fn count(&mut self, shown: usize) {
        let shown = u32::try_from(shown).unwrap_or(u32::MAX);
        self.shown = self.shown.saturating_add(shown);
        self.left = self.left.map(|left| left.saturating_sub(shown));
    }

    /// Shows what the store has and nobody has shown yet.
    fn show(&mut self, store: &mut Store) -> Result<(), Failure> {
        let broken = |e| store_failure(&e);
        // One process shows at a time, so that none shows what another one is just showing.
        let _lock = self.directory.lock_showing().map_err(broken)?;
        loop {
            let limit = self.left.map_or(PAGE, |left| left.min(PAGE));
            let messages = store.unshown(limit).map_err(broken)?;
            if messages.is_empty() || limit == 0 {
                return Ok(());
            }
            let (ids, shown) = self.fetch(messages, store)?;
            self.print(shown)?;
            store.mark_shown(&ids).map_err(broken)?;
            if self.wanted.is_some() {
                return Ok(());
            }
        }
    }

    /// The messages up to the first whose attachment has to be downloaded.
    fn fetch(
        &mut self,
        messages: Vec<InboxMessage>,
        store: &mut Store,
    ) -> Result<(Vec<InboxId>, Vec<Shown>), Failure> {
        self.wanted = None;
        let (mut ids, mut shown) = (Vec::new(), Vec::new());
        for message in messages {
            let Some(fetched) = self.fetching.fetch(&message, store)? else {
                self.wanted = Some(message.id);
                break;
            };
            ids.push(message.id);
            shown.push(Shown { fetched, ..message.into() });
        }
        Ok((ids, shown))
    }

    /// Shows what came into the store since the last look, and leaves it unshown.
    fn peek(&mut self, store: &Store) -> Result<(), Failure> {
        let mut messages = store.unshown(u32::MAX).map_err(|e| store_failure(&e))?;
        messages.retain(|message| self.peeked.is_none_or(|peeked| message.id > peeked));
        if let Some(left) = self.left {
            messages.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        }
        self.peeked = messages.last().map(|message| message.id).or(self.peeked);
        self.print(messages.into_iter().map(Shown::from).collect())
    }

    fn print(&mut self, messages: Vec<Shown>) -> Result<(), Failure> {
        let count = messages.len();
        for message in messages {
            self.printer.print(&message)?;
            if !self.is_peek {
                self.printer.tell_how_to_save(&message);
            }
        }
        flush()?;
        self.count(count);
        Ok(())
    }

    fn flow(&self) -> Flow {
        let is_enough = self.left.is_none() && self.shown > 0;
        let is_done =
            self.is_caught_up && self.wanted.is_none() && (self.wait.is_none() || is_enough);
        match is_done || self.is_full() {
            true => Flow::Done,
            false => Flow::On,
        }
    }
}

impl Task for Receiving {
    fn request(&self) -> Request {
        Request::Attach(match (self.is_peek, self.left) {
            (true, _) => Reading::Peek,
            (false, Some(left)) => Reading::Count(left),
            (false, None) => Reading::All,
        })
    }

    fn time_max(&self) -> Option<Duration> {
        self.wait
    }

    fn look(&mut self, store: &mut Store) -> Result<Flow, Failure> {
        match self.is_peek {
            true => self.peek(store)?,
            false => self.show(store)?,
        }
        Ok(self.flow())
    }

    fn on_begin(&mut self) {
        self.is_download_asked = false;
    }

    fn on_answered(&mut self, store: &mut Store) -> Result<Flow, Failure> {
        self.is_caught_up = true;
        self.is_download_asked = false;
        self.look(store)
    }

    /// What cannot be had is shown without it.
    fn on_refused(&mut self, store: &mut Store, failure: Failure) -> Result<Flow, Failure> {
        match (std::mem::take(&mut self.is_download_asked), self.wanted) {
            (true, Some(message)) if failure.code != Code::SignedOut => {
                self.fetching.give_up(message, &failure);
                self.look(store)
            }
            _ => Err(failure),
        }
    }

    fn request_now(&mut self) -> Option<Request> {
        let wanted = self.wanted.filter(|_| self.is_caught_up && !self.is_download_asked)?;
        self.is_download_asked = true;
        Some(Request::Download(wanted))
    }

    fn on_peeked(&mut self, peeked: Vec<Peeked>) -> Result<(), Failure> {
        let room = self.left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
        let count = peeked.len().min(room);
        for peeked in peeked.into_iter().take(room) {
            self.printer.print(&shown(peeked))?;
        }
        flush()?;
        self.count(count);
        Ok(())
    }

    fn on_remark(&mut self, remark: &Remark) -> Result<bool, Failure> {
        match self.printer.is_json {
            true => data(&remark.json().to_string())?,
            false => data(&self.printer.style.warning(&remark.line()))?,
        }
        flush().map(|()| true)
    }

    fn on_time_over(&mut self, trouble: Option<Failure>) -> Result<(), Failure> {
        match trouble {
            Some(trouble) if !self.is_caught_up => Err(trouble),
            _ => Ok(()),
        }
    }
}

fn shown(peeked: Peeked) -> Shown {
    let entry = peeked.entry;
    Shown {
        log: peeked.log,
        seq: entry.seq,
        sender: entry.sender,
        number: entry.number,
        at: entry.at,
        content: peeked.content,
        is_after_gap: false,
        fetched: Fetched::default(),
    }
}
