//! Groups against a home that keeps the rules, and one that lies.

use std::time::Duration;

use bytes::Bytes;
use wire::message::{Body, Entry};
use wire::roster::{Act, Policy, Statement};
use wire::{FaultCode, Kind, Number, Origin, Seq, ToServer, Wall};
use zeroize::Zeroizing;

use super::departures::{dismiss, ended};
use super::group_home::GroupHome;
use super::world::{Step, World};
use crate::core::contacts::Contacts;
use crate::core::context::Context;
use crate::core::groups::Groups;
use crate::core::readers::{Readers, Told};
use crate::core::{Admission, GroupWish, Notice, Password, Request, Ticket};
use crate::crypto::test_keys::{alice, name};
use crate::crypto::verify_statement;
use crate::failure::{Code, Failure};
use crate::store::ReceivedContent;

pub(super) fn password(text: &str) -> Password {
    Password::new(Zeroizing::new(text.as_bytes().to_vec()))
}

/// A session that is on.
pub(super) fn online() -> World {
    let mut world = World::with_session();
    world.ask(Request::Outbox);
    world.go_online();
    world
}

fn begin(world: &mut World, wish: GroupWish) -> Ticket {
    world.ask(Request::Group { group: name("rust"), wish })
}

/// Asks for a change and lets the home answer everything; what became of it.
pub(super) fn change(
    world: &mut World,
    home: &mut GroupHome,
    wish: GroupWish,
) -> Result<(), Failure> {
    let ticket = begin(world, wish);
    home.serve(world);
    for _ in 0..40 {
        if world.answer(ticket).is_some() {
            break;
        }
        world.pass(Duration::from_millis(500));
        home.serve(world);
    }
    world.answer(ticket).expect("it is answered")
}

pub(super) fn code(result: Result<(), Failure>) -> Code {
    result.expect_err("it is refused").code
}

