//! Attachments: uploaded in chunks to the uploader's home, fetched by whoever knows their name.

use std::time::Duration;

use bytes::Bytes;
use server::core::Event;
use storage::{DiskModel, InFlight};
use wire::limits::{
    BLOB_LEN_MAX, BLOB_QUOTA, BLOB_RETENTION, BLOB_SWEEP_INTERVAL, CHUNK_LEN_MAX, CHUNK_READS_MAX,
    CHUNKS_MAX, CHUNKS_PENDING_MAX, DISK_FREE_MIN, PEER_CHUNKS_MAX, UPLOAD_REST_MAX,
};
use wire::message::{BeginBlob, BlobState, ChunkBytes, FetchChunk, PutChunk};
use wire::{BlobId, FaultCode, Kind, Name, RequestId, ServerId, ToClient};

use crate::client::Client;
use crate::world::World;

/// Every chunk of a blob of three: two full ones and a short one.
const LENS: [usize; 3] = [CHUNK_LEN_MAX, CHUNK_LEN_MAX, 1_000];
const LEN: u64 = 2 * 65_568 + 1_000;

const INSTANT: DiskModel = DiskModel {
    commit_steps: 0,
    read_steps: 0,
    fail_commit: None,
    fail_read: None,
    free_bytes: u64::MAX,
};

fn id(mark: u8) -> BlobId {
    BlobId([mark; 32])
}

fn content(index: usize) -> Bytes {
    Bytes::from(vec![u8::try_from(index).expect("small") + 1; LENS[index]])
}

impl Client {
    fn begin_blob(&self, world: &mut World, mark: u8, len: u64) {
        self.say(world, BeginBlob { request: RequestId(7), blob: id(mark), len });
    }

    fn put_chunk(&self, world: &mut World, mark: u8, index: u32, chunk: Bytes) {
        let chunk = ChunkBytes::new(chunk).expect("at most a chunk");
        let request = RequestId(100 + index);
        self.say(world, PutChunk { request, blob: id(mark), index, chunk });
    }

    fn fetch_chunk(&self, world: &mut World, uploader: Name, mark: u8, index: u32) {
        let request = RequestId(200 + index);
        self.say(world, FetchChunk { request, uploader, blob: id(mark), index });
    }

    /// How far a blob is, as the home says now.
    fn blob_state(&self, world: &mut World) -> Result<(u32, bool), FaultCode> {
        match self.hear(world) {
            Some(ToClient::BlobState(BlobState { have, complete, .. })) => Ok((have, complete)),
            Some(ToClient::Fault(fault)) => Err(fault.code),
            other => panic!("how far the blob is, not {other:?}"),
        }
    }

    fn begun(&self, world: &mut World, mark: u8) -> Result<(u32, bool), FaultCode> {
        self.begin_blob(world, mark, LEN);
        self.blob_state(world)
    }

    fn put(&self, world: &mut World, mark: u8, index: u32) -> Result<(u32, bool), FaultCode> {
        self.put_chunk(world, mark, index, content(usize::try_from(index).expect("small")));
        self.blob_state(world)
    }

    fn fetched(
        &self,
        world: &mut World,
        uploader: Name,
        mark: u8,
        index: u32,
    ) -> Result<Bytes, FaultCode> {
        self.fetch_chunk(world, uploader, mark, index);
        match self.hear(world) {
            Some(ToClient::Chunk(chunk)) => {
                assert_eq!(chunk.request, RequestId(200 + index));
                Ok(chunk.chunk.into_bytes())
            }
            Some(ToClient::Fault(fault)) => {
                assert_eq!((fault.about, fault.reference), (Kind::FETCH_CHUNK.0, 200 + index));
                Err(fault.code)
            }
            other => panic!("a chunk, not {other:?}"),
        }
    }

