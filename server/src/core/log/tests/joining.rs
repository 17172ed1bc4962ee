//! What is said of a group while somebody's joining is not durable.

use wire::message::{AnswerBody, FetchRoster};
use wire::{Act, FaultCode, RequestId, ToPeer};

use super::club::{Club, change, rust};
use super::name;
use crate::core::log::LogLimits;
use crate::core::log::ask::{Entrance, LogQuestion};

fn fetch(after: u32) -> LogQuestion {
    let (request, group) = (RequestId(9), name("rust"));
    LogQuestion::FetchRoster(FetchRoster { request, group, after })
}

/// Dave has asked to join, and nothing was committed since.
fn joining() -> Club {
    let mut club = Club::of(LogLimits::standard(), &["bob"]);
    let join = club.next(Act::Join, "dave", "dave");
    club.ask("dave", change(&join, Entrance::None));
    club
}

#[test]
fn who_is_just_joining_is_not_told_that_it_is_no_member() {
    let mut club = joining();
    club.rig.open(rust(), "dave");
    let code = match club.answer() {
        AnswerBody::Fault(fault) => fault.code,
        other => panic!("{other:?} is early"),
    };
    assert_eq!(code, FaultCode::UNAVAILABLE, "its session of before may have asked for it");
    club.rig.settle();
    club.rig.take();
    assert_eq!(club.open("dave"), Ok(()));
}

#[test]
fn a_roster_holds_what_is_durable_when_it_is_told() {
    let mut club = joining();
    club.ask("bob", fetch(0));
    club.ask("bob", fetch(2));
    club.rig.settle();
    let told = club.rig.take().into_iter().filter_map(|(_, message)| match message {
        ToPeer::Answer(answer) => match answer.body {
            AnswerBody::Roster(part) => Some((part.statements.items().len(), part.complete)),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [(3, true), (1, true)], "its maker, bob, and dave");
}
