//! The comparison's command lines, medians and report.

use std::path::Path;

use serde_json::json;

use super::Comparison;
use super::case::{Case, Contender, Sizes, Target};
use super::job::{held_ports, reason};
use super::plan::Plan;
use super::summary::{Outcome, Spread, Summary};
use super::{plot, table};
use crate::args::Compare;
use crate::machine::Machine;
use crate::peers::peer::Peer;

const PLAIN: Contender = Contender::FastChat { tls: false };
const TLS: Contender = Contender::FastChat { tls: true };
const RELAY: Contender = Contender::Peer(Peer::Relay);
const SIZES: Sizes = Sizes { seconds: 10, posts: 5_000, users: 300 };

fn plan(args: &Compare) -> Plan {
    Plan::new(args, "2020-02-02").expect("a good command line")
}

fn case(key: &str) -> &'static Case {
    let cases: Vec<&'static Case> = plan(&Compare::default()).cases().collect();
    cases.into_iter().find(|case| case.key == key).expect("there is such a case")
}

fn outcome(key: &str, contender: Contender, run: u64, figures: serde_json::Value) -> Outcome {
    let (case, command, figures) = (case(key), Vec::new(), Ok(figures));
    Outcome { run, case, contender, command, figures }
}

fn comparison(outcomes: &[Outcome]) -> Comparison {
    let machine = Machine {
        cores: 2,
        processor: "P".to_owned(),
        kernel: "K".to_owned(),
        file_system: "F".to_owned(),
        load: "0".to_owned(),
    };
    Comparison {
        plan: plan(&Compare { peers: Some("relay".to_owned()), ..Compare::default() }),
        machine,
        versions: vec![(PLAIN, "fastchat 1".to_owned()), (RELAY, "a|b".to_owned())],
        summary: Summary::of(outcomes),
    }
}

#[test]
fn each_contender_is_asked_in_its_way() {
    let command = |key, contender| case(key).command(contender, &SIZES).map(|c| c.join(" "));
    let wanted = [
        ("direct-64", PLAIN, "direct --local 1 --json --plaintext --window 64 --seconds 10"),
        ("direct-store-all", TLS, "direct --local 1 --json --window 64 --store-all --seconds 10"),
        ("connect", PLAIN, "connect --local 1 --json --plaintext --users 300"),
        ("offline", RELAY, "peer relay offline --posts 5000"),
    ];
    for (key, contender, wanted) in wanted {
        assert_eq!(command(key, contender).as_deref(), Some(wanted));
    }
    assert_eq!(command("direct-store-all", RELAY), None);
}

#[test]
fn a_server_takes_part_in_all_its_settings() {
    let plan =
        plan(&Compare { peers: Some("mosquitto,jetstream".to_owned()), ..Compare::default() });
    let names: Vec<&str> = plan.contenders().into_iter().map(Contender::name).collect();
    assert_eq!(names[..3], ["FastChat", "FastChat, TLS", "relay"], "the relay always does");
    assert_eq!(names[3..], ["jetstream", "jetstream-sync", "mosquitto", "mosquitto-qos1"]);
    assert_eq!(plan.out, Path::new("docs/bench/2020-02-02"));
}

#[test]
fn what_is_wrong_is_named_with_its_flag() {
    let args = |peers: &str, scenarios: &str| Compare {
        peers: Some(peers.to_owned()),
        scenarios: Some(scenarios.to_owned()),
        ..Compare::default()
    };
    let error = |args: &Compare| Plan::new(args, "x").expect_err("it is wrong").to_string();
    assert!(error(&args("icq", "direct")).starts_with("--peers"));
    assert!(error(&args("nats", "dance")).starts_with("--scenarios"));
    let runs = Compare { runs: Some(0), ..Compare::default() };
    assert!(error(&runs).starts_with("--runs"));
}