    /// Begins and brings every chunk.
    pub(crate) fn upload(&self, world: &mut World, mark: u8) {
        assert_eq!(self.begun(world, mark), Ok((0, false)));
        for index in 0..3 {
            assert_eq!(self.put(world, mark, index), Ok((index + 1, index == 2)));
        }
    }

    /// A new connection, and the session of before.
    fn returns(&mut self, world: &mut World, server: u16) {
        self.connect(world, server);
        self.resume(world).expect("resumes");
    }
}

/// Time passes while a server is down: nothing happens meanwhile.
fn sleep(world: &mut World, server: u16, time: Duration) {
    world.kill(server, InFlight::Lost);
    world.now = world.now + time;
    world.start(ServerId(server));
}

/// A server and a client who lives there.
fn alone() -> (World, Client) {
    let mut world = World::new(1);
    let alice = world.name_at(1, "alice");
    let alice = Client::signed_up(&mut world, 1, alice);
    (world, alice)
}

#[test]
fn who_knows_the_name_fetches_it_from_any_seat() {
    let mut world = World::new(3);
    let (alice, bob) = (world.name_at(1, "alice"), world.name_at(2, "bob"));
    let alice = Client::signed_up(&mut world, 2, alice);
    let bob = Client::signed_up(&mut world, 3, bob);
    alice.upload(&mut world, 1);
    for client in [&alice, &bob] {
        for (index, expected) in (0..).zip([0, 1, 2].map(content)) {
            let chunk = client.fetched(&mut world, alice.name, 1, index);
            assert_eq!(chunk, Ok(expected), "chunk {index}");
        }
    }
    assert_eq!(alice.begun(&mut world, 1), Ok((3, true)));
    assert_eq!(alice.put(&mut world, 1, 2), Ok((3, true)), "again changes nothing");
    let home = world.metrics(ServerId(1));
    assert_eq!((home.blobs_begun, home.blobs_completed), (1, 1));
    assert_eq!((home.chunks_put, home.chunks_fetched), (3, 6));
    assert_eq!((home.chunk_reads, home.chunks_pending_len, home.blob_waiting), (0, 0, 0));
    assert_eq!(world.alarms(1), []);
}

#[test]
fn what_is_not_there_is_said() {
    let (mut world, alice) = alone();
    let gone = Err(FaultCode::NO_SUCH_BLOB);
    assert_eq!(alice.put(&mut world, 1, 0), gone, "it was not begun");
    assert_eq!(alice.fetched(&mut world, alice.name, 1, 0), Err(FaultCode::NO_SUCH_BLOB));
    alice.begun(&mut world, 1).expect("begins");
    alice.put(&mut world, 1, 0).expect("the first chunk");
    alice.put(&mut world, 1, 1).expect("the second chunk");
    let incomplete = alice.fetched(&mut world, alice.name, 1, 0);
    assert_eq!(incomplete, Err(FaultCode::NO_SUCH_BLOB), "it is not complete");
    alice.put(&mut world, 1, 2).expect("the last chunk");
    assert_eq!(alice.fetched(&mut world, alice.name, 1, 2), Ok(content(2)));
    assert_eq!(alice.fetched(&mut world, alice.name, 1, 3), Err(FaultCode::NO_SUCH_BLOB));
    let nobody = Name::parse("nobody").expect("a name");
    assert_eq!(alice.fetched(&mut world, nobody, 1, 0), Err(FaultCode::NO_SUCH_BLOB));
    assert_eq!(world.metrics(ServerId(1)).blob_refusals, 5);
}

