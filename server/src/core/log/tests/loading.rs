//! Logs that are not in memory: what waits, what is bounded, what is dropped.

use super::Answered::{Accepted, Busy, Expected};
use super::*;
use wire::Kind;
use wire::message::{AnswerBody, Fault};

fn nobody() -> LogId {
    LogId::mailbox(name("nobody"))
}

fn read_of(log: LogId) -> PeerRead {
    let (account, epoch) = (log.name, SessionEpoch(1));
    PeerRead { log, account, epoch, after: Seq(0), entries_max: 1 }
}

fn faults(rig: &mut Rig) -> Vec<Fault> {
    let sent = rig.take().into_iter();
    sent.filter_map(|(_, message)| match message {
        ToPeer::Answer(answer) => match answer.body {
            AnswerBody::Fault(fault) => Some(fault),
            _ => None,
        },
        _ => None,
    })
    .collect()
}

#[test]
fn what_waits_goes_on_in_order() {
    let mut rig = Rig::standard();
    (1..=3).for_each(|n| rig.post(SEAT, post(n, 0, "a")));
    rig.attach(SEAT, "alice", 1, Seq(0));
    rig.read(SEAT, "alice", 1, Seq(0));
    assert_eq!(rig.logs.metrics().waiting, 5);
    rig.settle();
    assert_eq!(rig.answers(), [Accepted(3)]);
    assert_eq!(rig.logs.metrics().waiting, 0);
}

#[test]
fn nobody_has_no_mailbox() {
    let mut rig = Rig::standard();
    rig.open(nobody(), "bob");
    rig.load();
    let fault = Fault::about(FaultCode::NO_SUCH_USER, Kind::OPEN_LOG, 4);
    assert_eq!(faults(&mut rig), [fault]);
    rig.post(SEAT, PeerPost { log: nobody(), ..post(1, 0, "a") });
    rig.load();
    assert_eq!(rig.answers(), [Busy(1)], "a home that lost an account rejects nothing for good");
    rig.logs.on_read(SEAT, read_of(nobody()), &mut rig.out);
    rig.drain();
    rig.load();
    assert!(rig.range().failed);
    assert_eq!(rig.causes(), [AlarmCause::NoSuchLog; 2]);
    assert_eq!(rig.logs.metrics().logs, 0, "nothing is remembered of it");
}

#[test]
fn a_group_that_nobody_created_is_not_remembered() {
    let mut rig = Rig::standard();
    let group = LogId::group(name("alice"));
    rig.open(group, "bob");
    rig.load();
    let fault = Fault::about(FaultCode::NO_SUCH_GROUP, Kind::OPEN_LOG, 4);
    assert_eq!(faults(&mut rig), [fault]);
    rig.post(SEAT, PeerPost { log: group, ..post(1, 0, "a") });
    rig.load();
    assert_eq!(rig.answers(), [Busy(1)]);
    assert_eq!(rig.causes(), [AlarmCause::NoSuchLog]);
    assert_eq!(rig.logs.metrics().logs, 0);
}

#[test]
fn an_account_made_while_its_absence_is_on_the_way_is_found() {
    let mut rig = Rig::standard();
    rig.open(nobody(), "bob");
    let absent = storage::Answer::Account(None, None);
    let (ticket, read) = rig.reads.remove(0);
    assert_eq!(rig.store.poll(), Some(Completion::Answered { ticket, answer: absent.clone() }));
    rig.create("nobody");
    rig.post(SEAT, PeerPost { log: nobody(), ..post(1, 0, "a") });
    rig.logs.on_answer(read, absent, &mut rig.out);
    rig.drain();
    assert_eq!(faults(&mut rig).len(), 1, "true of the moment it was asked");
    rig.settle();
    assert_eq!(rig.answers(), [Accepted(1)], "the store was asked again for the later one");
}

#[test]
fn what_may_wait_is_bounded() {
    let mut rig = Rig::new(LogLimits { cold_waiting_max: 2, ..LogLimits::standard() });
    (1..=4).for_each(|n| rig.post(SEAT, post(n, 0, "a")));
    rig.open(alice(), "bob");
    rig.read(SEAT, "alice", 1, Seq(0));
    let sent = rig.take();
    let answers: Vec<_> = sent.iter().filter_map(|(_, sent)| Answered::of(sent)).collect();
    assert_eq!(answers, [Busy(3), Busy(4)]);
    assert!(sent.iter().any(|(_, sent)| matches!(sent, ToPeer::PeerRange(range) if range.failed)));
    assert!(sent.iter().any(|(_, sent)| matches!(sent, ToPeer::Answer(_))));
    rig.attach(SEAT, "alice", 1, Seq(0));
    rig.settle();
    assert_eq!(rig.answers(), [Accepted(2)]);
    assert_eq!(rig.logs.metrics().readers, 1, "an attach has room of its own");
    assert_eq!(rig.causes(), []);
}

