//! Sign-up, sign-in, resume and sign-out at the account's home: from the question to a claim on the
//! session, or to what ends it.

use bytes::Bytes;
use sha2::{Digest, Sha256};
use storage::{AccountRecord, Change, SessionRecord};
use wire::message::{
    Answer, AnswerBody, EndSession, Message, Question, RegisterSession, Resume, SessionClosed,
    SessionRegistered, SignInChallenge, SignInFinish, SignInStart, SignUpChallenge, SignUpFinish,
    SignUpStart,
};
use wire::{ExchangeId, FaultCode, Kind, Name, Origin, ServerId, SessionEpoch};

use super::account::{Accounts, Asked, Entry, Outcome, Step, Stored, Wish, Work, refuse};
use super::claim::{Awaited, Claim};
use super::event::Alarm;
use super::opaque;
use super::registry::{self, Live};
use super::timer::Timer;
use super::turn::Turn;

impl Accounts {
    /// A seat asks for a client that is on its way to a session.
    pub(super) fn on_question(
        &mut self,
        from: ServerId,
        exchange: ExchangeId,
        question: Question,
        turn: &mut Turn<'_>,
    ) {
        let (name, wish) = match question {
            Question::SignUpStart(start) => return self.on_sign_up(from, exchange, &start, turn),
            Question::SignInFinish(finish) => match self.prove(from, exchange, &finish) {
                Ok(wish) => (finish.name, wish),
                Err(code) => {
                    return refuse(from, exchange, code, Kind::SIGN_IN_FINISH, turn);
                }
            },
            Question::SignUpFinish(finish) => (finish.name, Wish::SignUp(Box::new(finish))),
            Question::SignInStart(start) => (start.name, Wish::Challenge(start)),
            Question::Resume(resume) => (resume.name, Wish::Resume(resume)),
            Question::FetchBundles(_) | Question::AskOpenLog(_) => return,
        };
        let asked = Asked { from, exchange, wish };
        self.wish(name, asked, turn);
    }

    /// A seat's client has gone, or signed out for good.
    pub(super) fn on_session_closed(
        &mut self,
        from: ServerId,
        closed: &SessionClosed,
        turn: &mut Turn<'_>,
    ) {
        let name = closed.account;
        if closed.signed_out {
            let wish = Wish::SignOut(closed.epoch);
            let exchange = ExchangeId(0);
            return self.wish(name, Asked { from, exchange, wish }, turn);
        }
        if let Some(entry) = self.entries.get_mut(&name) {
            entry.detach(from, closed.epoch);
            self.reconsider(name, false, turn);
            self.advance(name, turn);
        }
    }

    /// A seat holds a session that this home may have forgotten.
    pub(super) fn on_register(
        &mut self,
        from: ServerId,
        register: &RegisterSession,
        turn: &mut Turn<'_>,
    ) {
        let (name, origin, epoch) = (register.account, register.origin, register.epoch);
        match self.entries.get(&name).and_then(Entry::under_way) {
            Some(Work { step: Step::Held(..) | Step::Newest(..), .. }) => {
                self.register(name, from, origin, epoch, turn);
                self.reconsider(name, false, turn);
            }
            _ => {
                let wish = Wish::Register(origin, epoch);
                let exchange = ExchangeId(0);
                self.wish(name, Asked { from, exchange, wish }, turn);
            }
        }
    }

    /// Runs one operation on an account that was read.
    pub(super) fn run(&mut self, name: Name, asked: Asked, turn: &mut Turn<'_>) {
        let Asked { from, exchange, wish } = asked;
        let kind = wish.kind();
        let done = match wish {
            Wish::SignUp(finish) => self.sign_up(name, from, exchange, *finish, turn),
            Wish::Challenge(start) => self.challenge(name, from, exchange, &start, turn),
            Wish::SignIn { origin, takeover, sealed_keys } => {
                let claim = Claim {
                    from,
                    exchange,
                    kind,
                    origin,
                    takeover,
                    awaited: Awaited::Nothing,
                    used: None,
                    bundle: Bytes::new(),
                    sealed_keys,
                };
                self.seek_bundle(name, claim, turn);
                Ok(())
            }
            Wish::Resume(resume) => self.resume(name, from, exchange, &resume, turn),
            Wish::SignOut(epoch) => {
                self.sign_out(name, from, epoch, turn);
                Ok(())
            }
            Wish::Register(origin, epoch) => {
                self.register(name, from, origin, epoch, turn);
                Ok(())
            }
        };
        if let Err(code) = done {
            refuse(from, exchange, code, kind, turn);
        }
    }

