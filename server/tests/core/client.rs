//! A client of the tests: it speaks the protocol with real OPAQUE and a toy stretch.

use argon2::{Algorithm, Argon2, Params, Version};
use bytes::{Bytes, BytesMut};
use opaque_ke::{
    ClientLogin, ClientLoginFinishParameters, ClientRegistration,
    ClientRegistrationFinishParameters, CredentialResponse, Identifiers, RegistrationResponse,
};
use rand_core_06::OsRng;
use wire::limits::SEEN_WAIT;
use wire::message::{
    Accepted, Attach, Body, Bundle, Challenge, Deliver, Fault, Hello, LogOpened, OpenLog, Post,
    Refused, Resume, SealedKeys, Seen, SignInFinish, SignInStart, SignUpFinish, SignUpStart,
    Welcome,
};
use wire::opaque::{CONTEXT, Suite};
use wire::{
    FaultCode, LogHandle, LogId, MessageSession, Name, Number, Origin, Seq, SessionEpoch, ToClient,
    ToServer, Token,
};

use crate::world::World;

/// The handle that clients use for their own mailbox.
pub(crate) const MINE: LogHandle = LogHandle(0);

/// One installation of a client, and its connection.
pub(crate) struct Client {
    pub(crate) conn: usize,
    pub(crate) name: Name,
    pub(crate) origin: Origin,
    pub(crate) password: String,
    pub(crate) token: Option<Token>,
    pub(crate) epoch: SessionEpoch,
    /// The sign-up frame, to be sent again byte for byte.
    pub(crate) sign_up: Option<SignUpFinish>,
    pub(crate) welcome: Option<Welcome>,
}

impl Client {
    /// An installation of `name`, connected to a server and greeted.
    pub(crate) fn at(world: &mut World, server: u16, name: Name, origin: u8) -> Self {
        let mut client = Self {
            conn: usize::MAX,
            name,
            origin: Origin([origin; 16]),
            password: format!("password of {name}"),
            token: None,
            epoch: SessionEpoch(0),
            sign_up: None,
            welcome: None,
        };
        client.connect(world, server);
        client
    }

    /// A signed-up client of `name`.
    pub(crate) fn signed_up(world: &mut World, server: u16, name: Name) -> Self {
        let mut client = Self::at(world, server, name, 1);
        client.sign_up(world).expect("signs up");
        client
    }

    pub(crate) fn connect(&mut self, world: &mut World, server: u16) {
        self.conn = world.connect(server);
        self.say(world, Hello::client());
        assert!(matches!(self.hear(world), Some(ToClient::Ready(_))));
    }

    pub(crate) fn say(&self, world: &mut World, message: impl Into<ToServer>) {
        let mut bytes = BytesMut::new();
        message.into().append_frame(&mut bytes);
        world.send(self.conn, &bytes);
        world.pump();
    }

    /// The next message; `None` when there is none now, or at the end.
    pub(crate) fn hear(&self, world: &mut World) -> Option<ToClient> {
        let frame = world.inboxes[self.conn].pop_front()??;
        Some(ToClient::decode(&frame).expect("servers speak well"))
    }

    /// Whether the server has closed, after everything it said was heard.
    pub(crate) fn is_closed(&self, world: &World) -> bool {
        matches!(world.inboxes[self.conn].front(), Some(None))
    }

    pub(crate) fn heard(&self, world: &mut World) -> Vec<ToClient> {
        std::iter::from_fn(|| self.hear(world)).collect()
    }

    pub(crate) fn fault(&self, world: &mut World) -> Fault {
        match self.hear(world) {
            Some(ToClient::Fault(fault)) => fault,
            other => panic!("a fault, not {other:?}"),
        }
    }

    pub(crate) fn sign_up(&mut self, world: &mut World) -> Result<(), FaultCode> {
        self.prepare_sign_up(world)?;
        let finish = self.sign_up.clone().expect("prepared");
        self.say(world, finish);
        self.take_welcome(world)
    }

