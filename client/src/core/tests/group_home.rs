//! A home of one group as the tests play it: honest in its rules, and a liar when told to.

use std::collections::BTreeSet;

use bytes::Bytes;
use opaque_ke::{
    CredentialFinalization, CredentialRequest, Identifiers, RegistrationRequest,
    RegistrationUpload, ServerLogin, ServerLoginParameters, ServerRegistration, ServerSetup,
};
use wire::field::List;
use wire::message::{
    Challenge, ChangeRoster, Fault, FetchRoster, GrantsPut, GroupChallenge, GroupNoted, GroupStart,
    Groups, LogOpened, NoteGroup, Roster as RosterAnswer, RosterChanged, StatementBytes,
};
use wire::opaque::{CONTEXT, Suite, group_identity};
use wire::roster::{Act, Policy, Roster, Statement};
use wire::{FaultCode, Kind, Name, Number, RequestId, ToServer, Wall};

use super::session::OlderRng;
use super::world::{World, bundle_of, me};
use crate::crypto::test_keys::{alice, bob, carol, name, rng};
use crate::crypto::{Identity, sign_statement};

pub(super) struct GroupHome {
    pub(super) group: Name,
    pub(super) statements: Vec<Bytes>,
    pub(super) roster: Option<Roster>,
    /// What alice's home has noted.
    pub(super) notes: BTreeSet<Name>,
    /// Statements of others that come in before the next change is looked at.
    pub(super) rivals: Vec<(&'static str, Act, &'static str)>,
    /// Alice has departed and has still to read; she may fetch so many statements.
    pub(super) departed: Option<usize>,
    /// Changes that are taken, or not, without an answer.
    pub(super) mute: Option<bool>,
    /// The next change is refused with this.
    pub(super) refusal: Option<FaultCode>,
    /// What whoever fetches the roster hears: a fault, or nothing.
    pub(super) hidden: Option<Hidden>,
    setup: ServerSetup<Suite>,
    record: Option<Bytes>,
    login: Option<ServerLogin<Suite>>,
    /// A password that was proven is good for further tries.
    proven: Option<Bytes>,
    heard: usize,
}

/// How a home keeps a roster to itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Hidden {
    Unavailable,
    Mute,
}

pub(super) fn identity(who: &str) -> &'static Identity {
    match who {
        "alice" => alice(),
        "bob" => bob(),
        _ => carol(),
    }
}

impl GroupHome {
    pub(super) fn new() -> Self {
        Self {
            group: name("rust"),
            statements: Vec::new(),
            roster: None,
            notes: BTreeSet::new(),
            rivals: Vec::new(),
            departed: None,
            mute: None,
            refusal: None,
            hidden: None,
            setup: ServerSetup::new(&mut OlderRng(rng())),
            record: None,
            login: None,
            proven: None,
            heard: 0,
        }
    }

    /// A group that bob has created.
    pub(super) fn of_bob(policy: Policy) -> Self {
        let mut home = Self::new();
        home.create("bob", policy);
        home
    }

    pub(super) fn create(&mut self, who: &str, policy: Policy) {
        let encoded = self.sign(identity(who), Some(policy), (who, Act::Create, who));
        let statement = Statement::decode(encoded.clone()).expect("decodes");
        let hash = Statement::hash(&encoded);
        self.roster = Some(Roster::create(&statement, hash).expect("is the first"));
        self.statements.push(encoded);
    }

    /// `who` says it, and signs it.
    pub(super) fn says(&mut self, who: &str, act: Act, about: &str) -> Bytes {
        let encoded = self.sign(identity(who), None, (who, act, about));
        self.take(&encoded, true).expect("keeps the rules");
        encoded
    }

    /// The home puts words into `who`'s mouth: signed by `forger`.
    pub(super) fn forges(&mut self, forger: &str, who: &str, act: Act, about: &str) -> Bytes {
        let encoded = self.sign(identity(forger), None, (who, act, about));
        self.take(&encoded, true).expect("keeps the rules");
        encoded
    }

    /// The home puts words into `who`'s mouth: under `who`'s key id, with a signature of nobody.
    pub(super) fn invents(&mut self, who: &str, act: Act, about: &str) -> Bytes {
        let mut encoded = self.sign(identity(who), None, (who, act, about)).to_vec();
        *encoded.last_mut().expect("a signature") ^= 1;
        let encoded = Bytes::from(encoded);
        self.take(&encoded, true).expect("keeps the rules");
        encoded
    }

