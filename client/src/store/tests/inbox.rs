//! Entries, cursor and replay window are kept together; doubles are dropped, and nothing else.

use std::collections::BTreeSet;

use bytes::Bytes;
use proptest::prelude::*;
use wire::roster::Act;
use wire::{BlobId, Seq, Wall};

use super::{Place, log, number, origin};
use crate::crypto::test_keys::{alice, name};
use crate::crypto::{Attachment, FileKey};
use crate::store::{Continuity, InboxMessage, Received, ReceivedContent};

pub(super) fn text(text: &str, previous: u8) -> ReceivedContent {
    let (sent, previous, verified) = (Wall(9), [previous; 32], true);
    ReceivedContent::Text { text: text.to_owned(), sent, previous, verified }
}

fn garbage() -> ReceivedContent {
    ReceivedContent::Undecryptable { reason: "the signature does not hold".to_owned() }
}

fn attachment() -> ReceivedContent {
    let attachment = Box::new(Attachment {
        uploader: name("alice"),
        blob: BlobId([7; 32]),
        key: FileKey::new([8; 32]),
        size: 100_000,
        name: "cat.png".to_owned(),
        media_type: "image/png".to_owned(),
        thumbnail: Bytes::from_static(b"small"),
        caption: "my cat".to_owned(),
    });
    ReceivedContent::Attachment { attachment, sent: Wall(9), previous: [1; 32], verified: true }
}

fn statement(text: &str, valid: bool) -> ReceivedContent {
    ReceivedContent::Roster { act: Act::Invite, text: text.to_owned(), valid }
}

/// The entry with this seq and number; its hash is its number.
pub(super) fn entry(seq: u64, n: u64, content: ReceivedContent) -> Received {
    Received {
        seq: Seq(seq),
        sender: name("alice"),
        origin: origin(1),
        number: number(n),
        at: Wall(u64::MAX),
        hash: [u8::try_from(n).expect("few"); 32],
        content,
        request: None,
    }
}

fn texts(messages: &[InboxMessage]) -> Vec<String> {
    let text = |message: &InboxMessage| match &message.content {
        ReceivedContent::Text { text, .. } => text.clone(),
        ReceivedContent::Attachment { attachment, .. } => attachment.name.clone(),
        ReceivedContent::Unknown { kind, .. } => format!("unknown {kind}"),
        ReceivedContent::Undecryptable { reason } => reason.clone(),
        ReceivedContent::BeforeYouJoined => "before you joined".to_owned(),
        ReceivedContent::GrantRequest { .. } => "asks for a grant".to_owned(),
        ReceivedContent::Roster { text, .. } | ReceivedContent::Warning { text } => text.clone(),
        ReceivedContent::Invitation { group, .. } => format!("invites to {group}"),
    };
    messages.iter().map(text).collect()
}

#[test]
fn what_was_received_comes_back_after_a_restart_as_it_came() {
    let place = Place::new();
    let unknown = ReceivedContent::Unknown {
        kind: 9,
        bytes: Bytes::from("later"),
        sent: Wall(9),
        previous: [1; 32],
        verified: false,
    };
    let (group, sent, previous, verified) = (name("rust"), Wall(9), [1; 32], true);
    let invitation = ReceivedContent::Invitation { group, sent, previous, verified };
    let entries = [
        entry(1 << 63, 1, text("one", 0)),
        entry(1 << 63 | 1, 2, unknown),
        entry(1 << 63 | 2, 3, ReceivedContent::BeforeYouJoined),
        entry(1 << 63 | 3, 0, statement("carol joined", true)),
        entry(1 << 63 | 4, 5, attachment()),
        entry(1 << 63 | 5, 6, invitation),
        entry(u64::MAX, 4, garbage()),
    ];
    let new = place.open().receive(&log(), &entries, Seq(u64::MAX)).expect("keeps");
    assert_eq!(new.len(), 7);
    let store = place.open();
    assert_eq!(store.cursor(&log()).expect("reads"), Seq(u64::MAX));
    let messages = store.unshown(10).expect("reads");
    for (message, entry) in messages.iter().zip(&entries) {
        assert_eq!((message.seq, message.number), (entry.seq, entry.number));
        assert_eq!((message.sender, message.origin), (entry.sender, entry.origin));
        assert_eq!((&message.content, message.at), (&entry.content, entry.at));
    }
    assert_eq!(store.message(new[1]).expect("reads").as_ref(), Some(&messages[1]));
}

