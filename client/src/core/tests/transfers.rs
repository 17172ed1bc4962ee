//! Attachments: whole before their messages leave, a few chunks at a time, and from where they were
//! after any trouble.

use std::time::Duration;

use bytes::Bytes;
use wire::limits::{CHUNK_LEN_MAX, CHUNKS_MAX};
use wire::message::{BlobState, Chunk, ChunkBytes, Fault};
use wire::{BlobId, FaultCode, Kind, RequestId, Text, ToServer};

use super::world::World;
use crate::core::{Notice, Request, Ticket};
use crate::crypto::test_keys::name;
use crate::failure::Code;
use crate::store::{Download, InboxId, OutboxId, Upload};

const BLOB: BlobId = BlobId([7; 32]);

/// Six chunks, the last one short.
fn file() -> Vec<u8> {
    (0..5 * CHUNK_LEN_MAX + 9).map(|at| at.to_le_bytes()[2]).collect()
}

fn len() -> u64 {
    u64::try_from(file().len()).expect("small")
}

fn chunk(index: usize) -> Bytes {
    Bytes::copy_from_slice(file().chunks(CHUNK_LEN_MAX).nth(index).expect("there"))
}

/// A session whose store has an upload that a draft waits for; the home was asked what it has.
fn uploading() -> (World, RequestId) {
    let mut world = World::with_session();
    let upload = Upload { id: OutboxId(5), blob: BLOB, len: len() };
    world.store.blobs.uploads.push((upload, file()));
    world.ask(Request::Outbox);
    world.go_online();
    let request = begun(&world);
    (world, request)
}

fn begun(world: &World) -> RequestId {
    let Some(ToServer::BeginBlob(begin)) = world.sent.last() else {
        panic!("the home is asked first: {:?}", world.sent.last());
    };
    assert_eq!((begin.blob, begin.len), (BLOB, len()));
    begin.request
}

/// The chunks that were put since `from`, with their requests.
fn puts(world: &World, from: usize) -> Vec<(RequestId, u32)> {
    let put = |message: &ToServer| match message {
        ToServer::PutChunk(put) => {
            let index = usize::try_from(put.index).expect("small");
            assert_eq!((put.blob, put.chunk.bytes()), (BLOB, &chunk(index)));
            Some((put.request, put.index))
        }
        _ => None,
    };
    world.sent[from..].iter().filter_map(put).collect()
}

fn fetches(world: &World, from: usize) -> Vec<(RequestId, u32)> {
    let fetch = |message: &ToServer| match message {
        ToServer::FetchChunk(fetch) => {
            assert_eq!((fetch.blob, fetch.uploader), (BLOB, name("bob")));
            Some((fetch.request, fetch.index))
        }
        _ => None,
    };
    world.sent[from..].iter().filter_map(fetch).collect()
}

fn indices(asked: &[(RequestId, u32)]) -> Vec<u32> {
    asked.iter().map(|(_, index)| *index).collect()
}

fn state(world: &mut World, request: RequestId, have: u32, complete: bool) {
    world.server(BlobState { request, have, complete });
}

fn fault(world: &mut World, about: Kind, request: RequestId, code: FaultCode) {
    let text = Text::default();
    world.server(Fault { code, about: about.0, reference: request.0, text });
}

fn send_chunk(world: &mut World, request: RequestId, bytes: Bytes) {
    world.server(Chunk { request, chunk: ChunkBytes::new(bytes).expect("a chunk") });
}

/// A session that was asked for the attachment of message 3, of which `have` chunks are here.
fn downloading(have: u32) -> (World, Ticket) {
    let mut world = World::with_session();
    let download = Download { uploader: name("bob"), blob: BLOB, len: len(), have };
    world.store.blobs.downloads.insert(InboxId(3), download);
    let ticket = world.ask(Request::Download(InboxId(3)));
    world.go_online();
    (world, ticket)
}

#[test]
fn an_upload_goes_up_a_few_chunks_at_a_time_and_frees_its_draft() {
    let (mut world, request) = uploading();
    assert!(puts(&world, 0).is_empty());
    state(&mut world, request, 0, false);
    let first = puts(&world, 0);
    assert_eq!(indices(&first), [0, 1, 2, 3]);
    for (have, (request, _)) in (1..).zip(&first) {
        state(&mut world, *request, have, false);
    }
    let all = puts(&world, 0);
    assert_eq!(indices(&all), [0, 1, 2, 3, 4, 5]);
    assert!(world.store.blobs.finished.is_empty());
    state(&mut world, all[4].0, 5, false);
    state(&mut world, all[5].0, 6, true);
    assert_eq!(world.store.blobs.finished, [OutboxId(5)]);
    let done = world.notices.iter().rev().find_map(|notice| match notice {
        Notice::Transfer(progress) => Some((progress.done, progress.total, progress.is_upload)),
        _ => None,
    });
    assert_eq!(done, Some((len(), len(), true)));
}

