//! A group as large as groups get: real programs create, join, write and read, and every other
//! member opens its own grant and the message.

use std::sync::Arc;
use std::thread;

use client::crypto::message_session::{Expected, read_message_session};
use client::crypto::{Identity, SessionPlace};
use rand::SeedableRng;
use rand::rngs::StdRng;
use wire::limits::GROUP_MEMBERS_MAX;
use wire::{LogId, Name};

use crate::cluster::Cluster;
use crate::member::Member;
use crate::person::{Person, text};

const GROUP: &str = "multitude";
const WORDS: &str = "hello to all of you";
/// The exit code of a client that finds a group full.
const GROUP_FULL: i32 = 17;
/// RSA keys take a second to make: members share a few, which nobody else can tell.
const IDENTITIES: u64 = 8;

/// Makes a group of `members`, lets one of them write, and lets every one open it.
///
/// # Panics
/// When a member cannot join, or does not open what was written.
pub fn run(members: usize) {
    let cluster = Cluster::start(3, &[]);
    let names = cluster.names_at(&[1, 2]);
    let people: Vec<Person> =
        names.iter().map(|name| Person::new(&cluster, name, "correct horse")).collect();
    people.iter().for_each(|person| drop(person.must(&["signup"])));
    people[0].must(&["group", "create", GROUP]);
    let mut crowd = gather(&cluster, members - people.len());
    println!("{} members have joined", crowd.len() + 1);
    people[1].must(&["group", "join", GROUP]);
    let listed = people[1].json(&["group", "members", GROUP]);
    println!("a program has verified the roster: {} lines", listed.len());
    people[0].must(&["send", "--wait", "60", &format!("#{GROUP}"), WORDS]);
    println!("the message is accepted");
    let shown = people[1].json(&["recv", "--wait", "60"]);
    let found = shown.iter().filter(|message| message["kind"] == "text");
    assert_eq!(found.map(|message| text(message, "text")).collect::<Vec<_>>(), [WORDS]);
    println!("a program shows it");
    open_all(&cluster, &mut crowd);
    if members == GROUP_MEMBERS_MAX {
        let late = Person::new(&cluster, "late", "correct horse");
        late.must(&["signup"]);
        late.fails(&["group", "join", GROUP], GROUP_FULL);
        println!("one more is told that the group is full");
    }
}

fn gather(cluster: &Cluster, count: usize) -> Vec<Member> {
    let makers: Vec<_> = (0..IDENTITIES)
        .map(|seed| {
            thread::spawn(move || {
                let mut rng = StdRng::seed_from_u64(seed);
                Arc::new(Identity::generate(&mut rng).expect("keys can be made"))
            })
        })
        .collect();
    let identities: Vec<Arc<Identity>> =
        makers.into_iter().map(|maker| maker.join().expect("it is made")).collect();
    let mut rng = StdRng::seed_from_u64(99);
    let group = Name::parse(GROUP).expect("a valid name");
    identities
        .into_iter()
        .cycle()
        .take(count)
        .enumerate()
        .map(|(index, identity)| {
            let name = Name::parse(&format!("member{index}")).expect("a valid name");
            let mut member = Member::sign_up(cluster, name, identity, &mut rng);
            member.join(group, &mut rng);
            member.leave_seat();
            member
        })
        .collect()
}

/// Every member fetches its own grant and opens the newest post with it.
fn open_all(cluster: &Cluster, crowd: &mut [Member]) {
    let mut rng = StdRng::seed_from_u64(98);
    let group = Name::parse(GROUP).expect("a valid name");
    let log = LogId::group(group);
    let mut post = None;
    for member in crowd.iter_mut() {
        member.resume(cluster);
        let entry = post.get_or_insert_with(|| {
            let entry = member.newest_post(group);
            let key = member.signing_key(entry.sender);
            (entry, key)
        });
        let (entry, key) = &*entry;
        let (sender, origin, number) = (entry.sender, entry.origin, entry.number);
        let message_session = read_message_session(&entry.body).expect("it is a message");
        let place = SessionPlace { sender, log, origin, message_session };
        let opened = member.open_grant(&place, key, &mut rng);
        let mut session = opened.unwrap_or_else(|code| panic!("{}: {code}", member.name));
        let expected = Expected { log, sender, origin, number };
        session.open(&expected, &entry.body).expect("the message opens");
        member.leave_seat();
    }
    println!("{} more members have opened their own grants and the message", crowd.len());
}
