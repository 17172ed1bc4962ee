//! The home's accounts: operations on one account run one after the other, each against what is
//! stored or about to be, and are answered when their changes are durable.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use storage::{AccountRecord, Batch, Change, Read, SessionRecord};
use wire::limits::{ACCOUNT_WAITING_MAX, LEASE_TIME};
use wire::message::{Answer, AnswerBody, EndSession, Fault, Resume, SignInStart, SignUpFinish};
use wire::{ExchangeId, FaultCode, Instant, Kind, Name, Origin, ServerId, SessionEpoch, Slot};

use super::arrived::Arrived;
use super::claim::Claim;
use super::entries::Entries;
use super::entropy::Entropy;
use super::password::Passwords;
use super::registry::{self, Live, Sittings};
use super::timer::Timer;
use super::turn::{ReadKey, Turn};

/// Reads of accounts that may be unanswered. Seats may register more sessions at once than the
/// store takes reads; the other reads are the logs' (half of them at most) and the key logs'.
const ACCOUNT_READS_MAX: usize = storage::READS_MAX / 4;

/// Every account whose home is this server, as far as something is going on with it.
pub(super) struct Accounts {
    pub(super) passwords: Passwords,
    pub(super) entropy: Entropy,
    /// Of the sessions that are granted here.
    pub(super) lowest_epoch: SessionEpoch,
    pub(super) entries: Entries,
    /// Seats that have not said which sessions they hold since this home began.
    pub(super) untold: BTreeSet<ServerId>,
    pub(super) started: Instant,
    /// Slots that have come here since, and of whose sessions not every seat has spoken.
    pub(super) arrived: BTreeMap<Slot, Arrived>,
    /// Accounts of slots that were closed, as long as they are in memory.
    pub(super) leaving: Vec<Name>,
    /// [`Timer::Logins`] is armed.
    pub(super) is_watching: bool,
    /// Seats whose link was lost since they last said which sessions they hold.
    pub(super) lost: BTreeSet<ServerId>,
    /// Reads of accounts that are unanswered.
    reads: usize,
    /// Accounts that are to be read when there is room, one entry each.
    unread: VecDeque<Name>,
    /// Accounts whose changes wait for a batch.
    changed: Vec<Name>,
    /// Accounts whose changes are in the batch in flight.
    in_flight: Vec<Name>,
}

/// One account: kept while a seat may act for it or something waits for it.
#[derive(Default)]
pub(super) struct Entry {
    pub(super) sittings: Sittings,
    /// `None` while nothing is going on: most accounts rest most of the time.
    work: Option<Box<Work>>,
}

/// What is going on with one account.
#[derive(Default)]
pub(super) struct Work {
    pub(super) stored: Stored,
    pub(super) step: Step,
    pub(super) waiting: VecDeque<Asked>,
}

/// What is known of the account's records.
#[derive(Default)]
pub(super) enum Stored {
    #[default]
    Unread,
    Reading,
    /// The account, if it exists, and its session record.
    Read(Box<(Option<AccountRecord>, SessionRecord)>),
}

/// What the account's current operation waits for.
#[derive(Default)]
pub(super) enum Step {
    /// Nothing: the next one may run.
    #[default]
    Idle,
    /// The newest link of its key log; links up to this version were read.
    Newest(Box<Claim>, u32),
    /// Another session's seat, until this instant.
    Held(Box<Claim>, Instant),
    /// Its changes to be durable.
    Writing(Box<Outcome>),
}

/// Changes on their way to the disk, and what is true and said when they are there.
pub(super) struct Outcome {
    pub(super) changes: Vec<Change>,
    pub(super) account: Option<AccountRecord>,
    pub(super) session: SessionRecord,
    pub(super) live: Option<Live>,
    /// An older session that ends now, and where it sits.
    pub(super) ended: Option<(ServerId, EndSession)>,
    /// `None` when who asked is gone.
    pub(super) answer: Option<(ServerId, Answer)>,
}

/// An operation and who asked for it.
pub(super) struct Asked {
    pub(super) from: ServerId,
    pub(super) exchange: ExchangeId,
    pub(super) wish: Wish,
}

/// What is asked of an account.
pub(super) enum Wish {
    SignUp(Box<SignUpFinish>),
    Challenge(SignInStart),
    /// The password was proven.
    SignIn {
        origin: Origin,
        takeover: bool,
        sealed_keys: Bytes,
    },
    Resume(Resume),
    SignOut(SessionEpoch),
    Register(Origin, SessionEpoch),
}

