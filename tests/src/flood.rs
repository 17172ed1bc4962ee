//! Two servers that flood each other: many sessions on each write large bodies to mailboxes whose
//! home is the other one, so that the link between them is full in both directions at once.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use argon2::{Algorithm, Argon2, Params, Version};
use bytes::Bytes;
use client::crypto::SignUp;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use wire::message::{
    Attach, Body, Hello, Message, OpenLog, Pong, Post, Refusal, Seen, SignUpFinish, SignUpStart,
};
use wire::{
    LogHandle, LogId, MessageSession, Name, Number, Opaque, Origin, Seq, ServerId, ToClient,
};

use crate::DEADLINE;
use crate::raw::Raw;

/// Bytes of each body: few posts fill much.
const BODY_LEN: usize = 60_000;
/// Posts of one session that wait for an answer. With so many sessions the queue of a link grows
/// above its high mark, and stays far below its hard limit.
const WINDOW: u64 = 6;
const OWN: LogHandle = LogHandle(0);
const PARTNER: LogHandle = LogHandle(1);

/// Where a server listens for clients, and how to trust it.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Which server.
    pub server: ServerId,
    /// Its address for clients.
    pub address: SocketAddr,
    /// The cluster's certificate authority.
    pub ca: PathBuf,
}

/// Sessions that have signed up, on both sides, each with the log of a partner on the other side.
#[derive(Debug)]
pub struct Flood {
    talkers: Vec<Talker>,
}

impl Flood {
    /// Everybody signs up, and opens what they will read and write.
    ///
    /// # Panics
    /// When something is refused, or nothing comes before the deadline.
    #[must_use]
    pub fn prepare(sides: [(&Seat, &[Name]); 2]) -> Self {
        let [(near, ours), (far, theirs)] = sides;
        let mut talkers = Vec::new();
        for (index, (mine, other)) in ours.iter().zip(theirs).enumerate() {
            let seed = u64::try_from(index).expect("few");
            let pair = [(near, *mine, *other, 2 * seed), (far, *other, *mine, 2 * seed + 1)]
                .map(|(seat, name, partner, seed)| (Talker::sign_up(seat, name, seed), partner));
            for (mut talker, partner) in pair {
                talker.open(OWN, talker.name);
                talker.open(PARTNER, partner);
                talkers.push(talker);
            }
        }
        Self { talkers }
    }

    /// Everybody writes `posts` times to the partner, and reads as many; returns when all was
    /// accepted and has come.
    ///
    /// # Panics
    /// When something is refused, or nothing comes before the deadline.
    pub fn talk(&mut self, posts: u64) {
        thread::scope(|scope| {
            for talker in &mut self.talkers {
                scope.spawn(|| talker.talk(posts));
            }
        });
    }
}

/// A session without a store: what it says is said once.
#[derive(Debug)]
struct Talker {
    name: Name,
    seat: Raw,
    body: Body,
    /// The number of the newest post.
    number: u64,
    /// Every post up to this number is accepted.
    accepted: u64,
    /// Entries that have come.
    received: u64,
}

impl Talker {
    fn sign_up(seat: &Seat, name: Name, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut raw = Raw::connect(&seat.ca, seat.address, &seat.server.certificate_name(), None);
        raw.say(&Hello::client());
        let (sign_up, request) = SignUp::start(b"correct horse", &mut rng).expect("a password");
        raw.say(&SignUpStart { name, request });
        let mut body = vec![0; BODY_LEN];
        rng.fill_bytes(&mut body);
        let body = Opaque::new(Bytes::from(body)).expect("a body may be longer");
        let mut talker = Self { name, seat: raw, body, number: 0, accepted: 0, received: 0 };
        let ToClient::SignUpChallenge(challenge) = talker.hear() else {
            panic!("{name} gets no challenge")
        };
        let response = challenge.response.bytes();
        let (record, _) =
            sign_up.finish(name.as_bytes(), response, &toy(), &mut rng).expect("a right answer");
        let (bundle, sealed_keys) = (keys("bundle"), keys("sealed keys"));
        let mut origin = [0; 16];
        rng.fill_bytes(&mut origin);
        talker.say(&SignUpFinish { name, origin: Origin(origin), record, bundle, sealed_keys });
        let ToClient::Welcome(_) = talker.hear() else { panic!("{name} is not welcome") };
        talker
    }

    fn open(&mut self, handle: LogHandle, owner: Name) {
        self.say(&OpenLog { handle, log: LogId::mailbox(owner) });
        loop {
            match self.hear() {
                ToClient::LogOpened(_) => break,
                message => self.on_message(&message),
            }
        }
        if handle == OWN {
            self.say(&Attach { handle, cursor: Seq(0) });
        }
    }

    fn talk(&mut self, posts: u64) {
        while self.accepted < posts || self.received < posts {
            while self.number < posts && self.number < self.accepted + WINDOW {
                self.number += 1;
                self.post();
            }
            let message = self.hear();
            self.on_message(&message);
        }
    }

    fn post(&mut self) {
        let number = |number| Number::new(number).expect("small");
        self.say(&Post {
            handle: PARTNER,
            number: number(self.number),
            settled: number(self.accepted),
            message_session: MessageSession(0),
            again: false,
            body: self.body.clone(),
        });
    }

    fn on_message(&mut self, message: &ToClient) {
        match message {
            ToClient::Accepted(accepted) => self.accepted = accepted.upto.value(),
            ToClient::Deliver(deliver) => {
                self.received += 1;
                self.say(&Seen { handle: OWN, upto: deliver.entry.seq });
            }
            // The home has no room just now, or has skipped what came behind such a one.
            ToClient::Refused(refused) => match refused.refusal {
                Refusal::Busy => self.number = self.number.min(refused.number.value() - 1),
                Refusal::Expected(expected) => {
                    self.number = self.number.min(expected.value() - 1);
                }
                refusal => panic!("{} is refused: {refusal:?}", self.name),
            },
            ToClient::CaughtUp(_) => {}
            other => panic!("{} hears {other:?}", self.name),
        }
    }

    fn say(&mut self, message: &impl Message) {
        self.seat.say(message);
    }

    /// The next message that says something: pings do not count.
    #[allow(clippy::disallowed_methods)] // a test's deadline is real time
    fn hear(&mut self) -> ToClient {
        let until = Instant::now() + DEADLINE;
        loop {
            assert!(Instant::now() < until, "{} hears nothing", self.name);
            let frame = self.seat.frame().expect("the connection stays");
            match ToClient::decode(&frame).expect("the server's words decode") {
                ToClient::Ready(_) | ToClient::Pong(_) => {}
                ToClient::Ping(ping) => self.say(&Pong { nonce: ping.nonce }),
                message => return message,
            }
        }
    }
}

/// Servers do not look into keys.
fn keys<const MAX: usize>(what: &'static str) -> Opaque<MAX> {
    Opaque::new(Bytes::from_static(what.as_bytes())).expect("short")
}

/// Servers cannot see how a password was stretched.
fn toy() -> Argon2<'static> {
    let params = Params::new(8, 1, 1, None).expect("in range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}
