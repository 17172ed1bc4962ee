//! The logs that a user opens, a few at a time, and reads from its cursor on. Pure.

use wire::message::{Attach, OpenLog};
use wire::{LogHandle, LogId, Seq};

use crate::user::{Action, Progress};

/// Logs asked for at once: below what a session may ask.
const AT_ONCE: usize = 16;

/// A log to open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Wanted {
    /// Its handle.
    pub handle: LogHandle,
    /// Which log.
    pub log: LogId,
    /// Where it is read from, if it is read.
    pub cursor: Option<Seq>,
}

/// What is to be opened, and what is not open yet.
#[derive(Debug, Default)]
pub struct Opening {
    /// To be asked for; the next one last.
    waiting: Vec<Wanted>,
    under_way: Vec<Wanted>,
}

impl Opening {
    /// Whether nothing is left to open.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_empty()
    }

    /// More logs to open, after the others.
    pub fn add(&mut self, wanted: Vec<Wanted>) {
        let later = std::mem::replace(&mut self.waiting, wanted);
        self.waiting.reverse();
        self.waiting.extend(later);
    }

    /// Asks for as many as may be asked for at once.
    pub fn go_on(&mut self, out: &mut Vec<Action>) {
        while self.under_way.len() < AT_ONCE
            && let Some(wanted) = self.waiting.pop()
        {
            let Wanted { handle, log, .. } = wanted;
            out.push(Action::Say(OpenLog { handle, log }.into()));
            self.under_way.push(wanted);
        }
    }

    /// A log is open; it is read, if it is to be read.
    pub fn on_opened(&mut self, handle: LogHandle, out: &mut Vec<Action>) -> Progress {
        let wanted = self.under_way.iter().find(|wanted| wanted.handle == handle);
        match wanted.and_then(|wanted| wanted.cursor) {
            Some(cursor) => {
                out.push(Action::Say(Attach { handle, cursor }.into()));
                Progress::OnItsWay
            }
            None => self.on_caught_up(handle, out),
        }
    }

    /// A log is read up to its end.
    pub fn on_caught_up(&mut self, handle: LogHandle, out: &mut Vec<Action>) -> Progress {
        let Some(place) = self.under_way.iter().position(|wanted| wanted.handle == handle) else {
            return Progress::OnItsWay;
        };
        self.under_way.swap_remove(place);
        self.go_on(out);
        if self.is_done() { Progress::Open } else { Progress::OnItsWay }
    }

    /// The log of the handle `reference` cannot be opened now: it waits.
    pub fn on_fault(&mut self, reference: u32) {
        let place = self.under_way.iter().position(|wanted| wanted.handle.0 == reference);
        if let Some(place) = place {
            self.waiting.push(self.under_way.swap_remove(place));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::{Name, ToServer};

    fn wanted(handle: u32, cursor: Option<Seq>) -> Wanted {
        let log = LogId::mailbox(Name::parse("alice").expect("a name"));
        Wanted { handle: LogHandle(handle), log, cursor }
    }

    #[test]
    fn logs_are_opened_a_few_at_a_time_and_in_order() {
        let (mut opening, mut out) = (Opening::default(), Vec::new());
        opening.add((0..40).map(|handle| wanted(handle, None)).collect());
        opening.go_on(&mut out);
        assert_eq!(out.len(), AT_ONCE);
        for handle in 0..39 {
            assert_eq!(opening.on_opened(LogHandle(handle), &mut out), Progress::OnItsWay);
        }
        assert_eq!((out.len(), opening.is_done()), (40, false));
        assert_eq!(opening.on_opened(LogHandle(39), &mut out), Progress::Open);
    }

    #[test]
    fn a_log_that_is_read_is_open_when_it_is_caught_up() {
        let (mut opening, mut out) = (Opening::default(), Vec::new());
        opening.add(vec![wanted(0, Some(Seq(7)))]);
        opening.go_on(&mut out);
        assert_eq!(opening.on_opened(LogHandle(0), &mut out), Progress::OnItsWay);
        assert!(
            matches!(&out[1], Action::Say(ToServer::Attach(attach)) if attach.cursor == Seq(7))
        );
        assert_eq!(opening.on_caught_up(LogHandle(0), &mut out), Progress::Open);
    }

    #[test]
    fn what_cannot_be_opened_is_asked_for_again() {
        let (mut opening, mut out) = (Opening::default(), Vec::new());
        opening.add(vec![wanted(0, None)]);
        opening.go_on(&mut out);
        opening.on_fault(0);
        assert!(!opening.is_done());
        opening.go_on(&mut out);
        assert_eq!(out.len(), 2);
        assert_eq!(opening.on_opened(LogHandle(0), &mut out), Progress::Open);
    }
}
