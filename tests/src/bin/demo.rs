//! Shows FastChat: people chat over a router and three servers, as real programs in terminals.

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

use image::{Rgb, RgbImage};
use tests::cluster::{Cluster, read_map};
use tests::ending::clean_up_whatever_happens;
use tests::person::Person;
use tests::programs::{reap, signal};
use tests::story::Story;
use wire::{LogId, Name};

/// What must not stay behind: the cluster's process, and the folder of everything.
static LEFT: Mutex<(Option<u32>, Option<PathBuf>)> = Mutex::new((None, None));

fn main() {
    let folder = tempfile::Builder::new().prefix("fastchat-demo-").tempdir();
    let folder = folder.expect("a temporary directory can be made");
    note(|left| left.1 = Some(folder.path().to_owned()));
    tempfile::env::override_temp_dir(folder.path()).expect("it is set once");
    clean_up_whatever_happens(clean_up);

    let mut story = Story::default();
    println!("FastChat: a router and three servers on this machine, TLS between all of them.");
    let mut cluster = Cluster::start(3, &[]);
    note(|left| left.0 = Some(cluster.process()));
    let [alice, bob, carol] = people(&cluster);
    outcomes(&mut story, &cluster, &alice, &bob);
    one_live_session(&mut story, &cluster, &alice);
    live(&mut story, &cluster, &alice, &bob);
    group(&mut story, [&alice, &bob, &carol]);
    picture(&mut story, &alice, &bob);
    offline(&mut story, &cluster, &alice, &bob);
    crash(&mut story, &mut cluster, &alice, &bob);
    cluster.stop();
    note(|left| left.0 = None);
    println!("\nThat is all. Everything was real; nothing of it is left on this machine.");
}

/// Three people whose mailboxes have three homes.
fn people(cluster: &Cluster) -> [Person; 3] {
    let map = read_map(cluster.directory());
    let home = |name: &str| {
        let name = Name::parse(name).expect("a valid name");
        map.home_of(&LogId::mailbox(name))
    };
    let elsewhere = |names: &[&'static str], taken: &[&str]| {
        let is_free = |name: &&str| taken.iter().all(|other| home(other) != home(name));
        names.iter().copied().find(is_free).expect("one of eight has another home")
    };
    let second = ["bob", "bella", "boris", "bruno", "berta", "basil", "bruce", "bianca"];
    let second = elsewhere(&second, &["alice"]);
    let third = ["carol", "chloe", "conrad", "carla", "cyril", "celia", "clara", "cedric"];
    let third = elsewhere(&third, &["alice", second]);
    let names = ["alice", second, third];
    for name in names {
        println!("{name} is at home on {}.", home(name));
    }
    names.map(|name| Person::new(cluster, name, &format!("{name}'s long password")))
}

fn outcomes(story: &mut Story, cluster: &Cluster, alice: &Person, bob: &Person) {
    story.chapter("Signing up, and each way in which it can go wrong");
    let mut menu = alice.terminal(&[]);
    menu.expect("1 sign up");
    menu.type_line("1");
    menu.expect("Username");
    menu.type_line("");
    menu.expect("signed up as alice");
    menu.type_line("q");
    menu.expect("alice> q");
    story.screen("alice", &menu);
    menu.end();
    story.run(bob, &bob.name, &["signup"], 0);
    let thief = Person::new(cluster, "alice", "a guess");
    story.run(&thief, "thief", &["signup"], 8);
    story.run(&thief, "thief", &["signin"], 6);
    let nobody = Person::new(cluster, "nobody", "anything");
    story.run(&nobody, "nobody", &["signin"], 7);
}

fn one_live_session(story: &mut Story, cluster: &Cluster, alice: &Person) {
    story.chapter("One live session for each account");
    let laptop = Person::new(cluster, "alice", &alice.password);
    let mut menu = alice.terminal(&[]);
    menu.expect("alice>");
    story.say("alice's menu is open on her first machine; now her laptop:");
    story.run(&laptop, "laptop", &["signin"], 9);
    menu.type_line("q");
    menu.end();
    story.say("she leaves the menu, and the laptop tries again:");
    story.run(&laptop, "laptop", &["signin"], 0);
    let mut menu = laptop.terminal(&[]);
    menu.expect("alice>");
    story.say("now the laptop's menu is open, and the first machine takes over:");
    story.run(alice, "alice", &["signin", "--takeover"], 0);
    menu.expect("another");
    story.screen("laptop", &menu);
}

