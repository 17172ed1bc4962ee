//! Posts keep their order, their numbers and their bytes until they are answered.

use bytes::Bytes;
use wire::message::Class;
use wire::{FaultCode, LogId, Seq, Wall};

use super::{Place, SESSION, begin, log, number, origin, seal};
use crate::crypto::Content;
use crate::crypto::content::GrantRequest;
use crate::crypto::test_keys::name;
use crate::store::{Fate, OutboxId, PostState, Received, ReceivedContent, Store, StoreError};

/// Adds and seals posts 1 … `count`.
fn sealed(store: &mut Store, count: u64) -> Vec<OutboxId> {
    begin(store);
    let add = |n| {
        let id = store.add_draft(&log(), "hello", Wall(1)).expect("keeps");
        seal(store, id, n, &body(n), &hash(n)).expect("seals");
        id
    };
    (1..=count).map(add).collect()
}

fn body(n: u64) -> Bytes {
    Bytes::from(format!("body {n}"))
}

fn hash(n: u64) -> [u8; 32] {
    [u8::try_from(n).expect("few"); 32]
}

fn state(store: &Store, id: OutboxId) -> PostState {
    store.post(id).expect("reads").expect("is there").state
}

#[test]
fn drafts_of_all_processes_come_in_order() {
    let place = Place::new();
    let (mut one, mut other) = (place.open(), place.open());
    let group = LogId::group(name("rust"));
    one.add_draft(&log(), "first", Wall(1)).expect("keeps");
    other.add_draft(&group, "second", Wall(2)).expect("keeps");
    one.add_draft(&log(), "third", Wall(3)).expect("keeps");
    let drafts = place.open().drafts(10).expect("reads");
    let texts: Vec<&Content> = drafts.iter().map(|draft| &draft.content).collect();
    let expected = ["first", "second", "third"].map(|text| Content::Text(text.to_owned()));
    assert_eq!(texts, expected.iter().collect::<Vec<_>>());
    assert_eq!((drafts[1].log, drafts[1].created), (group, Wall(2)));
    assert_eq!(one.drafts(1).expect("reads").len(), 1);
    assert_eq!(one.busy_logs().expect("reads"), [group, log()]);
}

#[test]
fn sealed_posts_come_back_byte_for_byte_after_a_restart() {
    let place = Place::new();
    sealed(&mut place.open(), 3);
    let store = place.open();
    let posts = store.sealed(&log()).expect("reads");
    let bodies: Vec<Bytes> = posts.iter().map(|post| post.body.clone()).collect();
    assert_eq!(bodies, [body(1), body(2), body(3)]);
    let chain = store.chain(&log()).expect("reads");
    assert_eq!((chain.next, chain.settled, chain.previous), (number(4), number(0), hash(3)));
}

#[test]
fn a_number_is_given_once_and_in_order() {
    let place = Place::new();
    let mut store = place.open();
    let ids = sealed(&mut store, 1);
    let refused = seal(&mut store, ids[0], 2, &body(2), &hash(2));
    assert!(matches!(refused, Err(StoreError::Changed(_))), "sealed already");
    let id = store.add_draft(&log(), "hello", Wall(1)).expect("keeps");
    for wrong in [1, 3] {
        let refused = seal(&mut store, id, wrong, &body(2), &hash(2));
        assert!(matches!(refused, Err(StoreError::Changed(_))), "number {wrong}");
    }
    assert_eq!(store.chain(&log()).expect("reads").next, number(2), "nothing was kept");
    assert_eq!(state(&store, id), PostState::Draft);
}

fn settle(store: &mut Store, upto: u64, seq: Seq) -> Result<Vec<OutboxId>, StoreError> {
    store.settle(&log(), number(upto), (seq, Class::Stored))
}

#[test]
fn what_its_reader_holds_is_told_from_what_is_stored() {
    let place = Place::new();
    let mut store = place.open();
    let ids = sealed(&mut store, 2);
    store.settle(&log(), number(1), (Seq(5), Class::Seen)).expect("settles");
    settle(&mut store, 2, Seq(6)).expect("settles");
    let class = |id| match state(&store, id) {
        PostState::Accepted { class, .. } => class,
        other => panic!("{other:?}"),
    };
    assert_eq!((class(ids[0]), class(ids[1])), (Some(Class::Seen), Some(Class::Stored)));
}

