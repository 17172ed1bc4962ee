//! Whole simulations, small ones.

use std::fs;

use router::core::strategy::Strategy;
use serde_json::Value;

use super::crowd::Skew;
use super::figures::Row;
use super::plan::Plan;
use super::report::Report;
use super::{Outcome, plot, run};

fn plan(users: u32, servers: &[u16], seed: u64) -> Plan {
    let servers = servers.to_vec();
    Plan { users, servers, percent: 125, seed, plots: None, json: false }
}

fn rows(outcome: &Outcome, strategy: Strategy) -> impl Iterator<Item = &Row> {
    outcome.rows.iter().filter(move |row| row.strategy == strategy)
}

#[test]
fn the_seed_decides_everything() {
    let found = |seed| run(&plan(2_000, &[3, 7], seed)).expect("within the bound");
    assert_eq!(found(1), found(1));
    assert_ne!(found(1), found(2));
}

#[test]
fn each_skew_number_of_servers_and_strategy_is_simulated_three_times() {
    let outcome = run(&plan(1_000, &[2, 9], 1)).expect("within the bound");
    assert_eq!(outcome.rows.len(), 3 * 2 * Strategy::ALL.len());
    assert_eq!(outcome.slots.len(), 2);
    assert_eq!(outcome.assignments, 3 * 2 * 4 * 3 * 2_000);
}

#[test]
fn a_change_moves_the_ideal_share_give_or_take_a_fifth() {
    let plan = plan(100_000, &[3, 10, 100], 7);
    let outcome = run(&plan).expect("within the bound");
    let report = Report { plan: &plan, outcome: &outcome };
    let off = report.off_percent().expect("1,000 users per server");
    assert!(off < 20.0 && report.is_sound(), "{off}");
    for row in &outcome.slots {
        assert!((row.joins.ratio() - 1.0).abs() < 0.05, "{row:?}");
        assert!((row.leaves.ratio() - 1.0).abs() < 0.05, "{row:?}");
    }
    for row in rows(&outcome, Strategy::Random) {
        assert!(row.joins.share > 0.5 && row.leaves.share > 0.5, "{row:?}");
    }
}

#[test]
fn what_is_off_is_said() {
    let plan = plan(20_000, &[3, 50], 1);
    let mut outcome = run(&plan).expect("within the bound");
    let ten_times = |row: &mut Row| row.leaves.share = 10.0 * row.leaves.ideal;
    let is_judged = |row: &Row| {
        (row.skew, row.strategy, row.servers) == (Skew::Uniform, Strategy::BoundedHash, 3)
    };
    outcome.rows.iter_mut().filter(|row| !is_judged(row)).for_each(ten_times);
    assert!(Report { plan: &plan, outcome: &outcome }.is_sound(), "50 have 400 users each");
    outcome.rows.iter_mut().filter(|row| is_judged(row)).for_each(ten_times);
    let report = Report { plan: &plan, outcome: &outcome };
    assert!(!report.is_sound());
    assert!(report.table().ends_with("within 900.0 % of the ideal"), "{}", report.table());
}

#[test]
fn bounded_hash_keeps_sessions_at_home_and_below_its_cap() {
    let outcome = run(&plan(50_000, &[3, 20], 3)).expect("within the bound");
    for row in rows(&outcome, Strategy::BoundedHash) {
        assert!(row.evenness.max < 1.26, "{row:?}");
        let is_uniform = row.skew == Skew::Uniform;
        assert_eq!(is_uniform, row.travel.overflow < 0.005 && row.travel.extra < 0.005, "{row:?}");
    }
    for row in rows(&outcome, Strategy::LeastConnections) {
        assert!(row.evenness.max < 1.01 || row.skew == Skew::Unequal, "{row:?}");
        assert!(row.travel.extra > 0.5, "{row:?}");
    }
}

#[test]
fn table_and_object_have_a_line_for_each_row() {
    let plan = plan(1_000, &[3, 5], 1);
    let outcome = run(&plan).expect("within the bound");
    let report = Report { plan: &plan, outcome: &outcome };
    for strategy in Strategy::ALL {
        let table = report.table();
        let lines = table.lines().filter(|line| line.contains(strategy.name())).count();
        // "cap of bounded-hash" in the head.
        let head = usize::from(strategy == Strategy::BoundedHash);
        assert_eq!(lines, head + 6, "{strategy}: {table}");
    }
    assert!(report.table().ends_with("too few users per server to judge what moves"));
    let object: Value = serde_json::from_str(&report.json()).expect("an object");
    assert_eq!(object["rows"].as_array().map(Vec::len), Some(24));
    assert_eq!(object["options"]["servers"], serde_json::json!([3, 5]));
    assert_eq!((&object["above_cap"], &object["off_percent"]), (&0.into(), &Value::Null));
    assert_eq!(object["rows"][0]["strategy"], "bounded-hash");
}

#[test]
fn every_picture_has_its_panels_and_lines() {
    let outcome = run(&plan(1_000, &[2, 5, 9], 1)).expect("within the bound");
    let dir = tempfile::tempdir().expect("a directory");
    let plots = dir.path().join("made/by/it");
    plot::make_dir(&plots).expect("makes it");
    plot::write_all(&outcome, &plots).expect("writes");
    for name in ["evenness", "overflow", "hops", "joins", "leaves"] {
        let svg = fs::read_to_string(plots.join(format!("{name}.svg"))).expect("is there");
        let has = |text: &str| svg.lines().any(|line| line.trim() == text);
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        for text in Strategy::ALL.map(Strategy::name).into_iter().chain(Skew::ALL.map(Skew::name)) {
            assert!(has(text), "{name}: {text}");
        }
        assert_eq!(has("ideal (dashed)"), name == "joins" || name == "leaves", "{name}");
        // A line and three dots for each strategy in each panel.
        assert_eq!(svg.matches("<circle").count(), 3 * 4 * 3, "{name}");
    }
    let file = dir.path().join("file");
    fs::write(&file, "").expect("writes");
    for error in [plot::make_dir(&file.join("below")), plot::write_all(&outcome, &file)] {
        let error = error.expect_err("no directory").to_string();
        assert!(error.starts_with("--plots") && error.contains("file"), "{error}");
    }
}
