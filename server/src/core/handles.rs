//! The logs that a session holds open, by its handles and by themselves.

use wire::{LogHandle, LogId};

use super::few::Few;
use super::session::Handle;

/// Up to so many, looking at each is as quick as an index, and takes no memory.
const LOOKED_AT_MAX: usize = 4;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Handles {
    by_id: Few<LogHandle, Handle>,
    /// None while there are few.
    by_log: Option<Box<Few<LogId, LogHandle>>>,
}

impl Handles {
    pub(super) fn get(&self, id: LogHandle) -> Option<&Handle> {
        self.by_id.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: LogHandle) -> Option<&mut Handle> {
        self.by_id.get_mut(&id)
    }

    /// The handle of `log`, if it is held open.
    pub(super) fn of(&self, log: &LogId) -> Option<LogHandle> {
        match &self.by_log {
            Some(by_log) => by_log.get(log).copied(),
            None => self.by_id.iter().find(|(_, handle)| handle.log == *log).map(|(id, _)| *id),
        }
    }

    /// Neither the handle nor its log may be here already.
    pub(super) fn insert(&mut self, id: LogHandle, handle: Handle) {
        let log = handle.log;
        let former = self.by_id.insert(id, handle);
        assert!(former.is_none(), "a handle is given once");
        if let Some(by_log) = &mut self.by_log {
            by_log.insert(log, id);
        } else if self.by_id.len() > LOOKED_AT_MAX {
            let by_log = self.by_id.iter().map(|(id, handle)| (handle.log, *id));
            self.by_log = Some(Box::new(by_log.collect()));
        }
    }

    pub(super) fn remove(&mut self, id: LogHandle) -> Option<Handle> {
        let handle = self.by_id.remove(&id)?;
        if let Some(by_log) = &mut self.by_log {
            by_log.remove(&handle.log);
        }
        if self.by_id.len() <= LOOKED_AT_MAX {
            self.by_log = None;
        }
        Some(handle)
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (LogHandle, &Handle)> {
        self.by_id.iter().map(|(id, handle)| (*id, handle))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Handle> {
        self.by_id.values()
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Handle> {
        self.by_id.values_mut()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use wire::{LogHandle, LogId, Name, ServerId, Slot};

    use super::Handles;
    use crate::core::session::{Handle, HandleState};

    fn log(number: u32) -> LogId {
        LogId::mailbox(Name::parse(&format!("a{number}")).expect("a name"))
    }

    fn handle(number: u32) -> Handle {
        let log = log(number);
        Handle {
            log,
            slot: Slot::of(&log),
            home: ServerId(1),
            state: HandleState::Open,
            posts: VecDeque::new(),
            reading: None,
            is_answer_told: false,
        }
    }

    #[test]
    fn few_and_many_are_found_by_their_logs() {
        let mut handles = Handles::default();
        for number in 0..10 {
            handles.insert(LogHandle(number), handle(number));
            let of = (0..=10).map(|number| handles.of(&log(number)));
            assert!(of.eq((0..=10).map(|other| (other <= number).then_some(LogHandle(other)))));
        }
        for number in (0..10).rev() {
            assert!(handles.remove(LogHandle(number)).is_some_and(|h| h.log == log(number)));
            let of = (0..10).map(|number| handles.of(&log(number)));
            assert!(of.eq((0..10).map(|other| (other < number).then_some(LogHandle(other)))));
        }
        assert_eq!(handles.len(), 0);
    }
}