#[test]
fn accepting_is_cumulative_and_only_the_last_seq_is_known() {
    let place = Place::new();
    let mut store = place.open();
    let ids = sealed(&mut store, 3);
    assert_eq!(settle(&mut store, 2, Seq(u64::MAX)).expect("settles"), ids[..2]);
    let class = Some(Class::Stored);
    assert_eq!(state(&store, ids[0]), PostState::Accepted { seq: None, class });
    assert_eq!(state(&store, ids[1]), PostState::Accepted { seq: Some(Seq(u64::MAX)), class });
    assert_eq!(state(&store, ids[2]), PostState::Sealed);
    assert_eq!(store.chain(&log()).expect("reads").settled, number(2));
    assert_eq!(settle(&mut store, 2, Seq(7)).expect("settles"), [], "said twice");
    assert_eq!(store.sealed(&log()).expect("reads").len(), 1);
}

#[test]
fn a_rejected_number_is_spent_and_settled_passes_it_when_all_before_are_answered() {
    let place = Place::new();
    let mut store = place.open();
    let ids = sealed(&mut store, 3);
    let rejected = store.reject(&log(), number(2), FaultCode::MAILBOX_FULL).expect("rejects");
    assert_eq!(rejected, Some(ids[1]));
    assert_eq!(store.chain(&log()).expect("reads").settled, number(0), "1 has no answer");
    settle(&mut store, 1, Seq(5)).expect("settles");
    assert_eq!(store.chain(&log()).expect("reads").settled, number(2));
    settle(&mut store, 3, Seq(6)).expect("settles");
    assert_eq!(state(&store, ids[1]), PostState::Rejected(FaultCode::MAILBOX_FULL));
    let chain = store.chain(&log()).expect("reads");
    assert_eq!((chain.next, chain.settled), (number(4), number(3)));
    store.redraft(ids[1]).expect("a new post");
    let next = store.chain(&log()).expect("reads");
    assert_eq!(next, chain, "a spent number stays spent");
}

#[test]
fn an_answer_beyond_what_was_sent_settles_no_more_than_that() {
    let place = Place::new();
    let mut store = place.open();
    sealed(&mut store, 2);
    settle(&mut store, 1000, Seq(5)).expect("settles");
    let chain = store.chain(&log()).expect("reads");
    assert_eq!((chain.next, chain.settled), (number(3), number(2)));
    assert_eq!(store.reject(&log(), number(9), FaultCode::MAILBOX_FULL).expect("none"), None);
}

#[test]
fn refused_drafts_keep_their_reason_and_a_waiting_post_cannot_be_discarded() {
    let place = Place::new();
    let mut store = place.open();
    let draft = store.add_draft(&log(), "hello", Wall(1)).expect("keeps");
    store.refuse(draft, "no-such-user", "who is that?").expect("refuses");
    let reason = "no-such-user who is that?".to_owned();
    assert_eq!(state(&store, draft), PostState::Refused(reason));
    store.discard(draft).expect("discards");
    assert_eq!(store.post(draft).expect("reads"), None);
    let waiting = sealed(&mut store, 1)[0];
    assert!(matches!(store.discard(waiting), Err(StoreError::Changed(_))));
    assert!(matches!(store.redraft(waiting), Err(StoreError::Changed(_))));
    assert!(matches!(store.refuse(waiting, "x", ""), Err(StoreError::Changed(_))));
}

#[test]
fn answered_posts_keep_their_text_and_drop_their_body() {
    let place = Place::new();
    let mut store = place.open();
    let id = sealed(&mut store, 1)[0];
    settle(&mut store, 1, Seq(5)).expect("settles");
    let post = store.post(id).expect("reads").expect("is there");
    assert_eq!((post.content, post.number), (Content::Text("hello".to_owned()), Some(number(1))));
    let body: Option<Vec<u8>> =
        store.connection.query_row("SELECT body FROM outbox", (), |row| row.get(0)).expect("reads");
    assert_eq!(body, None);
}

