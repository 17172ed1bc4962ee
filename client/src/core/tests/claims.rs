//! A home that shows two members two histories of their group is noticed by what they sign.

use wire::message::{Deliver, Fault};
use wire::roster::{Act, Statement};
use wire::{FaultCode, Kind, ToServer};

use super::grants::{deliver_in_group, group_handle, reading_group};
use super::roster::{self, GROUP};
use super::world::{World, bundle_of, text_of};
use crate::core::{Notice, Reading, Request};
use crate::crypto::test_keys::{alice, bob, carol, name, rng};
use crate::crypto::{Content, sign_statement};
use crate::failure::Code;

/// What another member was shown at the version of the present roster: another statement, as well
/// signed and as good by the rules.
fn other_head(world: &World) -> (u32, [u8; 32]) {
    let roster = world.roster.as_ref().expect("created");
    let kept = &world.store.groups.statements[&(name(GROUP), roster.version())];
    let shown = Statement::decode(kept.encoded.clone()).expect("decodes");
    let other = Statement { act: Act::Join, actor: name("carol"), subject: name("carol"), ..shown };
    let signed = sign_statement(carol(), other, &mut rng()).expect("signs");
    (roster.version(), Statement::hash(&signed))
}

/// `sender` posts in a new message session, having signed `claim`.
fn post_with(world: &mut World, sender: &str, session: u32, claim: (u32, [u8; 32])) {
    world.claim = Some(claim);
    world.begin_session(roster::log(), sender, session);
    world.grant(roster::log(), sender, &alice().public().wrapping);
    let text = Content::Text("hello".to_owned());
    let entry = world.entry_of(roster::log(), sender, u64::from(session), text);
    deliver_in_group(world, &entry);
}

fn warnings(world: &World) -> usize {
    world.store.groups.warnings.len()
}

/// Whether a message to the group leaves; if not, why.
fn send(world: &mut World) -> Result<(), Code> {
    let (from, refused) = (world.sent.len(), world.store.refused.len());
    world.draft_to_group(GROUP, "to all");
    world.answer_questions(from, 0);
    match world.store.refused.get(refused) {
        Some((_, failure)) => Err(failure.code),
        None => {
            assert!(!world.numbers(from).is_empty(), "it is neither sent nor refused");
            Ok(())
        }
    }
}

fn agree(world: &mut World) {
    let ticket = world.ask(Request::TrustGroup(name(GROUP)));
    assert_eq!(world.answer(ticket), Some(Ok(())));
}

fn fetches(world: &World) -> usize {
    world.sent.iter().filter(|message| matches!(message, ToServer::FetchRoster(_))).count()
}

#[test]
fn two_histories_are_told_once_and_nothing_is_sealed_before_the_user_agrees() {
    let mut world = reading_group(&["alice", "bob"]);
    let other = other_head(&world);
    post_with(&mut world, "bob", 1, other);
    assert_eq!(text_of(&world.store.received[0].content), "hello", "what came is shown");
    assert_eq!(warnings(&world), 1);
    assert!(world.store.groups.warnings[0].contains("another history of #rust's members"));
    let told = |notice: &Notice| matches!(notice, Notice::Received(new) if new[0].0 < 0);
    assert!(world.notices.iter().any(told), "the warning waits to be shown");
    assert_eq!(send(&mut world), Err(Code::UntrustedKey));
    post_with(&mut world, "bob", 2, (other.0, [8; 32]));
    assert_eq!(warnings(&world), 1, "said once");
    agree(&mut world);
    assert_eq!(send(&mut world), Ok(()));
    let again = world.ask(Request::TrustGroup(name(GROUP)));
    assert_eq!(world.answer(again).expect("answered").expect_err("agreed").code, Code::Usage);
}

