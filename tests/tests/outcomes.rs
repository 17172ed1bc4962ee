//! Sign-up and sign-in: each outcome has its own exit status and its own line.

use tests::cluster::Cluster;
use tests::person::{Person, text};

/// The error line of a failed command, as a script reads it.
fn error(person: &Person, arguments: &[&str], code: i32) -> String {
    let finished = person.fails(&[arguments, &["--json"]].concat(), code);
    let line = finished.stderr.lines().last().expect("an error has a line");
    text(&serde_json::from_str(line).expect("the error is JSON"), "error")
}

#[test]
fn each_outcome_is_its_own() {
    let cluster = Cluster::start(3, &[]);
    let alice = Person::new(&cluster, "alice", "correct horse");
    let signed_up = alice.must(&["signup"]);

    let impostor = Person::new(&cluster, "alice", "battery staple");
    assert_eq!(error(&impostor, &["signup"], 8), "username-taken");
    let wrong = impostor.fails(&["signin"], 6);
    assert_eq!(error(&impostor, &["signin"], 6), "incorrect-password");
    let nobody = Person::new(&cluster, "nobody", "anything");
    let unknown = nobody.fails(&["signin"], 7);
    assert_eq!(error(&nobody, &["signin"], 7), "no-such-user");

    let second = Person::new(&cluster, "alice", "correct horse");
    let mut menu = alice.terminal(&[]);
    menu.expect("alice");
    let elsewhere = second.fails(&["signin"], 9);
    assert_eq!(error(&second, &["signin"], 9), "already-logged-in");
    let taken_over = second.must(&["signin", "--takeover"]);
    menu.expect("another");
    drop(menu);
    assert_eq!(error(&alice, &["recv"], 11), "signed-out");

    let lines = [signed_up, wrong, unknown, elsewhere, taken_over].map(|f| f.stdout + &f.stderr);
    for (at, line) in lines.iter().enumerate() {
        assert!(!lines[..at].contains(line), "two outcomes share the words {line:?}");
    }
}

#[test]
fn a_detached_session_never_blocks_another_machine() {
    let cluster = Cluster::start(3, &[]);
    let first = Person::new(&cluster, "alice", "correct horse");
    first.must(&["signup"]);
    let second = Person::new(&cluster, "alice", "correct horse");
    second.must(&["signin"]);
    assert_eq!(error(&first, &["recv"], 11), "signed-out");
    first.must(&["signin"]);
    first.must(&["recv"]);
}

#[test]
fn signing_out_ends_the_stored_session() {
    let cluster = Cluster::start(1, &[]);
    let alice = Person::new(&cluster, "alice", "correct horse");
    alice.must(&["signup"]);
    alice.must(&["signout"]);
    assert_eq!(error(&alice, &["recv"], 11), "signed-out");
}

#[test]
fn guessing_is_slowed_down() {
    let cluster = Cluster::start(1, &[]);
    Person::new(&cluster, "alice", "correct horse").must(&["signup"]);
    let thief = Person::new(&cluster, "alice", "wrong horse");
    let guesses = wire::limits::GUESSES_BURST + 1;
    let codes: Vec<i32> = (0..guesses).map(|_| thief.run(&["signin"]).code()).collect();
    assert_eq!(codes.last(), Some(&5), "the last of {guesses} guesses is refused: {codes:?}");
}

#[test]
fn without_a_cluster_the_user_hears_unavailable_and_what_to_do() {
    let mut cluster = Cluster::start(1, &[]);
    let alice = Person::new(&cluster, "alice", "correct horse");
    cluster.stop();
    assert_eq!(error(&alice, &["signup"], 3), "unavailable");
}

#[test]
fn bad_names_and_missing_settings_are_usage_errors() {
    let cluster = Cluster::start(1, &[]);
    let bad = Person::new(&cluster, "9lives", "correct horse");
    assert_eq!(error(&bad, &["signup"], 1), "usage");
    let mut bare = std::process::Command::new(tests::programs::program("fastchat"));
    bare.env_clear().env("HOME", bad.home()).arg("whoami");
    let finished = tests::programs::run(&mut bare, "").expect("it ends");
    assert_eq!(finished.code(), 1, "{finished:?}");
    assert!(finished.stderr.contains("--user") || finished.stderr.contains("--router"));
}
