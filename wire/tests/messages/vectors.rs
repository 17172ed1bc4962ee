//! The golden vectors in `wire/vectors/`: a change of the wire is a change of these files.
//! `UPDATE=1 cargo test -p fastchat-wire` writes them anew.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;

use bytes::BytesMut;
use wire::*;

use crate::examples::{Example, families};

#[test]
fn the_vectors_are_those_of_the_code() {
    for (family, examples) in families() {
        let path = repository().join("wire/vectors").join(format!("{family}.txt"));
        let text = render(&examples);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &text).expect("the folder can be written");
        }
        let golden = std::fs::read_to_string(&path).expect("a file for each family");
        assert!(golden == text, "{family}.txt differs: see it with UPDATE=1 and git diff");
    }
}

#[test]
fn every_kind_has_a_vector() {
    let shown: BTreeSet<Kind> =
        families().iter().flat_map(|(_, examples)| examples).map(|example| example.kind).collect();
    assert_eq!(shown, Kind::ALL.iter().copied().collect());
}

#[test]
fn every_vector_decodes_in_each_of_its_directions_and_in_no_other() {
    for example in families().into_iter().flat_map(|(_, examples)| examples) {
        let mut input = BytesMut::from(&example.frame[..]);
        let frame = Frame::split(&mut input, u32::MAX).expect("a length").expect("a whole frame");
        let outcomes = outcomes(&frame);
        assert!(outcomes.iter().any(Result::is_ok), "{} travels nowhere", example.name);
        for outcome in outcomes {
            match outcome {
                Ok(again) => assert_eq!(again, example.frame, "{}", example.name),
                Err(error) => assert_eq!(error, DecodeError::Direction(frame.kind.0)),
            }
        }
    }
}

#[test]
fn every_kind_and_fault_is_in_the_protocol_document() {
    let path = repository().join("docs/PROTOCOL.md");
    let text = std::fs::read_to_string(path).expect("the document exists");
    let headings: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
    for kind in Kind::ALL {
        let name = kind.name().expect("a kind of the table");
        let heading = format!("`{:#04x}` {name}", kind.0);
        assert!(headings.iter().any(|line| line.ends_with(&heading)), "no section {heading}");
    }
    for code in FaultCode::ALL {
        let row = format!("| {} | `{}` |", code.0, code.name());
        assert!(text.contains(&row), "no row {row}");
    }
}

/// What each direction makes of a frame: the same message, encoded again.
pub(crate) fn outcomes(frame: &Frame) -> [Result<BytesMut, DecodeError>; 7] {
    [
        redo(frame, ToServer::decode, ToServer::append_frame),
        redo(frame, ToClient::decode, ToClient::append_frame),
        redo(frame, ToPeer::decode, ToPeer::append_frame),
        redo(frame, ToRouter::decode, ToRouter::append_frame),
        redo(frame, FromRouter::decode, FromRouter::append_frame),
        redo(frame, ServerToRouter::decode, ServerToRouter::append_frame),
        redo(frame, RouterToServer::decode, RouterToServer::append_frame),
    ]
}

fn redo<M>(
    frame: &Frame,
    decode: impl Fn(&Frame) -> Result<M, DecodeError>,
    append: impl Fn(&M, &mut BytesMut),
) -> Result<BytesMut, DecodeError> {
    let mut out = BytesMut::new();
    append(&decode(frame)?, &mut out);
    Ok(out)
}

fn render(examples: &[Example]) -> String {
    let mut text = String::new();
    for Example { name, frame, debug, .. } in examples {
        let hex: String = frame.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a String takes everything");
            hex
        });
        write!(text, "{name}\n{hex}\n{debug}\n\n").expect("a String takes everything");
    }
    text
}

pub(crate) fn repository() -> PathBuf {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    own.parent().expect("the crate stands in the repository").to_owned()
}
