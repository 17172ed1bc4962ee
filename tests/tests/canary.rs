//! No plaintext where none may be: the servers' stores and logs, the client's store, the wire
//! behind TLS.

use std::fs;
use std::path::Path;

use tests::cluster::Cluster;
use tests::interceptor::Interceptor;
use tests::person::Person;

const CANARY: &str = "the canary sings at midnight";
const PASSWORD: &str = "a password that must not leave";

/// Every file below `folder` that contains `needle`, and how many were searched.
fn holders(folder: &Path, needle: &[u8]) -> (Vec<String>, usize) {
    let mut found = Vec::new();
    let mut searched = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder can be read") {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file() {
                searched += 1;
                let bytes = fs::read(&path).expect("the file can be read");
                if contains(&bytes, needle) {
                    found.push(path.display().to_string());
                }
            }
        }
    }
    (found, searched)
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn a_canary_text_and_the_password_are_nowhere_in_the_clear() {
    let cluster = Cluster::start(2, &[]);
    let interceptor = Interceptor::before(&cluster);
    let through = |name: &str| {
        let mut person = Person::new(&cluster, name, PASSWORD);
        person.set("FASTCHAT_ROUTER", &interceptor.address().to_string());
        person
    };
    let (alice, bob) = (through("alice"), through("bob"));
    alice.must(&["signup"]);
    bob.must(&["signup"]);
    bob.must(&["signout"]);
    bob.must(&["signin"]);
    alice.must(&["send", "bob", CANARY]);
    alice.must(&["send", "bob", CANARY]);
    assert_eq!(bob.receive(30, 1), [CANARY]);
    alice.must(&["send", "bob", CANARY]);

    let wire = interceptor.seen();
    assert!(contains(&wire, b"alice"), "the interceptor sees what is not secret");
    for secret in [CANARY.as_bytes(), PASSWORD.as_bytes()] {
        assert!(!contains(&wire, secret), "on the wire");
        for folder in [cluster.directory(), alice.home(), bob.home()] {
            let (found, searched) = holders(folder, secret);
            assert!(searched > 2, "{} has files", folder.display());
            assert!(found.is_empty(), "in the clear in {found:?}");
        }
    }
    let (found, _) = holders(cluster.directory(), b"alice");
    assert!(!found.is_empty(), "the search finds what is there");
}
