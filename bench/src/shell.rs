//! The one loop of a run: sockets, the clock, the timer and the journal around a [`Core`].

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use indicatif::{ProgressBar, ProgressStyle};
use rand::TryRng;
use rand::rngs::SysRng;
use rustls::ClientConfig;
use thiserror::Error;
use wire::net::tls::{self, TlsFileError};
use wire::net::{Clock, Net, NetEvent, Policy, Security};
use wire::{ConnId, Instant};

use crate::cluster::{Cluster, ClusterError};
use crate::committed::Committed;
use crate::journal::Journal;
use crate::load::{Core, Effect, Event, Load, LoadError};
use crate::plan::Plan;
use crate::record::Record;
use crate::scale::filler::{Filled, Filler, HANDS};
use crate::sealing::work::Workers;
use crate::usage::{Reading, Usage, UsageError};
use crate::user::Action;

pub(crate) mod timer;

use timer::Timer;

/// The DNS name that every router of a cluster proves.
const ROUTER_NAME: &str = "router.fastchat";
/// How often a request to stop is looked for when nothing happens.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// Why a run ends without a result.
#[derive(Debug, Error)]
pub enum ShellError {
    /// The system refuses the loop something it needs.
    #[error("the loop cannot run: {0}")]
    Loop(#[from] io::Error),
    /// The cluster's CA file cannot be used.
    #[error("the CA file: {0}")]
    Ca(#[from] TlsFileError),
    /// The users cannot go on.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The cluster's figures cannot be read.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Our own figures cannot be read.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// SIGINT or SIGTERM.
    #[error("interrupted")]
    Interrupted,
}

/// What a run found, and what it took.
#[derive(Debug)]
pub struct Measured {
    /// Latencies and counts.
    pub record: Record,
    /// The cluster's figures before and after, when it is our own.
    pub cluster: Option<(Reading, Reading)>,
    /// What its servers committed meanwhile.
    pub committed: Option<Committed>,
    /// Its figures when everything was stored for readers who were away.
    pub stored: Option<Reading>,
    /// Users whose seat is not their home.
    pub overflow: usize,
    /// Links between servers that a direct post crosses, on average.
    pub hops: f64,
    /// Its figures when silent users had read nothing for longest.
    pub hushed: Option<Reading>,
    /// CPU time of this process meanwhile.
    pub own_cpu: Duration,
}

/// The figures at one moment.
struct Moment {
    cluster: Option<Reading>,
    own: Usage,
}

struct Shell<'a, C> {
    cluster: &'a Cluster,
    tls: Arc<ClientConfig>,
    net: Net,
    clock: Clock,
    timer: Timer,
    /// Once a reader has kept something.
    journal: Option<Journal>,
    workers: Workers,
    is_plain: bool,
    core: C,
    users: BTreeMap<ConnId, usize>,
    conns: Vec<Option<ConnId>>,
    effects: Vec<Effect>,
    committed: Option<Committed>,
    before: Option<Moment>,
    after: Option<Moment>,
    stored: Option<Reading>,
    hushed: Option<Reading>,
    bar: ProgressBar,
}

/// Runs `plan` on `cluster` until it is done, or `stop` is set.
///
/// # Errors
/// [`ShellError`].
pub fn run(plan: &Plan, cluster: &Cluster, stop: &AtomicBool) -> Result<Measured, ShellError> {
    let load = Load::new(plan, secret()?);
    let shell = Shell::new(load, plan.users(), plan.target.is_plaintext(), cluster)?;
    shell.run(stop)?.finish()
}

/// Fills the stores of `cluster` as `filler` says, over so many connections, until it is done or
/// `stop` is set.
///
/// # Errors
/// [`ShellError`].
pub fn fill(
    filler: Filler,
    is_plain: bool,
    cluster: &Cluster,
    stop: &AtomicBool,
) -> Result<Filled, ShellError> {
    let shell = Shell::new(filler, HANDS, is_plain, cluster)?;
    Ok(shell.run(stop)?.core.finish())
}

/// What makes names and passwords of a run.
///
/// # Errors
/// The system gives no random bytes.
pub fn secret() -> io::Result<[u8; 32]> {
    let mut secret = [0; 32];
    SysRng.try_fill_bytes(&mut secret).map_err(io::Error::other)?;
    Ok(secret)
}

impl<'a, C: Core> Shell<'a, C> {
    fn new(core: C, users: u32, is_plain: bool, cluster: &'a Cluster) -> Result<Self, ShellError> {
        let mut net = Net::new()?;
        let mut timer = Timer::new()?;
        net.register(&mut timer)?;
        // A loop that cannot be woken looks again within LOOK_INTERVAL.
        let waker = net.waker();
        let workers = Workers::start(move || waker.wake().unwrap_or_default())?;
        Ok(Self {
            cluster,
            tls: tls::client_config(&cluster.endpoint().ca_pem, None)?,
            net,
            clock: Clock::new(),
            timer,
            journal: None,
            workers,
            is_plain,
            bar: progress_bar(core.sign_ups()),
            core,
            users: BTreeMap::new(),
            conns: (0..users).map(|_| None).collect(),
            effects: Vec::new(),
            committed: None,
            before: None,
            after: None,
            stored: None,
            hushed: None,
        })
    }

    fn run(mut self, stop: &AtomicBool) -> Result<Self, ShellError> {
        let mut events = Vec::new();
        while !self.core.is_done() {
            if stop.load(Ordering::Relaxed) {
                return Err(ShellError::Interrupted);
            }
            self.turn(&mut events)?;
        }
        self.bar.finish_and_clear();
        Ok(self)
    }

