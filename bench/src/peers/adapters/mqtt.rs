//! MQTT 3.1.1. With QoS 0 nothing is acknowledged; with QoS 1 the broker acknowledges each post
//! and each reader each delivery, and a session is kept for who is away.

use byteorder::{BigEndian, ByteOrder};

use crate::peers::adapter::{Adapter, AdapterError, Event, Seat, To, beginning};

const CONNACK: u8 = 2;
const PUBLISH: u8 = 3;
const PUBACK: u8 = 4;
const SUBACK: u8 = 9;

/// A packet with more is garbage: nothing here comes near it.
const PACKET_LEN_MAX: usize = 1 << 16;

/// How deliveries are secured.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Quality {
    /// QoS 0: sent and forgotten, sessions too.
    Forgotten,
    /// QoS 1 with sessions that are kept.
    Kept,
}

/// A user of a broker.
#[derive(Debug)]
pub struct Mqtt {
    seat: Seat,
    quality: Quality,
    packet: u16,
    is_ready: bool,
}

/// A packet's kind, its flags and what follows its length.
type Packet<'a> = (u8, u8, &'a [u8]);

impl Mqtt {
    /// The connection of a user.
    #[must_use]
    pub fn new(seat: Seat, quality: Quality) -> Self {
        Self { seat, quality, packet: 0, is_ready: false }
    }

    fn qos(&self) -> u8 {
        match self.quality {
            Quality::Forgotten => 0,
            Quality::Kept => 1,
        }
    }

    /// Packets are numbered from 1; a number is free again long before it returns.
    fn next_packet(&mut self) -> u16 {
        self.packet = self.packet.checked_add(1).unwrap_or(1);
        self.packet
    }

    fn subscribe(&mut self, topic: &str, out: &mut Vec<u8>) {
        let mut body = self.next_packet().to_be_bytes().to_vec();
        append_text(topic, &mut body);
        body.push(self.qos());
        append(0x82, &body, out);
    }

    fn heed(
        &mut self,
        (kind, flags, body): Packet<'_>,
        out: &mut Vec<u8>,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), AdapterError> {
        match (kind, body) {
            (CONNACK, [_, 0]) => match self.seat.reads && !self.seat.returns {
                true => self.subscribe(&topic(To::User(self.seat.user)), out),
                false => self.be_ready(tell),
            },
            (CONNACK, [_, code]) => return Err(refused("the connection", *code)),
            (SUBACK, [_, _, code]) if *code <= 1 => self.be_ready(tell),
            (SUBACK, [_, _, code]) => return Err(refused("a subscription", *code)),
            (PUBACK, [_, _]) => tell(Event::Accepted(1)),
            (PUBLISH, body) => {
                let (text, packet) = published(flags, body).ok_or_else(|| unexpected(body))?;
                if let Some(packet) = packet {
                    append(PUBACK << 4, packet, out);
                }
                tell(Event::Delivered(text));
            }
            _ => return Err(unexpected(body)),
        }
        Ok(())
    }

    fn be_ready(&mut self, tell: &mut dyn FnMut(Event<'_>)) {
        tell(if self.is_ready { Event::Joined } else { Event::Ready });
        self.is_ready = true;
    }
}

/// A message's text, and its packet's number when it wants an acknowledgement.
fn published(flags: u8, body: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let (len, rest) = body.split_first_chunk::<2>()?;
    let (_topic, rest) = rest.split_at_checked(usize::from(BigEndian::read_u16(len)))?;
    match flags & 0b0110 {
        0 => Some((rest, None)),
        0b0010 => rest.split_at_checked(2).map(|(packet, text)| (text, Some(packet))),
        _ => None,
    }
}

/// The packet at the beginning of `input`, and the bytes that it takes, when it is whole.
fn packet(input: &[u8]) -> Result<Option<(Packet<'_>, usize)>, AdapterError> {
    let Some((first, rest)) = input.split_first() else {
        return Ok(None);
    };
    let mut len = 0;
    for at in 0..4 {
        let Some(byte) = rest.get(at) else {
            return Ok(None);
        };
        len |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            if len > PACKET_LEN_MAX {
                return Err(unexpected(input));
            }
            let body = rest.get(at + 1..at + 1 + len);
            return Ok(body.map(|body| ((first >> 4, first & 15, body), at + 2 + len)));
        }
    }
    Err(unexpected(input))
}

