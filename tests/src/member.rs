//! A member of a group without a program of its own: its account is real, its few words on the
//! wire are said here. For groups too large for a process each.

use std::path::Path;
use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, Version};
use bytes::Bytes;
use client::crypto::grant::{self, SessionPlace};
use client::crypto::{
    Identity, Inbound, SignUp, SignedBundle, SigningPublicKey, sealed_keys, sign_statement,
    verify_announcement,
};
use rand::Rng;
use rand::rngs::StdRng;
use wire::message::{
    Attach, Bundle, Bundles, ChangeRoster, Entry, FetchBundles, FetchGrant, GroupStart, Hello,
    Message, OpenLog, Redeem, Resume, Seen, SignUpFinish, SignUpStart,
};
use wire::{
    Act, FaultCode, Kind, LogHandle, LogId, Name, Number, Origin, RequestId, Seq, Statement,
    ToClient, Token, Wall,
};
use wire::{List, Opaque};

use crate::cluster::Cluster;
use crate::raw::{Raw, placed};

const REQUEST: RequestId = RequestId(1);

/// An account with an open session.
pub struct Member {
    /// The account.
    pub name: Name,
    origin: Origin,
    identity: Arc<Identity>,
    bundle: Bundle,
    token: Token,
    seat: Option<Raw>,
}

impl Member {
    /// Signs up with keys that were made before; the password is stretched as if it were a toy's,
    /// which servers cannot see.
    ///
    /// # Panics
    /// When the cluster does not take the account.
    #[must_use]
    pub fn sign_up(
        cluster: &Cluster,
        name: Name,
        identity: Arc<Identity>,
        rng: &mut StdRng,
    ) -> Self {
        let mut origin = [0; 16];
        rng.fill_bytes(&mut origin);
        let origin = Origin(origin);
        let mut seat = connect(cluster, name);
        let (sign_up, request) = SignUp::start(b"correct horse", rng).expect("a password");
        seat.say(&SignUpStart { name, request });
        let ToClient::SignUpChallenge(challenge) = answer(&mut seat) else {
            panic!("{name} gets no challenge")
        };
        let response = challenge.response.bytes();
        let (record, export_key) =
            sign_up.finish(name.as_bytes(), response, &toy(), rng).expect("a right answer");
        let bundle = SignedBundle::first(&identity, name, Wall(1), rng).expect("it can be signed");
        let bundle: Bundle = Opaque::new(bundle.encoded().clone()).expect("it is short");
        let sealed_keys = sealed_keys::seal(&identity, &name, &export_key, rng);
        let finish = SignUpFinish { name, origin, record, bundle: bundle.clone(), sealed_keys };
        seat.say(&finish);
        let ToClient::Welcome(welcome) = answer(&mut seat) else { panic!("{name} is not welcome") };
        Self { name, origin, identity, bundle, token: welcome.token, seat: Some(seat) }
    }

    /// Comes back after [`Member::leave_seat`].
    ///
    /// # Panics
    /// When the session is not resumed.
    pub fn resume(&mut self, cluster: &Cluster) {
        let mut seat = connect(cluster, self.name);
        seat.say(&Resume { name: self.name, origin: self.origin, token: self.token });
        let ToClient::Welcome(welcome) = answer(&mut seat) else {
            panic!("{} is not welcome back", self.name)
        };
        self.token = welcome.token;
        self.seat = Some(seat);
    }

    /// Gives the connection up; the session stays.
    pub fn leave_seat(&mut self) {
        self.seat = None;
    }

    fn say(&mut self, message: &impl Message) {
        self.seat.as_mut().expect("the member sits").say(message);
    }

    fn answer(&mut self) -> ToClient {
        answer(self.seat.as_mut().expect("the member sits"))
    }

    /// Joins an open group.
    ///
    /// # Panics
    /// When it may not.
    pub fn join(&mut self, group: Name, rng: &mut StdRng) {
        loop {
            let opening = Opaque::default();
            self.say(&GroupStart { request: REQUEST, group, act: Act::Join, opening });
            let ToClient::GroupChallenge(head) = self.answer() else {
                panic!("{} may not join {group}", self.name)
            };
            let statement = Statement {
                group,
                version: head.version + 1,
                previous: head.head,
                act: Act::Join,
                policy: None,
                actor: self.name,
                subject: self.name,
                key: [0; 32],
                at: Wall(1),
                signature: Bytes::new(),
            };
            let signed = sign_statement(&self.identity, statement, rng).expect("it can be signed");
            let statement = Opaque::new(signed).expect("it is short");
            let proof = Opaque::default();
            let key_log = List::new(vec![self.bundle.clone()]).expect("one");
            self.say(&ChangeRoster { request: REQUEST, group, statement, proof, key_log });
            match self.answer() {
                ToClient::RosterChanged(_) => return,
                ToClient::Fault(fault) if fault.code == FaultCode::ROSTER_MOVED => {}
                other => panic!("{} did not join {group}: {other:?}", self.name),
            }
        }
    }

