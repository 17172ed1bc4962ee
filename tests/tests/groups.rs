//! Groups on real servers: made, joined, left and changed; each refusal its own; read in one order.

use tests::cluster::Cluster;
use tests::person::{Person, text};

const GROUP_PASSWORD: &str = "FASTCHAT_GROUP_PASSWORD";

/// The error of a failed command, as a script reads it.
fn error(person: &Person, arguments: &[&str], code: i32) -> String {
    let finished = person.fails(&[arguments, &["--json"]].concat(), code);
    let line = finished.stderr.lines().last().expect("an error has a line");
    text(&serde_json::from_str(line).expect("the error is JSON"), "error")
}

/// Who is in the group, as `person` verifies it: name and role.
fn members(person: &Person, group: &str) -> Vec<(String, String)> {
    let lines = person.json(&["group", "members", group]);
    lines.iter().map(|line| (text(line, "user"), text(line, "role"))).collect()
}

fn groups(person: &Person) -> Vec<String> {
    person.json(&["group", "list"]).iter().map(|line| text(line, "group")).collect()
}

#[test]
fn a_group_is_made_joined_handed_over_left_and_closed_over_three_servers() {
    let cluster = Cluster::start(3, &[]);
    let people = Person::signed_up(&cluster, &[1, 2, 3]);
    let [alice, bob, carol] = [&people[0], &people[1], &people[2]];
    let created = &alice.json(&["group", "create", "rust"])[0];
    assert_eq!(
        (text(created, "status"), text(created, "group")),
        ("created".into(), "#rust".into())
    );
    bob.must(&["group", "join", "rust"]);
    carol.must(&["group", "join", "#rust"]);
    let role = |person: &Person, role: &str| (person.name.clone(), role.to_owned());
    let mut expected = vec![role(alice, "admin"), role(bob, "member"), role(carol, "member")];
    expected.sort();
    for person in &people {
        assert_eq!(members(person, "rust"), expected, "as {} sees it", person.name);
    }
    alice.must(&["group", "hand-over", "rust", &bob.name]);
    carol.must(&["group", "leave", "rust"]);
    let mut expected = vec![role(alice, "member"), role(bob, "admin")];
    expected.sort();
    assert_eq!(members(alice, "rust"), expected);
    assert!(groups(carol).is_empty());

    let machine = Person::new(&cluster, &alice.name, "correct horse");
    machine.must(&["signin"]);
    let found = &machine.json(&["group", "list"])[0];
    assert_eq!((text(found, "group"), text(found, "admin")), ("#rust".into(), bob.name.clone()));
    assert_eq!(found["members"], 2);
    bob.must(&["group", "close", "rust"]);
    assert!(groups(bob).is_empty());
}

#[test]
fn each_refusal_of_a_group_is_its_own() {
    let cluster = Cluster::start(3, &[]);
    let people = Person::signed_up(&cluster, &[1, 2, 3]);
    let [alice, bob, carol] = [&people[0], &people[1], &people[2]];
    assert_eq!(error(bob, &["group", "join", "nowhere"], 12), "no-such-group");
    assert_eq!(error(bob, &["send", "#nowhere", "hello?"], 12), "no-such-group");
    alice.must(&["group", "create", "rust"]);
    assert_eq!(error(bob, &["group", "create", "rust"], 13), "group-name-taken");
    assert_eq!(error(bob, &["send", "#rust", "hello?"], 15), "not-a-member");
    assert_eq!(error(bob, &["group", "members", "rust"], 15), "not-a-member");
    bob.must(&["group", "join", "rust"]);
    let remove = ["group", "remove", "rust", &alice.name];
    assert_eq!(error(bob, &remove, 16), "not-an-admin");
    let nobody = ["group", "invite", "rust", "nobody"];
    assert_eq!(error(alice, &nobody, 7), "no-such-user");
    let stranger = ["group", "hand-over", "rust", &carol.name];
    assert_eq!(error(alice, &stranger, 15), "not-a-member");

    alice.must(&["group", "remove", "rust", &bob.name]);
    assert_eq!(error(bob, &["send", "#rust", "still here?"], 19), "removed");
    assert_eq!(error(bob, &["group", "join", "rust"], 19), "removed");
    alice.must(&["group", "invite", "rust", &bob.name]);
    bob.must(&["group", "join", "rust"]);

    alice.must(&["group", "create", "club", "--invite-only"]);
    assert_eq!(error(carol, &["group", "join", "club"], 15), "not-a-member");
    alice.must(&["group", "invite", "club", &carol.name]);
    carol.must(&["group", "join", "club"]);
}

#[test]
fn a_group_password_is_proven_and_guessing_it_is_slowed_down() {
    let cluster = Cluster::start(2, &[]);
    let mut people = Person::signed_up(&cluster, &[1, 2]);
    people[0].set(GROUP_PASSWORD, "open sesame");
    people[0].must(&["group", "create", "cave"]);
    assert_eq!(error(&people[1], &["group", "join", "cave"], 14), "wrong-group-password");
    let file = people[1].home().join("guess");
    std::fs::write(&file, "open barley\n").expect("written");
    let path = file.display().to_string();
    let guess = ["group", "join", "cave", "--group-password-file", &path];
    assert_eq!(error(&people[1], &guess, 14), "wrong-group-password");
    std::fs::write(&file, "open sesame\n").expect("written");
    people[1].must(&guess);
    assert_eq!(members(&people[0], "cave").len(), 2);
    let both = ["group", "create", "other", "--invite-only"];
    assert_eq!(error(&people[0], &both, 1), "usage");
}

