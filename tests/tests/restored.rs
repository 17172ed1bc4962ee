//! A home that is backed up while its people write, lost, and put back: by the programs, as an
//! operator and its people use them.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::thread;

use serde_json::Value;
use tests::cluster::Cluster;
use tests::person::{Person, text};
use tests::programs::{Finished, program, run};

/// Messages that are accepted before the backup is asked for.
const BEFORE: usize = 3;

fn server(words: &[&str]) -> Finished {
    run(Command::new(program("fastchat-server")).args(words), "").expect("it ends")
}

fn word(path: &Path) -> &str {
    path.to_str().expect("the path is UTF-8")
}

fn texts(messages: &[Value], log: &str) -> Vec<String> {
    let of_log = messages.iter().filter(|message| text(message, "log") == log);
    let shown = of_log.filter(|message| text(message, "kind") == "text");
    shown.map(|message| text(message, "text")).collect()
}

/// What groups tell comes between.
fn hears(person: &Person, text: &str) {
    let heard = (0..8).any(|_| person.receive(30, 1).iter().any(|heard| heard == text));
    assert!(heard, "{} does not hear {text:?}", person.name);
}

/// Bob writes to Alice without a pause, and the backup is made meanwhile; how many were accepted.
fn back_up_under_load(bob: &Person, alice: &str, store: &Path, to: &Path) -> usize {
    let (tell, accepted) = mpsc::channel();
    let (stop, stopped) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            for count in 0.. {
                if stopped.try_recv() != Err(mpsc::TryRecvError::Empty) {
                    return;
                }
                bob.must(&["send", alice, &format!("load {count}")]);
                tell.send(count).expect("it is counted");
            }
        });
        for _ in 0..BEFORE {
            accepted.recv().expect("it goes on");
        }
        let made = server(&["backup", "--store", word(store), "--to", word(to)]);
        assert_eq!(made.code(), 0, "{made:?}");
        let again = server(&["backup", "--store", word(store), "--to", word(to)]);
        assert!(again.code() == 1 && again.stderr.contains("is there already"), "{again:?}");
        drop(stop);
    });
    accepted.iter().count() + BEFORE
}

/// The operator finds the store lost, and puts the backup back in its place.
fn put_back(cluster: &mut Cluster, backup: &Path) -> Finished {
    let store = cluster.store("server-1");
    let served = server(&["restore", "--from", word(backup), "--store", word(&store)]);
    assert!(served.code() == 1 && served.stderr.contains("stop it first"), "{served:?}");
    cluster.take_down("server-1");
    cluster.stderr().wait_for("server-1");
    let away = cluster.directory().join("server-1.away/store");
    let restore = ["restore", "--from", word(backup), "--store", word(&away)];
    let there = server(&restore);
    assert!(there.code() == 1 && there.stderr.contains("mv "), "{there:?}");
    fs::rename(&away, away.with_file_name("store.old")).expect("it is moved away");
    let mut done = server(&restore);
    // The watermark is written once a second: it need not tell of more than the backup yet.
    if done.code() != 0 {
        assert!(done.code() == 1 && done.stderr.contains("--accept-loss"), "{done:?}");
        assert!(!away.exists(), "a refusal puts nothing back");
        done = server(&[&restore[..], &["--accept-loss"]].concat());
    }
    assert_eq!(done.code(), 0, "{done:?}");
    cluster.bring_back("server-1");
    done
}

