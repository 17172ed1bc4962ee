//! Some failing calls of a real server; `make diskfail` takes them all.

use std::path::Path;

use tempfile::TempDir;
use tests::diskfail::tracer::can_trace;
use tests::diskfail::{Options, run};

/// Of the calls every so many fail.
const EVERY: usize = 67;

#[test]
fn a_server_whose_call_fails_stops_and_loses_nothing() {
    if !can_trace() {
        eprintln!("diskfail: nothing was tested: strace is missing or may not trace here");
        return;
    }
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
    let folder = folder.expect("a temporary directory can be made");
    let tally = run(&Options { every: EVERY, only: String::new() }, folder.path());
    if !tally.is_good() {
        panic!("{tally:#?}\nleft in {}", folder.keep().display());
    }
    let total = tally.total();
    assert!(total.calls > 5 && total.stopped + total.refused > 0, "calls failed: {tally:?}");
}
