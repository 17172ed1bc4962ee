//! Shows FastChat: people chat over a router and three servers, as real programs in terminals.

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;

use bytes::Bytes;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tests::cluster::Cluster;
use tests::person::Person;
use tests::programs::{reap, signal};
use tests::story::Story;
use wire::{LogId, Name, SlotMap};

/// What must not stay behind: the cluster's process, and the folder of everything.
static LEFT: Mutex<(Option<u32>, Option<PathBuf>)> = Mutex::new((None, None));

fn main() {
    let folder = tempfile::Builder::new().prefix("fastchat-demo-").tempdir();
    let folder = folder.expect("a temporary directory can be made");
    note(|left| left.1 = Some(folder.path().to_owned()));
    tempfile::env::override_temp_dir(folder.path()).expect("it is set once");
    clean_up_whatever_happens();

    let mut story = Story::default();
    println!("FastChat: a router and three servers on this machine, TLS between all of them.");
    let mut cluster = Cluster::start(3, &[]);
    note(|left| left.0 = Some(cluster.process()));
    let [alice, bob] = people(&cluster);
    outcomes(&mut story, &cluster, &alice, &bob);
    one_live_session(&mut story, &cluster, &alice);
    live(&mut story, &cluster, &alice, &bob);
    offline(&mut story, &cluster, &alice, &bob);
    crash(&mut story, &mut cluster, &alice, &bob);
    cluster.stop();
    note(|left| left.0 = None);
    println!("\nThat is all. Everything was real; nothing of it is left on this machine.");
}

fn people(cluster: &Cluster) -> [Person; 2] {
    let map = fs::read(cluster.directory().join("cluster/map")).expect("a cluster has a map");
    let map = SlotMap::decode(Bytes::from(map)).expect("the map is whole");
    let home = |name: &str| {
        let name = Name::parse(name).expect("a valid name");
        map.home_of(&LogId::mailbox(name))
    };
    let others = ["bob", "bella", "boris", "bruno", "berta", "basil", "bruce", "bianca"];
    let other = others.into_iter().find(|name| home(name) != home("alice"));
    let other = other.expect("one of eight has another home");
    println!("alice is at home on {}, {other} on {}.", home("alice"), home(other));
    ["alice", other].map(|name| Person::new(cluster, name, &format!("{name}'s long password")))
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
    for server in ["server-1", "server-2", "server-3"] {
        cluster.stderr().wait_for(server);
    }
    story.run(&phone, "phone", &["recv", "--wait", "30", "--count", "1"], 0);
    story.say("and it comes once:");
    let again = story.run(&phone, "phone", &["recv"], 0);
    assert!(again.stdout.is_empty(), "it came twice: {again:?}");
}

fn note(change: impl FnOnce(&mut (Option<u32>, Option<PathBuf>))) {
    change(&mut LEFT.lock().expect("nothing panics while it is held"));
}

/// Ends the cluster and removes the folder, also when the demo fails or is interrupted.
fn clean_up_whatever_happens() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        default(panic);
        clean_up();
    }));
    let mut signals = Signals::new([SIGINT, SIGTERM]).expect("signals can be watched");
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            clean_up();
            std::process::exit(130);
        }
    });
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
