//! Attachments between people on real servers: over a link that is cut, altered on the way, with
//! names and contents that mean harm.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::BytesMut;
use image::{ImageFormat, RgbImage};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use tests::cluster::Cluster;
use tests::interceptor::{Interceptor, Verdict};
use tests::person::{Person, text};
use wire::{Frame, Kind};

const MIB: usize = 1024 * 1024;

fn noise(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    StdRng::seed_from_u64(4).fill_bytes(&mut bytes);
    bytes
}

/// An image of more than 20 MiB that nothing compresses, without metadata.
fn picture() -> Vec<u8> {
    const SIDE: u32 = 2650;
    let pixels = noise(usize::try_from(SIDE * SIDE * 3).expect("it fits"));
    let image = RgbImage::from_raw(SIDE, SIDE, pixels).expect("the right length");
    let mut png = std::io::Cursor::new(Vec::new());
    image.write_to(&mut png, ImageFormat::Png).expect("it is encoded");
    assert!(png.get_ref().len() > 20 * MIB);
    png.into_inner()
}

/// Writes a file into the person's home directory; its path.
fn file(person: &Person, name: &str, content: &[u8]) -> String {
    let path = person.home().join(name);
    fs::write(&path, content).expect("the home directory can be written");
    path.to_str().expect("it is text").to_owned()
}

fn save(person: &Person) -> Vec<Value> {
    let folder = person.home().join("saved");
    let folder = folder.to_str().expect("it is text");
    person.json(&["recv", "--wait", "30", "--count", "1", "--save", folder])
}

fn content(message: &Value) -> Vec<u8> {
    let path = message["attachment"]["path"].as_str().expect("it was saved");
    fs::read(Path::new(path)).expect("the file is there")
}

/// Ends the connection before every `every`th frame of this kind, `times` times; counts the frames.
fn cutting(
    kind: Kind,
    every: usize,
    times: usize,
) -> (tests::interceptor::Meddle, Arc<AtomicUsize>) {
    let passed = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&passed);
    let mut cuts = 0;
    let meddle = Box::new(move |frame: &mut Frame| {
        if frame.kind != kind {
            return Verdict::Pass;
        }
        let count = counter.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_multiple_of(every) && cuts < times {
            cuts += 1;
            return Verdict::Cut;
        }
        Verdict::Pass
    });
    (meddle, passed)
}

#[test]
fn a_large_image_arrives_whole_over_a_link_that_is_cut() {
    let cluster = Cluster::start(3, &[]);
    let mut people = Person::signed_up(&cluster, &[1, 2]);
    let sent = picture();
    let path = file(&people[0], "large.png", &sent);
    let (alice, bob) = (&people[0].name.clone(), &people[1].name.clone());

    let (meddle, put) = cutting(Kind::PUT_CHUNK, 50, 5);
    let link = Interceptor::meddling(&cluster, meddle);
    people[0].set("FASTCHAT_ROUTER", &link.address().to_string());
    people[0].must(&["send", "--wait", "50", bob, "--image", &path, "a large image"]);
    let chunks = sent.len().div_ceil(64 * 1024);
    let put = put.load(Ordering::Relaxed);
    assert!((chunks..chunks + 5 * 5).contains(&put), "it goes on where it was: {put} chunks sent");

    let (meddle, fetched) = cutting(Kind::CHUNK, 50, 5);
    let link = Interceptor::meddling(&cluster, meddle);
    people[1].set("FASTCHAT_ROUTER", &link.address().to_string());
    let received = save(&people[1]);
    let fetched = fetched.load(Ordering::Relaxed);
    assert!((chunks..chunks + 5 * 5).contains(&fetched), "{fetched} chunks fetched");
    assert_eq!(text(&received[0], "from"), *alice);
    assert_eq!(text(&received[0], "text"), "a large image");
    assert_eq!(received[0]["attachment"]["size"], sent.len());
    assert!(content(&received[0]) == sent, "not a byte differs");
}

