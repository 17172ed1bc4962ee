//! The menu in a real terminal: what arrives is shown, and what is being typed stays.

use tests::cluster::Cluster;
use tests::person::Person;

#[test]
fn a_message_that_arrives_leaves_the_line_being_typed() {
    let cluster = Cluster::start(2, &[]);
    let [alice, bob] = ["alice", "bob"].map(|name| {
        let person = Person::new(&cluster, name, "correct horse");
        person.must(&["signup"]);
        person
    });
    let mut menu = alice.terminal(&[]);
    menu.expect("alice>");
    menu.type_line("1");
    menu.expect("To:");
    menu.type_line("bob");
    menu.expect("Message to bob:");
    menu.type_text("half a sen");
    menu.expect("half a sen");

    bob.must(&["send", "alice", "knock knock"]);
    menu.expect("knock knock");
    menu.expect("half a sen");
    let rows = menu.rows();
    assert!(rows.last().is_some_and(|row| row.ends_with("half a sen")), "{rows:#?}");

    menu.type_line("tence");
    menu.expect("accepted");
    assert_eq!(bob.receive(30, 1), ["half a sentence"]);
    menu.expect("read: your messages to bob");
    menu.type_line("q");
    assert_eq!(menu.end(), 0);
}

#[test]
fn a_group_is_made_joined_and_talked_in_from_the_menu() {
    let cluster = Cluster::start(2, &[]);
    let [alice, bob] = ["alice", "bob"].map(|name| {
        let person = Person::new(&cluster, name, "correct horse");
        person.must(&["signup"]);
        person
    });
    let mut hers = alice.terminal(&[]);
    hers.expect("alice>");
    for (line, next) in
        [("3", "Groups:"), ("1", "Name of the new group:"), ("rust", "Who may join?")]
    {
        hers.type_line(line);
        hers.expect(next);
    }
    hers.type_line("1");
    hers.expect("created #rust");

    let mut his = bob.terminal(&[]);
    his.expect("bob>");
    for (line, next) in [("3", "Groups:"), ("2", "Group:"), ("rust", "joined #rust")] {
        his.type_line(line);
        his.expect(next);
    }
    hers.expect("bob joined");
    his.type_line("#rust good morning");
    hers.expect("good morning");
    hers.type_line("2");
    hers.expect("To group:");
    hers.type_line("rust");
    hers.expect("Message to #rust:");
    hers.type_line("good morning to you");
    his.expect("good morning to you");
    for line in ["3", "4", "rust"] {
        his.type_line(line);
    }
    his.expect("(admin)");
    for mut menu in [hers, his] {
        menu.type_line("q");
        assert_eq!(menu.end(), 0);
    }
}