    fn turn(&mut self, events: &mut Vec<NetEvent>) -> Result<(), ShellError> {
        let timeout = self.timer.arm(self.clock.now(), self.core.deadline())?;
        let timeout = timeout.unwrap_or(LOOK_INTERVAL).min(LOOK_INTERVAL);
        self.net.poll(Some(timeout), events)?;
        let now = self.clock.now();
        for event in events.drain(..) {
            if let Some(event) = self.event(event)? {
                self.feed(now, event)?;
            }
        }
        if let Some(journal) = &self.journal
            && journal.poll()?
        {
            self.feed(now, Event::Kept)?;
        }
        while let Some((done, cost)) = self.workers.poll() {
            self.feed(now, Event::Worked(done, cost))?;
        }
        self.feed(self.clock.now(), Event::TurnEnd)?;
        self.net.flush();
        Ok(())
    }

    /// What the network's event is to the core.
    fn event(&mut self, event: NetEvent) -> Result<Option<Event>, ShellError> {
        Ok(match event {
            NetEvent::Frame { conn, frame } => {
                let user = self.users.get(&conn).copied();
                user.map(|user| Event::Frame { user, frame })
            }
            NetEvent::Closed { conn, why } => self.users.remove(&conn).map(|user| {
                self.conns[user] = None;
                Event::Lost { user, why }
            }),
            NetEvent::Source { .. } => {
                self.timer.clear()?;
                None
            }
            _ => None,
        })
    }

    fn feed(&mut self, now: Instant, event: Event) -> Result<(), ShellError> {
        let mut effects = std::mem::take(&mut self.effects);
        let fed = self.core.handle(now, event, &mut effects);
        for effect in effects.drain(..) {
            self.perform(effect)?;
        }
        self.effects = effects;
        Ok(fed?)
    }

    fn keep(&mut self, bytes: Bytes) -> Result<(), ShellError> {
        let journal = match self.journal.take() {
            Some(journal) => journal,
            None => {
                let waker = self.net.waker();
                Journal::start(move || waker.wake().unwrap_or_default())?
            }
        };
        self.journal.insert(journal).write(bytes);
        Ok(())
    }

    fn perform(&mut self, effect: Effect) -> Result<(), ShellError> {
        match effect {
            Effect::Act { user, action } => self.act(user, action),
            Effect::SignedUp(count) => {
                self.bar.set_position(u64::try_from(count).unwrap_or(u64::MAX));
            }
            Effect::Keep(bytes) => self.keep(bytes)?,
            Effect::Work(job) => self.workers.submit(job),
            Effect::Stored => self.stored = self.cluster.usage()?,
            Effect::Strike(strike) => self.cluster.strike(strike)?,
            Effect::Begin => {
                self.bar.finish_and_clear();
                self.committed = self.cluster.committed()?;
                self.before = Some(self.moment()?);
            }
            Effect::End => self.after = Some(self.moment()?),
            Effect::Hush(users) => self.set_reading(users, false),
            Effect::Hear(users) => {
                self.hushed = self.cluster.usage()?;
                self.set_reading(users, true);
            }
        }
        Ok(())
    }

    fn moment(&self) -> Result<Moment, ShellError> {
        let cluster = self.cluster.usage()?;
        let own = Usage::of(std::process::id())?;
        Ok(Moment { cluster, own })
    }

    fn set_reading(&mut self, users: Range<usize>, is_reading: bool) {
        let policy = Policy { paused: !is_reading, ..Policy::seat() };
        for conn in self.conns[users].iter().flatten() {
            self.net.set_policy(*conn, policy);
        }
    }

    fn act(&mut self, user: usize, action: Action) {
        match action {
            Action::Say(message) => self.send(user, |out| message.append_frame(out)),
            Action::Ask(message) => self.send(user, |out| message.append_frame(out)),
            Action::DialRouter => {
                let address = self.cluster.endpoint().router;
                self.dial(user, address, ROUTER_NAME.to_owned(), Policy::router());
            }
            Action::DialSeat { address, server } => {
                self.dial(user, address, server.certificate_name(), Policy::seat());
            }
            Action::HangUp => self.hang_up(user),
        }
    }

    fn send(&mut self, user: usize, append: impl FnOnce(&mut bytes::BytesMut)) {
        if let Some(conn) = self.conns[user] {
            self.net.send(conn, append);
        }
    }

    /// What still comes from there is nobody's.
    fn hang_up(&mut self, user: usize) {
        if let Some(old) = self.conns[user].take() {
            self.users.remove(&old);
            self.net.close(old);
        }
    }

    fn dial(&mut self, user: usize, address: SocketAddr, name: String, policy: Policy) {
        self.hang_up(user);
        let security = match self.is_plain {
            true => Security::Plain,
            false => Security::Connect(Arc::clone(&self.tls), name),
        };
        let conn = self.net.dial(address, security, policy);
        self.users.insert(conn, user);
        self.conns[user] = Some(conn);
    }
}

impl Shell<'_, Load> {
    fn finish(self) -> Result<Measured, ShellError> {
        let before = self.before.expect("a load begins before it is done");
        let after = self.after.expect("a load ends before it is done");
        let committed = self.cluster.committed()?;
        Ok(Measured {
            cluster: before.cluster.zip(after.cluster),
            committed: self.committed.zip(committed).map(|(before, after)| after - before),
            own_cpu: after.own.cpu_since(&before.own),
            stored: self.stored,
            hushed: self.hushed,
            overflow: self.core.overflow(),
            hops: self.core.hops(),
            record: self.core.finish(),
        })
    }
}

fn progress_bar(users: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("signing up {pos} of {len} users {wide_bar} {eta}");
    let bar = ProgressBar::new(users);
    bar.with_style(style.expect("the template is well-formed"))
}
