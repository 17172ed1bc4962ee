//! XMPP, as ejabberd and Prosody speak it. A server says only when asked (XEP-0198) how many
//! stanzas it has taken, which is less than having stored them.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::stanza::{Element, Piece, piece};
use crate::peers::adapter::{Adapter, AdapterError, Event, Seat, To, beginning};

const OPENING: &str = "<?xml version='1.0'?><stream:stream to='localhost' \
    xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>";
const BIND: &str = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
    <resource>r</resource></bind></iq>";
const ENABLE: &str = "<enable xmlns='urn:xmpp:sm:3'/>";
const REQUEST: &str = "<r xmlns='urn:xmpp:sm:3'/>";

/// Makes the accounts of users `0..users` before anybody signs in.
#[derive(Debug)]
pub struct Registrar {
    users: u32,
    made: u32,
}

/// A user of an XMPP server.
#[derive(Debug)]
pub struct Xmpp {
    seat: Seat,
    is_proven: bool,
    /// Answers that are awaited before the user is ready.
    awaited: u32,
    /// Stanzas that the server counts as ours, and those of them that are no posts.
    taken: u64,
    presences: u64,
    /// Stanzas that we have received since both sides count them.
    received: u32,
    has_asked: bool,
}

impl Xmpp {
    /// The connection of a user.
    #[must_use]
    pub fn new(seat: Seat) -> Self {
        Self {
            seat,
            is_proven: false,
            awaited: 1 + u32::from(seat.asks) + u32::from(seat.reads),
            taken: 0,
            presences: 0,
            received: 0,
            has_asked: true,
        }
    }

    fn heed(
        &mut self,
        element: Element<'_>,
        out: &mut Vec<u8>,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), AdapterError> {
        if element.attribute("type") == Some(b"error") {
            return Err(refused(element));
        }
        match element.name() {
            b"stream:features" => self.go_on(out),
            b"success" => {
                self.is_proven = true;
                out.extend_from_slice(OPENING.as_bytes());
            }
            b"enabled" => {
                self.received = 0;
                self.hear_one(tell);
            }
            b"iq" => {
                self.received += 1;
                if element.attribute("id") == Some(b"b") {
                    self.arrive(out);
                    self.hear_one(tell);
                }
            }
            b"presence" => self.hear_presence(element, tell),
            b"message" => {
                self.received += 1;
                if let Some(body) = element.body() {
                    tell(Event::Delivered(body));
                }
            }
            b"r" => write!(out, "<a xmlns='urn:xmpp:sm:3' h='{}'/>", self.received)
                .expect("a vector takes all"),
            b"a" => self.count(element, tell)?,
            _ => return Err(refused(element)),
        }
        Ok(())
    }

