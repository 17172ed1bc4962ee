//! How the core's parts work together: each event goes to its part, then every part does what it
//! can do now.

use wire::message::{Fault, Pong, Receipt, ToClient};
use wire::{FaultCode, Frame, Instant, Kind, LogHandle, LogKind, RequestId};

use super::asks::{Ask, answer};
use super::auth::{Auth, Outcome};
use super::contacts::Contacts;
use super::context::Context;
use super::event::{Command, Effect, Event, LinkId, Notice, Outgoing, Request, StoreOp, Stored};
use super::grant_answers::GrantAnswers;
use super::grants::Grants;
use super::groups::Groups;
use super::handles::HandleState;
use super::inbox::Inbox;
use super::job::{JobKey, JobResult};
use super::link::{self, Happened, Link};
use super::new_origin;
use super::outbox::Outbox;
use super::transfers::Transfers;
use crate::failure::{Code, Failure};
use crate::store::KnownServers;

/// Before a home that could not open a log is asked again.
const OPEN_PAUSE: std::time::Duration = std::time::Duration::from_millis(300);

/// The parts, and the questions that wait for them.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) link: Link,
    pub(super) auth: Auth,
    pub(super) contacts: Contacts,
    pub(super) outbox: Outbox,
    pub(super) inbox: Inbox,
    pub(super) transfers: Transfers,
    pub(super) groups: Groups,
    pub(super) grants: Grants,
    pub(super) grant_answers: GrantAnswers,
    pub(super) asks: Vec<Ask>,
}

impl Parts {
    pub(super) fn new(servers: KnownServers) -> Self {
        Self {
            link: Link::new(servers),
            auth: Auth::new(),
            contacts: Contacts::default(),
            outbox: Outbox::default(),
            inbox: Inbox::default(),
            transfers: Transfers::default(),
            groups: Groups::default(),
            grants: Grants::default(),
            grant_answers: GrantAnswers::default(),
            asks: Vec::new(),
        }
    }

    /// The seat's connection while a session is on.
    pub(super) fn seat(&self) -> Option<LinkId> {
        self.link.online()
    }

