//! Planted bugs, to see whether the simulator finds each: `tests/mutants` holds them as patches,
//! `fastchat-mutants` applies one after the other to a copy of the project and runs seeds there.

pub mod patch;
pub mod process;
pub mod scratch;
pub mod table;

use std::fs;
use std::io;

use crate::source::root;
use patch::{BadPatch, Patch};

/// A planted bug.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// The name of its file, without the ending.
    pub name: String,
    /// What is broken, in a line.
    pub what: String,
    /// Properties, one of which must not hold then.
    pub by: String,
    /// How.
    pub patch: Patch,
}

/// All of them, in the order of their names, or why one cannot be read.
///
/// # Errors
/// When the folder cannot be read.
pub fn all() -> io::Result<Vec<(String, Result<Mutant, BadPatch>)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join("tests/mutants"))? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if path.extension().is_some_and(|ending| ending == "patch") {
            let text = fs::read_to_string(&path)?;
            found.push((name.clone(), mutant(name, &text)));
        }
    }
    found.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(found)
}

fn mutant(name: String, text: &str) -> Result<Mutant, BadPatch> {
    let patch = Patch::parse(text)?;
    let mut lines = text.lines();
    let what = lines.next().unwrap_or_default().to_owned();
    let by = lines.next().and_then(|line| line.strip_prefix("Found by: "));
    let by = by.ok_or_else(|| BadPatch::Line(what.clone()))?.to_owned();
    Ok(Mutant { name, what, by, patch })
}