#[test]
fn only_what_fits_its_place_is_taken() {
    let full = CHUNK_LEN_MAX;
    for (index, len) in [(0, full - 1), (0, 0), (1, 1_000), (2, 999), (2, full), (3, 1)] {
        let (mut world, alice) = alone();
        alice.begun(&mut world, 1).expect("begins");
        alice.put_chunk(&mut world, 1, index, Bytes::from(vec![1; len]));
        assert_eq!(alice.fault(&mut world).code, FaultCode::MALFORMED, "{index} {len}");
        assert!(alice.is_closed(&world));
        assert_eq!(world.metrics(ServerId(1)).chunks_pending_len, 0);
    }
    for len in [0, BLOB_LEN_MAX + 1] {
        let (mut world, alice) = alone();
        alice.begin_blob(&mut world, 1, len);
        assert_eq!(alice.fault(&mut world).code, FaultCode::MALFORMED);
    }
    let (mut world, alice) = alone();
    alice.begun(&mut world, 1).expect("begins");
    alice.begin_blob(&mut world, 1, LEN + 1);
    assert_eq!(alice.fault(&mut world).code, FaultCode::MALFORMED, "one name, one length");
}

#[test]
fn a_chunk_out_of_turn_changes_nothing() {
    let (mut world, alice) = alone();
    alice.begun(&mut world, 1).expect("begins");
    assert_eq!(alice.put(&mut world, 1, 1), Ok((0, false)));
    assert_eq!(alice.put(&mut world, 1, 0), Ok((1, false)));
    assert_eq!(alice.put(&mut world, 1, 2), Ok((1, false)));
    let other = Bytes::from(vec![0xee; CHUNK_LEN_MAX]);
    alice.put_chunk(&mut world, 1, 0, other);
    assert_eq!(alice.blob_state(&mut world), Ok((1, false)));
    alice.put(&mut world, 1, 1).expect("the second chunk");
    alice.put(&mut world, 1, 2).expect("the last chunk");
    assert_eq!(alice.fetched(&mut world, alice.name, 1, 0), Ok(content(0)), "the first one stays");
}

#[test]
fn a_chunk_is_answered_when_it_is_on_disk() {
    let (mut world, alice) = alone();
    alice.begun(&mut world, 1).expect("begins");
    world.set_disk(1, DiskModel { commit_steps: 1, ..INSTANT });
    alice.put_chunk(&mut world, 1, 0, content(0));
    alice.put_chunk(&mut world, 1, 1, content(1));
    alice.put_chunk(&mut world, 1, 0, content(0));
    assert!(alice.hear(&mut world).is_none(), "nothing is durable");
    world.step_disks();
    assert_eq!(alice.blob_state(&mut world), Ok((1, false)));
    assert!(alice.hear(&mut world).is_none(), "the second is in the next batch");
    // Who asks meanwhile is not told more than is durable.
    alice.begin_blob(&mut world, 1, LEN);
    assert!(alice.hear(&mut world).is_none());
    world.step_disks();
    assert_eq!(alice.blob_state(&mut world), Ok((2, false)));
    assert_eq!(alice.blob_state(&mut world), Ok((2, false)), "the repeated one");
    assert!(alice.hear(&mut world).is_none());
    world.step_disks();
    assert_eq!(alice.blob_state(&mut world), Ok((2, false)));
}

#[test]
fn an_upload_goes_on_where_it_was() {
    for in_flight in [InFlight::Lost, InFlight::Kept] {
        let (mut world, mut alice) = alone();
        alice.begun(&mut world, 1).expect("begins");
        alice.put(&mut world, 1, 0).expect("the first chunk");
        world.hang_up(alice.conn);
        alice.returns(&mut world, 1);
        assert_eq!(alice.begun(&mut world, 1), Ok((1, false)), "after a new connection");
        world.set_disk(1, DiskModel { commit_steps: 1, ..INSTANT });
        alice.put_chunk(&mut world, 1, 1, content(1));
        world.kill(1, in_flight);
        world.start(ServerId(1));
        alice.returns(&mut world, 1);
        let have = if in_flight == InFlight::Kept { 2 } else { 1 };
        assert_eq!(alice.begun(&mut world, 1), Ok((have, false)), "after a crash");
        for index in have..3 {
            assert_eq!(alice.put(&mut world, 1, index), Ok((index + 1, index == 2)));
        }
        for (index, expected) in (0..).zip([0, 1, 2].map(content)) {
            assert_eq!(alice.fetched(&mut world, alice.name, 1, index), Ok(expected));
        }
    }
}

