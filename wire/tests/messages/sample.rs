//! Any message, drawn from bytes: shorter and smaller bytes give smaller messages, so a failing
//! case shrinks well.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use wire::field::List;
use wire::limits::{NUMBER_MAX, SLOTS};
use wire::message::*;
use wire::*;

/// Where the choices come from. Zeros when the bytes are used up.
pub(crate) struct Source {
    bytes: Vec<u8>,
    next: usize,
}

impl Source {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, next: 0 }
    }

    fn byte(&mut self) -> u8 {
        let byte = self.bytes.get(self.next).copied().unwrap_or(0);
        self.next += 1;
        byte
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let drawn = usize::from(self.byte()) << 8 | usize::from(self.byte());
        drawn % end
    }
}

/// A type with drawn values, all within its range.
pub(crate) trait Sample {
    fn sample(source: &mut Source) -> Self;
}

impl Sample for u8 {
    fn sample(source: &mut Source) -> Self {
        source.byte()
    }
}

impl Sample for bool {
    fn sample(source: &mut Source) -> Self {
        source.byte() & 1 == 1
    }
}

impl<const N: usize> Sample for [u8; N] {
    fn sample(source: &mut Source) -> Self {
        std::array::from_fn(|_| source.byte())
    }
}

macro_rules! integers {
    ($($type:ident)*) => {$(
        impl Sample for $type {
            fn sample(source: &mut Source) -> Self {
                Self::from_be_bytes(Sample::sample(source))
            }
        }
    )*};
}

integers!(u16 u32 u64);

macro_rules! wrappers {
    ($($type:ident)*) => {$(
        impl Sample for $type {
            fn sample(source: &mut Source) -> Self {
                Self(Sample::sample(source))
            }
        }
    )*};
}

wrappers!(ServerId StoreId Origin SessionEpoch LogHandle RequestId ExchangeId Reservation Token);
wrappers!(Seq Wall FaultCode MessageSession BlobId ProcessId);

impl Sample for Number {
    fn sample(source: &mut Source) -> Self {
        Self::new(u64::sample(source) % (NUMBER_MAX + 1)).expect("within its range")
    }
}

impl Sample for Slot {
    fn sample(source: &mut Source) -> Self {
        Self::new(source.below(SLOTS)).expect("below SLOTS")
    }
}

impl<T: Sample> Sample for Option<T> {
    fn sample(source: &mut Source) -> Self {
        bool::sample(source).then(|| T::sample(source))
    }
}

impl Sample for Name {
    fn sample(source: &mut Source) -> Self {
        const FIRST: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
        const OTHERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789_.-";
        let mut text = vec![FIRST[source.below(FIRST.len())]];
        for _ in 0..source.below(32) {
            text.push(OTHERS[source.below(OTHERS.len())]);
        }
        Self::parse(std::str::from_utf8(&text).expect("ASCII")).expect("follows the rules")
    }
}

impl Sample for LogId {
    fn sample(source: &mut Source) -> Self {
        match bool::sample(source) {
            false => Self::mailbox(Sample::sample(source)),
            true => Self::group(Sample::sample(source)),
        }
    }
}

impl<const MAX: usize> Sample for Opaque<MAX> {
    fn sample(source: &mut Source) -> Self {
        let len = source.below(MAX.min(300) + 1);
        let bytes: Vec<u8> = (0..len).map(|_| source.byte()).collect();
        Self::new(Bytes::from(bytes)).expect("at most MAX")
    }
}

impl<const MAX: usize> Sample for Text<MAX> {
    fn sample(source: &mut Source) -> Self {
        let len = source.below(MAX + 1);
        let text: String = (0..len).map(|_| char::from(source.byte())).collect();
        Self::cut(&text)
    }
}

impl<T: Sample, const MAX: usize> Sample for List<T, MAX> {
    fn sample(source: &mut Source) -> Self {
        let len = source.below(MAX.min(5) + 1);
        Self::new((0..len).map(|_| T::sample(source)).collect()).expect("at most MAX")
    }
}

