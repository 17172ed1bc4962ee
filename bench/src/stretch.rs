//! Worker threads for the slow step of sign-up: Argon2id over 64 MiB, a fifth of a second each.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use client::crypto::{OpaqueError, SignUp};
use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};
use wire::Name;
use wire::message::auth::Challenge;
use wire::opaque::stretch;

/// Threads at most: each holds 64 MiB while it works.
const THREADS_MAX: usize = 16;

/// The step of one user's sign-up.
#[derive(Debug)]
pub struct Job {
    /// The user's index.
    pub user: usize,
    /// Its name.
    pub name: Name,
    /// From the first step.
    pub sign_up: Box<SignUp>,
    /// The home's answer.
    pub response: Challenge,
}

/// A step that is done.
#[derive(Debug)]
pub struct Done {
    /// The user's index.
    pub user: usize,
    /// Its name when the step began.
    pub name: Name,
    /// `SignUpFinish.record`.
    pub record: Result<Challenge, OpaqueError>,
}

/// One thread per core. They end when this is dropped and their last step is done.
#[derive(Debug)]
pub struct Stretchers {
    jobs: Sender<Job>,
    done: Receiver<Done>,
}

/// How many threads there are: more sign-ups at once would only wait.
#[must_use]
pub fn threads() -> usize {
    thread::available_parallelism().map_or(1, |cores| cores.get().min(THREADS_MAX))
}

impl Stretchers {
    /// Starts the threads; `wake` is called after each step that is done.
    ///
    /// # Errors
    /// The system gives no thread or no random seed.
    pub fn start(wake: impl Fn() + Clone + Send + 'static) -> io::Result<Self> {
        let (jobs, queue) = channel();
        let (finished, done) = channel();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..threads() {
            let random = StdRng::try_from_rng(&mut SysRng).map_err(io::Error::other)?;
            let (queue, finished, wake) = (Arc::clone(&queue), finished.clone(), wake.clone());
            let work = move || work(&queue, &finished, &wake, random);
            thread::Builder::new().name("stretch".to_owned()).spawn(work)?;
        }
        Ok(Self { jobs, done })
    }

    /// Takes a step on.
    ///
    /// # Panics
    /// When every thread has ended, which they do only after this is dropped.
    pub fn submit(&self, job: Job) {
        self.jobs.send(job).expect("threads wait for steps");
    }

    /// A step that is done, if there is one.
    pub fn poll(&self) -> Option<Done> {
        self.done.try_recv().ok()
    }
}

fn work(queue: &Mutex<Receiver<Job>>, done: &Sender<Done>, wake: &impl Fn(), mut random: StdRng) {
    let stretch = stretch();
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        let response = job.response.bytes();
        let finished = job.sign_up.finish(job.name.as_bytes(), response, &stretch, &mut random);
        let (user, name) = (job.user, job.name);
        let record = finished.map(|(record, _)| record);
        if done.send(Done { user, name, record }).is_err() {
            return;
        }
        wake();
    }
}
