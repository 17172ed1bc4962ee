//! Faults end, everything comes to rest, and everyone has read the same.

use std::collections::BTreeMap;

use wire::roster::{Act, Statement};

use super::{World, session_of};
use crate::core::log::tests::*;

impl World {
    /// Faults end: everyone connects, and everything comes to rest.
    pub(super) fn heal(&mut self) {
        self.rig.store.set_model(DiskModel::default());
        for who in 0..self.people.len() {
            self.reconnect(who, OTHER_SEAT);
        }
        for _ in 0..300 {
            self.rig.store.step();
            self.rig.settle();
            self.exchange();
            for who in 0..self.people.len() {
                self.read(who);
                self.see(who);
                self.send_again(who);
            }
        }
        self.rig.settle();
        self.exchange();
    }

    pub(super) fn verdict(&mut self) {
        let all = self.people[0].received.clone();
        assert!(self.people[0].is_live, "alice is caught up");
        let last = all.last().expect("a creation").seq;
        self.check_order(&all);
        for person in &self.people {
            let expected = visible_to(person.name, &all);
            let expected: Vec<Entry> = expected.into_iter().cloned().collect();
            let is_member = self.roster(u32::try_from(self.chain.len()).expect("few"));
            let is_member = is_member.is_member(&person.name);
            let received: Vec<Seq> = person.received.iter().map(|entry| entry.seq).collect();
            let expected: Vec<Seq> = expected.iter().map(|entry| entry.seq).collect();
            assert!(received.iter().all(|seq| expected.contains(seq)), "{}", person.name);
            // Who departs twice without reading in between misses some, and is told.
            let missed = expected.iter().filter(|seq| !received.contains(seq));
            assert!(person.has_missed || missed.count() == 0, "{} reads all", person.name);
            if is_member {
                let stint =
                    expected.iter().rev().take_while(|seq| **seq > joined(person.name, &all));
                let is_read = |seq: &Seq| received.contains(seq);
                assert!(stint.clone().all(is_read), "{} reads all", person.name);
                assert_eq!(person.cursor, last);
            }
            assert_eq!(person.told.len(), person.outbox.len(), "every post is answered");
            for (index, accepted) in person.told.iter().enumerate() {
                let value = u64::try_from(index + 1).expect("few");
                let is_post =
                    |entry: &&Entry| entry.sender == person.name && entry.number == number(value);
                let count = all.iter().filter(is_post).count();
                assert_eq!(count, usize::from(*accepted), "{} {value}", person.name);
            }
        }
        let metrics = self.rig.logs.metrics();
        assert_eq!((metrics.pending_len, metrics.waiting), (0, 0));
    }

    /// Numbers rise by sender, who is a member then, and seals for nobody who has left.
    fn check_order(&self, all: &[Entry]) {
        let (mut version, mut numbers) = (0, BTreeMap::new());
        for entry in all {
            if entry.number == Number::NONE {
                version += 1;
                continue;
            }
            let roster = self.roster(version);
            assert!(roster.is_member(&entry.sender), "{} is a member", entry.sender);
            let sealed_for = self.granted[&(entry.sender, session_of(entry))];
            assert!(sealed_for >= roster.last_departure(), "nobody has left since");
            let last = numbers.insert(entry.sender, entry.number);
            assert!(last < Some(entry.number), "in order");
        }
    }
}

/// What an account could read: what is between its joinings and departures, these included.
fn visible_to(account: Name, all: &[Entry]) -> Vec<&Entry> {
    let mut is_member = false;
    let mut visible = Vec::new();
    for entry in all {
        let statement = (entry.number == Number::NONE)
            .then(|| Statement::decode(entry.body.bytes().clone()).expect("a statement"));
        let own = statement.filter(|statement| statement.subject == account);
        let before = is_member;
        is_member = match own.map(|own| own.act) {
            Some(Act::Create | Act::Join) => true,
            Some(Act::Leave | Act::Remove) => false,
            _ => is_member,
        };
        if before || is_member {
            visible.push(entry);
        }
    }
    visible
}

/// The seq before the account's last joining.
fn joined(account: Name, all: &[Entry]) -> Seq {
    let is_own = |entry: &&Entry| {
        let statement = Statement::decode(entry.body.bytes().clone());
        entry.number == Number::NONE
            && statement.is_ok_and(|statement| {
                statement.actor == account && matches!(statement.act, Act::Create | Act::Join)
            })
    };
    let own = all.iter().rev().find(is_own).expect("it has joined");
    Seq(own.seq.0 - 1)
}
