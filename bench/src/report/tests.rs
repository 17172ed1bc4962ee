//! Reports of hand-made runs.

use std::path::PathBuf;
use std::time::Duration;

use wire::Instant;

use super::*;
use crate::committed::Committed;
use crate::record::Record;
use crate::usage::Usage;

fn plan(pace: Pace) -> Plan {
    Plan {
        scenario: "direct",
        target: Target::Own { servers: 3, plaintext: false, store_all: false },
        pattern: Pattern::Pairs { pairs: 50 },
        course: Course::Steady,
        pace,
        keeping: Keeping::Nothing,
        is_sealed: false,
        body_len: 200,
        silent: 0,
        images: 0,
        duration: Duration::from_secs(10),
        seed: 42,
        json: false,
        report: None,
    }
}

fn machine() -> Machine {
    Machine {
        cores: 2,
        processor: "a processor".to_owned(),
        kernel: "6.1".to_owned(),
        file_system: "ext4".to_owned(),
        load: "0.25".to_owned(),
    }
}

fn reading(millis: u64) -> Reading {
    let cpu = Duration::from_millis(millis);
    let usage = Usage { cpu, threads_cpu: cpu, rss_kib: 7_000 };
    Reading(vec![(("server-1".to_owned(), 7), usage)])
}

fn measured() -> Measured {
    let mut record =
        Record { began: Instant(0), ended: Instant(10_000_000_000), ..Record::default() };
    record.counts.posted = 10_000;
    record.counts.stored = 10_000;
    record.counts.delivered = 10_000;
    record.delivered.add(Duration::from_micros(250));
    Measured {
        record,
        cluster: Some((reading(1_000), reading(1_150))),
        own_cpu: Duration::from_millis(50),
        hushed: None,
        stored: None,
        committed: Some(Committed { syncs: 50, entries: 10_000 }),
        overflow: 0,
        hops: 0.0,
    }
}

fn report(pace: Pace, measured: Measured) -> Report {
    Report::new(&plan(pace), machine(), measured)
}

const OPEN: Pace = Pace::Open { rate: 1_000 };

#[test]
fn the_object_has_the_keys_that_scripts_rely_on() {
    let text = report(OPEN, measured()).json();
    let object: Value = serde_json::from_str(&text).expect("one object");
    let wanted = json!({
        "scenario": "direct", "per_s": 1000.0, "server_us": 15.0, "lost": 0, "doubled": 0,
        "stored": 10_000, "seen": 0, "rss_kib": 7_000,
    });
    for (key, value) in wanted.as_object().expect("an object") {
        assert_eq!(&object[key], value, "{key}");
    }
    let p50 = object["p50_us"].as_f64().expect("a number");
    assert!((p50 - 250.0).abs() < 1.0, "{p50}");
    assert!(object["p99_us"].is_number());
    assert_eq!(object["options"]["seed"], 42);
}

#[test]
fn a_closed_loop_reports_no_latency_and_says_so() {
    let mut measured = measured();
    measured.record.delivered = Latencies::default();
    let report = report(Pace::Closed { window: 64 }, measured);
    let object: Value = serde_json::from_str(&report.json()).expect("one object");
    assert!(object["p50_us"].is_null() && object["delivered_us"].is_null());
    let table = report.table();
    assert!(table.contains("window 64 per writer: throughput only"), "{table}");
    assert!(table.contains("not measured"), "{table}");
}

#[test]
fn the_table_says_what_was_run_where_and_what_it_cost() {
    let table = report(OPEN, measured()).table();
    for part in [
        "open loop, 1000 posts/s offered",
        "3 servers of its own on ext4; readers keep nothing",
        "2 cores, a processor, Linux 6.1, load 0.25 before; seed 42",
        "server CPU 15.00 µs per delivered message",
        "50 syncs of stores, 200.0 entries each",
        "generator CPU 5.00 µs",
        "server-1 holds 7000 KiB",
        "lost 0, doubled 0, errors 0",
    ] {
        assert!(table.contains(part), "{part} is not in:\n{table}");
    }
}

#[test]
fn what_went_wrong_has_a_line_of_its_own() {
    let mut measured = measured();
    measured.record.counts.unsent = 3;
    let full = wire::FaultCode::MAILBOX_FULL;
    measured.record.counts.rejected.insert(full, 2);
    let table = report(OPEN, measured).table();
    assert!(table.contains("3 were due and never sent"), "{table}");
    assert!(table.contains("2 were rejected: mailbox-full"), "{table}");
}

#[test]
fn foreign_and_restarted_servers_have_no_cpu_figure() {
    let mut foreign = measured();
    foreign.cluster = None;
    let mut plan = plan(OPEN);
    plan.target = Target::Running { router: "chat:7100".to_owned(), ca: PathBuf::from("ca.pem") };
    let running = Report::new(&plan, machine(), foreign);
    let object: Value = serde_json::from_str(&running.json()).expect("one object");
    assert!(object["rss_kib"].is_null() && object["machine"]["file_system"].is_null());
    let table = running.table();
    assert!(table.contains("only with --local"), "{table}");
    let mut restarted = measured();
    restarted.cluster = Some((reading(1_000), Reading(Vec::new())));
    let table = report(OPEN, restarted).table();
    assert!(table.contains("a server was restarted"), "{table}");
}

#[test]
fn a_run_that_delivered_nothing_divides_by_nothing() {
    let mut measured = measured();
    measured.record.counts.delivered = 0;
    let object: Value = serde_json::from_str(&report(OPEN, measured).json()).expect("an object");
    assert!(object["server_us"].is_null());
}

#[test]
fn what_was_stored_and_what_was_drained_have_figures_of_their_own() {
    let mut measured = measured();
    measured.record.stored = Instant(4_000_000_000);
    measured.stored = Some(reading(1_100));
    let mut plan = plan(Pace::Closed { window: 64 });
    plan.course = Course::Away { posts: 100 };
    let report = Report::new(&plan, machine(), measured);
    let object: Value = serde_json::from_str(&report.json()).expect("one object");
    assert_eq!(object["store"], json!({ "per_s": 2_500.0, "server_us": 10.0 }));
    assert_eq!(object["drain"], json!({ "per_s": 1_666.7, "server_us": 5.0 }));
    let table = report.table();
    assert!(table.contains("stored 2500 per second, server CPU 10.00 µs each"), "{table}");
}
