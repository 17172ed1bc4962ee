//! One group's roster as this client believes it: statements come in, each is verified with its
//! actor's key, and folded in order. What is not valid is passed over, with a reason.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use wire::roster::{Act, Roster, Statement};
use wire::{Instant, LogId, Name};

use super::claims::HeadAt;
use crate::core::contacts::{Contacts, SenderKey};
use crate::core::context::Context;
use crate::core::job::{Job, JobKey};
use crate::crypto::keys::{KeyId, SigningPublicKey};
use crate::crypto::roster::StatementError;
use crate::failure::{Code, Failure};
use crate::store::{KeptStatement, ReceivedContent};

/// Statements that may wait for their verification; more are fetched again later.
const WAITING_MAX: usize = 512;
/// Folded statements kept in memory for readers of the log; older ones are in the store.
const RECENT_MAX: usize = 128;

/// The fold and what waits for it.
#[derive(Debug)]
pub(super) struct Chain {
    group: Name,
    roster: Option<Roster>,
    /// What follows the roster's head, without a gap.
    waiting: VecDeque<Waiting>,
    recent: BTreeMap<u32, KeptStatement>,
    /// Older statements that the store was asked for, and what it had.
    older: BTreeMap<u32, Option<Option<KeptStatement>>>,
}

#[derive(Debug)]
struct Waiting {
    statement: Statement,
    encoded: Bytes,
    hash: [u8; 32],
    arrived: Instant,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// The actor's key is awaited.
    Key,
    /// A worker verifies it: the job's number.
    Verifying(u32),
    /// Whether its actor said it, else why not.
    Verified(Result<(), String>),
}

/// What a chain makes of a statement that it is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Taken {
    /// It waits for its verification.
    Queued,
    /// It is not above what is here.
    Held,
    /// Others come before it.
    Gap,
    /// It does not continue what is here: the home shows two histories.
    Fork,
}

/// What became of a statement of the log.
#[derive(Debug)]
pub(super) enum Fate {
    /// It was folded or passed over: what is shown.
    Folded(ReceivedContent),
    /// The store must be asked for it.
    Stored,
    /// The store was asked, or it is being verified.
    Waiting,
    /// It was never seen.
    Ahead,
}

impl Chain {
    pub(super) fn new(group: Name) -> Self {
        Self {
            group,
            roster: None,
            waiting: VecDeque::new(),
            recent: BTreeMap::new(),
            older: BTreeMap::new(),
        }
    }

    /// Begins where the store has got to.
    pub(super) fn restore(&mut self, roster: Option<Roster>) {
        if self.roster.is_none() {
            self.roster = roster;
        }
    }

    /// What is verified so far.
    pub(super) fn roster(&self) -> Option<&Roster> {
        self.roster.as_ref()
    }

