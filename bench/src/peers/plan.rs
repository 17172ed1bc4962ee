//! One peer in one scenario: the command line with its meaning.

use std::time::Duration;

use thiserror::Error;

use super::peer::Peer;
use crate::args::PeerRun;
use crate::plan::{PlanError, RATE_MAX, SECONDS_MAX, within};

/// Users of one run, as far as one process can have connections.
const USERS_MAX: u64 = 60_000;
/// Unfinished posts of one writer.
const WINDOW_MAX: u64 = 1_024;
/// Posts to users who are away.
const POSTS_MAX: u64 = 10_000_000;

/// What is measured.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Scenario {
    /// Pairs of users: one of each writes to the other.
    Direct,
    /// One group, of whom some write.
    Group,
    /// Posts to users who are away, and their return.
    Offline,
    /// Users who sign in and do nothing.
    Connect,
}

impl Scenario {
    /// All of them, in the order of the report.
    pub const ALL: [Self; 4] = [Self::Direct, Self::Group, Self::Offline, Self::Connect];

    /// As typed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Group => "group",
            Self::Offline => "offline",
            Self::Connect => "connect",
        }
    }

    /// The scenario of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scenario| scenario.name() == name)
    }
}

/// How posts are paced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pace {
    /// By the clock, so many per second over all pairs.
    Open(u64),
    /// So many unfinished posts per writer.
    Closed(u64),
}

/// One run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Plan {
    /// The server.
    pub peer: Peer,
    /// What is measured.
    pub scenario: Scenario,
    /// Users who write; in `direct` and `offline` there are as many who read.
    pub writers: u32,
    /// All users.
    pub users: u32,
    /// How posts are paced.
    pub pace: Pace,
    /// Posts to users who are away.
    pub posts: u64,
    /// How long posts are sent.
    pub duration: Duration,
    /// Seed of the texts.
    pub seed: u64,
}

/// Why the command line makes no plan.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum PeerPlanError {
    /// No such peer.
    #[error("no peer {name:?}; there are {}", Peer::ALL.map(Peer::name).join(", "))]
    Peer {
        /// As typed.
        name: String,
    },
    /// No such scenario.
    #[error("no scenario {name:?}; there are {}", Scenario::ALL.map(Scenario::name).join(", "))]
    Scenario {
        /// As typed.
        name: String,
    },
    /// A value outside its range.
    #[error(transparent)]
    Range(#[from] PlanError),
    /// A group without readers.
    #[error("--writers takes fewer than --users")]
    Writers,
}

impl Plan {
    /// Checks the command line.
    ///
    /// # Errors
    /// [`PeerPlanError`].
    pub fn new(args: &PeerRun, random_seed: u64) -> Result<Self, PeerPlanError> {
        let name = args.peer.clone();
        let peer = Peer::named(&name).ok_or(PeerPlanError::Peer { name })?;
        let name = args.scenario.clone();
        let scenario = Scenario::named(&name).ok_or(PeerPlanError::Scenario { name })?;
        let (writers, users) = usual(scenario);
        let writers = within("--writers", args.writers.unwrap_or(writers), 1, USERS_MAX / 2)?;
        let is_paired = matches!(scenario, Scenario::Direct | Scenario::Offline);
        let users = if is_paired { 2 * writers } else { args.users.unwrap_or(users) };
        let users = within("--users", users, 2, USERS_MAX)?;
        if scenario == Scenario::Group && writers >= users {
            return Err(PeerPlanError::Writers);
        }
        let seconds = within("--seconds", args.seconds.unwrap_or(10), 1, SECONDS_MAX)?;
        Ok(Self {
            peer,
            scenario,
            writers: u32::try_from(writers).expect("at most USERS_MAX"),
            users: u32::try_from(users).expect("at most USERS_MAX"),
            pace: pace(args, scenario)?,
            posts: within("--posts", args.posts.unwrap_or(100_000), writers, POSTS_MAX)?,
            duration: Duration::from_secs(seconds),
            seed: args.seed.unwrap_or(random_seed),
        })
    }
}

/// Writers and all users, unless said otherwise.
fn usual(scenario: Scenario) -> (u64, u64) {
    match scenario {
        Scenario::Direct => (50, 100),
        Scenario::Group => (5, 500),
        Scenario::Offline => (100, 200),
        Scenario::Connect => (1, 10_000),
    }
}

fn pace(args: &PeerRun, scenario: Scenario) -> Result<Pace, PlanError> {
    match (args.rate, args.window) {
        (Some(_), Some(_)) => Err(PlanError::Pace),
        (Some(rate), None) => within("--rate", rate, 1, RATE_MAX).map(Pace::Open),
        (None, window) => {
            let usual = if scenario == Scenario::Group { 4 } else { 64 };
            within("--window", window.unwrap_or(usual), 1, WINDOW_MAX).map(Pace::Closed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(peer: &str, scenario: &str) -> PeerRun {
        PeerRun { peer: peer.to_owned(), scenario: scenario.to_owned(), ..PeerRun::default() }
    }

    #[test]
    fn each_scenario_has_its_usual_shape() {
        let plan = |scenario| Plan::new(&args("nats", scenario), 1).expect("it is good");
        let direct = plan("direct");
        assert_eq!((direct.writers, direct.users, direct.pace), (50, 100, Pace::Closed(64)));
        let group = plan("group");
        assert_eq!((group.writers, group.users, group.pace), (5, 500, Pace::Closed(4)));
        assert_eq!(plan("offline").posts, 100_000);
        assert_eq!(plan("connect").users, 10_000);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let error = |args: &PeerRun| Plan::new(args, 1).expect_err("it is not good").to_string();
        assert!(error(&args("icq", "direct")).contains("jetstream-sync"));
        assert!(error(&args("nats", "dance")).contains("offline"));
        let both = PeerRun { rate: Some(1), window: Some(1), ..args("nats", "direct") };
        assert!(error(&both).contains("--window"));
        let all = PeerRun { writers: Some(9), users: Some(9), ..args("nats", "group") };
        assert!(error(&all).contains("--writers"));
    }
}
