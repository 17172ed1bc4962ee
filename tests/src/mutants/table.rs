//! What became of all mutants, as a document.

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

/// The newest row of a mutant: of this run, of the document as it was, or one that says nothing.
#[must_use]
pub fn known_row(name: &str, rows: &[String], before: &str) -> String {
    let begins = format!("| {name} |");
    let new = rows.iter().map(String::as_str);
    let row = new.chain(before.split_inclusive('\n')).find(|row| row.starts_with(&begins));
    row.map_or_else(|| format!("{begins} | — | not run |\n"), str::to_owned)
}

/// The whole document.
#[must_use]
pub fn document(rows: &[String]) -> String {
    let is_found = |row: &&String| !row.contains("| — |");
    let last = last(rows.len(), rows.iter().filter(is_found).count());
    let rows = rows.concat();
    format!(
        "# Planted bugs\n\nWritten by `make mutants`, see [TESTING](TESTING.md#planted-bugs): each \
         patch of `tests/mutants` breaks one thing,\nand the simulator has to find it. *Found \
         after*: how many seeds were run, from 0x1 on, until that property did not hold.\n\n\
         {HEAD}{rows}\n{last}"
    )
}

#[cfg(test)]
mod tests {
    use super::{document, known_row};

    #[test]
    fn what_is_known_of_others_stays_and_all_are_counted() {
        let before =
            document(&["| 01-a | is | 3 | x |\n".into(), "| 02-b | is | 1 | x |\n".into()]);
        assert!(before.ends_with("mutants 2 found 2\n"));
        let new = ["| 02-b | is | — | nothing |\n".to_owned()];
        let rows: Vec<String> =
            ["01-a", "02-b", "03-c"].map(|name| known_row(name, &new, &before)).into();
        let now = document(&rows);
        assert!(now.contains("| 01-a | is | 3 | x |\n| 02-b | is | — | nothing |\n"));
        assert!(now.ends_with("\n\nmutants 3 found 1\n"));
    }
}
