//! Slots move between real servers while people write, and either side is killed at each step;
//! `make moves` does it under more load.

use tests::chaos::Options;
use tests::chaos::folders::{clean_up, keep, new_folders};
use tests::chaos::moving::run;
use tests::ending::clean_up_whatever_happens;
use tests::programs::program;

#[test]
fn slots_move_under_load_and_nothing_is_lost() {
    clean_up_whatever_happens(clean_up);
    let program = program("fastchat-chaos");
    let options = Options { kills: 0, seed: 0, rate: 60, children: 6, people: 2, program };
    let (folder, clients) = new_folders("fastchat-moves-");
    let outcome = run(&options, 1, folder.path(), clients.path());
    if !outcome.is_sound() {
        keep(folder, clients);
        panic!("{outcome:#?}");
    }
    assert_eq!(outcome.kills(), 12, "{outcome:?}");
    assert!(outcome.moves.len() > 12, "{outcome:?}");
    assert!(outcome.findings.accepted > 100, "people wrote: {outcome:?}");
}
