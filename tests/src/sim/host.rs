//! A machine with one process on it: whether it runs, how late it is, what its clock says.

use std::collections::VecDeque;
use std::fmt;

use wire::{ConnId, Instant, ServerId, Wall};

use super::world::What;

/// Wall time when a world begins, in milliseconds.
const BEGINNING: u64 = 1_700_000_000_000;

/// Which process.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
pub enum Node {
    /// A router, by index.
    Router(usize),
    /// A server.
    Server(ServerId),
    /// A client installation, by index.
    Client(usize),
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Router(index) => write!(f, "router-{index}"),
            Self::Server(server) => write!(f, "{server}"),
            Self::Client(index) => write!(f, "client-{index}"),
        }
    }
}

/// Whether a process runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// It runs.
    Up,
    /// It does not; its machine says so to whoever asks.
    Down,
    /// Neither does its machine: nobody is answered.
    Dark,
}

/// A machine.
#[derive(Debug)]
pub struct Host {
    /// Whether its process runs.
    pub state: State,
    /// How many processes there were before.
    pub incarnation: u32,
    /// Until when nothing is done.
    pub paused: Option<Instant>,
    /// What waits for the end of that.
    pub held: VecDeque<What>,
    /// The process dies before its effect after so many more.
    pub effects_left: Option<u32>,
    /// Its clock is so many milliseconds ahead.
    pub clock_ahead: u64,
    /// For when the newest timer of its core is set.
    pub timer: Option<Instant>,
    slots: Vec<(u32, bool)>,
}

impl Host {
    /// A machine without a process.
    #[must_use]
    pub fn new(clock_ahead: u64) -> Self {
        Self {
            state: State::Down,
            incarnation: 0,
            paused: None,
            held: VecDeque::new(),
            effects_left: None,
            clock_ahead,
            timer: None,
            slots: Vec::new(),
        }
    }

    /// A process begins.
    pub fn start(&mut self) {
        assert_ne!(self.state, State::Up, "a host runs one process");
        self.state = State::Up;
        self.incarnation += 1;
        self.timer = None;
        self.slots.clear();
    }

    /// It ends, with everything that it was about to do.
    pub fn end(&mut self, state: State) {
        self.state = state;
        self.paused = None;
        self.held.clear();
        self.effects_left = None;
        self.timer = None;
    }

    /// Its process runs.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.state == State::Up
    }

    /// What its clock says.
    #[must_use]
    pub fn wall(&self, now: Instant) -> Wall {
        Wall(BEGINNING + now.0 / 1_000_000 + self.clock_ahead)
    }

    /// Whether the process dies now instead of performing one more effect.
    pub fn is_dying(&mut self) -> bool {
        match &mut self.effects_left {
            None => false,
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
        }
    }

    /// A free slot, as a shell's connection table gives it.
    pub fn take_slot(&mut self) -> ConnId {
        let free = self.slots.iter().position(|(_, taken)| !taken);
        let index = free.unwrap_or(self.slots.len());
        if index == self.slots.len() {
            self.slots.push((0, false));
        }
        let (generation, taken) = &mut self.slots[index];
        *generation += 1;
        *taken = true;
        ConnId { index: u32::try_from(index).expect("few"), generation: *generation }
    }

    /// A connection is over.
    pub fn free_slot(&mut self, conn: ConnId) {
        let index = usize::try_from(conn.index).expect("few");
        if let Some(slot) = self.slots.get_mut(index).filter(|slot| slot.0 == conn.generation) {
            slot.1 = false;
        }
    }
}
