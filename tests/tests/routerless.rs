//! The only router is killed: who is there stays, who was there before comes back by what it knows,
//! and the router that returns counts them all.

use std::fs;

use tests::apart::Apart;
use tests::cluster::names_at;
use tests::person::Person;

const PASSWORD: &str = "correct horse";

fn machine(cluster: &Apart, folder: &str, name: &str) -> Person {
    let home = cluster.folder().join(folder);
    fs::create_dir(&home).expect("the folder can be written");
    Person::at(&home, cluster.environment(), name, PASSWORD)
}

#[test]
fn without_its_only_router_a_cluster_goes_on() {
    let mut cluster = Apart::start(3);
    // All are at home on one server.
    let names = names_at(&cluster.map(), &[1; 6]);
    let people: Vec<Person> = names.iter().map(|name| machine(&cluster, name, name)).collect();
    std::thread::scope(|scope| {
        for person in &people {
            scope.spawn(|| person.must(&["signup"]));
        }
    });
    let [alice, bob, carol, dave, erin, frank] = people.as_slice() else { panic!("six") };
    carol.must(&["signout"]);
    let menu = |person: &Person| {
        let mut menu = person.terminal(&[]);
        menu.expect("quit");
        menu
    };
    let (mut first, mut second) = (menu(alice), menu(bob));
    alice.must(&["send", &bob.name, "before"]);
    second.expect("before");
    bob.must(&["send", &alice.name, "before"]);
    first.expect("before");

    cluster.kill_router();
    alice.must(&["send", &bob.name, "from alice"]);
    second.expect("from alice");
    bob.must(&["send", &alice.name, "from bob"]);
    first.expect("from bob");

    carol.must(&["signin"]);
    carol.must(&["send", &alice.name, "from carol"]);
    first.expect("from carol");
    let mut others = [carol, dave, erin].map(menu);
    dave.must(&["send", &carol.name, "from dave"]);
    others[0].expect("from dave");
    erin.must(&["send", &dave.name, "from erin"]);
    others[1].expect("from erin");
    dave.must(&["send", &erin.name, "to erin"]);
    others[2].expect("to erin");

    let fresh = machine(&cluster, "fresh", &frank.name);
    let refused = fresh.fails(&["signin"], 3);
    assert!(refused.stderr.contains("--router"), "it is told what to do: {refused:?}");

    let lines = cluster.return_router();
    fresh.must(&["signin"]);
    // Five sessions and this one on three servers: a cap of three. At home there are three whom no
    // router has placed.
    let placed = lines.wait_for("seat=");
    assert!(placed.contains("home=server-1") && !placed.contains("seat=server-1"), "{placed}");
    fresh.must(&["send", &bob.name, "after"]);
    second.expect("after");
}
