//! Carries one command through: by this process's own connection when no other process holds the
//! data directory's, else through the one that does. If that one ends, this one takes over.

use std::time::Duration;

use wire::Instant;
use wire::net::Clock;

use super::pushing::Pushing;
use super::{Local, Progress};
use crate::core::event::Peeked;
use crate::core::{Notice, Request};
use crate::failure::{Code, Failure};
use crate::output::Remark;
use crate::shell::follower::{Follower, Heard, Reply};
use crate::shell::{Shell, store_failure};
use crate::store::{ConnectionLock, OutboxId, Store};

/// Trouble with the connection that lasts this long ends a command that cannot wait.
const PATIENCE: Duration = Duration::from_secs(6);
/// Nothing happening on a session for this long ends a command that cannot wait.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// A holder that says nothing for this long ends a command that cannot wait. While it has trouble
/// with the connection it says nothing.
const HOLDER_SILENCE_MAX: Duration = Duration::from_secs(10);
/// Between two looks for the holder's socket or lock.
const HOLDER_INTERVAL: Duration = Duration::from_millis(20);
/// Between two looks into the store while another process works.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Whether a task goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Flow {
    /// More has to happen.
    On,
    /// The command is done.
    Done,
}

/// What a command wants, and how it sees that it is done.
pub(super) trait Task {
    /// What is asked of the holder of the connection.
    fn request(&self) -> Request;

    /// When the user does not want to wait longer; `None` = until it is done or hopeless.
    fn time_max(&self) -> Option<Duration>;

    /// Looks into the store: at the start, and after each change.
    fn look(&mut self, store: &mut Store) -> Result<Flow, Failure>;

    /// The request was answered with success.
    fn on_answered(&mut self, store: &mut Store) -> Result<Flow, Failure>;

    /// The conversation with the holder of the connection begins, maybe anew.
    fn on_begin(&mut self) {}

    /// The request was answered with a failure.
    fn on_refused(&mut self, _store: &mut Store, failure: Failure) -> Result<Flow, Failure> {
        Err(failure)
    }

    /// What is asked besides, now that nothing else is unanswered.
    fn request_now(&mut self) -> Option<Request> {
        None
    }

    /// What is asked after an answer that was not the last one.
    fn request_again(&self) -> Option<Request> {
        None
    }

    /// Messages that stay where they are.
    fn on_peeked(&mut self, _peeked: Vec<Peeked>) -> Result<(), Failure> {
        Ok(())
    }

    /// Something about a group; whether it was told.
    fn on_remark(&mut self, _remark: &Remark) -> Result<bool, Failure> {
        Ok(false)
    }

    /// The time is over; `trouble` is what stands in the way of a connection.
    fn on_time_over(&mut self, trouble: Option<Failure>) -> Result<(), Failure>;

    /// The posts of this command: it tells what becomes of them itself.
    fn posts(&self) -> Vec<OutboxId> {
        Vec::new()
    }

    /// It ends with `why`: the store may have to forget something.
    fn on_failed(&mut self, _store: &mut Store, _why: &Failure) -> Result<(), Failure> {
        Ok(())
    }
}