#[test]
fn a_post_that_is_sealed_anew_is_a_draft_in_its_place_and_breaks_no_chain() {
    let place = Place::new();
    let mut store = place.open();
    let ids = sealed(&mut store, 4);
    settle(&mut store, 1, Seq(1)).expect("settles");
    let (draft, previous) = store.reseal(&log(), number(2)).expect("works").expect("is sealed");
    assert_eq!((draft.id, draft.content), (ids[1], Content::Text("hello".to_owned())));
    assert_eq!(previous, hash(4), "the posts behind it may yet be in the log");
    assert_eq!(store.chain(&log()).expect("reads").settled, number(2), "its number is spent");
    assert_eq!(state(&store, ids[1]), PostState::Draft);
    for n in [3, 4] {
        store.reseal(&log(), number(n)).expect("works").expect("is sealed");
    }
    let chain = store.chain(&log()).expect("reads");
    assert_eq!((chain.previous, chain.next, chain.settled), (hash(1), number(5), number(4)));
    let drafts = store.drafts(10).expect("reads");
    assert_eq!(drafts.iter().map(|draft| draft.id).collect::<Vec<_>>(), ids[1..]);
    assert!(store.reseal(&log(), number(4)).expect("works").is_none(), "once");
    seal(&mut store, ids[1], 5, &body(5), &hash(5)).expect("seals under a new number");
}

#[test]
fn abandoned_posts_are_left_to_the_user_and_their_numbers_are_spent() {
    let place = Place::new();
    let mut store = place.open();
    let ids = sealed(&mut store, 2);
    settle(&mut store, 1, Seq(1)).expect("settles");
    store.abandon(&log(), Fate::Unknown).expect("works");
    assert_eq!(state(&store, ids[1]), PostState::Conflict);
    assert!(matches!(state(&store, ids[0]), PostState::Accepted { .. }));
    let chain = store.chain(&log()).expect("reads");
    assert_eq!((chain.settled, chain.next), (number(2), number(3)));
    assert!(store.busy_logs().expect("reads").is_empty());
}

#[test]
fn what_waits_is_counted_log_by_log_without_this_programs_own_requests() {
    let place = Place::new();
    let mut store = place.open();
    let sealed = sealed(&mut store, 2);
    settle(&mut store, 1, Seq(5)).expect("settles");
    let draft = store.add_draft(&log(), "hello", Wall(1)).expect("keeps");
    let (origin, message_session) = (origin(1), SESSION);
    let request = Content::GrantRequest(GrantRequest { log: log(), origin, message_session });
    store.add_draft_of(&log(), &request, Wall(1)).expect("keeps");
    let waiting = store.waiting().expect("reads");
    assert_eq!(waiting, [(sealed[1], log()), (draft, log())]);
    assert_eq!(store.queued().expect("reads"), [(log(), 2)]);
}

#[test]
fn posts_to_a_log_that_was_read_to_its_end_were_stored_if_they_came() {
    let place = Place::new();
    let mut store = place.open();
    let account = "INSERT INTO account (id, name, identity, bundle) VALUES (1, 'alice', x'', x'')";
    store.connection.execute(account, ()).expect("keeps");
    let ids = sealed(&mut store, 3);
    let came = |n: u64, hash| Received {
        seq: Seq(n),
        sender: name("alice"),
        origin: store.origin().expect("reads"),
        number: number(n),
        at: Wall(1),
        hash,
        content: ReceivedContent::BeforeYouJoined,
        request: None,
    };
    let entries = [came(1, hash(1)), came(3, hash(9))];
    store.receive(&log(), &entries, Seq(3)).expect("keeps");
    store.abandon(&log(), Fate::Rejected(FaultCode::REMOVED)).expect("works");
    let (seq, class) = (Some(Seq(1)), None);
    assert_eq!(state(&store, ids[0]), PostState::Accepted { seq, class });
    let rejected = PostState::Rejected(FaultCode::REMOVED);
    assert_eq!(state(&store, ids[1]), rejected);
    assert_eq!(state(&store, ids[2]), rejected, "another message came under its number");
    assert!(store.conflicts().expect("reads").is_empty());
    assert!(store.busy_logs().expect("reads").is_empty());
}
