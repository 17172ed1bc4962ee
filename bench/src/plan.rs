//! What is measured: the command line with its meaning. Every error names its flag.

use std::path::PathBuf;
use std::time::Duration;

use rand::TryRng;
use rand::rngs::SysRng;
use thiserror::Error;
use wire::limits::{BODY_LEN_MAX, UNANSWERED_MAX};

use crate::args::Direct;
use crate::balance::plan::SIZES_MAX;
use crate::body::BODY_LEN_MIN;

/// Pairs of one run: their connections must fit a process's usual file limit with room to spare.
pub const PAIRS_MAX: u32 = 5_000;
/// Offered posts per second: far above what one loop can carry.
pub const RATE_MAX: u64 = 1_000_000;
/// Seconds of one run.
pub const SECONDS_MAX: u64 = 3_600;
/// Users who read nothing for a while.
pub const SILENT_MAX: u32 = 4_000;
/// Servers that `--local` starts.
pub const SERVERS_MAX: u16 = 64;

/// One run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Plan {
    /// The scenario's name, as typed.
    pub scenario: &'static str,
    /// Where.
    pub target: Target,
    /// Pairs of users.
    pub pairs: u32,
    /// How posts are paced.
    pub pace: Pace,
    /// Bytes of a body.
    pub body_len: usize,
    /// Users beside the pairs who read nothing for a while; an even number.
    pub silent: u32,
    /// How long posts are sent; as long again when some are silent.
    pub duration: Duration,
    /// Seed of the bodies.
    pub seed: u64,
    /// One JSON object instead of the table.
    pub json: bool,
}

/// Which cluster is measured.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// One of our own, gone afterwards.
    Own {
        /// How many servers.
        servers: u16,
        /// Clients are served without TLS.
        plaintext: bool,
        /// Every post is written, also one that a quick reader has seen before.
        store_all: bool,
    },
    /// One that runs already.
    Running {
        /// Its router, as `HOST:PORT`.
        router: String,
        /// Its CA certificate.
        ca: PathBuf,
    },
}

/// How posts are paced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pace {
    /// By the clock: a slow answer delays no later post.
    Open {
        /// Posts per second over all pairs.
        rate: u64,
    },
    /// By the answers: measures throughput, and no latency.
    Closed {
        /// Unanswered posts per pair.
        window: u64,
    },
}

/// Why the command line makes no plan.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum PlanError {
    /// Neither or both ways to a cluster.
    #[error("say either --local SERVERS, or --router HOST:PORT with --ca FILE")]
    Target,
    /// Two ways of pacing.
    #[error("--rate sends by the clock and --window by the answers: say one of them")]
    Pace,
    /// Users who read nothing, where that cannot be measured.
    #[error("--silent takes an even number, with --local, and not with --window")]
    Silent,
    /// What only a cluster of our own can be told.
    #[error("--plaintext and --store-all need --local")]
    Own,
    /// A value outside its range.
    #[error("{flag} takes {min} to {max}, not {value}")]
    Range {
        /// The flag.
        flag: &'static str,
        /// The least it takes.
        min: u64,
        /// The most it takes.
        max: u64,
        /// What was said.
        value: u64,
    },
    /// No list of numbers of servers.
    #[error(
        "--servers takes up to {SIZES_MAX} numbers with commas between, such as 3,10,100, not {0:?}"
    )]
    Sizes(String),
    /// The system gives no random seed.
    #[error("no random seed from the system: say --seed")]
    Seed,
}

/// A seed for a plan without `--seed`.
///
/// # Errors
/// [`PlanError::Seed`].
pub fn random_seed() -> Result<u64, PlanError> {
    SysRng.try_next_u64().map_err(|_| PlanError::Seed)
}

impl Target {
    /// Whether clients are served without TLS.
    #[must_use]
    pub fn is_plaintext(&self) -> bool {
        matches!(self, Self::Own { plaintext: true, .. })
    }
}

impl Plan {
    /// All users: the pairs, then the silent ones.
    #[must_use]
    pub fn users(&self) -> u32 {
        2 * self.pairs + self.silent
    }

    /// Checks the command line.
    ///
    /// # Errors
    /// [`PlanError`] names the flag.
    pub fn new(direct: &Direct, random_seed: u64) -> Result<Self, PlanError> {
        let pairs = u64::from(direct.pairs.unwrap_or(50));
        let body_len = u64::try_from(direct.body_len.unwrap_or(200)).unwrap_or(u64::MAX);
        let seconds = direct.seconds.unwrap_or(10);
        let len_min = u64::try_from(BODY_LEN_MIN).expect("a small constant");
        let len_max = u64::try_from(BODY_LEN_MAX).expect("a small constant");
        let pairs = within("--pairs", pairs, 1, u64::from(PAIRS_MAX))?;
        let body_len = within("--body-len", body_len, len_min, len_max)?;
        let silent = within("--silent", direct.silent.unwrap_or(0).into(), 0, SILENT_MAX.into())?;
        if silent % 2 != 0 || silent > 0 && (direct.local.is_none() || direct.window.is_some()) {
            return Err(PlanError::Silent);
        }
        Ok(Self {
            scenario: "direct",
            target: target(direct)?,
            pairs: u32::try_from(pairs).expect("at most PAIRS_MAX"),
            pace: pace(direct)?,
            body_len: usize::try_from(body_len).expect("at most BODY_LEN_MAX"),
            silent: u32::try_from(silent).expect("at most SILENT_MAX"),
            duration: Duration::from_secs(within("--seconds", seconds, 1, SECONDS_MAX)?),
            seed: direct.seed.unwrap_or(random_seed),
            json: direct.json,
        })
    }
}