impl Wish {
    /// The client's message that this serves; 0 for what seats say on their own.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::SignUp(_) => Kind::SIGN_UP_FINISH,
            Self::Challenge(_) => Kind::SIGN_IN_START,
            Self::SignIn { .. } => Kind::SIGN_IN_FINISH,
            Self::Resume(_) => Kind::RESUME,
            Self::SignOut(_) => Kind::SIGN_OUT,
            Self::Register(..) => Kind::REGISTER_SESSION,
        }
    }
}

impl Accounts {
    pub(super) fn new(
        passwords: Passwords,
        entropy: Entropy,
        lowest_epoch: SessionEpoch,
        (untold, started): (BTreeSet<ServerId>, Instant),
        secret: &[u8; 16],
    ) -> Self {
        Self {
            passwords,
            entropy,
            lowest_epoch,
            entries: Entries::new(secret),
            untold,
            started,
            arrived: BTreeMap::new(),
            leaving: Vec::new(),
            is_watching: false,
            lost: BTreeSet::new(),
            reads: 0,
            unread: VecDeque::new(),
            changed: Vec::new(),
            in_flight: Vec::new(),
        }
    }

    /// Queues an operation behind those of the same account.
    pub(super) fn wish(&mut self, name: Name, asked: Asked, turn: &mut Turn<'_>) {
        let entry = self.entries.or_default(name).work();
        let spoken_for = matches!(asked.wish, Wish::Register(..) | Wish::SignOut(_));
        if entry.waiting.len() >= ACCOUNT_WAITING_MAX && !spoken_for {
            let kind = asked.wish.kind();
            return refuse(asked.from, asked.exchange, FaultCode::UNAVAILABLE, kind, turn);
        }
        if matches!(asked.wish, Wish::Register(..)) {
            // Who decides on a claim must know who is live.
            entry.waiting.push_front(asked);
        } else {
            entry.waiting.push_back(asked);
        }
        self.advance(name, turn);
    }

    /// Runs what can run for this account; forgets it when nothing is left.
    pub(super) fn advance(&mut self, name: Name, turn: &mut Turn<'_>) {
        loop {
            let Some(entry) = self.entries.get_mut(&name).and_then(Entry::under_way_mut) else {
                return self.rest(&name);
            };
            if !matches!(entry.step, Step::Idle) {
                return;
            }
            // Even when nobody waits any more: a second read could bring what was true before it.
            let is_reading = matches!(entry.stored, Stored::Reading);
            if entry.waiting.is_empty() && !is_reading {
                return self.rest(&name);
            }
            match entry.stored {
                Stored::Unread => {
                    entry.stored = Stored::Reading;
                    return self.read(name, turn);
                }
                Stored::Reading => return,
                Stored::Read(..) => {}
            }
            if let Some(asked) = entry.waiting.pop_front() {
                self.run(name, asked, turn);
            }
        }
    }

    /// The account was read.
    pub(super) fn on_account_read(
        &mut self,
        name: Name,
        account: Option<AccountRecord>,
        session: Option<SessionRecord>,
        turn: &mut Turn<'_>,
    ) {
        self.reads -= 1;
        if let Some(next) = self.unread.pop_front() {
            self.read(next, turn);
        }
        if let Some(entry) = self.entries.get_mut(&name).map(Entry::work)
            && matches!(entry.stored, Stored::Reading)
        {
            entry.stored = Stored::Read(Box::new((account, session.unwrap_or_default())));
        }
        self.advance(name, turn);
    }

