//! One server is down: whoever has another home notices nothing.

use tests::cluster::Cluster;
use tests::person::{Person, text};

/// What `recv` shows of texts in the group, each with whether it was verified.
fn texts(person: &Person, group: &str) -> Vec<(String, bool)> {
    let lines = person.json(&["recv"]);
    let of_group = lines.iter().filter(|line| text(line, "log") == group);
    let of_group = of_group.filter(|line| text(line, "kind") == "text");
    of_group.map(|line| (text(line, "text"), line["verified"] == true)).collect()
}

fn verified(words: &[&str]) -> Vec<(String, bool)> {
    words.iter().map(|word| ((*word).to_owned(), true)).collect()
}

#[test]
fn machines_that_never_saw_a_member_read_and_post_while_its_home_is_down() {
    let cluster = Cluster::start(3, &[]);
    let names = cluster.names_at(&[1, 2, 3, 2]);
    let person = |name: &String| Person::new(&cluster, name, "correct horse");
    let people: Vec<Person> = names.iter().map(person).collect();
    std::thread::scope(|scope| {
        for person in &people {
            scope.spawn(|| person.must(&["signup"]));
        }
    });
    let [alice, bob, carol, dave] = people.as_slice() else { panic!("four") };
    let group = format!("#{}", cluster.group_at(1));
    carol.must(&["group", "create", &group]);
    alice.must(&["group", "join", &group]);
    bob.must(&["group", "join", &group]);
    carol.must(&["send", &group, "from carol"]);
    carol.must(&["send", &bob.name, "for bob alone"]);

    cluster.take_down("server-3");
    let machine = Person::new(&cluster, &bob.name, "correct horse");
    machine.must(&["signin"]);
    let lines = machine.json(&["recv"]);
    let shown = lines.iter().filter(|line| text(line, "kind") == "text");
    let mut shown: Vec<_> =
        shown.map(|line| (text(line, "text"), line["verified"] == true)).collect();
    shown.sort();
    assert_eq!(shown, verified(&["for bob alone", "from carol"]), "{lines:?}");
    machine.must(&["send", &group, "from bob"]);
    dave.must(&["group", "join", &group]);
    dave.must(&["send", &group, "from dave"]);
    assert_eq!(texts(alice, &group), verified(&["from carol", "from bob", "from dave"]));

    cluster.bring_back("server-3");
    let granted = carol.json(&["recv", "--wait", "30", "--count", "7"]);
    let texts: Vec<String> = granted
        .iter()
        .filter(|line| text(line, "kind") == "text")
        .map(|line| text(line, "text"))
        .collect();
    assert!(texts.ends_with(&["from bob".to_owned(), "from dave".to_owned()]), "{granted:?}");
}
