//! Message sessions are kept until nobody needs them; their secrets are sealed.

use bytes::Bytes;
use wire::message::{ReaderGrant, Wrapped};
use wire::{FaultCode, LogId, MessageSession, Origin, Seq, Wall};
use zeroize::Zeroizing;

use super::{Place, SESSION, begin, log, number, origin, part, seal};
use crate::crypto::content::{Content, GrantRequest};
use crate::crypto::grant::SessionPlace;
use crate::crypto::keys::KeyId;
use crate::crypto::test_keys::name;
use crate::store::{
    Ended, GrantedSession, Received, ReceivedContent, SessionPart, SessionRecord, Store,
    WantedGrant, WantedId,
};

fn grant(reader: &str) -> ReaderGrant {
    let wrapped = Wrapped::new(Bytes::from("wrapped")).expect("short");
    ReaderGrant { reader: name(reader), wrapping_key: [4; 32], wrapped }
}

fn open(record: &SessionRecord) -> Vec<&str> {
    let open = record.grants.iter().filter(|grant| !grant.is_put);
    open.map(|grant| grant.grant.reader.as_str()).collect()
}

fn place(number: u32) -> SessionPlace {
    let (sender, log, origin) = (name("bob"), LogId::group(name("rust")), origin(2));
    SessionPlace { sender, log, origin, message_session: MessageSession(number) }
}

#[test]
fn a_message_session_comes_back_after_a_restart_as_it_was() {
    let files = Place::new();
    let mut store = files.open();
    let grants = [grant("bob"), grant("carol")];
    store
        .begin_message_session(&log(), SESSION, b"canary-ratchet", &part(0), &grants)
        .expect("keeps");
    let later = SessionPart { roster_version: 7, ..part(1) };
    store.add_session_part(&log(), SESSION, &later, &[grant("dave")]).expect("keeps");
    store.add_grants(&log(), SESSION, 0, &[grant("erin")]).expect("keeps");
    store.confirm_grants(&log(), SESSION, &[name("bob")]).expect("keeps");
    drop(store);
    assert!(!files.holds(b"canary-ratchet") && !files.holds(&[9; 32]));
    let store = files.open();
    let sessions = store.message_sessions(&log()).expect("reads");
    let [record] = &sessions.sessions[..] else { panic!("{sessions:?}") };
    assert_eq!((sessions.last, record.number, record.is_ended), (1, SESSION, false));
    assert_eq!((&record.state[..], record.parts.len()), (&b"canary-ratchet"[..], 2));
    let (first, second) = (&record.parts[0], &record.parts[1]);
    assert_eq!((first.secret.as_bytes(), second.roster_version), (&[9; 32], 7));
    assert_eq!(open(record), ["carol", "dave", "erin"]);
    let parts: Vec<u16> = record.grants.iter().map(|grant| grant.part).collect();
    assert_eq!(parts, [0, 0, 1, 0]);
    assert_eq!(store.busy_logs().expect("reads"), [log()], "grants wait to be put");
}

#[test]
fn a_ratchet_turns_with_the_post_that_it_has_sealed() {
    let files = Place::new();
    let mut store = files.open();
    begin(&mut store);
    let id = store.add_draft(&log(), "hello", Wall(1)).expect("keeps");
    seal(&mut store, id, 1, &Bytes::from("body"), &[1; 32]).expect("seals");
    let state = |store: &super::Store| {
        store.message_session(&log(), SESSION).expect("reads").expect("is kept").state
    };
    assert_eq!(&state(&store)[..], b"turned");
    let refused = seal(&mut store, id, 2, &Bytes::from("body"), &[1; 32]);
    assert!(refused.is_err(), "it is sealed already");
    let post = store.sealed(&log()).expect("reads").remove(0);
    assert_eq!(post.message_session, SESSION);
    let unknown = super::SealedPost { message_session: MessageSession(9), ..post };
    assert!(store.seal_draft(&log(), &unknown, &[1; 32], b"other").is_err());
    assert_eq!(&state(&store)[..], b"turned");
}

#[test]
fn a_new_message_session_ends_those_before_it_and_the_oldest_go() {
    let files = Place::new();
    let mut store = files.open();
    for number in 1..=10 {
        let number = MessageSession(number);
        store
            .begin_message_session(&log(), number, b"ratchet", &part(0), &[grant("bob")])
            .expect("keeps");
    }
    for (number, is_kept) in [(1, false), (2, false), (3, true), (10, true)] {
        let found = store.message_session(&log(), MessageSession(number)).expect("reads");
        assert_eq!(found.is_some(), is_kept, "message session {number}");
    }
    let sessions = store.message_sessions(&log()).expect("reads");
    assert_eq!((sessions.last, sessions.sessions.len()), (10, 8));
    for number in 3..=9 {
        store.confirm_grants(&log(), MessageSession(number), &[name("bob")]).expect("keeps");
    }
    let sessions = store.message_sessions(&log()).expect("reads").sessions;
    assert_eq!(sessions.len(), 1, "what is ended and confirmed is not needed");
    store.end_message_session(&log(), MessageSession(10)).expect("keeps");
    let sessions = store.message_sessions(&log()).expect("reads");
    assert_eq!((sessions.last, sessions.sessions.len()), (10, 0), "a number is given once");
    assert!(store.busy_logs().expect("reads").is_empty());
}

