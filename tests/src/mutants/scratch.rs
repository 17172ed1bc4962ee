//! A copy of the project that may be broken: built in a target folder of its own, which begins
//! with the dependencies that are built already, so that a mutant costs one build of what it
//! touches.

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Mutant;
use super::process::finish;
use crate::copy::copy;
use crate::source::root;

/// Our own crates are optimised less and built in parts: what is saved is most of the time.
const OWN: [&str; 7] = [
    "fastchat",
    "fastchat-operate",
    "fastchat-router",
    "fastchat-server",
    "fastchat-storage",
    "fastchat-tests",
    "fastchat-wire",
];
/// What their files in a target folder begin with.
const OWN_FILES: [&str; 16] = [
    "fastchat",
    "libfastchat",
    "wire-",
    "libwire-",
    "storage-",
    "libstorage-",
    "operate-",
    "liboperate-",
    "router-",
    "librouter-",
    "server-",
    "libserver-",
    "client-",
    "libclient-",
    "tests-",
    "libtests-",
];

/// What became of a mutant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ran {
    /// Something did not hold.
    Found {
        /// After so many seeds.
        seeds: u64,
        /// What.
        property: String,
    },
    /// Everything seemed well, or nothing could be run.
    NotFound(String),
}

/// The copy; it goes when this is dropped.
pub struct Scratch {
    tree: PathBuf,
    target: PathBuf,
    /// One process at a time has it.
    _lock: File,
}

impl Scratch {
    /// Copies the project to a folder beside the programs that are built.
    ///
    /// # Errors
    /// When another process has it, or the files cannot be copied.
    pub fn new() -> io::Result<Self> {
        let program = env::current_exe()?;
        let release = program.parent().ok_or_else(|| io::Error::other("no target folder"))?;
        let folder = release.join("mutants");
        fs::create_dir_all(&folder)?;
        let lock = File::create(folder.join("lock"))?;
        lock.try_lock().map_err(|error| io::Error::other(format!("{folder:?}: {error}")))?;
        let (tree, target) = (folder.join("tree"), folder.join("target"));
        let scratch = Self { tree, target, _lock: lock };
        scratch.remove()?;
        scratch.fill()?;
        if !scratch.target.exists() {
            seed(release, &scratch.target.join("release"))?;
        }
        Ok(scratch)
    }

    /// Where it is, to be removed when this process is ended from outside.
    #[must_use]
    pub fn tree(&self) -> &Path {
        &self.tree
    }

    /// Breaks the copy, builds and runs it, and mends it again.
    ///
    /// # Errors
    /// When files cannot be written or programs not be started.
    pub fn run(&self, mutant: &Mutant, seeds_max: u64) -> io::Result<Ran> {
        let mut whole = Vec::new();
        for file in &mutant.patch.files {
            let path = self.tree.join(&file.path);
            let text = fs::read_to_string(&path)?;
            let broken = file.apply(&text);
            whole.push((path, text));
            match broken {
                Ok(broken) => fs::write(self.tree.join(&file.path), broken)?,
                Err(error) => {
                    mend(whole)?;
                    return Ok(Ran::NotFound(format!("{}: {error}", file.path)));
                }
            }
        }
        let ran = self.build_and_run(&mutant.by, seeds_max);
        mend(whole)?;
        ran
    }

    fn build_and_run(&self, by: &str, seeds_max: u64) -> io::Result<Ran> {
        let (built, lines) = finish(&mut self.build())?;
        if !built {
            let why = lines.into_iter().find(|line| line.starts_with("error"));
            return Ok(Ran::NotFound(why.unwrap_or_else(|| "it was not built".to_owned())));
        }
        let mut command = Command::new(self.target.join("release/fastchat-sim"));
        command.args(["--until", by, "--seeds"]).arg(seeds_max.to_string());
        let (_, lines) = finish(&mut command)?;
        let found = lines.iter().rev().find_map(|line| found(line));
        let is_over = lines.iter().any(|line| line.starts_with("seeds "));
        Ok(match found {
            Some(ran) => ran,
            None if is_over => Ran::NotFound(format!("nothing in {seeds_max} seeds")),
            None => Ran::NotFound("the simulator did not come to its end".to_owned()),
        })
    }

    fn build(&self) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(root()).args(["build", "--quiet", "--release", "--locked"]);
        command.args(["--package", "fastchat-tests", "--bin", "fastchat-sim"]);
        command.arg("--manifest-path").arg(self.tree.join("Cargo.toml"));
        command.arg("--target-dir").arg(&self.target);
        command.args(["--config", "profile.release.incremental=true"]);
        for name in OWN {
            command.arg("--config").arg(format!("profile.release.package.{name}.opt-level=1"));
        }
        command
    }

    fn fill(&self) -> io::Result<()> {
        for entry in fs::read_dir(root())? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !name.starts_with('.') && name != "target" && name != "docs" {
                copy(&path, &self.tree.join(name), &|_| true, false)?;
            }
        }
        Ok(())
    }

    fn remove(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.tree) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            eprintln!("{}: {error}", self.tree.display());
        }
    }
}

/// Writes files as they were, and so that Cargo sees it.
fn mend(whole: Vec<(PathBuf, String)>) -> io::Result<()> {
    whole.into_iter().try_for_each(|(path, text)| fs::write(path, text))
}

/// Takes along what is built of others' crates.
fn seed(from: &Path, to: &Path) -> io::Result<()> {
    let is_other = |name: &str| !OWN_FILES.iter().any(|own| name.starts_with(own));
    for folder in ["build", ".fingerprint", "deps"] {
        copy(&from.join(folder), &to.join(folder), &is_other, true)?;
    }
    Ok(())
}

/// Reads the line that names the first seed that violates what is looked for.
fn found(line: &str) -> Option<Ran> {
    let mut words = line.strip_prefix("first after ")?.splitn(4, ' ');
    let seeds = words.next()?.parse().ok()?;
    let property = words.nth(2)?.to_owned();
    Some(Ran::Found { seeds, property })
}

#[cfg(test)]
mod tests {
    use super::{Ran, found};
    use crate::sim::runner::First;

    #[test]
    fn what_the_simulator_says_is_understood() {
        let first = First { place: 43, seed: 0x2b, property: "shown once" };
        let ran = Ran::Found { seeds: 43, property: "shown once".to_owned() };
        assert_eq!(found(&first.to_string()), Some(ran));
        assert_eq!(found("seeds 43 violations 0"), None);
    }
}