    /// The first step, and the frame of the second.
    pub(crate) fn prepare_sign_up(&mut self, world: &mut World) -> Result<(), FaultCode> {
        let password = self.password.clone().into_bytes();
        let started = ClientRegistration::<Suite>::start(&mut OsRng, &password).expect("starts");
        let request = challenge(&started.message.serialize());
        self.say(world, SignUpStart { name: self.name, request });
        let response = match self.hear(world) {
            Some(ToClient::SignUpChallenge(challenge)) => challenge.response,
            Some(ToClient::Fault(fault)) => return Err(fault.code),
            other => panic!("a challenge, not {other:?}"),
        };
        let response = RegistrationResponse::deserialize(response.bytes()).expect("well made");
        let (toy, id) = (toy(), self.name);
        let parameters =
            ClientRegistrationFinishParameters::new(identifiers(id.as_bytes()), Some(&toy));
        let finished = started.state.finish(&mut OsRng, &password, response, parameters);
        let record = challenge(&finished.expect("finishes").message.serialize());
        self.sign_up = Some(SignUpFinish {
            name: self.name,
            origin: self.origin,
            record,
            bundle: Bundle::new(Bytes::from(format!("bundle of {}", self.name))).expect("short"),
            sealed_keys: SealedKeys::new(Bytes::from_static(b"sealed")).expect("short"),
        });
        Ok(())
    }

    pub(crate) fn sign_in(&mut self, world: &mut World, takeover: bool) -> Result<(), FaultCode> {
        self.begin_sign_in(world, takeover)?;
        self.take_welcome(world)
    }

    /// Both steps, without waiting for their outcome. A wrong password shows here.
    pub(crate) fn begin_sign_in(
        &mut self,
        world: &mut World,
        takeover: bool,
    ) -> Result<(), FaultCode> {
        let finish = self.prove(world, takeover)?;
        self.say(world, finish);
        Ok(())
    }

    /// The first step, and the frame of the second.
    pub(crate) fn prove(
        &mut self,
        world: &mut World,
        takeover: bool,
    ) -> Result<SignInFinish, FaultCode> {
        let password = self.password.clone().into_bytes();
        let started = ClientLogin::<Suite>::start(&mut OsRng, &password).expect("starts");
        let request = challenge(&started.message.serialize());
        self.say(world, SignInStart { name: self.name, request });
        let response = match self.hear(world) {
            Some(ToClient::SignInChallenge(challenge)) => challenge.response,
            Some(ToClient::Fault(fault)) => return Err(fault.code),
            other => panic!("a challenge, not {other:?}"),
        };
        let response = CredentialResponse::deserialize(response.bytes()).expect("well made");
        let (toy, id) = (toy(), self.name);
        let parameters =
            ClientLoginFinishParameters::new(Some(CONTEXT), identifiers(id.as_bytes()), Some(&toy));
        let finished = started.state.finish(&mut OsRng, &password, response, parameters);
        let finished = finished.map_err(|_| FaultCode::INCORRECT_PASSWORD)?;
        let finish = challenge(&finished.message.serialize());
        let (name, origin) = (self.name, self.origin);
        Ok(SignInFinish { name, origin, takeover, finish })
    }

    pub(crate) fn resume(&mut self, world: &mut World) -> Result<(), FaultCode> {
        let token = self.token.expect("signed in before");
        self.say(world, Resume { name: self.name, origin: self.origin, token });
        self.take_welcome(world)
    }

    pub(crate) fn take_welcome(&mut self, world: &mut World) -> Result<(), FaultCode> {
        match self.hear(world) {
            Some(ToClient::Welcome(welcome)) => {
                assert_eq!(welcome.name, self.name);
                self.token = Some(welcome.token);
                self.epoch = welcome.epoch;
                self.welcome = Some(welcome);
                Ok(())
            }
            Some(ToClient::Fault(fault)) => Err(fault.code),
            other => panic!("an outcome, not {other:?}"),
        }
    }

