//! An XMPP stream in pieces: what opens and ends it, and the elements between. Only as much XML as
//! servers write: no comments, no CDATA.

use crate::peers::adapter::{AdapterError, beginning};

/// An element with more is garbage: servers are told to refuse long ones.
const ELEMENT_LEN_MAX: usize = 1 << 18;

/// A piece of a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Piece<'a> {
    /// The XML declaration, or the tag that opens the stream.
    Opening,
    /// A whole element.
    Element(Element<'a>),
    /// The stream ends.
    Closing,
}

/// A whole element of a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Element<'a> {
    tag: &'a [u8],
    bytes: &'a [u8],
}

/// The piece at the beginning of `input`, and the bytes that it takes, when it is whole.
///
/// # Errors
/// [`AdapterError::Unexpected`].
pub fn piece(input: &[u8]) -> Result<Option<(Piece<'_>, usize)>, AdapterError> {
    let blank = input.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let rest = &input[blank..];
    if rest.first().is_some_and(|byte| *byte != b'<') {
        return Err(unexpected(rest));
    }
    let Some(tag) = tag(rest) else {
        return bounded(rest);
    };
    let found = |piece, len| Ok(Some((piece, blank + len)));
    if tag.starts_with(b"<?") || tag.starts_with(b"<stream:stream") {
        return found(Piece::Opening, tag.len());
    }
    if tag.starts_with(b"</") {
        return found(Piece::Closing, tag.len());
    }
    match element_len(rest) {
        Some(len) => found(Piece::Element(Element { tag, bytes: &rest[..len] }), len),
        None => bounded(rest),
    }
}

fn bounded<T>(rest: &[u8]) -> Result<Option<T>, AdapterError> {
    match rest.len() > ELEMENT_LEN_MAX {
        true => Err(unexpected(rest)),
        false => Ok(None),
    }
}

fn unexpected(said: &[u8]) -> AdapterError {
    AdapterError::Unexpected { protocol: "XMPP", said: beginning(said) }
}

/// The tag at the beginning of `input`, up to its `>`, which may also stand in a quoted value.
fn tag(input: &[u8]) -> Option<&[u8]> {
    let mut quote = None;
    for (at, byte) in input.iter().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(&input[..=at]),
            (None, b'\'' | b'"') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

/// Bytes of the element at the beginning of `input`, with all inside.
fn element_len(input: &[u8]) -> Option<usize> {
    let mut depth = 0usize;
    let mut at = 0;
    loop {
        let tag = tag(&input[at..])?;
        at += tag.len();
        if tag.starts_with(b"</") {
            depth = depth.saturating_sub(1);
        } else if !tag.ends_with(b"/>") {
            depth += 1;
        }
        if depth == 0 {
            return Some(at);
        }
        at += input[at..].iter().position(|byte| *byte == b'<')?;
    }
}

impl<'a> Element<'a> {
    /// Its name, with the prefix when there is one.
    #[must_use]
    pub fn name(&self) -> &'a [u8] {
        let name = self.tag.strip_prefix(b"<").unwrap_or(self.tag);
        let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/');
        let len = name.iter().position(ends).unwrap_or(name.len());
        &name[..len]
    }

    /// The value of an attribute, as it stands.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&'a [u8]> {
        let mut rest = self.tag;
        loop {
            let at = rest.iter().position(u8::is_ascii_whitespace)?;
            rest = rest[at..].trim_ascii_start();
            let Some(value) = rest.strip_prefix(name.as_bytes()).and_then(|v| v.strip_prefix(b"="))
            else {
                rest = behind_value(rest)?;
                continue;
            };
            let (quote, value) = value.split_first()?;
            let len = value.iter().position(|byte| byte == quote)?;
            return Some(&value[..len]);
        }
    }

    /// The text of the first `<body>` inside.
    #[must_use]
    pub fn body(&self) -> Option<&'a [u8]> {
        const OPEN: &[u8] = b"<body>";
        let from = self.bytes.windows(OPEN.len()).position(|window| window == OPEN)? + OPEN.len();
        let rest = &self.bytes[from..];
        let len = rest.iter().position(|byte| *byte == b'<')?;
        Some(&rest[..len])
    }

    /// All of it.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// What stands behind the quoted value that comes next, without losing the space before another.
fn behind_value(rest: &[u8]) -> Option<&[u8]> {
    let from = rest.iter().position(|byte| matches!(byte, b'\'' | b'"'))?;
    let quote = rest[from];
    let len = rest[from + 1..].iter().position(|byte| *byte == quote)?;
    Some(&rest[from + 1 + len..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(text: &str) -> Element<'_> {
        match piece(text.as_bytes()) {
            Ok(Some((Piece::Element(element), len))) if len == text.len() => element,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_element_ends_with_its_own_tag() {
        let text = "<a x='>' y=\"'\"><a/><b><a></a></b>t</a>";
        assert_eq!(element(text).bytes(), text.as_bytes());
        for cut in 0..text.len() {
            assert_eq!(piece(&text.as_bytes()[..cut]), Ok(None), "cut at {cut}");
        }
    }

    #[test]
    fn attributes_are_found_by_their_whole_names() {
        let found = element("<iq xml:id='0' to=\"id='9'\" id='1' type='x'/>");
        assert_eq!(found.name(), b"iq");
        assert_eq!(found.attribute("id"), Some(&b"1"[..]));
        assert_eq!(found.attribute("type"), Some(&b"x"[..]));
        assert_eq!(found.attribute("from"), None);
        assert_eq!(element("<a/>").attribute("id"), None);
        assert_eq!(element("<a />").name(), b"a");
    }

    #[test]
    fn text_outside_elements_is_garbage() {
        assert!(piece(b" x").is_err());
        assert!(piece(&[b'<'; ELEMENT_LEN_MAX + 1]).is_err());
    }
}
