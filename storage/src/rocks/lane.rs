//! A thread that does one thing at a time: questions in, results out, a wake for each.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender, TryRecvError};
use std::thread::{self, JoinHandle};

use crate::error::StorageError;

/// Called after each result, from the lane's thread.
pub(super) type Wake = Arc<dyn Fn() + Send + Sync>;

/// Results that wait to be polled. Above it the lane's thread waits: the loop is behind, and
/// answers are large.
const RESULTS_MAX: usize = 16;

/// The two ends of a lane. The first error ends its thread.
pub(super) struct Lane<Q, A> {
    questions: Option<mpsc::Sender<Q>>,
    results: Option<Receiver<Result<A, StorageError>>>,
    thread: Option<JoinHandle<()>>,
    pending: usize,
    pending_max: usize,
}

impl<Q: Send + 'static, A: Send + 'static> Lane<Q, A> {
    /// Starts a thread that answers at most `pending_max` questions at a time by `work`.
    pub(super) fn start(
        name: &str,
        pending_max: usize,
        wake: Wake,
        work: impl FnMut(Q) -> Result<A, StorageError> + Send + 'static,
    ) -> Result<Self, StorageError> {
        let (questions, questions_in) = mpsc::channel();
        let (results_out, results) = mpsc::sync_channel(RESULTS_MAX);
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || run(&questions_in, &results_out, &wake, work))
            .map_err(|error| not_started(&error))?;
        Ok(Self {
            questions: Some(questions),
            results: Some(results),
            thread: Some(thread),
            pending: 0,
            pending_max,
        })
    }

    /// Asks. Never blocks.
    ///
    /// # Panics
    /// When `pending_max` questions are unanswered: the asker counts them.
    pub(super) fn ask(&mut self, question: Q) {
        assert!(self.pending < self.pending_max, "{} operations pending", self.pending);
        self.pending += 1;
        let questions = self.questions.as_ref();
        if questions.is_some_and(|questions| questions.send(question).is_err()) {
            // The thread has ended; polling says why.
            self.questions = None;
        }
    }

    /// The next result, if there is one. An error is the last.
    pub(super) fn poll(&mut self) -> Option<Result<A, StorageError>> {
        match self.results.as_ref()?.try_recv() {
            Ok(result) => {
                self.pending -= 1;
                Some(result)
            }
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                self.results = None;
                Some(Err(StorageError::ThreadEnded))
            }
        }
    }

    /// Finishes what was asked, and joins the thread; results that nobody has polled are dropped.
    pub(super) fn end(&mut self) -> Result<(), StorageError> {
        self.questions = None;
        let mut last = Ok(());
        for result in self.results.take().into_iter().flatten() {
            last = result.map(drop);
        }
        let ended = self.thread.take().map_or(Ok(()), JoinHandle::join);
        ended.map_err(|_| StorageError::ThreadEnded).and(last)
    }
}

/// Finishes what the thread is doing, drops what waits, and joins it.
impl<Q, A> Drop for Lane<Q, A> {
    fn drop(&mut self) {
        self.questions = None;
        self.results = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a storage thread panicked");
        }
    }
}

fn run<Q, A>(
    questions: &Receiver<Q>,
    results: &SyncSender<Result<A, StorageError>>,
    wake: &Wake,
    mut work: impl FnMut(Q) -> Result<A, StorageError>,
) {
    for question in questions {
        let result = work(question);
        let is_last = result.is_err();
        if results.send(result).is_err() {
            return;
        }
        wake();
        if is_last {
            return;
        }
    }
}

pub(super) fn not_started(error: &io::Error) -> StorageError {
    StorageError::Engine { doing: "start a storage thread", cause: error.to_string() }
}
