//! What is compared: cases with their command lines, figures, and what FastChat is to reach.

use crate::peers::peer::Peer;
use crate::peers::plan::Scenario;

/// Who takes part.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Contender {
    /// FastChat itself.
    FastChat {
        /// With TLS, as it is used; without, as the others run here.
        tls: bool,
    },
    /// Another server.
    Peer(Peer),
}

impl Contender {
    /// As in the report.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FastChat { tls: false } => "FastChat",
            Self::FastChat { tls: true } => "FastChat, TLS",
            Self::Peer(peer) => peer.name(),
        }
    }

    /// What it does not do.
    #[must_use]
    pub fn lacks(self) -> String {
        match self {
            Self::FastChat { tls: false } => {
                "no TLS here; bodies are opaque, not sealed".to_owned()
            }
            Self::FastChat { tls: true } => "bodies are opaque, not sealed".to_owned(),
            Self::Peer(peer) => peer.lacks().text(),
        }
    }
}

/// How much there is of everything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sizes {
    /// How long posts are sent.
    pub seconds: u64,
    /// Posts to users who are away.
    pub posts: u64,
    /// Idle connections.
    pub users: u64,
}

/// What FastChat is to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// At most this.
    Most(f64),
    /// At least this.
    Least(f64),
}

/// A figure of a case.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// In the report.
    pub title: &'static str,
    /// Where it stands in a run's JSON object: the first of these that is a number.
    pub pointers: &'static [&'static str],
    /// It is divided by that of the relay in the same run.
    pub is_relative: bool,
    /// What FastChat without TLS is to reach.
    pub target: Option<Target>,
    /// What it is to reach with TLS.
    pub tls_target: Option<Target>,
}

/// One thing that is compared.
#[derive(Debug, PartialEq)]
pub struct Case {
    /// In raw figures.
    pub key: &'static str,
    /// In the report.
    pub title: &'static str,
    /// The scenario that it belongs to.
    pub scenario: Scenario,
    /// How FastChat is asked, after the scenario's name.
    fastchat: &'static [&'static str],
    /// How others are asked; `None` when only FastChat can.
    peers: Option<&'static [&'static str]>,
    /// What is read from it.
    pub figures: &'static [Figure],
}