    pub(crate) fn open(
        &self,
        world: &mut World,
        handle: u32,
        owner: Name,
    ) -> Result<Number, FaultCode> {
        let handle = LogHandle(handle);
        self.say(world, OpenLog { handle, log: LogId::mailbox(owner) });
        match self.hear(world) {
            Some(ToClient::LogOpened(LogOpened { handle: opened, base })) if opened == handle => {
                Ok(base)
            }
            Some(ToClient::Fault(fault)) => Err(fault.code),
            other => panic!("an opened log, not {other:?}"),
        }
    }

    /// Reads its own mailbox from `cursor`.
    pub(crate) fn attach(&self, world: &mut World, cursor: Seq) {
        self.try_attach(world, cursor).expect("its own mailbox");
    }

    /// The same, where its home may die.
    pub(crate) fn try_attach(&self, world: &mut World, cursor: Seq) -> Result<(), FaultCode> {
        self.open(world, MINE.0, self.name)?;
        self.say(world, Attach { handle: MINE, cursor });
        Ok(())
    }

    pub(crate) fn post(
        &self,
        world: &mut World,
        handle: u32,
        number: u64,
        settled: u64,
        text: &str,
    ) {
        self.say(world, post(handle, number, settled, text));
    }

    /// Writes to another mailbox: its owner is a stranger to this account's no more.
    pub(crate) fn answer(&self, world: &mut World, person: Name) {
        self.open(world, u32::MAX, person).expect("opens");
        self.post(world, u32::MAX, 1, 0, "an answer");
        self.accepted(world);
    }

    pub(crate) fn seen(&self, world: &mut World, upto: Seq) {
        self.say(world, Seen { handle: MINE, upto });
    }

    /// What was accepted, after the time that a reader has for its answer if it has to be.
    pub(crate) fn accepted(&self, world: &mut World) -> Accepted {
        if world.inboxes[self.conn].is_empty() {
            world.advance(SEEN_WAIT);
        }
        match self.hear(world) {
            Some(ToClient::Accepted(accepted)) => accepted,
            other => panic!("accepted, not {other:?}"),
        }
    }

    pub(crate) fn refused(&self, world: &mut World) -> Refused {
        match self.hear(world) {
            Some(ToClient::Refused(refused)) => refused,
            other => panic!("refused, not {other:?}"),
        }
    }

    pub(crate) fn delivered(&self, world: &mut World) -> Deliver {
        match self.hear(world) {
            Some(ToClient::Deliver(deliver)) => deliver,
            other => panic!("an entry, not {other:?}"),
        }
    }

    /// The texts of what is delivered now, skipping everything else.
    pub(crate) fn texts(&self, world: &mut World) -> Vec<String> {
        let entries = self.heard(world).into_iter().filter_map(|message| match message {
            ToClient::Deliver(deliver) => Some(deliver.entry),
            _ => None,
        });
        entries.map(|entry| String::from_utf8_lossy(entry.body.bytes()).into_owned()).collect()
    }
}

pub(crate) fn post(handle: u32, number: u64, settled: u64, text: &str) -> Post {
    Post {
        handle: LogHandle(handle),
        number: Number::new(number).expect("small"),
        settled: Number::new(settled).expect("small"),
        message_session: MessageSession(0),
        again: false,
        body: Body::new(Bytes::copy_from_slice(text.as_bytes())).expect("short"),
    }
}

pub(crate) fn toy() -> Argon2<'static> {
    let params = Params::new(8, 1, 1, None).expect("in range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

pub(crate) fn identifiers(account: &[u8]) -> Identifiers<'_> {
    Identifiers { client: Some(account), server: Some(server::core::SERVER_IDENTITY) }
}

pub(crate) fn challenge(bytes: &[u8]) -> Challenge {
    Challenge::new(Bytes::copy_from_slice(bytes)).expect("below its limit")
}