#[test]
fn a_home_that_was_restarted_takes_the_next_chunk_without_a_question() {
    let mut world = World::new(2);
    let alice = world.name_at(1, "alice");
    let alice = Client::signed_up(&mut world, 2, alice);
    alice.begun(&mut world, 1).expect("begins");
    alice.put(&mut world, 1, 0).expect("the first chunk");
    world.kill(1, InFlight::Lost);
    assert_eq!(alice.put(&mut world, 1, 1), Err(FaultCode::UNAVAILABLE));
    world.start(ServerId(1));
    world.advance(Duration::from_secs(3));
    assert_eq!(alice.put(&mut world, 1, 1), Ok((2, false)));
    assert_eq!(alice.put(&mut world, 1, 2), Ok((3, true)));
}

#[test]
fn room_is_counted_by_declared_lengths_and_comes_back_in_time() {
    let (mut world, mut alice) = alone();
    let fitting = u8::try_from(BLOB_QUOTA / BLOB_LEN_MAX).expect("40");
    for mark in 0..fitting {
        alice.begin_blob(&mut world, mark, BLOB_LEN_MAX);
        assert_eq!(alice.blob_state(&mut world), Ok((0, false)));
    }
    for _ in 0..2 {
        alice.begin_blob(&mut world, fitting, BLOB_LEN_MAX);
        assert_eq!(alice.blob_state(&mut world), Err(FaultCode::QUOTA_EXCEEDED));
        sleep(&mut world, 1, Duration::from_secs(1));
        alice.returns(&mut world, 1);
    }
    let rest = BLOB_QUOTA - u64::from(fitting) * BLOB_LEN_MAX;
    alice.begin_blob(&mut world, fitting, rest);
    assert_eq!(alice.blob_state(&mut world), Ok((0, false)), "what fits fits");
    alice.begin_blob(&mut world, 0, BLOB_LEN_MAX);
    assert_eq!(alice.blob_state(&mut world), Ok((0, false)), "what was begun counts once");
    let bob = world.name_at(1, "bob");
    let bob = Client::signed_up(&mut world, 1, bob);
    bob.begin_blob(&mut world, fitting, BLOB_LEN_MAX);
    assert_eq!(bob.blob_state(&mut world), Ok((0, false)), "everyone has room of their own");
    sleep(&mut world, 1, UPLOAD_REST_MAX);
    alice.returns(&mut world, 1);
    alice.begin_blob(&mut world, fitting + 1, BLOB_LEN_MAX);
    assert_eq!(alice.blob_state(&mut world), Ok((0, false)));
    assert_eq!(world.metrics(ServerId(1)).blobs_expired, u64::from(fitting) + 2);
}

#[test]
fn an_upload_that_rests_for_a_day_is_cleaned_up() {
    let (mut world, alice) = alone();
    alice.begun(&mut world, 1).expect("begins");
    alice.put(&mut world, 1, 0).expect("the first chunk");
    alice.begun(&mut world, 2).expect("begins");
    world.hang_up(alice.conn);
    sleep(&mut world, 1, UPLOAD_REST_MAX.saturating_sub(Duration::from_secs(1)));
    assert_eq!(world.metrics(ServerId(1)).blobs_expired, 0);
    world.advance(BLOB_SWEEP_INTERVAL);
    assert_eq!(world.metrics(ServerId(1)).blobs_expired, 2, "the next sweep finds them");
    assert_eq!(world.metrics(ServerId(1)).blob_records, 1);
    sleep(&mut world, 1, Duration::from_secs(1));
    assert_eq!(world.metrics(ServerId(1)).blobs_expired, 0, "they are not there any more");
    let mut alice = alice;
    alice.returns(&mut world, 1);
    assert_eq!(alice.put(&mut world, 1, 1), Err(FaultCode::NO_SUCH_BLOB));
    alice.upload(&mut world, 1);
}