fn live(story: &mut Story, _cluster: &Cluster, alice: &Person, bob: &Person) {
    story.chapter("A conversation across servers, live both ways");
    let mut hers = alice.terminal(&[]);
    hers.expect("alice>");
    let mut his = bob.terminal(&[]);
    his.expect(&format!("{}>", bob.name));
    hers.type_line("1");
    hers.expect("To:");
    hers.type_line(&bob.name);
    hers.expect("Message to");
    hers.type_line("Are you there? I am on another server.");
    hers.expect("accepted");
    his.expect("Are you there?");
    his.type_line(&format!("@{} So am I. It does not show.", alice.name));
    hers.expect("It does not show.");
    his.expect("accepted");
    story.screen("alice", &hers);
    story.screen(&bob.name, &his);
    hers.type_line("q");
    his.type_line("q");
    hers.end();
    his.end();
    story.run(alice, "alice", &["verify", &bob.name], 0);
}

fn group(story: &mut Story, [alice, bob, carol]: [&Person; 3]) {
    story.chapter("A group, its members on three servers");
    story.run(carol, &carol.name, &["signup"], 0);
    story.run(alice, "alice", &["group", "create", "readers"], 0);
    story.run(bob, &bob.name, &["group", "join", "readers"], 0);
    story.run(carol, &carol.name, &["group", "join", "readers"], 0);
    story.run(bob, &bob.name, &["group", "members", "readers"], 0);
    let mut hers = carol.terminal(&[]);
    hers.expect(&format!("{}>", carol.name));
    story.run(alice, "alice", &["send", "#readers", "Which book is next?"], 0);
    story.run(bob, &bob.name, &["send", "#readers", "One about servers."], 0);
    hers.expect("One about servers.");
    story.screen(&carol.name, &hers);
    hers.type_line("q");
    hers.end();
    story.say("alice removes a member; what is sealed from now on, that member cannot open:");
    story.run(alice, "alice", &["group", "remove", "readers", &carol.name], 0);
    story.run(carol, &carol.name, &["send", "#readers", "Hello?"], 19);
    story.run(bob, &bob.name, &["recv"], 0);
    story.run(alice, "alice", &["recv"], 0);
}

fn picture(story: &mut Story, alice: &Person, bob: &Person) {
    story.chapter("A picture, encrypted in chunks, with its preview");
    let path = alice.home().join("sunset.png");
    sunset().save(&path).expect("the home directory can be written");
    let path = path.to_str().expect("it is text");
    story.run(alice, "alice", &["send", &bob.name, "--image", path, "Yesterday evening."], 0);
    let folder = bob.home().join("pictures");
    let folder = folder.to_str().expect("it is text");
    let mut his = bob.terminal(&["recv", "--save", folder]);
    his.finish();
    story.screen(&bob.name, &his);
    his.end();
}

/// A sun over the sea.
fn sunset() -> RgbImage {
    RgbImage::from_fn(320, 200, |x, y| {
        let from_sun = (f64::from(x) - 160.0).hypot(f64::from(y) - 120.0);
        match (from_sun < 50.0, y < 120) {
            (true, true) => Rgb([255, 220, 120]),
            (false, true) => Rgb([220, 120, 90]),
            (true, false) => Rgb([200, 140, 100]),
            (false, false) => Rgb([30, 60, 110]),
        }
    })
}

fn offline(story: &mut Story, cluster: &Cluster, alice: &Person, bob: &Person) {
    story.chapter("A message for someone who is away, opened on a new machine");
    story.run(alice, "alice", &["send", &bob.name, "Read this when you are back."], 0);
    let phone = Person::new(cluster, &bob.name, &bob.password);
    story.say("a new machine has nothing but the password; the keys come back with it:");
    story.run(&phone, "phone", &["signin"], 0);
    story.run(&phone, "phone", &["recv", "--json"], 0);
}

fn crash(story: &mut Story, cluster: &mut Cluster, alice: &Person, bob: &Person) {
    story.chapter("A server is killed right after it said \"accepted\"");
    let phone = Person::new(cluster, &bob.name, &bob.password);
    story.run(&phone, "phone", &["signin"], 0);
    story.run(alice, "alice", &["send", &bob.name, "Survive this!", "--json"], 0);
    for server in ["server-1", "server-2", "server-3"] {
        cluster.kill(server);
        story.say(&format!("kill -9 {server}"));
    }
    // They end in any order.
    for _ in 0..3 {
        cluster.stderr().wait_for("ended (signal: 9");
    }
    story.run(&phone, "phone", &["recv", "--wait", "30", "--count", "1"], 0);
    story.say("and it comes once:");
    let again = story.run(&phone, "phone", &["recv"], 0);
    assert!(!again.stdout.contains("Survive"), "it came twice: {again:?}");
}

fn note(change: impl FnOnce(&mut (Option<u32>, Option<PathBuf>))) {
    change(&mut LEFT.lock().expect("nothing panics while it is held"));
}

fn clean_up() {
    note(|(process, folder)| {
        if let Some(process) = process.take() {
            signal(process, "TERM");
            if let Err(error) = reap(process) {
                eprintln!("the cluster does not end: {error}");
            }
        }
        if let Some(folder) = folder.take()
            && let Err(error) = fs::remove_dir_all(&folder)
        {
            eprintln!("{} stays behind: {error}", folder.display());
        }
    });
}
