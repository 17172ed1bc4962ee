//! The logs that are open on the present connection, each under its handle.

use std::collections::BTreeMap;
use std::time::Duration;

use wire::message::OpenLog;
use wire::{FaultCode, Instant, LogHandle, LogId, Name, Number};

/// A log that could not be opened is asked for again by what wants it later than this: its account
/// may have been made meanwhile.
const FAILED_TIME: Duration = Duration::from_secs(2);
/// The handle of the account's own mailbox.
pub(crate) const OWN: LogHandle = LogHandle(0);

/// How far the opening of a log has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum HandleState {
    /// Asked, not answered.
    Opening,
    /// Open; the home's `max(last, settled)` when it was opened.
    Open(Number),
    /// The home cannot be asked now; ask again then.
    Pausing(Instant),
    /// Definitely not, at that time.
    Failed(FaultCode, Instant),
}

/// Log → handle and back; forgotten with the connection.
#[derive(Debug, Default)]
pub(crate) struct Handles {
    logs: BTreeMap<LogId, (LogHandle, HandleState)>,
    names: BTreeMap<LogHandle, LogId>,
    last: u32,
}

impl Handles {
    /// The state of `log`'s handle; `None` when nobody asked for it.
    pub(crate) fn state(&self, log: &LogId) -> Option<HandleState> {
        self.logs.get(log).map(|(_, state)| *state)
    }

    /// The handle of `log`, if it is open.
    pub(crate) fn open_handle(&self, log: &LogId) -> Option<LogHandle> {
        match self.logs.get(log) {
            Some((handle, HandleState::Open(_))) => Some(*handle),
            _ => None,
        }
    }

    /// The log under `handle`.
    pub(crate) fn log(&self, handle: LogHandle) -> Option<LogId> {
        self.names.get(&handle).copied()
    }

    /// What to send so that `log` gets open; `None` when that is under way, done or hopeless.
    pub(crate) fn want(&mut self, log: LogId, me: Option<Name>, now: Instant) -> Option<OpenLog> {
        if let Some(HandleState::Failed(_, at)) = self.state(&log)
            && now.since(at) > FAILED_TIME
        {
            self.forgive(&log);
        }
        if self.state(&log).is_some() {
            return None;
        }
        let handle = match me.map(LogId::mailbox) == Some(log) {
            true => OWN,
            false => {
                self.last += 1;
                LogHandle(self.last)
            }
        };
        self.logs.insert(log, (handle, HandleState::Opening));
        self.names.insert(handle, log);
        assert_eq!(self.logs.len(), self.names.len(), "one handle per log");
        Some(OpenLog { handle, log })
    }

    /// The answer to an `OpenLog` came; which log it was for.
    pub(crate) fn settle(&mut self, handle: LogHandle, state: HandleState) -> Option<LogId> {
        let log = *self.names.get(&handle)?;
        let (_, slot) = self.logs.get_mut(&log)?;
        if *slot != HandleState::Opening {
            return None;
        }
        *slot = state;
        Some(log)
    }

    /// Forgets `log`; its handle, when there was an open one to close.
    pub(crate) fn forget(&mut self, log: &LogId) -> Option<LogHandle> {
        let (handle, state) = self.logs.remove(log)?;
        self.names.remove(&handle);
        matches!(state, HandleState::Open(_)).then_some(handle)
    }

    /// Forgets that `log` could not be opened: who still wants it asks again.
    pub(crate) fn forgive(&mut self, log: &LogId) {
        if matches!(self.state(log), Some(HandleState::Failed(..))) {
            self.forget(log);
        }
    }

    /// Forgets the pauses that are over: who still wants such a log asks again.
    pub(crate) fn on_timeout(&mut self, now: Instant) {
        let over = |state: &HandleState| matches!(state, HandleState::Pausing(at) if *at <= now);
        self.logs.retain(|_, (handle, state)| {
            let is_over = over(state);
            if is_over {
                self.names.remove(handle);
            }
            !is_over
        });
    }

    /// How many logs have a handle.
    pub(crate) fn len(&self) -> usize {
        self.logs.len()
    }

    /// The connection is gone, and every handle with it.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// When the next pause ends.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.logs
            .values()
            .filter_map(|(_, state)| match state {
                HandleState::Pausing(until) => Some(*until),
                _ => None,
            })
            .min()
    }
}

#[cfg(test)]
mod tests {
    use wire::{FaultCode, Instant, LogHandle, LogId, Name, Number};

    use super::{FAILED_TIME, HandleState, Handles, OWN};

    fn log(name: &str) -> LogId {
        LogId::mailbox(Name::parse(name).expect("a name"))
    }

    #[test]
    fn each_log_is_asked_for_once_and_the_own_mailbox_has_handle_0() {
        let mut handles = Handles::default();
        let me = Some(log("me").name);
        let asked = handles.want(log("me"), me, Instant(0)).expect("asks");
        assert_eq!(asked.handle, OWN);
        let asked = handles.want(log("bob"), me, Instant(0)).expect("asks");
        assert_eq!(asked.handle, LogHandle(1));
        assert_eq!(handles.want(log("bob"), me, Instant(0)), None);
        let open = HandleState::Open(Number::NONE);
        assert_eq!(handles.settle(LogHandle(1), open), Some(log("bob")));
        assert_eq!(handles.open_handle(&log("bob")), Some(LogHandle(1)));
        assert_eq!(handles.settle(LogHandle(9), open), None);
    }

    #[test]
    fn a_pausing_log_is_asked_for_again_and_a_failed_one_only_later() {
        let mut handles = Handles::default();
        handles.want(log("bob"), None, Instant(5)).expect("asks");
        handles.settle(LogHandle(1), HandleState::Pausing(Instant(5)));
        assert_eq!(handles.deadline(), Some(Instant(5)));
        handles.on_timeout(Instant(4));
        assert_eq!(handles.want(log("bob"), None, Instant(5)), None);
        handles.on_timeout(Instant(5));
        assert_eq!(handles.deadline(), None, "a pause that is over is over for good");
        let again = handles.want(log("bob"), None, Instant(5)).expect("asks");
        let failed = HandleState::Failed(FaultCode::NO_SUCH_USER, Instant(5));
        handles.settle(again.handle, failed);
        assert_eq!(handles.want(log("bob"), None, Instant(5)), None);
        let later = Instant(5) + 2 * FAILED_TIME;
        handles.want(log("bob"), None, later).expect("asks");
    }
}
