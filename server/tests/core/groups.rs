//! Groups over several servers: members sit anywhere, and read the same.

use std::time::Duration;

use bytes::Bytes;
use storage::{DiskModel, InFlight};
use wire::field::{List, Opaque};
use wire::message::{
    Announcement, Attach, ChangeRoster, CloseLog, FetchGrant, KeyLogCopy, OpenLog, Post, PutGrants,
    Refusal, Seen, StatementBytes,
};
use wire::roster::{Act, Policy, Statement};
use wire::{
    FaultCode, Kind, LogHandle, LogId, MessageSession, Name, RequestId, Seq, ServerId, ToClient,
    Wall,
};

use crate::client::{Client, post};
use crate::world::{End, World};

/// The handle that clients use for the group.
const GROUP: LogHandle = LogHandle(7);

/// A group and the head of its roster.
pub(crate) struct Club {
    pub(crate) group: Name,
    pub(crate) version: u32,
    pub(crate) head: [u8; 32],
}

impl Club {
    /// The first statement has not been said.
    pub(crate) fn new(group: Name) -> Self {
        Self { group, version: 0, head: [0; 32] }
    }

    /// The group at server 1, created by the first of these, joined by the others, with grants of
    /// everyone's message session 1.
    fn of(world: &mut World, members: &[&Client]) -> Self {
        let mut club = Self::new(world.group_at(1, "rust"));
        for (index, member) in members.iter().enumerate() {
            let act = if index == 0 { Act::Create } else { Act::Join };
            assert!(club.act(world, member, act, member.name).is_ok(), "{act:?}");
        }
        for member in members {
            club.grant(world, member, 1);
        }
        club
    }

    pub(crate) fn log(&self) -> LogId {
        LogId::group(self.group)
    }

    pub(crate) fn next(&self, act: Act, actor: Name, subject: Name) -> Statement {
        Statement {
            group: self.group,
            version: self.version + 1,
            previous: self.head,
            act,
            policy: (act == Act::Create).then_some(Policy::Open),
            actor,
            subject,
            key: [7; 32],
            at: Wall(5),
            signature: Bytes::from_static(b"signature"),
        }
    }

    fn act(
        &mut self,
        world: &mut World,
        client: &Client,
        act: Act,
        subject: Name,
    ) -> Result<(), FaultCode> {
        let statement = self.next(act, client.name, subject);
        self.change(world, client, &statement, &[])
    }

    /// Says a statement; what else the client hears before the answer is dropped.
    pub(crate) fn change(
        &mut self,
        world: &mut World,
        client: &Client,
        statement: &Statement,
        proof: &[u8],
    ) -> Result<(), FaultCode> {
        client.say(world, change(statement, proof));
        let answer = client.heard(world).into_iter().find_map(|message| match message {
            ToClient::RosterChanged(changed) => Some(Ok(changed.version)),
            ToClient::Fault(fault) if fault.about == Kind::CHANGE_ROSTER.0 => Some(Err(fault.code)),
            _ => None,
        });
        let version = answer.expect("an answer")?;
        if version > self.version {
            (self.version, self.head) = (version, Statement::hash(&statement.encode()));
        }
        Ok(())
    }

    fn grant(&self, world: &mut World, client: &Client, session: u32) {
        client.say(
            world,
            PutGrants {
                request: RequestId(4),
                log: self.log(),
                message_session: MessageSession(session),
                part: 0,
                roster_version: self.version,
                announcement: Announcement::new(Bytes::from_static(b"announcement"))
                    .expect("short"),
                grants: List::default(),
                last: true,
                key_log: key_log(client.name),
            },
        );
        let heard = client.heard(world);
        assert!(matches!(heard.last(), Some(ToClient::GrantsPut(_))), "{heard:?}");
    }

    fn open(&self, world: &mut World, client: &Client) -> Result<(), FaultCode> {
        client.say(world, OpenLog { handle: GROUP, log: self.log() });
        match client.heard(world).pop() {
            Some(ToClient::LogOpened(_)) => Ok(()),
            Some(ToClient::Fault(fault)) => Err(fault.code),
            other => panic!("whether it is open, not {other:?}"),
        }
    }

