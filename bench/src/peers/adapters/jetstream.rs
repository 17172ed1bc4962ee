//! NATS JetStream: one stream that keeps everything in files, a durable consumer for each reader.
//! A post is acknowledged when it is in the stream; readers acknowledge once per turn, as far as
//! they have read.

use std::io::Write;

use super::nats::{HELLO, Word, publish, unexpected, word};
use crate::peers::adapter::{Adapter, AdapterError, Event, Seat, To, beginning};

/// Subscriptions by their numbers.
const POSTS: &[u8] = b"1";
const ACCEPTED: &[u8] = b"2";
const ANSWERS: &[u8] = b"3";

/// Deliveries that a reader may leave unacknowledged: it acknowledges once per turn.
const UNSEEN_MAX: u32 = 65_536;

/// Makes the stream before anybody else comes.
#[derive(Debug, Default)]
pub struct StreamMaker;

/// A user of JetStream.
#[derive(Debug)]
pub struct JetStream {
    seat: Seat,
    is_ready: bool,
    /// Where the newest delivery is acknowledged, when it is not yet.
    unseen: Vec<u8>,
}

impl JetStream {
    /// The connection of a user.
    #[must_use]
    pub fn new(seat: Seat) -> Self {
        Self { seat, is_ready: false, unseen: Vec::new() }
    }

    fn make_consumer(&self, out: &mut Vec<u8>) {
        let Seat { user, in_group, .. } = self.seat;
        let subject = if in_group { "m.g".to_owned() } else { format!("m.{user}") };
        let request = format!(
            "{{\"stream_name\":\"M\",\"config\":{{\"durable_name\":\"u{user}\",\
             \"deliver_subject\":\"d.{user}\",\"deliver_policy\":\"all\",\"ack_policy\":\"all\",\
             \"ack_wait\":60000000000,\"max_ack_pending\":{UNSEEN_MAX},\
             \"filter_subject\":\"{subject}\"}}}}"
        );
        let api = format_args!("$JS.API.CONSUMER.DURABLE.CREATE.M.u{user} a.{user}");
        publish(api, request.as_bytes(), out);
    }

    fn heed(
        &mut self,
        word: Word<'_>,
        out: &mut Vec<u8>,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), AdapterError> {
        match word {
            Word::Info => {}
            Word::Ping => out.extend_from_slice(b"PONG\r\n"),
            Word::Pong => self.be_ready(tell),
            Word::Message { subscription: POSTS, reply, payload } => {
                self.unseen.clear();
                self.unseen.extend_from_slice(reply);
                tell(Event::Delivered(payload));
            }
            Word::Message { subscription: ACCEPTED, payload, .. } => {
                check(payload)?;
                tell(Event::Accepted(1));
            }
            Word::Message { subscription: ANSWERS, payload, .. } => {
                check(payload)?;
                self.be_ready(tell);
            }
            Word::Message { .. } => return Err(unexpected(b"an unknown subscription")),
        }
        Ok(())
    }

    fn be_ready(&mut self, tell: &mut dyn FnMut(Event<'_>)) {
        tell(if self.is_ready { Event::Joined } else { Event::Ready });
        self.is_ready = true;
    }
}

/// Every answer is a JSON object, with an `error` when it is a refusal.
fn check(answer: &[u8]) -> Result<(), AdapterError> {
    let has_error = answer.windows(7).any(|word| word == b"\"error\"");
    match has_error {
        true => Err(AdapterError::Refused(beginning(answer))),
        false => Ok(()),
    }
}

impl Adapter for JetStream {
    fn begin(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(HELLO.as_bytes());
        let user = self.seat.user;
        write!(out, "SUB p.{user} 2\r\nSUB a.{user} 3\r\n").expect("a vector takes all");
        if !self.seat.reads {
            out.extend_from_slice(b"PING\r\n");
            return;
        }
        write!(out, "SUB d.{user} 1\r\n").expect("a vector takes all");
        match self.seat.returns {
            true => out.extend_from_slice(b"PING\r\n"),
            false => self.make_consumer(out),
        }
    }

