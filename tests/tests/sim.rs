//! Simulated clusters: seeds that failed once, and some more; see `docs/TESTING.md`.

use std::fs;

use tests::sim::run;
use tests::sim::runner::{Seeds, describe, name_seed_in_panics, run_all};
use tests::source::root;

/// Seeds that are run each time; the first of them.
const FIXED: Seeds = Seeds { first: 0x0f1c_ed20, count: 50 };

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn holds(seeds: Seeds) {
    name_seed_in_panics();
    let mut text = String::new();
    let summary = run_all(seeds, threads(), |_, verdict| {
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