    fn attach(&self, world: &mut World, client: &Client, cursor: Seq) {
        self.open(world, client).expect("a member");
        client.say(world, Attach { handle: GROUP, cursor });
    }
}

pub(crate) fn change(statement: &Statement, proof: &[u8]) -> ChangeRoster {
    ChangeRoster {
        request: RequestId(3),
        group: statement.group,
        statement: StatementBytes::new(statement.encode()).expect("short"),
        proof: wire::message::Challenge::new(Bytes::copy_from_slice(proof)).expect("short"),
        key_log: key_log(statement.actor),
    }
}

/// What stands for the key log of `who`.
pub(crate) fn key_log(who: Name) -> KeyLogCopy {
    let bundle = Opaque::new(Bytes::from(format!("keys of {who}"))).expect("short");
    List::new(vec![bundle]).expect("one")
}

fn say(world: &mut World, client: &Client, session: u32, number: u64, text: &str) {
    let message_session = MessageSession(session);
    client.say(world, Post { message_session, ..post(GROUP.0, number, number - 1, text) });
}

/// What was delivered: posts as their texts, statements as their acts; and the newest seq.
fn told(world: &mut World, client: &Client) -> (Vec<String>, Seq) {
    let (mut told, mut newest) = (Vec::new(), Seq(0));
    for message in client.heard(world) {
        if let ToClient::Deliver(deliver) = message {
            let bytes = deliver.entry.body.bytes();
            newest = deliver.entry.seq;
            told.push(match Statement::decode(bytes.clone()) {
                Ok(statement) => format!("{:?}", statement.act),
                Err(_) => String::from_utf8_lossy(bytes).into_owned(),
            });
        }
    }
    (told, newest)
}

/// Five clients whose accounts live at servers 1 to 3 and who sit at servers 1, 2, 2, 3, 3.
fn five(world: &mut World) -> Vec<Client> {
    let seats = [1, 2, 2, 3, 3];
    let places = seats.iter().zip(["alice", "bob", "carol", "dave", "erin"]).enumerate();
    let mut clients = Vec::new();
    for (index, (seat, prefix)) in places {
        let home = u16::try_from(index % 3 + 1).expect("1 to 3");
        let name = world.name_at(home, prefix);
        clients.push(Client::signed_up(world, *seat, name));
    }
    clients
}

#[test]
fn a_post_to_500_members_is_stored_once_and_sent_once_per_server() {
    const MEMBERS: u16 = 500;
    let mut world = World::new(3);
    let clients: Vec<Client> = (0..MEMBERS)
        .map(|index| {
            let seat = index % 3 + 1;
            let name = world.name_at(seat, &format!("member{index}of"));
            Client::signed_up(&mut world, seat, name)
        })
        .collect();
    let mut club = Club::new(world.group_at(1, "rust"));
    for (index, client) in clients.iter().enumerate() {
        let act = if index == 0 { Act::Create } else { Act::Join };
        assert!(club.act(&mut world, client, act, client.name).is_ok(), "{act:?}");
    }
    club.grant(&mut world, &clients[3], 1);
    let (newest, others) = clients.split_last().expect("there are members");
    club.attach(&mut world, newest, Seq(0));
    let (_, head) = told(&mut world, newest);
    for client in others {
        club.attach(&mut world, client, head);
        client.heard(&mut world);
    }
    let ids = [ServerId(1), ServerId(2), ServerId(3)];
    let delivered = |world: &World| ids.map(|id| world.metrics(id).delivered).iter().sum::<u64>();
    let (before, sent) = (world.metrics(ids[0]).log, delivered(&world));
    say(&mut world, &clients[3], 1, 1, "hello");
    let after = world.metrics(ids[0]).log;
    assert_eq!(after.committed - before.committed, 1, "stored once");
    assert_eq!(after.pushed - before.pushed, 3, "sent once to each of three servers");
    assert_eq!(delivered(&world) - sent, u64::from(MEMBERS));
    for client in &clients {
        assert_eq!(told(&mut world, client).0, ["hello"]);
    }
    assert_eq!(world.metrics(ids[1]).log.appended, 0, "only at its home");
    for server in 1..=3 {
        assert_eq!(world.alarms(server), []);
    }
}