fn unexpected(said: &[u8]) -> AdapterError {
    AdapterError::Unexpected { protocol: "MQTT", said: beginning(said) }
}

fn refused(what: &str, code: u8) -> AdapterError {
    AdapterError::Refused(format!("{what}, with code {code}"))
}

fn topic(to: To) -> String {
    match to {
        To::User(user) => format!("u/{user}"),
        To::Group => "g".to_owned(),
    }
}

fn append_text(text: &str, out: &mut Vec<u8>) {
    let len = u16::try_from(text.len()).expect("names are short");
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn append(first: u8, body: &[u8], out: &mut Vec<u8>) {
    append_head(first, body.len(), out);
    out.extend_from_slice(body);
}

fn append_head(first: u8, mut len: usize, out: &mut Vec<u8>) {
    out.push(first);
    loop {
        let low = u8::try_from(len & 0x7f).expect("seven bits");
        len >>= 7;
        if len == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

impl Adapter for Mqtt {
    fn begin(&mut self, out: &mut Vec<u8>) {
        let is_clean = self.quality == Quality::Forgotten;
        let mut body = b"\x00\x04MQTT\x04".to_vec();
        body.push(0b1100_0000 | u8::from(is_clean) << 1);
        // No pings: nobody is silent for long but those who are to be.
        body.extend_from_slice(&[0, 0]);
        append_text(&format!("u{}", self.seat.user), &mut body);
        append_text("bench", &mut body);
        append_text("secret", &mut body);
        append(0x10, &body, out);
    }

    fn receive(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> Result<usize, AdapterError> {
        let mut read = 0;
        while let Some((packet, len)) = packet(&input[read..])? {
            read += len;
            self.heed(packet, out, tell)?;
        }
        Ok(read)
    }

    fn join(&mut self, out: &mut Vec<u8>) {
        self.subscribe(&topic(To::Group), out);
    }

    fn post(&mut self, to: To, text: &[u8], out: &mut Vec<u8>) {
        let (topic, qos) = (topic(to), self.qos());
        let packet = (qos > 0).then(|| self.next_packet().to_be_bytes());
        append_head(0x30 | qos << 1, 2 + topic.len() + 2 * usize::from(qos) + text.len(), out);
        append_text(&topic, out);
        out.extend(packet.into_iter().flatten());
        out.extend_from_slice(text);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        append(0xe0, b"", out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::adapter::testing::{Heard, heard_however_cut, withstands};

    const STORY: &[u8] = b"\x20\x02\x00\x00\x90\x03\x00\x01\x01\x32\x0a\x00\x03u/7\x00\x09one\
        \x30\x05\x00\x01gtw\x40\x02\x00\x02";

    fn kept() -> Mqtt {
        Mqtt::new(Seat::of(7), Quality::Kept)
    }

    #[test]
    fn packets_are_found_wherever_they_are_cut() {
        let heard = heard_however_cut(kept, STORY);
        assert_eq!(heard.told, ["ready", "delivered one", "delivered tw", "accepted(1)"]);
        assert_eq!(heard.out, b"\x82\x08\x00\x01\x00\x03u/7\x01\x40\x02\x00\x09");
    }

    #[test]
    fn garbage_and_refusals_are_errors() {
        let bad: [&[u8]; 5] = [
            b"\x20\x02\x00\x05",
            b"\x90\x03\x00\x01\x80",
            b"\x30\xff\xff\xff\xff\x01",
            b"\x30\xff\xff\x7f",
            b"\x36\x02\x00\x00",
        ];
        withstands(kept, STORY, &bad);
    }

    #[test]
    fn a_post_is_read_as_it_was_written() {
        let text = [b'x'; 200];
        for quality in [Quality::Forgotten, Quality::Kept] {
            let mut out = Vec::new();
            Mqtt::new(Seat::of(1), quality).post(To::User(7), &text, &mut out);
            let mut heard = Heard::default();
            let mut reader = Mqtt::new(Seat::of(7), quality);
            heard.feed(&mut reader, &out, &[]).expect("it is well-formed");
            assert_eq!(heard.told, [format!("delivered {}", "x".repeat(200))]);
        }
    }
}
