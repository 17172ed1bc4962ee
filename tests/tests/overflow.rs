//! When a home is at its cap, the next user is seated elsewhere and everything still works.

use tests::cluster::Cluster;
use tests::person::Person;

#[test]
fn users_overflow_to_other_seats_and_the_fourth_hears_unavailable() {
    let cluster = Cluster::start(3, &["--sessions-max", "1"]);
    // All four are at home on one server: only one of them can sit there.
    let names = cluster.names_at(&[1, 1, 1, 1]);
    let people: Vec<Person> =
        names.iter().map(|name| Person::new(&cluster, name, "correct horse")).collect();
    for person in &people {
        person.must(&["signup"]);
    }
    let [alice, bob, carol, dave] = people.as_slice() else { panic!("four names were asked for") };
    let mut menus = [alice, bob, carol].map(|person| {
        let mut menu = person.terminal(&[]);
        menu.expect("quit");
        menu
    });
    alice.must(&["send", &bob.name, "from alice"]);
    menus[1].expect("from alice");
    bob.must(&["send", &carol.name, "from bob"]);
    menus[2].expect("from bob");
    carol.must(&["send", &alice.name, "from carol"]);
    menus[0].expect("from carol");

    let refused = dave.fails(&["recv"], 3);
    assert!(!refused.stderr.is_empty(), "the fourth is told why");
    carol.must(&["send", &dave.name, "for later"]);

    drop(menus);
    assert_eq!(dave.receive(30, 1), ["for later"]);
}
