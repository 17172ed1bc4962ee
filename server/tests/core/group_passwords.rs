//! Groups with a password: it never comes to the server, and it is guessed slowly.

use bytes::Bytes;
use opaque_ke::{
    ClientLogin, ClientLoginFinishParameters, ClientRegistration,
    ClientRegistrationFinishParameters, CredentialResponse, RegistrationResponse,
};
use rand_core_06::OsRng;
use wire::limits::{GUESSES_BURST, JOIN_TIME_MAX, JOINS_PER_ACCOUNT_MAX};
use wire::message::{Challenge, GroupChallenge, GroupStart};
use wire::opaque::{CONTEXT, Suite, group_identity};
use wire::roster::{Act, Policy, Statement};
use wire::{FaultCode, Name, RequestId, ToClient};

use crate::client::{Client, challenge, identifiers, toy};
use crate::groups::Club;
use crate::world::World;

const PASSWORD: &[u8] = b"open sesame";

fn start(
    world: &mut World,
    client: &Client,
    club: &Club,
    act: Act,
    opening: Challenge,
) -> Result<GroupChallenge, FaultCode> {
    client.say(world, GroupStart { request: RequestId(2), group: club.group, act, opening });
    match client.hear(world) {
        Some(ToClient::GroupChallenge(challenge)) => Ok(challenge),
        Some(ToClient::Fault(fault)) => Err(fault.code),
        other => panic!("a challenge, not {other:?}"),
    }
}

/// A group at server 1, created with the password.
fn create(world: &mut World, client: &Client) -> Club {
    let group = world.group_at(1, "rust");
    create_at(world, client, group)
}

fn create_at(world: &mut World, client: &Client, group: Name) -> Club {
    let mut club = Club::new(group);
    let started = ClientRegistration::<Suite>::start(&mut OsRng, PASSWORD).expect("starts");
    let opening = challenge(&started.message.serialize());
    let answer = start(world, client, &club, Act::Create, opening).expect("free");
    assert_eq!((answer.policy, answer.version, answer.head), (Policy::Password, 0, [0; 32]));
    let response = RegistrationResponse::deserialize(answer.response.bytes()).expect("well made");
    let (toy, id) = (toy(), group_identity(&club.group));
    let parameters = ClientRegistrationFinishParameters::new(identifiers(&id), Some(&toy));
    let finished = started.state.finish(&mut OsRng, PASSWORD, response, parameters);
    let proof = finished.expect("finishes").message.serialize();
    let first = club.next(Act::Create, client.name, client.name);
    let first = Statement { policy: Some(Policy::Password), ..first };
    club.change(world, client, &first, &proof).expect("created");
    club
}

/// The proof of a password, and the roster's head that came with its challenge.
fn prove(
    world: &mut World,
    client: &Client,
    club: &mut Club,
    password: &[u8],
) -> Result<Bytes, FaultCode> {
    let started = ClientLogin::<Suite>::start(&mut OsRng, password).expect("starts");
    let opening = challenge(&started.message.serialize());
    let answer = start(world, client, club, Act::Join, opening)?;
    (club.version, club.head) = (answer.version, answer.head);
    let response = CredentialResponse::deserialize(answer.response.bytes()).expect("well made");
    let (toy, id) = (toy(), group_identity(&club.group));
    let parameters = ClientLoginFinishParameters::new(Some(CONTEXT), identifiers(&id), Some(&toy));
    let finished = started.state.finish(&mut OsRng, password, response, parameters);
    let finished = finished.map_err(|_| FaultCode::WRONG_GROUP_PASSWORD)?;
    Ok(Bytes::copy_from_slice(&finished.message.serialize()))
}

fn clients(world: &mut World) -> [Client; 3] {
    ["alice", "bob", "carol"].map(|prefix| {
        let name = world.name_at(2, prefix);
        Client::signed_up(world, 2, name)
    })
}

#[test]
fn who_knows_the_password_joins() {
    let mut world = World::new(2);
    let [alice, bob, carol] = clients(&mut world);
    let mut club = create(&mut world, &alice);
    let wrong = prove(&mut world, &carol, &mut club, b"open barley");
    assert_eq!(wrong, Err(FaultCode::WRONG_GROUP_PASSWORD));
    let proof = prove(&mut world, &bob, &mut club, PASSWORD).expect("right");
    let join = club.next(Act::Join, bob.name, bob.name);
    club.change(&mut world, &bob, &join, &proof).expect("proven");
    let late = club.next(Act::Join, carol.name, carol.name);
    for forged in [&[][..], &proof[..]] {
        let answer = club.change(&mut world, &carol, &late, forged);
        let expected = FaultCode::WRONG_GROUP_PASSWORD;
        assert_eq!(answer, Err(expected), "another's proof, or none");
    }
}