#[test]
fn a_blob_is_kept_for_thirty_days() {
    let (mut world, mut alice) = alone();
    alice.upload(&mut world, 1);
    sleep(&mut world, 1, BLOB_RETENTION.saturating_sub(Duration::from_secs(10)));
    alice.returns(&mut world, 1);
    assert_eq!(alice.fetched(&mut world, alice.name, 1, 2), Ok(content(2)));
    world.advance(Duration::from_secs(10));
    let over = alice.fetched(&mut world, alice.name, 1, 2);
    assert_eq!(over, Err(FaultCode::NO_SUCH_BLOB), "though no sweep was here");
    assert_eq!(world.metrics(ServerId(1)).blobs_expired, 0);
    assert_eq!(alice.begun(&mut world, 2), Ok((0, false)));
    assert_eq!(world.metrics(ServerId(1)).blobs_expired, 1, "beginning another deletes it");
}

/// More accounts than one page of the sweep holds, each with one blob; every second one is over.
#[test]
fn the_sweep_goes_through_all_accounts() {
    let mut world = World::new(1);
    let names: Vec<Name> =
        (0..6).map(|n| Name::parse(&format!("user{n}")).expect("a name")).collect();
    let mut clients: Vec<Client> =
        names.iter().map(|name| Client::signed_up(&mut world, 1, *name)).collect();
    for client in clients.iter().step_by(2) {
        for mark in 0..100 {
            client.begun(&mut world, mark).expect("begins");
        }
    }
    sleep(&mut world, 1, UPLOAD_REST_MAX.saturating_sub(BLOB_SWEEP_INTERVAL / 2));
    for client in clients.iter_mut().skip(1).step_by(2) {
        client.returns(&mut world, 1);
        for mark in 0..100 {
            client.begun(&mut world, mark).expect("begins");
        }
        world.hang_up(client.conn);
    }
    world.advance(BLOB_SWEEP_INTERVAL);
    let metrics = world.metrics(ServerId(1));
    assert_eq!((metrics.blobs_begun, metrics.blobs_expired), (300, 300));
    assert_eq!(metrics.blob_records, 6 + 300);
}

#[test]
fn four_chunks_of_a_session_are_under_way_at_most() {
    let (mut world, alice) = alone();
    alice.begin_blob(&mut world, 1, 10 * 65_568);
    alice.blob_state(&mut world).expect("begins");
    world.set_disk(1, DiskModel { commit_steps: 1, ..INSTANT });
    let count = u32::try_from(CHUNKS_MAX).expect("4");
    for index in 0..=count {
        alice.put_chunk(&mut world, 1, index, content(0));
    }
    assert_eq!(alice.blob_state(&mut world), Err(FaultCode::TOO_MANY_REQUESTS));
    for _ in 0..2 {
        world.step_disks();
    }
    let states: Vec<_> = (0..count).map(|_| alice.blob_state(&mut world)).collect();
    assert_eq!(states, [Ok((1, false)), Ok((2, false)), Ok((3, false)), Ok((4, false))]);
    alice.put_chunk(&mut world, 1, count, content(0));
    world.step_disks();
    assert_eq!(alice.blob_state(&mut world), Ok((5, false)), "there is room again");
}

