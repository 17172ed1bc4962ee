//! Threads for slow cryptography. They start with the first job.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use wire::opaque::stretch;

use crate::core::{Job, JobKey, JobResult};
use crate::failure::Failure;

/// Enough to open messages while others are being sealed; more would only compete for the cores.
const THREADS: usize = 2;

type Task = (JobKey, Job);
type Done = (JobKey, JobResult);

/// A queue of jobs and the results that wait. The core has at most a window of jobs under way.
pub(super) struct Workers {
    tasks: Option<Sender<Task>>,
    done: Receiver<Done>,
    finished: Sender<Done>,
    waker: Arc<mio::Waker>,
}

impl Workers {
    pub(super) fn new(waker: Arc<mio::Waker>) -> Self {
        let (finished, done) = channel();
        Self { tasks: None, done, finished, waker }
    }

    pub(super) fn submit(&mut self, key: JobKey, job: Job) -> Result<(), Failure> {
        let tasks = match &self.tasks {
            Some(tasks) => tasks.clone(),
            None => self.begin()?,
        };
        tasks.send((key, job)).map_err(|_| Failure::unexpected("the worker threads have ended"))
    }

    /// The next result, if one waits.
    pub(super) fn next(&mut self) -> Option<Done> {
        self.done.try_recv().ok()
    }

    fn begin(&mut self) -> Result<Sender<Task>, Failure> {
        let (sender, receiver) = channel();
        let receiver = Arc::new(Mutex::new(receiver));
        for index in 0..THREADS {
            let tasks = Arc::clone(&receiver);
            let (finished, waker) = (self.finished.clone(), Arc::clone(&self.waker));
            thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || work(&tasks, &finished, &waker))
                .map_err(|error| Failure::unexpected(format!("no thread: {error}")))?;
        }
        self.tasks = Some(sender.clone());
        Ok(sender)
    }
}

fn work(tasks: &Mutex<Receiver<Task>>, finished: &Sender<Done>, waker: &mio::Waker) {
    loop {
        let task = tasks.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((key, job)) = task else {
            return;
        };
        let result = job.run(&stretch());
        if finished.send((key, result)).is_err() {
            return;
        }
        if let Err(error) = waker.wake() {
            tracing::error!(%error, "the result of a job cannot be announced");
        }
    }
}