#[test]
fn a_home_is_backed_up_under_load_lost_and_put_back() {
    let mut cluster = Cluster::start(2, &[]);
    let people = Person::signed_up(&cluster, &[1, 2, 1]);
    let [alice, bob, carol] = [&people[0], &people[1], &people[2]];
    let (mailbox, group) = (format!("@{}", alice.name), format!("#{}", cluster.group_at(1)));
    alice.must(&["group", "create", &group]);
    bob.must(&["group", "join", &group]);
    alice.must(&["send", &group, "to all, before"]);
    let shelf = tempfile::tempdir().expect("a temporary folder");
    let backup = shelf.path().join("backup");
    let sent = back_up_under_load(bob, &alice.name, &cluster.store("server-1"), &backup);
    assert_eq!(server(&["verify", "--from", word(&backup)]).code(), 0);

    // All of this is forgotten at server 1; what server 2 and the clients know of it is not.
    carol.must(&["group", "join", &group]);
    for count in 0..4 {
        alice.must(&["send", &bob.name, &format!("kept {count}")]);
        bob.must(&["send", &alice.name, &format!("lost {count}")]);
    }
    let done = put_back(&mut cluster, &backup);
    assert!(done.stderr.contains("is not in it"), "{done:?}");

    alice.fails(&["recv", "--wait", "30"], 11);
    alice.must(&["signin"]);
    let shown = alice.json(&["recv", "--wait", "5"]);
    let mut all: Vec<String> = (0..sent).map(|count| format!("load {count}")).collect();
    let found = texts(&shown, &mailbox);
    assert!(found.len() >= BEFORE && all.starts_with(&found), "{found:?} of {sent}");
    assert_eq!(texts(&shown, &group), ["to all, before"]);

    alice.must(&["send", "--wait", "30", &bob.name, "after"]);
    all = (0..4).map(|count| format!("kept {count}")).collect();
    all.push("after".to_owned());
    let mut shown = Vec::new();
    // What the group tells comes between, and counts.
    for _ in 0..4 * all.len() {
        if !all.iter().all(|text| shown.contains(text)) {
            shown.extend(bob.receive(30, 1));
        }
    }
    assert!(all.iter().all(|text| shown.contains(text)), "{shown:?}");
    let accepted = &bob.json(&["send", "--wait", "30", &alice.name, "after"])[0];
    let number = u64::try_from(sent + 5).expect("few");
    assert_eq!(
        (&accepted["number"], text(accepted, "status")),
        (&number.into(), "accepted".into())
    );
    let shown = alice.json(&["recv", "--wait", "30", "--count", "1"]);
    assert!(shown.iter().any(|message| text(message, "kind") == "missing"), "{shown:?}");
    assert_eq!(texts(&shown, &mailbox), ["after"]);

    carol.must(&["signin"]);
    carol.fails(&["send", &group, "she has not joined yet"], 15);
    carol.must(&["group", "join", &group]);
    for person in [carol, bob] {
        person.must(&["send", "--wait", "30", &group, &format!("to all, by {}", person.name)]);
    }
    let shown = texts(&alice.json(&["recv", "--wait", "5"]), &group);
    assert_eq!(shown, [carol, bob].map(|person| format!("to all, by {}", person.name)));
}

/// She has an account that the backup does not have, a contact, a group at a home that lost
/// nothing, and something in her outbox: all of it is hers again after one sign-up.
#[test]
fn an_account_that_the_backup_does_not_have_is_signed_up_again_as_what_it_was() {
    let mut cluster = Cluster::start(2, &[]);
    let bob = &Person::signed_up(&cluster, &[2])[0];
    let shelf = tempfile::tempdir().expect("a temporary folder");
    let backup = shelf.path().join("backup");
    let store = cluster.store("server-1");
    let made = server(&["backup", "--store", word(&store), "--to", word(&backup)]);
    assert_eq!(made.code(), 0, "{made:?}");

    let dora = &Person::signed_up(&cluster, &[1])[0];
    let group = format!("#{}", cluster.group_at(2));
    bob.must(&["group", "create", &group]);
    dora.must(&["group", "join", &group]);
    dora.must(&["send", &bob.name, "before"]);
    hears(bob, "before");
    bob.must(&["send", &dora.name, "before, back"]);
    hears(dora, "before, back");
    let fingerprint = dora.json(&["whoami"])[0]["fingerprint"].clone();
    cluster.take_down("server-2");
    dora.fails(&["send", "--wait", "0.5", &bob.name, "it waits"], 10);
    cluster.bring_back("server-2");
    put_back(&mut cluster, &backup);

    let refused = dora.fails(&["recv", "--wait", "30"], 7);
    assert!(refused.stderr.contains("run `fastchat signup`"), "{refused:?}");
    let refused = dora.fails(&["signin"], 7);
    assert!(refused.stderr.contains("with the same keys"), "{refused:?}");
    dora.must(&["signup"]);
    assert_eq!(dora.json(&["whoami"])[0]["fingerprint"], fingerprint);
    hears(bob, "it waits");
    bob.must(&["send", "--wait", "30", &dora.name, "after"]);
    hears(dora, "after");
    dora.must(&["send", "--wait", "30", &group, "in the group, after"]);
    hears(bob, "in the group, after");
    let shown = bob.must(&["verify", &dora.name]);
    assert!(!shown.stderr.contains("changed") && !shown.stdout.contains("changed"), "{shown:?}");

    let refused = dora.fails(&["signup"], 1);
    assert!(refused.stderr.contains("signed in here already"), "{refused:?}");
    dora.must(&["signout"]);
    let refused = dora.fails(&["signup"], 8);
    assert!(refused.stderr.contains("run `fastchat signin`"), "{refused:?}");
    dora.must(&["signin"]);
    dora.must(&["send", "--wait", "30", &bob.name, "still herself"]);
}
