//! The logs that a session holds open, by its handles and by themselves. Most sessions hold their
//! own mailbox open and nothing else: that needs no memory but the session's.

use wire::{LogHandle, LogId, Name};

use super::few::Few;
use super::session::Handle;

/// Up to so many, looking at each is as quick as an index, and takes no memory.
const LOOKED_AT_MAX: usize = 4;

/// See the module.
#[derive(Debug, Default)]
pub(super) enum Handles {
    #[default]
    None,
    One((LogHandle, Handle)),
    Several(Box<Several>),
}

/// More than one, or what is left of them.
#[derive(Debug, Default)]
pub(super) struct Several {
    by_id: Few<LogHandle, Handle>,
    /// None while there are few.
    by_log: Option<Few<LogId, LogHandle>>,
}

impl Handles {
    pub(super) fn get(&self, id: LogHandle) -> Option<&Handle> {
        match self {
            Self::None => None,
            Self::One((one, handle)) => (*one == id).then_some(handle),
            Self::Several(several) => several.by_id.get(&id),
        }
    }

    pub(super) fn get_mut(&mut self, id: LogHandle) -> Option<&mut Handle> {
        match self {
            Self::None => None,
            Self::One((one, handle)) => (*one == id).then_some(handle),
            Self::Several(several) => several.by_id.get_mut(&id),
        }
    }

    /// The handle of `log`, if the session of `account` holds it open.
    pub(super) fn of(&self, log: &LogId, account: Name) -> Option<LogHandle> {
        if let Self::Several(several) = self
            && let Some(by_log) = &several.by_log
        {
            return by_log.get(log).copied();
        }
        self.iter().find(|(_, handle)| handle.is_of(log, account)).map(|(id, _)| id)
    }

    /// Neither the handle nor its log may be here already.
    pub(super) fn insert(&mut self, id: LogHandle, handle: Handle, account: Name) {
        match std::mem::take(self) {
            Self::None => *self = Self::One((id, handle)),
            Self::One((one, first)) => {
                let mut several = Box::new(Several::default());
                several.insert(one, first, account);
                several.insert(id, handle, account);
                *self = Self::Several(several);
            }
            Self::Several(mut several) => {
                several.insert(id, handle, account);
                *self = Self::Several(several);
            }
        }
    }

    pub(super) fn remove(&mut self, id: LogHandle, account: Name) -> Option<Handle> {
        match std::mem::take(self) {
            Self::None => None,
            Self::One((one, handle)) if one == id => Some(handle),
            Self::One(one) => {
                *self = Self::One(one);
                None
            }
            Self::Several(mut several) => {
                let removed = several.remove(id, account);
                if !several.by_id.is_empty() {
                    *self = Self::Several(several);
                }
                removed
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.all().len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (LogHandle, &Handle)> {
        self.all().iter().map(|(id, handle)| (*id, handle))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Handle> {
        self.all().iter().map(|(_, handle)| handle)
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Handle> {
        let all = match self {
            Self::None => &mut [],
            Self::One(one) => std::slice::from_mut(one),
            Self::Several(several) => several.by_id.as_mut_slice(),
        };
        all.iter_mut().map(|(_, handle)| handle)
    }

    fn all(&self) -> &[(LogHandle, Handle)] {
        match self {
            Self::None => &[],
            Self::One(one) => std::slice::from_ref(one),
            Self::Several(several) => several.by_id.as_slice(),
        }
    }
}

impl Several {
    fn insert(&mut self, id: LogHandle, handle: Handle, account: Name) {
        let log = handle.log(account);
        let former = self.by_id.insert(id, handle);
        assert!(former.is_none(), "a handle is given once");
        if let Some(by_log) = &mut self.by_log {
            by_log.insert(log, id);
        } else if self.by_id.len() > LOOKED_AT_MAX {
            let by_log = self.by_id.iter().map(|(id, handle)| (handle.log(account), *id));
            self.by_log = Some(by_log.collect());
        }
    }

    fn remove(&mut self, id: LogHandle, account: Name) -> Option<Handle> {
        let handle = self.by_id.remove(&id)?;
        if let Some(by_log) = &mut self.by_log {
            by_log.remove(&handle.log(account));
        }
        if self.by_id.len() <= LOOKED_AT_MAX {
            self.by_log = None;
        }
        Some(handle)
    }
}

#[cfg(test)]
mod tests {
    use wire::{LogHandle, LogId, Name, ServerId, Slot};

    use super::Handles;
    use crate::core::session::Handle;

    fn log(number: u32) -> LogId {
        LogId::mailbox(Name::parse(&format!("a{number}")).expect("a name"))
    }

    fn account() -> Name {
        log(0).name
    }

    fn handle(number: u32) -> Handle {
        Handle::opening(&log(number), account(), (Slot::of(&log(number)), ServerId(1)))
    }

    #[test]
    fn the_only_one_stays_when_another_is_removed() {
        let mut handles = Handles::default();
        assert!(handles.remove(LogHandle(1), account()).is_none());
        handles.insert(LogHandle(1), handle(1), account());
        assert!(handles.remove(LogHandle(2), account()).is_none());
        assert!(handles.get(LogHandle(2)).is_none() && handles.get_mut(LogHandle(2)).is_none());
        assert!(handles.get(LogHandle(1)).is_some() && handles.get_mut(LogHandle(1)).is_some());
        assert_eq!((handles.len(), handles.values_mut().count()), (1, 1));
        handles.insert(LogHandle(3), handle(3), account());
        assert!(handles.remove(LogHandle(2), account()).is_none());
        assert!(handles.get(LogHandle(1)).is_some() && handles.get_mut(LogHandle(3)).is_some());
        assert_eq!((handles.len(), handles.values_mut().count()), (2, 2));
    }

    #[test]
    fn few_and_many_are_found_by_their_logs() {
        let mut handles = Handles::default();
        for number in 0..10 {
            handles.insert(LogHandle(number), handle(number), account());
            let of = (0..=10).map(|number| handles.of(&log(number), account()));
            assert!(of.eq((0..=10).map(|other| (other <= number).then_some(LogHandle(other)))));
        }
        for number in (0..10).rev() {
            let removed = handles.remove(LogHandle(number), account()).expect("it is there");
            assert_eq!(removed.log(account()), log(number));
            assert!(handles.remove(LogHandle(number), account()).is_none());
            let of = (0..10).map(|number| handles.of(&log(number), account()));
            assert!(of.eq((0..10).map(|other| (other < number).then_some(LogHandle(other)))));
        }
        assert_eq!(handles.len(), 0);
    }
}
