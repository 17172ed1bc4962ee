//! What a member hears of its groups: who is the admin now, who is in them, and which change it
//! wanted instead.

use wire::Kind;
use wire::roster::{Act, Policy};

use super::group_home::GroupHome;
use super::groups::{admin, change, changes, deliver, member, online};
use super::world::{Step, me};
use crate::core::{GroupWish, Request};
use crate::crypto::test_keys::name;
use crate::failure::Code;
use crate::store::ReceivedContent;

#[test]
fn a_change_that_is_about_oneself_is_refused_with_the_right_one() {
    let (mut world, mut home) = admin();
    let before = changes(&world);
    for (wish, step) in [
        (GroupWish::Remove(me()), "group leave rust"),
        (GroupWish::HandOver(me()), "another member"),
        (GroupWish::Invite(me()), "group join rust"),
    ] {
        let refused = change(&mut world, &mut home, wish).expect_err("it is refused");
        assert_eq!(refused.code, Code::Usage);
        assert!(refused.text.contains(step), "{refused}");
    }
    assert_eq!(changes(&world), before);
}

#[test]
fn who_follows_an_admin_that_leaves_is_shown_with_the_leaving() {
    let (mut world, mut home) = member();
    let left = home.says("bob", Act::Leave, "bob");
    let shown = deliver(&mut world, &mut home, &left);
    assert!(
        matches!(&shown, ReceivedContent::Roster { act: Act::Leave, valid: true, text }
        if text == "bob left; carol is the admin now"),
        "{shown:?}"
    );
    let left = home.says("carol", Act::Leave, "carol");
    let shown = deliver(&mut world, &mut home, &left);
    assert!(matches!(&shown, ReceivedContent::Roster { text, .. }
        if text == "carol left; alice is the admin now"));
    assert_eq!(world.store.groups.statements[&(name("rust"), 4)].successor, Some(name("carol")));
}

#[test]
fn a_list_of_groups_has_each_roster_as_it_is_now() {
    let (mut world, mut home) = (online(), GroupHome::of_bob(Policy::Open));
    change(&mut world, &mut home, GroupWish::Join(None)).expect("joins");
    home.says("carol", Act::Join, "carol");
    let ticket = world.ask(Request::Groups);
    for _ in 0..10 {
        home.serve(&mut world);
    }
    assert!(matches!(world.answer(ticket), Some(Ok(()))));
    let roster = &world.store.groups.rosters[&name("rust")];
    assert_eq!(roster.members().len(), 3);
}

#[test]
fn an_invitation_is_noted_before_its_statement_leaves_and_forgotten_when_it_is_refused() {
    let (mut world, mut home) = admin();
    change(&mut world, &mut home, GroupWish::Remove(name("carol"))).expect("removes");
    world.steps.clear();
    change(&mut world, &mut home, GroupWish::Invite(name("carol"))).expect("invites");
    let noted = world.at(&Step::Stored("invitation"));
    assert!(noted < world.at(&Step::Sent(Kind::CHANGE_ROSTER)));
    let kept = world.at(&Step::Stored("statements"));
    let loaded = world.steps.iter().rposition(|step| *step == Step::Stored("outbox"));
    assert!(loaded.is_some_and(|loaded| loaded > kept), "what was written leaves: {loaded:?}");
    assert!(world.store.groups.invitations.contains(&(name("rust"), name("carol"))));

    let refused = change(&mut world, &mut home, GroupWish::Invite(name("bob")));
    assert_eq!(refused.expect_err("bob is a member").code, Code::Usage);
    assert!(!world.store.groups.invitations.contains(&(name("rust"), name("bob"))));
}