impl Sample for SocketAddr {
    fn sample(source: &mut Source) -> Self {
        let ip = match bool::sample(source) {
            false => IpAddr::from(<[u8; 4]>::sample(source)),
            true => IpAddr::from(<[u8; 16]>::sample(source)),
        };
        Self::new(ip, Sample::sample(source))
    }
}

impl Sample for Role {
    fn sample(source: &mut Source) -> Self {
        [Self::Client, Self::Server][source.below(2)]
    }
}

impl Sample for Act {
    fn sample(source: &mut Source) -> Self {
        [Self::Create, Self::Join][source.below(2)]
    }
}

impl Sample for Policy {
    fn sample(source: &mut Source) -> Self {
        [Self::Open, Self::Password, Self::Invitation][source.below(3)]
    }
}

impl Sample for Class {
    fn sample(source: &mut Source) -> Self {
        [Self::Stored, Self::Seen][source.below(2)]
    }
}

impl Sample for Refusal {
    fn sample(source: &mut Source) -> Self {
        match source.below(4) {
            0 => Self::Rejected(Sample::sample(source)),
            1 => Self::Expected(Sample::sample(source)),
            2 => Self::Conflict,
            _ => Self::Busy,
        }
    }
}

impl Sample for SlotMap {
    fn sample(source: &mut Source) -> Self {
        let servers: [ServerId; 3] = std::array::from_fn(|_| Sample::sample(source));
        let homes = |source: &mut Source| -> Vec<ServerId> {
            (0..SLOTS).map(|_| servers[source.below(3)]).collect()
        };
        let map = Self::new(1, [servers.to_vec(), homes(source)].concat()[..SLOTS].to_vec());
        let store = [None, Some(Sample::sample(source))][source.below(2)];
        map.with_homes(&homes(source)).with_store(servers[0], store)
    }
}

macro_rules! structs {
    ($($name:ident { $($field:ident)* })*) => {$(
        impl Sample for $name {
            fn sample(_source: &mut Source) -> Self {
                Self { $($field: Sample::sample(_source),)* }
            }
        }
    )*};
}

structs! {
    Hello { magic version_min version_max role server }
    Ready { version server at }
    Fault { code about reference text }
    Ping { nonce }
    Pong { nonce }
    Redeem { reservation }
    SignUpStart { name request }
    SignUpChallenge { response }
    SignUpFinish { name origin record bundle sealed_keys }
    SignInStart { name request }
    SignInChallenge { response }
    SignInFinish { name origin takeover finish }
    Resume { name origin token }
    Welcome { name epoch token bundle sealed_keys at }
    SignOut {}
    SessionEnded { code }
    FetchBundles { request name after }
    Bundles { request name bundles complete }
    OpenLog { handle log }
    LogOpened { handle base }
    CloseLog { handle }
    Post { handle number settled message_session again body }
    Accepted { handle upto seq class }
    Refused { handle number refusal }
    Unavailable { handle }
    Up { handle }
    Attach { handle cursor }
    Seen { handle upto }
    Shown { handle upto }
    Receipt { handle upto }
    Deliver { handle entry }
    CaughtUp { handle upto expired }
    Entry { seq sender origin number at body }
    Ask { exchange question }
    Answer { exchange body }
    AskOpenLog { handle log account origin epoch }
    PeerPost { log sender origin epoch number settled message_session again body }
    PeerAccepted { log sender origin upto seq class }
    PeerRefused { log sender origin number refusal }
    PeerAttach { log account epoch cursor }
    PeerDetach { log account epoch }
    PeerSeen { log account epoch upto }
    PeerRead { log account epoch after entries_max }
    PeerRange { log account epoch after entries upto expired caught_up failed }
    PeerDeliver { log entry }
    Probe { account epoch }
    ProbeAnswer { account epoch alive }
    EndSession { account epoch code }
    SessionClosed { account epoch signed_out }
    RegisterSession { account origin epoch }
    AskAs { exchange account origin epoch question }
    Dismiss { log account epoch code upto }
    SessionRegistered { account epoch }
    PeerAnswered { log account epoch person }
    PeerShown { log account epoch upto }
    PeerReceipt { log sender origin upto }
    Opening { store epoch process }
    PeerStore { opening }
    MapVersion { version hash }
    FetchMap {}
    MapCopy { map }
    SlotClaim { slot epoch holder serves }
    PeerSlots { whole claims }
    SlotsTold { slots }
    MoveBegin { slot attempt epoch }
    MoveReady { slot attempt is_ready }
    MovedRow { family key value }
    MoveRows { slot attempt rows }
    MoveTaken { slot attempt }
    MoveSum { slot attempt store_epoch }
    MoveSummed { slot attempt rows sum highest }
    MoveEnd { slot attempt }
    GroupStart { request group act opening }
    GroupChallenge { request policy version head response }
    ChangeRoster { request group statement proof key_log }
    RosterChanged { request version }
    FetchRoster { request group after }
    Roster { request group statements complete }
    NoteGroup { request group kept }
    GroupNoted { request }
    ListGroups { request }
    Groups { request groups }
    ReaderGrant { reader wrapping_key wrapped }
    PutGrants {
        request log message_session part roster_version announcement grants last key_log
    }
    GrantsPut { request }
    FetchGrant { request log sender origin message_session }
    FetchKeyLog { request log name }
    Grant { request announcement grant }
    BeginBlob { request blob len }
    PutChunk { request blob index chunk }
    BlobState { request have complete }
    FetchChunk { request uploader blob index }
    Chunk { request chunk }
    ServerEntry { server client peer }
    Place { name }
    Placed { home seat address reservation }
    ListServers {}
    SeatAddress { server address }
    Servers { servers }
    Report {
        sequence entry opening map_version sessions sessions_max frames_per_second busy_permille
        queued_bytes open redeemed
    }
    Directory { servers }
}