#[test]
fn an_attachment_is_known_until_it_was_saved_and_found_ever_after() {
    let place = Place::new();
    let entries = [entry(1, 1, text("one", 0)), entry(1 << 63 | 2, 2, attachment())];
    let new = place.open().receive(&log(), &entries, Seq(1 << 63 | 2)).expect("keeps");
    let mut store = place.open();
    let unsaved = store.unsaved().expect("reads");
    assert_eq!(texts(&unsaved), ["cat.png"]);
    assert_eq!(unsaved[0].content, attachment(), "with what opens it");
    store.mark_saved(new[1]).expect("marks");
    assert!(store.unsaved().expect("reads").is_empty());
    let found = store.message_at(&log(), Seq(1 << 63 | 2)).expect("reads");
    assert_eq!(found, Some(unsaved[0].clone()));
    assert_eq!(store.message_at(&log(), Seq(3)).expect("reads"), None);
}

#[test]
fn what_one_has_sent_oneself_need_not_be_saved() {
    let mut store = Place::new().open();
    store.save_sign_up(&name("alice"), origin(2), alice(), b"bundle", b"frame").expect("keeps");
    let of_bob = Received { sender: name("bob"), ..entry(2, 1, attachment()) };
    store.receive(&log(), &[entry(1, 1, attachment()), of_bob], Seq(2)).expect("keeps");
    let unsaved = store.unsaved().expect("reads");
    assert_eq!(unsaved.iter().map(|message| message.sender).collect::<Vec<_>>(), [name("bob")]);
}

#[test]
fn statements_are_no_doubles_of_each_other_and_break_no_chain() {
    let place = Place::new();
    let mut store = place.open();
    let entries = [
        entry(1, 0, statement("alice invited bob", true)),
        entry(2, 1, text("one", 0)),
        entry(3, 0, statement("alice closed the group", false)),
        entry(4, 2, text("two", 1)),
    ];
    assert_eq!(store.receive(&log(), &entries, Seq(4)).expect("keeps").len(), 4);
    let messages = store.unshown(10).expect("reads");
    assert_eq!(texts(&messages)[2], "alice closed the group");
    let of_posts = [&messages[1], &messages[3]].map(|message| message.continuity);
    assert_eq!(of_posts, [Continuity::Unbroken; 2]);
}

#[test]
fn entries_at_or_below_the_cursor_are_skipped_and_it_never_goes_back() {
    let place = Place::new();
    let mut store = place.open();
    store.receive(&log(), &[entry(10, 1, text("one", 0))], Seq(10)).expect("keeps");
    let again = [entry(9, 7, text("old", 0)), entry(10, 8, text("same", 0))];
    assert_eq!(store.receive(&log(), &again, Seq(5)).expect("keeps"), []);
    assert_eq!(store.cursor(&log()).expect("reads"), Seq(10));
}

#[test]
fn a_double_is_dropped_under_any_seq_but_only_in_its_own_log_sender_and_origin() {
    let place = Place::new();
    let mut store = place.open();
    let one = entry(1, 1, text("one", 0));
    let double = Received { seq: Seq(2), ..one.clone() };
    let other_origin = Received { seq: Seq(3), origin: origin(2), ..one.clone() };
    let other_sender = Received { seq: Seq(4), sender: name("carol"), ..one.clone() };
    let entries = [one.clone(), double, other_origin, other_sender];
    assert_eq!(store.receive(&log(), &entries, Seq(4)).expect("keeps").len(), 3);
    let other_log = wire::LogId::group(name("rust"));
    assert_eq!(store.receive(&other_log, &[one], Seq(1)).expect("keeps").len(), 1);
}

#[test]
fn garbage_under_a_stolen_number_does_not_suppress_the_real_message() {
    let place = Place::new();
    let mut store = place.open();
    let entries = [
        entry(1, 1, garbage()),
        entry(2, 1, garbage()),
        entry(3, 1, text("real", 0)),
        entry(4, 1, text("real", 0)),
    ];
    assert_eq!(store.receive(&log(), &entries, Seq(4)).expect("keeps").len(), 2);
    let shown = texts(&store.unshown(10).expect("reads"));
    assert_eq!(shown, ["the signature does not hold", "real"]);
}

