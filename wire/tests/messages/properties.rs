//! What holds for any message and for any bytes.

use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use proptest::sample::Index;
use wire::limits::{PEER_FRAME_LEN_MAX, ROUTER_FRAME_LEN_MAX};
use wire::message::*;
use wire::*;

use crate::sample::{Sample, Source};

/// Runs the same checks for each direction.
macro_rules! directions {
    ($($name:ident $direction:ident;)*) => {$(
        mod $name {
            use super::*;

            proptest! {
                #[test]
                fn a_message_survives_its_encoding(bytes in vec(any::<u8>(), 0..2000)) {
                    let message = $direction::sample(&mut Source::new(bytes));
                    let frame = framed(|out| message.append_frame(out));
                    prop_assert_eq!(frame.kind, message.kind());
                    prop_assert_eq!($direction::decode(&frame), Ok(message));
                }

                #[test]
                fn any_body_decodes_to_itself_or_not_at_all(
                    kind in any::<Index>(), body in vec(any::<u8>(), 0..400),
                ) {
                    let kind = *kind.get($direction::KINDS);
                    let frame = Frame { kind, body: Bytes::from(body) };
                    if let Ok(message) = $direction::decode(&frame) {
                        prop_assert_eq!(framed(|out| message.append_frame(out)), frame);
                    }
                }

                #[test]
                fn a_damaged_message_decodes_to_itself_or_not_at_all(
                    bytes in vec(any::<u8>(), 0..800), at in any::<Index>(), bit in 0..8u8,
                ) {
                    let message = $direction::sample(&mut Source::new(bytes));
                    let frame = framed(|out| message.append_frame(out));
                    let mut body = frame.body.to_vec();
                    if !body.is_empty() {
                        *at.get_mut(&mut body) ^= 1 << bit;
                    }
                    let damaged = Frame { body: Bytes::from(body), ..frame };
                    if let Ok(other) = $direction::decode(&damaged) {
                        prop_assert_eq!(framed(|out| other.append_frame(out)), damaged);
                    }
                }

                #[test]
                fn a_cut_or_longer_message_is_refused(
                    bytes in vec(any::<u8>(), 0..800), at in any::<Index>(),
                ) {
                    let message = $direction::sample(&mut Source::new(bytes));
                    let frame = framed(|out| message.append_frame(out));
                    if !frame.body.is_empty() {
                        let cut = frame.body.slice(..at.index(frame.body.len()));
                        let cut = Frame { body: cut, ..frame.clone() };
                        prop_assert!($direction::decode(&cut).is_err());
                    }
                    let longer = Bytes::from([&frame.body[..], &[0]].concat());
                    let longer = Frame { body: longer, ..frame };
                    prop_assert_eq!($direction::decode(&longer), Err(DecodeError::Trailing(1)));
                }
            }

            #[test]
            fn samples_reach_every_kind() {
                let count = u16::try_from($direction::KINDS.len()).expect("few kinds");
                let drawn: BTreeSet<Kind> = (0..count)
                    .map(|n| $direction::sample(&mut Source::new(n.to_be_bytes().into())).kind())
                    .collect();
                assert_eq!(drawn, $direction::KINDS.iter().copied().collect());
            }

            #[test]
            fn other_kinds_are_refused_by_name() {
                for code in 0..=u8::MAX {
                    let kind = Kind(code);
                    let frame = Frame { kind, body: Bytes::new() };
                    let refusal = match kind.name() {
                        Some(_) if $direction::KINDS.contains(&kind) => continue,
                        Some(_) => DecodeError::Direction(code),
                        None => DecodeError::Kind(code),
                    };
                    assert_eq!($direction::decode(&frame), Err(refusal));
                }
            }
        }
    )*};
}

directions! {
    to_server ToServer;
    to_client ToClient;
    to_peer ToPeer;
    to_router ToRouter;
    from_router FromRouter;
    server_to_router ServerToRouter;
    router_to_server RouterToServer;
}

