//! Bodies of the mode *sealed*: real message sessions under real grants, replaced after a hundred
//! messages as clients replace them. What takes milliseconds is a [`Job`]. All users share one pair
//! of keys, made before: whose key it is costs nothing.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use client::crypto::grant::{Announcing, SessionPlace};
use client::crypto::message_session::read_message_session;
use client::crypto::message_session::{Expected, Inbound, Outbound, SessionKey, message_hash};
use client::crypto::{Content, Plaintext};
use rustix::time::{ClockId, clock_gettime};
use wire::message::{Body, Entry, Grant};
use wire::{LogId, MessageSession, Name, Number, Origin, Wall};

pub mod work;

use work::Job;

/// After so many messages a message session is replaced.
const SESSION_MESSAGES: u32 = 100;

/// Everybody's message sessions.
pub struct Sealing {
    lanes: Vec<Lane>,
    /// What each reader of each lane opens with.
    readings: BTreeMap<(usize, usize), Reading>,
    text: String,
    cost: Duration,
}

/// One lane's side that seals.
struct Lane {
    sender: Name,
    origin: Origin,
    log: LogId,
    /// Owner of the mailbox that it leads to.
    reader: Name,
    outbound: Option<Outbound>,
    sessions: u32,
    is_granted: bool,
    previous: [u8; 32],
    /// Sealed and not answered.
    sealed: VecDeque<(u64, Body)>,
}

/// One reader's side of a lane.
#[derive(Default)]
struct Reading {
    session: MessageSession,
    inbound: Option<Inbound>,
    waiting: Vec<(u64, Body)>,
}

/// Who posts to whom on one lane.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// The writer.
    pub sender: Name,
    /// Its installation.
    pub origin: Origin,
    /// Whose mailbox.
    pub reader: Name,
}

/// What came of a body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Opened {
    /// It is as it was sealed.
    Good,
    /// It is not.
    Bad,
    /// It waits for its grant, which is to be asked for if that is said.
    Waits {
        /// The message session, when it is new.
        ask: Option<MessageSession>,
    },
}

impl Sealing {
    /// Message sessions for these lanes; texts have `body_len` bytes.
    #[must_use]
    pub fn new(ways: &[Way], body_len: usize) -> Self {
        let lane = |way: &Way| Lane {
            sender: way.sender,
            origin: way.origin,
            log: LogId::mailbox(way.reader),
            reader: way.reader,
            outbound: None,
            sessions: 0,
            is_granted: false,
            previous: [0; 32],
            sealed: VecDeque::new(),
        };
        let lanes = ways.iter().map(lane).collect();
        Self { lanes, readings: BTreeMap::new(), text: "x".repeat(body_len), cost: Duration::ZERO }
    }

    /// CPU time that sealing and opening took, without what jobs took.
    #[must_use]
    pub fn cost(&self) -> Duration {
        self.cost
    }

    /// CPU time counts from now on.
    pub fn forget_cost(&mut self) {
        self.cost = Duration::ZERO;
    }

    /// Whether a lane may seal one more body.
    #[must_use]
    pub fn is_ready(&self, lane: usize) -> bool {
        let lane = &self.lanes[lane];
        let has_room = |outbound: &Outbound| outbound.count() < SESSION_MESSAGES;
        lane.is_granted && lane.outbound.as_ref().is_some_and(has_room)
    }

    /// A lane that is not ready begins its next message session; nothing when that is under way.
    pub fn begin(&mut self, index: usize) -> Option<Job> {
        let lane = &mut self.lanes[index];
        if lane.outbound.is_some() && !lane.is_granted {
            return None;
        }
        lane.sessions += 1;
        lane.is_granted = false;
        let outbound = Outbound::begin(MessageSession(lane.sessions), Wall(0));
        let key = outbound.session_key();
        lane.outbound = Some(outbound);
        let Lane { sender, log, origin, reader, .. } = *lane;
        let (part, roster_version, roster_head, created) = (0, 0, [0; 32], Wall(0));
        let announcing =
            Announcing { sender, log, origin, part, roster_version, roster_head, created };
        Some(Job::Announce { lane: index, key, announcing, reader })
    }

    /// The log of a lane, and its message session.
    #[must_use]
    pub fn session(&self, lane: usize) -> (LogId, MessageSession) {
        let lane = &self.lanes[lane];
        (lane.log, MessageSession(lane.sessions))
    }

    /// A lane's grant is at the home.
    pub fn on_granted(&mut self, lane: usize) {
        self.lanes[lane].is_granted = true;
    }

