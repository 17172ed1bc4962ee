//! A log that is not in memory: its account or group is read, then its cursors and index, while
//! later operations wait in order.
//!
//! That an account does not exist is true of the moment of the read: it answers those who waited
//! then, and for the others the store is asked again. Nothing remembers it. A group begins nowhere
//! but here: one that does not exist is a log like others until those who waited were answered.

use storage::{CursorRecord, GroupRecord, IndexEntry, Read, SessionRecord};
use wire::{LogKind, Name};

use super::Logs;
use super::arrival::Arrival;
use super::group::Group;
use super::home::{Home, Pending};
use super::member::Members;
use super::out::LogOut;
use super::state::Log;

impl Logs {
    /// Begins to load the log of `arrival`, which waits for it, or refuses.
    pub(super) fn load(&mut self, arrival: Arrival, out: &mut LogOut) {
        if !self.slots.is_here(arrival.log()) {
            return;
        }
        if !self.can_load(&arrival) {
            return arrival.refuse_cold(&mut self.home, out);
        }
        let id = *arrival.log();
        let key = self.logs.insert(id);
        let log = self.logs.wake(key);
        log.wait(arrival, &mut self.home, out);
        match id.kind {
            LogKind::Mailbox => log.ask_account(&mut self.home, out),
            LogKind::Group => log.ask_group_record(&mut self.home, out),
        }
    }

    /// A group was read.
    pub(super) fn on_group(&mut self, key: usize, record: Option<GroupRecord>, out: &mut LogOut) {
        let log = self.logs.wake(key);
        let Some(record) = record else {
            return self.on_log(key, (&[], Vec::new(), Vec::new()), out);
        };
        let group = Group::from_record(record);
        log.members = Members::of(group.roster().members().map(|(account, _)| *account));
        log.group = Some(Box::new(group));
        log.ask_index(&mut self.home, out);
    }

    /// The account of a mailbox was read.
    pub(super) fn on_account(
        &mut self,
        key: usize,
        exists: bool,
        session: Option<SessionRecord>,
        out: &mut LogOut,
    ) {
        let log = self.logs.wake(key);
        if exists {
            let epoch = session.map(|session| session.epoch).unwrap_or_default();
            log.end_reader(&log.id.name.clone(), epoch, &mut self.home);
            log.ask_index(&mut self.home, out);
        } else if log.refuse_asked(&mut self.home, out) {
            log.ask_account(&mut self.home, out);
        } else {
            self.logs.remove(key);
        }
    }

    /// A log's cursors and index were read: what waited for it goes on, in order.
    pub(super) fn on_log(
        &mut self,
        key: usize,
        (cursors, index, answered): (&[(Name, CursorRecord)], Vec<IndexEntry>, Vec<Name>),
        out: &mut LogOut,
    ) {
        let log = self.logs.wake(key);
        log.answered.load(answered);
        log.load(cursors, index, self.home.last_seq());
        log.expire(&mut self.home);
        self.home.metrics.logs_loaded += 1;
        while let Some(arrival) = log.waiting.pop(&mut self.home) {
            log.handle(arrival, &mut self.home, out);
        }
    }

    fn can_load(&self, arrival: &Arrival) -> bool {
        arrival.loads() && self.home.can_read() && self.home.waiting < self.home.limits.waiting_max
    }
}

impl Log {
    fn ask_account(&mut self, home: &mut Home, out: &mut LogOut) {
        self.waiting.ask();
        let pending = Pending::Account { log: self.key };
        self.ask(pending, Read::Account { name: self.id.name }, home, out);
    }

    fn ask_group_record(&mut self, home: &mut Home, out: &mut LogOut) {
        let read = Read::Group { group: self.id.name };
        self.ask(Pending::Group { log: self.key }, read, home, out);
    }

    fn ask_index(&mut self, home: &mut Home, out: &mut LogOut) {
        self.ask(Pending::Log { log: self.key }, Read::Log { log: self.id }, home, out);
    }

    /// Tells those who waited when the store was asked that there is no such log; whether others
    /// came since.
    fn refuse_asked(&mut self, home: &mut Home, out: &mut LogOut) -> bool {
        while let Some(arrival) = self.waiting.pop_asked(home) {
            arrival.refuse_absent(home, out);
        }
        !self.waiting.is_empty()
    }
}
