//! Reads the project's own source as text, for the tidy checks.

use std::fs;
use std::path::{Path, PathBuf};

/// The project's folder.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ has a parent").to_owned()
}

/// Every file below `folder` whose name ends with `ending`, by its path from the root, in order.
///
/// # Panics
/// When a folder cannot be read.
#[must_use]
pub fn files(folder: &str, ending: &str) -> Vec<(String, String)> {
    let root = root();
    let mut found = Vec::new();
    walk(&root.join(folder), &mut |path| {
        if path.to_string_lossy().ends_with(ending) {
            let name = path.strip_prefix(&root).expect("walk stays below the root");
            let text = fs::read_to_string(path).expect("our files are text");
            found.push((name.to_string_lossy().into_owned(), text));
        }
    });
    found.sort();
    found
}

/// The lines of each function, longest first: (lines, first line's number, first line).
/// Relies on rustfmt: a function ends with a brace at the indent of its first line.
#[must_use]
pub fn functions(text: &str) -> Vec<(usize, usize, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        let is_function = ["fn ", "pub fn ", "pub(crate) fn ", "pub(super) fn ", "const fn "]
            .iter()
            .any(|start| code.starts_with(start));
        if !is_function || line.ends_with(';') || line.ends_with('}') {
            continue;
        }
        let end = format!("{}}}", " ".repeat(indent));
        let length = lines[at..].iter().position(|&line| line == end);
        found.push((length.unwrap_or(0) + 1, at + 1, code.to_owned()));
    }
    found.sort();
    found.reverse();
    found
}

fn walk(folder: &Path, visit: &mut impl FnMut(&Path)) {
    let entries = fs::read_dir(folder).expect("our folders can be read");
    for entry in entries {
        let path = entry.expect("our folders can be read").path();
        let name = path.file_name().expect("an entry has a name").to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && name != ".git" {
                walk(&path, visit);
            }
        } else {
            visit(&path);
        }
    }
}