    /// The newest post in the group that this account is to have, from its log, which is read to
    /// its end.
    ///
    /// # Panics
    /// When there is none, or the log cannot be read.
    pub fn newest_post(&mut self, group: Name) -> Entry {
        let (handle, log) = (LogHandle(1), LogId::group(group));
        self.say(&OpenLog { handle, log });
        self.say(&Attach { handle, cursor: Seq(0) });
        let mut newest = None;
        loop {
            match word(self.seat.as_mut().expect("the member sits")) {
                ToClient::LogOpened(_) => {}
                ToClient::Deliver(deliver) => {
                    let upto = deliver.entry.seq;
                    self.say(&Seen { handle, upto });
                    if deliver.entry.number > Number::NONE {
                        newest = Some(deliver.entry);
                    }
                }
                ToClient::CaughtUp(_) => return newest.expect("somebody has posted"),
                other => panic!("not of a log: {other:?}"),
            }
        }
    }

    /// Opens its own grant of a message session in the group.
    ///
    /// # Errors
    /// The home's fault.
    ///
    /// # Panics
    /// When the grant does not verify or open.
    pub fn open_grant(
        &mut self,
        place: &SessionPlace,
        key: &SigningPublicKey,
        rng: &mut StdRng,
    ) -> Result<Inbound, FaultCode> {
        let SessionPlace { sender, log, origin, message_session } = *place;
        let fetch = FetchGrant { request: REQUEST, log, sender, origin, message_session };
        self.say(&fetch);
        match self.answer() {
            ToClient::Grant(grant) => {
                let verified = verify_announcement(place, key, &grant.announcement);
                let verified = verified.expect("its sender announced it");
                let opened = grant::open(&self.identity, &verified, &grant.grant, rng);
                Ok(Inbound::new(&opened.expect("it is this member's")).expect("a Megolm key"))
            }
            ToClient::Fault(fault) => Err(fault.code),
            other => panic!("not an answer: {other:?}"),
        }
    }

    /// The signing key in another account's newest bundle.
    ///
    /// # Panics
    /// When its home has none.
    pub fn signing_key(&mut self, name: Name) -> SigningPublicKey {
        self.say(&FetchBundles { request: REQUEST, name, after: 0 });
        let ToClient::Bundles(Bundles { bundles, .. }) = self.answer() else {
            panic!("{name} has no bundles")
        };
        let newest = bundles.into_items().pop().expect("each account has one").into_bytes();
        SignedBundle::verify(newest).expect("it is signed").bundle().keys.signing.clone()
    }
}

fn connect(cluster: &Cluster, name: Name) -> Raw {
    let placed = placed(cluster, name);
    let ca = cluster.environment()["FASTCHAT_CA"].clone();
    let server = placed.seat.certificate_name();
    let mut seat = Raw::connect(Path::new(&ca), placed.address, &server, None);
    seat.say(&Hello::client());
    seat.say(&Redeem { reservation: placed.reservation });
    seat
}

/// The next answer; what a log that was opened brings meanwhile is passed over.
fn answer(seat: &mut Raw) -> ToClient {
    loop {
        match word(seat) {
            ToClient::Deliver(_) | ToClient::CaughtUp(_) => {}
            ToClient::Fault(fault) if fault.about == Kind::ATTACH.0 => {}
            message => return message,
        }
    }
}

/// The next message that says something.
fn word(seat: &mut Raw) -> ToClient {
    loop {
        let frame = seat.frame().expect("the connection stays");
        match ToClient::decode(&frame).expect("the server's words decode") {
            ToClient::Ready(_) | ToClient::Ping(_) | ToClient::Pong(_) => {}
            message => return message,
        }
    }
}

fn toy() -> Argon2<'static> {
    let params = Params::new(8, 1, 1, None).expect("in range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}
