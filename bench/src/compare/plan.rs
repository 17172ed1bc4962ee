//! Which comparison: the command line with its meaning. Every error names its flag.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::case::{CASES, Case, Contender, Sizes};
use crate::args::Compare;
use crate::peers::peer::Peer;
use crate::peers::plan::Scenario;
use crate::plan::{PlanError, within};

/// Runs of each; the table has the median.
const RUNS_MAX: u64 = 100;
/// Seconds of one run: what it needs before and after fits into the time that it gets.
const SECONDS_MAX: u64 = 600;

/// One comparison.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Plan {
    /// The other servers.
    pub peers: Vec<Peer>,
    /// What is compared.
    pub scenarios: Vec<Scenario>,
    /// How often.
    pub runs: u64,
    /// How much.
    pub sizes: Sizes,
    /// Where the figures go.
    pub out: PathBuf,
    /// One JSON object instead of the table.
    pub json: bool,
}

/// Why the command line makes no plan.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum ComparePlanError {
    /// No such peer.
    #[error("--peers: no {name:?}; there are {}", Peer::ALL.map(Peer::name).join(","))]
    Peer {
        /// As typed.
        name: String,
    },
    /// No such scenario.
    #[error("--scenarios: no {name:?}; there are {}", Scenario::ALL.map(Scenario::name).join(","))]
    Scenario {
        /// As typed.
        name: String,
    },
    /// A value outside its range.
    #[error(transparent)]
    Range(#[from] PlanError),
}

impl Plan {
    /// Checks the command line. `date` names the directory when none is said.
    ///
    /// # Errors
    /// [`ComparePlanError`] names the flag.
    pub fn new(args: &Compare, date: &str) -> Result<Self, ComparePlanError> {
        let sizes = Sizes {
            seconds: within("--seconds", args.seconds.unwrap_or(10), 1, SECONDS_MAX)?,
            posts: within("--posts", args.posts.unwrap_or(100_000), 1_000, 100_000)?,
            users: within("--users", args.users.unwrap_or(10_000), 100, 60_000)?,
        };
        Ok(Self {
            peers: peers(args.peers.as_deref())?,
            scenarios: scenarios(args.scenarios.as_deref())?,
            runs: within("--runs", args.runs.unwrap_or(5), 1, RUNS_MAX)?,
            sizes,
            out: args.out.clone().unwrap_or_else(|| Path::new("docs/bench").join(date)),
            json: args.json,
        })
    }

    /// Who takes part, in the order of the report.
    #[must_use]
    pub fn contenders(&self) -> Vec<Contender> {
        let fastchat = [false, true].map(|tls| Contender::FastChat { tls });
        fastchat.into_iter().chain(self.peers.iter().copied().map(Contender::Peer)).collect()
    }

    /// What is compared, in the order of the report.
    pub fn cases(&self) -> impl Iterator<Item = &'static Case> {
        static ALL: [Case; 9] = CASES;
        ALL.iter().filter(|case| self.scenarios.contains(&case.scenario))
    }
}

/// Each server that is typed, in all its settings, and the relay.
fn peers(list: Option<&str>) -> Result<Vec<Peer>, ComparePlanError> {
    let Some(list) = list else {
        return Ok(Peer::ALL.to_vec());
    };
    // What latencies are compared with.
    let mut peers = vec![Peer::Relay];
    for name in list.split(',') {
        let unknown = || ComparePlanError::Peer { name: name.to_owned() };
        peers.push(Peer::named(name).ok_or_else(unknown)?);
        peers.extend(match name {
            "jetstream" => Some(Peer::JetStreamSync),
            "mosquitto" => Some(Peer::MosquittoQos1),
            _ => None,
        });
    }
    peers.sort();
    peers.dedup();
    Ok(peers)
}

fn scenarios(list: Option<&str>) -> Result<Vec<Scenario>, ComparePlanError> {
    let Some(list) = list else {
        return Ok(Scenario::ALL.to_vec());
    };
    let named = |name: &str| {
        let unknown = || ComparePlanError::Scenario { name: name.to_owned() };
        Scenario::named(name).ok_or_else(unknown)
    };
    list.split(',').map(named).collect()
}