#[test]
fn medians_stand_between_the_lowest_and_the_highest() {
    let odd = Spread::of(vec![3.0, 1.0, 2.0]);
    assert_eq!(odd, Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
    let even = Spread::of(vec![4.0, 1.0]);
    assert_eq!(even, Some(Spread { median: 2.5, min: 1.0, max: 4.0 }));
    assert_eq!(Spread::of(Vec::new()), None);
}

#[test]
fn latencies_are_compared_with_the_relay_of_the_same_run() {
    let latency = |contender, run, p50: f64| {
        outcome("direct-10000", contender, run, json!({ "p50_us": p50, "p99_us": 2.0 * p50 }))
    };
    let outcomes = [
        latency(PLAIN, 1, 30.0),
        latency(RELAY, 1, 20.0),
        latency(PLAIN, 2, 33.0),
        latency(RELAY, 2, 30.0),
    ];
    let summary = Summary::of(&outcomes);
    let ratio = summary.0[0].spreads[2].expect("both ran");
    assert_eq!((ratio.min, ratio.max), (1.1, 1.5));
}

#[test]
fn the_table_says_what_was_reached_lost_and_failed() {
    let mut failed = outcome("group-4", TLS, 1, json!({}));
    failed.figures = Err("no | such flag".to_owned());
    let outcomes = [
        outcome("direct-64", PLAIN, 1, json!({ "server_us": 1.4, "per_s": 123_456.7, "lost": 2 })),
        outcome("direct-64", PLAIN, 2, json!({ "server_us": 1.2, "per_s": 123_456.7, "lost": 1 })),
        outcome("direct-64", RELAY, 1, json!({ "server_us": 0.25, "per_s": 9.0 })),
        outcome("group-4", PLAIN, 1, json!({ "server_us": 7.0, "per_s": 1.0 })),
        failed,
    ];
    let comparison = comparison(&outcomes);
    let text = table::markdown(&comparison);
    for wanted in [
        "| FastChat | 1.30 (1.20–1.40), reached | 123,457 | – | 3 | 0 |",
        "| FastChat | 7.00, **not reached** |",
        "| `direct-64` | server CPU, µs per delivered message | ≤ 1.50 | 1.30 | – | 0.25 |",
        "| `group-4` | server CPU, µs per delivered message | ≤ 0.90 | **7.00** | – | – |",
        "no figures: no \\| such flag",
        "| relay | a\\|b |",
    ] {
        assert!(text.contains(wanted), "{wanted} is not in\n{text}");
    }
    assert!(!outcomes[0].is_sound() && outcomes[2].is_sound());
    assert!(!outcomes.last().expect("one that failed").is_sound(), "FastChat has to run");
    let object = table::json(&comparison);
    assert_eq!(object["rows"][0]["figures"][0]["reached"], true);
    assert_eq!(object["rows"][3]["failed"], "no | such flag");
    let svg = plot::draw(&comparison.summary).expect("it can be drawn");
    assert!(svg.contains("1.30") && svg.contains("relay"), "{svg}");
}

#[test]
fn figures_of_both_shapes_are_found() {
    let ours = json!({ "server_us": 200.0, "sign_in": { "server_us": 500.0 } });
    let theirs = json!({ "server_us": 76.0 });
    let summary = Summary::of(&[
        outcome("connect", TLS, 1, ours),
        outcome("connect", Contender::Peer(Peer::InspIrcd), 1, theirs),
    ]);
    let sign_in = |row: usize| summary.0[row].spreads[1].map(|spread| spread.median);
    assert_eq!((sign_in(0), sign_in(1)), (Some(500.0), Some(76.0)));
}

#[test]
fn a_reason_is_the_last_complaint_on_one_line() {
    let complained = "fastchat-bench: starting\nfastchat-bench: it ended:\n  no\n room\n";
    assert_eq!(reason(complained), "it ended: no room");
    assert_eq!(reason(""), "it said nothing");
}

#[test]
fn held_ports_are_counted_once() {
    let text = "  sl  local_address rem_address   st tx_queue\n\
        \x20  0: 0100007F:1F90 0100007F:C001 06 00\n   1: 0100007F:1F90 0100007F:C002 06 00\n\
        \x20  2: 0100007F:C003 0100007F:1F91 06 00\n   3: 0100007F:C004 0100007F:1F91 01 00\n";
    assert_eq!(held_ports(text), 2);
    assert_eq!(held_ports(""), 0);
}

#[test]
fn targets_are_reached_at_their_bounds() {
    assert!(Target::Most(1.5).is_reached(1.5) && !Target::Most(1.5).is_reached(1.51));
    assert!(Target::Least(3.0).is_reached(3.0) && !Target::Least(3.0).is_reached(2.9));
}