proptest! {
    #[test]
    fn a_stream_cut_at_any_points_yields_the_same_frames(
        bodies in vec(vec(any::<u8>(), 0..60), 0..12), cuts in vec(any::<Index>(), 0..20),
    ) {
        let mut stream = BytesMut::new();
        for body in &bodies {
            frame::append(&mut stream, Kind::POST, |out| out.extend_from_slice(body));
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let (mut input, mut came) = (BytesMut::new(), Vec::new());
        for piece in cuts.windows(2) {
            input.extend_from_slice(&stream[piece[0]..piece[1]]);
            while let Some(frame) = Frame::split(&mut input, 61).expect("within the limit") {
                came.push(frame.body.to_vec());
            }
        }
        prop_assert_eq!(came, bodies);
        prop_assert!(input.is_empty());
    }

    #[test]
    fn any_stream_splits_without_panic(bytes in vec(any::<u8>(), 0..100), max in any::<u32>()) {
        let mut input = BytesMut::from(&bytes[..]);
        while let Ok(Some(frame)) = Frame::split(&mut input, max) {
            prop_assert!(frame.body.len() < usize::try_from(max).expect("64 bits"));
        }
    }

    #[test]
    fn any_map_survives_its_file(bytes in vec(any::<u8>(), 0..20_000)) {
        let map = SlotMap::sample(&mut Source::new(bytes));
        prop_assert_eq!(SlotMap::decode(map.encode()), Ok(map));
    }

    #[test]
    fn any_bytes_are_a_map_or_are_refused(bytes in vec(any::<u8>(), 0..50)) {
        prop_assert!(SlotMap::decode(Bytes::from(bytes)).is_err());
    }
}

#[test]
fn the_largest_answers_fit_their_frames() {
    let entry = Entry { body: Opaque::new(Bytes::new()).expect("empty"), ..largest_entry() };
    let entries = field::List::new(vec![entry; limits::RANGE_ENTRIES_MAX]).expect("at the limit");
    let mut out = BytesMut::new();
    PeerRange {
        log: LogId::mailbox(largest_name()),
        account: largest_name(),
        epoch: SessionEpoch(u64::MAX),
        after: Seq(u64::MAX),
        entries,
        upto: Seq(u64::MAX),
        expired: u64::MAX,
        caught_up: true,
        failed: false,
    }
    .append_frame(&mut out);
    let heads = out.len();
    let bodies = limits::RANGE_LEN_MAX + limits::BODY_LEN_MAX;
    assert!(heads + bodies <= usize::try_from(PEER_FRAME_LEN_MAX).expect("64 bits"));

    let address = "[2001:db8::1]:65535".parse().expect("an address");
    let server = ServerEntry { server: ServerId(u16::MAX), client: address, peer: address };
    let servers = field::List::new(vec![server; limits::SERVERS_MAX]).expect("at the limit");
    let mut out = BytesMut::new();
    Directory { servers }.append_frame(&mut out);
    assert!(out.len() <= usize::try_from(ROUTER_FRAME_LEN_MAX).expect("64 bits"));
}

#[test]
fn the_largest_post_and_delivery_fit_a_client_frame() {
    let max = usize::try_from(limits::CLIENT_FRAME_LEN_MAX).expect("64 bits");
    let (handle, entry) = (LogHandle(u32::MAX), largest_entry());
    let (number, settled, body) = (entry.number, entry.number, entry.body.clone());
    let mut out = BytesMut::new();
    let message_session = MessageSession(u32::MAX);
    Post { handle, number, settled, message_session, again: true, body }.append_frame(&mut out);
    assert!(out.len() <= max);
    out.clear();
    Deliver { handle, entry }.append_frame(&mut out);
    assert!(out.len() <= max);
}

#[test]
fn the_largest_sign_up_fits_an_early_frame() {
    let mut out = BytesMut::new();
    let fill = |len| Bytes::from(vec![1; len]);
    SignUpFinish {
        name: largest_name(),
        origin: Origin([1; 16]),
        // The registration record of the suite has 192 bytes; RSA-4096 keys as in DER.
        record: Opaque::new(fill(192)).expect("at the limit"),
        bundle: Opaque::new(fill(2 * 550 + 512 + 200)).expect("at the limit"),
        sealed_keys: Opaque::new(fill(2 * 2_400 + 100)).expect("at the limit"),
    }
    .append_frame(&mut out);
    assert!(out.len() <= usize::try_from(limits::EARLY_FRAME_LEN_MAX).expect("64 bits"));
}

fn largest_name() -> Name {
    Name::parse(&"z".repeat(limits::NAME_LEN_MAX)).expect("at the limit")
}

fn largest_entry() -> Entry {
    Entry {
        seq: Seq(u64::MAX),
        sender: largest_name(),
        origin: Origin([u8::MAX; 16]),
        number: Number::new(limits::NUMBER_MAX).expect("at the limit"),
        at: Wall(u64::MAX),
        body: Opaque::new(Bytes::from(vec![0; limits::BODY_LEN_MAX])).expect("at the limit"),
    }
}

fn framed(append: impl FnOnce(&mut BytesMut)) -> Frame {
    let mut out = BytesMut::new();
    append(&mut out);
    let frame = Frame::split(&mut out, u32::MAX).expect("a length").expect("a whole frame");
    assert!(out.is_empty(), "one frame and nothing else");
    frame
}