    fn on_sign_up(
        &mut self,
        from: ServerId,
        exchange: ExchangeId,
        start: &SignUpStart,
        turn: &mut Turn<'_>,
    ) {
        match self.passwords.answer_registration(&start.name, &start.request) {
            Ok(response) => {
                let body = AnswerBody::SignUpChallenge(SignUpChallenge { response });
                turn.tell_server(from, Answer { exchange, body });
            }
            Err(code) => refuse(from, exchange, code, Kind::SIGN_UP_START, turn),
        }
    }

    fn prove(
        &mut self,
        from: ServerId,
        exchange: ExchangeId,
        finish: &SignInFinish,
    ) -> Result<Wish, FaultCode> {
        let proof = &finish.finish;
        let proven = self.passwords.finish_login(from, exchange, &finish.name, proof);
        proven.map(|sealed_keys| Wish::SignIn {
            origin: finish.origin,
            takeover: finish.takeover,
            sealed_keys,
        })
    }

    /// Makes the account, or answers its own sign-up again.
    fn sign_up(
        &mut self,
        name: Name,
        from: ServerId,
        exchange: ExchangeId,
        finish: SignUpFinish,
        turn: &mut Turn<'_>,
    ) -> Result<(), FaultCode> {
        let sign_up_hash = sign_up_hash(&finish);
        let claim = Claim {
            from,
            exchange,
            kind: Kind::SIGN_UP_FINISH,
            origin: finish.origin,
            takeover: false,
            awaited: Awaited::Nothing,
            used: None,
            bundle: finish.bundle.into_bytes(),
            sealed_keys: finish.sealed_keys.into_bytes(),
        };
        if let (Some(account), session) = self.stored(&name) {
            return if account.sign_up_hash != sign_up_hash {
                Err(FaultCode::USERNAME_TAKEN)
            } else if session.token_hash.is_none() || session.origin != finish.origin {
                Err(FaultCode::SIGNED_OUT)
            } else {
                self.admit(name, claim, turn);
                Ok(())
            };
        }
        if claim.bundle.is_empty() {
            return Err(FaultCode::MALFORMED);
        }
        let account = AccountRecord {
            record: opaque::registration(&finish.record)?,
            sign_up_hash,
            sealed_keys: claim.sealed_keys.clone(),
            created: turn.wall,
        };
        turn.metrics.sign_ups += 1;
        self.create(name, account, claim, turn);
        Ok(())
    }

    fn create(&mut self, name: Name, account: AccountRecord, claim: Claim, turn: &mut Turn<'_>) {
        let changes = vec![
            Change::CreateAccount { name, account: account.clone() },
            Change::AddBundle { name, version: 1, bundle: claim.bundle.clone() },
        ];
        let record = SessionRecord::default();
        self.grant(name, (Some(account), record), changes, claim, turn);
    }

    fn challenge(
        &mut self,
        name: Name,
        from: ServerId,
        exchange: ExchangeId,
        start: &SignInStart,
        turn: &mut Turn<'_>,
    ) -> Result<(), FaultCode> {
        let (Some(account), _) = self.stored(&name) else {
            return Err(FaultCode::NO_SUCH_USER);
        };
        let kept = (&account.record, account.sealed_keys.clone());
        let request = &start.request;
        let begun = self.passwords.begin_login(turn.now, (from, exchange), &name, kept, request);
        if begun == Err(FaultCode::RATE_LIMITED) {
            turn.metrics.guesses_refused += 1;
        }
        let body = AnswerBody::SignInChallenge(SignInChallenge { response: begun? });
        self.watch_logins(turn);
        turn.tell_server(from, Answer { exchange, body });
        Ok(())
    }

    /// Some sign-in that was begun may have run out of time.
    pub(super) fn on_logins_due(&mut self, turn: &mut Turn<'_>) {
        self.passwords.expire(turn.now);
        self.is_watching = false;
        self.watch_logins(turn);
    }