const fn figure(title: &'static str, pointers: &'static [&'static str]) -> Figure {
    Figure { title, pointers, is_relative: false, target: None, tls_target: None }
}

const fn most(figure: Figure, most: f64) -> Figure {
    Figure { target: Some(Target::Most(most)), ..figure }
}

const fn least(figure: Figure, least: f64) -> Figure {
    Figure { target: Some(Target::Least(least)), ..figure }
}

const COST: Figure = figure("server CPU, µs per delivered message", &["/server_us"]);
const RATE: Figure = figure("messages delivered per second", &["/per_s"]);
const P50: Figure = figure("p50, µs", &["/p50_us"]);
const P99: Figure = figure("p99, µs", &["/p99_us"]);
const BESIDE_RELAY_50: Figure =
    Figure { is_relative: true, ..figure("p50, times the relay's", &["/p50_us"]) };
const BESIDE_RELAY_99: Figure =
    Figure { is_relative: true, ..figure("p99, times the relay's", &["/p99_us"]) };
const STORE_COST: Figure = figure("stored: server CPU, µs per post", &["/store/server_us"]);
const STORE_RATE: Figure = figure("stored: posts accepted per second", &["/store/per_s"]);
const DRAIN_COST: Figure = figure("drained: server CPU, µs per post", &["/drain/server_us"]);
const DRAIN_RATE: Figure = figure("drained: posts per second", &["/drain/per_s"]);
const MEMORY: Figure = Figure {
    tls_target: Some(Target::Most(16.0)),
    ..figure("KiB per idle connection", &["/kib_per_connection"])
};
const SIGN_IN: Figure = Figure {
    tls_target: Some(Target::Most(600.0)),
    ..figure("server CPU, µs per sign-in", &["/sign_in/server_us", "/server_us"])
};
const RESUME: Figure = Figure {
    tls_target: Some(Target::Most(250.0)),
    ..figure("server CPU, µs per resume", &["/resume/server_us"])
};
const SIGN_IN_RATE: Figure = figure("sign-ins per second", &["/sign_in/per_s", "/per_s"]);
const IDLE: Figure = figure("CPU while idle, percent of a core", &["/idle_cpu_percent"]);

/// Posts of those who would take many minutes for more.
const SLOW_POSTS_MAX: u64 = 10_000;

/// Everything that is compared, with every command line.
pub const CASES: [Case; 9] = [
    Case {
        key: "direct-64",
        title: "direct: 50 pairs, 200-byte bodies, window 64",
        scenario: Scenario::Direct,
        fastchat: &["--window", "64"],
        peers: Some(&["--window", "64"]),
        figures: &[most(COST, 1.5), RATE],
    },
    Case {
        key: "direct-store-all",
        title: "direct, window 64, storing every entry is forced",
        scenario: Scenario::Direct,
        fastchat: &["--window", "64", "--store-all"],
        peers: None,
        figures: &[most(COST, 7.0), RATE],
    },
    Case {
        key: "direct-64-nothing",
        title: "direct, window 64, readers that keep nothing",
        scenario: Scenario::Direct,
        fastchat: &["--window", "64", "--readers-keep", "nothing"],
        peers: None,
        figures: &[COST, RATE],
    },
    Case {
        key: "direct-10000-nothing",
        title: "direct: 10,000 per second by the clock, readers that keep nothing",
        scenario: Scenario::Direct,
        fastchat: &["--rate", "10000", "--readers-keep", "nothing"],
        peers: None,
        figures: &[P50, P99, COST],
    },
    Case {
        key: "direct-10000",
        title: "direct: 10,000 per second by the clock",
        scenario: Scenario::Direct,
        fastchat: &["--rate", "10000"],
        peers: Some(&["--rate", "10000"]),
        figures: &[P50, P99, most(BESIDE_RELAY_50, 1.25), most(BESIDE_RELAY_99, 1.5), COST],
    },
    Case {
        key: "group-4",
        title: "group: 500 members, 5 senders, window 4",
        scenario: Scenario::Group,
        fastchat: &["--window", "4"],
        peers: Some(&["--window", "4"]),
        figures: &[most(COST, 0.9), RATE],
    },
    Case {
        key: "group-1",
        title: "group: 500 members, 5 senders, window 1",
        scenario: Scenario::Group,
        fastchat: &["--window", "1"],
        peers: Some(&["--window", "1"]),
        figures: &[most(COST, 3.2), RATE],
    },
    Case {
        key: "offline",
        title: "offline: posts to users who are away, then their return \
                (ejabberd, Prosody: 10,000)",
        scenario: Scenario::Offline,
        fastchat: &[],
        peers: Some(&[]),
        figures: &[
            most(STORE_COST, 6.0),
            least(STORE_RATE, 100_000.0),
            least(DRAIN_RATE, 300_000.0),
            DRAIN_COST,
        ],
    },
    Case {
        key: "connect",
        title: "connect: signed-in idle connections",
        scenario: Scenario::Connect,
        fastchat: &[],
        peers: Some(&[]),
        figures: &[most(MEMORY, 1.0), SIGN_IN, RESUME, SIGN_IN_RATE, IDLE],
    },
];

impl Case {
    /// The command line of this program that runs the case; `None` when it is none for that
    /// contender.
    #[must_use]
    pub fn command(&self, contender: Contender, sizes: &Sizes) -> Option<Vec<String>> {
        let scenario = self.scenario.name();
        let (start, options): (Vec<&str>, _) = match contender {
            Contender::FastChat { tls } => {
                let local = [scenario, "--local", "1", "--json"];
                let plaintext = (!tls).then_some("--plaintext");
                (local.into_iter().chain(plaintext).collect(), self.fastchat)
            }
            Contender::Peer(peer) => (vec!["peer", peer.name(), scenario], self.peers?),
        };
        let (flag, size) = match self.scenario {
            Scenario::Direct | Scenario::Group => ("--seconds", sizes.seconds),
            Scenario::Offline => ("--posts", sizes.posts.min(posts_max(contender))),
            Scenario::Connect => ("--users", sizes.users),
        };
        let words = start.into_iter().chain(options.iter().copied()).chain([flag]);
        Some(words.map(str::to_owned).chain([size.to_string()]).collect())
    }
}

/// Posts that a contender stores within a minute or so.
fn posts_max(contender: Contender) -> u64 {
    match contender {
        Contender::Peer(Peer::Ejabberd | Peer::Prosody) => SLOW_POSTS_MAX,
        Contender::Peer(_) | Contender::FastChat { .. } => u64::MAX,
    }
}

impl Figure {
    /// What `contender` is to reach.
    #[must_use]
    pub fn target_of(&self, contender: Contender) -> Option<Target> {
        match contender {
            Contender::FastChat { tls: false } => self.target,
            Contender::FastChat { tls: true } => self.tls_target,
            Contender::Peer(_) => None,
        }
    }
}

impl Target {
    /// Whether `value` reaches it.
    #[must_use]
    pub fn is_reached(self, value: f64) -> bool {
        match self {
            Self::Most(most) => value <= most,
            Self::Least(least) => value >= least,
        }
    }
}
