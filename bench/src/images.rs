//! Images beside the messages: a writer uploads one, posts once it is there, and its reader fetches
//! it when the post arrives. What is uploaded are random bytes of an image's length.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use wire::limits::CHUNK_LEN_MAX;
use wire::message::blob::ChunkBytes;
use wire::message::{BeginBlob, BlobState, Chunk, FetchChunk, PutChunk};
use wire::{BlobId, Instant, Name, RequestId, ToServer};

use crate::schedule::Schedule;

/// Bytes of an image: what a phone's picture has when a chat program has made it smaller.
pub const IMAGE_LEN: usize = 150_000;
/// Requests of images have this bit, so that others are told apart.
const REQUEST: u32 = 1 << 31;

/// All images of a run.
pub struct Images {
    rate: u64,
    lanes: u32,
    schedule: Option<Schedule>,
    released: u64,
    under_way: BTreeMap<u32, Image>,
    done: u64,
    content: Bytes,
}

struct Image {
    lane: usize,
    blob: BlobId,
    intended: Instant,
    /// The post that names it.
    number: Option<u64>,
    fetched: u32,
}

/// What follows from an answer.
#[derive(Debug)]
pub enum Next {
    /// Its writer says this.
    Writer(usize, ToServer),
    /// Its reader says this.
    Reader(usize, ToServer),
    /// It is there: its lane posts.
    Post(usize),
    /// Its reader has it, this long after the intended time.
    Fetched(Duration),
    /// Its reader has other bytes.
    Damaged,
}

impl Images {
    /// `rate` images per second in turn over so many lanes.
    #[must_use]
    pub fn new(rate: u64, lanes: u32, seed: u64) -> Self {
        let mut content = vec![0; if rate > 0 { IMAGE_LEN } else { 0 }];
        StdRng::seed_from_u64(seed).fill_bytes(&mut content);
        Self {
            rate,
            lanes,
            schedule: None,
            released: 0,
            under_way: BTreeMap::new(),
            done: 0,
            content: Bytes::from(content),
        }
    }

    /// Images flow from `start` on.
    pub fn begin(&mut self, start: Instant, duration: Duration) {
        if self.rate > 0 {
            self.schedule = Some(Schedule::new(start, self.rate, self.lanes, duration));
        }
    }

    /// The uploads that begin now: lanes, and what their writers say.
    pub fn release(&mut self, now: Instant) -> Vec<(usize, ToServer)> {
        let Some(schedule) = self.schedule else {
            return Vec::new();
        };
        let due = self.released..schedule.due(now).max(self.released);
        self.released = due.end;
        due.map(|index| self.upload(&schedule, index)).collect()
    }

