//! What the load says to a peer's server, whatever its protocol. An adapter is pure: bytes in,
//! events and bytes out.

use thiserror::Error;

/// Something an adapter found in what a server said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event<'a> {
    /// Signed in: posts may be sent, and those of others arrive.
    Ready,
    /// In the group.
    Joined,
    /// A post with this text arrived.
    Delivered(&'a [u8]),
    /// The server has so many more of this connection's posts, the oldest first.
    Accepted(u64),
}

/// Whom a post is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum To {
    /// A user, by its index.
    User(u32),
    /// The one group of a run.
    Group,
}

/// What a server said that it should not have.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum AdapterError {
    /// It refused something.
    #[error("the server refuses: {0}")]
    Refused(String),
    /// It does not speak its protocol.
    #[error("the server says what is not {protocol}: {said}")]
    Unexpected {
        /// The protocol.
        protocol: &'static str,
        /// The beginning of what it said.
        said: String,
    },
}

/// One user's connection to a peer.
pub trait Adapter {
    /// What a new connection says first.
    fn begin(&mut self, out: &mut Vec<u8>);

    /// Reads what is whole at the beginning of `input`, tells what it means, and answers into
    /// `out`. How many bytes it has read.
    ///
    /// # Errors
    /// [`AdapterError`]: the connection is of no more use.
    fn receive(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> Result<usize, AdapterError>;

    /// Joins the group.
    fn join(&mut self, out: &mut Vec<u8>);

    /// Posts `text`.
    fn post(&mut self, to: To, text: &[u8], out: &mut Vec<u8>);

    /// What belongs at the end of a turn: cumulative acknowledgements.
    fn end_turn(&mut self, _out: &mut Vec<u8>) {}

    /// What is said before a connection is closed.
    fn end(&mut self, _out: &mut Vec<u8>) {}
}

/// A user's place in a run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Seat {
    /// Its index; every name is made of it.
    pub user: u32,
    /// It reads: what is for it must arrive.
    pub reads: bool,
    /// It will join the group, and is told nothing else.
    pub in_group: bool,
    /// It was here before, so that what was kept for it must arrive.
    pub returns: bool,
    /// It wants to hear that the server has its posts, also where that must be asked for.
    pub asks: bool,
}

impl Seat {
    /// A user who reads and writes.
    #[must_use]
    pub fn of(user: u32) -> Self {
        Self { user, reads: true, in_group: false, returns: false, asks: false }
    }
}

/// How much of a server's words an error shows.
const SAID_LEN: usize = 120;

/// The beginning of `said`, as text.
pub(crate) fn beginning(said: &[u8]) -> String {
    let shown = &said[..said.len().min(SAID_LEN)];
    String::from_utf8_lossy(shown).trim_end().to_owned()
}

/// The first line of `input`, without its end, and the bytes that it takes.
pub(crate) fn line(input: &[u8]) -> Option<(&[u8], usize)> {
    let end = input.iter().position(|byte| *byte == b'\n')?;
    let line = &input[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), end + 1))
}

#[cfg(test)]
pub(crate) mod testing {
    use super::{Adapter, AdapterError, Event};

    /// What an adapter told, and what it answered.
    #[derive(Debug, Default, Eq, PartialEq)]
    pub(crate) struct Heard {
        pub(crate) told: Vec<String>,
        pub(crate) out: Vec<u8>,
    }

    impl Heard {
        /// Feeds `input` in pieces that end at each of `cuts`.
        pub(crate) fn feed(
            &mut self,
            adapter: &mut dyn Adapter,
            input: &[u8],
            cuts: &[usize],
        ) -> Result<(), AdapterError> {
            let mut unread = Vec::new();
            let mut from = 0;
            for to in cuts.iter().copied().chain([input.len()]) {
                unread.extend_from_slice(&input[from..to]);
                from = to;
                let Self { told, out } = self;
                let mut tell = |event: Event<'_>| told.push(word(event));
                let read = adapter.receive(&unread, out, &mut tell)?;
                unread.drain(..read);
            }
            Ok(())
        }
    }

    fn word(event: Event<'_>) -> String {
        match event {
            Event::Delivered(text) => format!("delivered {}", String::from_utf8_lossy(text)),
            other => format!("{other:?}").to_lowercase(),
        }
    }

    /// The same bytes mean the same, wherever they are cut; all told, and all said but the
    /// beginning.
    pub(crate) fn heard_however_cut<A: Adapter>(make: impl Fn() -> A, input: &[u8]) -> Heard {
        let whole = fed(&mut make(), input, &[]);
        for cut in 0..=input.len() {
            assert_eq!(fed(&mut make(), input, &[cut]), whole, "cut at {cut}");
        }
        let everywhere: Vec<usize> = (0..input.len()).collect();
        assert_eq!(fed(&mut make(), input, &everywhere), whole);
        whole
    }

    fn fed(adapter: &mut dyn Adapter, input: &[u8], cuts: &[usize]) -> Heard {
        let mut heard = Heard::default();
        adapter.begin(&mut Vec::new());
        heard.feed(adapter, input, cuts).expect("the server speaks well");
        heard.out.shrink_to_fit();
        heard
    }

    /// No bytes make an adapter panic; those of `bad` are errors.
    pub(crate) fn withstands<A: Adapter>(make: impl Fn() -> A, good: &[u8], bad: &[&[u8]]) {
        for bad in bad {
            let fed = Heard::default().feed(&mut make(), bad, &[]);
            assert!(fed.is_err(), "{}", String::from_utf8_lossy(bad));
        }
        for at in 0..good.len() {
            for value in [0, b' ', b'\n', b'<', b'9', 0xff] {
                let mut damaged = good.to_vec();
                damaged[at] = value;
                // Whether it is an error depends on the byte.
                drop(Heard::default().feed(&mut make(), &damaged, &[]));
                drop(Heard::default().feed(&mut make(), &damaged[at..], &[]));
            }
        }
    }
}