#[test]
fn what_was_granted_is_kept_sealed_for_a_while() {
    let files = Place::new();
    let mut store = files.open();
    assert!(!store.is_granted_from(&place(1)).expect("reads"));
    for number in 1..=9 {
        let state = Zeroizing::new(b"canary-granted".to_vec());
        let session = GrantedSession { signing_key: KeyId([5; 32]), state };
        store.keep_granted(&place(number), &session, None).expect("keeps");
    }
    drop(store);
    assert!(!files.holds(b"canary-granted"));
    let store = files.open();
    assert!(store.granted(&place(1)).expect("reads").is_none(), "the oldest goes");
    let found = store.granted(&place(9)).expect("reads").expect("is kept");
    assert_eq!((found.signing_key, &found.state[..]), (KeyId([5; 32]), &b"canary-granted"[..]));
    assert!(store.is_granted_from(&place(77)).expect("reads"));
    let elsewhere = SessionPlace { origin: origin(3), ..place(9) };
    assert!(!store.is_granted_from(&elsewhere).expect("reads"));
}

#[test]
fn who_joins_a_group_again_was_granted_nothing_there_yet() {
    let mut store = Place::new().open();
    let group = name("rust");
    store.keep_group(&group).expect("keeps");
    let state = Zeroizing::new(b"state".to_vec());
    let session = GrantedSession { signing_key: KeyId([5; 32]), state };
    store.keep_granted(&place(1), &session, None).expect("keeps");
    store.keep_group(&group).expect("keeps");
    assert!(store.is_granted_from(&place(2)).expect("reads"), "it is a member all the time");
    let ended = Ended { why: FaultCode::NOT_A_MEMBER, is_unread: false };
    store.end_group(&group, ended).expect("ends");
    store.keep_group(&group).expect("keeps");
    assert!(!store.is_granted_from(&place(2)).expect("reads"));
}

#[test]
fn a_grant_is_asked_for_once() {
    let files = Place::new();
    let mut store = files.open();
    let SessionPlace { log, origin, message_session, .. } = place(3);
    let request = Content::GrantRequest(GrantRequest { log, origin, message_session });
    assert!(store.request_grant(&place(3), &request, Wall(1)).expect("keeps"));
    assert!(!store.request_grant(&place(3), &request, Wall(2)).expect("keeps"));
    let drafts = store.drafts(10).expect("reads");
    assert_eq!(drafts.len(), 1);
    assert_eq!((drafts[0].log, &drafts[0].content), (LogId::mailbox(name("bob")), &request));
    let new =
        (10..400).filter(|at| store.request_grant(&place(*at), &request, Wall(3)).expect("keeps"));
    assert_eq!(new.count(), 255, "whoever invents entries does not fill bob's mailbox");
}

/// `asker` asks for its grant of a message session in its message `at`.
fn ask_for(store: &mut Store, asker: &str, at: u64, request: GrantRequest) {
    let own = LogId::mailbox(name("alice"));
    let received = Received {
        seq: Seq(at),
        sender: name(asker),
        origin: origin(2),
        number: number(at),
        at: Wall(1),
        hash: [1; 32],
        content: ReceivedContent::GrantRequest { sent: Wall(1), previous: [0; 32], verified: true },
        request: Some(request),
    };
    store.receive(&own, &[received], Seq(at)).expect("keeps");
}

fn ask(store: &mut Store, asker: &str, at: u64, (origin, session): (Origin, u32)) {
    let message_session = MessageSession(session);
    ask_for(store, asker, at, GrantRequest { log: log(), origin, message_session });
}

fn wanted(store: &Store) -> Vec<WantedGrant> {
    store.wanted_grants(WantedId(0), 10_000).expect("reads")
}

#[test]
fn a_request_is_kept_with_its_message_until_it_is_answered() {
    let files = Place::new();
    let mut store = files.open();
    begin(&mut store);
    let mine = store.origin().expect("reads");
    ask(&mut store, "bob", 1, (mine, 1));
    ask(&mut store, "bob", 2, (mine, 1));
    ask(&mut store, "bob", 3, (mine, 7));
    ask(&mut store, "dave", 4, (origin(5), 1));
    ask(&mut store, "carol", 5, (mine, 1));
    drop(store);
    let mut store = files.open();
    let [first, second] = wanted(&store)[..] else { panic!("{:?}", wanted(&store)) };
    assert_eq!((first.asker, first.log, first.number), (name("bob"), log(), SESSION));
    assert_eq!(second.asker, name("carol"));
    assert_eq!(store.wanted_grants(first.id, 9).expect("reads"), [second]);
    store.drop_wanted(first.id).expect("forgets");
    assert_eq!(wanted(&store), [second]);
    ask(&mut store, "bob", 4, (mine, 1));
    assert_eq!(wanted(&store), [second], "an entry behind the cursor asks nothing");
    store.begin_origin(origin(6)).expect("begins");
    assert!(wanted(&store).is_empty(), "another origin's message sessions are not ours to give");
}

#[test]
fn nobody_fills_the_store_with_requests() {
    let files = Place::new();
    let mut store = files.open();
    let mine = store.origin().expect("reads");
    for session in 1..=8 {
        let number = MessageSession(session);
        store.begin_message_session(&log(), number, b"ratchet", &part(0), &[]).expect("keeps");
    }
    ask(&mut store, "carol", 1, (mine, 8));
    let logs = (0..10).map(|at| LogId::group(name(&format!("group-{at}"))));
    let mut at = 1;
    for log in logs {
        for session in 1..=4 {
            at += 1;
            let number = MessageSession(session);
            store.begin_message_session(&log, number, b"ratchet", &part(0), &[]).expect("keeps");
            let request = GrantRequest { log, origin: mine, message_session: number };
            ask_for(&mut store, "bob", at, request);
        }
    }
    let wanted = wanted(&store);
    let of = |who: &str| wanted.iter().filter(|wanted| wanted.asker == name(who)).count();
    assert_eq!((of("bob"), of("carol")), (32, 1), "the oldest of who asks too much go");
}
