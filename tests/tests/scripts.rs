//! What scripts and terminals rely on: versions, pipes that close, the interrupt key, mistakes that
//! are named, and an outbox that every command goes on with.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use serde_json::Value;
use tests::cluster::Cluster;
use tests::person::{Person, text};
use tests::programs::{program, run};

/// The texts of all messages of this kind.
fn of_kind(messages: &[Value], kind: &str) -> Vec<String> {
    let found = messages.iter().filter(|message| message["kind"] == kind);
    found.map(|message| text(message, "text")).collect()
}

#[test]
fn every_program_tells_its_version() {
    for name in ["fastchat", "fastchat-router", "fastchat-server", "fastchat-bench"] {
        let told = run(Command::new(program(name)).arg("--version"), "").expect("it ends");
        let version = format!("{name} {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!((told.code(), told.stdout.as_str()), (0, version.as_str()), "{told:?}");
    }
}

#[test]
fn a_reader_that_has_gone_is_no_failure_to_complain_about() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = Command::new(program("fastchat"));
    let child = command.arg("help").stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
    let ended = child.spawn().expect("it starts").wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
    assert_eq!(ended.status.signal(), Some(13), "as every program of a pipe ends");
}

/// After the interrupt key at the prompt of a password, a terminal shows what is typed.
#[test]
fn the_interrupt_key_at_a_password_leaves_the_terminal_as_it_was() {
    let cluster = Cluster::start(1, &[]);
    let alice = Person::new(&cluster, "alice", "correct horse");
    let mut command = Command::new("/bin/sh");
    let fastchat = program("fastchat");
    let script = format!("{} signup; stty -a; echo end", fastchat.display());
    command.env_clear().args(["-c", &script]);
    for (name, value) in alice.command(&[]).get_envs() {
        if let Some(value) = value.filter(|_| name != "FASTCHAT_PASSWORD") {
            command.env(name, value);
        }
    }
    let mut terminal = tests::terminal::Terminal::open(&command);
    terminal.expect("Password: ");
    terminal.type_text("\u{3}");
    let settings = terminal.expect("end");
    for setting in ["echo", "icanon", "isig"] {
        let is_on = settings.split([' ', ';', '\r', '\n']).any(|word| word == setting);
        assert!(is_on, "{setting} in {settings}");
    }
}

