//! A client under load: the real shell, core and store, driven by a person who writes as fast as
//! the plan says and reads everything. It is killed like any other process; what its person saw
//! is in the journal.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, BufRead};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use client::core::{Notice, Reading, Request};
use client::failure::Failure;
use client::shell::dialer::Dialer;
use client::shell::{Shell, store_failure};
use client::store::{
    ConnectionLock, DataDirectory, InboxId, InboxMessage, OutboxId, PostState, ReceivedContent,
    Store,
};
use wire::net::Clock;
use wire::{Instant, LogId, Wall};

use super::child_plan::ChildPlan;
use super::journal::{Answer, Journal, Line, Show, read};
use super::text::Text;

/// How often it looks whether it is time to write.
const TICK: Duration = Duration::from_millis(25);
/// Texts to one log that may wait for an answer; beyond that it writes elsewhere.
const WAITING_MAX: usize = 48;
/// What could not be written for so long is not made up for.
const ARREARS_MAX: Duration = Duration::from_secs(8);
/// Messages that are shown at a time.
const PAGE: u32 = 128;
/// The predecessor's lock is gone with it.
const LOCK_TIME_MAX: Duration = Duration::from_secs(10);

/// Runs the child of a folder until its standard input ends; it writes no more after a line there.
///
/// # Errors
/// What stops it otherwise, for people.
pub fn run(folder: &Path) -> Result<(), String> {
    let plan = ChildPlan::read(folder).ok_or("the folder has no plan")?;
    let mut child = Child::begin(plan, &folder.join("journal"))?;
    child.serve().map_err(|failure| failure.to_string())?;
    child.shell.finish().map_err(|failure| failure.to_string())
}

#[derive(Debug, Default)]
struct Orders {
    rest: AtomicBool,
    stop: AtomicBool,
}

struct Child {
    shell: Shell,
    journal: Journal,
    plan: ChildPlan,
    orders: Arc<Orders>,
    /// What was written and not answered, in order.
    waiting: BTreeMap<LogId, VecDeque<(OutboxId, Text)>>,
    numbers: BTreeMap<LogId, u64>,
    written: u64,
    turn: usize,
    last_shown: InboxId,
    is_idle: bool,
}