#[test]
fn an_altered_chunk_is_refused() {
    let cluster = Cluster::start(2, &[]);
    let mut people = Person::signed_up(&cluster, &[1, 2]);
    let path = file(&people[0], "secret.bin", &noise(300_000));
    people[0].must(&["send", &people[1].name, "--file", &path]);
    let meddle = Box::new(|frame: &mut Frame| {
        if frame.kind == Kind::CHUNK {
            let mut bytes = BytesMut::from(&frame.body[..]);
            bytes[1_000] ^= 1;
            frame.body = bytes.freeze();
        }
        Verdict::Pass
    });
    let link = Interceptor::meddling(&cluster, meddle);
    people[1].set("FASTCHAT_ROUTER", &link.address().to_string());
    let folder = people[1].home().join("saved");
    let finished =
        people[1].run(&["recv", "--json", "--save", folder.to_str().expect("it is text")]);
    assert!(finished.stdout.contains("secret.bin"), "the message is shown: {finished:?}");
    assert!(finished.stdout.contains(r#""path":null"#), "it was not saved: {finished:?}");
    let saved = fs::read_dir(&folder).map_or(0, Iterator::count);
    assert_eq!(saved, 0, "nothing stays behind: {finished:?}");
}

#[test]
fn a_name_cannot_leave_the_folder_or_overwrite() {
    let cluster = Cluster::start(2, &[]);
    let people = Person::signed_up(&cluster, &[1, 2]);
    let lines = [
        r#"{"to":"BOB","attachment":{"name":"../../x","type":"text/plain","data":"b25l"}}"#,
        r#"{"to":"BOB","text":"two","attachment":{"name":"x","type":"text/plain","data":"dHdv"}}"#,
    ];
    let input = lines.join("\n").replace("BOB", &people[1].name);
    let mut command = people[0].command(&["send", "--json-stdin", "--json"]);
    let sent = tests::programs::run(&mut command, &input).expect("it ends");
    assert_eq!(sent.code(), 0, "{sent:?}");
    let received = [save(&people[1]), save(&people[1])].concat();
    assert_eq!(received.len(), 2, "{received:?}");
    let folder = people[1].home().join("saved");
    let folder = folder.canonicalize().expect("it was made");
    for (message, expected) in received.iter().zip([&b"one"[..], b"two"]) {
        let path = message["attachment"]["path"].as_str().expect("it was saved");
        let path = Path::new(path).canonicalize().expect("the file is there");
        assert_eq!(path.parent(), Some(&*folder), "in the folder and nowhere else");
        assert_eq!(content(message), expected);
    }
}

#[test]
fn what_was_received_without_its_attachment_is_saved_later() {
    let cluster = Cluster::start(2, &[]);
    let people = Person::signed_up(&cluster, &[1, 2]);
    let (alice, bob) = (&people[0], &people[1]);
    for name in ["one.txt", "two.txt"] {
        let path = file(alice, name, name.as_bytes());
        alice.must(&["send", &bob.name, "--file", &path]);
    }
    let shown = bob.must(&["recv", "--wait", "30", "--count", "1"]);
    assert!(shown.stderr.contains(&format!("fastchat save '@{}' ", bob.name)), "{shown:?}");
    let second = bob.json(&["recv", "--wait", "30", "--count", "1"]);
    assert!(second[0]["attachment"]["path"].is_null(), "{second:?}");

    let listed = bob.json(&["save"]);
    let names: Vec<String> = listed.iter().map(|line| text(line, "name")).collect();
    assert_eq!(names, ["one.txt", "two.txt"]);
    assert!(text(&listed[0], "until") > text(&second[0], "at"), "{listed:?}");
    let (log, seq) = (text(&second[0], "log"), second[0]["seq"].to_string());
    let folder = bob.home().join("later");
    let folder = folder.to_str().expect("it is text");
    let saved = bob.json(&["save", &log, &seq, "--to", folder]);
    let path = text(&saved[0], "path");
    assert_eq!(fs::read(&path).expect("it was saved"), b"two.txt");
    let again = bob.json(&["save", &log, &seq, "--to", folder]);
    assert_ne!(text(&again[0], "path"), path, "no file is written over");

    let rest = bob.must(&["save", "--all"]);
    assert_eq!(fs::read(rest.stdout.trim()).expect("it was saved"), b"one.txt");
    assert!(bob.json(&["save"]).is_empty());
    bob.fails(&["save", &log, "7"], 1);
    bob.fails(&["save", &log], 1);
}

#[test]
fn base64_carries_an_attachment_through_json() {
    let cluster = Cluster::start(2, &[]);
    let people = Person::signed_up(&cluster, &[1, 2]);
    let line = r#"{"to":"BOB","attachment":{"name":"one.txt","type":"text/plain","data":"b25l"}}"#;
    let input = line.replace("BOB", &people[1].name);
    let mut command = people[0].command(&["send", "--json-stdin", "--json"]);
    let sent = tests::programs::run(&mut command, &input).expect("it ends");
    assert_eq!(sent.code(), 0, "{sent:?}");
    let folder = people[1].home().join("saved");
    let folder = folder.to_str().expect("it is text");
    let received =
        people[1].json(&["recv", "--wait", "30", "--count", "1", "--save", folder, "--base64"]);
    let attachment = &received[0]["attachment"];
    assert_eq!(attachment["name"], "one.txt");
    assert_eq!(attachment["type"], "text/plain");
    assert_eq!(attachment["size"], 3);
    assert_eq!(attachment["data"], "b25l");
}