#[test]
fn a_mistake_in_a_line_is_named_and_nothing_is_sent() {
    let cluster = Cluster::start(2, &[]);
    let people = Person::signed_up(&cluster, &[1, 2]);
    let (alice, bob) = (&people[0], &people[1]);
    let good = format!(r#"{{"to":"{}","text":"one"}}"#, bob.name);
    let send = |lines: &[&str]| {
        let mut command = alice.command(&["send", "--json-stdin"]);
        run(&mut command, &lines.join("\n")).expect("it ends")
    };
    let bad = send(&[&good, r#"{"to":"bob","attachment":{"data":"?"}}"#]);
    assert_eq!(bad.code(), 1);
    assert!(bad.stderr.contains(r#"line 2: \"data\" in \"attachment\""#), "{bad:?}");
    assert!(bob.json(&["recv"]).is_empty());

    let stranger = r#"{"to":"nobody-here","text":"two"}"#;
    let half = send(&[&good, "", stranger]);
    assert_eq!(half.code(), 7, "{half:?}");
    let errors = half.stderr.lines().map(|line| serde_json::from_str(line).expect("it is JSON"));
    let messages: Vec<_> = errors.map(|error: Value| text(&error, "message")).collect();
    assert!(messages[0].starts_with("line 3: "), "{messages:?}");
    assert_eq!(messages[1..], ["not sent: 1 of 2 messages"], "each is told once");
    let accepted: Value = serde_json::from_str(half.stdout.trim()).expect("one is accepted");
    assert_eq!(accepted["line"], 1);
    assert_eq!(of_kind(&bob.json(&["recv"]), "text"), ["one"]);
}

#[test]
fn what_stayed_in_the_outbox_leaves_with_any_command_that_connects() {
    let mut cluster = Cluster::start(2, &[]);
    let people = Person::signed_up(&cluster, &[1, 2]);
    let (alice, bob) = (&people[0], &people[1]);
    alice.must(&["send", &bob.name, "hello"]);
    assert_eq!(of_kind(&bob.json(&["recv"]), "text"), ["hello"]);
    let file = alice.home().join("large.bin");
    fs::write(&file, vec![7; 3_000_000]).expect("it is written");
    let file = file.to_str().expect("it is text");
    cluster.stop();
    alice.fails(&["send", "--wait", "0.5", &bob.name, "--file", file], 10);
    alice.fails(&["send", "--wait", "0.5", &bob.name, "later"], 10);
    cluster.restart();
    let told = alice.must(&["recv"]);
    assert!(!told.stderr.contains("outbox"), "nothing is left: {told:?}");
    let received = bob.json(&["recv", "--wait", "30", "--count", "2"]);
    assert_eq!(of_kind(&received, "text"), ["later"]);
    assert_eq!(of_kind(&received, "attachment").len(), 1, "{received:?}");
}

#[test]
fn the_invited_hear_of_it_and_a_list_tells_the_truth_at_once() {
    let cluster = Cluster::start(3, &[]);
    let people = Person::signed_up(&cluster, &[1, 2, 3]);
    let [alice, bob, carol] = [&people[0], &people[1], &people[2]];
    alice.must(&["group", "create", "rust", "--invite-only"]);
    alice.must(&["group", "invite", "rust", &bob.name]);
    let invited = bob.json(&["recv", "--wait", "30", "--count", "1"]);
    assert_eq!((text(&invited[0], "kind"), text(&invited[0], "group")), {
        ("invitation".to_owned(), "#rust".to_owned())
    });
    let words = format!("{} invites you to #rust: fastchat group join rust", alice.name);
    assert_eq!(text(&invited[0], "text"), words);
    carol.fails(&["group", "join", "rust"], 15);
    bob.must(&["group", "join", "rust"]);
    let list = bob.json(&["group", "list"]);
    assert_eq!((&list[0]["members"], text(&list[0], "admin")), (&2.into(), alice.name.clone()));

    for wish in ["hand-over", "remove"] {
        alice.fails(&["group", wish, "rust", &alice.name], 1);
    }
    alice.must(&["group", "invite", "rust", &carol.name]);
    carol.must(&["group", "join", "rust"]);
    assert_eq!(bob.json(&["group", "list"])[0]["members"], 3, "without a `recv` before");
    alice.must(&["group", "leave", "rust"]);
    let left = format!("{} left; {} is the admin now", alice.name, bob.name);
    for member in [bob, carol] {
        assert_eq!(of_kind(&member.json(&["recv"]), "left"), [left.as_str()]);
    }
    assert_eq!(text(&bob.json(&["group", "list"])[0], "admin"), bob.name);

    bob.must(&["group", "close", "rust"]);
    let closed = |arguments: &[&str]| carol.fails(arguments, 12).stderr;
    let [joining, sending] = [closed(&["group", "join", "rust"]), closed(&["send", "#rust", "hi"])];
    for told in [joining, sending] {
        assert!(told.contains("this group was closed"), "{told}");
    }
}

/// A script that gives the file needs no command for signing in, and one that does not is told.
#[test]
fn who_gives_a_file_with_the_password_is_signed_in_to_send() {
    let cluster = Cluster::start(1, &[]);
    let people = Person::signed_up(&cluster, &[1, 1]);
    let (alice, bob) = (&people[0], &people[1]);
    alice.must(&["signout"]);
    alice.fails(&["send", &bob.name, "not yet"], 11);
    let file = alice.data().with_extension("password");
    let send = |password: &str, text: &str| {
        fs::write(&file, password).expect("writes");
        let path = file.to_str().expect("plain");
        alice.run(&["--password-file", path, "send", &bob.name, text])
    };
    assert_eq!(send("wrong horse", "lost").code(), 6);
    for text in ["signs in", "is signed in"] {
        let sent = send(&alice.password, text);
        assert_eq!(sent.code(), 0, "{sent:?}");
    }
    assert_eq!(of_kind(&bob.json(&["recv"]), "text"), ["signs in", "is signed in"]);
}