/// Carries `task` through.
pub(super) fn run(task: &mut impl Task, mut local: Local) -> Result<(), Failure> {
    let clock = Clock::new();
    let until = task.time_max().map(|time| clock.now() + time);
    if task.look(&mut local.store)? == Flow::Done {
        return Ok(());
    }
    let mut heard_at = clock.now();
    loop {
        let lock = local.directory.try_lock().map_err(|e| store_failure(&e))?;
        if let Some(lock) = lock {
            let left = until.map(|at| at.since(clock.now()));
            return lead(task, local, lock, left);
        }
        let followed = follow(task, &mut local, &clock, until).and_then(|followed| {
            let silent = followed == Followed::NoHolder && until.is_none();
            match silent && clock.now() >= heard_at + HOLDER_SILENCE_MAX {
                true => Err(holder_silent()),
                false => Ok(followed),
            }
        });
        match followed {
            Ok(Followed::Done) => return Ok(()),
            Ok(Followed::HolderGone) => heard_at = clock.now(),
            Ok(Followed::NoHolder) => {}
            Err(failure) => {
                task.on_failed(&mut local.store, &failure)?;
                return Err(failure);
            }
        }
        if until.is_some_and(|at| at <= clock.now()) {
            return task.on_time_over(None);
        }
        // It has the lock and not yet the socket, or is about to end, or has too many to talk to.
        std::thread::park_timeout(HOLDER_INTERVAL);
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Followed {
    Done,
    /// It listened to this process, and has ended.
    HolderGone,
    /// Nobody listens.
    NoHolder,
}

fn follow(
    task: &mut impl Task,
    local: &mut Local,
    clock: &Clock,
    until: Option<Instant>,
) -> Result<Followed, Failure> {
    let path = local.directory.socket_path();
    let mut progress = Progress::new(local.is_json);
    task.on_begin();
    let Ok(mut holder) = Follower::ask(&path, &task.request()) else {
        return Ok(Followed::NoHolder);
    };
    let mut heard_at = clock.now();
    loop {
        let now = clock.now();
        if until.is_some_and(|at| at <= now) {
            return task.on_time_over(None).map(|()| Followed::Done);
        }
        if until.is_none() && now >= heard_at + HOLDER_SILENCE_MAX {
            return Err(holder_silent());
        }
        let left = until.map_or(LOOK_INTERVAL, |at| at.since(now).min(LOOK_INTERVAL));
        let heard = holder
            .wait(left)
            .map_err(|error| Failure::unexpected(format!("the other process: {error}")))?;
        if heard != Heard::Nothing {
            heard_at = clock.now();
        }
        let flow = match heard {
            Heard::Gone => return Ok(Followed::HolderGone),
            Heard::Reply(Reply::Answered(result)) => {
                let flow = on_answer(task, result, &mut local.store)?;
                if let (Flow::On, Some(request)) = (flow, task.request_again()) {
                    let Ok(again) = Follower::ask(&path, &request) else {
                        return Ok(Followed::HolderGone);
                    };
                    holder = again;
                }
                flow
            }
            Heard::Reply(Reply::Transfer(done)) => {
                progress.show(&Notice::Transfer(done));
                Flow::On
            }
            Heard::Reply(Reply::Changed) | Heard::Nothing => task.look(&mut local.store)?,
        };
        if flow == Flow::Done {
            return Ok(Followed::Done);
        }
        if let Some(request) = task.request_now() {
            let Ok(besides) = Follower::ask(&path, &request) else {
                return Ok(Followed::HolderGone);
            };
            holder = besides;
        }
    }
}

fn holder_silent() -> Failure {
    Failure::new(
        Code::Unavailable,
        "another fastchat on this data directory has the connection and does not answer; look \
         there, or quit it and try again",
    )
}

fn lead(
    task: &mut impl Task,
    local: Local,
    lock: ConnectionLock,
    time: Option<Duration>,
) -> Result<(), Failure> {
    let dialer = local.dialer();
    let mut progress = Progress::new(local.is_json);
    let pushing = Pushing::begin(&local.store, task.posts(), local.is_json)?;
    let mut shell = Shell::start(&local.directory, lock, local.store, dialer)?;
    let result = lead_on(task, &mut shell, &mut progress, time);
    match &result {
        Ok(()) => pushing.end(&mut shell, &mut progress)?,
        Err(failure) => task.on_failed(shell.store(), failure)?,
    }
    shell.finish()?;
    result
}

fn lead_on(
    task: &mut impl Task,
    shell: &mut Shell,
    progress: &mut Progress,
    time: Option<Duration>,
) -> Result<(), Failure> {
    let until = time.map(|time| shell.now() + time);
    let mut hope = Hope::new(shell.now(), until.is_some());
    task.on_begin();
    let mut ticket = shell.ask(task.request())?;
    loop {
        let notices = shell.turn(earlier(until, hope.deadline()))?;
        for notice in notices {
            progress.show(&notice);
            hope.on_notice(&notice, shell.now());
            if let Some(remark) = Remark::of(&notice)
                && !task.on_remark(&remark)?
            {
                progress.warn(&remark.line());
            }
            let flow = match notice {
                Notice::Answered { ticket: answered, result } if answered == ticket => {
                    let flow = on_answer(task, result, shell.store())?;
                    if let (Flow::On, Some(request)) = (flow, task.request_again()) {
                        ticket = shell.ask(request)?;
                    }
                    flow
                }
                Notice::SessionOver(failure) => return Err(failure),
                Notice::Trouble(failure) if failure.code == Code::UntrustedKey => {
                    return Err(failure);
                }
                Notice::Peeked(peeked) => {
                    task.on_peeked(peeked)?;
                    Flow::On
                }
                Notice::OutboxChanged | Notice::Received(_) | Notice::ContactChanged { .. } => {
                    task.look(shell.store())?
                }
                _ => Flow::On,
            };
            if flow == Flow::Done {
                return Ok(());
            }
            if let Some(request) = task.request_now() {
                ticket = shell.ask(request)?;
            }
        }
        if until.is_some_and(|at| at <= shell.now()) {
            return task.on_time_over(hope.trouble.take());
        }
        hope.check(shell.now())?;
    }
}

fn on_answer(
    task: &mut impl Task,
    result: Result<(), Failure>,
    store: &mut Store,
) -> Result<Flow, Failure> {
    match result {
        Ok(()) => task.on_answered(store),
        Err(failure) => task.on_refused(store, failure),
    }
}

/// Whether it makes sense to go on for a command that was given no time.
#[derive(Debug)]
struct Hope {
    trouble: Option<Failure>,
    until: Instant,
    is_patient: bool,
}

impl Hope {
    fn new(now: Instant, is_patient: bool) -> Self {
        Self { trouble: None, until: now + SILENCE_MAX, is_patient }
    }

    fn deadline(&self) -> Option<Instant> {
        (!self.is_patient).then_some(self.until)
    }

    fn on_notice(&mut self, notice: &Notice, now: Instant) {
        match notice {
            Notice::Trouble(failure) => {
                if self.trouble.is_none() {
                    self.until = now + PATIENCE;
                }
                self.trouble = Some(failure.clone());
            }
            Notice::Progress(_) => {}
            _ => {
                self.trouble = None;
                self.until = now + SILENCE_MAX;
            }
        }
    }

    fn check(&mut self, now: Instant) -> Result<(), Failure> {
        if self.is_patient || now < self.until {
            return Ok(());
        }
        Err(self.trouble.take().unwrap_or_else(|| {
            Failure::new(Code::Unavailable, "the server does not answer; try again")
        }))
    }
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    [one, other].into_iter().flatten().min()
}