#[test]
fn a_full_disk_takes_nothing_new() {
    let (mut world, alice) = alone();
    alice.upload(&mut world, 1);
    alice.begun(&mut world, 2).expect("begins");
    let measured = |free_bytes| Event::Measured { busy_permille: 0, queued_bytes: 0, free_bytes };
    world.feed(ServerId(1), measured(DISK_FREE_MIN));
    assert_eq!(alice.put(&mut world, 2, 0), Err(FaultCode::UNAVAILABLE));
    assert_eq!(alice.begun(&mut world, 3), Err(FaultCode::UNAVAILABLE));
    assert_eq!(alice.begun(&mut world, 2), Ok((0, false)), "a question is no news");
    assert_eq!(alice.fetched(&mut world, alice.name, 1, 0), Ok(content(0)));
    world.feed(ServerId(1), measured(u64::MAX));
    assert_eq!(alice.put(&mut world, 2, 0), Ok((1, false)));
}

/// This many clients at a seat, each with a blob begun.
fn crowd(world: &mut World, seat: u16, count: usize, prefix: &str) -> Vec<Client> {
    let name = |n| world.name_at(1, &format!("{prefix}-{n}-"));
    let names: Vec<Name> = (0..count).map(name).collect();
    names
        .into_iter()
        .map(|name| {
            let client = Client::signed_up(world, seat, name);
            client.begin_blob(world, 1, BLOB_LEN_MAX);
            client.blob_state(world).expect("begins");
            client
        })
        .collect()
}

#[test]
fn a_seat_asks_a_home_for_so_many_chunks_at_once() {
    let mut world = World::new(2);
    let crowd = crowd(&mut world, 2, PEER_CHUNKS_MAX / CHUNKS_MAX + 1, "far");
    world.set_disk(1, DiskModel { read_steps: 1, ..INSTANT });
    for client in &crowd {
        for _ in 0..CHUNKS_MAX {
            client.fetch_chunk(&mut world, client.name, 1, 0);
        }
    }
    let (last, others) = crowd.split_last().expect("there is a crowd");
    for client in others {
        assert!(client.hear(&mut world).is_none());
    }
    for _ in 0..CHUNKS_MAX {
        assert_eq!(last.fault(&mut world).code, FaultCode::UNAVAILABLE);
    }
    assert_eq!(
        world.metrics(ServerId(1)).chunk_reads,
        u64::try_from(PEER_CHUNKS_MAX).expect("128")
    );
    world.step_disks();
    for client in others {
        for _ in 0..CHUNKS_MAX {
            assert_eq!(client.fault(&mut world).code, FaultCode::NO_SUCH_BLOB);
        }
    }
    last.fetch_chunk(&mut world, last.name, 1, 0);
    world.step_disks();
    assert_eq!(last.fault(&mut world).code, FaultCode::NO_SUCH_BLOB, "there is room again");
}

#[test]
fn chunks_that_wait_for_the_disk_are_bounded() {
    let mut world = World::new(2);
    let count = PEER_CHUNKS_MAX / CHUNKS_MAX;
    let mut crowds = crowd(&mut world, 1, count, "near");
    crowds.extend(crowd(&mut world, 2, count, "far"));
    world.set_disk(1, DiskModel { commit_steps: 1, ..INSTANT });
    for client in &crowds {
        for index in 0..4 {
            client.put_chunk(&mut world, 1, index, content(0));
        }
    }
    let refused: usize = crowds.iter().map(|client| client.heard(&mut world).len()).sum();
    let taken = CHUNKS_PENDING_MAX / CHUNK_LEN_MAX;
    assert_eq!(refused, 2 * PEER_CHUNKS_MAX - taken);
    let metrics = world.metrics(ServerId(1));
    assert_eq!(metrics.chunks_pending_len, u64::try_from(taken * CHUNK_LEN_MAX).expect("fits"));
    let mut batches = 0;
    while world.metrics(ServerId(1)).chunks_pending_len > 0 {
        world.step_disks();
        batches += 1;
    }
    assert!((16..=20).contains(&batches), "{batches} batches of 1 MiB");
    let answers: usize = crowds.iter().map(|client| client.heard(&mut world).len()).sum();
    assert_eq!(answers, taken);
    assert!(taken < CHUNK_READS_MAX);
}