    /// A statement that follows the head, not taken yet.
    pub(super) fn sign(
        &self,
        identity: &Identity,
        policy: Option<Policy>,
        (who, act, about): (&str, Act, &str),
    ) -> Bytes {
        let head = self.roster.as_ref().map_or((0, [0; 32]), |r| (r.version(), r.head()));
        let statement = Statement {
            group: self.group,
            version: head.0 + 1,
            previous: head.1,
            act,
            policy,
            actor: name(who),
            subject: name(about),
            key: [0; 32],
            at: Wall(1),
            signature: Bytes::new(),
        };
        sign_statement(identity, statement, &mut rng()).expect("signs")
    }

    /// Answers everything that was asked, and what is asked then.
    pub(super) fn serve(&mut self, world: &mut World) {
        loop {
            world.work();
            let Some(message) = world.sent.get(self.heard).cloned() else {
                return;
            };
            self.heard += 1;
            self.answer(world, message);
        }
    }

    /// What was sent so far is not answered.
    pub(super) fn ignore(&mut self, world: &World) {
        self.heard = world.sent.len();
    }

    fn answer(&mut self, world: &mut World, message: ToServer) {
        match message {
            ToServer::FetchBundles(fetch) if world.unreachable == Some(fetch.name) => {
                refuse(world, FaultCode::UNAVAILABLE, Kind::FETCH_BUNDLES, fetch.request);
            }
            ToServer::FetchKeyLog(fetch) => world.answer_key_log(&fetch),
            ToServer::FetchBundles(fetch) => {
                let who = fetch.name.as_str().to_owned();
                let known = ["alice", "bob", "carol"].contains(&who.as_str());
                match (known, fetch.after) {
                    (false, _) => {
                        let code = FaultCode::NO_SUCH_USER;
                        world.server(Fault::about(code, Kind::FETCH_BUNDLES, fetch.request.0));
                    }
                    (true, 0) => {
                        let bundle = bundle_of(identity(&who), &who).encoded().clone();
                        world.bundles(&fetch, vec![bundle]);
                    }
                    (true, _) => world.bundles(&fetch, Vec::new()),
                }
            }
            ToServer::OpenLog(open) => {
                world.server(LogOpened { handle: open.handle, base: Number::NONE });
            }
            ToServer::PutGrants(put) => world.server(GrantsPut { request: put.request }),
            ToServer::NoteGroup(note) => self.on_note(world, &note),
            ToServer::ListGroups(list) => {
                let groups = List::new(self.notes.iter().copied().collect()).expect("few");
                world.server(Groups { request: list.request, groups });
            }
            ToServer::GroupStart(start) => self.on_start(world, &start),
            ToServer::ChangeRoster(change) => self.on_change(world, &change),
            ToServer::FetchRoster(fetch) => self.on_fetch(world, &fetch),
            _ => {}
        }
    }

    fn on_note(&mut self, world: &mut World, note: &NoteGroup) {
        match note.kept {
            true => self.notes.insert(note.group),
            false => self.notes.remove(&note.group),
        };
        world.server(GroupNoted { request: note.request });
    }

    fn on_start(&mut self, world: &mut World, start: &GroupStart) {
        let fault = match (&self.roster, start.act) {
            (Some(_), Act::Create) => Some(FaultCode::GROUP_NAME_TAKEN),
            (None, Act::Create) => None,
            (None, _) => Some(FaultCode::NO_SUCH_GROUP),
            (Some(roster), _) => roster.check_join(&me()).err().map(|error| error.fault()),
        };
        if let Some(code) = fault {
            return refuse(world, code, Kind::GROUP_START, start.request);
        }
        let response = match (start.opening.bytes().is_empty(), start.act) {
            (true, _) => Challenge::default(),
            (false, Act::Create) => self.register(start.opening.bytes()),
            (false, _) => self.log_in(start.opening.bytes()),
        };
        let roster = self.roster.as_ref();
        world.server(GroupChallenge {
            request: start.request,
            policy: roster.map_or(Policy::Password, Roster::policy),
            version: roster.map_or(0, Roster::version),
            head: roster.map_or([0; 32], Roster::head),
            response,
        });
    }

    fn on_change(&mut self, world: &mut World, change: &ChangeRoster) {
        for (who, act, about) in std::mem::take(&mut self.rivals) {
            self.says(who, act, about);
        }
        let mute = self.mute.take();
        if mute == Some(false) {
            return;
        }
        if let Some(code) = self.refusal.take() {
            return refuse(world, code, Kind::CHANGE_ROSTER, change.request);
        }
        let encoded = change.statement.bytes();
        let taken = self.check_proof(change).and_then(|()| self.take(encoded, false));
        match taken {
            _ if mute.is_some() => {}
            Ok(version) => world.server(RosterChanged { request: change.request, version }),
            Err(code) => refuse(world, code, Kind::CHANGE_ROSTER, change.request),
        }
    }