#[test]
fn a_proof_is_good_for_the_next_try() {
    let mut world = World::new(2);
    let [alice, bob, carol] = clients(&mut world);
    let mut club = create(&mut world, &alice);
    let mine = prove(&mut world, &bob, &mut club, PASSWORD).expect("right");
    let yours = prove(&mut world, &carol, &mut club, PASSWORD).expect("right");
    let (join, late) =
        (club.next(Act::Join, bob.name, bob.name), club.next(Act::Join, carol.name, carol.name));
    club.change(&mut world, &bob, &join, &mine).expect("the first");
    let answer = club.change(&mut world, &carol, &late, &yours);
    assert_eq!(answer, Err(FaultCode::ROSTER_MOVED));
    let late = club.next(Act::Join, carol.name, carol.name);
    club.change(&mut world, &carol, &late, &yours).expect("proven before");
}

#[test]
fn a_proof_comes_in_time() {
    let mut world = World::new(2);
    let [alice, bob, _] = clients(&mut world);
    let mut club = create(&mut world, &alice);
    let proof = prove(&mut world, &bob, &mut club, PASSWORD).expect("right");
    world.advance(JOIN_TIME_MAX);
    bob.heard(&mut world);
    let join = club.next(Act::Join, bob.name, bob.name);
    let answer = club.change(&mut world, &bob, &join, &proof);
    assert_eq!(answer, Err(FaultCode::UNAVAILABLE), "it says nothing of the password");
}

#[test]
fn guesses_are_limited_for_each_account() {
    let mut world = World::new(2);
    let [alice, bob, carol] = clients(&mut world);
    let mut club = create(&mut world, &alice);
    for _ in 0..GUESSES_BURST {
        let wrong = prove(&mut world, &carol, &mut club, b"guess");
        assert_eq!(wrong, Err(FaultCode::WRONG_GROUP_PASSWORD));
    }
    let answer = prove(&mut world, &carol, &mut club, PASSWORD);
    assert_eq!(answer, Err(FaultCode::RATE_LIMITED));
    assert!(prove(&mut world, &bob, &mut club, PASSWORD).is_ok(), "bob has guesses of his own");
}

#[test]
fn an_account_has_few_joins_under_way() {
    let mut world = World::new(2);
    let [alice, bob, _] = clients(&mut world);
    let places = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    assert_eq!(places.len(), JOINS_PER_ACCOUNT_MAX + 1);
    let mut begun: Vec<(Club, Bytes)> = Vec::new();
    for place in places {
        let group = world.group_at(1, place);
        let mut club = create_at(&mut world, &alice, group);
        let proof = prove(&mut world, &bob, &mut club, PASSWORD).expect("right");
        begun.push((club, proof));
    }
    let mut join = |(club, proof): &mut (Club, Bytes)| {
        let statement = club.next(Act::Join, bob.name, bob.name);
        club.change(&mut world, &bob, &statement, proof)
    };
    assert_eq!(join(&mut begun[0]), Err(FaultCode::UNAVAILABLE), "the newest took its place");
    for club in &mut begun[1..] {
        join(club).expect("proven");
    }
}

#[test]
fn before_a_group_is_there_its_start_says_so() {
    let mut world = World::new(2);
    let [alice, bob, _] = clients(&mut world);
    let club = Club::new(world.group_at(1, "go"));
    let nothing = Challenge::default;
    let absent = start(&mut world, &bob, &club, Act::Join, nothing());
    assert_eq!(absent.map(|_| ()), Err(FaultCode::NO_SUCH_GROUP));
    let free = start(&mut world, &bob, &club, Act::Create, nothing()).expect("free");
    assert_eq!((free.policy, free.version), (Policy::Open, 0));
    let club = create(&mut world, &alice);
    let taken = start(&mut world, &bob, &club, Act::Create, nothing());
    assert_eq!(taken.map(|_| ()), Err(FaultCode::GROUP_NAME_TAKEN));
    let head = start(&mut world, &bob, &club, Act::Join, nothing()).expect("may ask");
    assert_eq!((head.policy, head.version, head.head), (Policy::Password, 1, club.head));
    assert!(head.response.bytes().is_empty());
    let member = start(&mut world, &alice, &club, Act::Join, nothing());
    assert_eq!(member.map(|_| ()), Err(FaultCode::ALREADY_A_MEMBER));
    let odd = start(&mut world, &bob, &club, Act::Leave, nothing());
    assert_eq!(odd.map(|_| ()), Err(FaultCode::MALFORMED));
}
