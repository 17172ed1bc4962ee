//! Unified diffs, as `git diff` makes them, applied where every line of them is found: no line may
//! differ, but hunks may have moved.

use std::fmt;

/// Changes of some files.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Patch {
    /// One for each file.
    pub files: Vec<FilePatch>,
}

/// Changes of one file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FilePatch {
    /// Its path from the project's root.
    pub path: String,
    hunks: Vec<Hunk>,
}

/// Lines that are replaced by others.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Hunk {
    /// The line where it began, counted from 1.
    at: usize,
    /// How many lines it says that it has, before and after.
    lens: (usize, usize),
    old: Vec<String>,
    new: Vec<String>,
}

/// A patch that cannot be read, or does not fit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BadPatch {
    /// It changes nothing.
    Empty,
    /// This line belongs nowhere.
    Line(String),
    /// The hunk that begins at this line has not as many lines as it says.
    Len(usize),
    /// The lines of the hunk that begins at this line are nowhere in the file.
    Place(usize),
}

impl fmt::Display for BadPatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "it changes nothing"),
            Self::Line(line) => write!(f, "not a line of a patch: {line}"),
            Self::Len(at) => write!(f, "the hunk of line {at} has another length than it says"),
            Self::Place(at) => write!(f, "the hunk of line {at} fits nowhere"),
        }
    }
}

impl std::error::Error for BadPatch {}

impl Patch {
    /// Reads a patch; what stands before the first file is for people.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, BadPatch> {
        let mut files: Vec<FilePatch> = Vec::new();
        for line in text.lines().skip_while(|line| !line.starts_with("--- a/")) {
            if let Some(path) = line.strip_prefix("--- a/") {
                files.push(FilePatch { path: path.to_owned(), hunks: Vec::new() });
                continue;
            }
            let file = files.last_mut().expect("the first line names a file");
            file.take(line)?;
        }
        let hunks = || files.iter().flat_map(|file| &file.hunks);
        if files.is_empty() || files.iter().any(|file| file.hunks.is_empty()) {
            return Err(BadPatch::Empty);
        }
        match hunks().find(|hunk| hunk.lens != (hunk.old.len(), hunk.new.len())) {
            Some(hunk) => Err(BadPatch::Len(hunk.at)),
            None => Ok(Self { files }),
        }
    }
}

impl FilePatch {
    /// The changed text of the file.
    ///
    /// # Errors
    /// When a hunk fits nowhere.
    pub fn apply(&self, text: &str) -> Result<String, BadPatch> {
        let lines: Vec<&str> = text.lines().collect();
        let (mut changed, mut taken) = (Vec::new(), 0);
        for hunk in &self.hunks {
            let at = hunk.place(&lines, taken).ok_or(BadPatch::Place(hunk.at))?;
            changed.extend_from_slice(&lines[taken..at]);
            changed.extend(hunk.new.iter().map(String::as_str));
            taken = at + hunk.old.len();
        }
        changed.extend_from_slice(&lines[taken..]);
        Ok(changed.join("\n") + "\n")
    }

    fn take(&mut self, line: &str) -> Result<(), BadPatch> {
        if line.starts_with("+++ b/") && self.hunks.is_empty() {
            return Ok(());
        }
        if line.starts_with("@@ ") {
            let hunk = Hunk::begin(line).ok_or_else(|| BadPatch::Line(line.to_owned()))?;
            self.hunks.push(hunk);
            return Ok(());
        }
        let hunk = self.hunks.last_mut().ok_or_else(|| BadPatch::Line(line.to_owned()))?;
        hunk.take(line)
    }
}

impl Hunk {
    /// Reads `@@ -AT,LEN +AT,LEN @@`.
    fn begin(line: &str) -> Option<Self> {
        let mut words = line.split(' ').skip(1);
        let (at, old) = range(words.next()?.strip_prefix('-')?)?;
        let (_, new) = range(words.next()?.strip_prefix('+')?)?;
        Some(Self { at, lens: (old, new), ..Self::default() })
    }

    fn take(&mut self, line: &str) -> Result<(), BadPatch> {
        let (mark, rest) = line.split_at_checked(1).unwrap_or((" ", ""));
        let rest = rest.to_owned();
        match mark {
            " " => {
                self.old.push(rest.clone());
                self.new.push(rest);
            }
            "-" => self.old.push(rest),
            "+" => self.new.push(rest),
            _ => return Err(BadPatch::Line(line.to_owned())),
        }
        Ok(())
    }

    /// Where its old lines are, at or after `from`; the nearest to where they were.
    fn place(&self, lines: &[&str], from: usize) -> Option<usize> {
        let fits = |at: &usize| lines[*at..].iter().zip(&self.old).all(|(one, old)| one == old);
        let last = lines.len().checked_sub(self.old.len())?;
        let was = self.at.saturating_sub(1);
        (from..=last).filter(fits).min_by_key(|at| at.abs_diff(was))
    }
}

fn range(text: &str) -> Option<(usize, usize)> {
    let (at, len) = text.split_once(',').unwrap_or((text, "1"));
    Some((at.parse().ok()?, len.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{BadPatch, Patch};

    const TEXT: &str = "one\ntwo\nthree\nfour\nfive\n";
    const PATCH: &str = "Says what it breaks.\n--- a/src/numbers.txt\n+++ b/src/numbers.txt\n\
                         @@ -2,3 +2,2 @@ here\n two\n-three\n-four\n+many\n";

    fn changed(patch: &str, text: &str) -> Result<String, BadPatch> {
        Patch::parse(patch)?.files[0].apply(text)
    }

    #[test]
    fn a_hunk_is_applied_where_it_fits() {
        assert_eq!(changed(PATCH, TEXT), Ok("one\ntwo\nmany\nfive\n".to_owned()));
        let moved = format!("zero\nmore\n{TEXT}");
        assert_eq!(changed(PATCH, &moved), Ok("zero\nmore\none\ntwo\nmany\nfive\n".to_owned()));
        assert_eq!(Patch::parse(PATCH).map(|patch| patch.files.len()), Ok(1));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let other = TEXT.replace("three", "drei");
        assert_eq!(changed(PATCH, &other), Err(BadPatch::Place(2)));
        assert_eq!(changed(&PATCH.replace(",3 ", ",4 "), TEXT), Err(BadPatch::Len(2)));
        assert_eq!(changed("nothing", TEXT), Err(BadPatch::Empty));
        let line = BadPatch::Line("?".to_owned());
        assert_eq!(changed(&format!("{PATCH}?\n"), TEXT), Err(line));
    }
}
