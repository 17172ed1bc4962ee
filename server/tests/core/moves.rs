//! Slots move while they are used: nothing is lost, nothing comes twice, and a crash of either side
//! at any step leaves one server that serves.

mod alarms;

use std::time::Duration;

use storage::{DiskModel, InFlight, SlotDigest, SlotRecord, Tenure};
use wire::limits::{FREEZE_TIME_MAX, LEASE_TIME};
use wire::message::{Pong, Seen};
use wire::{FaultCode, LogId, Name, Seq, ServerId, ToClient};

use crate::client::{Client, MINE};
use crate::world::World;
use crate::world::slots::Fuse;

const TICK: Duration = Duration::from_millis(20);
/// Most texts that a story sends.
const TEXTS: u64 = 60;
/// Steps that disks take for a read and for a commit: people write between them.
const DISKS: [(u64, u64); 7] = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 1), (1, 2), (3, 2)];

/// Somebody who writes to a mailbox, and sends again what was not answered.
struct Writer {
    client: Client,
    sent: u64,
    settled: u64,
    is_up: bool,
    /// Since when the log is away, and the longest that it was.
    away: Option<wire::Instant>,
    longest: Duration,
}

impl Writer {
    const HANDLE: u32 = 7;

    fn new(world: &mut World, seat: u16, name: Name, to: Name) -> Self {
        let client = Client::signed_up(world, seat, name);
        client.open(world, Self::HANDLE, to).expect("opens");
        let (away, longest) = (None, Duration::ZERO);
        Self { client, sent: 0, settled: 0, is_up: true, away, longest }
    }

    fn step(&mut self, world: &mut World) {
        let mut is_again = false;
        for message in self.client.heard(world) {
            match message {
                ToClient::Accepted(accepted) => {
                    self.settled = self.settled.max(accepted.upto.value());
                }
                ToClient::Unavailable(_) => {
                    self.is_up = false;
                    self.away.get_or_insert(world.now);
                }
                ToClient::Up(_) => {
                    (self.is_up, is_again) = (true, true);
                    let away = self.away.take().expect("it was away");
                    self.longest = self.longest.max(world.now.since(away));
                }
                ToClient::Refused(_) => is_again = true,
                ToClient::Ping(ping) => self.client.say(world, Pong { nonce: ping.nonce }),
                other => panic!("{other:?}"),
            }
        }
        if self.is_up && self.sent < TEXTS && self.sent - self.settled < 4 {
            self.sent += 1;
            is_again = true;
        }
        if is_again && self.is_up {
            for number in self.settled + 1..=self.sent {
                let text = format!("text {number}");
                self.client.post(world, Self::HANDLE, number, self.settled, &text);
            }
        }
    }
}

/// Somebody who reads a mailbox, and acknowledges now and then.
struct Reader {
    client: Client,
    texts: Vec<String>,
    newest: Seq,
    waits: usize,
}

impl Reader {
    fn step(&mut self, world: &mut World) {
        for message in self.client.heard(world) {
            match message {
                ToClient::Deliver(deliver) => {
                    let entry = deliver.entry;
                    assert!(entry.seq > self.newest, "{} after {}", entry.seq.0, self.newest.0);
                    self.newest = entry.seq;
                    let text = String::from_utf8_lossy(entry.body.bytes()).into_owned();
                    if !self.texts.contains(&text) {
                        self.texts.push(text);
                    }
                }
                ToClient::Ping(ping) => self.client.say(world, Pong { nonce: ping.nonce }),
                ToClient::SessionEnded(ended) => panic!("{ended:?}"),
                _ => {}
            }
        }
        self.waits += 1;
        if self.waits.is_multiple_of(7) {
            self.client.say(world, Seen { handle: MINE, upto: self.newest });
        }
    }
}

/// Alice, at home on server 1, reads on server 3 what bob writes there.
struct Story {
    world: World,
    writer: Writer,
    reader: Reader,
    log: LogId,
}

impl Story {
    fn begin() -> Self {
        let mut world = World::signed(3).0;
        let (alice, bob) = (world.name_at(1, "alice"), world.name_at(3, "bob"));
        let client = Client::signed_up(&mut world, 3, alice);
        client.attach(&mut world, Seq(0));
        let (texts, newest, waits) = (Vec::new(), Seq(0), 0);
        let reader = Reader { client, texts, newest, waits };
        let writer = Writer::new(&mut world, 3, bob, alice);
        reader.client.heard(&mut world);
        reader.client.answer(&mut world, bob);
        let mut story = Self { world, writer, reader, log: LogId::mailbox(alice) };
        story.run(5);
        story
    }

    /// The same, of a slot that takes many pages: most of them come behind the mailbox's entries.
    fn with_attachments() -> Self {
        let mut story = Self::begin();
        story.reader.step(&mut story.world);
        for mark in 1..=12 {
            story.reader.client.upload(&mut story.world, mark);
        }
        story
    }

