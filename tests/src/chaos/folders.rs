//! The folders of a run: they go when it ends, however it ends, unless they are kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;

use super::process::kill_all;

/// Where files cost no disk: what is killed loses nothing that it gave to the system.
const MEMORY: &str = "/dev/shm";

/// What must not stay behind when this process ends early.
static FOLDERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn folders() -> MutexGuard<'static, Vec<PathBuf>> {
    FOLDERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One folder for the cluster, one in memory, if there is one, for its clients.
///
/// # Panics
/// When they cannot be made.
#[must_use]
pub fn new_folders(prefix: &str) -> (TempDir, TempDir) {
    let folder = new_folder(prefix, &std::env::temp_dir());
    let memory = Path::new(MEMORY);
    let clients = new_folder(prefix, if memory.is_dir() { memory } else { folder.path() });
    (folder, clients)
}

fn new_folder(prefix: &str, parent: &Path) -> TempDir {
    let folder = tempfile::Builder::new().prefix(prefix).tempdir_in(parent);
    let folder = folder.expect("a temporary directory can be made");
    folders().push(folder.path().to_owned());
    folder
}

/// Something was wrong: what the processes left stays, for who looks for the cause.
pub fn keep(folder: TempDir, clients: TempDir) {
    println!("the cluster's files stay in {}", folder.keep().display());
    println!("the clients' files stay in {}", clients.keep().display());
}

/// Ends every process and removes every folder, for when nobody else can.
pub fn clean_up() {
    kill_all();
    for folder in folders().iter().filter(|folder| folder.exists()) {
        if let Err(error) = fs::remove_dir_all(folder) {
            eprintln!("{} stays behind: {error}", folder.display());
        }
    }
}