    /// One timer watches the oldest sign-in.
    fn watch_logins(&mut self, turn: &mut Turn<'_>) {
        if let (Some(at), false) = (self.passwords.deadline(), self.is_watching) {
            self.is_watching = true;
            turn.timers.arm(at, Timer::Logins);
        }
    }

    fn resume(
        &mut self,
        name: Name,
        from: ServerId,
        exchange: ExchangeId,
        resume: &Resume,
        turn: &mut Turn<'_>,
    ) -> Result<(), FaultCode> {
        let (Some(_), session) = self.stored(&name) else {
            return Err(FaultCode::NO_SUCH_USER);
        };
        let used = registry::good_token(&session, resume.origin, &resume.token);
        let claim = Claim {
            from,
            exchange,
            kind: Kind::RESUME,
            origin: resume.origin,
            takeover: false,
            awaited: Awaited::Nothing,
            used: Some(used.ok_or(FaultCode::SIGNED_OUT)?),
            bundle: Bytes::new(),
            sealed_keys: Bytes::new(),
        };
        self.admit(name, claim, turn);
        Ok(())
    }

    /// Forgets the session's tokens; its seat ends it when that is durable.
    fn sign_out(&mut self, name: Name, from: ServerId, epoch: SessionEpoch, turn: &mut Turn<'_>) {
        let end = EndSession { account: name, epoch, code: FaultCode::SIGNED_OUT };
        let (account, record) = self.stored(&name);
        if record.epoch != epoch {
            return turn.tell_server(from, end);
        }
        let session = SessionRecord { token_hash: None, previous_token_hash: None, ..record };
        let put = Change::PutSession { name, session: session.clone() };
        let outcome = Outcome {
            changes: vec![put],
            account,
            session,
            live: None,
            ended: Some((from, end)),
            answer: None,
        };
        self.write(name, outcome);
    }

    /// Counts a seat's session as live again, unless it has ended meanwhile.
    fn register(
        &mut self,
        name: Name,
        from: ServerId,
        origin: Origin,
        epoch: SessionEpoch,
        turn: &mut Turn<'_>,
    ) {
        let (_, record) = self.stored(&name);
        if epoch == record.epoch && origin == record.origin && record.token_hash.is_some() {
            let entry = self.entries.or_default(name);
            entry.sittings.live = Some(Live { seat: from, epoch, origin, lost: None });
            return turn.tell_server(from, SessionRegistered { account: name, epoch });
        }
        if epoch > record.epoch {
            turn.alarm(Alarm::EpochNeverGiven { epoch, from });
        }
        let code = if epoch >= record.epoch {
            FaultCode::SIGNED_OUT
        } else {
            registry::end_code(origin, record.origin)
        };
        let entry = self.entries.or_default(name);
        entry.sittings.outlive(Live { seat: from, epoch, origin, lost: None });
        let account = name;
        turn.tell_server(from, EndSession { account, epoch, code });
    }

    /// The account, if it exists, and its session record; as of the last change.
    pub(super) fn stored(&self, name: &Name) -> (Option<AccountRecord>, SessionRecord) {
        match self.entries.get(name).and_then(Entry::under_way).map(|work| &work.stored) {
            Some(Stored::Read(records)) => (**records).clone(),
            Some(Stored::Unread | Stored::Reading) | None => (None, SessionRecord::default()),
        }
    }
}

impl Entry {
    /// The session with this epoch has no connection any more at its seat.
    pub(super) fn detach(&mut self, seat: ServerId, epoch: SessionEpoch) {
        self.sittings.close(seat, epoch);
        if let Some(Work { step: Step::Writing(outcome), .. }) = self.under_way_mut() {
            outcome.ended.take_if(|(_, end)| end.epoch == epoch);
        }
    }
}

/// What makes a sign-up the same as another: every byte of its fields.
fn sign_up_hash(finish: &SignUpFinish) -> [u8; 32] {
    let mut fields = bytes::BytesMut::new();
    finish.encode(&mut fields);
    let mut hash = Sha256::new();
    hash.update(b"fastchat sign-up 1");
    hash.update(&fields);
    hash.finalize().into()
}