    fn run(&mut self, ticks: usize) {
        for _ in 0..ticks {
            self.writer.step(&mut self.world);
            self.reader.step(&mut self.world);
            self.world.step_disks();
            self.world.advance(TICK);
        }
    }

    /// The disks of these servers take time.
    fn slow_down(&mut self, servers: &[u16], read_steps: u64, commit_steps: u64) {
        for server in servers {
            let model = DiskModel { read_steps, commit_steps, ..DiskModel::default() };
            self.world.set_disk(*server, model);
        }
    }

    /// Everything that was sent comes, in order.
    fn finish(&mut self) {
        self.run(200);
        let expected: Vec<String> = (1..=TEXTS).map(|number| format!("text {number}")).collect();
        assert_eq!(self.writer.settled, TEXTS);
        assert_eq!(self.reader.texts, expected);
    }

    /// So it does, and `home` alone has the slot.
    fn end(&mut self, home: u16, epoch: u32) {
        self.finish();
        let (world, log) = (&self.world, &self.log);
        for server in 1..=3 {
            assert_eq!(world.alarms(server), [], "{server}");
            let SlotRecord { tenure, copy } = world.slot_record(server, log);
            assert_eq!(copy, None, "{server}");
            if server == home {
                let is_first = home == 1 && epoch == 0;
                assert_eq!(tenure, (!is_first).then_some(Tenure::Held { epoch }));
                assert!(world.slot_digest(server, log).rows > 0);
            } else {
                assert_eq!(world.slot_digest(server, log), SlotDigest::default(), "{server}");
            }
        }
    }
}

#[test]
fn a_slot_moves_while_it_is_used() {
    let mut story = Story::begin();
    story.world.move_to(&[story.log], 2);
    story.run(60);
    story.end(2, 1);
    assert!(story.writer.longest < FREEZE_TIME_MAX, "{:?}", story.writer.longest);
    assert_eq!(story.world.metrics(ServerId(1)).slots_given, 1);
    assert_eq!(story.world.metrics(ServerId(2)).slots_taken, 1);
    let tenure = Tenure::Moved { to: ServerId(2), epoch: 1, is_clear: true };
    assert_eq!(story.world.slot_record(1, &story.log).tenure, Some(tenure));
}

#[test]
fn what_is_written_while_a_slot_moves_follows_it() {
    for (read_steps, commit_steps) in DISKS {
        let mut story = Story::with_attachments();
        story.slow_down(&[1, 2], read_steps, commit_steps);
        story.world.move_to(&[story.log], 2);
        story.run(60);
        story.end(2, 1);
        assert_eq!(story.world.metrics(ServerId(1)).moves_ended, 0);
    }
}

#[test]
fn a_slot_is_counted_as_to_give_until_it_has_moved() {
    let mut story = Story::with_attachments();
    let before = story.world.slots(1);
    assert_eq!(before.1, 0);
    story.slow_down(&[1, 2], 2, 2);
    story.world.move_to(&[story.log], 2);
    // A map is in force when it is on disk.
    while story.world.metrics(ServerId(1)).map_version == 1 {
        story.run(1);
    }
    let mut has_stood_still = false;
    while story.world.metrics(ServerId(1)).slots_given == 0 {
        assert_eq!(story.world.slots(1), (before.0, 1));
        has_stood_still |= !story.world.serves(1, &story.log);
        story.run(1);
    }
    assert!(has_stood_still, "it does so before it has moved");
    assert_eq!(story.world.slots(1), (before.0 - 1, 0));
    story.run(60);
    story.end(2, 1);
}

#[test]
fn what_is_written_while_a_slot_moves_waits_for_its_reader() {
    for (read_steps, commit_steps) in DISKS {
        let mut story = Story::with_attachments();
        story.world.hang_up(story.reader.client.conn);
        story.slow_down(&[1, 2], read_steps, commit_steps);
        story.world.move_to(&[story.log], 2);
        story.run(60);
        story.slow_down(&[1, 2], 0, 0);
        story.run(5);
        let Story { world, reader, .. } = &mut story;
        reader.client.connect(world, 3);
        assert_eq!(reader.client.resume(world), Ok(()));
        reader.client.attach(world, reader.newest);
        story.end(2, 1);
    }
}

#[test]
fn a_slot_moves_on_and_comes_back() {
    let mut story = Story::begin();
    for home in [2, 3, 1, 2, 1] {
        story.world.move_to(&[story.log], home);
        story.run(20);
    }
    story.end(1, 5);
}

#[test]
fn a_map_may_change_while_a_slot_is_on_its_way() {
    for events in 0..60 {
        let mut story = Story::begin();
        story.world.move_to_slowly(&[story.log], 2, events);
        story.world.move_to(&[story.log], 3);
        story.run(150);
        story.end(3, 2);
    }
}