#[test]
fn who_was_away_reads_on_from_its_cursor_in_the_order_of_all() {
    let mut world = World::new(3);
    let mut clients = five(&mut world);
    let members: Vec<&Client> = clients.iter().collect();
    let club = Club::of(&mut world, &members);
    for client in &clients {
        club.attach(&mut world, client, Seq(0));
    }
    say(&mut world, &clients[0], 1, 1, "a1");
    let (_, seen) = told(&mut world, &clients[4]);
    clients[4].say(&mut world, Seen { handle: GROUP, upto: seen });
    world.hang_up(clients[4].conn);
    say(&mut world, &clients[1], 1, 1, "b1");
    say(&mut world, &clients[3], 1, 1, "d1");
    world.set_disk(1, DiskModel { commit_steps: 1, ..DiskModel::default() });
    say(&mut world, &clients[1], 1, 2, "b2");
    assert!(!told(&mut world, &clients[2]).0.contains(&"b2".to_owned()), "not durable yet");
    world.kill(1, InFlight::Lost);
    world.start(ServerId(1));
    world.advance(Duration::from_secs(3));
    say(&mut world, &clients[3], 1, 2, "d2");
    say(&mut world, &clients[1], 1, 2, "b2");
    assert_eq!(told(&mut world, &clients[2]).0, ["d2", "b2"], "the home is back");
    clients[4].connect(&mut world, 2);
    clients[4].resume(&mut world).expect("resumes");
    club.attach(&mut world, &clients[4], seen);
    assert_eq!(told(&mut world, &clients[4]).0, ["b1", "d1", "d2", "b2"]);
    assert_eq!(world.alarms(1), []);
}

#[test]
fn who_is_removed_hears_of_it_and_nothing_more() {
    let mut world = World::new(3);
    let clients = five(&mut world);
    let members: Vec<&Client> = clients[..3].iter().collect();
    let mut club = Club::of(&mut world, &members);
    let [alice, bob, carol, dave, _] = clients.as_slice() else { panic!("five") };
    for client in [bob, carol] {
        club.attach(&mut world, client, Seq(0));
        client.heard(&mut world);
    }
    assert_eq!(club.open(&mut world, dave), Err(FaultCode::NOT_A_MEMBER));
    club.act(&mut world, alice, Act::Remove, bob.name).expect("the admin");
    let (heard, upto) = told(&mut world, bob);
    assert_eq!(heard, ["Remove"]);
    bob.say(&mut world, Seen { handle: GROUP, upto });
    let fault = bob.fault(&mut world);
    assert_eq!((fault.code, fault.about, fault.reference), (FaultCode::REMOVED, Kind::ATTACH.0, 7));
    say(&mut world, bob, 1, 1, "late");
    assert_eq!(bob.fault(&mut world).code, FaultCode::BAD_HANDLE);
    assert_eq!(club.open(&mut world, bob), Err(FaultCode::REMOVED));
    say(&mut world, carol, 1, 1, "behind");
    let refused = carol.heard(&mut world).pop();
    assert!(
        matches!(&refused, Some(ToClient::Refused(refused))
            if refused.refusal == Refusal::Rejected(FaultCode::ROSTER_BEHIND)),
        "{refused:?}"
    );
    club.grant(&mut world, carol, 2);
    say(&mut world, carol, 2, 2, "sealed anew");
    assert_eq!(told(&mut world, carol).0, ["sealed anew"]);
    assert!(bob.heard(&mut world).is_empty());
    let log = club.log();
    let (request, message_session) = (RequestId(5), MessageSession(2));
    let fetch =
        FetchGrant { request, log, sender: carol.name, origin: carol.origin, message_session };
    bob.say(&mut world, fetch);
    assert_eq!(bob.fault(&mut world).code, FaultCode::REMOVED);
    assert_eq!(world.metrics(ServerId(1)).log.dismissed, 1);
}

