//! A crowd in one group: members on every server, several of them posting at once, one away for
//! half of it, one server killed in between. Everybody must show the same entries in the same
//! order, once.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::lines::Lines;
use crate::person::{Person, text};
use crate::programs::{signal, wait_within};

const GROUP: &str = "crowd";
const PASSWORD: &str = "correct horse";

/// How large the crowd is and what it goes through.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Members of the group, the senders among them.
    pub members: usize,
    /// Who post at once.
    pub senders: usize,
    /// Posts of each sender.
    pub posts: usize,
    /// How long all of it may take.
    pub limit: Duration,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Members whose lists are the same.
    pub members: usize,
    /// Posts in each list.
    pub posts: usize,
    /// From the first post sent to the last one shown.
    pub took: Duration,
}

/// Runs the plan over three servers.
///
/// # Panics
/// When anything is lost, doubled, out of order or late.
#[must_use]
#[allow(clippy::disallowed_methods)] // a test's deadline is real time
pub fn run(plan: Plan) -> Outcome {
    assert!(plan.senders >= 1 && plan.senders + 2 <= plan.members, "one is away, one just reads");
    let cluster = Cluster::start(3, &[]);
    let people = gather(&cluster, plan.members);
    let total = plan.senders * plan.posts;
    let begun = Instant::now();
    let (tell, shown) = channel();
    let (away, present) = people.split_last().expect("there are members");
    let lists: Vec<Vec<Value>> = thread::scope(|scope| {
        let readers: Vec<_> = present
            .iter()
            .map(|person| {
                let tell = tell.clone();
                scope.spawn(move || read(person, total, plan.limit, &tell))
            })
            .collect();
        let senders: Vec<Child> =
            present[..plan.senders].iter().map(|person| send(person, plan.posts)).collect();
        let quarter = total * present.len() / 4;
        await_shown(&shown, quarter, plan.limit);
        cluster.kill("server-2");
        await_shown(&shown, quarter, plan.limit);
        let late = scope.spawn(move || read(away, total, plan.limit, &tell));
        for mut sender in senders {
            let status = wait_within(&mut sender, plan.limit).expect("the sender ends");
            assert!(status.success(), "everything is accepted: {status}");
        }
        readers.into_iter().chain([late]).map(|reader| reader.join().expect("it reads")).collect()
    });
    let took = begun.elapsed();
    check(&lists, &people[..plan.senders], plan.posts);
    Outcome { members: lists.len(), posts: total, took }
}

/// Signs everybody up, on three servers in turn, and makes them members.
fn gather(cluster: &Cluster, members: usize) -> Vec<Person> {
    let homes: Vec<u16> = [1, 2, 3].into_iter().cycle().take(members).collect();
    let names = cluster.names_at(&homes);
    let people: Vec<Person> =
        names.iter().map(|name| Person::new(cluster, name, PASSWORD)).collect();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(person) = people.get(next.fetch_add(1, Ordering::Relaxed)) {
                    person.must(&["signup"]);
                }
            });
        }
    });
    people[0].must(&["group", "create", GROUP]);
    for person in &people[1..] {
        person.must(&["group", "join", GROUP]);
    }
    people
}

/// Begins to post `count` numbered texts.
fn send(person: &Person, count: usize) -> Child {
    let mut command = person.command(&["send", "--json-stdin", "--json"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("fastchat can be started");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let lines: String = (1..=count)
        .map(|number| {
            let text = format!("{} {number}", person.name);
            format!("{}\n", json!({ "to": format!("#{GROUP}"), "text": text }))
        })
        .collect();
    thread::spawn(move || {
        if let Err(error) = stdin.write_all(lines.as_bytes()) {
            eprintln!("a sender ended early: {error}");
        }
    });
    child
}

/// Shows what comes until `total` texts of the group were shown.
fn read(person: &Person, total: usize, limit: Duration, tell: &Sender<()>) -> Vec<Value> {
    let seconds = limit.as_secs().to_string();
    let mut command = person.command(&["recv", "--json", "--wait", &seconds, "--count", "1000000"]);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("fastchat can be started");
    let mut lines = Lines::of(child.stdout.take().expect("stdout is piped"));
    let mut list = Vec::new();
    while list.len() < total {
        let line = lines.wait_for("");
        let value: Value = serde_json::from_str(&line).expect("each line is JSON");
        if value["kind"] == "text" {
            tell.send(()).expect("the crowd listens to the end");
            list.push(value);
        }
    }
    signal(child.id(), "TERM");
    wait_within(&mut child, limit).expect("recv ends when it is told to");
    list
}

/// The same entries in the same order for everybody, each once, and each sender's in its order.
fn check(lists: &[Vec<Value>], senders: &[Person], posts: usize) {
    let places = |list: &[Value]| -> Vec<(u64, String, String)> {
        let place = |value: &Value| {
            let seq = value["seq"].as_u64().expect("each entry has a seq");
            (seq, text(value, "from"), text(value, "text"))
        };
        list.iter().map(place).collect()
    };
    let first = places(&lists[0]);
    let seqs: BTreeSet<u64> = first.iter().map(|(seq, ..)| *seq).collect();
    assert_eq!(seqs.len(), senders.len() * posts, "each entry is shown once");
    assert!(first.is_sorted(), "in the order of their seqs");
    for sender in senders {
        let texts = first.iter().filter(|(_, from, _)| *from == sender.name);
        let texts: Vec<&str> = texts.map(|(.., text)| text.as_str()).collect();
        let sent: Vec<String> =
            (1..=posts).map(|number| format!("{} {number}", sender.name)).collect();
        assert_eq!(texts, sent, "in the sender's order");
    }
    for list in &lists[1..] {
        assert!(places(list) == first, "everybody shows the same");
    }
}

/// Counts what is shown, until it is as many.
fn await_shown(shown: &Receiver<()>, count: usize, limit: Duration) {
    for _ in 0..count {
        shown.recv_timeout(limit).expect("it is shown before the deadline");
    }
}