#[test]
fn either_side_may_die_at_any_step() {
    for server in [1, 2] {
        for in_flight in [InFlight::Lost, InFlight::Kept] {
            for events in 0.. {
                let mut story = Story::begin();
                story.world.fuse = Some(Fuse { server, events, in_flight });
                story.world.move_to(&[story.log], 2);
                story.run(10);
                let is_burnt = story.world.fuse.take().is_none();
                if is_burnt {
                    story.world.start(ServerId(server));
                }
                story.run(250);
                story.end(2, 1);
                if !is_burnt {
                    assert!(events > 10, "{server} does {events} things while a slot moves");
                    break;
                }
            }
        }
    }
}

#[test]
fn what_a_slot_was_is_what_it_is() {
    let mut story = Story::begin();
    // Nobody writes and nobody reads: what there is does not change.
    story.run(100);
    let before = story.world.slot_digest(1, &story.log);
    story.world.move_to(&[story.log], 2);
    story.world.advance(Duration::from_secs(1));
    assert_eq!(story.world.slot_digest(2, &story.log), before);
    assert!(before.rows > 3);
}

#[test]
fn a_link_that_breaks_leaves_the_slot_where_it_is() {
    let mut story = Story::begin();
    story.world.cut(1, 2);
    story.world.move_to(&[story.log], 2);
    story.run(50);
    assert_eq!(story.world.slot_record(1, &story.log), SlotRecord::default());
    assert_eq!(story.writer.longest, Duration::ZERO);
    story.world.heal(1, 2);
    story.run(300);
    story.end(2, 1);
}

#[test]
fn a_session_of_a_slot_that_has_moved_keeps_others_out() {
    let mut world = World::signed(3).0;
    let alice = world.name_at(1, "alice");
    let first = Client::signed_up(&mut world, 3, alice);
    first.attach(&mut world, Seq(0));
    world.move_to(&[LogId::mailbox(alice)], 2);
    world.advance(Duration::from_millis(500));
    first.heard(&mut world);
    let mut other = Client::at(&mut world, 1, alice, 2);
    other.begin_sign_in(&mut world, false).expect("the password is right");
    let Some(ToClient::Ping(ping)) = first.hear(&mut world) else {
        panic!("the new home knows of the session");
    };
    first.say(&mut world, Pong { nonce: ping.nonce });
    assert_eq!(other.take_welcome(&mut world), Err(FaultCode::ALREADY_LOGGED_IN));
    assert_eq!(other.sign_in(&mut world, true), Ok(()));
    let ended = first.heard(&mut world);
    assert!(ended.iter().any(|message| matches!(message, ToClient::SessionEnded(_))));
}

#[test]
fn nobody_is_granted_what_a_seat_may_still_act_for() {
    let mut world = World::signed(3).0;
    let alice = world.name_at(1, "alice");
    let first = Client::signed_up(&mut world, 3, alice);
    first.attach(&mut world, Seq(0));
    // Its seat hears neither of the move nor from the new home.
    world.cut(1, 3);
    world.cut(2, 3);
    world.move_to(&[LogId::mailbox(alice)], 2);
    world.advance(Duration::from_millis(500));
    assert_eq!(world.metrics(ServerId(2)).slots_taken, 1);
    let mut other = Client::at(&mut world, 1, alice, 2);
    other.begin_sign_in(&mut world, true).expect("the password is right");
    world.advance(Duration::from_secs(4));
    assert_eq!(other.take_welcome(&mut world), Err(FaultCode::UNAVAILABLE));
    world.advance(LEASE_TIME);
    let mut other = Client::at(&mut world, 1, alice, 2);
    assert_eq!(other.sign_in(&mut world, false), Ok(()), "its lease is over");
    drop(first);
}

#[test]
fn new_sign_ups_and_groups_follow_a_slot() {
    let mut world = World::signed(3).0;
    let (alice, carol) = (world.name_at(1, "alice"), world.name_at(1, "carol"));
    let mut first = Client::signed_up(&mut world, 1, alice);
    world.move_to(&[LogId::mailbox(alice), LogId::mailbox(carol)], 3);
    world.advance(Duration::from_secs(1));
    let second = Client::signed_up(&mut world, 2, carol);
    second.attach(&mut world, Seq(0));
    world.hang_up(first.conn);
    first.connect(&mut world, 3);
    assert_eq!(first.resume(&mut world), Ok(()));
    assert_eq!(first.open(&mut world, 1, carol).map(|base| base.value()), Ok(0));
    first.post(&mut world, 1, 1, 0, "hello");
    assert_eq!(first.accepted(&mut world).upto.value(), 1);
    assert_eq!(second.texts(&mut world), ["hello"]);
}
