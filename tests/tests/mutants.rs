//! The planted bugs fit the project as it is; whether they are found, `make mutants` says.

use std::collections::BTreeSet;
use std::fs;

use tests::mutants::all;
use tests::source::root;

#[test]
fn every_planted_bug_still_fits() {
    let found = all().expect("the folder can be read");
    assert!(found.len() >= 20, "{} patches", found.len());
    let mut seen = BTreeSet::new();
    for (name, mutant) in found {
        let mutant = mutant.unwrap_or_else(|why| panic!("{name}: {why}"));
        assert!(!mutant.what.is_empty() && !mutant.what.starts_with("---"), "{name} says nothing");
        let mut broken = Vec::new();
        for file in &mutant.patch.files {
            let path = root().join(&file.path);
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
            let changed = file.apply(&text).unwrap_or_else(|why| panic!("{name}: {why}"));
            assert_ne!(changed, text, "{name} changes nothing in {}", file.path);
            broken.push(changed);
        }
        assert!(seen.insert(broken), "{name} is there twice");
    }
}
