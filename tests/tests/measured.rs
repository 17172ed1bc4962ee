//! The load generator with real servers: each scenario in small, with the keys that scripts read.

use std::process::Command;

use serde_json::Value;
use tests::programs::{program, run};

/// Keys of every scenario's object.
const KEYS: [&str; 10] = [
    "scenario",
    "per_s",
    "server_us",
    "p50_us",
    "p99_us",
    "lost",
    "doubled",
    "stored",
    "seen",
    "rss_kib",
];

/// What one run printed; its status says that nothing was lost or doubled.
fn measured(words: &str) -> Value {
    let args: Vec<&str> = words.split(' ').collect();
    let mut command = Command::new(program("fastchat-bench"));
    let finished = run(command.args(&args).arg("--json"), "").expect("it runs");
    assert_eq!(finished.code(), 0, "{words}: {}", finished.stderr);
    let object: Value = serde_json::from_str(&finished.stdout).expect("one object");
    for key in KEYS {
        assert!(object.get(key).is_some(), "{words}: no {key} in {object}");
    }
    assert!(
        object["server_us"].as_f64().is_some_and(|cost| cost > 0.0) || words.contains("faults")
    );
    let none = ["lost", "doubled", "errors"];
    assert!(none.iter().all(|key| object[*key] == 0), "{words}: {object}");
    object
}

fn count(object: &Value, key: &str) -> u64 {
    object[key].as_u64().unwrap_or_else(|| panic!("{key} in {object}"))
}

#[test]
fn pairs_by_the_clock_have_latencies() {
    let object = measured("direct --local 1 --pairs 3 --rate 200 --seconds 1 --plaintext");
    assert_eq!((count(&object, "posted"), count(&object, "delivered")), (200, 200));
    assert_eq!(count(&object, "stored") + count(&object, "seen"), 200);
    assert!(object["p50_us"].is_number() && object["options"]["tls"] == false, "{object}");
}

#[test]
fn what_is_to_be_stored_is_stored_and_synced() {
    let object = measured("direct --local 1 --pairs 2 --window 4 --seconds 1 --store-all");
    assert_eq!(count(&object, "seen"), 0);
    assert!(count(&object, "syncs") > 0 && object["p50_us"].is_null(), "{object}");
}

#[test]
fn every_pattern_and_images_arrive() {
    for pattern in ["to-one --users 4", "to-all --users 4", "random --users 4"] {
        let rest = format!("--pattern {pattern} --rate 100 --seconds 1");
        assert_eq!(count(&measured(&format!("direct --local 1 {rest}")), "delivered"), 100);
    }
    let mixed = "direct --local 1 --pattern mixed --pairs 2 --images 3 --rate 100 --seconds 1";
    let object = measured(mixed);
    assert_eq!(count(&object, "images"), 3);
    assert_eq!(count(&object, "delivered"), 50 + 50 * 4 + 3, "{object}");
}

#[test]
fn a_group_is_delivered_to_each_member() {
    let object = measured("group --local 1 --members 12 --senders 2 --rate 50 --seconds 1");
    assert_eq!((count(&object, "posted"), count(&object, "delivered")), (50, 600));
}

#[test]
fn what_is_stored_for_the_away_is_drained() {
    let object = measured("offline --local 1 --pairs 4 --posts 400");
    assert_eq!((count(&object, "stored"), count(&object, "delivered")), (400, 400));
    for half in ["store", "drain"] {
        assert!(object[half]["per_s"].is_number(), "{object}");
    }
}

#[test]
fn sealed_messages_are_opened() {
    let words = "direct --local 1 --mode sealed --pairs 1 --rate 150 --seconds 1";
    let object = measured(words);
    assert_eq!(count(&object, "delivered"), 150);
    assert!(object["crypto_us"].as_f64().is_some_and(|cost| cost > 10.0), "{object}");
}

#[test]
fn a_server_that_is_emptied_or_killed_costs_no_message() {
    let object = measured("faults --local 2 --pairs 6 --rate 60 --seconds 8");
    assert_eq!((count(&object, "posted"), count(&object, "delivered")), (480, 480));
}

#[test]
fn a_series_has_a_row_for_each_run() {
    let object = measured("servers --local 2 --pairs 2 --rate 50 --seconds 1");
    let rows = object["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 2);
    assert_eq!(object["scenario"], "servers");
}

#[test]
fn a_store_that_grows_is_measured_at_each_size() {
    let object = measured("scale --local 1 --accounts 1000 --doublings 1 --seconds 1");
    let rows = object["rows"].as_array().expect("rows");
    assert_eq!(rows.iter().map(|row| count(row, "accounts")).collect::<Vec<_>>(), [500, 1_000]);
}
