//! Who is no member, or was none then, cannot read: not even with everything that the servers
//! store and send. Who was removed gets what was before, and no entry and no grant after it.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use client::crypto::grant;
use client::crypto::message_session::{Expected, OpenError, read_message_session};
use client::crypto::{GrantError, Identity, SessionPlace, SigningPublicKey, verify_announcement};
use rand::SeedableRng;
use rand::rngs::StdRng;
use storage::{Answer, Completion, Op, Read, RocksStorage, Storage, Ticket};
use tests::DEADLINE;
use tests::cluster::Cluster;
use tests::member::Member;
use tests::person::Person;
use wire::message::{Announcement, Entry, ReaderGrant, Wrapped};
use wire::{FaultCode, LogId, Name};

const GROUP: &str = "inner-circle";

fn name(text: &str) -> Name {
    Name::parse(text).expect("a valid name")
}

/// Keys take a second each: they are made side by side.
fn identities<const N: usize>() -> [Arc<Identity>; N] {
    let makers = [(); N].map(|()| {
        thread::spawn(|| {
            let mut rng: StdRng = rand::make_rng();
            Arc::new(Identity::generate(&mut rng).expect("keys can be made"))
        })
    });
    makers.map(|maker| maker.join().expect("it is made"))
}

fn place(entry: &Entry) -> SessionPlace {
    let message_session = read_message_session(&entry.body).expect("it is a message");
    let log = LogId::group(name(GROUP));
    SessionPlace { sender: entry.sender, log, origin: entry.origin, message_session }
}

fn expected(entry: &Entry) -> Expected {
    let log = LogId::group(name(GROUP));
    Expected { log, sender: entry.sender, origin: entry.origin, number: entry.number }
}

#[test]
fn the_removed_cannot_open_what_follows_nor_the_new_what_was_before() {
    let mut rng = StdRng::seed_from_u64(1);
    let mut cluster = Cluster::start(3, &[]);
    let alice = Person::new(&cluster, "alice", "correct horse");
    alice.must(&["signup"]);
    alice.must(&["group", "create", GROUP]);
    let [bobs, carols, daves] = identities();
    let join = |name: &str, identity: &Arc<Identity>| {
        let mut rng = StdRng::seed_from_u64(2);
        let name = Name::parse(name).expect("a valid name");
        let mut member = Member::sign_up(&cluster, name, Arc::clone(identity), &mut rng);
        member.join(Name::parse(GROUP).expect("a valid name"), &mut rng);
        member
    };
    let (mut bob, mut carol) = (join("bob", &bobs), join("carol", &carols));

    alice.must(&["send", &format!("#{GROUP}"), "while carol is with us"]);
    let before = carol.newest_post(name(GROUP));
    let key = carol.signing_key(before.sender);
    let mut session = carol.open_grant(&place(&before), &key, &mut rng).expect("it is hers");
    session.open(&expected(&before), &before.body).expect("she may read it");

    alice.must(&["send", &format!("#{GROUP}"), "carol's last"]);
    alice.must(&["group", "remove", GROUP, "carol"]);
    alice.must(&["send", &format!("#{GROUP}"), "now that carol is gone"]);
    let after = bob.newest_post(name(GROUP));
    assert_ne!(place(&after), place(&before), "a departure begins a new message session");
    let mut bobs_session = bob.open_grant(&place(&after), &key, &mut rng).expect("it is his");
    bobs_session.open(&expected(&after), &after.body).expect("he may read it");
    assert_eq!(session.open(&expected(&after), &after.body), Err(OpenError::OtherSession));
    let last = read_to_the_removal(&mut carol, &cluster, &key, (&before, &after));
    session.open(&expected(&last), &last.body).expect("it was before her removal");

    let mut dave = join("dave", &daves);
    alice.must(&["send", &format!("#{GROUP}"), "welcome dave"]);
    bob.leave_seat();
    bob.resume(&cluster);
    let welcome = bob.newest_post(name(GROUP));
    let mut daves_session = dave.open_grant(&place(&welcome), &key, &mut rng).expect("it is his");
    daves_session.open(&expected(&welcome), &welcome.body).expect("he may read it");
    let too_early = daves_session.open(&expected(&after), &after.body);
    assert_eq!(too_early, Err(OpenError::TooEarly), "what was before he joined stays closed");
    let refused = dave.open_grant(&place(&before), &key, &mut rng).map(drop);
    assert_eq!(refused, Err(FaultCode::GRANT_MISSING));

    cluster.stop();
    let mut tried = 0;
    for server in ["server-1", "server-2", "server-3"] {
        for reader in ["alice", "bob", "dave"] {
            let Some((announcement, stolen)) = stored(&cluster.store(server), &after, reader)
            else {
                continue;
            };
            let verified = verify_announcement(&place(&after), &key, &announcement);
            let verified = verified.expect("alice announced it");
            let opened = grant::open(&carols, &verified, &stolen, &mut rng).map(drop);
            assert_eq!(opened, Err(GrantError::NotForThisKey), "{reader}'s grant");
            let own_key = carols.public().wrapping.id().0;
            let renamed = ReaderGrant { wrapping_key: own_key, ..stolen };
            let opened = grant::open(&carols, &verified, &renamed, &mut rng).map(drop);
            assert_eq!(opened, Err(GrantError::Unwrap), "{reader}'s grant as her own");
            tried += 1;
        }
        assert!(stored(&cluster.store(server), &after, "carol").is_none(), "none is hers");
    }
    assert!(tried >= 2, "the readers' grants are on disk: {tried}");
}

