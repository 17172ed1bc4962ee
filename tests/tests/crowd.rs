//! A small crowd in one group; `fastchat-crowd` runs large ones.

use std::time::Duration;

use tests::crowd::{Plan, run};

#[test]
fn everybody_shows_the_same_entries_in_the_same_order() {
    let limit = Duration::from_secs(60);
    let outcome = run(Plan { members: 6, senders: 2, posts: 100, limit });
    assert_eq!((outcome.members, outcome.posts), (6, 200));
}
