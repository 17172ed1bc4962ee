//! Where a command on this machine asks the running server to become empty, and hears how far that
//! is. One side is the loop's, which never waits here while it serves; the other a thread's.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a process that ends waits for those who want to hear how.
const LAST_WORD_TIME_MAX: Duration = Duration::from_secs(1);
/// How often who waits hears how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// What both sides know. Clones are the same desk.
#[derive(Clone)]
pub struct Desk {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    wake: Box<dyn Fn() + Send + Sync>,
}

#[derive(Debug, Default)]
struct State {
    is_asked: bool,
    clients: usize,
    end: Option<End>,
    listeners: usize,
}

/// How a server has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// Nobody was left.
    Emptied,
    /// It was stopped before that.
    Stopped,
}

/// What who waits hears next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Told {
    /// So many clients are still there.
    Clients(usize),
    /// It is over.
    Ended(End),
}

/// One that waits; the process ends only after it has heard how, or a second later.
pub struct Listener {
    desk: Desk,
}

impl Desk {
    /// A desk; `wake` makes the loop look at it.
    #[must_use]
    pub fn new(wake: Box<dyn Fn() + Send + Sync>) -> Self {
        let (state, changed) = (Mutex::default(), Condvar::new());
        Self { shared: Arc::new(Shared { state, changed, wake }) }
    }

    /// Asks the server to become empty.
    #[must_use]
    pub fn ask(&self) -> Listener {
        let mut state = self.state();
        state.is_asked = true;
        state.listeners += 1;
        drop(state);
        (self.shared.wake)();
        Listener { desk: self.clone() }
    }

    /// The loop's: whether anybody has asked; how many clients there are.
    #[must_use]
    pub fn look(&self, clients: usize) -> bool {
        let mut state = self.state();
        state.clients = clients;
        state.is_asked
    }

    /// The loop's last word. Waits a little until those who listen have heard it.
    pub fn end(&self, end: End) {
        let mut state = self.state();
        state.end = Some(end);
        self.shared.changed.notify_all();
        let waits = |state: &mut State| state.listeners > 0;
        let waited = self.shared.changed.wait_timeout_while(state, LAST_WORD_TIME_MAX, waits);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// A thread that panics ends the process, so nobody finds what it left.
    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    /// Waits for the end, a second at most.
    #[must_use]
    pub fn wait(&self) -> Told {
        let goes_on = |state: &mut State| state.end.is_none();
        let (state, changed) = (self.desk.state(), &self.desk.shared.changed);
        let waited = changed.wait_timeout_while(state, TOLD_EVERY, goes_on);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.end.map_or(Told::Clients(state.clients), Told::Ended)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.desk.state().listeners -= 1;
        self.desk.shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::{Desk, End, Told};

    #[test]
    fn who_asks_wakes_the_loop_and_hears_its_last_word() {
        let woken = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&woken);
        let desk = Desk::new(Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        }));
        assert!(!desk.look(3), "nobody has asked");
        let listener = desk.ask();
        assert_eq!(woken.load(Ordering::Relaxed), 1);
        assert!(desk.look(2));
        assert_eq!(listener.wait(), Told::Clients(2));
        let heard = std::thread::spawn(move || listener.wait());
        desk.end(End::Emptied);
        assert_eq!(heard.join().expect("it ends"), Told::Ended(End::Emptied));
        desk.end(End::Stopped);
    }
}
