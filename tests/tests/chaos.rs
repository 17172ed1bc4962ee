//! A few kills of real processes on a bad network; `make chaos` runs many.

use std::path::Path;

use tempfile::TempDir;
use tests::chaos::{Options, run};
use tests::programs::program;

#[test]
fn people_see_what_was_accepted_once_and_in_order() {
    let program = program("fastchat-chaos");
    let options = Options { kills: 6, seed: 6, rate: 300, children: 4, people: 2, program };
    let memory = Path::new("/dev/shm");
    let folder = TempDir::new().expect("a temporary directory can be made");
    let clients = match memory.is_dir() {
        true => TempDir::new_in(memory),
        false => TempDir::new_in(folder.path()),
    };
    let clients = clients.expect("a temporary directory can be made");
    let outcome = run(&options, folder.path(), clients.path());
    if !outcome.findings.is_clean() {
        let (folder, clients) = (folder.keep(), clients.keep());
        panic!("{:#?}\nleft in {} and {}", outcome, folder.display(), clients.display());
    }
    assert_eq!(outcome.kills.total(), options.kills);
    assert!(outcome.findings.accepted > 100, "people wrote: {outcome:?}");
}
