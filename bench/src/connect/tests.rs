//! Users through their phases, against hand-made answers; and the report of a hand-made run.

use std::time::Duration;

use bytes::BytesMut;
use wire::message::{CaughtUp, Fault, Ping, Welcome};
use wire::net::CloseCause;
use wire::{
    FaultCode, Frame, Instant, Kind, LogHandle, Message, Opaque, Seq, SessionEpoch, Token, Wall,
};

use super::core::{AT_ONCE, Core, CoreError, Effect, Found, Phase};
use super::person::Action;
use super::plan::Plan;
use super::report::Report;
use super::shell::{Idle, Measured};
use super::{Connect, Outcome};
use crate::machine::Machine;

const SECOND: Duration = Duration::from_secs(1);

struct World {
    core: Core,
    now: Instant,
    effects: Vec<Effect>,
}

impl World {
    fn begin(users: u32, phase: Phase) -> Self {
        let core = Core::new(users, [7; 32]);
        let mut world = Self { core, now: Instant(0), effects: Vec::new() };
        world.next(phase, users);
        world
    }

    fn next(&mut self, phase: Phase, count: u32) {
        self.core.begin(phase, count, self.now, &mut self.effects).expect("begins");
    }

    fn hear(&mut self, user: usize, message: &impl Message) -> Result<(), CoreError> {
        let mut bytes = BytesMut::new();
        message.append_frame(&mut bytes);
        let frame = Frame::split(&mut bytes, u32::MAX).expect("a frame").expect("a whole one");
        self.core.on_frame(self.now, user, &frame, &mut self.effects)
    }

    /// Who dialed a seat since the last call, and what was said by whom, and who hung up.
    fn done(&mut self) -> (Vec<usize>, Vec<(usize, Kind)>, Vec<usize>) {
        let (mut dialed, mut said, mut hung_up) = (Vec::new(), Vec::new(), Vec::new());
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Act(user, Action::DialSeat(_) | Action::DialRouter) => dialed.push(user),
                Effect::Act(user, Action::Say(message)) => said.push((user, message.kind())),
                Effect::Act(user, Action::Ask(message)) => said.push((user, message.kind())),
                Effect::HangUp(user) => hung_up.push(user),
            }
        }
        (dialed, said, hung_up)
    }
}

fn welcome(token: u8) -> Welcome {
    Welcome {
        name: wire::Name::parse("alice").expect("a name"),
        epoch: SessionEpoch(1),
        token: Token([token; 32]),
        bundle: Opaque::default(),
        sealed_keys: Opaque::default(),
        at: Wall(0),
    }
}

fn caught_up() -> CaughtUp {
    CaughtUp { handle: LogHandle(0), upto: Seq(0), expired: 0 }
}

#[test]
fn so_many_are_on_their_way_at_once_and_each_hangs_up() {
    let users = u32::try_from(AT_ONCE).expect("small") + 1;
    let mut world = World::begin(users, Phase::Resume);
    let (dialed, said, _) = world.done();
    assert_eq!(dialed.len(), AT_ONCE);
    assert_eq!(said[..2], [(0, Kind::HELLO), (0, Kind::RESUME)]);
    world.now = world.now + SECOND;
    world.hear(0, &welcome(1)).expect("signed in");
    let (dialed, _, hung_up) = world.done();
    assert_eq!((dialed, hung_up), (vec![AT_ONCE], vec![0]), "the next one begins");
    (1..=AT_ONCE).for_each(|user| world.hear(user, &welcome(1)).expect("signed in"));
    assert!(world.core.is_done());
    let found = world.core.found();
    assert_eq!((found.count, found.took), (AT_ONCE + 1, SECOND));
    let p99 = found.latencies.quantiles().expect("some").p99_us;
    assert!((p99 - 1e6).abs() < 2e3, "{p99} µs from the dial");
}