    fn receive(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> Result<usize, AdapterError> {
        let mut read = 0;
        while let Some((word, len)) = word(&input[read..])? {
            read += len;
            self.heed(word, out, tell)?;
        }
        Ok(read)
    }

    /// The consumer that came with the connection is the group's.
    fn join(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"PING\r\n");
    }

    fn post(&mut self, to: To, text: &[u8], out: &mut Vec<u8>) {
        let own = self.seat.user;
        match to {
            To::User(user) => publish(format_args!("m.{user} p.{own}"), text, out),
            To::Group => publish(format_args!("m.g p.{own}"), text, out),
        }
    }

    fn end_turn(&mut self, out: &mut Vec<u8>) {
        if self.unseen.is_empty() {
            return;
        }
        out.extend_from_slice(b"PUB ");
        out.extend_from_slice(&self.unseen);
        out.extend_from_slice(b" 4\r\n+ACK\r\n");
        self.unseen.clear();
    }
}

impl Adapter for StreamMaker {
    fn begin(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(HELLO.as_bytes());
        out.extend_from_slice(b"SUB a.maker 3\r\n");
        let stream = "{\"name\":\"M\",\"subjects\":[\"m.>\"],\"storage\":\"file\",\
            \"retention\":\"limits\",\"discard\":\"old\",\"num_replicas\":1,\
            \"max_consumers\":-1,\"max_msgs\":-1,\"max_bytes\":-1,\"max_age\":0}";
        publish(format_args!("$JS.API.STREAM.CREATE.M a.maker"), stream.as_bytes(), out);
    }

    fn receive(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> Result<usize, AdapterError> {
        let mut read = 0;
        while let Some((word, len)) = word(&input[read..])? {
            read += len;
            match word {
                Word::Ping => out.extend_from_slice(b"PONG\r\n"),
                Word::Message { payload, .. } => {
                    check(payload)?;
                    tell(Event::Ready);
                }
                Word::Info | Word::Pong => {}
            }
        }
        Ok(read)
    }

    fn join(&mut self, _out: &mut Vec<u8>) {}

    fn post(&mut self, _to: To, _text: &[u8], _out: &mut Vec<u8>) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::adapter::testing::{heard_however_cut, withstands};

    const STORY: &[u8] = b"INFO {}\r\nMSG a.7 3 13\r\n{\"config\":{}}\r\n\
        MSG m.7 1 $JS.ACK.1 3\r\none\r\nMSG p.7 2 9\r\n{\"seq\":1}\r\n";

    fn reader() -> JetStream {
        JetStream::new(Seat::of(7))
    }

    #[test]
    fn words_are_found_wherever_they_are_cut() {
        let heard = heard_however_cut(reader, STORY);
        assert_eq!(heard.told, ["ready", "delivered one", "accepted(1)"]);
    }

    #[test]
    fn a_turn_acknowledges_the_newest_once() {
        let mut reader = reader();
        let read = reader.receive(STORY, &mut Vec::new(), &mut |_| {});
        assert_eq!(read, Ok(STORY.len()));
        let mut out = Vec::new();
        reader.end_turn(&mut out);
        reader.end_turn(&mut out);
        assert_eq!(out, b"PUB $JS.ACK.1 4\r\n+ACK\r\n");
    }

    #[test]
    fn garbage_and_refusals_are_errors() {
        let refused = &b"MSG p.7 2 14\r\n{\"error\":{\"a\"}\r\n"[..];
        let stranger = &b"MSG p.7 9 0\r\n\r\n"[..];
        withstands(reader, STORY, &[refused, stranger, b"what\r\n"]);
        withstands(|| StreamMaker, STORY, &[b"MSG a.maker 3 7\r\n\"error\"\r\n"]);
    }
}