#[test]
fn who_leaves_and_joins_again_in_one_batch_goes_on_where_it_was() {
    let mut world = World::new(2);
    let (alice, bob) = (world.name_at(1, "alice"), world.name_at(2, "bob"));
    let alice = Client::signed_up(&mut world, 1, alice);
    let bob = Client::signed_up(&mut world, 2, bob);
    let mut club = Club::of(&mut world, &[&alice, &bob]);
    club.attach(&mut world, &alice, Seq(0));
    club.attach(&mut world, &bob, Seq(0));
    say(&mut world, &alice, 1, 1, "a1");
    let (_, seen) = told(&mut world, &bob);
    world.set_disk(1, DiskModel { commit_steps: 1, ..DiskModel::default() });
    say(&mut world, &alice, 1, 2, "a2");
    world.pump();
    // All of this gathers while the batch with "a2" is in flight.
    bob.say(&mut world, Seen { handle: GROUP, upto: seen });
    for act in [Act::Leave, Act::Join] {
        let statement = club.next(act, bob.name, bob.name);
        bob.say(&mut world, change(&statement, &[]));
        (club.version, club.head) = (statement.version, Statement::hash(&statement.encode()));
    }
    bob.heard(&mut world);
    let before = world.metrics(ServerId(1)).commits;
    world.step_disks();
    world.step_disks();
    assert_eq!(world.metrics(ServerId(1)).commits - before, 2, "one batch holds both");
    world.kill(1, InFlight::Lost);
    world.start(ServerId(1));
    world.set_disk(1, DiskModel::default());
    world.advance(Duration::from_secs(3));
    bob.heard(&mut world);
    bob.say(&mut world, CloseLog { handle: GROUP });
    club.attach(&mut world, &bob, Seq(0));
    assert_eq!(told(&mut world, &bob).0, ["a2", "Leave", "Join"]);
}

#[test]
fn who_is_removed_while_away_reads_what_was_before_and_nothing_after() {
    let mut world = World::new(3);
    let mut clients = five(&mut world);
    let members: Vec<&Client> = clients[..3].iter().collect();
    let mut club = Club::of(&mut world, &members);
    club.attach(&mut world, &clients[1], Seq(0));
    let (_, seen) = told(&mut world, &clients[1]);
    clients[1].say(&mut world, Seen { handle: GROUP, upto: seen });
    world.hang_up(clients[1].conn);
    club.open(&mut world, &clients[2]).expect("a member");
    say(&mut world, &clients[2], 1, 1, "before");
    let bob = clients[1].name;
    club.act(&mut world, &clients[0], Act::Remove, bob).expect("the admin");
    club.grant(&mut world, &clients[2], 2);
    say(&mut world, &clients[2], 2, 2, "after");
    world.kill(1, InFlight::Lost);
    world.start(ServerId(1));
    world.advance(Duration::from_secs(3));
    clients[1].connect(&mut world, 3);
    clients[1].resume(&mut world).expect("resumes");
    club.attach(&mut world, &clients[1], seen);
    let bob = &clients[1];
    let heard = bob.heard(&mut world);
    let [ToClient::Deliver(_), ToClient::Deliver(end), ToClient::CaughtUp(caught_up)] =
        heard.as_slice()
    else {
        panic!("what was before, and no more: {heard:?}");
    };
    assert_eq!(caught_up.upto, end.entry.seq);
    say(&mut world, &clients[2], 2, 3, "later");
    say(&mut world, bob, 1, 1, "still here?");
    assert_eq!(bob.refused(&mut world).refusal, Refusal::Rejected(FaultCode::REMOVED));
    bob.say(&mut world, Seen { handle: GROUP, upto: caught_up.upto });
    let heard = bob.heard(&mut world);
    let [ToClient::Fault(fault)] = heard.as_slice() else { panic!("the end: {heard:?}") };
    assert_eq!((fault.code, fault.about), (FaultCode::REMOVED, Kind::ATTACH.0));
    assert_eq!(world.alarms(1), []);
}

