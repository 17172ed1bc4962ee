//! One peer in one scenario, from the start of its server to one JSON object.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::adapter::{Seat, To};
use super::config;
use super::plan::{Pace, Plan, Scenario};
use super::stage::{Moment, Stage, StageError, place};
use super::tally::{micros_each, per_second};
use super::traffic::{self, Amount, Done, Finish, Task};
use crate::record::{Quantiles, float};

/// Until a server has noticed that its users are gone.
const LEAVE_TIME: Duration = Duration::from_secs(1);
/// How long idle connections are watched.
const IDLE_TIME: Duration = Duration::from_secs(5);
/// Nothing more comes to those who have returned when nothing came for so long.
const QUIET_MAX: Duration = Duration::from_secs(20);

/// Runs `plan` until SIGINT or SIGTERM, and prints what was found; whether nothing was lost,
/// doubled or damaged.
///
/// # Errors
/// [`StageError`]; the server is stopped then, too.
pub fn run(plan: &Plan) -> Result<bool, StageError> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    if let Some(why) = plan.peer.cannot(plan.scenario) {
        return Err(StageError::Cannot { peer: plan.peer.name(), why });
    }
    raise_file_limit();
    let figures = measure(plan, stop)?;
    writeln!(io::stdout(), "{figures}")?;
    let is_zero = |key: &str| figures[key].as_u64().unwrap_or(0) == 0;
    Ok(["lost", "doubled", "damaged"].into_iter().all(is_zero))
}

/// As many connections as the system allows, for this process and for the server, which inherits
/// it. Where too few are allowed, the connection that fails says so.
fn raise_file_limit() {
    let held = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: held.maximum, ..held }).unwrap_or_default();
}

/// Runs `plan`; what was found. Gives up when `stop` is set.
///
/// # Errors
/// [`StageError`]; the server is stopped then, too.
pub fn measure(plan: &Plan, stop: Arc<AtomicBool>) -> Result<Value, StageError> {
    let mut stage = Stage::open(plan, stop)?;
    let figures = match plan.scenario {
        Scenario::Direct => direct(&mut stage, plan),
        Scenario::Group => group(&mut stage, plan),
        Scenario::Offline => offline(&mut stage, plan),
        Scenario::Connect => connect(&mut stage, plan),
    }?;
    Ok(with_head(plan, figures))
}

fn with_head(plan: &Plan, mut figures: Value) -> Value {
    let (rate, window) = match plan.pace {
        Pace::Open(rate) => (Some(rate), None),
        Pace::Closed(window) => (None, Some(window)),
    };
    let head = json!({
        "scenario": plan.scenario.name(),
        "peer": plan.peer.name(),
        "version": config::version(plan.peer),
        "options": {
            "writers": plan.writers, "users": plan.users, "rate": rate, "window": window,
            "posts": plan.posts, "seconds": plan.duration.as_secs(), "seed": plan.seed,
            "body_len": super::text::TEXT_LEN,
        },
    });
    if let (Some(figures), Value::Object(head)) = (figures.as_object_mut(), head) {
        figures.extend(head);
    }
    figures
}

fn direct(stage: &mut Stage, plan: &Plan) -> Result<Value, StageError> {
    let writers = (0..plan.writers).map(|user| Seat { reads: false, ..Seat::of(user) });
    let readers = (plan.writers..plan.users).map(Seat::of);
    stage.sign_in(plan, &writers.chain(readers).collect::<Vec<_>>())?;
    let finish = if plan.peer.acknowledges() { Finish::Accepted } else { Finish::Delivered(1) };
    let task = Task { finish, ..paired(plan, Amount::Time(plan.duration), 1) };
    let before = stage.moment()?;
    let done = traffic::run(stage, plan, task)?;
    let after = stage.moment()?;
    let lost = lost_in_pairs(stage, plan, &done);
    Ok(report(stage, &before, &after, &done, lost))
}

fn paired(plan: &Plan, amount: Amount, readers: u64) -> Task {
    Task {
        writers: plan.writers,
        to: |writer, writers| To::User(writer + writers),
        pace: plan.pace,
        finish: Finish::Accepted,
        readers,
        amount,
    }
}

fn lost_in_pairs(stage: &Stage, plan: &Plan, done: &Done) -> u64 {
    let each = (0..plan.writers).zip(&done.posted);
    let missing = |(writer, posted): (u32, &u64)| {
        stage.hearing.tally.missing(place(writer + plan.writers), writer, *posted)
    };
    each.map(missing).sum()
}

fn group(stage: &mut Stage, plan: &Plan) -> Result<Value, StageError> {
    let seats = (0..plan.users).map(|user| Seat { in_group: true, ..Seat::of(user) });
    stage.sign_in(plan, &seats.collect::<Vec<_>>())?;
    stage.join(0..plan.users)?;
    stage.pause(LEAVE_TIME)?;
    let readers = plan.users - u32::from(!plan.peer.echoes());
    let task = Task {
        writers: plan.writers,
        to: |_, _| To::Group,
        pace: plan.pace,
        finish: Finish::Delivered(readers),
        readers: readers.into(),
        amount: Amount::Time(plan.duration),
    };
    let before = stage.moment()?;
    let done = traffic::run(stage, plan, task)?;
    let after = stage.moment()?;
    let lost = lost_in_group(stage, plan, &done);
    Ok(report(stage, &before, &after, &done, lost))
}

