//! Someone who proved who they are claims the account's session: granted, refused, or held until
//! the seat of another session has spoken.

use bytes::Bytes;
use storage::{AccountRecord, Change, Read, SessionRecord};
use wire::limits::{LEASE_TIME, PROBE_TIME_MAX};
use wire::message::{
    Answer, AnswerBody, Bundle, EndSession, Probe, ProbeAnswer, SealedKeys, Welcome,
};
use wire::{
    ExchangeId, FaultCode, Instant, Kind, Name, Origin, ServerId, SessionEpoch, Token, Wall,
};

use super::account::{Accounts, Entry, Outcome, Step, refuse};
use super::registry::{self, Live, Sittings, Verdict};
use super::timer::Timer;
use super::turn::{ReadKey, Turn};

/// Someone who proved who they are and wants the account's session.
pub(super) struct Claim {
    pub(super) from: ServerId,
    pub(super) exchange: ExchangeId,
    pub(super) kind: Kind,
    pub(super) origin: Origin,
    pub(super) takeover: bool,
    pub(super) awaited: Awaited,
    /// The hash of the token that a resume showed.
    pub(super) used: Option<[u8; 32]>,
    pub(super) bundle: Bytes,
    pub(super) sealed_keys: Bytes,
}

/// Which word of another session's seat a claim waits for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Awaited {
    /// None, or that of a seat that cannot be reached.
    #[default]
    Nothing,
    /// Whether the client of the session with this epoch answers.
    Alive(SessionEpoch),
    /// That the session with this epoch is over.
    Over(SessionEpoch),
}

impl Accounts {
    /// A seat says whether a probed client answered.
    pub(super) fn on_probe_answer(
        &mut self,
        from: ServerId,
        answer: &ProbeAnswer,
        turn: &mut Turn<'_>,
    ) {
        let name = answer.account;
        let Some(entry) = self.entries.get_mut(&name) else {
            return;
        };
        let probed = entry.sittings.live.is_some_and(|live| live.epoch == answer.epoch);
        if !probed || !entry.is_held() {
            return;
        }
        if !answer.alive {
            entry.detach(from, answer.epoch);
            self.reconsider(name, false, turn);
        } else if let Some(claim) = entry.take_probing(answer.epoch) {
            claim.refuse(FaultCode::ALREADY_LOGGED_IN, turn);
        }
        self.advance(name, turn);
    }

    /// A claim has waited for another session's seat for as long as it may.
    pub(super) fn on_held_timeout(&mut self, name: Name, turn: &mut Turn<'_>) {
        let due = match self.entries.get(&name).and_then(Entry::under_way).map(|work| &work.step) {
            Some(Step::Held(_, until)) => *until <= turn.now,
            _ => false,
        };
        if due {
            self.reconsider(name, true, turn);
            self.advance(name, turn);
        }
    }

    /// A seat has said which sessions it holds: those that it did not name have ended, and claims
    /// that waited to know go on.
    pub(super) fn on_told(&mut self, server: ServerId, turn: &mut Turn<'_>) {
        let is_news = self.untold.remove(&server) | self.lost.remove(&server);
        if !is_news {
            return;
        }
        let mut names = Vec::new();
        for (name, entry) in self.entries.iter_mut() {
            let gone = |live: &Live| live.seat == server && live.lost.is_some();
            if entry.sittings.forget(gone) || entry.is_held() {
                names.push(*name);
            }
        }
        for name in names {
            self.reconsider(name, false, turn);
            self.advance(name, turn);
        }
    }

    /// A part of the key log was read for a sign-in.
    pub(super) fn on_bundles_read(
        &mut self,
        name: Name,
        bundles: Vec<Bytes>,
        complete: bool,
        turn: &mut Turn<'_>,
    ) {
        let Some(entry) = self.entries.get_mut(&name) else {
            return;
        };
        // Who asked may have gone with its seat: the step that followed is none of this.
        let (mut claim, mut after) = match std::mem::take(&mut entry.work().step) {
            Step::Newest(claim, after) => (claim, after),
            other => {
                entry.work().step = other;
                return;
            }
        };
        after += u32::try_from(bundles.len()).expect("at most BUNDLES_MAX");
        if let Some(newest) = bundles.into_iter().next_back() {
            claim.bundle = newest;
        }
        if complete {
            self.admit(name, *claim, turn);
        } else {
            entry.work().step = Step::Newest(claim, after);
            turn.read(ReadKey::NewestBundle(name), Read::Bundles { name, after });
        }
        self.advance(name, turn);
    }

    pub(super) fn seek_bundle(&mut self, name: Name, claim: Claim, turn: &mut Turn<'_>) {
        let entry = self.entries.or_default(name);
        entry.work().step = Step::Newest(Box::new(claim), 0);
        turn.read(ReadKey::NewestBundle(name), Read::Bundles { name, after: 0 });
    }

    /// Grants the session, or waits for who can say whether another lives.
    pub(super) fn admit(&mut self, name: Name, claim: Claim, turn: &mut Turn<'_>) {
        self.decide(name, claim, (None, false), turn);
    }

    /// Something changed for a claim that waits, or its time is over.
    pub(super) fn reconsider(&mut self, name: Name, expired: bool, turn: &mut Turn<'_>) {
        let Some(work) = self.entries.get_mut(&name).and_then(Entry::under_way_mut) else {
            return;
        };
        match std::mem::take(&mut work.step) {
            Step::Held(claim, until) => self.decide(name, *claim, (Some(until), expired), turn),
            other => work.step = other,
        }
    }