#[test]
fn who_joins_again_reads_on_under_its_handle() {
    let mut world = World::new(3);
    let clients = five(&mut world);
    let members: Vec<&Client> = clients[..3].iter().collect();
    let mut club = Club::of(&mut world, &members);
    let [alice, bob, carol, ..] = clients.as_slice() else { panic!("five") };
    for client in [bob, carol] {
        club.attach(&mut world, client, Seq(0));
        client.heard(&mut world);
    }
    club.act(&mut world, alice, Act::Remove, bob.name).expect("the admin");
    club.act(&mut world, alice, Act::Invite, bob.name).expect("the admin");
    assert_eq!(told(&mut world, bob).0, ["Remove"]);
    club.act(&mut world, bob, Act::Join, bob.name).expect("invited");
    club.grant(&mut world, carol, 2);
    say(&mut world, carol, 2, 1, "welcome back");
    assert_eq!(told(&mut world, carol).0, ["welcome back"]);
    // What came with the answer to its joining was passed over by the test's client.
    assert_eq!(told(&mut world, bob).0, ["welcome back"]);
    assert_eq!(world.alarms(1), []);
}

#[test]
fn a_closed_group_is_read_and_not_posted_to() {
    let mut world = World::new(2);
    let (alice, bob) = (world.name_at(1, "alice"), world.name_at(2, "bob"));
    let alice = Client::signed_up(&mut world, 1, alice);
    let bob = Client::signed_up(&mut world, 2, bob);
    let mut club = Club::of(&mut world, &[&alice, &bob]);
    club.attach(&mut world, &alice, Seq(0));
    say(&mut world, &alice, 1, 1, "last words");
    club.act(&mut world, &alice, Act::Close, alice.name).expect("the admin");
    club.attach(&mut world, &bob, Seq(0));
    assert_eq!(told(&mut world, &bob).0, ["Join", "last words", "Close"]);
    say(&mut world, &bob, 1, 1, "too late");
    assert_eq!(bob.refused(&mut world).refusal, Refusal::Rejected(FaultCode::GROUP_CLOSED));
}

#[test]
fn nobody_speaks_for_somebody_else() {
    let mut world = World::new(2);
    let (alice, bob) = (world.name_at(1, "alice"), world.name_at(2, "bob"));
    let alice = Client::signed_up(&mut world, 1, alice);
    let bob = Client::signed_up(&mut world, 2, bob);
    let mut club = Club::of(&mut world, &[&alice]);
    let join = club.next(Act::Join, alice.name, alice.name);
    assert_eq!(club.change(&mut world, &bob, &join, &[]), Err(FaultCode::MALFORMED));
    assert!(!world.pairs.contains_key(&End::Client(bob.conn)), "the connection is closed");
}

#[test]
fn a_link_that_was_lost_does_not_keep_a_removed_reader() {
    let mut world = World::new(3);
    let clients = five(&mut world);
    let members: Vec<&Client> = clients[..3].iter().collect();
    let mut club = Club::of(&mut world, &members);
    let (alice, bob) = (&clients[0], &clients[1]);
    club.attach(&mut world, bob, Seq(0));
    world.cut(1, 2);
    club.act(&mut world, alice, Act::Remove, bob.name).expect("the admin");
    world.heal(1, 2);
    world.advance(Duration::from_secs(5));
    let (heard, upto) = told(&mut world, bob);
    assert_eq!(heard.last().map(String::as_str), Some("Remove"));
    bob.say(&mut world, Seen { handle: GROUP, upto });
    let fault = bob.fault(&mut world);
    assert_eq!((fault.code, fault.about), (FaultCode::REMOVED, Kind::ATTACH.0));
    assert_eq!(world.alarms(1), []);
}
