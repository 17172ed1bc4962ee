//! When a home is at its cap, the next user is seated elsewhere and everything still works.

use tests::cluster::Cluster;
use tests::person::Person;

#[test]
fn users_overflow_to_other_seats_and_the_fourth_hears_unavailable() {
    let cluster = Cluster::start(3, &["--sessions-max", "1"]);
    let people = ["alice", "bob", "carol", "dave"].map(|name| {
        let person = Person::new(&cluster, name, "correct horse");
        person.must(&["signup"]);
        person
    });
    let [alice, bob, carol, dave] = &people;
    let mut menus = [alice, bob, carol].map(|person| {
        let mut menu = person.terminal(&[]);
        menu.expect("quit");
        menu
    });
    alice.must(&["send", "bob", "from alice"]);
    menus[1].expect("from alice");
    bob.must(&["send", "carol", "from bob"]);
    menus[2].expect("from bob");
    carol.must(&["send", "alice", "from carol"]);
    menus[0].expect("from carol");

    let refused = dave.fails(&["recv"], 3);
    assert!(!refused.stderr.is_empty(), "the fourth is told why");
    carol.must(&["send", "dave", "for later"]);

    drop(menus);
    assert_eq!(dave.receive(30, 1), ["for later"]);
}
