//! What the account's own home notes for its other machines, and when that goes again.

use std::time::Duration;

use wire::roster::{Act, Policy};

use super::group_home::{GroupHome, Hidden};
use super::groups::{change, code, joined, online, password};
use super::world::World;
use crate::core::{Admission, GroupWish, Request};
use crate::crypto::test_keys::name;
use crate::failure::Code;

/// Alice's former process joined, and died before it heard that.
fn joined_unheard() -> (World, GroupHome) {
    let mut home = GroupHome::of_bob(Policy::Open);
    home.says("alice", Act::Join, "alice");
    home.notes.insert(name("rust"));
    (online(), home)
}

#[test]
fn a_taken_name_is_refused_and_its_note_dropped() {
    let (mut world, mut home) = (online(), GroupHome::of_bob(Policy::Open));
    for admission in [Admission::Open, Admission::Password(password("pw"))] {
        let result = change(&mut world, &mut home, GroupWish::Create(admission));
        assert_eq!(code(result), Code::GroupNameTaken);
        home.serve(&mut world);
        assert!(home.notes.is_empty());
    }
    assert!(joined(&mut world, &mut home).is_empty());
}

#[test]
fn a_note_stays_while_another_joining_needs_it() {
    let (mut world, mut home) = (online(), GroupHome::of_bob(Policy::Open));
    let group = name("rust");
    let create = GroupWish::Create(Admission::Open);
    let refused = world.ask(Request::Group { group, wish: create });
    let joined = world.ask(Request::Group { group, wish: GroupWish::Join(None) });
    home.serve(&mut world);
    assert_eq!(code(world.answer(refused).expect("answered")), Code::GroupNameTaken);
    assert_eq!(world.answer(joined), Some(Ok(())));
    home.serve(&mut world);
    assert!(home.notes.contains(&group), "other machines find it");
}

#[test]
fn a_note_stays_when_an_earlier_joining_got_through_unheard() {
    for admission in [Admission::Open, Admission::Password(password("pw"))] {
        let (mut world, mut home) = joined_unheard();
        let result = change(&mut world, &mut home, GroupWish::Create(admission));
        assert_eq!(code(result), Code::GroupNameTaken);
        home.serve(&mut world);
        assert!(home.notes.contains(&name("rust")), "other machines find it");
        assert_eq!(joined(&mut world, &mut home), ["rust"]);
    }
}

#[test]
fn a_note_stays_while_the_groups_home_cannot_say_whether_it_is_needed() {
    let (mut world, mut home) = joined_unheard();
    home.hidden = Some(Hidden::Unavailable);
    let result = change(&mut world, &mut home, GroupWish::Create(Admission::Open));
    assert_eq!(code(result), Code::GroupNameTaken);
    assert!(home.notes.contains(&name("rust")));
}

#[test]
fn a_refusal_is_told_when_the_connection_is_lost() {
    let (mut world, mut home) = (online(), GroupHome::of_bob(Policy::Open));
    home.hidden = Some(Hidden::Mute);
    let (group, wish) = (name("rust"), GroupWish::Create(Admission::Open));
    let ticket = world.ask(Request::Group { group, wish });
    home.serve(&mut world);
    assert_eq!(world.answer(ticket), None, "the roster was asked for");
    world.cut();
    assert_eq!(code(world.answer(ticket).expect("answered")), Code::GroupNameTaken);
}

#[test]
fn a_refusal_does_not_wait_for_long_for_a_home_that_says_nothing() {
    let (mut world, mut home) = (online(), GroupHome::of_bob(Policy::Open));
    home.hidden = Some(Hidden::Mute);
    let (group, wish) = (name("rust"), GroupWish::Create(Admission::Open));
    let ticket = world.ask(Request::Group { group, wish });
    home.serve(&mut world);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.answer(ticket), None);
    world.pass(Duration::from_secs(1));
    assert_eq!(code(world.answer(ticket).expect("answered")), Code::GroupNameTaken);
    assert!(home.notes.contains(&group), "nobody has said that it is not needed");
}