/// What `recv` shows of the group, as kind and text.
fn shown(person: &Person) -> Vec<(String, String)> {
    let lines = person.json(&["recv"]);
    let of_group = lines.iter().filter(|line| text(line, "log") == "#rust");
    of_group.map(|line| (text(line, "kind"), text(line, "text"))).collect()
}

#[test]
fn posts_and_changes_are_read_in_one_order_by_members_of_every_server() {
    let cluster = Cluster::start(3, &[]);
    let people = Person::signed_up(&cluster, &[1, 2, 3]);
    let [alice, bob, carol] = [&people[0], &people[1], &people[2]];
    alice.must(&["group", "create", "rust"]);
    bob.must(&["group", "join", "rust"]);
    let sent = &alice.json(&["send", "#rust", "hello bob"])[0];
    assert_eq!((text(sent, "status"), text(sent, "log")), ("accepted".into(), "#rust".into()));
    carol.must(&["group", "join", "rust"]);
    bob.must(&["send", "#rust", "hello both"]);

    let line = |kind: &str, text: String| (kind.to_owned(), text);
    let both = line("text", "hello both".to_owned());
    let joined = line("joined", format!("{} joined", carol.name));
    assert_eq!(shown(carol), [joined.clone(), both.clone()], "she sees what follows her joining");
    let of_bob = shown(bob);
    assert_eq!(of_bob[0], line("joined", format!("{} joined", bob.name)));
    assert_eq!(of_bob[1..], [line("text", "hello bob".to_owned()), joined, both]);
    let of_alice = shown(alice);
    assert_eq!(of_alice[1..], of_bob, "everybody sees the same order");

    alice.must(&["group", "remove", "rust", &bob.name]);
    alice.must(&["send", "#rust", "among us two"]);
    assert!(bob.json(&["recv"]).iter().all(|line| text(line, "text") != "among us two"));
    let of_carol = shown(carol);
    assert_eq!(of_carol[0], line("removed", format!("{} removed {}", alice.name, bob.name)));
    assert_eq!(of_carol[1], line("text", "among us two".to_owned()));

    let machine = Person::new(&cluster, &carol.name, "correct horse");
    alice.must(&["send", "#rust", "to the new machine"]);
    machine.must(&["signin"]);
    assert_eq!(shown(&machine), [line("text", "to the new machine".to_owned())]);
}

#[test]
fn who_is_removed_while_away_reads_what_was_before_and_hears_of_it() {
    let cluster = Cluster::start(3, &[]);
    let people = Person::signed_up(&cluster, &[1, 2, 3]);
    let [alice, bob, carol] = [&people[0], &people[1], &people[2]];
    alice.must(&["group", "create", "rust"]);
    bob.must(&["group", "join", "rust"]);
    carol.must(&["group", "join", "rust"]);
    bob.must(&["recv"]);
    alice.must(&["send", "#rust", "one"]);
    carol.must(&["send", "#rust", "two"]);
    alice.must(&["group", "remove", "rust", &bob.name]);
    alice.must(&["send", "#rust", "among us two"]);
    carol.must(&["send", "#rust", "he cannot read this"]);

    let removal = format!("{} removed you from #rust", alice.name);
    let line = |kind: &str, text: &str| (kind.to_owned(), text.to_owned());
    let expected = [line("text", "one"), line("text", "two"), line("removed", &removal)];
    assert_eq!(shown(bob), expected);
    assert_eq!(shown(bob), [], "once, and nothing after it");
    assert!(groups(bob).is_empty());
    assert_eq!(error(bob, &["send", "#rust", "still here?"], 19), "removed");
    assert_eq!(error(bob, &["group", "members", "rust"], 19), "removed");

    alice.must(&["group", "invite", "rust", &bob.name]);
    bob.must(&["group", "join", "rust"]);
    carol.must(&["send", "#rust", "three"]);
    alice.must(&["group", "remove", "rust", &bob.name]);
    alice.must(&["group", "invite", "rust", &bob.name]);
    alice.must(&["send", "#rust", "while he was out"]);
    bob.must(&["group", "join", "rust"]);
    carol.must(&["send", "#rust", "four"]);
    let joined = format!("{} joined", bob.name);
    let expected = [
        line("joined", &joined),
        // What she has said while he was out is not called missing.
        line("text", "three"),
        line("removed", &removal),
        line("joined", &joined),
        line("text", "four"),
    ];
    assert_eq!(shown(bob), expected, "of both memberships, and nothing in between");
    assert_eq!(groups(bob), ["#rust"]);
}

#[test]
fn who_leaves_or_is_in_a_group_that_is_closed_reads_what_was_before() {
    let cluster = Cluster::start(3, &[]);
    let people = Person::signed_up(&cluster, &[1, 2, 3]);
    let [alice, bob, carol] = [&people[0], &people[1], &people[2]];
    alice.must(&["group", "create", "rust"]);
    bob.must(&["group", "join", "rust"]);
    carol.must(&["group", "join", "rust"]);
    for person in [bob, carol] {
        person.must(&["recv"]);
    }
    alice.must(&["send", "#rust", "one"]);
    bob.must(&["group", "leave", "rust"]);
    alice.must(&["send", "#rust", "two"]);
    alice.must(&["group", "close", "rust"]);

    let line = |kind: &str, text: &str| (kind.to_owned(), text.to_owned());
    let left = line("left", &format!("{} left", bob.name));
    assert_eq!(error(carol, &["send", "#rust", "too late"], 12), "no-such-group");
    let closed = line("closed", &format!("{} closed #rust", alice.name));
    assert_eq!(shown(bob), [line("text", "one"), left.clone()]);
    assert_eq!(shown(carol), [line("text", "one"), left, line("text", "two"), closed]);
    for person in [bob, carol] {
        assert_eq!(shown(person), []);
        assert!(groups(person).is_empty());
    }
}
