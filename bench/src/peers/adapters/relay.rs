//! The frames of our own bare relay: a length, a kind, a user, a text. The relay copies a frame
//! from one socket to another and does nothing else.

use byteorder::{BigEndian, ByteOrder};

use crate::peers::adapter::{Adapter, AdapterError, Event, To, beginning};

/// Bytes before a frame's text: length of what follows it, kind, user.
pub const HEAD_LEN: usize = 9;
/// A frame with more is garbage.
pub const TEXT_LEN_MAX: usize = 1 << 16;

/// What a frame is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// "I am this user"; comes back as it is.
    Hello,
    /// "I am in the group"; comes back as it is.
    Join,
    /// A text for this user.
    Direct,
    /// A text for the others of the group.
    Group,
}

/// A frame, as far as the relay looks at it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Frame<'a> {
    /// What it is.
    pub kind: Kind,
    /// Whom it is about.
    pub user: u32,
    /// What it carries.
    pub text: &'a [u8],
    /// All of it.
    pub bytes: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame at the beginning of `input`, when it is whole.
    ///
    /// # Errors
    /// [`AdapterError::Unexpected`].
    pub fn first(input: &'a [u8]) -> Result<Option<Self>, AdapterError> {
        let Some(head) = input.first_chunk::<HEAD_LEN>() else {
            return Ok(None);
        };
        let len = usize::try_from(BigEndian::read_u32(&head[..4])).unwrap_or(usize::MAX);
        let kind = match head[4] {
            1 => Kind::Hello,
            2 => Kind::Join,
            3 => Kind::Direct,
            4 => Kind::Group,
            _ => return Err(unexpected(input)),
        };
        if len > TEXT_LEN_MAX {
            return Err(unexpected(input));
        }
        let user = BigEndian::read_u32(&head[5..]);
        let bytes = input.get(..HEAD_LEN + len);
        Ok(bytes.map(|bytes| Self { kind, user, text: &bytes[HEAD_LEN..], bytes }))
    }
}

fn unexpected(input: &[u8]) -> AdapterError {
    AdapterError::Unexpected { protocol: "a frame of the relay", said: beginning(input) }
}

/// Appends a frame.
pub fn append(kind: Kind, user: u32, text: &[u8], out: &mut Vec<u8>) {
    let len = u32::try_from(text.len()).expect("texts are short");
    out.extend_from_slice(&len.to_be_bytes());
    out.push(match kind {
        Kind::Hello => 1,
        Kind::Join => 2,
        Kind::Direct => 3,
        Kind::Group => 4,
    });
    out.extend_from_slice(&user.to_be_bytes());
    out.extend_from_slice(text);
}

/// A user of the relay.
#[derive(Debug)]
pub struct Relayed {
    user: u32,
}

impl Relayed {
    /// The connection of a user.
    #[must_use]
    pub fn new(user: u32) -> Self {
        Self { user }
    }
}

impl Adapter for Relayed {
    fn begin(&mut self, out: &mut Vec<u8>) {
        append(Kind::Hello, self.user, b"", out);
    }

    fn receive(
        &mut self,
        input: &[u8],
        _out: &mut Vec<u8>,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> Result<usize, AdapterError> {
        let mut read = 0;
        while let Some(frame) = Frame::first(&input[read..])? {
            read += frame.bytes.len();
            tell(match frame.kind {
                Kind::Hello => Event::Ready,
                Kind::Join => Event::Joined,
                Kind::Direct | Kind::Group => Event::Delivered(frame.text),
            });
        }
        Ok(read)
    }

    fn join(&mut self, out: &mut Vec<u8>) {
        append(Kind::Join, self.user, b"", out);
    }

    fn post(&mut self, to: To, text: &[u8], out: &mut Vec<u8>) {
        match to {
            To::User(user) => append(Kind::Direct, user, text, out),
            To::Group => append(Kind::Group, self.user, text, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::adapter::testing::{heard_however_cut, withstands};

    fn story() -> Vec<u8> {
        let mut story = Vec::new();
        append(Kind::Hello, 7, b"", &mut story);
        append(Kind::Direct, 7, b"one", &mut story);
        append(Kind::Join, 7, b"", &mut story);
        append(Kind::Group, 8, b"", &mut story);
        story
    }

    #[test]
    fn frames_are_found_wherever_they_are_cut() {
        let heard = heard_however_cut(|| Relayed::new(7), &story());
        assert_eq!(heard.told, ["ready", "delivered one", "joined", "delivered "]);
    }

    #[test]
    fn garbage_is_an_error() {
        let kind = &[0, 0, 0, 0, 9, 0, 0, 0, 0][..];
        let length = &[0xff, 0, 0, 0, 1, 0, 0, 0, 0][..];
        withstands(|| Relayed::new(7), &story(), &[kind, length]);
    }

    #[test]
    fn what_is_said_is_a_frame() {
        let mut relayed = Relayed::new(5);
        let mut out = Vec::new();
        relayed.post(To::User(6), b"two", &mut out);
        let frame = Frame::first(&out).expect("it is good").expect("it is whole");
        assert_eq!((frame.kind, frame.user, frame.text), (Kind::Direct, 6, &b"two"[..]));
    }
}
