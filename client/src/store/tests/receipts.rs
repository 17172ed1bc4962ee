//! What may be said of what was shown, and whether.

use wire::{LogId, Seq};

use super::inbox::{entry, text};
use super::{Place, Store};
use crate::crypto::test_keys::name;

/// The log that the entries are of, as that of the account itself.
fn own() -> LogId {
    super::log()
}

fn receive(store: &mut Store, log: &LogId, seqs: &[u64]) {
    let entries: Vec<_> = seqs.iter().map(|seq| entry(*seq, *seq, text("hello", 0))).collect();
    store.receive(log, &entries, Seq(seqs[seqs.len() - 1])).expect("keeps");
}

/// Shows the oldest `count` that were not shown.
fn show(store: &mut Store, count: u32) {
    let messages = store.unshown(count).expect("reads");
    let ids: Vec<_> = messages.iter().map(|message| message.id).collect();
    store.mark_shown(&ids).expect("marks");
}

#[test]
fn what_was_shown_without_a_gap_is_said_once() {
    let place = Place::new();
    let (mut store, directory) = (place.open(), place.directory());
    receive(&mut store, &LogId::group(name("rust")), &[50]);
    receive(&mut store, &own(), &[3, 5, 9]);
    assert_eq!(store.newly_shown(&own(), &directory).expect("reads"), None);
    show(&mut store, 3);
    assert_eq!(store.newly_shown(&own(), &directory).expect("reads"), Some(Seq(5)));
    assert_eq!(store.newly_shown(&own(), &directory).expect("reads"), None);
    show(&mut store, 1);
    assert_eq!(store.newly_shown(&own(), &directory).expect("reads"), Some(Seq(9)));
    let mut store = place.open();
    let again = store.newly_shown(&own(), &directory).expect("reads");
    assert_eq!(again, Some(Seq(9)), "another process may not have had the time");
}

#[test]
fn nothing_is_said_while_receipts_are_off() {
    let place = Place::new();
    let (mut store, directory) = (place.open(), place.directory());
    assert!(directory.receipts_are_on().expect("reads"));
    directory.set_receipts(false).expect("sets");
    directory.set_receipts(false).expect("sets");
    assert!(!place.directory().receipts_are_on().expect("reads"), "it is kept");
    receive(&mut store, &own(), &[3, 5]);
    show(&mut store, 1);
    assert_eq!(store.newly_shown(&own(), &directory).expect("reads"), None);
    directory.set_receipts(true).expect("sets");
    directory.set_receipts(true).expect("sets");
    assert_eq!(store.newly_shown(&own(), &directory).expect("reads"), None, "only what follows");
    show(&mut store, 1);
    assert_eq!(store.newly_shown(&own(), &directory).expect("reads"), Some(Seq(5)));
}
