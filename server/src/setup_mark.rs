//! Which OPAQUE setup the accounts of a store belong to. Under another one no password would be
//! right, and whoever signed up meanwhile could not sign in once the true one is back.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use opaque_ke::ServerSetup;
use sha2::{Digest, Sha256};
use thiserror::Error;
use wire::opaque::Suite;

use crate::mark::{beside, sync_entry};

/// Why a store must not be served under a setup.
#[derive(Debug, Error)]
pub enum SetupMarkError {
    /// The accounts belong to another one.
    #[error(
        "--cluster: opaque.setup is not the one under which the users of this store signed up, and \
         no password would be right: put that one back, which all servers of a cluster share (if \
         nobody has ever signed up here, remove {})", .0.display()
    )]
    Other(PathBuf),
    /// The mark cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The mark.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// The file `STORE.opaque`: the setup's SHA-256, in hexadecimal.
#[derive(Clone, Debug)]
pub struct SetupMark(PathBuf);

impl SetupMark {
    /// Of the store in this folder.
    #[must_use]
    pub fn beside(store: &Path) -> Self {
        Self(beside(store, ".opaque"))
    }

    /// Whether the store may be served under `setup`; one without a mark may be.
    ///
    /// # Errors
    /// [`SetupMarkError`].
    pub fn check(&self, setup: &ServerSetup<Suite>) -> Result<(), SetupMarkError> {
        match fs::read_to_string(&self.0) {
            Ok(marked) if marked.trim_end() == digest(setup) => Ok(()),
            Ok(_) => Err(SetupMarkError::Other(self.0.clone())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// From now on the store may be served under `setup` only, if it has no mark yet.
    ///
    /// # Errors
    /// [`SetupMarkError`]: it has another, or it cannot be written.
    pub fn set(&self, setup: &ServerSetup<Suite>) -> Result<(), SetupMarkError> {
        self.check(setup)?;
        let is_there = self.0.try_exists().map_err(|error| self.failed(error))?;
        if is_there { Ok(()) } else { self.write(setup).map_err(|error| self.failed(error)) }
    }

    /// Whole or not at all: half a mark would keep a good store from being served.
    fn write(&self, setup: &ServerSetup<Suite>) -> io::Result<()> {
        let mut new = self.0.clone().into_os_string();
        new.push(".new");
        let mut file = File::create(&new)?;
        writeln!(file, "{}", digest(setup))?;
        file.sync_all()?;
        fs::rename(&new, &self.0)?;
        sync_entry(&self.0)
    }

    fn failed(&self, source: io::Error) -> SetupMarkError {
        SetupMarkError::File { path: self.0.clone(), source }
    }
}

fn digest(setup: &ServerSetup<Suite>) -> String {
    let digest = Sha256::digest(setup.serialize());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use rand_core_06::OsRng;

    use super::*;

    #[test]
    fn a_store_is_served_under_the_setup_that_it_was_served_under_first() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let mark = SetupMark::beside(&folder.path().join("store"));
        let [own, other] = [(), ()].map(|()| ServerSetup::new(&mut OsRng));
        mark.check(&other).expect("there is no mark yet");
        assert!(!folder.path().join("store.opaque").exists(), "a check makes none");
        mark.set(&own).expect("it can be written");
        mark.set(&own).expect("it is the same");
        mark.check(&own).expect("it is the same");
        for refused in [mark.set(&other), mark.check(&other)] {
            assert!(matches!(refused, Err(SetupMarkError::Other(_))), "{refused:?}");
        }
        mark.check(&own).expect("the mark has not changed");
    }
}
