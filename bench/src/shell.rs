//! The one loop of a run: sockets, the clock, the timer and the workers around a [`Load`].

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use rand::TryRng;
use rand::rngs::SysRng;
use rustls::ClientConfig;
use thiserror::Error;
use wire::net::tls::{self, TlsFileError};
use wire::net::{Clock, Net, NetEvent, Policy, Security};
use wire::{ConnId, Instant};

use crate::cluster::{Cluster, ClusterError};
use crate::load::{Effect, Event, Load, LoadError};
use crate::plan::Plan;
use crate::record::Record;
use crate::stretch::{Job, Stretchers, threads};
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
    /// Its figures when silent users had read nothing for longest.
    pub hushed: Option<Reading>,
    /// CPU time of this process meanwhile.
    pub own_cpu: Duration,
}

/// The figures before the first post.
struct Before {
    cluster: Option<Reading>,
    own: Usage,
}

struct Shell<'a> {
    cluster: &'a Cluster,
    tls: Arc<ClientConfig>,
    net: Net,
    clock: Clock,
    timer: Timer,
    stretchers: Stretchers,
    load: Load,
    users: BTreeMap<ConnId, usize>,
    conns: Vec<Option<ConnId>>,
    effects: Vec<Effect>,
    before: Option<Before>,
    hushed: Option<Reading>,
    bar: ProgressBar,
}

/// Runs `plan` on `cluster` until it is done, or `stop` is set.
///
/// # Errors
/// [`ShellError`].
pub fn run(plan: &Plan, cluster: &Cluster, stop: &AtomicBool) -> Result<Measured, ShellError> {
    let mut shell = Shell::new(plan, cluster)?;
    let mut events = Vec::new();
    while !shell.load.is_done() {
        if stop.load(Ordering::Relaxed) {
            return Err(ShellError::Interrupted);
        }
        shell.turn(&mut events)?;
    }
    shell.finish()
}

impl<'a> Shell<'a> {
    fn new(plan: &Plan, cluster: &'a Cluster) -> Result<Self, ShellError> {
        let mut net = Net::new()?;
        let mut timer = Timer::new()?;
        net.register(&mut timer)?;
        let waker = net.waker();
        // A loop that cannot be woken looks again within LOOK_INTERVAL.
        let stretchers = Stretchers::start(move || waker.wake().unwrap_or_default())?;
        let mut secret = [0; 32];
        SysRng.try_fill_bytes(&mut secret).map_err(io::Error::other)?;
        let users = plan.users();
        Ok(Self {
            cluster,
            tls: tls::client_config(&cluster.endpoint().ca_pem, None)?,
            net,
            clock: Clock::new(),
            timer,
            stretchers,
            load: Load::new(plan, 2 * threads(), secret),
            users: BTreeMap::new(),
            conns: (0..users).map(|_| None).collect(),
            effects: Vec::new(),
            before: None,
            hushed: None,
            bar: progress_bar(users),
        })
    }

    fn turn(&mut self, events: &mut Vec<NetEvent>) -> Result<(), ShellError> {
        let timeout = self.timer.arm(self.clock.now(), self.load.deadline())?;
        let timeout = timeout.unwrap_or(LOOK_INTERVAL).min(LOOK_INTERVAL);
        self.net.poll(Some(timeout), events)?;
        let now = self.clock.now();
        for event in events.drain(..) {
            if let Some(event) = self.event(event)? {
                self.feed(now, event)?;
            }
        }
        while let Some(done) = self.stretchers.poll() {
            let (user, name, record) = (done.user, done.name, done.record);
            self.feed(now, Event::Stretched { user, name, record })?;
        }
        self.feed(self.clock.now(), Event::TurnEnd)?;
        self.net.flush();
        Ok(())
    }

    /// What the network's event is to the load.
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
        let fed = self.load.handle(now, event, &mut effects);
        for effect in effects.drain(..) {
            self.perform(effect)?;
        }
        self.effects = effects;
        Ok(fed?)
    }

    fn perform(&mut self, effect: Effect) -> Result<(), ShellError> {
        match effect {
            Effect::Act { user, action } => self.act(user, action),
            Effect::SignedUp(count) => {
                self.bar.set_position(u64::try_from(count).unwrap_or(u64::MAX));
            }
            Effect::Begin => {
                self.bar.finish_and_clear();
                let cluster = self.cluster.usage()?;
                let own = Usage::of(std::process::id())?;
                self.before = Some(Before { cluster, own });
            }
            Effect::Hush(users) => self.set_reading(users, false),
            Effect::Hear(users) => {
                self.hushed = self.cluster.usage()?;
                self.set_reading(users, true);
            }
        }
        Ok(())
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
            Action::Stretch { name, sign_up, response } => {
                self.stretchers.submit(Job { user, name, sign_up, response });
            }
        }
    }

    fn send(&mut self, user: usize, append: impl FnOnce(&mut bytes::BytesMut)) {
        if let Some(conn) = self.conns[user] {
            self.net.send(conn, append);
        }
    }

    /// Hangs up first: what still comes from there is nobody's.
    fn dial(&mut self, user: usize, address: std::net::SocketAddr, name: String, policy: Policy) {
        if let Some(old) = self.conns[user].take() {
            self.users.remove(&old);
            self.net.close(old);
        }
        let security = Security::Connect(Arc::clone(&self.tls), name);
        let conn = self.net.dial(address, security, policy);
        self.users.insert(conn, user);
        self.conns[user] = Some(conn);
    }

    fn finish(self) -> Result<Measured, ShellError> {
        let before = self.before.expect("a load begins before it is done");
        let own = Usage::of(std::process::id())?;
        Ok(Measured {
            cluster: before.cluster.zip(self.cluster.usage()?),
            own_cpu: own.cpu.saturating_sub(before.own.cpu),
            hushed: self.hushed,
            record: self.load.finish(),
        })
    }
}

fn progress_bar(users: u32) -> ProgressBar {
    let style = ProgressStyle::with_template("signing up {pos} of {len} users {wide_bar} {eta}");
    let bar = ProgressBar::new(users.into());
    bar.with_style(style.expect("the template is well-formed"))
}