fn target(direct: &Direct) -> Result<Target, PlanError> {
    match (direct.local, &direct.router, &direct.ca) {
        (Some(servers), None, None) => {
            within("--local", servers.into(), 1, SERVERS_MAX.into())?;
            Ok(Target::Own { servers, plaintext: direct.plaintext, store_all: direct.store_all })
        }
        (None, _, _) if direct.plaintext || direct.store_all => Err(PlanError::Own),
        (None, Some(router), Some(ca)) => {
            Ok(Target::Running { router: router.clone(), ca: ca.clone() })
        }
        _ => Err(PlanError::Target),
    }
}

fn pace(direct: &Direct) -> Result<Pace, PlanError> {
    match (direct.rate, direct.window) {
        (Some(_), Some(_)) => Err(PlanError::Pace),
        (None, Some(window)) => {
            within("--window", window, 1, UNANSWERED_MAX).map(|window| Pace::Closed { window })
        }
        (rate, None) => {
            let rate = rate.unwrap_or(1_000);
            within("--rate", rate, 1, RATE_MAX).map(|rate| Pace::Open { rate })
        }
    }
}

/// `value`, or the error that names `flag` and its range.
pub(crate) fn within(flag: &'static str, value: u64, min: u64, max: u64) -> Result<u64, PlanError> {
    if (min..=max).contains(&value) {
        return Ok(value);
    }
    Err(PlanError::Range { flag, min, max, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(direct: &Direct) -> Result<Plan, PlanError> {
        Plan::new(direct, 7)
    }

    fn local() -> Direct {
        Direct { local: Some(3), ..Direct::default() }
    }

    #[test]
    fn the_defaults_are_fifty_pairs_by_the_clock() {
        let plan = plan(&local()).expect("a good command line");
        assert_eq!(plan.target, Target::Own { servers: 3, plaintext: false, store_all: false });
        assert_eq!((plan.pairs, plan.body_len, plan.seed), (50, 200, 7));
        assert_eq!(plan.pace, Pace::Open { rate: 1_000 });
        assert_eq!(plan.duration, Duration::from_secs(10));
    }

    #[test]
    fn a_cluster_is_named_in_exactly_one_way() {
        let neither = Direct::default();
        let both = Direct { router: Some("localhost:1".to_owned()), ..local() };
        let half = Direct { router: Some("localhost:1".to_owned()), ..Direct::default() };
        for direct in [neither, both, half] {
            assert_eq!(plan(&direct), Err(PlanError::Target));
        }
    }

    #[test]
    fn only_an_own_cluster_is_told_how_to_serve() {
        let (router, ca) = (Some("localhost:1".to_owned()), Some("ca.pem".into()));
        let running = Direct { router, ca, ..Direct::default() };
        assert!(plan(&running).is_ok_and(|plan| !plan.target.is_plaintext()));
        for direct in
            [Direct { plaintext: true, ..running.clone() }, Direct { store_all: true, ..running }]
        {
            assert_eq!(plan(&direct), Err(PlanError::Own));
        }
        let own = plan(&Direct { plaintext: true, ..local() }).expect("good");
        assert!(own.target.is_plaintext());
    }

    #[test]
    fn rate_and_window_exclude_each_other() {
        let direct = Direct { rate: Some(1), window: Some(1), ..local() };
        assert_eq!(plan(&direct), Err(PlanError::Pace));
    }

    #[test]
    fn silent_users_are_even_and_beside_an_open_loop() {
        let odd = Direct { silent: Some(3), ..local() };
        let closed = Direct { silent: Some(2), window: Some(1), ..local() };
        for direct in [odd, closed] {
            assert_eq!(plan(&direct), Err(PlanError::Silent));
        }
        let plan = plan(&Direct { silent: Some(10), ..local() }).expect("good");
        assert_eq!(plan.users(), 110);
    }

    #[test]
    fn values_outside_their_range_are_named_with_their_flag() {
        let cases: [(&str, Direct); 6] = [
            ("--pairs", Direct { pairs: Some(0), ..local() }),
            ("--window", Direct { window: Some(65), ..local() }),
            ("--rate", Direct { rate: Some(0), ..local() }),
            ("--body-len", Direct { body_len: Some(15), ..local() }),
            ("--seconds", Direct { seconds: Some(3_601), ..local() }),
            ("--local", Direct { local: Some(0), ..local() }),
        ];
        for (flag, direct) in cases {
            let error = plan(&direct).expect_err("it is out of range");
            assert!(error.to_string().starts_with(flag), "{error}");
        }
    }
}