    fn decide(
        &mut self,
        name: Name,
        mut claim: Claim,
        (mut until, expired): (Option<Instant>, bool),
        turn: &mut Turn<'_>,
    ) {
        let (account, verdict) = (name, self.judge(&name, &claim, turn));
        match verdict {
            Verdict::Grant => return self.grant_stored(name, claim, turn),
            Verdict::Unknown if expired => return claim.refuse(FaultCode::UNAVAILABLE, turn),
            Verdict::Unknown => {}
            Verdict::Probe(_, epoch) | Verdict::End(_, epoch)
                if expired && claim.awaited == Awaited::Over(epoch) =>
            {
                return claim.refuse(FaultCode::UNAVAILABLE, turn);
            }
            Verdict::Probe(seat, epoch) if claim.is_to_probe(epoch, expired) => {
                if claim.awaits(Awaited::Alive(epoch)) {
                    until = Some(await_word(name, turn));
                }
                turn.tell_server(seat, Probe { account, epoch });
            }
            // After a probe, silence means detached. What still acts for it has to stop first.
            Verdict::Probe(seat, epoch) | Verdict::End(seat, epoch) => {
                if claim.awaits(Awaited::Over(epoch)) {
                    until = Some(await_word(name, turn));
                }
                let code = FaultCode::ALREADY_LOGGED_IN;
                turn.tell_server(seat, EndSession { account, epoch, code });
            }
        }
        let until = until.unwrap_or_else(|| await_word(name, turn));
        let entry = self.entries.or_default(name);
        entry.work().step = Step::Held(Box::new(claim), until);
    }

    fn judge(&self, name: &Name, claim: &Claim, turn: &Turn<'_>) -> Verdict {
        let all_told = self.untold.is_empty() || turn.now.since(self.started) >= LEASE_TIME;
        let settled = all_told && self.is_slot_settled(name, turn.now);
        let (_, session) = self.stored(name);
        let nobody = Sittings::default();
        let sittings = self.entries.get(name).map_or(&nobody, |entry| &entry.sittings);
        let (origin, takeover) = (claim.origin, claim.takeover);
        registry::judge(sittings, &session, settled, origin, takeover, turn.now)
    }

    fn grant_stored(&mut self, name: Name, claim: Claim, turn: &mut Turn<'_>) {
        let stored = self.stored(&name);
        self.grant(name, stored, Vec::new(), claim, turn);
    }

    /// Writes the next session; it begins when that is durable.
    pub(super) fn grant(
        &mut self,
        name: Name,
        (account, record): (Option<AccountRecord>, SessionRecord),
        mut changes: Vec<Change>,
        claim: Claim,
        turn: &mut Turn<'_>,
    ) {
        let token = Token(self.entropy.bytes());
        let session =
            registry::next_session(&record, self.lowest_epoch, claim.origin, &token, claim.used);
        match claim.kind {
            Kind::RESUME => turn.metrics.resumes += 1,
            _ => turn.metrics.sign_ins += 1,
        }
        changes.push(Change::PutSession { name, session: session.clone() });
        let live =
            Live { seat: claim.from, epoch: session.epoch, origin: claim.origin, lost: None };
        let former = self.entries.get(&name).and_then(|entry| entry.sittings.live);
        let outcome = Outcome {
            changes,
            account,
            live: Some(live),
            ended: former.map(|former| ended(name, &former, claim.origin)),
            answer: Some(claim.welcome(name, session.epoch, token, turn.wall)),
            session,
        };
        self.write(name, outcome);
    }
}

impl Entry {
    /// The claim that waits for the answer to this probe.
    pub(super) fn take_probing(&mut self, epoch: SessionEpoch) -> Option<Claim> {
        let work = self.under_way_mut()?;
        match std::mem::take(&mut work.step) {
            Step::Held(claim, _) if claim.awaited == Awaited::Alive(epoch) => Some(*claim),
            other => {
                work.step = other;
                None
            }
        }
    }
}

/// A claim waits for a seat's word until then.
fn await_word(name: Name, turn: &mut Turn<'_>) -> Instant {
    let until = turn.now + PROBE_TIME_MAX;
    turn.timers.arm(until, Timer::Held(Box::new(name)));
    until
}

impl Claim {
    /// Waits for this word; whether it is another than before.
    fn awaits(&mut self, word: Awaited) -> bool {
        std::mem::replace(&mut self.awaited, word) != word
    }

    /// Whether the live session is asked first: it has not been, or may still answer.
    fn is_to_probe(&self, epoch: SessionEpoch, expired: bool) -> bool {
        match self.awaited {
            Awaited::Alive(asked) if asked == epoch => !expired,
            Awaited::Over(ending) => ending != epoch,
            Awaited::Nothing | Awaited::Alive(_) => true,
        }
    }

    fn refuse(&self, code: FaultCode, turn: &mut Turn<'_>) {
        refuse(self.from, self.exchange, code, self.kind, turn);
    }

    fn welcome(
        self,
        name: Name,
        epoch: SessionEpoch,
        token: Token,
        at: Wall,
    ) -> (ServerId, Answer) {
        let welcome = Welcome {
            name,
            epoch,
            token,
            bundle: Bundle::new(self.bundle).expect("read or checked below its limit"),
            sealed_keys: SealedKeys::new(self.sealed_keys).expect("checked below its limit"),
            at,
        };
        let exchange = self.exchange;
        let body = AnswerBody::Welcome(welcome);
        (self.from, Answer { exchange, body })
    }
}

fn ended(account: Name, former: &Live, by: Origin) -> (ServerId, EndSession) {
    let end =
        EndSession { account, epoch: former.epoch, code: registry::end_code(former.origin, by) };
    (former.seat, end)
}
