//! What can be said of a program's files before it uses them: all that cannot be read, and secrets
//! that others can read.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Anybody but the owner may read.
const OTHERS_READ: u32 = 0o044;

/// Files that cannot be read, a line each.
#[derive(Debug, Error)]
#[error("{}", .0.join("\n"))]
pub struct UnreadableError(Vec<String>);

/// Whether all of them can be read.
///
/// # Errors
/// [`UnreadableError`] names each that cannot, and why.
pub fn check_readable(paths: &[PathBuf]) -> Result<(), UnreadableError> {
    let failure = |path: &PathBuf| {
        let error = File::open(path).err()?;
        let advice = match error.kind() {
            ErrorKind::NotFound => "; copy it from the machine where `map init` made it",
            _ => "",
        };
        Some(format!("{}: {error}{advice}", path.display()))
    };
    let failures: Vec<String> = paths.iter().filter_map(failure).collect();
    if failures.is_empty() { Ok(()) } else { Err(UnreadableError(failures)) }
}

/// What to do about secrets that others than their owner can read, a line each.
#[must_use]
pub fn exposed(secrets: &[&Path]) -> Vec<String> {
    let is_exposed = |path: &&&Path| {
        fs::metadata(path).is_ok_and(|found| found.permissions().mode() & OTHERS_READ != 0)
    };
    let advice = |path: &&Path| {
        let path = path.display();
        format!("{path} is a secret that others can read: chmod 600 {path}")
    };
    secrets.iter().filter(is_exposed).map(advice).collect()
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    #[test]
    fn every_file_that_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let paths = ["one", "two", "three"].map(|name| folder.path().join(name));
        fs::write(&paths[1], "there").expect("it is written");
        let error = check_readable(&paths).expect_err("two are missing").to_string();
        let lines: Vec<&str> = error.lines().collect();
        assert!(lines.len() == 2 && lines[0].contains("one") && lines[1].contains("three"));
        check_readable(&paths[1..2]).expect("it is there");
    }

    #[test]
    fn secrets_that_others_can_read_are_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (open, closed) = (folder.path().join("open"), folder.path().join("closed"));
        for (path, mode) in [(&open, 0o640), (&closed, 0o600)] {
            fs::write(path, "key").expect("it is written");
            fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
        }
        let advice = exposed(&[&open, &closed]);
        assert!(advice.len() == 1 && advice[0].contains("chmod 600"), "{advice:?}");
    }
}