macro_rules! choices {
    ($($name:ident { $($choice:ident)* })*) => {$(
        impl Sample for $name {
            fn sample(source: &mut Source) -> Self {
                let choices: &[fn(&mut Source) -> Self] =
                    &[$(|source| Self::from($choice::sample(source))),*];
                choices[source.below(choices.len())](source)
            }
        }
    )*};
}

choices! {
    Question {
        SignUpStart SignUpFinish SignInStart SignInFinish Resume FetchBundles AskOpenLog
    }
    SessionQuestion {
        GroupStart ChangeRoster FetchRoster PutGrants FetchGrant NoteGroup ListGroups BeginBlob
        PutChunk FetchChunk FetchKeyLog
    }
    AnswerBody {
        SignUpChallenge SignInChallenge Welcome Bundles LogOpened Fault GroupChallenge
        RosterChanged Roster GrantsPut Grant GroupNoted Groups BlobState Chunk
    }
    ToServer {
        Hello Fault Ping Pong Redeem SignUpStart SignUpFinish SignInStart SignInFinish Resume
        SignOut FetchBundles OpenLog CloseLog Post Attach Seen GroupStart ChangeRoster FetchRoster
        PutGrants FetchGrant NoteGroup ListGroups BeginBlob PutChunk FetchChunk FetchKeyLog Shown
    }
    ToClient {
        Ready Fault Ping Pong SignUpChallenge SignInChallenge Welcome SessionEnded Bundles
        LogOpened Accepted Refused Unavailable Up Deliver CaughtUp GroupChallenge RosterChanged
        Roster GrantsPut Grant GroupNoted Groups BlobState Chunk Receipt
    }
    ToPeer {
        Hello Ready Fault Ping Pong Ask Answer PeerPost PeerAccepted PeerRefused PeerAttach
        PeerDetach PeerSeen PeerRead PeerRange PeerDeliver Probe ProbeAnswer EndSession
        SessionClosed RegisterSession AskAs Dismiss SessionRegistered PeerAnswered PeerShown
        PeerReceipt PeerStore MapVersion FetchMap MapCopy PeerSlots SlotsTold MoveBegin MoveReady
        MoveRows MoveTaken MoveSum MoveSummed MoveEnd
    }
    ToRouter { Hello Fault Ping Pong Place ListServers }
    FromRouter { Ready Fault Ping Pong Placed Servers }
    ServerToRouter { Hello Fault Ping Pong Report MapCopy }
    RouterToServer { Ready Fault Ping Pong Directory FetchMap MapCopy }
}