    fn go_on(&self, out: &mut Vec<u8>) {
        if self.is_proven {
            out.extend_from_slice(BIND.as_bytes());
            return;
        }
        out.extend_from_slice(b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>");
        let secret = format!("\0u{}\0secret", self.seat.user);
        out.extend_from_slice(STANDARD.encode(secret).as_bytes());
        out.extend_from_slice(b"</auth>");
    }

    fn arrive(&mut self, out: &mut Vec<u8>) {
        if self.seat.asks {
            out.extend_from_slice(ENABLE.as_bytes());
        }
        if self.seat.reads {
            self.presences += 1;
            out.extend_from_slice(b"<presence/>");
        }
    }

    fn hear_one(&mut self, tell: &mut dyn FnMut(Event<'_>)) {
        self.awaited = self.awaited.saturating_sub(1);
        if self.awaited == 0 {
            tell(Event::Ready);
        }
    }

    /// One's own presence comes back, from the server when one has arrived and from the room when
    /// one has joined.
    fn hear_presence(&mut self, element: Element<'_>, tell: &mut dyn FnMut(Event<'_>)) {
        self.received += 1;
        let from = element.attribute("from").unwrap_or_default();
        let user = self.seat.user;
        if from == format!("u{user}@localhost/r").as_bytes() {
            self.hear_one(tell);
        } else if from == format!("g@rooms.localhost/u{user}").as_bytes() {
            tell(Event::Joined);
        }
    }

    fn count(
        &mut self,
        element: Element<'_>,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), AdapterError> {
        let said = element.attribute("h").and_then(|h| std::str::from_utf8(h).ok());
        let taken = said.and_then(|h| h.parse::<u64>().ok()).ok_or_else(|| refused(element))?;
        let posts = taken.saturating_sub(self.presences);
        let more = posts.saturating_sub(self.taken);
        self.taken += more;
        if more > 0 {
            tell(Event::Accepted(more));
        }
        Ok(())
    }
}

fn refused(element: Element<'_>) -> AdapterError {
    AdapterError::Refused(beginning(element.bytes()))
}

/// What each element of `input` is, told one after the other.
fn read_elements(
    input: &[u8],
    mut heed: impl FnMut(Element<'_>) -> Result<(), AdapterError>,
) -> Result<usize, AdapterError> {
    let mut read = 0;
    while let Some((piece, len)) = piece(&input[read..])? {
        read += len;
        match piece {
            Piece::Opening => {}
            Piece::Element(element) => heed(element)?,
            Piece::Closing => return Err(AdapterError::Refused("it ends the stream".to_owned())),
        }
    }
    Ok(read)
}

impl Adapter for Xmpp {
    fn begin(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(OPENING.as_bytes());
    }

    fn receive(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> Result<usize, AdapterError> {
        read_elements(input, |element| self.heed(element, out, tell))
    }

    fn join(&mut self, out: &mut Vec<u8>) {
        self.presences += 1;
        let user = self.seat.user;
        write!(
            out,
            "<presence to='g@rooms.localhost/u{user}'>\
             <x xmlns='http://jabber.org/protocol/muc'/></presence>"
        )
        .expect("a vector takes all");
    }

    fn post(&mut self, to: To, text: &[u8], out: &mut Vec<u8>) {
        match to {
            To::User(user) => write!(out, "<message to='u{user}@localhost' type='chat'><body>")
                .expect("a vector takes all"),
            To::Group => {
                out.extend_from_slice(b"<message to='g@rooms.localhost' type='groupchat'><body>");
            }
        }
        out.extend_from_slice(text);
        out.extend_from_slice(b"</body></message>");
        self.has_asked = false;
    }

    fn end_turn(&mut self, out: &mut Vec<u8>) {
        if self.seat.asks && !self.has_asked {
            out.extend_from_slice(REQUEST.as_bytes());
            self.has_asked = true;
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"</stream:stream>");
    }
}

impl Registrar {
    /// Makes so many accounts.
    #[must_use]
    pub fn new(users: u32) -> Self {
        Self { users, made: 0 }
    }

    fn heed(
        &mut self,
        element: Element<'_>,
        out: &mut Vec<u8>,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), AdapterError> {
        match (element.name(), element.attribute("type")) {
            (b"stream:features", _) => {
                self.ask(out);
                Ok(())
            }
            (b"iq", Some(b"result")) => {
                self.made += 1;
                match self.made == self.users {
                    true => tell(Event::Ready),
                    false => self.ask(out),
                }
                Ok(())
            }
            _ => Err(refused(element)),
        }
    }

    fn ask(&self, out: &mut Vec<u8>) {
        let user = self.made;
        write!(
            out,
            "<iq type='set' id='r{user}'><query xmlns='jabber:iq:register'>\
             <username>u{user}</username><password>secret</password></query></iq>"
        )
        .expect("a vector takes all");
    }
}

impl Adapter for Registrar {
    fn begin(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(OPENING.as_bytes());
    }

    fn receive(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> Result<usize, AdapterError> {
        read_elements(input, |element| self.heed(element, out, tell))
    }

    fn join(&mut self, _out: &mut Vec<u8>) {}

    fn post(&mut self, _to: To, _text: &[u8], _out: &mut Vec<u8>) {}

    fn end(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"</stream:stream>");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::adapter::testing::{heard_however_cut, withstands};

    const STORY: &[u8] = b"<?xml version='1.0'?><stream:stream from='localhost'>\
        <stream:features><mechanisms/></stream:features><success xmlns='x'/>\
        <stream:stream id='2'><stream:features/><iq type='result' id='b'><bind/></iq>\
        <enabled xmlns='urn:xmpp:sm:3'/><presence from='u7@localhost/r'/>\
        <message from='u8@localhost/r' to='u7@localhost'><body>one</body><delay/></message>\
        <r xmlns='urn:xmpp:sm:3'/><a h='3' xmlns='urn:xmpp:sm:3'/> <a h='3'/>";

    fn asking() -> Xmpp {
        Xmpp::new(Seat { asks: true, ..Seat::of(7) })
    }

    #[test]
    fn stanzas_are_found_wherever_they_are_cut() {
        let heard = heard_however_cut(asking, STORY);
        assert_eq!(heard.told, ["ready", "delivered one", "accepted(2)"]);
        let out = String::from_utf8(heard.out).expect("it is text");
        assert!(out.contains(">AHU3AHNlY3JldA==</auth>"), "{out}");
        assert!(out.ends_with("<presence/><a xmlns='urn:xmpp:sm:3' h='2'/>"), "{out}");
    }

    #[test]
    fn garbage_and_refusals_are_errors() {
        let bad: [&[u8]; 5] = [
            b"<failure/>",
            b"<message type='error'/>",
            b"</stream:stream>",
            b"words",
            b"<a h='many'/>",
        ];
        withstands(asking, STORY, &bad);
        withstands(|| Registrar::new(2), STORY, &[b"<iq type='error' id='r0'/>"]);
    }

    #[test]
    fn accounts_are_made_one_after_the_other() {
        let story = b"<stream:features/><iq type='result' id='r0'/><iq type='result' id='r1'/>";
        let heard = heard_however_cut(|| Registrar::new(2), story);
        assert_eq!(heard.told, ["ready"]);
        let out = String::from_utf8(heard.out).expect("it is text");
        assert_eq!(out.matches("<username>").count(), 2, "{out}");
    }
}