    /// Some changes wait for a batch.
    pub(super) fn has_changes(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Puts every waiting change into the batch.
    pub(super) fn compose(&mut self, batch: &mut Batch) {
        assert!(self.in_flight.is_empty(), "one batch is in flight at most");
        self.in_flight = std::mem::take(&mut self.changed);
        for name in &self.in_flight {
            if let Some(entry) = self.entries.get_mut(name)
                && let Step::Writing(outcome) = &mut entry.work().step
            {
                batch.changes.append(&mut outcome.changes);
            }
        }
    }

    /// The batch last composed is durable: what waited for it is true and said.
    pub(super) fn on_committed(&mut self, turn: &mut Turn<'_>) {
        for name in std::mem::take(&mut self.in_flight) {
            self.conclude(name, turn);
            self.advance(name, turn);
        }
    }

    /// Begins to write; `outcome` comes true with the next batch.
    pub(super) fn write(&mut self, name: Name, outcome: Outcome) {
        let entry = self.entries.or_default(name);
        entry.work().step = Step::Writing(Box::new(outcome));
        self.changed.push(name);
    }

    /// How many accounts are in memory.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// A seat that was last `heard` then is lost: nobody there waits any more, and its sessions may
    /// live or not.
    pub(super) fn on_link_lost(&mut self, server: ServerId, heard: Instant, turn: &mut Turn<'_>) {
        self.passwords.on_link_lost(server);
        self.lost.insert(server);
        turn.timers.arm(heard + LEASE_TIME, Timer::Leases);
        let names: Vec<Name> = self.entries.iter().map(|(name, _)| *name).collect();
        for name in names {
            if let Some(entry) = self.entries.get_mut(&name) {
                entry.on_link_lost(server, heard);
            }
            self.advance(name, turn);
        }
    }

    /// Sessions of seats whose lease is over are forgotten: they no longer block anyone.
    pub(super) fn on_leases_due(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now;
        let mut names = Vec::new();
        for (name, entry) in self.entries.iter_mut() {
            if entry.sittings.forget(|live| registry::is_lapsed(live, now)) {
                names.push(*name);
            }
        }
        for name in names {
            self.reconsider(name, false, turn);
            self.advance(name, turn);
        }
    }

    fn read(&mut self, name: Name, turn: &mut Turn<'_>) {
        if self.reads >= ACCOUNT_READS_MAX {
            return self.unread.push_back(name);
        }
        self.reads += 1;
        turn.read(ReadKey::Account(name), Read::Account { name });
    }

    fn conclude(&mut self, name: Name, turn: &mut Turn<'_>) {
        let Some(entry) = self.entries.get_mut(&name) else {
            return;
        };
        let Step::Writing(outcome) = std::mem::take(&mut entry.work().step) else {
            return;
        };
        let epoch = outcome.session.epoch;
        let below = match outcome.live {
            Some(_) => epoch,
            None => SessionEpoch(epoch.0 + 1),
        };
        turn.outdated.push((name, below));
        entry.work().stored = Stored::Read(Box::new((outcome.account, outcome.session)));
        // Who signed out has said that it acts no more: that is no newer session.
        entry.sittings.live.take_if(|live| live.epoch == epoch);
        entry.sittings.succeed(outcome.live);
        if let Some((seat, end)) = outcome.ended {
            turn.tell_server(seat, end);
        }
        if let Some((from, answer)) = outcome.answer {
            turn.tell_server(from, answer);
        }
    }

    /// Nothing waits: only who may be acted for is kept.
    fn rest(&mut self, name: &Name) {
        match self.entries.get_mut(name) {
            Some(entry) if !entry.sittings.is_empty() => entry.work = None,
            Some(_) => {
                self.entries.remove(name);
            }
            None => {}
        }
    }
}

impl Entry {
    /// What is going on with it, to be changed.
    pub(super) fn work(&mut self) -> &mut Work {
        self.work.get_or_insert_default()
    }

    /// The same, to be looked at.
    pub(super) fn under_way(&self) -> Option<&Work> {
        self.work.as_deref()
    }

    /// The same, to be changed; an account that rests stays at rest.
    pub(super) fn under_way_mut(&mut self) -> Option<&mut Work> {
        self.work.as_deref_mut()
    }

    /// Whether a claim waits for another session's seat.
    pub(super) fn is_held(&self) -> bool {
        self.under_way().is_some_and(|work| matches!(work.step, Step::Held(..)))
    }

    fn on_link_lost(&mut self, server: ServerId, heard: Instant) {
        if let Some(work) = &mut self.work {
            work.on_link_lost(server);
        }
        self.sittings.lose(server, heard);
    }
}

impl Work {
    fn on_link_lost(&mut self, server: ServerId) {
        self.waiting.retain(|asked| asked.from != server);
        match &mut self.step {
            Step::Newest(claim, _) | Step::Held(claim, _) if claim.from == server => {
                self.step = Step::Idle;
            }
            Step::Writing(outcome) => {
                outcome.answer.take_if(|(from, _)| *from == server);
                outcome.live.take_if(|live| live.seat == server);
            }
            Step::Idle | Step::Newest(..) | Step::Held(..) => {}
        }
    }
}

/// Answers a seat's question with a fault.
pub(super) fn refuse(
    from: ServerId,
    exchange: ExchangeId,
    code: FaultCode,
    kind: Kind,
    turn: &mut Turn<'_>,
) {
    turn.metrics.refusals += 1;
    let body = AnswerBody::Fault(Fault::about(code, kind, 0));
    turn.tell_server(from, Answer { exchange, body });
}

#[cfg(test)]
mod tests {
    use wire::{ServerId, SessionEpoch};

    use super::Entry;

    #[test]
    fn what_ends_a_session_gives_an_account_nothing_to_do() {
        let mut entry = Entry::default();
        entry.detach(ServerId(1), SessionEpoch(1));
        entry.leave();
        assert!(entry.take_probing(SessionEpoch(1)).is_none());
        assert!(entry.under_way().is_none());
    }
}