#[test]
fn who_stays_has_attached_and_answers_pings() {
    let mut world = World::begin(1, Phase::Attach);
    world.done();
    world.hear(0, &welcome(1)).expect("signed in");
    let (_, said, hung_up) = world.done();
    assert_eq!(said, [(0, Kind::OPEN_LOG), (0, Kind::ATTACH)]);
    assert!(hung_up.is_empty() && !world.core.is_done());
    world.hear(0, &caught_up()).expect("attached");
    assert!(world.core.is_done());
    world.hear(0, &Ping { nonce: 5 }).expect("a ping");
    assert_eq!((world.done().1, world.core.pongs()), (vec![(0, Kind::PONG)], 1));
    let lost = world.core.on_lost(world.now, 0, CloseCause::Peer, &mut Vec::new());
    assert!(matches!(lost, Err(CoreError::Lost(CloseCause::Peer))));
}

#[test]
fn who_is_put_off_tries_again_and_who_is_refused_ends_the_run() {
    let mut world = World::begin(1, Phase::Resume);
    world.done();
    world.hear(0, &Fault::new(FaultCode::UNAVAILABLE)).expect("it may try again");
    assert_eq!(world.done().2, [0]);
    let at = world.core.deadline().expect("later");
    world.core.on_time(world.now, &mut world.effects).expect("not yet");
    assert!(world.done().0.is_empty());
    world.core.on_time(at, &mut world.effects).expect("now");
    assert_eq!(world.done().0, [0]);
    let lost = world.core.on_lost(world.now, 0, CloseCause::Peer, &mut world.effects);
    lost.expect("on the way that is a reason to try again");
    world.core.on_time(at + SECOND, &mut world.effects).expect("now");
    let refused = world.hear(0, &Fault::new(FaultCode::SIGNED_OUT));
    assert!(matches!(refused, Err(CoreError::Person(_))), "{refused:?}");
}

#[test]
fn a_cluster_that_is_never_ready_ends_the_run() {
    let mut world = World::begin(1, Phase::Resume);
    let tries = (0..100 * AT_ONCE).map(|_| {
        world.now = world.now + SECOND;
        world.hear(0, &Fault::new(FaultCode::UNAVAILABLE))?;
        world.core.on_time(world.now + SECOND, &mut world.effects)
    });
    let ended = tries.into_iter().find_map(Result::err).expect("it ends");
    assert!(matches!(ended, CoreError::NotReady(_)));
}

#[test]
fn the_report_says_what_each_costs() {
    let plan = Plan::new(&Connect { local: 1, ..Connect::default() }).expect("good");
    let text = || "x".to_owned();
    let machine =
        Machine { cores: 2, processor: text(), kernel: text(), file_system: text(), load: text() };
    let measured = |count: usize, server_ms: u64| {
        let mut found = Found { count, took: SECOND, ..Found::default() };
        found.latencies.add(Duration::from_micros(500));
        let server_cpu = Duration::from_millis(server_ms);
        Measured { found, server_cpu, own_cpu: SECOND }
    };
    let outcome = Outcome {
        sign_in: measured(300, 120),
        resume: measured(10_000, 1_500),
        attach: measured(10_000, 2_000),
        empty_rss_kib: 50_000,
        full_rss_kib: 62_500,
        rss_kib: 80_000,
        idle: Idle { took: 10 * SECOND, server_cpu: SECOND / 20, pongs: 7 },
        stretch: Duration::from_millis(120),
    };
    let report = Report { plan: &plan, machine: &machine, outcome: &outcome };
    let json: serde_json::Value = serde_json::from_str(&report.json()).expect("one object");
    assert_eq!(json["scenario"], "connect");
    assert_eq!((&json["per_s"], &json["server_us"]), (&10_000.0.into(), &150.0.into()));
    assert_eq!(json["sign_in"]["server_us"], 400.0);
    assert_eq!(json["sign_in"]["count"], 300);
    assert_eq!((&json["lost"], &json["doubled"]), (&0.into(), &0.into()));
    assert_eq!((&json["kib_per_connection"], &json["rss_kib"]), (&1.25.into(), &80_000.into()));
    assert_eq!((&json["idle_cpu_percent"], &json["idle_pings"]), (&0.5.into(), &7.into()));
    let table = report.table();
    for part in ["1.25 KiB per connection", "0.50 % of a core", "150.0", "400.0", "120 ms"] {
        assert!(table.contains(part), "{part} in {table}");
    }
}