fn lost_in_group(stage: &Stage, plan: &Plan, done: &Done) -> u64 {
    let each = (0..plan.writers).zip(&done.posted).flat_map(|(writer, posted)| {
        let readers = (0..plan.users).filter(move |user| plan.peer.echoes() || *user != writer);
        readers.map(move |reader| (place(reader), writer, *posted))
    });
    each.map(|(reader, writer, posted)| stage.hearing.tally.missing(reader, writer, posted)).sum()
}

fn report(stage: &Stage, before: &Moment, after: &Moment, done: &Done, lost: u64) -> Value {
    let (server, own) = after.cpu_since(before);
    let tally = &stage.hearing.tally;
    let quantiles = done.latencies.quantiles();
    json!({
        "per_s": rounded(per_second(tally.delivered, done.time)),
        "server_us": fine(micros_each(server, tally.delivered)),
        "bench_us": fine(micros_each(own, tally.delivered)),
        "p50_us": quantiles.map(|quantiles| quantiles.p50_us),
        "p99_us": quantiles.map(|quantiles| quantiles.p99_us),
        "delivered_us": quantiles.map(every_quantile),
        "posted": done.posted.iter().sum::<u64>(),
        "accepted": done.accepted,
        "delivered": tally.delivered,
        "lost": lost,
        "doubled": tally.doubled,
        "damaged": tally.damaged,
        "rss_kib": after.server.rss_kib(),
    })
}

fn every_quantile(quantiles: Quantiles) -> Value {
    json!({
        "p50": quantiles.p50_us, "p90": quantiles.p90_us, "p99": quantiles.p99_us,
        "p99_9": quantiles.p999_us, "max": quantiles.max_us,
    })
}

fn offline(stage: &mut Stage, plan: &Plan) -> Result<Value, StageError> {
    let readers = || plan.writers..plan.users;
    stage.sign_in(plan, &readers().map(Seat::of).collect::<Vec<_>>())?;
    readers().for_each(|user| stage.crowd.close(place(user)));
    stage.pause(LEAVE_TIME)?;
    let writers = (0..plan.writers).map(|user| Seat { reads: false, asks: true, ..Seat::of(user) });
    stage.sign_in(plan, &writers.collect::<Vec<_>>())?;

    let before = stage.moment()?;
    let each = plan.posts / u64::from(plan.writers);
    let done = traffic::run(stage, plan, paired(plan, Amount::Posts(each), 0))?;
    let stored = stage.moment()?;
    let posted: u64 = done.posted.iter().sum();
    let store = half(&before, &stored, done.accepted, done.time);

    let before = stage.moment()?;
    let returning = readers().map(|user| Seat { returns: true, ..Seat::of(user) });
    stage.sign_in(plan, &returning.collect::<Vec<_>>())?;
    drain(stage, posted)?;
    let after = stage.moment()?;
    let tally = &stage.hearing.tally;
    let drain = half(&before, &after, tally.delivered, stage.hearing.latest.since(before.at));
    Ok(json!({
        "store": store,
        "drain": drain,
        "posted": posted,
        "accepted": done.accepted,
        "delivered": tally.delivered,
        "lost": lost_in_pairs(stage, plan, &done),
        "doubled": tally.doubled,
        "damaged": tally.damaged,
        "rss_kib": after.server.rss_kib(),
    }))
}

fn drain(stage: &mut Stage, posted: u64) -> Result<(), StageError> {
    while stage.hearing.tally.delivered < posted
        && stage.crowd.now().since(stage.hearing.latest) < QUIET_MAX
    {
        stage.turn(None)?;
        stage.hearing.arrivals.clear();
    }
    Ok(())
}

fn half(before: &Moment, after: &Moment, count: u64, time: Duration) -> Value {
    let (server, own) = after.cpu_since(before);
    json!({
        "per_s": rounded(per_second(count, time)),
        "server_us": fine(micros_each(server, count)),
        "bench_us": fine(micros_each(own, count)),
    })
}

fn connect(stage: &mut Stage, plan: &Plan) -> Result<Value, StageError> {
    stage.pause(LEAVE_TIME)?;
    let before = stage.moment()?;
    stage.sign_in(plan, &(0..plan.users).map(Seat::of).collect::<Vec<_>>())?;
    let after = stage.moment()?;
    stage.pause(LEAVE_TIME)?;
    let idle_from = stage.moment()?;
    stage.pause(IDLE_TIME)?;
    let idle_to = stage.moment()?;
    let (server, own) = after.cpu_since(&before);
    let (idle, _) = idle_to.cpu_since(&idle_from);
    let users = u64::from(plan.users);
    let (rss_before, rss) = (before.server.rss_kib(), idle_to.server.rss_kib());
    Ok(json!({
        "per_s": rounded(per_second(users, after.at.since(before.at))),
        "server_us": fine(micros_each(server, users)),
        "bench_us": fine(micros_each(own, users)),
        "kib_per_connection": fine(Some(float(rss.saturating_sub(rss_before)) / float(users))),
        "idle_cpu_percent": fine(Some(100.0 * idle.as_secs_f64() / IDLE_TIME.as_secs_f64())),
        "rss_before_kib": rss_before,
        "rss_kib": rss,
        "connections": users,
        "lost": 0,
        "doubled": 0,
    }))
}

fn rounded(value: Option<f64>) -> Option<f64> {
    value.map(f64::round)
}

/// Three decimals.
fn fine(value: Option<f64>) -> Option<f64> {
    value.map(|value| (value * 1_000.0).round() / 1_000.0)
}
