//! Simulated clusters: seeds that failed once, and some more; see `docs/TESTING.md`.

use std::fs;

use tests::sim::run;
use tests::sim::runner::{First, Options, Seeds, describe, run_all};
use tests::source::root;

/// Seeds that are run each time; the first of them.
const FIXED: Seeds = Seeds { first: 0x0f1c_ed20, count: 50 };

fn options() -> Options {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Options { world: run, threads, is_traced: false, until: "" }
}

fn holds(seeds: Seeds) {
    let mut text = String::new();
    let summary = run_all(seeds, options(), |_, verdict| {
        if !verdict.violations.is_empty() {
            text += &describe(verdict);
        }
    });
    assert_eq!(summary.violations, 0, "{text}");
    assert_eq!(summary.seeds, seeds.count);
}

#[test]
fn fixed_seeds_hold() {
    holds(FIXED);
}

#[test]
fn seeds_that_failed_once_hold() {
    let kept = fs::read_to_string(root().join("tests/seeds.txt")).expect("it is there");
    let lines = kept.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    for line in lines {
        let seed = line.split_whitespace().next().and_then(|word| word.strip_prefix("0x"));
        let seed = seed.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let first = seed.unwrap_or_else(|| panic!("tests/seeds.txt: not a seed: {line}"));
        holds(Seeds { first, count: 1 });
    }
}

#[test]
fn a_seed_runs_the_same_twice() {
    for seed in 1..=6 {
        let [one, other] = [run(seed, false), run(seed, false)];
        assert_eq!((one.trace, one.events), (other.trace, other.events), "seed {seed:#x}");
        assert!(one.events > 100, "something happens: {}", one.events);
    }
}

#[test]
fn a_panic_is_a_violation_of_its_seed_and_ends_no_other() {
    let panics = |seed, is_traced| {
        assert_ne!(seed, 0x2b, "a core found what cannot be");
        run(seed, is_traced)
    };
    let how = Options { world: panics, threads: 1, ..options() };
    let summary = run_all(Seeds { first: 0x2a, count: 3 }, how, |_, _| {});
    assert_eq!((summary.seeds, summary.violations), (3, 1));
    let first = First { place: 2, seed: 0x2b, property: "no panic" };
    let summary =
        run_all(Seeds { first: 0x2a, count: 3 }, Options { until: "no panic", ..how }, |_, _| {});
    assert_eq!((summary.seeds, summary.first), (2, Some(first)));
}