    pub(super) fn is_outbox_empty(&self) -> bool {
        self.outbox.is_empty() && !self.transfers.is_uploading()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        [
            self.link.deadline(),
            self.contacts.deadline(),
            self.outbox.deadline(),
            self.inbox.deadline(),
            self.transfers.deadline(),
            self.groups.deadline(),
            self.grants.deadline(),
            self.grant_answers.deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    pub(super) fn on_event(&mut self, event: Event, ctx: &mut Context<'_>) {
        match event {
            Event::Opened { link } => {
                let happened = self.link.on_opened(link, ctx);
                self.on_happened(happened, ctx);
            }
            Event::Routers { count } => self.link.on_routers(count),
            Event::Frame { link, frame } => {
                let happened = self.link.on_frame(link, frame, ctx);
                self.on_happened(happened, ctx);
            }
            Event::Closed { link, cause } => {
                let happened = self.link.on_closed(link, cause, ctx);
                self.on_happened(happened, ctx);
            }
            Event::Stored(stored) => self.on_stored(stored, ctx),
            Event::Worked { key, result } => self.on_worked(key, result, ctx),
            Event::Command(command) => self.on_command(command, ctx),
            Event::TurnEnded => self.inbox.on_turn_ended(ctx),
            Event::Timeout => self.on_timeout(ctx),
        }
    }

    /// Lets every part do what it can do now.
    pub(super) fn pump(&mut self, ctx: &mut Context<'_>) {
        self.pump_asks(ctx);
        self.pump_link(ctx);
        self.inbox.pump_ends(&mut self.groups, ctx);
        self.groups.pump(&mut self.contacts, ctx);
        self.outbox.pump(&mut self.contacts, &mut self.groups, ctx);
        self.pump_inbox(ctx);
        self.transfers.pump(ctx);
        if self.outbox.is_worn_out() {
            self.begin_origin(ctx);
        }
    }

    fn pump_link(&mut self, ctx: &mut Context<'_>) {
        if !self.link.is_idle() && !self.link.is_rested(ctx.now) {
            return;
        }
        if let Some(name) = self.auth.wants_link(ctx) {
            self.link.start(name, ctx);
        }
    }

    fn on_command(&mut self, command: Command, ctx: &mut Context<'_>) {
        match command {
            Command::SignUp { name, password } => {
                self.leave(ctx);
                self.auth.sign_up(name, password, ctx);
            }
            Command::SignIn { name, password, takeover } => {
                self.leave(ctx);
                self.auth.sign_in(name, password, takeover, ctx);
            }
            Command::Stop => self.leave(ctx),
            Command::Shown(upto) => self.inbox.on_shown(upto, ctx),
            Command::Ask { ticket, request } => {
                self.asks.push(Ask { ticket, request, begun: false });
            }
        }
    }

    fn on_happened(&mut self, happened: Happened, ctx: &mut Context<'_>) {
        match happened {
            Happened::Nothing => {}
            Happened::SeatOpened(link) => {
                let outcome = self.auth.on_seat_opened(link, ctx);
                self.on_outcome(outcome, ctx);
            }
            Happened::SeatFrame(frame) => self.on_seat_frame(&frame, ctx),
            Happened::Failed => self.on_offline(ctx),
        }
    }

    fn on_seat_frame(&mut self, frame: &Frame, ctx: &mut Context<'_>) {
        match ToClient::decode(frame) {
            Ok(message) if ctx.seat.is_some() => self.on_message(message, ctx),
            Ok(message) => self.on_early_message(message, ctx),
            Err(error) => {
                let text = format!("the server's answer is broken ({error})");
                self.fail(Failure::unexpected(text), ctx);
            }
        }
    }

    fn on_early_message(&mut self, message: ToClient, ctx: &mut Context<'_>) {
        let outcome = match message {
            ToClient::SignUpChallenge(challenge) => self.auth.on_sign_up_challenge(challenge, ctx),
            ToClient::SignInChallenge(challenge) => self.auth.on_sign_in_challenge(challenge, ctx),
            ToClient::Welcome(welcome) => self.auth.on_welcome(welcome, ctx),
            ToClient::Fault(fault) if is_about_sign_in(&fault) => self.auth.on_fault(&fault, ctx),
            ToClient::Fault(fault) => Outcome::Retry(link::failure(&fault)),
            ToClient::SessionEnded(ended) => self.auth.on_session_ended(&ended),
            ToClient::Ping(ping) => self.pong(ping.nonce, ctx),
            _ => Outcome::Nothing,
        };
        self.on_outcome(outcome, ctx);
    }

    fn on_message(&mut self, message: ToClient, ctx: &mut Context<'_>) {
        match message {
            ToClient::LogOpened(opened) => {
                let state = HandleState::Open(opened.base);
                ctx.handles.settle(opened.handle, state);
            }
            ToClient::Accepted(accepted) => self.outbox.on_accepted(&accepted, ctx),
            ToClient::Refused(refused) => self.on_refused(&refused, ctx),
            ToClient::Unavailable(gone) => self.outbox.on_unavailable(gone.handle, ctx),
            ToClient::Up(up) => self.outbox.on_up(up.handle, ctx),
            ToClient::Deliver(deliver) => {
                if let Err(failure) = self.inbox.on_deliver(deliver, ctx) {
                    self.fail(failure, ctx);
                }
            }
            ToClient::CaughtUp(caught_up) => self.inbox.on_caught_up(&caught_up, ctx),
            ToClient::Receipt(receipt) => on_receipt(&receipt, ctx),
            ToClient::Bundles(bundles) => self.contacts.on_bundles(bundles, ctx),
            ToClient::GroupChallenge(challenge) => self.groups.on_challenge(challenge, ctx),
            ToClient::RosterChanged(changed) => self.groups.on_roster_changed(&changed, ctx),
            ToClient::Roster(roster) => self.groups.on_roster(roster, ctx),
            ToClient::GroupNoted(noted) => self.groups.on_noted(&noted, ctx),
            ToClient::Groups(groups) => self.groups.on_noted_groups(groups, ctx),
            ToClient::GrantsPut(put) => self.on_grants_put(&put, ctx),
            ToClient::Grant(grant) => self.grants.on_grant(grant, ctx),
            ToClient::Ping(ping) => {
                self.pong(ping.nonce, ctx);
            }
            ToClient::BlobState(state) => self.transfers.on_blob_state(&state, ctx),
            ToClient::Chunk(chunk) => self.transfers.on_chunk(chunk, ctx),
            ToClient::SessionEnded(ended) => {
                let outcome = self.auth.on_session_ended(&ended);
                self.on_outcome(outcome, ctx);
            }
            ToClient::Fault(fault) => self.on_fault(&fault, ctx),
            ToClient::Ready(_)
            | ToClient::Pong(_)
            | ToClient::SignUpChallenge(_)
            | ToClient::SignInChallenge(_)
            | ToClient::Welcome(_) => {}
        }
    }

    fn on_fault(&mut self, fault: &Fault, ctx: &mut Context<'_>) {
        match (Kind(fault.about), fault.code) {
            (_, FaultCode::SIGNED_OUT) => {
                let outcome = self.auth.on_fault(fault, ctx);
                self.on_outcome(outcome, ctx);
            }
            (Kind::OPEN_LOG, code) => {
                let pause = ctx.now + ctx.jitter(OPEN_PAUSE);
                let state = match Code::from(code) {
                    Code::Unavailable => HandleState::Pausing(pause),
                    _ => HandleState::Failed(code, ctx.now),
                };
                ctx.handles.settle(LogHandle(fault.reference), state);
            }
            (Kind::BEGIN_BLOB | Kind::PUT_CHUNK | Kind::FETCH_CHUNK, code) => {
                self.transfers.on_fault(RequestId(fault.reference), code, ctx);
            }
            (Kind::FETCH_BUNDLES | Kind::FETCH_KEY_LOG, code) => {
                let request = RequestId(fault.reference);
                self.contacts.on_fault(request, code, ctx);
            }
            (
                Kind::GROUP_START
                | Kind::CHANGE_ROSTER
                | Kind::FETCH_ROSTER
                | Kind::NOTE_GROUP
                | Kind::LIST_GROUPS,
                code,
            ) => self.groups.on_fault(RequestId(fault.reference), code, ctx),
            (Kind::PUT_GRANTS, code) => {
                self.on_grants_fault(RequestId(fault.reference), code, ctx);
            }
            (Kind::FETCH_GRANT, code) => {
                self.grants.on_fault(RequestId(fault.reference), code, ctx);
            }
            (Kind::ATTACH, code) => self.on_attach_fault(LogHandle(fault.reference), code, ctx),
            (_, FaultCode::DRAINING) => {
                self.link.move_on(ctx);
                self.on_offline(ctx);
            }
            _ => self.fail(link::failure(fault), ctx),
        }
    }

    fn on_stored(&mut self, stored: Stored, ctx: &mut Context<'_>) {
        let link = self.link.seat();
        match stored {
            Stored::Identity(keys) => {
                ctx.me.keys = keys;
                let outcome = self.auth.on_keys_loaded(ctx);
                self.on_outcome(outcome, ctx);
            }
            Stored::SignUpSaved => self.auth.on_sign_up_saved(link, ctx),
            Stored::SessionSaved => {
                let outcome = self.auth.on_session_saved(link, ctx);
                self.on_outcome(outcome, ctx);
            }
            Stored::OriginBegun => {}
            Stored::Outbox { lanes, drafts } => self.outbox.on_loaded(lanes, drafts),
            Stored::PostSealed { id, log } => self.outbox.on_saved(log, id),
            Stored::DraftGone { id, log } => self.outbox.on_gone(log, id),
            Stored::Uploads(uploads) => self.transfers.on_loaded(uploads),
            Stored::UploadRead { blob, index, chunk } => {
                self.transfers.on_read(blob, index, chunk, ctx);
            }
            Stored::Download { message, download } => {
                self.transfers.on_sought(message, download, ctx);
            }
            Stored::Redrafted { draft, previous } => self.outbox.on_redrafted(draft, previous),
            Stored::Session(answer) => self.on_session_answer(answer, ctx),
            Stored::Cursor { log, cursor } => self.inbox.on_cursor(log, cursor),
            Stored::Received { log, cursor, new } => {
                self.inbox.on_received(log, cursor, new, ctx);
            }
            Stored::Contact { name, contact } => self.contacts.on_loaded(name, contact, ctx),
            Stored::Groups(groups) => self.groups.on_groups_loaded(groups, ctx),
            Stored::Group { name, record } => {
                self.groups.on_loaded(name, record.map(|record| *record), ctx);
            }
            Stored::Statement { group, version, statement } => {
                self.groups.on_statement_loaded(group, version, statement, ctx);
            }
            Stored::Contradicted(warning) => ctx.notify(Notice::Received(vec![warning])),
        }
    }

    fn on_worked(&mut self, key: JobKey, result: JobResult, ctx: &mut Context<'_>) {
        match (key, result) {
            (JobKey::Auth(attempt), result) => {
                let link = self.link.seat();
                let outcome = self.auth.on_worked(attempt, result, link, ctx);
                self.on_outcome(outcome, ctx);
            }
            (JobKey::Sealing(log, job), JobResult::Grant(result)) => {
                self.outbox.on_worked((log, job), result, ctx);
            }
            (JobKey::Grant(place), JobResult::Grant(result)) => {
                self.on_grant_worked(place, result, ctx);
            }
            (JobKey::GrantAnswer(number), JobResult::Grant(result)) => {
                self.grant_answers.on_worked(number, result);
            }
            (JobKey::KeyLog(name, number), JobResult::KeyLog(result)) => {
                self.contacts.on_verified(name, number, result, ctx);
            }
            (JobKey::Statement(group, job), JobResult::VerifiedStatement(result)) => {
                self.groups.on_verified(group, job, result, ctx);
            }
            (JobKey::Change(job), JobResult::SignedStatement(result)) => {
                self.groups.on_signed(job, result, ctx);
            }
            (JobKey::Change(job), JobResult::GroupProof(result)) => {
                self.groups.on_proof(job, result, ctx);
            }
            (key, result) => unreachable!("{key:?} was answered with {result:?}"),
        }
    }

    fn on_timeout(&mut self, ctx: &mut Context<'_>) {
        let happened = self.link.on_timeout(ctx);
        self.on_happened(happened, ctx);
        ctx.handles.on_timeout(ctx.now);
        self.contacts.on_timeout(ctx);
        self.outbox.on_timeout(ctx);
        self.groups.on_timeout(ctx);
        self.grants.on_timeout(ctx.now);
        self.grant_answers.on_timeout(ctx.now);
    }

    fn on_outcome(&mut self, outcome: Outcome, ctx: &mut Context<'_>) {
        match outcome {
            Outcome::Nothing => {}
            Outcome::Online => {
                self.link.settle(ctx);
                ctx.seat = self.link.online();
                ctx.notify(Notice::Online);
                self.contacts.on_online(ctx);
                self.outbox.load(ctx);
                self.transfers.load(ctx);
                self.grant_answers.load(ctx);
            }
            Outcome::Retry(failure) => self.fail(failure, ctx),
            Outcome::Ended => self.leave(ctx),
            Outcome::Over(failure) => self.end_session(&failure, ctx),
        }
    }

    /// Closes the connection and tries again after a pause.
    fn fail(&mut self, failure: Failure, ctx: &mut Context<'_>) {
        self.link.fail(failure, ctx);
        self.on_offline(ctx);
    }

    /// Closes the connection and gives up what was being attempted.
    fn leave(&mut self, ctx: &mut Context<'_>) {
        self.inbox.take_leave(ctx);
        self.auth.stop();
        self.link.stop(ctx);
        self.on_offline(ctx);
    }

    fn on_offline(&mut self, ctx: &mut Context<'_>) {
        ctx.seat = None;
        ctx.handles.clear();
        self.auth.on_offline();
        self.contacts.on_offline();
        self.outbox.on_offline();
        self.inbox.on_offline();
        self.transfers.on_offline();
        self.groups.on_offline(ctx);
        self.grants.on_offline();
        self.grant_answers.on_offline();
        for ask in &mut self.asks {
            ask.begun = false;
        }
    }

    fn end_session(&mut self, failure: &Failure, ctx: &mut Context<'_>) {
        self.leave(ctx);
        ctx.me.session = None;
        ctx.store(StoreOp::EndSession);
        for ask in std::mem::take(&mut self.asks) {
            let result = match ask.request {
                Request::SignOut => Ok(()),
                _ => Err(failure.clone()),
            };
            answer(ask.ticket, result, ctx);
        }
        self.inbox.end(failure, ctx);
        self.transfers.end(failure, ctx);
        self.groups.end_all(failure, ctx);
        ctx.notify(Notice::SessionOver(failure.clone()));
    }

    /// The numbers of this installation were used elsewhere, as after the restoring of an old copy
    /// of the data directory: begin a new one, and leave it to the user to send again.
    fn begin_origin(&mut self, ctx: &mut Context<'_>) {
        let origin = new_origin(ctx.rng);
        ctx.me.origin = origin;
        ctx.store(StoreOp::BeginOrigin(origin));
        self.outbox.clear();
        ctx.notify(Notice::Conflict);
        ctx.notify(Notice::OutboxChanged);
        let text = "this installation's numbers were used before; it begins anew";
        self.fail(Failure::unexpected(text), ctx);
    }

    fn pong(&self, nonce: u64, ctx: &mut Context<'_>) -> Outcome {
        if let Some(link) = self.link.seat() {
            let message = Outgoing::Seat(Pong { nonce }.into());
            ctx.out.push(Effect::Send { link, message });
        }
        Outcome::Nothing
    }
}

/// A reader was shown what was sent to its mailbox.
fn on_receipt(receipt: &Receipt, ctx: &mut Context<'_>) {
    let log = ctx.handles.log(receipt.handle).filter(|log| log.kind == LogKind::Mailbox);
    if let Some(log) = log {
        ctx.notify(Notice::Receipt { log, upto: receipt.upto });
    }
}

/// Whether a fault answers a step of sign-up, sign-in or resume.
fn is_about_sign_in(fault: &Fault) -> bool {
    let by_kind = matches!(
        Kind(fault.about),
        Kind::SIGN_UP_START
            | Kind::SIGN_UP_FINISH
            | Kind::SIGN_IN_START
            | Kind::SIGN_IN_FINISH
            | Kind::RESUME
    );
    let by_code = matches!(
        fault.code,
        FaultCode::USERNAME_TAKEN
            | FaultCode::NO_SUCH_USER
            | FaultCode::INCORRECT_PASSWORD
            | FaultCode::ALREADY_LOGGED_IN
            | FaultCode::RATE_LIMITED
            | FaultCode::SIGNED_OUT
    );
    by_kind || by_code
}
