//! Messages between people on real servers: live, waiting, after a crash, from another machine.

use tests::cluster::Cluster;
use tests::person::{Person, text};

#[test]
fn users_of_different_homes_write_to_each_other() {
    let cluster = Cluster::start(3, &[]);
    let people = Person::signed_up(&cluster, &[1, 2]);
    let (alice, bob) = (&people[0], &people[1]);
    let sent = alice.json(&["send", &bob.name, "hello over there"]);
    assert_eq!(text(&sent[0], "status"), "accepted");
    assert_eq!(sent[0]["number"], 1);

    let received = bob.json(&["recv"]);
    assert_eq!(received.len(), 1, "{received:?}");
    assert_eq!(text(&received[0], "from"), alice.name);
    assert_eq!(text(&received[0], "text"), "hello over there");
    assert_eq!(text(&received[0], "log"), format!("@{}", bob.name));
    assert_eq!(received[0]["verified"], true);
    assert_eq!(received[0]["seq"], sent[0]["seq"]);
    assert!(bob.json(&["recv"]).is_empty(), "what was shown does not come again");

    bob.must(&["send", &alice.name, "hello back"]);
    assert_eq!(alice.receive(30, 1), ["hello back"]);
}

#[test]
fn what_waits_is_opened_on_a_new_machine() {
    let cluster = Cluster::start(3, &[]);
    let people = Person::signed_up(&cluster, &[1, 3]);
    let (alice, bob) = (&people[0], &people[1]);
    for word in ["one", "two", "three"] {
        alice.must(&["send", &bob.name, word]);
    }
    let machine = Person::new(&cluster, &bob.name, "correct horse");
    machine.must(&["signin"]);
    let received = machine.json(&["recv"]);
    let texts: Vec<String> = received.iter().map(|message| text(message, "text")).collect();
    assert_eq!(texts, ["one", "two", "three"]);
    assert!(received.iter().all(|message| message["verified"] == true), "{received:?}");
}

#[test]
fn an_accepted_message_survives_a_kill_and_arrives_once() {
    let mut cluster = Cluster::start(3, &[]);
    let people = Person::signed_up(&cluster, &[1, 2]);
    let (alice, bob) = (&people[0], &people[1]);
    for round in 0..3 {
        let words = format!("round {round}");
        alice.must(&["send", &bob.name, &words]);
        cluster.kill("server-2");
        cluster.stderr().wait_for("server-2");
        assert_eq!(bob.receive(30, 1), [words]);
        assert!(bob.json(&["recv"]).is_empty(), "it arrives once");
    }
}

#[test]
fn a_post_to_a_dead_home_waits_in_the_outbox_and_arrives() {
    let cluster = Cluster::start(2, &[]);
    let people = Person::signed_up(&cluster, &[1, 2]);
    let (alice, bob) = (&people[0], &people[1]);
    alice.must(&["send", &bob.name, "before"]);
    cluster.kill("server-2");
    let finished = alice.run(&["send", "--wait", "45", &bob.name, "during"]);
    assert_eq!(finished.code(), 0, "{finished:?}");
    assert_eq!(bob.receive(30, 2), ["before", "during"]);
}

#[test]
fn a_whole_cluster_restarts_on_its_data_and_sessions_resume_without_a_password() {
    let mut cluster = Cluster::start(3, &[]);
    let people = Person::signed_up(&cluster, &[1, 2]);
    let (alice, bob) = (&people[0], &people[1]);
    alice.must(&["send", &bob.name, "sleep well"]);
    cluster.restart();
    let received = tests::programs::run(
        bob.command(&["recv", "--wait", "30", "--count", "1"]).env_remove("FASTCHAT_PASSWORD"),
        "",
    );
    let received = received.expect("it ends");
    assert_eq!(received.code(), 0, "{received:?}");
    assert!(received.stdout.contains("sleep well"), "{received:?}");
}

#[test]
fn peeking_leaves_messages_in_place_and_count_leaves_the_rest() {
    let cluster = Cluster::start(1, &[]);
    let people = Person::signed_up(&cluster, &[1, 1]);
    let (alice, bob) = (&people[0], &people[1]);
    for word in ["one", "two", "three"] {
        alice.must(&["send", &bob.name, word]);
    }
    assert_eq!(bob.json(&["recv", "--peek"]).len(), 3);
    let machine = Person::new(&cluster, &bob.name, "correct horse");
    machine.must(&["signin"]);
    assert_eq!(machine.json(&["recv", "--peek"]).len(), 3, "peeking acknowledged nothing");
    assert_eq!(machine.receive(10, 1), ["one"]);
    assert_eq!(machine.receive(10, 2), ["two", "three"]);
}

#[test]
fn several_processes_share_one_machine() {
    let cluster = Cluster::start(2, &[]);
    let people = Person::signed_up(&cluster, &[1, 2]);
    let (alice, bob) = (&people[0], &people[1]);
    let mut menu = alice.terminal(&[]);
    menu.expect("quit");
    let sends: Vec<_> = (0..4).map(|n| format!("message {n}")).collect();
    std::thread::scope(|scope| {
        for words in &sends {
            scope.spawn(|| alice.must(&["send", &bob.name, words]));
        }
    });
    let mut received = bob.receive(30, 4);
    received.sort();
    assert_eq!(received, sends);
    bob.must(&["send", &alice.name, "shown in the menu"]);
    menu.expect("shown in the menu");
}

#[test]
fn a_message_to_nobody_is_refused_and_a_long_one_named() {
    let cluster = Cluster::start(1, &[]);
    let alice = Person::new(&cluster, "alice", "correct horse");
    alice.must(&["signup"]);
    alice.fails(&["send", "nobody", "hello?"], 7);
    let long = "x".repeat(1024 * 1024);
    let finished = tests::programs::run(&mut alice.command(&["send", "alice", "-"]), &long);
    assert_eq!(finished.expect("it ends").code(), 1);
}

#[test]
fn contacts_are_verified_by_the_same_number_on_both_sides() {
    let cluster = Cluster::start(2, &[]);
    let people = Person::signed_up(&cluster, &[1, 2]);
    let (alice, bob) = (&people[0], &people[1]);
    alice.must(&["send", &bob.name, "compare numbers?"]);
    assert_eq!(bob.receive(30, 1).len(), 1);
    let number = |person: &Person, other: &Person| {
        person.json(&["verify", &other.name])[0]["safety_number"].clone()
    };
    let seen = number(alice, bob);
    assert!(seen.is_string(), "{seen}");
    assert_eq!(seen, number(bob, alice));
    alice.must(&["verify", &bob.name, "--ok"]);
    assert_eq!(alice.json(&["contacts"])[0]["verified"], true);
}
