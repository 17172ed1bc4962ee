//! The end of a membership: the group's log is read up to it, and its posts have failed then.

use bytes::Bytes;
use wire::message::{Body, Entry, Fault};
use wire::roster::Act;
use wire::{FaultCode, Kind, Number, Origin, Seq, Wall};

use super::grants::{deliver_in_group, group_handle, group_seen, reading_group};
use super::group_home::GroupHome;
use super::groups::{change, code, deliver, joined, member, readers, warnings, with};
use super::roster::{self, GROUP};
use super::world::World;
use crate::core::{GroupWish, Request};
use crate::crypto::test_keys::name;
use crate::failure::Code;
use crate::store::{Fate, ReceivedContent};

/// How the store says that the membership has ended, and whether the log is still to be read.
pub(super) fn ended(world: &World) -> Option<(FaultCode, bool)> {
    world.store.groups.ended[&name("rust")].map(|ended| (ended.why, ended.is_unread))
}

/// The home says that there is nothing more to read.
pub(super) fn dismiss(world: &mut World, home: &mut GroupHome, code: FaultCode) {
    home.departed = None;
    with(world, |groups, _, ctx| groups.on_dismissed(name("rust"), code, ctx));
    home.serve(world);
    world.feed(crate::core::Event::TurnEnded);
    home.serve(world);
}

/// What becomes of posts without an answer.
fn fate(world: &mut World) -> Option<Fate> {
    with(world, |groups, _, _| groups.fate_of_posts(&name("rust")))
}

#[test]
fn a_group_is_read_up_to_ones_removal_and_its_posts_have_failed_then() {
    let (mut world, mut home) = member();
    let joining = home.says("bob", Act::Invite, "dave");
    deliver(&mut world, &mut home, &joining);
    let removal = home.says("bob", Act::Remove, "alice");
    deliver(&mut world, &mut home, &removal);
    assert_eq!(ended(&world), Some((FaultCode::REMOVED, true)));
    assert_eq!(joined(&mut world, &mut home), ["rust"]);
    assert_eq!(fate(&mut world), None, "the home may still answer them");
    let ends = |world: &mut World, encoded: &Bytes| {
        with(world, |groups, _, ctx| groups.ends_with(&name("rust"), encoded, ctx))
    };
    assert!(!ends(&mut world, &joining));
    assert!(ends(&mut world, &removal));
    with(&mut world, |groups, _, ctx| groups.on_read(name("rust"), ctx));
    assert_eq!(fate(&mut world), Some(Fate::Rejected(FaultCode::REMOVED)));
    assert!(home.notes.contains(&name("rust")), "until the home has said that it is over");

    world.restart();
    world.ask(Request::Outbox);
    world.go_online();
    assert_eq!(joined(&mut world, &mut home), ["rust"], "also after a restart");
}

#[test]
fn a_closed_group_is_read_up_to_that() {
    let (mut world, mut home) = member();
    let close = home.says("bob", Act::Close, "bob");
    let shown = deliver(&mut world, &mut home, &close);
    let ReceivedContent::Roster { text, .. } = shown else { panic!("{shown:?}") };
    assert_eq!(text, "bob closed #rust");
    assert_eq!(ended(&world), Some((FaultCode::GROUP_CLOSED, true)));
    with(&mut world, |groups, _, ctx| groups.on_read(name("rust"), ctx));
    assert_eq!(ended(&world), Some((FaultCode::GROUP_CLOSED, false)));
    assert_eq!(fate(&mut world), Some(Fate::Rejected(FaultCode::GROUP_CLOSED)));
    assert!(joined(&mut world, &mut home).is_empty());
}

#[test]
fn who_cannot_read_its_removal_any_more_hears_of_it_all_the_same() {
    let (mut world, mut home) = member();
    dismiss(&mut world, &mut home, FaultCode::REMOVED);
    assert!(warnings(&world)[0].contains("no member any more"), "{:?}", warnings(&world));
    assert_eq!(fate(&mut world), Some(Fate::Unknown));
    assert_eq!(ended(&world), Some((FaultCode::REMOVED, false)));
}

#[test]
fn the_removal_is_acknowledged_at_once_and_who_posts_meanwhile_is_answered() {
    let mut world = reading_group(&["alice", "bob"]);
    let from = world.sent.len();
    world.draft_to_group(GROUP, "just now");
    world.answer_questions(from, 0);
    assert_eq!(world.posts(from).len(), 1, "it is under way");
    // Nobody can remove the admin: she has left, as another machine has said.
    roster::leave(&mut world, "alice");
    let statement = world.statements[0].1.clone();
    let entry = Entry {
        seq: Seq(9),
        sender: name("alice"),
        origin: Origin([5; 16]),
        number: Number::NONE,
        at: Wall(2),
        body: Body::new(statement).expect("short"),
    };
    deliver_in_group(&mut world, &entry);
    assert_eq!(group_seen(&world).last(), Some(&9), "without waiting for more");
    let out = FaultCode::NOT_A_MEMBER;
    assert_eq!(world.store.rejected, [(Number::new(1).expect("small"), out)]);
    assert!(world.store.conflicts.is_empty());
    let handle = group_handle(&world);
    world.server(Fault::about(out, Kind::ATTACH, handle.0));
    let ended = world.store.groups.ended[&name(GROUP)].expect("it has ended");
    assert_eq!((ended.why, ended.is_unread), (out, false));
}

#[test]
fn a_removed_member_sees_it_and_is_out() {
    let (mut world, mut home) = member();
    let removal = home.says("bob", Act::Remove, "alice");
    let shown = deliver(&mut world, &mut home, &removal);
    let ReceivedContent::Roster { act, text, valid } = shown else { panic!("{shown:?}") };
    assert_eq!((act, text.as_str(), valid), (Act::Remove, "bob removed you from #rust", true));
    assert_eq!(readers(&mut world, &mut home), Err(Code::Removed));
    dismiss(&mut world, &mut home, FaultCode::REMOVED);
    assert!(joined(&mut world, &mut home).is_empty());
    assert!(home.notes.is_empty());

    // One who was away hears it when she opens the log.
    let (mut world, mut home) = member();
    home.says("bob", Act::Remove, "alice");
    dismiss(&mut world, &mut home, FaultCode::REMOVED);
    assert!(joined(&mut world, &mut home).is_empty());
    let left = change(&mut world, &mut home, GroupWish::Leave);
    assert_eq!(code(left), Code::Removed);
}
