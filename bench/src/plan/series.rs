//! Plans of several runs: one thing changes from each to the next.

use wire::limits::{SENDER_ENTRIES_MAX, UNANSWERED_MAX};

use super::{Course, PAIRS_MAX, Pace, Plan, PlanError, RATE_DEFAULT, count, pace, seconds, within};
use crate::args::{ScaleArgs, Servers, Shared, Sweep};
use crate::layout::Pattern;
use crate::scale::filler::Filled;

/// Accounts of the largest store.
const ACCOUNTS_MAX: u64 = 10_000_000;
/// Doublings of a store.
const DOUBLINGS_MAX: u64 = 10;
/// Offered posts per second of a sweep, if nothing is said.
const RATES_DEFAULT: &str = "1000,2000,5000,10000,20000,50000,100000,200000";

/// Several runs that differ in one thing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SeriesPlan {
    /// The scenario's name, as typed.
    pub scenario: &'static str,
    /// What differs.
    pub varied: Varied,
    /// What it is in each run.
    pub runs: Vec<(u64, Plan)>,
}

/// The same loads while what is stored grows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ScalePlan {
    /// A load of messages that are read at once.
    pub direct: Plan,
    /// A load of messages to people who are away.
    pub offline: Plan,
    /// What is stored before each measurement, rising.
    pub sizes: Vec<Filled>,
}

/// What differs between the runs of a series.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Varied {
    /// Posts offered per second.
    Rate,
    /// Servers.
    Servers,
}

impl Varied {
    /// With its unit.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rate => "offered per s",
            Self::Servers => "servers",
        }
    }
}

impl Plan {
    /// Checks the command line of `servers`.
    ///
    /// # Errors
    /// [`PlanError`] names the flag.
    pub fn servers(servers: &Servers, random_seed: u64) -> Result<SeriesPlan, PlanError> {
        let most = servers.local.ok_or(PlanError::Target)?;
        let pairs = count("--pairs", servers.pairs, 50, (1, PAIRS_MAX.into()))?;
        let each = |count: u16| {
            let shared = Shared { local: Some(count), ..servers.shared() };
            let plan = Self {
                pattern: Pattern::Pairs { pairs },
                pace: pace(servers.rate, servers.window, Pace::Open { rate: RATE_DEFAULT })?,
                duration: seconds(servers.seconds, 1, 10)?,
                ..Self::shared("direct", &shared, random_seed)?
            };
            Ok((count.into(), plan))
        };
        let runs = (1..=most.max(1)).map(each).collect::<Result<_, _>>()?;
        Ok(SeriesPlan { scenario: "servers", varied: Varied::Servers, runs })
    }

    /// Checks the command line of `scale`.
    ///
    /// # Errors
    /// [`PlanError`] names the flag.
    pub fn scale(scale: &ScaleArgs, random_seed: u64) -> Result<ScalePlan, PlanError> {
        if scale.local.is_none() {
            return Err(PlanError::ScaleTarget);
        }
        let accounts = scale.accounts.unwrap_or(1_000_000);
        let accounts = within("--accounts", accounts, 1_000, ACCOUNTS_MAX)?;
        let doublings = scale.doublings.unwrap_or(3);
        let doublings = within("--doublings", doublings, 1, DOUBLINGS_MAX)?;
        let shared = scale.shared();
        let direct = Self {
            pace: Pace::Closed { window: UNANSWERED_MAX },
            duration: seconds(scale.seconds, 1, 10)?,
            ..Self::shared("direct", &shared, random_seed)?
        };
        let offline = Self {
            pattern: Pattern::Pairs { pairs: 100 },
            course: Course::Away { posts: SENDER_ENTRIES_MAX },
            pace: direct.pace,
            ..Self::shared("offline", &shared, random_seed)?
        };
        let size = |doubling: u64| {
            let accounts = accounts >> (doublings - doubling);
            Filled { accounts, groups: accounts / 10, entries: 10 * accounts }
        };
        Ok(ScalePlan { direct, offline, sizes: (0..=doublings).map(size).collect() })
    }

    /// Checks the command line of `sweep`.
    ///
    /// # Errors
    /// [`PlanError`] names the flag.
    pub fn sweep(sweep: &Sweep, random_seed: u64) -> Result<SeriesPlan, PlanError> {
        let text = sweep.rates.as_deref().unwrap_or(RATES_DEFAULT);
        let pairs = count("--pairs", sweep.pairs, 50, (1, PAIRS_MAX.into()))?;
        let each = |word: &str| {
            let rate = word.trim().parse().map_err(|_| PlanError::Word {
                flag: "--rates",
                words: "numbers with commas between, such as 1000,10000",
                value: text.to_owned(),
            })?;
            let plan = Self {
                pattern: Pattern::Pairs { pairs },
                pace: pace(Some(rate), None, Pace::Open { rate })?,
                duration: seconds(sweep.seconds, 1, 10)?,
                ..Self::shared("direct", &sweep.shared(), random_seed)?
            };
            Ok((rate, plan))
        };
        let runs = text.split(',').map(each).collect::<Result<_, _>>()?;
        Ok(SeriesPlan { scenario: "sweep", varied: Varied::Rate, runs })
    }
}

#[cfg(test)]
mod tests;
