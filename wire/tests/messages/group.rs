//! Examples of the messages of groups, grants and blobs.

use wire::field::List;
use wire::message::{
    AnswerBody, AskAs, BeginBlob, BlobState, ChangeRoster, Chunk, FetchChunk, FetchGrant,
    FetchKeyLog, FetchRoster, Grant, GrantsPut, GroupChallenge, GroupNoted, GroupStart, Groups,
    KeyLogCopy, ListGroups, NoteGroup, PutChunk, PutGrants, ReaderGrant, Roster, RosterChanged,
    SessionQuestion,
};
use wire::{
    Act, BlobId, ExchangeId, LogId, MessageSession, Name, Origin, Policy, RequestId, SessionEpoch,
};

use crate::examples::{Example, name, opaque, origin, show};

const REQUEST: RequestId = RequestId(9);

pub(crate) fn group() -> Vec<Example> {
    let (request, group) = (REQUEST, name("rust"));
    let start = |act, opening| GroupStart { request, group, act, opening };
    vec![
        show("start to create with a password", &start(Act::Create, opaque(b"request"))),
        show("start to join", &start(Act::Join, opaque(b""))),
        show("challenge of a group with a password", &challenge()),
        show("change roster", &change()),
        show("roster changed", &RosterChanged { request, version: 4 }),
        show("fetch roster", &FetchRoster { request, group, after: 2 }),
        show("roster", &roster()),
        show("note group", &NoteGroup { request, group, kept: true }),
        show("forget group", &NoteGroup { request, group, kept: false }),
        show("group noted", &GroupNoted { request }),
        show("list groups", &ListGroups { request }),
        show("groups", &groups()),
    ]
}

pub(crate) fn grant() -> Vec<Example> {
    vec![
        show("put grants", &put()),
        show("grants put", &GrantsPut { request: REQUEST }),
        show("fetch grant", &fetch_grant()),
        show("grant", &granted()),
        show("fetch key log", &fetch_key_log()),
    ]
}

pub(crate) fn blob() -> Vec<Example> {
    let (request, blob) = (REQUEST, BlobId([0x77; 32]));
    vec![
        show("begin blob", &BeginBlob { request, blob, len: 70_000 }),
        show("put chunk", &PutChunk { request, blob, index: 1, chunk: opaque(b"chunk") }),
        show("blob state", &BlobState { request, have: 2, complete: true }),
        show("fetch chunk", &fetch_chunk()),
        show("chunk", &Chunk { request, chunk: opaque(b"chunk") }),
    ]
}

/// What a seat relays of these, and the homes' answers.
pub(crate) fn peer(account: Name, origin: Origin, epoch: SessionEpoch) -> Vec<Example> {
    let (request, group, blob) = (REQUEST, name("rust"), BlobId([0x77; 32]));
    let ask = |question: SessionQuestion| AskAs {
        exchange: ExchangeId(5),
        account,
        origin,
        epoch,
        question,
    };
    let answer = |body: AnswerBody| wire::message::Answer { exchange: ExchangeId(5), body };
    let start = GroupStart { request, group, act: Act::Join, opening: opaque(b"") };
    let fetch = FetchRoster { request, group, after: 2 };
    let note = NoteGroup { request, group, kept: true };
    let begin = BeginBlob { request, blob, len: 70_000 };
    let put_chunk = PutChunk { request, blob, index: 1, chunk: opaque(b"chunk") };
    let chunk = Chunk { request, chunk: opaque(b"chunk") };
    vec![
        show("ask as: group start", &ask(start.into())),
        show("ask as: change roster", &ask(change().into())),
        show("ask as: fetch roster", &ask(fetch.into())),
        show("ask as: put grants", &ask(put().into())),
        show("ask as: fetch grant", &ask(fetch_grant().into())),
        show("ask as: note group", &ask(note.into())),
        show("ask as: list groups", &ask(ListGroups { request }.into())),
        show("ask as: begin blob", &ask(begin.into())),
        show("ask as: put chunk", &ask(put_chunk.into())),
        show("ask as: fetch chunk", &ask(fetch_chunk().into())),
        show("ask as: fetch key log", &ask(fetch_key_log().into())),
        show("answer group challenge", &answer(challenge().into())),
        show("answer roster changed", &answer(RosterChanged { request, version: 4 }.into())),
        show("answer roster", &answer(roster().into())),
        show("answer grants put", &answer(GrantsPut { request }.into())),
        show("answer grant", &answer(granted().into())),
        show("answer group noted", &answer(GroupNoted { request }.into())),
        show("answer groups", &answer(groups().into())),
        show("answer blob state", &answer(BlobState { request, have: 2, complete: true }.into())),
        show("answer chunk", &answer(chunk.into())),
    ]
}

fn challenge() -> GroupChallenge {
    GroupChallenge {
        request: REQUEST,
        policy: Policy::Password,
        version: 3,
        head: [0x33; 32],
        response: opaque(b"response"),
    }
}

fn change() -> ChangeRoster {
    ChangeRoster {
        request: REQUEST,
        group: name("rust"),
        statement: opaque(b"statement"),
        proof: opaque(b"proof"),
        key_log: key_log(),
    }
}

fn roster() -> Roster {
    let statements = List::new(vec![opaque(b"third"), opaque(b"fourth")]).expect("two");
    Roster { request: REQUEST, group: name("rust"), statements, complete: true }
}

fn groups() -> Groups {
    let groups = List::new(vec![name("mio"), name("rust")]).expect("two");
    Groups { request: REQUEST, groups }
}

fn put() -> PutGrants {
    PutGrants {
        request: REQUEST,
        log: LogId::group(name("rust")),
        message_session: MessageSession(3),
        part: 0,
        roster_version: 4,
        announcement: opaque(b"announcement"),
        grants: List::new(vec![reader_grant()]).expect("one"),
        last: true,
        key_log: key_log(),
    }
}

fn fetch_grant() -> FetchGrant {
    FetchGrant {
        request: REQUEST,
        log: LogId::group(name("rust")),
        sender: name("alice"),
        origin: origin(),
        message_session: MessageSession(3),
    }
}

fn key_log() -> KeyLogCopy {
    List::new(vec![opaque(b"first"), opaque(b"second")]).expect("two")
}

fn fetch_key_log() -> FetchKeyLog {
    FetchKeyLog { request: REQUEST, log: LogId::group(name("rust")), name: name("alice") }
}

fn granted() -> Grant {
    Grant { request: REQUEST, announcement: opaque(b"announcement"), grant: reader_grant() }
}

fn reader_grant() -> ReaderGrant {
    let wrapping_key = [0x44; 32];
    ReaderGrant { reader: name("bob"), wrapping_key, wrapped: opaque(b"wrapped") }
}

fn fetch_chunk() -> FetchChunk {
    let blob = BlobId([0x77; 32]);
    FetchChunk { request: REQUEST, uploader: name("alice"), blob, index: 1 }
}