#[test]
fn a_message_is_unshown_until_it_is_marked() {
    let place = Place::new();
    let mut store = place.open();
    let entries: Vec<Received> = (1..=3).map(|n| entry(n, n, text(&format!("t{n}"), 0))).collect();
    store.receive(&log(), &entries, Seq(3)).expect("keeps");
    let first = store.unshown(2).expect("reads");
    assert_eq!(texts(&first), ["t1", "t2"]);
    assert_eq!(store.unshown(2).expect("reads"), first, "looking changes nothing");
    let ids: Vec<_> = first.iter().map(|message| message.id).collect();
    store.mark_shown(&ids).expect("marks");
    assert_eq!(texts(&place.open().unshown(2).expect("reads")), ["t3"]);
    assert_eq!(store.unshown_count().expect("counts"), 1);
}

#[test]
fn a_missing_message_is_noticed() {
    let place = Place::new();
    let mut store = place.open();
    let entries = [
        entry(1, 1, text("first", 0)),
        entry(2, 2, text("follows", 1)),
        entry(3, 4, text("one is missing", 3)),
        entry(4, 5, garbage()),
        entry(5, 6, text("follows garbage", 5)),
    ];
    store.receive(&log(), &entries, Seq(5)).expect("keeps");
    let found: Vec<_> = store.unshown(9).expect("reads").iter().map(|m| m.continuity).collect();
    let (ok, missing, unknown) = (Continuity::Unbroken, Continuity::Missing, Continuity::Unknown);
    assert_eq!(found, [ok, ok, missing, unknown, ok]);
    let joined = Received { origin: origin(9), ..entry(6, 50, text("new machine", 7)) };
    let id = store.receive(&log(), &[joined], Seq(6)).expect("keeps")[0];
    let message = store.message(id).expect("reads").expect("is there");
    assert_eq!(message.continuity, unknown);
}

#[test]
fn nothing_is_kept_of_a_batch_that_fails() {
    let place = Place::new();
    let mut store = place.open();
    let trigger = "CREATE TRIGGER full BEFORE INSERT ON inbox WHEN new.number = 2
                   BEGIN SELECT raise(ABORT, 'disk full'); END";
    store.connection.execute_batch(trigger).expect("sets the trap");
    let entries = [entry(1, 1, text("one", 0)), entry(2, 2, text("two", 1))];
    assert!(store.receive(&log(), &entries, Seq(2)).is_err());
    assert_eq!(store.cursor(&log()).expect("reads"), Seq(0));
    assert_eq!(store.unshown(9).expect("reads"), []);
    store.connection.execute_batch("DROP TRIGGER full").expect("removes it");
    assert_eq!(store.receive(&log(), &entries, Seq(2)).expect("keeps").len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever the order: a number is new exactly once, and runs without a gap are merged.
    #[test]
    fn the_replay_window_is_exact(numbers in prop::collection::vec(1..40u64, 1..60)) {
        let place = Place::new();
        let mut store = place.open();
        let entries: Vec<Received> = (1..)
            .zip(&numbers)
            .map(|(seq, n)| entry(seq, *n, text("x", 0)))
            .collect();
        let new = store.receive(&log(), &entries, Seq(100)).expect("keeps");
        let distinct: BTreeSet<u64> = numbers.iter().copied().collect();
        prop_assert_eq!(new.len(), distinct.len());
        let runs = distinct.iter().filter(|n| !distinct.contains(&(*n - 1))).count();
        let kept: i64 = store
            .connection
            .query_row("SELECT count(*) FROM replay", (), |row| row.get(0))
            .expect("counts");
        prop_assert_eq!(kept, i64::try_from(runs).expect("few"));
    }
}

#[test]
fn what_was_sent_while_one_was_no_member_is_not_missing() {
    let rust = wire::LogId::group(name("rust"));
    let mut store = Place::new().open();
    store.save_sign_up(&name("bob"), origin(2), alice(), b"bundle", b"frame").expect("keeps");
    let joined = |seq, sender, valid| Received {
        sender,
        content: ReceivedContent::Roster { act: Act::Join, text: "joined".to_owned(), valid },
        ..entry(seq, 0, garbage())
    };
    let entries = [
        entry(1, 1, text("first", 0)),
        joined(2, name("carol"), true),
        joined(3, name("bob"), false),
        entry(4, 3, text("one is missing", 2)),
        joined(5, name("bob"), true),
        entry(6, 5, text("another was not for me", 4)),
        entry(7, 7, text("one is missing since", 6)),
    ];
    store.receive(&rust, &entries, Seq(7)).expect("keeps");
    let messages = store.unshown(9).expect("reads");
    let found = [3, 5, 6].map(|place: usize| messages[place].continuity);
    assert_eq!(found, [Continuity::Missing, Continuity::Unknown, Continuity::Missing]);
}