impl Child {
    fn begin(plan: ChildPlan, journal: &Path) -> Result<Self, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let directory = DataDirectory::open_with_keys(&plan.data, &plan.keys);
        let directory = directory.map_err(|e| text(&e))?;
        let lock = lock(&directory)?;
        let store = Store::open(&directory).map_err(|e| text(&e))?;
        let dialer = Dialer::new(vec![plan.router.clone()], Some(plan.ca.clone()));
        let shell = Shell::start(&directory, lock, store, dialer).map_err(|e| text(&e))?;
        let orders = Arc::new(Orders::default());
        listen(Arc::clone(&orders), shell.waker()).map_err(|e| text(&e))?;
        let file = Journal::open(journal).map_err(|e| text(&e))?;
        let mut child = Self {
            shell,
            journal: file,
            plan,
            orders,
            waiting: BTreeMap::new(),
            numbers: BTreeMap::new(),
            written: 0,
            turn: 0,
            last_shown: InboxId(0),
            is_idle: false,
        };
        child.remember(&read(journal));
        child.add(&[Line::Began]).map_err(|e| text(&e))?;
        Ok(child)
    }

    /// What its predecessors wrote, were told and showed.
    fn remember(&mut self, lines: &[Line]) {
        for line in lines {
            match line {
                Line::Wrote(id, text) => {
                    self.numbers.insert(text.log, text.number);
                    let waiting = self.waiting.entry(text.log).or_default();
                    waiting.push_back((OutboxId(*id), *text));
                }
                Line::Told(id, text, _) => {
                    let waiting = self.waiting.entry(text.log).or_default();
                    waiting.retain(|(other, _)| *other != OutboxId(*id));
                }
                Line::Shown(show) => self.last_shown = InboxId(show.id.unwrap_or(0)),
                Line::Began | Line::Idle => {}
            }
        }
    }

    fn serve(&mut self) -> Result<(), Failure> {
        self.adopt()?;
        self.shell.ask(Request::Attach(Reading::All))?;
        self.shell.ask(Request::Outbox)?;
        self.show()?;
        self.tell()?;
        let begun = self.shell.now();
        while !self.orders.stop.load(Ordering::Acquire) {
            let until = self.shell.now() + TICK;
            for notice in self.shell.turn(Some(until))? {
                match notice {
                    Notice::Received(_) => self.show()?,
                    Notice::OutboxChanged => self.tell()?,
                    Notice::SessionOver(failure) => return Err(failure),
                    Notice::Conflict => return Err(Failure::unexpected("a conflict")),
                    _ => {}
                }
            }
            match self.orders.rest.load(Ordering::Acquire) {
                true => self.rest()?,
                false => self.write(begun)?,
            }
        }
        Ok(())
    }

    /// What was put into the outbox just before a kill has no line yet.
    fn adopt(&mut self) -> Result<(), Failure> {
        let mut lines = Vec::new();
        for (id, log) in self.shell.store().waiting().map_err(|e| store_failure(&e))? {
            let waiting = self.waiting.entry(log).or_default();
            if waiting.iter().any(|(other, _)| *other == id) {
                continue;
            }
            let post = self.shell.store().post(id).map_err(|e| store_failure(&e))?;
            if let Some(client::crypto::Content::Text(text)) = post.map(|post| post.content)
                && let Ok(text) = text.parse::<Text>()
            {
                waiting.push_back((id, text));
                self.numbers.insert(log, text.number);
                lines.push(Line::Wrote(id.0, text));
            }
        }
        self.add(&lines)
    }

    fn write(&mut self, begun: Instant) -> Result<(), Failure> {
        let rate = u128::from(self.plan.rate);
        let texts = |time: Duration| u64::try_from(rate * time.as_millis() / 1000).unwrap_or(0);
        let due = texts(self.shell.now().since(begun));
        self.written = self.written.max(due.saturating_sub(texts(ARREARS_MAX)));
        let mut lines = Vec::new();
        while self.written < due
            && let Some(log) = self.next_log()
        {
            self.written += 1;
            lines.push(self.draft(log)?);
        }
        if lines.is_empty() {
            return Ok(());
        }
        self.add(&lines)?;
        self.shell.ask(Request::Outbox).map(drop)
    }

    /// The next log in turn that is not stuck.
    fn next_log(&mut self) -> Option<LogId> {
        for _ in 0..self.plan.logs.len() {
            let log = self.plan.logs[self.turn % self.plan.logs.len()];
            self.turn += 1;
            if self.waiting.get(&log).is_none_or(|waiting| waiting.len() < WAITING_MAX) {
                return Some(log);
            }
        }
        None
    }

    fn draft(&mut self, log: LogId) -> Result<Line, Failure> {
        let number = self.numbers.entry(log).or_default();
        *number += 1;
        let wall = self.shell.wall();
        let text = Text { sender: self.plan.name, log, number: *number, at: wall };
        let id = self.shell.store().add_draft(&log, &text.to_string(), wall);
        let id = id.map_err(|e| store_failure(&e))?;
        self.waiting.entry(log).or_default().push_back((id, text));
        Ok(Line::Wrote(id.0, text))
    }

    /// What was answered is told.
    fn tell(&mut self) -> Result<(), Failure> {
        let mut lines = Vec::new();
        for waiting in self.waiting.values_mut() {
            while let Some((id, text)) = waiting.front().copied() {
                let post = self.shell.store().post(id).map_err(|e| store_failure(&e))?;
                let answer = match post.map(|post| post.state) {
                    Some(PostState::Draft | PostState::Sealed) => break,
                    Some(PostState::Accepted { .. }) => Answer::Accepted,
                    Some(PostState::Rejected(code)) => Answer::Rejected(code.to_string()),
                    Some(PostState::Refused(why)) => Answer::Rejected(why),
                    Some(PostState::Conflict) => Answer::Rejected("conflict".to_owned()),
                    None => Answer::Rejected("gone from the store".to_owned()),
                };
                waiting.pop_front();
                lines.push(Line::Told(id.0, text, answer));
            }
        }
        self.add(&lines)
    }

    /// What came is shown, then noted as shown. What a predecessor showed and could not note is
    /// only noted: the journal is the screen, and still has it.
    fn show(&mut self) -> Result<(), Failure> {
        loop {
            let messages = self.shell.store().unshown(PAGE).map_err(|e| store_failure(&e))?;
            let Some(last) = messages.last().map(|message| message.id) else { return Ok(()) };
            let new = messages.iter().filter(|message| message.id > self.last_shown);
            let wall = self.shell.wall();
            let lines: Vec<Line> = new.map(|message| shown(message, wall)).collect();
            self.add(&lines)?;
            self.last_shown = self.last_shown.max(last);
            let ids: Vec<InboxId> = messages.iter().map(|message| message.id).collect();
            self.shell.store().mark_shown(&ids).map_err(|e| store_failure(&e))?;
        }
    }

    fn rest(&mut self) -> Result<(), Failure> {
        let is_idle = self.shell.core().is_online()
            && self.shell.core().is_outbox_empty()
            && self.waiting.values().all(VecDeque::is_empty);
        if is_idle && !self.is_idle {
            self.add(&[Line::Idle])?;
            self.is_idle = true;
        }
        Ok(())
    }

    fn add(&mut self, lines: &[Line]) -> Result<(), Failure> {
        self.is_idle &= lines.is_empty();
        let added = self.journal.add(lines);
        added.map_err(|error| Failure::unexpected(format!("the journal: {error}")))
    }
}

fn shown(message: &InboxMessage, wall: Wall) -> Line {
    let InboxMessage { id, log, seq, sender, number, content, .. } = message;
    let other = || format!("{content:?}");
    let said = match content {
        ReceivedContent::Text { text, .. } => text.parse().map_err(|_| other()),
        _ => Err(other()),
    };
    let (log, seq, sender, number) = (*log, *seq, *sender, *number);
    Line::Shown(Show { id: Some(id.0), log, seq, sender, number, at: Some(wall), said })
}

/// The predecessor's lock ends with it, which may be just now.
fn lock(directory: &DataDirectory) -> Result<ConnectionLock, String> {
    let clock = Clock::new();
    while clock.now().since(Instant(0)) < LOCK_TIME_MAX {
        if let Some(lock) = directory.try_lock().map_err(|error| error.to_string())? {
            return Ok(lock);
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    Err("the data directory is in use".to_owned())
}

/// A line on standard input: rest. Its end, which is also the parent's: stop.
fn listen(orders: Arc<Orders>, wake: client::shell::Wake) -> io::Result<()> {
    let watch = move || {
        for _ in io::stdin().lock().lines().map_while(Result::ok) {
            orders.rest.store(true, Ordering::Release);
        }
        orders.stop.store(true, Ordering::Release);
        wake();
    };
    std::thread::Builder::new().name("orders".to_owned()).spawn(watch).map(drop)
}