    /// Nothing waits for its verification.
    pub(super) fn is_settled(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Version of the newest statement that is here, verified or not.
    pub(super) fn newest(&self) -> u32 {
        self.version() + u32::try_from(self.waiting.len()).expect("bounded")
    }

    /// Takes a statement.
    ///
    /// # Errors
    /// It is no statement of this group.
    pub(super) fn take(&mut self, encoded: Bytes, now: Instant) -> Result<Taken, Failure> {
        let statement = self.decode(&encoded)?;
        if statement.version > self.newest() + 1 || self.waiting.len() >= WAITING_MAX {
            return Ok(Taken::Gap);
        }
        if statement.version <= self.newest() {
            return Ok(match self.holds_other(statement.version, &encoded) {
                true => Taken::Fork,
                false => Taken::Held,
            });
        }
        if statement.previous != self.head() {
            return Ok(Taken::Fork);
        }
        self.push(statement, encoded, now, Step::Key);
        Ok(Taken::Queued)
    }

    /// Takes a statement that this client has just made itself, if it is the next one.
    pub(super) fn take_own(&mut self, encoded: &Bytes, now: Instant) {
        if let Ok(statement) = self.decode(encoded)
            && statement.version == self.newest() + 1
            && statement.previous == self.head()
        {
            self.push(statement, encoded.clone(), now, Step::Verified(Ok(())));
        }
    }

    /// Whether this very statement is in the chain.
    pub(super) fn holds(&self, encoded: &Bytes) -> bool {
        let folded = self.recent.values().any(|kept| kept.encoded == *encoded);
        folded || self.waiting.iter().any(|waiting| waiting.encoded == *encoded)
    }

    /// Asks for keys and verifies whatever can be verified.
    pub(super) fn verify(
        &mut self,
        last_job: &mut u32,
        contacts: &mut Contacts,
        ctx: &mut Context<'_>,
    ) {
        for waiting in &mut self.waiting {
            if !matches!(waiting.step, Step::Key) {
                continue;
            }
            match actor_key(&waiting.statement, waiting.arrived, contacts, ctx) {
                // Members that judged without its key would not agree on who is in the group.
                SenderKey::Pending | SenderKey::Away => {}
                SenderKey::Missing(reason) => waiting.step = Step::Verified(Err(reason)),
                SenderKey::Found(key, _) => {
                    *last_job = last_job.wrapping_add(1);
                    waiting.step = Step::Verifying(*last_job);
                    verify(self.group, *last_job, &waiting.statement, key, ctx);
                }
            }
        }
    }

    /// A worker has verified a statement.
    pub(super) fn on_verified(&mut self, job: u32, result: Result<(), StatementError>) {
        let found =
            self.waiting.iter_mut().find(|w| matches!(w.step, Step::Verifying(n) if n == job));
        if let Some(waiting) = found {
            waiting.step = Step::Verified(result.map_err(|error| error.to_string()));
        }
    }

    /// Folds what is verified, in order; what is to be kept.
    ///
    /// # Errors
    /// There is no roster without a founding statement, or it cannot go on.
    pub(super) fn fold(&mut self) -> Result<Vec<KeptStatement>, Failure> {
        let mut kept = Vec::new();
        while let Some(Step::Verified(verified)) = self.waiting.front().map(|front| &front.step) {
            let verified = verified.clone();
            let front = self.waiting.pop_front().expect("it was looked at");
            let before = self.roster.as_ref().map(Roster::admin);
            let fault = self.apply(&front, verified)?;
            let after = self.roster.as_ref().map(Roster::admin);
            let passes = front.statement.act == Act::Leave && before != after;
            let successor = after.filter(|_| passes);
            let version = front.statement.version;
            let statement = KeptStatement { version, encoded: front.encoded, fault, successor };
            self.recent.insert(version, statement.clone());
            if self.recent.len() > RECENT_MAX {
                self.recent.pop_first();
            }
            kept.push(statement);
        }
        Ok(kept)
    }

    /// Forgets what waits: it is not believed.
    pub(super) fn drop_waiting(&mut self) {
        self.waiting.clear();
    }

    /// What became of a statement that stands in the log.
    ///
    /// # Errors
    /// It is no statement of this group.
    pub(super) fn fate(&mut self, encoded: &Bytes, me: Option<Name>) -> Result<Fate, Failure> {
        let statement = self.decode(encoded)?;
        let version = statement.version;
        if version > self.version() {
            return Ok(match version <= self.newest() {
                true => Fate::Waiting,
                false => Fate::Ahead,
            });
        }
        if let Some(kept) = self.recent.get(&version) {
            return Ok(Fate::Folded(shown(&statement, encoded, Some(kept), me)));
        }
        match self.older.get(&version) {
            None => {
                self.older.insert(version, None);
                Ok(Fate::Stored)
            }
            Some(None) => Ok(Fate::Waiting),
            Some(Some(kept)) => {
                let content = shown(&statement, encoded, kept.as_ref(), me);
                self.older.remove(&version);
                Ok(Fate::Folded(content))
            }
        }
    }

    /// What is verified at `version`.
    pub(super) fn head_at(&self, version: u32) -> HeadAt {
        match (self.recent.get(&version), &self.roster) {
            (Some(kept), _) => HeadAt::Known(Statement::hash(&kept.encoded)),
            (None, Some(roster)) if roster.version() == version => HeadAt::Known(roster.head()),
            // Before the first statement there is nothing to be claimed.
            _ if version == 0 => HeadAt::Known([0; 32]),
            (None, Some(roster)) if version < roster.version() => HeadAt::Stored,
            _ => HeadAt::Ahead,
        }
    }

    /// The store has answered.
    pub(super) fn on_statement(&mut self, version: u32, kept: Option<KeptStatement>) {
        if let Some(slot) = self.older.get_mut(&version) {
            *slot = Some(kept);
        }
    }

    fn version(&self) -> u32 {
        self.roster.as_ref().map_or(0, Roster::version)
    }

    fn head(&self) -> [u8; 32] {
        match (self.waiting.back(), &self.roster) {
            (Some(newest), _) => newest.hash,
            (None, Some(roster)) => roster.head(),
            (None, None) => [0; 32],
        }
    }

    fn decode(&self, encoded: &Bytes) -> Result<Statement, Failure> {
        let statement = Statement::decode(encoded.clone());
        statement.ok().filter(|statement| statement.group == self.group).ok_or_else(|| {
            Failure::unexpected(format!("the home of #{} sent no statement of it", self.group))
        })
    }

    fn push(&mut self, statement: Statement, encoded: Bytes, arrived: Instant, step: Step) {
        let hash = Statement::hash(&encoded);
        self.waiting.push_back(Waiting { statement, encoded, hash, arrived, step });
    }

    /// Whether another statement than this is known to have the place.
    fn holds_other(&self, version: u32, encoded: &Bytes) -> bool {
        let waiting = self.waiting.iter().find(|waiting| waiting.statement.version == version);
        if let Some(waiting) = waiting {
            return waiting.encoded != *encoded;
        }
        match (self.recent.get(&version), &self.roster) {
            (Some(kept), _) => kept.encoded != *encoded,
            (None, Some(roster)) if roster.version() == version => {
                roster.head() != Statement::hash(encoded)
            }
            _ => false,
        }
    }

    /// Folds one statement; why it counts for nothing, if it does not.
    fn apply(
        &mut self,
        next: &Waiting,
        verified: Result<(), String>,
    ) -> Result<Option<String>, Failure> {
        let Some(roster) = &mut self.roster else {
            let created = verified.and_then(|()| {
                Roster::create(&next.statement, next.hash).map_err(|error| error.to_string())
            });
            self.roster = Some(created.map_err(|why| self.unfounded(&why))?);
            return Ok(None);
        };
        let applied = verified.and_then(|()| {
            roster.apply(&next.statement, next.hash).map_err(|error| error.to_string())
        });
        let Err(why) = applied else {
            return Ok(None);
        };
        let passed = roster.pass(&next.statement, next.hash);
        passed.map_err(|error| Failure::unexpected(error.to_string()))?;
        Ok(Some(why))
    }

    fn unfounded(&self, why: &str) -> Failure {
        Failure::new(
            Code::UntrustedKey,
            format!("#{}'s founding cannot be trusted ({why}); do not use it", self.group),
        )
    }
}

/// What a statement did, or would have done.
pub(super) fn describe(statement: &Statement) -> String {
    let (actor, subject) = (&statement.actor, &statement.subject);
    match statement.act {
        Act::Create => format!("{actor} created the group"),
        Act::Join => format!("{actor} joined"),
        Act::Leave => format!("{actor} left"),
        Act::Invite => format!("{actor} invited {subject}"),
        Act::Remove => format!("{actor} removed {subject}"),
        Act::HandOver => format!("{actor} made {subject} the admin"),
        Act::Close => format!("{actor} closed the group"),
    }
}

/// What is shown of a statement that does not count.
pub(super) fn warning(statement: &Statement, why: &str) -> String {
    format!("\"{}\" is claimed but does not count: {why}", describe(statement))
}

/// What a statement that counts did, to `me`.
fn told(statement: &Statement, me: Option<Name>) -> String {
    let Statement { group, actor, subject, .. } = statement;
    match statement.act {
        Act::Remove if Some(*subject) == me => format!("{actor} removed you from #{group}"),
        Act::Close => format!("{actor} closed #{group}"),
        _ => describe(statement),
    }
}

fn shown(
    statement: &Statement,
    encoded: &Bytes,
    kept: Option<&KeptStatement>,
    me: Option<Name>,
) -> ReceivedContent {
    let (fault, successor) = match kept {
        Some(kept) if kept.encoded == *encoded => (kept.fault.clone(), kept.successor),
        Some(_) => {
            let why = "the group's home has shown another statement in its place";
            (Some(why.to_owned()), None)
        }
        None => (Some("it was never verified here".to_owned()), None),
    };
    let act = statement.act;
    let done = told(statement, me);
    match (fault, successor) {
        (None, None) => ReceivedContent::Roster { act, text: done, valid: true },
        (None, Some(admin)) => {
            let text = format!("{done}; {admin} is the admin now");
            ReceivedContent::Roster { act, text, valid: true }
        }
        (Some(why), _) => {
            ReceivedContent::Roster { act, text: warning(statement, &why), valid: false }
        }
    }
}

/// The actor's key; one's own needs no asking.
fn actor_key(
    statement: &Statement,
    arrived: Instant,
    contacts: &mut Contacts,
    ctx: &mut Context<'_>,
) -> SenderKey {
    let id = KeyId(statement.key);
    if ctx.me.name == Some(statement.actor) {
        let Some(identity) = ctx.identity() else {
            return SenderKey::Pending;
        };
        let own = &identity.public().signing;
        if own.id() == id {
            return SenderKey::Found(own.clone(), true);
        }
    }
    contacts.sender((statement.actor, LogId::group(statement.group)), &id, arrived, ctx)
}

fn verify(
    group: Name,
    job: u32,
    statement: &Statement,
    key: SigningPublicKey,
    ctx: &mut Context<'_>,
) {
    let statement = Box::new(statement.clone());
    ctx.work(JobKey::Statement(group, job), Job::VerifyStatement { statement, key });
}