    fn on_fetch(&mut self, world: &mut World, fetch: &FetchRoster) {
        if self.hidden == Some(Hidden::Mute) {
            return;
        }
        let fault = match &self.roster {
            _ if self.hidden.is_some() => Some(FaultCode::UNAVAILABLE),
            None => Some(FaultCode::NO_SUCH_GROUP),
            Some(_) if self.departed.is_some() => None,
            Some(roster) if roster.is_removed(&me()) => Some(FaultCode::REMOVED),
            Some(roster) if roster.is_member(&me()) || roster.is_invited(&me()) => None,
            Some(_) => Some(FaultCode::NOT_A_MEMBER),
        };
        if let Some(code) = fault {
            return refuse(world, code, Kind::FETCH_ROSTER, fetch.request);
        }
        let after = usize::try_from(fetch.after).expect("few");
        // Two at a time: what does not fit is asked for.
        let upto = self.departed.unwrap_or(self.statements.len());
        let page = self.statements[..upto].iter().skip(after).take(2).cloned();
        let page: Vec<StatementBytes> =
            page.map(|bytes| StatementBytes::new(bytes).expect("short")).collect();
        let complete = after + page.len() >= upto;
        world.server(RosterAnswer {
            request: fetch.request,
            group: fetch.group,
            statements: List::new(page).expect("few"),
            complete,
        });
    }

    fn take(&mut self, encoded: &Bytes, is_lie: bool) -> Result<u32, FaultCode> {
        let statement = Statement::decode(encoded.clone()).expect("decodes");
        let hash = Statement::hash(encoded);
        match &mut self.roster {
            None => self.roster = Some(Roster::create(&statement, hash).expect("the first")),
            Some(roster) if statement.act == Act::Create => {
                assert!(roster.version() > 0);
                return Err(FaultCode::GROUP_NAME_TAKEN);
            }
            Some(roster) => roster.apply(&statement, hash).map_err(|error| error.fault())?,
        }
        assert!(is_lie || statement.actor == me(), "only alice asks here");
        self.statements.push(encoded.clone());
        match statement.act {
            Act::Join if statement.actor == me() => self.departed = None,
            Act::Leave | Act::Remove if statement.subject == me() => {
                self.departed = Some(self.statements.len());
            }
            _ => {}
        }
        Ok(statement.version)
    }

    fn register(&self, request: &Bytes) -> Challenge {
        let request = RegistrationRequest::deserialize(request).expect("reads");
        let id = group_identity(&self.group);
        let answer = ServerRegistration::<Suite>::start(&self.setup, request, &id);
        challenge(&answer.expect("answers").message.serialize())
    }

    fn log_in(&mut self, request: &Bytes) -> Challenge {
        let Some(record) = &self.record else {
            return Challenge::default();
        };
        let id = group_identity(&self.group);
        let record = ServerRegistration::<Suite>::deserialize(record).expect("reads");
        let request = CredentialRequest::deserialize(request).expect("reads");
        let mut rng = OlderRng(rng());
        let parameters = parameters(&id);
        let started =
            ServerLogin::start(&mut rng, &self.setup, Some(record), request, &id, parameters);
        let started = started.expect("answers");
        self.login = Some(started.state);
        challenge(&started.message.serialize())
    }

    fn check_proof(&mut self, change: &ChangeRoster) -> Result<(), FaultCode> {
        let statement = Statement::decode(change.statement.bytes().clone()).expect("decodes");
        let proof = change.proof.bytes();
        match statement.act {
            Act::Create if !proof.is_empty() => {
                let upload = RegistrationUpload::<Suite>::deserialize(proof).expect("reads");
                let record = ServerRegistration::<Suite>::finish(upload).serialize();
                self.record = Some(Bytes::copy_from_slice(&record));
                Ok(())
            }
            Act::Join if self.proven.as_ref() == Some(proof) => Ok(()),
            Act::Join if self.record.is_some() => {
                let login = self.login.take().ok_or(FaultCode::WRONG_GROUP_PASSWORD)?;
                let finish = CredentialFinalization::deserialize(proof).expect("reads");
                let finished = login.finish(finish, parameters(&group_identity(&self.group)));
                self.proven = Some(proof.clone());
                finished.map(drop).map_err(|_| FaultCode::WRONG_GROUP_PASSWORD)
            }
            _ => Ok(()),
        }
    }
}

fn parameters(id: &[u8]) -> ServerLoginParameters<'_, '_> {
    let identifiers = Identifiers { client: Some(id), server: Some(b"fastchat") };
    ServerLoginParameters { context: Some(CONTEXT), identifiers }
}

fn refuse(world: &mut World, code: FaultCode, kind: Kind, request: RequestId) {
    world.server(Fault::about(code, kind, request.0));
}

fn challenge(bytes: &[u8]) -> Challenge {
    Challenge::new(Bytes::copy_from_slice(bytes)).expect("short")
}