/// What one of the core's other parts asks of the groups.
pub(super) fn with<R>(
    world: &mut World,
    ask: impl FnOnce(&mut Groups, &mut Contacts, &mut Context<'_>) -> R,
) -> R {
    let mut out = Vec::new();
    let core = &mut world.core;
    let seat = core.parts.seat();
    let (rng, handles, me) = (&mut core.rng, &mut core.handles, &mut core.me);
    let wall = Wall(1000);
    let mut ctx = Context { now: world.now, wall, rng, out: &mut out, seat, me, handles };
    let result = ask(&mut core.parts.groups, &mut core.parts.contacts, &mut ctx);
    for effect in out {
        if let Some(event) = world.perform(effect) {
            world.feed(event);
        }
    }
    result
}

/// The readers of the group, when everything was asked and answered.
pub(super) fn readers(world: &mut World, home: &mut GroupHome) -> Result<Vec<String>, Code> {
    for _ in 0..10 {
        match with(world, |groups, _, ctx| groups.readers(name("rust"), ctx)) {
            Readers::Pending => home.serve(world),
            Readers::Refused(failure) => return Err(failure.code),
            Readers::Ready(list) => {
                return Ok(list.readers.iter().map(|reader| reader.name.to_string()).collect());
            }
        }
    }
    panic!("the readers are not found");
}

pub(super) fn joined(world: &mut World, home: &mut GroupHome) -> Vec<String> {
    for _ in 0..10 {
        match with(world, |groups, _, ctx| groups.joined(ctx)) {
            None => home.serve(world),
            Some(names) => return names.iter().map(ToString::to_string).collect(),
        }
    }
    panic!("the groups are not found");
}

/// The home delivers a statement in the group's log; what is shown of it.
pub(super) fn deliver(
    world: &mut World,
    home: &mut GroupHome,
    statement: &Bytes,
) -> ReceivedContent {
    let entry = Entry {
        seq: Seq(1),
        sender: name("bob"),
        origin: Origin([2; 16]),
        number: Number::NONE,
        at: Wall(2),
        body: Body::new(statement.clone()).expect("short"),
    };
    for _ in 0..10 {
        let told = with(world, |groups, contacts, ctx| {
            groups.on_statement(name("rust"), &entry, contacts, ctx)
        });
        match told {
            Told::Pending => home.serve(world),
            Told::Done(content) => return content.expect("something is shown"),
        }
    }
    panic!("the statement is never verified");
}

pub(super) fn warnings(world: &World) -> Vec<String> {
    let texts = world.notices.iter().filter_map(|notice| match notice {
        Notice::GroupWarning { text, .. } => Some(text.clone()),
        _ => None,
    });
    texts.collect()
}

pub(super) fn changes(world: &World) -> usize {
    world.steps.iter().filter(|step| **step == Step::Sent(Kind::CHANGE_ROSTER)).count()
}

/// Alice is in bob's group, with carol.
pub(super) fn member() -> (World, GroupHome) {
    let (mut world, mut home) = (online(), GroupHome::of_bob(Policy::Open));
    home.says("carol", Act::Join, "carol");
    change(&mut world, &mut home, GroupWish::Join(None)).expect("joins");
    assert_eq!(readers(&mut world, &mut home), Ok(vec_of(&["alice", "bob", "carol"])));
    (world, home)
}

/// Alice is the admin of her group; bob and carol are in it.
pub(super) fn admin() -> (World, GroupHome) {
    let (mut world, mut home) = (online(), GroupHome::new());
    change(&mut world, &mut home, GroupWish::Create(Admission::Open)).expect("creates");
    for who in ["bob", "carol"] {
        home.says(who, Act::Join, who);
    }
    with(&mut world, |groups, _, ctx| groups.refresh(name("rust"), ctx));
    assert_eq!(readers(&mut world, &mut home), Ok(vec_of(&["alice", "bob", "carol"])));
    (world, home)
}

fn vec_of(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_group_is_created_by_a_statement_that_its_admin_has_signed() {
    let (mut world, mut home) = (online(), GroupHome::new());
    change(&mut world, &mut home, GroupWish::Create(Admission::Invitation)).expect("creates");
    let statement = Statement::decode(home.statements[0].clone()).expect("decodes");
    verify_statement(&statement, &alice().public().signing).expect("is signed");
    assert_eq!((statement.act, statement.policy), (Act::Create, Some(Policy::Invitation)));
    assert!(home.notes.contains(&name("rust")), "noted for other machines");
    assert!(world.at(&Step::Sent(Kind::NOTE_GROUP)) < world.at(&Step::Sent(Kind::CHANGE_ROSTER)));
    assert_eq!(readers(&mut world, &mut home), Ok(vec_of(&["alice"])));
    assert_eq!(joined(&mut world, &mut home), ["rust"]);
    assert_eq!(world.store.groups.ended[&name("rust")], None);
}

#[test]
fn each_refusal_of_a_join_is_its_own() {
    let mut world = online();
    let mut nothing = GroupHome::new();
    let join = || GroupWish::Join(None);
    assert_eq!(code(change(&mut world, &mut nothing, join())), Code::NoSuchGroup);
    let refused = |home: &mut GroupHome| code(change(&mut online(), home, join()));
    assert_eq!(refused(&mut GroupHome::of_bob(Policy::Invitation)), Code::NotAMember);
    assert_eq!(refused(&mut GroupHome::of_bob(Policy::Password)), Code::WrongGroupPassword);
    let mut removed = GroupHome::of_bob(Policy::Open);
    removed.says("alice", Act::Join, "alice");
    removed.says("bob", Act::Remove, "alice");
    assert_eq!(refused(&mut removed), Code::Removed);
    let (mut world, mut home) = member();
    assert_eq!(code(change(&mut world, &mut home, join())), Code::Usage);
    assert!(home.notes.contains(&name("rust")), "the note of a member stays");
}

#[test]
fn who_joins_too_often_hears_when_to_try_again() {
    let (mut world, mut home) = (online(), GroupHome::of_bob(Policy::Open));
    home.refusal = Some(FaultCode::RATE_LIMITED);
    let failure = change(&mut world, &mut home, GroupWish::Join(None)).expect_err("refused");
    let is_clear = failure.text.ends_with("try again in 10 minutes");
    assert!(failure.code == Code::RateLimited && is_clear, "{failure}");
}

#[test]
fn a_password_is_proven_by_others_than_its_maker_and_a_wrong_one_is_not() {
    let (mut maker, mut home) = (online(), GroupHome::new());
    let secret = GroupWish::Create(Admission::Password(password("open sesame")));
    change(&mut maker, &mut home, secret).expect("creates");
    // The home forgets that alice is in it: another account joins with the same record.
    home.statements.clear();
    home.roster = None;
    home.create("bob", Policy::Password);
    let mut world = online();
    home.ignore(&world);
    let wrong = GroupWish::Join(Some(password("open barley")));
    assert_eq!(code(change(&mut world, &mut home, wrong)), Code::WrongGroupPassword);
    assert_eq!(changes(&world), 0, "nothing is signed for a wrong password");
    home.rivals = vec![("carol", Act::Join, "carol")];
    let right = GroupWish::Join(Some(password("open sesame")));
    change(&mut world, &mut home, right).expect("joins");
    assert_eq!(changes(&world), 2, "the proof is good for the second try");
    assert_eq!(readers(&mut world, &mut home), Ok(vec_of(&["alice", "bob", "carol"])));
}

#[test]
fn a_group_without_a_password_is_joined_with_one_too() {
    let (mut world, mut home) = (online(), GroupHome::of_bob(Policy::Open));
    let wish = GroupWish::Join(Some(password("not needed")));
    change(&mut world, &mut home, wish).expect("joins");
}

#[test]
fn the_loser_of_a_race_signs_again_on_the_new_head() {
    let (mut world, mut home) = (online(), GroupHome::of_bob(Policy::Open));
    home.rivals = vec![("carol", Act::Join, "carol")];
    change(&mut world, &mut home, GroupWish::Join(None)).expect("joins");
    assert_eq!(changes(&world), 2);
    assert_eq!(readers(&mut world, &mut home), Ok(vec_of(&["alice", "bob", "carol"])));

    let (mut world, mut home) = admin();
    home.rivals = vec![("carol", Act::Leave, "carol")];
    change(&mut world, &mut home, GroupWish::HandOver(name("bob"))).expect("hands over");
    assert_eq!(home.roster.as_ref().expect("a group").admin(), name("bob"));
}

#[test]
fn an_admin_changes_the_group_and_others_may_not() {
    let (mut world, mut home) = admin();
    change(&mut world, &mut home, GroupWish::Remove(name("carol"))).expect("removes");
    assert_eq!(readers(&mut world, &mut home), Ok(vec_of(&["alice", "bob"])));
    change(&mut world, &mut home, GroupWish::Invite(name("carol"))).expect("invites");
    let nobody = GroupWish::Invite(name("nobody"));
    assert_eq!(code(change(&mut world, &mut home, nobody)), Code::NoSuchUser);
    let stranger = GroupWish::HandOver(name("carol"));
    assert_eq!(code(change(&mut world, &mut home, stranger)), Code::NotAMember);
    change(&mut world, &mut home, GroupWish::HandOver(name("bob"))).expect("hands over");
    let before = changes(&world);
    for wish in [GroupWish::Close, GroupWish::Remove(name("bob"))] {
        assert_eq!(code(change(&mut world, &mut home, wish)), Code::NotAnAdmin);
    }
    assert_eq!(changes(&world), before, "nothing is sent that members would pass over");
}

#[test]
fn who_leaves_reads_no_more_and_a_closed_group_is_nobodys() {
    let (mut world, mut home) = member();
    change(&mut world, &mut home, GroupWish::Leave).expect("leaves");
    assert_eq!(joined(&mut world, &mut home), ["rust"], "what was before is still to be read");
    assert_eq!(readers(&mut world, &mut home), Err(Code::NotAMember));
    assert_eq!(ended(&world), Some((FaultCode::NOT_A_MEMBER, true)));
    dismiss(&mut world, &mut home, FaultCode::NOT_A_MEMBER);
    assert!(joined(&mut world, &mut home).is_empty());
    assert!(home.notes.is_empty());
    assert_eq!(ended(&world), Some((FaultCode::NOT_A_MEMBER, false)));
    change(&mut world, &mut home, GroupWish::Join(None)).expect("comes back");
    assert_eq!(readers(&mut world, &mut home), Ok(vec_of(&["alice", "bob", "carol"])));

    let (mut world, mut home) = admin();
    change(&mut world, &mut home, GroupWish::Close).expect("closes");
    assert_eq!(readers(&mut world, &mut home), Err(Code::NoSuchGroup));
}

#[test]
fn an_inserted_member_is_noticed_and_nobody_seals_for_it() {
    let (mut world, mut home) = (online(), GroupHome::of_bob(Policy::Open));
    home.forges("bob", "carol", Act::Join, "carol");
    change(&mut world, &mut home, GroupWish::Join(None)).expect("joins");
    assert_eq!(readers(&mut world, &mut home), Ok(vec_of(&["alice", "bob"])));
    assert!(warnings(&world)[0].contains("carol joined"), "{:?}", warnings(&world));
    assert!(world.store.groups.statements[&(name("rust"), 2)].fault.is_some());

    // The same through the log, to a member who is there.
    let (mut world, mut home) = (online(), GroupHome::of_bob(Policy::Open));
    change(&mut world, &mut home, GroupWish::Join(None)).expect("joins");
    readers(&mut world, &mut home).expect("is a member");
    let forged = home.forges("bob", "carol", Act::Join, "carol");
    let shown = deliver(&mut world, &mut home, &forged);
    assert!(
        matches!(&shown, ReceivedContent::Roster { valid: false, text, .. }
        if text.contains("carol joined")),
        "{shown:?}"
    );
    assert_eq!(readers(&mut world, &mut home), Ok(vec_of(&["alice", "bob"])));
    let honest = home.says("bob", Act::Leave, "bob");
    let shown = deliver(&mut world, &mut home, &honest);
    assert!(matches!(&shown, ReceivedContent::Roster { valid: true, .. }), "{shown:?}");
    assert_eq!(readers(&mut world, &mut home), Ok(vec_of(&["alice"])));
}

#[test]
fn a_statement_under_the_right_key_with_a_wrong_signature_counts_for_nothing() {
    let (mut world, mut home) = (online(), GroupHome::of_bob(Policy::Open));
    home.invents("carol", Act::Join, "carol");
    change(&mut world, &mut home, GroupWish::Join(None)).expect("joins");
    assert_eq!(readers(&mut world, &mut home), Ok(vec_of(&["alice", "bob"])));
    let invented = home.statements[1].clone();
    let shown = deliver(&mut world, &mut home, &invented);
    assert!(
        matches!(&shown, ReceivedContent::Roster { valid: false, text, .. }
        if text.contains("signature does not hold")),
        "{shown:?}"
    );
    assert!(warnings(&world)[0].contains("carol joined"), "{:?}", warnings(&world));
}

#[test]
fn a_home_that_makes_up_the_founding_or_another_history_is_not_believed() {
    let mut home = GroupHome::new();
    let forged = home.sign(
        super::group_home::identity("carol"),
        Some(Policy::Open),
        ("bob", Act::Create, "bob"),
    );
    let statement = Statement::decode(forged.clone()).expect("decodes");
    let hash = Statement::hash(&forged);
    home.roster = wire::roster::Roster::create(&statement, hash).ok();
    home.statements.push(forged);
    let mut world = online();
    change(&mut world, &mut home, GroupWish::Join(None)).expect("the home says so");
    assert_eq!(readers(&mut world, &mut home), Err(Code::UntrustedKey));

    let (mut world, mut home) = member();
    home.statements.truncate(1);
    home.roster = None;
    home.statements.clear();
    home.create("bob", Policy::Password);
    for who in ["carol", "alice"] {
        home.says(who, Act::Join, who);
    }
    let other = home.says("carol", Act::Leave, "carol");
    let shown = deliver(&mut world, &mut home, &other);
    assert!(matches!(&shown, ReceivedContent::Undecryptable { .. }), "{shown:?}");
    assert_eq!(readers(&mut world, &mut home), Err(Code::UntrustedKey));
    assert!(warnings(&world)[0].contains("two histories"), "{:?}", warnings(&world));
}

#[test]
fn a_lost_answer_is_looked_for_and_nothing_is_said_twice() {
    for was_taken in [true, false] {
        let (mut world, mut home) = admin();
        home.mute = Some(was_taken);
        let ticket = begin(&mut world, GroupWish::Remove(name("carol")));
        home.serve(&mut world);
        assert_eq!(world.answer(ticket), None);
        world.cut();
        world.pass(Duration::from_secs(10));
        world.go_online();
        home.serve(&mut world);
        assert_eq!(world.answer(ticket), Some(Ok(())));
        let removals = home.statements.iter().filter(|encoded| {
            Statement::decode((*encoded).clone()).expect("decodes").act == Act::Remove
        });
        assert_eq!(removals.count(), 1, "taken: {was_taken}");
        assert_eq!(readers(&mut world, &mut home), Ok(vec_of(&["alice", "bob"])));
    }
}

#[test]
fn a_creation_or_join_whose_answer_was_lost_is_not_refused_to_its_maker() {
    for was_taken in [true, false] {
        for is_join in [true, false] {
            let mut home = match is_join {
                true => GroupHome::of_bob(Policy::Open),
                false => GroupHome::new(),
            };
            let mut world = online();
            home.mute = Some(was_taken);
            let ticket = begin(
                &mut world,
                match is_join {
                    true => GroupWish::Join(None),
                    false => GroupWish::Create(Admission::Open),
                },
            );
            home.serve(&mut world);
            world.cut();
            world.pass(Duration::from_secs(10));
            world.go_online();
            home.serve(&mut world);
            assert_eq!(world.answer(ticket), Some(Ok(())), "{was_taken} {is_join}");
            assert!(readers(&mut world, &mut home).expect("is in").contains(&"alice".to_owned()));
        }
    }
}

#[test]
fn after_a_restart_only_what_is_new_is_fetched() {
    let (mut world, mut home) = member();
    world.restart();
    world.ask(Request::Outbox);
    world.go_online();
    home.says("bob", Act::Invite, "dave");
    let from = world.sent.len();
    assert_eq!(readers(&mut world, &mut home), Ok(vec_of(&["alice", "bob", "carol"])));
    let fetched = world.sent[from..].iter().filter_map(|message| match message {
        ToServer::FetchRoster(fetch) => Some(fetch.after),
        _ => None,
    });
    assert_eq!(fetched.collect::<Vec<_>>(), [3]);
    let old = home.statements[1].clone();
    let shown = deliver(&mut world, &mut home, &old);
    assert!(
        matches!(&shown, ReceivedContent::Roster { text, valid: true, .. }
        if text == "carol joined"),
        "what waited in the log is known: {shown:?}"
    );
}

#[test]
fn a_new_machine_finds_its_groups_and_drops_notes_of_others() {
    let (_, mut home) = member();
    home.notes.insert(name("gone"));
    let mut world = online();
    home.ignore(&world);
    let ticket = world.ask(Request::Groups);
    home.serve(&mut world);
    assert_eq!(world.answer(ticket), Some(Ok(())));
    assert_eq!(joined(&mut world, &mut home), ["gone", "rust"]);
    // This home answers for all groups; another says that there is none.
    with(&mut world, |groups, _, ctx| {
        groups.on_dismissed(name("gone"), FaultCode::NO_SUCH_GROUP, ctx);
    });
    home.serve(&mut world);
    world.feed(crate::core::Event::TurnEnded);
    home.serve(&mut world);
    assert_eq!(joined(&mut world, &mut home), ["rust"]);
    assert_eq!(home.notes.iter().collect::<Vec<_>>(), [&name("rust")]);
    assert_eq!(readers(&mut world, &mut home), Ok(vec_of(&["alice", "bob", "carol"])));
}

#[test]
fn members_are_asked_for_and_strangers_hear_that_they_are_none() {
    let (mut world, mut home) = member();
    let ticket = world.ask(Request::Roster(name("rust")));
    home.serve(&mut world);
    assert_eq!(world.answer(ticket), Some(Ok(())));
    let mut stranger = online();
    home.ignore(&stranger);
    home.says("alice", Act::Leave, "alice");
    let ticket = stranger.ask(Request::Roster(name("rust")));
    home.serve(&mut stranger);
    assert_eq!(code(stranger.answer(ticket).expect("answered")), Code::NotAMember);
}
