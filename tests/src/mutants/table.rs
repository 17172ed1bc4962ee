//! What became of all mutants, as a document.

use std::fmt::Write;

use super::Mutant;
use super::scratch::Ran;

/// What stands above the rows.
pub const HEAD: &str =
    "| mutant | what is broken | found after | by |\n| --- | --- | --- | --- |\n";

/// One mutant's row.
#[must_use]
pub fn row(mutant: &Mutant, ran: &Ran) -> String {
    let Mutant { name, what, .. } = mutant;
    let (seeds, by) = match ran {
        Ran::Found { seeds, property } => (seeds.to_string(), property.as_str()),
        Ran::NotFound(why) => ("—".to_owned(), why.as_str()),
    };
    format!("| {name} | {} | {seeds} | {by} |\n", what.trim_end_matches('.'))
}

/// The last line.
#[must_use]
pub fn last(count: usize, found: usize) -> String {
    format!("mutants {count} found {found}\n")
}

/// The whole document.
#[must_use]
pub fn document(seeds_max: u64, rows: &str, last: &str) -> String {
    let mut text = String::from(
        "# Planted bugs\n\nWritten by `make mutants`, see [TESTING](TESTING.md#planted-bugs): each \
         patch of `tests/mutants` breaks one thing,\nand the simulator has to find it. *Found \
         after*: how many seeds were run, from 0x1 on, until something did not hold; ",
    );
    writeln!(text, "at most {seeds_max}.\n\n{HEAD}{rows}").expect("a string takes everything");
    text + last
}