    /// The body of a post and its message session: sealed now, or before.
    ///
    /// # Panics
    /// When a body is to be sealed on a lane that is not ready.
    pub fn seal(&mut self, index: usize, number: u64) -> (MessageSession, Body) {
        let lane = &mut self.lanes[index];
        let known = lane.sealed.iter().find(|(known, _)| *known == number);
        let body = match known {
            Some((_, body)) => body.clone(),
            None => {
                let begun = cpu_time();
                let body = lane.seal(number, &self.text);
                self.cost += cpu_time().saturating_sub(begun);
                body
            }
        };
        let session = read_message_session(&body).expect("we have sealed it");
        (session, body)
    }

    /// Posts up to `upto` are answered.
    pub fn settle(&mut self, lane: usize, upto: u64) {
        let sealed = &mut self.lanes[lane].sealed;
        while sealed.front().is_some_and(|(number, _)| *number <= upto) {
            sealed.pop_front();
        }
    }

    /// The lane from a sender to a reader's mailbox.
    #[must_use]
    pub fn lane(&self, sender: Name, reader: Name) -> Option<usize> {
        self.lanes.iter().position(|lane| lane.sender == sender && lane.reader == reader)
    }

    /// Where a lane's message session stands, for who asks for its grant.
    #[must_use]
    pub fn place(&self, lane: usize, message_session: MessageSession) -> SessionPlace {
        let Lane { sender, log, origin, .. } = self.lanes[lane];
        SessionPlace { sender, log, origin, message_session }
    }

    /// An entry came to a reader of a lane.
    pub fn open(&mut self, reader: usize, lane: usize, entry: &Entry) -> Opened {
        let Ok(session) = read_message_session(&entry.body) else {
            return Opened::Bad;
        };
        let number = entry.number.value();
        let reading = self.readings.entry((reader, lane)).or_default();
        if reading.session != session {
            *reading = Reading { session, inbound: None, waiting: Vec::new() };
            reading.waiting.push((number, entry.body.clone()));
            return Opened::Waits { ask: Some(session) };
        }
        if reading.inbound.is_none() {
            reading.waiting.push((number, entry.body.clone()));
            return Opened::Waits { ask: None };
        }
        match self.opens(reader, lane, number, &entry.body) {
            true => Opened::Good,
            false => Opened::Bad,
        }
    }

    /// A reader's grant came.
    #[must_use]
    pub fn on_grant(&self, reader: usize, lane: usize, grant: Grant) -> Job {
        let session = self.readings.get(&(reader, lane)).map(|reading| reading.session);
        let place = self.place(lane, session.unwrap_or_default());
        let Grant { announcement, grant, .. } = grant;
        Job::Open { reader, lane, place, announcement, grant }
    }

    /// A reader's key is there: the numbers of what waited, and whether each is as it was sealed.
    pub fn on_key(&mut self, reader: usize, lane: usize, key: &SessionKey) -> Vec<(u64, bool)> {
        let Some(reading) = self.readings.get_mut(&(reader, lane)) else {
            return Vec::new();
        };
        reading.inbound = Inbound::new(key).ok();
        let waiting = std::mem::take(&mut reading.waiting);
        let each = waiting.into_iter();
        each.map(|(number, body)| (number, self.opens(reader, lane, number, &body))).collect()
    }

    fn opens(&mut self, reader: usize, index: usize, number: u64, body: &Body) -> bool {
        let lane = &self.lanes[index];
        let reading = self.readings.get_mut(&(reader, index));
        let Some(inbound) = reading.and_then(|reading| reading.inbound.as_mut()) else {
            return false;
        };
        let Some(number) = Number::new(number) else {
            return false;
        };
        let expected = Expected { log: lane.log, sender: lane.sender, origin: lane.origin, number };
        let begun = cpu_time();
        let opened = inbound.open(&expected, body);
        self.cost += cpu_time().saturating_sub(begun);
        let text = opened.ok().map(|plaintext| plaintext.content);
        text == Some(Content::Text(self.text.clone()))
    }
}

impl Lane {
    fn seal(&mut self, number: u64, text: &str) -> Body {
        let plaintext = Plaintext {
            sender: self.sender,
            log: self.log,
            origin: self.origin,
            number: Number::new(number).expect("a run ends long before 2^48 posts"),
            previous: self.previous,
            sent: Wall(0),
            content: Content::Text(text.to_owned()),
        };
        let outbound = self.outbound.as_mut().expect("only lanes that are ready seal");
        let body = outbound.seal(&plaintext).expect("the plan bounds the text");
        self.previous = message_hash(&body);
        self.sealed.push_back((number, body.clone()));
        body
    }
}

/// CPU time of this thread.
#[must_use]
pub fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests;