#[test]
fn what_may_wait_in_all_is_bounded() {
    let limits = LogLimits { pending_len_max: 200, ..LogLimits::standard() };
    let mut rig = Rig::new(limits);
    (1..=2).for_each(|n| rig.post(SEAT, post(n, 0, "a")));
    assert_eq!(rig.answers(), [Busy(2)]);
    rig.settle();
    assert_eq!(rig.answers(), [Accepted(1)]);
    assert_eq!(rig.logs.metrics().pending_len, 0);
}

#[test]
fn what_may_wait_for_all_logs_is_bounded() {
    let mut rig = Rig::new(LogLimits { waiting_max: 2, ..LogLimits::standard() });
    rig.open(LogId::mailbox(name("carol")), "bob");
    (1..=2).for_each(|n| rig.post(SEAT, post(n, 0, "a")));
    assert_eq!(rig.answers(), [Busy(2)]);
    rig.settle();
    assert_eq!(rig.answers(), [Accepted(1)]);
}

#[test]
fn reads_are_bounded() {
    let mut rig = Rig::new(LogLimits { reads_max: 1, ..LogLimits::standard() });
    rig.open(alice(), "bob");
    rig.open(LogId::mailbox(name("carol")), "bob");
    assert_eq!(faults(&mut rig)[0].code, FaultCode::UNAVAILABLE);
    rig.load();
    rig.open(LogId::mailbox(name("carol")), "bob");
    rig.post(SEAT, PeerPost { sender: name("carol"), ..post(1, 0, "a") });
    assert_eq!(rig.answers(), [Busy(1)], "its row cannot be read now");
    rig.load();
}

#[test]
fn a_lost_link_takes_what_waits_with_it() {
    let mut rig = Rig::standard();
    rig.post(SEAT, post(1, 0, "a"));
    rig.attach(SEAT, "alice", 1, Seq(0));
    rig.post(OTHER_SEAT, PeerPost { sender: name("carol"), ..post(1, 0, "c") });
    rig.logs.on_link_lost(SEAT);
    rig.settle();
    let sent = rig.take();
    assert!(matches!(sent.as_slice(), [(OTHER_SEAT, ToPeer::PeerAccepted(_))]), "{sent:?}");
    rig.post(SEAT, post(2, 0, "b"));
    rig.settle();
    assert_eq!(rig.answers(), [Expected(2, 1)], "the first was dropped");
}

#[test]
fn a_stale_attach_does_not_survive_the_load() {
    let mut rig = Rig::standard();
    rig.attach(SEAT, "alice", 3, Seq(0));
    rig.logs.end_reader(&name("alice"), SessionEpoch(4));
    rig.attach(SEAT, "alice", 3, Seq(0));
    rig.settle();
    assert_eq!(rig.logs.metrics().readers, 0);
}

#[test]
fn the_stored_session_is_known_to_a_log_that_was_not_in_memory() {
    let mut rig = Rig::standard();
    let session = storage::SessionRecord { epoch: SessionEpoch(9), ..Default::default() };
    let change = Change::PutSession { name: name("alice"), session };
    let ticket = rig.ticket();
    rig.store.submit(Op::Commit { ticket, batch: Batch::of(vec![change]) });
    rig.store.poll();
    rig.attach(SEAT, "alice", 8, Seq(0));
    rig.settle();
    assert_eq!(rig.logs.metrics().readers, 0, "an older session");
    rig.attach(SEAT, "alice", 9, Seq(0));
    assert_eq!(rig.logs.metrics().readers, 1);
}

#[test]
fn idle_logs_stay_while_there_is_room() {
    let mut rig = Rig::new(LogLimits { idle_weight_max: 5, ..LogLimits::standard() });
    let accounts = ["alice", "bob", "carol"];
    for account in accounts {
        rig.open(LogId::mailbox(name(account)), "dave");
        rig.settle();
    }
    let metrics = rig.logs.metrics();
    assert_eq!((metrics.logs, metrics.logs_dropped, metrics.logs_loaded), (2, 1, 3));
    rig.open(LogId::mailbox(name("bob")), "dave");
    rig.open(alice(), "dave");
    rig.settle();
    rig.open(LogId::mailbox(name("bob")), "dave");
    assert_eq!(rig.logs.metrics().logs_loaded, 4, "the longest unused went first");
}

#[test]
fn a_log_in_use_is_never_dropped() {
    let mut rig = Rig::new(LogLimits { idle_weight_max: 0, ..LogLimits::standard() });
    rig.attach(SEAT, "alice", 1, Seq(0));
    rig.load();
    assert_eq!(rig.logs.metrics().logs, 1, "it has a reader");
    rig.detach(SEAT, 1);
    assert_eq!(rig.logs.metrics().logs, 0);
    rig.post(SEAT, post(1, 0, "a"));
    rig.load();
    assert_eq!(rig.logs.metrics().logs, 1, "it has something to write");
    assert!(rig.compose());
    assert_eq!(rig.logs.metrics().logs, 1, "it is being written");
    rig.settle();
    assert_eq!((rig.logs.metrics().logs, rig.answers()), (0, vec![Accepted(1)]));
}
