//! The vectors of published versions, frozen: what they say, every later program understands and
//! says in the same bytes. `docs/PROTOCOL.md`, "Versions", tells how a version is frozen.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};
use wire::fault::Consequence;
use wire::*;

use crate::vectors::{outcomes, repository};

/// The files of version 1 and their SHA-256. A file that differs was edited: put it back, and make
/// the code understand it.
const VERSION_1: [(&str, &str); 9] = [
    ("auth.txt", "692fbb0d93da5eda6eb2a0c0a9f87f56dff3ef36d62c9bb908073bd629cf090e"),
    ("blob.txt", "94bfec70af12e7fea22b7555db41081c2414b92799c7fe131c353dc90ce39d89"),
    ("common.txt", "6546cfdfa430cdd399b14eb139c9ea9b1a95f9952fc7c4260c3961a16ee805f6"),
    ("faults.txt", "595180db0d8e39135ef8760401e7c9d5f78261109dec0a97a0a54dcd523a8e64"),
    ("grant.txt", "b1f69248ba3acfeb102e28eb895551e067e41cf3cc0fd44e5e9e22a42065efe6"),
    ("group.txt", "12138b08dfdd09730b4a75a65070f332272c92263be28d95cab45f11c2184b6c"),
    ("log.txt", "148575bb397498fa594e5fb7ba0fa973caa2447f9d9009bedf38e695c572331b"),
    ("peer.txt", "d0e230d3c60ba0c4a9800590596f49d30cac72bec750274fcd761dabfe52d70a"),
    ("router.txt", "d5cfd055adcc588742a99ebc5925d9b17bebf778c8af9199d2bae1a4087c5c81"),
];

fn folder() -> PathBuf {
    repository().join("wire/vectors/frozen/v1")
}

fn read(file: &str) -> String {
    let bytes = std::fs::read(folder().join(file)).expect("a frozen file stays");
    String::from_utf8(bytes).expect("vectors are text")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Name and frame of each example in a file.
fn examples(text: &str) -> Vec<(&str, Bytes)> {
    let blocks = text.split("\n\n").filter(|block| !block.is_empty());
    blocks
        .map(|block| {
            let mut lines = block.lines();
            let name = lines.next().expect("a block begins with its name");
            let digits = lines.next().expect("the frame follows").as_bytes();
            let byte = |pair: &[u8]| {
                let pair = std::str::from_utf8(pair).expect("hex is ASCII");
                u8::from_str_radix(pair, 16).expect("hex digits")
            };
            (name, digits.chunks(2).map(byte).collect())
        })
        .collect()
}

#[test]
fn nobody_has_edited_a_frozen_file() {
    for (file, wanted) in VERSION_1 {
        let found = hex(&Sha256::digest(read(file)));
        assert_eq!(found, wanted, "{file}: frozen files stay as they are");
    }
    let found: BTreeSet<String> = std::fs::read_dir(folder())
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(found, VERSION_1.iter().map(|(file, _)| (*file).to_owned()).collect());
}

#[test]
fn what_version_1_says_is_understood_and_said_in_the_same_bytes() {
    let mut kinds = BTreeSet::new();
    for (file, _) in VERSION_1.iter().filter(|(file, _)| *file != "faults.txt") {
        let text = read(file);
        let examples = examples(&text);
        assert!(!examples.is_empty(), "{file} has examples");
        for (name, bytes) in examples {
            let mut input = BytesMut::from(&bytes[..]);
            let frame =
                Frame::split(&mut input, u32::MAX).expect("a length").expect("a whole frame");
            assert!(input.is_empty(), "{file}, {name}: one frame");
            let outcomes = outcomes(&frame);
            assert!(outcomes.iter().any(Result::is_ok), "{file}, {name}: {outcomes:?}");
            for outcome in outcomes {
                match outcome {
                    Ok(again) => assert_eq!(again, bytes, "{file}, {name}"),
                    Err(error) => assert_eq!(error, DecodeError::Direction(frame.kind.0), "{name}"),
                }
            }
            kinds.insert(frame.kind);
        }
    }
    assert_eq!(kinds.len(), 81, "every kind of version 1 was there");
}

#[test]
fn faults_of_version_1_keep_their_meaning() {
    let today: BTreeMap<u16, FaultCode> =
        FaultCode::ALL.iter().map(|code| (code.0, *code)).collect();
    for line in read("faults.txt").lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let code = today[&words[0].parse().expect("a number")];
        let consequence = match code.consequence() {
            Consequence::Closes => "closes",
            Consequence::Stays => "stays",
        };
        assert_eq!([code.name(), consequence], words[1..], "{line}");
    }
}

#[test]
fn a_program_of_version_1_is_spoken_to() {
    let (version_min, version_max) = (1, 1);
    let old = message::Hello { version_min, version_max, ..message::Hello::client() };
    assert_eq!(old.agree(), Ok(1));
    let newer = message::Hello { version_max: 9, ..old };
    assert!(newer.agree().is_ok_and(|version| version >= 1));
}