/// A removed member has what was before its removal, and nothing after it; the last post.
fn read_to_the_removal(
    member: &mut Member,
    cluster: &Cluster,
    key: &SigningPublicKey,
    (before, after): (&Entry, &Entry),
) -> Entry {
    let mut rng = StdRng::seed_from_u64(3);
    let mut grant = |member: &mut Member, post: &Entry| {
        member.open_grant(&place(post), key, &mut rng).map(drop)
    };
    assert_eq!(grant(member, after), Err(FaultCode::GRANT_MISSING), "there is none for it");
    assert_eq!(grant(member, before), Ok(()));
    member.leave_seat();
    member.resume(cluster);
    let last = member.newest_post(name(GROUP));
    assert_ne!(last.seq, before.seq, "one more has come");
    assert!(last.seq < after.seq, "no entry comes after the removal");
    for post in [before, after] {
        assert_eq!(grant(member, post), Err(FaultCode::REMOVED), "it has read everything");
    }
    last
}

/// A reader's grant of an entry's message session, as the server's disk has it.
fn stored(store: &Path, entry: &Entry, reader: &str) -> Option<(Announcement, ReaderGrant)> {
    let (wake, woken) = channel();
    let wake = Box::new(move || wake.send(()).expect("the engine is dropped first"));
    let (mut engine, _) = RocksStorage::open(store, wake).expect("it was closed");
    let SessionPlace { sender, log, origin, message_session } = place(entry);
    let reader = name(reader);
    let read = Read::Grant { log, sender, origin, message_session, reader };
    engine.submit(Op::Read { ticket: Ticket(1), read });
    match answer(&mut engine, &woken) {
        Answer::Grant(found) => found.map(|(announcement, grant)| {
            let announcement = Announcement::new(announcement).expect("it was put");
            let wrapped = Wrapped::new(grant.wrapped).expect("it was put");
            (announcement, ReaderGrant { reader, wrapping_key: grant.wrapping_key, wrapped })
        }),
        other => panic!("not a grant: {other:?}"),
    }
}

fn answer(engine: &mut RocksStorage, woken: &Receiver<()>) -> Answer {
    loop {
        match engine.poll() {
            Some(Completion::Answered { answer, .. }) => return answer,
            Some(other) => panic!("not an answer: {other:?}"),
            None => woken.recv_timeout(DEADLINE).expect("the store answers"),
        }
    }
}