#[test]
fn after_a_cut_an_upload_goes_on_from_what_the_home_has() {
    let (mut world, request) = uploading();
    state(&mut world, request, 0, false);
    world.cut();
    world.pass(Duration::from_secs(10));
    let from = world.sent.len();
    world.go_online();
    let request = begun(&world);
    assert!(puts(&world, from).is_empty());
    state(&mut world, request, 4, false);
    assert_eq!(indices(&puts(&world, from)), [4, 5]);
}

#[test]
fn what_the_home_has_already_is_not_sent_again() {
    let (mut world, request) = uploading();
    state(&mut world, request, 6, true);
    assert!(puts(&world, 0).is_empty());
    assert_eq!(world.store.blobs.finished, [OutboxId(5)]);
}

#[test]
fn a_home_that_is_away_is_asked_again_and_one_that_refuses_is_believed() {
    let (mut world, request) = uploading();
    fault(&mut world, Kind::BEGIN_BLOB, request, FaultCode::UNAVAILABLE);
    let from = world.sent.len();
    world.pass(Duration::from_secs(1));
    assert!(world.sent.len() > from, "asked again after a pause");
    let request = begun(&world);
    state(&mut world, request, 0, false);
    let (request, _) = puts(&world, 0)[0];
    fault(&mut world, Kind::PUT_CHUNK, request, FaultCode::QUOTA_EXCEEDED);
    assert_eq!(world.store.blobs.rejected, [(OutboxId(5), FaultCode::QUOTA_EXCEEDED)]);
    assert!(world.notices.iter().any(|notice| matches!(notice, Notice::OutboxChanged)));
    let from = world.sent.len();
    world.pass(Duration::from_secs(20));
    assert!(puts(&world, from).is_empty());
}

#[test]
fn an_upload_whose_file_is_gone_is_given_up() {
    let (mut world, request) = uploading();
    world.store.blobs.uploads[0].1.clear();
    state(&mut world, request, 0, false);
    assert_eq!(world.store.blobs.rejected, [(OutboxId(5), FaultCode::NO_SUCH_BLOB)]);
}

#[test]
fn a_download_is_written_in_order_whatever_comes_first() {
    let (mut world, ticket) = downloading(0);
    let first = fetches(&world, 0);
    assert_eq!(indices(&first), [0, 1, 2, 3]);
    for at in [2, 1, 0, 3] {
        let (request, index) = first[at];
        send_chunk(&mut world, request, chunk(usize::try_from(index).expect("small")));
        let on_the_way = fetches(&world, 0).len() - world.store.blobs.written.len();
        assert!(on_the_way <= CHUNKS_MAX, "{on_the_way} asked or held");
    }
    let rest = fetches(&world, 0).split_off(4);
    assert_eq!(indices(&rest), [4, 5]);
    assert_eq!(world.answer(ticket), None);
    for (request, index) in rest {
        send_chunk(&mut world, request, chunk(usize::try_from(index).expect("small")));
    }
    let written: Vec<u32> = world.store.blobs.written.iter().map(|(_, at, _)| *at).collect();
    assert_eq!(written, [0, 1, 2, 3, 4, 5]);
    let bytes: Vec<u8> =
        world.store.blobs.written.iter().flat_map(|(_, _, bytes)| bytes.to_vec()).collect();
    assert!(bytes == file());
    assert_eq!(world.answer(ticket), Some(Ok(())));
}

#[test]
fn a_download_goes_on_from_what_is_here() {
    let (mut world, ticket) = downloading(3);
    assert_eq!(indices(&fetches(&world, 0)), [3, 4, 5]);
    let (request, _) = fetches(&world, 0)[0];
    send_chunk(&mut world, request, chunk(3));
    world.cut();
    world.pass(Duration::from_secs(10));
    let from = world.sent.len();
    world.go_online();
    assert_eq!(indices(&fetches(&world, from)), [4, 5]);
    assert_eq!(world.answer(ticket), None);
    let (mut world, ticket) = downloading(6);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.answer(ticket), Some(Ok(())), "all of it is here");
    assert!(fetches(&world, 0).is_empty());
}

#[test]
fn a_blob_that_is_gone_or_broken_is_told_to_all_who_asked() {
    let (mut world, first) = downloading(0);
    let second = world.ask(Request::Download(InboxId(3)));
    let (request, _) = fetches(&world, 0)[0];
    fault(&mut world, Kind::FETCH_CHUNK, request, FaultCode::NO_SUCH_BLOB);
    for ticket in [first, second] {
        let failure = world.answer(ticket).expect("answered").expect_err("failed");
        assert_eq!(failure.code, Code::Usage, "{failure}");
    }
    let (mut world, ticket) = downloading(0);
    let (request, _) = fetches(&world, 0)[0];
    send_chunk(&mut world, request, Bytes::from_static(b"short"));
    assert!(world.answer(ticket).expect("answered").is_err());
    assert!(world.store.blobs.written.is_empty());
    let (mut world, _) = downloading(0);
    let none = world.ask(Request::Download(InboxId(4)));
    assert!(world.answer(none).expect("answered").is_err(), "a text has no attachment");
}
