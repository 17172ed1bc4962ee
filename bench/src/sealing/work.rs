//! What of sealing takes milliseconds, on a thread of its own: grants are announced and wrapped,
//! verified and opened.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use client::crypto::grant::{self, Announcing, SessionPlace};
use client::crypto::message_session::SessionKey;
use client::crypto::{Identity, verify_announcement};
use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};
use wire::Name;
use wire::message::{Announcement, ReaderGrant};

use super::cpu_time;

/// One piece of work.
#[derive(Debug)]
pub enum Job {
    /// A message session is announced, and granted to its reader.
    Announce {
        /// The lane.
        lane: usize,
        /// Its key.
        key: SessionKey,
        /// What is said about it.
        announcing: Announcing,
        /// Who reads.
        reader: Name,
    },
    /// A grant is verified and opened.
    Open {
        /// Who reads.
        reader: usize,
        /// On which lane.
        lane: usize,
        /// Which message session it must be.
        place: SessionPlace,
        /// From the home.
        announcement: Announcement,
        /// From the home.
        grant: ReaderGrant,
    },
}

/// What came of it.
#[derive(Debug)]
pub enum Done {
    /// A grant to put.
    Announced {
        /// The lane.
        lane: usize,
        /// For the home.
        announcement: Announcement,
        /// For the home.
        grant: ReaderGrant,
    },
    /// A key to open with.
    Opened {
        /// Who reads.
        reader: usize,
        /// On which lane.
        lane: usize,
        /// The key.
        key: SessionKey,
    },
    /// A grant that is none.
    Failed(String),
}

/// The thread; it ends when this is dropped.
#[derive(Debug)]
pub struct Workers {
    jobs: Sender<Job>,
    done: Receiver<(Done, Duration)>,
}

impl Workers {
    /// Starts the thread, which makes the keys first; `wake` is called after each job.
    ///
    /// # Errors
    /// The system gives no thread or no random seed.
    pub fn start(wake: impl Fn() + Send + 'static) -> io::Result<Self> {
        let (jobs, queue) = channel();
        let (finished, done) = channel();
        let random = StdRng::try_from_rng(&mut SysRng).map_err(io::Error::other)?;
        let work = move || work(&queue, &finished, &wake, random);
        thread::Builder::new().name("crypto".to_owned()).spawn(work)?;
        Ok(Self { jobs, done })
    }

    /// Takes a job on.
    ///
    /// # Panics
    /// When the thread has ended, which it does only after this is dropped.
    pub fn submit(&self, job: Job) {
        self.jobs.send(job).expect("the thread waits for jobs");
    }

    /// What is done, and the CPU time that it took.
    #[must_use]
    pub fn poll(&self) -> Option<(Done, Duration)> {
        self.done.try_recv().ok()
    }
}

fn work(
    queue: &Receiver<Job>,
    done: &Sender<(Done, Duration)>,
    wake: &impl Fn(),
    mut random: StdRng,
) {
    let identity = Identity::generate(&mut random);
    for job in queue {
        let begun = cpu_time();
        let outcome = match &identity {
            Ok(identity) => perform(job, identity, &mut random),
            Err(error) => Done::Failed(error.to_string()),
        };
        let cost = cpu_time().saturating_sub(begun);
        if done.send((outcome, cost)).is_err() {
            return;
        }
        wake();
    }
}

/// Does one job with everybody's keys.
pub fn perform(job: Job, identity: &Identity, random: &mut StdRng) -> Done {
    match job {
        Job::Announce { lane, key, announcing, reader } => {
            let wrapping = &identity.public().wrapping;
            let announced = grant::announce(identity, &key, &announcing, random);
            let granted =
                announced.map_err(|error| error.to_string()).and_then(|(announcement, secret)| {
                    let wrapped = grant::wrap(&secret, &announcement, (reader, wrapping), random);
                    let wrapped = wrapped.map_err(|error| error.to_string())?;
                    Ok((announcement, wrapped))
                });
            match granted {
                Ok((announcement, grant)) => Done::Announced { lane, announcement, grant },
                Err(error) => Done::Failed(error),
            }
        }
        Job::Open { reader, lane, place, announcement, grant } => {
            let signing = &identity.public().signing;
            let verified = verify_announcement(&place, signing, &announcement);
            let key =
                verified.and_then(|verified| grant::open(identity, &verified, &grant, random));
            match key {
                Ok(key) => Done::Opened { reader, lane, key },
                Err(error) => Done::Failed(error.to_string()),
            }
        }
    }
}
