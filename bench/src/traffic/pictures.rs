//! Where images meet the messages that name them.

use wire::Instant;
use wire::message::{BlobState, Chunk};

use super::{Traffic, say};
use crate::images::Next;
use crate::layout::Target;
use crate::load::Effect;

impl Traffic {
    /// Uploads that are due begin.
    pub(super) fn release_images(&mut self, now: Instant, out: &mut Vec<Effect>) {
        for (lane, message) in self.images.release(now) {
            say(self.layout.lanes()[lane].writer, message, out);
        }
    }

    /// A home says how far an upload is.
    pub fn on_blob_state(&mut self, now: Instant, state: &BlobState, out: &mut Vec<Effect>) {
        let next = self.images.on_state(state);
        self.go_on(now, next, out);
    }

    /// A reader has a part of an image.
    pub fn on_chunk(&mut self, now: Instant, chunk: &Chunk, out: &mut Vec<Effect>) {
        if let Some(lane) = self.images.lane(chunk.request) {
            let uploader = self.names[self.layout.lanes()[lane].writer];
            let next = self.images.on_chunk(now, chunk, uploader);
            self.go_on(now, next, out);
        }
    }

    /// A post has arrived that may name an image.
    pub(super) fn fetch(&mut self, now: Instant, lane: usize, number: u64, out: &mut Vec<Effect>) {
        let uploader = self.names[self.layout.lanes()[lane].writer];
        let next = self.images.on_arrived(lane, number, uploader);
        self.go_on(now, next, out);
    }

    fn go_on(&mut self, now: Instant, next: Option<Next>, out: &mut Vec<Effect>) {
        match next {
            None => return,
            Some(Next::Writer(lane, message)) => {
                say(self.layout.lanes()[lane].writer, message, out);
            }
            Some(Next::Reader(lane, message)) => {
                if let Target::Mailbox(reader) = self.layout.lanes()[lane].target {
                    say(reader, message, out);
                }
            }
            Some(Next::Post(lane)) => self.post_image(now, lane),
            Some(Next::Fetched(late)) => self.record.images.add(late),
            Some(Next::Damaged) => self.record.counts.damaged += 1,
        }
        self.progress = now;
    }

    /// One post more than the schedule has, meant for now.
    fn post_image(&mut self, now: Instant, lane: usize) {
        let writer = &mut self.writers[lane];
        let number = writer.sender.release(1);
        writer.intended.push(now);
        self.images.on_posted(lane, number);
        self.record.counts.named += 1;
        self.mark_ready(lane);
    }
}
