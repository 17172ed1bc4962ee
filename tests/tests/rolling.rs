//! Every server is restarted in turn while people chat; `make rolling` does it with many.

use tests::chaos::Options;
use tests::chaos::folders::{clean_up, keep, new_folders};
use tests::chaos::rolling::run;
use tests::ending::clean_up_whatever_happens;
use tests::programs::program;

#[test]
fn nothing_is_lost_or_shown_twice_when_every_server_is_restarted_in_turn() {
    clean_up_whatever_happens(clean_up);
    let program = program("fastchat-chaos");
    let options = Options { kills: 0, seed: 0, rate: 60, children: 6, people: 2, program };
    let (folder, clients) = new_folders("fastchat-rolling-");
    let outcome = run(&options, folder.path(), clients.path());
    if !outcome.findings.is_clean() {
        keep(folder, clients);
        panic!("{outcome:#?}");
    }
    assert_eq!(outcome.restarts.len(), 3, "{outcome:?}");
    assert!(outcome.findings.accepted > 30, "people wrote: {outcome:?}");
}