#[test]
fn another_member_who_contradicts_is_another_doubt() {
    let mut world = reading_group(&["alice", "bob", "carol"]);
    let version = world.roster.as_ref().expect("created").version();
    post_with(&mut world, "bob", 1, (version, [7; 32]));
    agree(&mut world);
    post_with(&mut world, "bob", 2, (version, [8; 32]));
    assert_eq!((warnings(&world), send(&mut world)), (1, Ok(())), "of bob it is known");
    post_with(&mut world, "carol", 1, (version, [7; 32]));
    assert_eq!((warnings(&world), send(&mut world)), (2, Err(Code::UntrustedKey)));
}

#[test]
fn what_agrees_is_not_kept() {
    let mut world = reading_group(&["alice", "bob"]);
    let roster = world.roster.clone().expect("created");
    post_with(&mut world, "bob", 1, (roster.version(), roster.head()));
    let first = &world.store.groups.statements[&(name(GROUP), 1)];
    let first = (1, Statement::hash(&first.encoded));
    post_with(&mut world, "bob", 2, first);
    assert!(world.store.groups.claims.is_empty() && warnings(&world) == 0);
    assert_eq!(send(&mut world), Ok(()));
    post_with(&mut world, "bob", 3, (1, [7; 32]));
    assert_eq!(warnings(&world), 1, "an older version is compared too");
}

#[test]
fn a_newer_version_is_compared_when_the_own_chain_has_reached_it() {
    for (head, expected) in [(None, 0), (Some([7; 32]), 1)] {
        let mut world = reading_group(&["alice", "bob"]);
        roster::join(&mut world, "carol");
        let roster = world.roster.clone().expect("created");
        post_with(&mut world, "bob", 1, (3, head.unwrap_or(roster.head())));
        assert_eq!(warnings(&world), expected, "the home was asked for it");
        let open = world.store.groups.claims.len();
        assert_eq!(open, expected, "nothing is left to be compared");
        let shown = world.store.groups.rosters[&name(GROUP)].version();
        assert_eq!(shown, 3);
    }
}

#[test]
fn a_home_that_withholds_what_a_member_knows_is_noticed() {
    let mut world = reading_group(&["alice", "bob"]);
    let asked = fetches(&world);
    post_with(&mut world, "bob", 1, (3, [7; 32]));
    assert_eq!(fetches(&world), asked + 1);
    assert!(world.store.groups.warnings[0].contains("withholds"), "it shows 2 changes only");
    assert_eq!(send(&mut world), Err(Code::UntrustedKey));
}

/// The process ends at any point between the grant and the warning: nothing is forgotten.
#[test]
fn claims_and_doubts_outlive_the_process() {
    let mut world = reading_group(&["alice", "bob"]);
    let from = world.sent.len();
    post_unanswered(&mut world);
    let asked = world.sent[from..].iter().find_map(|message| match message {
        ToServer::FetchRoster(fetch) => Some(fetch.request),
        _ => None,
    });
    let request = asked.expect("asked");
    world.server(Fault::about(FaultCode::UNAVAILABLE, Kind::FETCH_ROSTER, request.0));
    assert_eq!((warnings(&world), world.store.groups.claims.len()), (0, 1));
    for round in 0..2 {
        world.cut();
        world.restart();
        let from = world.sent.len();
        world.ask(Request::Attach(Reading::All));
        world.go_online();
        world.answer_questions(from, 0);
        assert_eq!(warnings(&world), 1, "round {round}");
        assert_eq!(send(&mut world), Err(Code::UntrustedKey), "round {round}");
    }
}

/// Bob posts, having signed what nobody else knows of; the home gives his grant and says no more.
fn post_unanswered(world: &mut World) {
    world.claim = Some((3, [7; 32]));
    world.begin_session(roster::log(), "bob", 1);
    world.grant(roster::log(), "bob", &alice().public().wrapping);
    let entry = world.entry_of(roster::log(), "bob", 1, Content::Text("hello".to_owned()));
    let handle = group_handle(world);
    world.given = world.sent.len();
    world.server(Deliver { handle, entry });
    world.give_grants();
    let fetch = world.fetch();
    world.bundles(&fetch, vec![bundle_of(bob(), "bob").encoded().clone()]);
    world.work();
}
