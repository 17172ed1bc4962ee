//! Notes: in which groups an account is, for its other machines.

use std::time::Duration;

use storage::{DiskModel, InFlight};
use wire::limits::{GROUPS_MAX, POSTS_BURST};
use wire::message::{ListGroups, NoteGroup};
use wire::{FaultCode, Name, RequestId, ServerId, ToClient};

use crate::client::Client;
use crate::world::World;

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

impl Client {
    fn note(&self, world: &mut World, group: &str, kept: bool) {
        self.say(world, NoteGroup { request: RequestId(5), group: name(group), kept });
    }

    fn noted(&self, world: &mut World) -> Result<(), FaultCode> {
        match self.hear(world) {
            Some(ToClient::GroupNoted(noted)) => {
                assert_eq!(noted.request, RequestId(5));
                Ok(())
            }
            Some(ToClient::Fault(fault)) => Err(fault.code),
            other => panic!("whether it was noted, not {other:?}"),
        }
    }

    fn groups(&self, world: &mut World) -> Vec<String> {
        self.say(world, ListGroups { request: RequestId(6) });
        match self.hear(world) {
            Some(ToClient::Groups(groups)) => {
                assert_eq!(groups.request, RequestId(6));
                groups.groups.items().iter().map(ToString::to_string).collect()
            }
            other => panic!("the groups, not {other:?}"),
        }
    }
}

#[test]
fn groups_are_found_on_another_machine() {
    let mut world = World::new(2);
    let (alice, bob) = (world.name_at(1, "alice"), world.name_at(1, "bob"));
    let alice = Client::signed_up(&mut world, 2, alice);
    let bob = Client::signed_up(&mut world, 1, bob);
    assert_eq!(alice.groups(&mut world), [""; 0]);
    for (group, kept) in
        [("rust", true), ("go", true), ("rust", true), ("zig", true), ("go", false), ("c", false)]
    {
        alice.note(&mut world, group, kept);
        assert_eq!(alice.noted(&mut world), Ok(()));
    }
    assert_eq!(alice.groups(&mut world), ["rust", "zig"], "by name");
    assert_eq!(bob.groups(&mut world), [""; 0]);
    world.kill(1, InFlight::Lost);
    world.start(ServerId(1));
    world.advance(Duration::from_secs(3));
    let mut other = Client::at(&mut world, 1, alice.name, 2);
    other.sign_in(&mut world, true).expect("signs in");
    assert_eq!(other.groups(&mut world), ["rust", "zig"]);
    assert_eq!(world.metrics(ServerId(1)).noting, 0, "nothing is kept in memory");
}

#[test]
fn a_note_is_answered_when_it_is_on_disk() {
    let mut world = World::new(1);
    let alice = world.name_at(1, "alice");
    let mut alice = Client::signed_up(&mut world, 1, alice);
    world.set_disk(1, DiskModel { commit_steps: 1, ..DiskModel::default() });
    alice.note(&mut world, "rust", true);
    alice.note(&mut world, "rust", true);
    alice.note(&mut world, "go", true);
    assert!(alice.hear(&mut world).is_none());
    assert_eq!(alice.groups(&mut world), [""; 0], "what is not durable is not told");
    world.step_disks();
    assert_eq!(alice.noted(&mut world), Ok(()));
    assert!(alice.hear(&mut world).is_none(), "the others are in the next batch");
    world.kill(1, InFlight::Lost);
    world.start(ServerId(1));
    alice.connect(&mut world, 1);
    alice.resume(&mut world).expect("resumes");
    assert_eq!(alice.groups(&mut world), ["rust"]);
}

#[test]
fn groups_of_one_account_are_bounded() {
    let mut world = World::new(1);
    let alice = world.name_at(1, "alice");
    let alice = Client::signed_up(&mut world, 1, alice);
    for n in 0..GROUPS_MAX {
        alice.note(&mut world, &format!("group{n}"), true);
        assert_eq!(alice.noted(&mut world), Ok(()));
    }
    // Together: the bound holds though neither is on disk yet.
    world.set_disk(1, DiskModel { commit_steps: 1, read_steps: 1, ..DiskModel::default() });
    alice.note(&mut world, "group0", false);
    alice.note(&mut world, "one", true);
    alice.note(&mut world, "two", true);
    alice.note(&mut world, "group1", true);
    for _ in 0..3 {
        world.step_disks();
    }
    assert_eq!(alice.noted(&mut world), Err(FaultCode::TOO_MANY_GROUPS));
    for _ in 0..3 {
        assert_eq!(alice.noted(&mut world), Ok(()));
    }
    world.set_disk(1, DiskModel::default());
    let groups = alice.groups(&mut world);
    assert_eq!(groups.len(), GROUPS_MAX);
    assert!(groups.contains(&"one".to_owned()) && !groups.contains(&"two".to_owned()));
}

#[test]
fn who_notes_too_fast_is_not_read_for_a_while() {
    let mut world = World::new(1);
    let alice = world.name_at(1, "alice");
    let alice = Client::signed_up(&mut world, 1, alice);
    for n in 0..POSTS_BURST {
        assert!(!world.is_paused(alice.conn));
        alice.note(&mut world, "rust", n % 2 == 0);
    }
    assert!(world.is_paused(alice.conn));
    world.advance(Duration::from_secs(1));
    assert!(!world.is_paused(alice.conn));
}