    /// When the next upload begins.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let next = self.schedule.filter(|all| self.released < all.posts());
        next.map(|all| all.intended(self.released))
    }

    /// Whether every image that was to be sent is with its reader.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.schedule.is_none_or(|all| self.done == all.posts())
    }

    /// Images that have not reached their readers.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.released - self.done
    }

    /// How far an upload is.
    pub fn on_state(&mut self, state: &BlobState) -> Option<Next> {
        let image = self.under_way.get(&state.request.0)?;
        if state.complete {
            return Some(Next::Post(image.lane));
        }
        let chunk = ChunkBytes::new(self.chunk(state.have)).expect("cut to the limit");
        let (request, blob, index) = (state.request, image.blob, state.have);
        Some(Next::Writer(image.lane, PutChunk { request, blob, index, chunk }.into()))
    }

    /// The post of the lane's image that waits for one has this number.
    pub fn on_posted(&mut self, lane: usize, number: u64) {
        let mut waiting = self.under_way.values_mut();
        if let Some(image) = waiting.find(|image| image.lane == lane && image.number.is_none()) {
            image.number = Some(number);
        }
    }

    /// A post has arrived: its reader fetches its image, if it names one.
    pub fn on_arrived(&mut self, lane: usize, number: u64, uploader: Name) -> Option<Next> {
        let names = |image: &Image| image.lane == lane && image.number == Some(number);
        let (request, image) = self.under_way.iter().find(|(_, image)| names(image))?;
        let (request, blob, index) = (RequestId(*request), image.blob, 0);
        Some(Next::Reader(lane, FetchChunk { request, uploader, blob, index }.into()))
    }

    /// A reader has a chunk.
    pub fn on_chunk(&mut self, now: Instant, chunk: &Chunk, uploader: Name) -> Option<Next> {
        let image = self.under_way.get_mut(&chunk.request.0)?;
        let (lane, blob, index) = (image.lane, image.blob, image.fetched);
        image.fetched += 1;
        let (fetched, intended) = (image.fetched, image.intended);
        if *chunk.chunk.bytes() != self.chunk(index) {
            return Some(Next::Damaged);
        }
        if self.chunk(fetched).is_empty() {
            self.under_way.remove(&chunk.request.0);
            self.done += 1;
            return Some(Next::Fetched(now.since(intended)));
        }
        let (request, index) = (chunk.request, fetched);
        Some(Next::Reader(lane, FetchChunk { request, uploader, blob, index }.into()))
    }

    /// Whose lane a request's image is of.
    #[must_use]
    pub fn lane(&self, request: RequestId) -> Option<usize> {
        self.under_way.get(&request.0).map(|image| image.lane)
    }

    fn upload(&mut self, schedule: &Schedule, index: u64) -> (usize, ToServer) {
        let number = u32::try_from(index).expect("the plan bounds images") | REQUEST;
        let mut blob = [0; 32];
        blob[..4].copy_from_slice(&number.to_be_bytes());
        let (lane, blob, intended) = (schedule.lane(index), BlobId(blob), schedule.intended(index));
        let image = Image { lane, blob, intended, number: None, fetched: 0 };
        self.under_way.insert(number, image);
        let len = u64::try_from(IMAGE_LEN).expect("a small constant");
        (lane, BeginBlob { request: RequestId(number), blob, len }.into())
    }

    /// The bytes of a chunk; none behind the last.
    fn chunk(&self, index: u32) -> Bytes {
        let index = usize::try_from(index).expect("32 bits");
        let from = (index * CHUNK_LEN_MAX).min(IMAGE_LEN);
        self.content.slice(from..(from + CHUNK_LEN_MAX).min(IMAGE_LEN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> Name {
        Name::parse("alice").expect("a name")
    }

    fn images() -> Images {
        let mut images = Images::new(10, 1, 7);
        images.begin(Instant(0), Duration::from_millis(100));
        images
    }

    fn chunk_of(said: &Next, images: &Images) -> Chunk {
        let Next::Reader(0, ToServer::FetchChunk(fetch)) = said else { panic!("{said:?}") };
        let chunk = ChunkBytes::new(images.chunk(fetch.index)).expect("a chunk");
        Chunk { request: fetch.request, chunk }
    }

    #[test]
    fn an_image_is_uploaded_then_named_then_fetched() {
        let mut images = images();
        let begun = images.release(Instant(0));
        let [(0, ToServer::BeginBlob(begin))] = &begun[..] else { panic!("{begun:?}") };
        for have in 0..3 {
            let state = BlobState { request: begin.request, have, complete: false };
            let next = images.on_state(&state);
            let Some(Next::Writer(0, ToServer::PutChunk(put))) = next else { panic!("{next:?}") };
            assert_eq!(put.index, have);
        }
        let state = BlobState { request: begin.request, have: 3, complete: true };
        assert!(matches!(images.on_state(&state), Some(Next::Post(0))));
        images.on_posted(0, 5);
        assert!(images.on_arrived(0, 4, name()).is_none(), "another post");
        let mut said = images.on_arrived(0, 5, name()).expect("it is fetched");
        for _ in 0..2 {
            let chunk = chunk_of(&said, &images);
            said = images.on_chunk(Instant(9_000), &chunk, name()).expect("the next chunk");
        }
        let chunk = chunk_of(&said, &images);
        assert!(!images.is_quiet());
        let last = images.on_chunk(Instant(9_000), &chunk, name());
        assert!(matches!(last, Some(Next::Fetched(late)) if late == Duration::from_micros(9)));
        assert!(images.is_quiet() && images.missing() == 0);
    }

    #[test]
    fn other_bytes_are_damage() {
        let mut images = images();
        let begun = images.release(Instant(0));
        let [(0, ToServer::BeginBlob(begin))] = &begun[..] else { panic!("{begun:?}") };
        let chunk = Chunk { request: begin.request, chunk: ChunkBytes::default() };
        assert!(matches!(images.on_chunk(Instant(1), &chunk, name()), Some(Next::Damaged)));
        assert_eq!(images.missing(), 1);
    }

    #[test]
    fn without_a_rate_there_are_none() {
        let mut images = Images::new(0, 1, 7);
        images.begin(Instant(0), Duration::from_secs(1));
        assert!(images.release(Instant(u64::MAX)).is_empty() && images.is_quiet());
    }
}
