//! What is measured: the command line with its meaning. Every error names its flag.

use std::path::PathBuf;
use std::time::Duration;

use rand::TryRng;
use rand::rngs::SysRng;
use thiserror::Error;
use wire::limits::{BODY_LEN_MAX, GROUP_MEMBERS_MAX, SENDER_ENTRIES_MAX, UNANSWERED_MAX};

use client::crypto::plaintext::TEXT_LEN_MAX;

use crate::args::{Direct, Faults, Group, Offline, Shared};
use crate::balance::plan::SIZES_MAX;
use crate::body::BODY_LEN_MIN;
use crate::layout::Pattern;

mod series;

pub use series::{ScalePlan, SeriesPlan, Varied};

/// Pairs of one run: their connections must fit a process's usual file limit with room to spare.
pub const PAIRS_MAX: u32 = 5_000;
/// Offered posts per second: far above what one loop can carry.
pub const RATE_MAX: u64 = 1_000_000;
/// Seconds of one run.
pub const SECONDS_MAX: u64 = 3_600;
/// Images per second: each is far more than a message.
pub const IMAGES_MAX: u64 = 1_000;
/// Users who read nothing for a while.
pub const SILENT_MAX: u32 = 4_000;
/// Servers that `--local` starts.
pub const SERVERS_MAX: u16 = 64;

/// Users who all write to one: each has a log of its session.
pub const TO_ONE_USERS_MAX: u64 = 1_000;
/// Users who all write to all: their lanes grow with the square.
pub const TO_ALL_USERS_MAX: u64 = 64;
/// Pairs whose users fit one group.
pub const MIXED_PAIRS_MAX: u64 = 512;
/// Offered posts per second, if nothing is said.
const RATE_DEFAULT: u64 = 1_000;

/// One run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Plan {
    /// The scenario's name, as typed.
    pub scenario: &'static str,
    /// Where.
    pub target: Target,
    /// Who posts to whom.
    pub pattern: Pattern,
    /// What happens meanwhile.
    pub course: Course,
    /// How posts are paced.
    pub pace: Pace,
    /// What readers do before they acknowledge.
    pub keeping: Keeping,
    /// Bodies are sealed under grants, not random bytes.
    pub is_sealed: bool,
    /// Bytes of a body.
    pub body_len: usize,
    /// Users beside the others who read nothing for a while; an even number.
    pub silent: u32,
    /// Images per second beside the messages.
    pub images: u64,
    /// How long posts are sent; as long again when some are silent.
    pub duration: Duration,
    /// Seed of the bodies.
    pub seed: u64,
    /// One JSON object instead of the table.
    pub json: bool,
    /// Where files of the report are written.
    pub report: Option<PathBuf>,
}

/// Which cluster is measured.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// One of our own, gone afterwards.
    Own {
        /// How many servers.
        servers: u16,
        /// Clients speak without TLS.
        plaintext: bool,
        /// Servers write every entry.
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

/// What happens while posts flow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Course {
    /// Nothing else.
    Steady,
    /// Readers are away until everything is stored.
    Away {
        /// Posts of each writer.
        posts: u64,
    },
    /// Servers go away and come back.
    Faults,
}

/// How posts are paced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pace {
    /// By the clock: a slow answer delays no later post.
    Open {
        /// Posts per second over all.
        rate: u64,
    },
    /// By the answers: measures throughput, and no latency.
    Closed {
        /// Unanswered posts of each writer to each log.
        window: u64,
    },
}

/// What readers do before they acknowledge.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Keeping {
    /// They write to a journal, with a sync.
    Journal,
    /// Nothing.
    Nothing,
}

/// Why the command line makes no plan.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum PlanError {
    /// Neither or both ways to a cluster.
    #[error("say either --local SERVERS, or --router HOST:PORT with --ca FILE")]
    Target,
    /// A way to start servers, with servers that run.
    #[error("--plaintext and --store-all are for a cluster of one's own: say --local SERVERS")]
    NotOwn,
    /// Two ways of pacing.
    #[error("--rate sends by the clock and --window by the answers: say one of them")]
    Pace,
    /// Users who read nothing, where that cannot be measured.
    #[error("--silent takes an even number, with --local, with pairs, and not with --window")]
    Silent,
    /// Images, where they have no place.
    #[error("--images goes with --rate, and not with --silent or --mode")]
    Images,
    /// What cannot be sealed here.
    #[error(
        "--mode sealed is for mailboxes and texts of up to 60000 bytes: not with --pattern mixed, \
         --silent, or a longer --body-len"
    )]
    Sealed,
    /// What is stored for good, in a cluster that stays.
    #[error("scale fills a cluster of its own: say --local SERVERS")]
    ScaleTarget,
    /// Servers that go away, where none is left.
    #[error("faults needs a cluster of its own with two servers at least: say --local 2 or more")]
    Faults,
    /// What this pattern has no use for.
    #[error("{flag} is not for --pattern {pattern}, which takes {takes}")]
    Pattern {
        /// The flag.
        flag: &'static str,
        /// The pattern.
        pattern: String,
        /// What it takes instead.
        takes: &'static str,
    },
    /// A word that is none of those it may be.
    #[error("{flag} takes {words}, not {value:?}")]
    Word {
        /// The flag.
        flag: &'static str,
        /// What it takes.
        words: &'static str,
        /// What was said.
        value: String,
    },
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

impl Keeping {
    /// As it is typed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Journal => "journal",
            Self::Nothing => "nothing",
        }
    }
}

impl Plan {
    /// All users: those of the pattern, then the silent ones.
    #[must_use]
    pub fn users(&self) -> u32 {
        self.pattern.users() + self.silent
    }

    /// Checks the command line of `direct`.
    ///
    /// # Errors
    /// [`PlanError`] names the flag.
    pub fn direct(direct: &Direct, random_seed: u64) -> Result<Self, PlanError> {
        let silent = within("--silent", direct.silent.unwrap_or(0).into(), 0, SILENT_MAX.into())?;
        let pattern = pattern(direct)?;
        let is_odd = silent % 2 != 0;
        let is_paired = matches!(pattern, Pattern::Pairs { .. });
        let may = direct.local.is_some() && direct.window.is_none() && is_paired;
        if is_odd || silent > 0 && !may {
            return Err(PlanError::Silent);
        }
        let images = within("--images", direct.images.unwrap_or(0), 0, IMAGES_MAX)?;
        if images > 0 && (direct.window.is_some() || silent > 0 || direct.mode.is_some()) {
            return Err(PlanError::Images);
        }
        let is_sealed = mode(direct)?;
        let is_grouped = matches!(pattern, Pattern::Mixed { .. });
        if is_sealed && (silent > 0 || is_grouped || body_len(&direct.shared())? > TEXT_LEN_MAX) {
            return Err(PlanError::Sealed);
        }
        Ok(Self {
            pattern,
            images,
            is_sealed,
            pace: pace(direct.rate, direct.window, Pace::Open { rate: RATE_DEFAULT })?,
            silent: u32::try_from(silent).expect("at most SILENT_MAX"),
            duration: seconds(direct.seconds, 1, 10)?,
            ..Self::shared("direct", &direct.shared(), random_seed)?
        })
    }

    /// Checks the command line of `group`.
    ///
    /// # Errors
    /// [`PlanError`] names the flag.
    pub fn group(group: &Group, random_seed: u64) -> Result<Self, PlanError> {
        let most = u64::try_from(GROUP_MEMBERS_MAX).expect("a small constant");
        let members = count("--members", group.members, 500, (2, most))?;
        let senders = count("--senders", group.senders, 5, (1, members.into()))?;
        Ok(Self {
            pattern: Pattern::Group { members, senders },
            pace: pace(group.rate, group.window, Pace::Closed { window: 4 })?,
            duration: seconds(group.seconds, 1, 10)?,
            ..Self::shared("group", &group.shared(), random_seed)?
        })
    }

    /// Checks the command line of `offline`.
    ///
    /// # Errors
    /// [`PlanError`] names the flag.
    pub fn offline(offline: &Offline, random_seed: u64) -> Result<Self, PlanError> {
        let pairs = count("--pairs", offline.pairs, 100, (1, PAIRS_MAX.into()))?;
        let most = u64::from(pairs) * SENDER_ENTRIES_MAX;
        let posts = offline.posts.unwrap_or(most.min(100_000));
        let posts = within("--posts", posts, pairs.into(), most)?;
        Ok(Self {
            pattern: Pattern::Pairs { pairs },
            course: Course::Away { posts: posts / u64::from(pairs) },
            pace: Pace::Closed { window: UNANSWERED_MAX },
            ..Self::shared("offline", &offline.shared(), random_seed)?
        })
    }

    /// Checks the command line of `faults`.
    ///
    /// # Errors
    /// [`PlanError`] names the flag.
    pub fn faults(faults: &Faults, random_seed: u64) -> Result<Self, PlanError> {
        if faults.local.is_none_or(|servers| servers < 2) {
            return Err(PlanError::Faults);
        }
        let pairs = count("--pairs", faults.pairs, 50, (1, PAIRS_MAX.into()))?;
        Ok(Self {
            pattern: Pattern::Pairs { pairs },
            course: Course::Faults,
            pace: pace(faults.rate, None, Pace::Open { rate: RATE_DEFAULT })?,
            duration: seconds(faults.seconds, 8, 24)?,
            ..Self::shared("faults", &faults.shared(), random_seed)?
        })
    }

    fn shared(
        scenario: &'static str,
        shared: &Shared,
        random_seed: u64,
    ) -> Result<Self, PlanError> {
        Ok(Self {
            scenario,
            target: target(shared)?,
            pattern: Pattern::Pairs { pairs: 50 },
            course: Course::Steady,
            pace: Pace::Open { rate: RATE_DEFAULT },
            keeping: keeping(shared)?,
            is_sealed: false,
            body_len: body_len(shared)?,
            silent: 0,
            images: 0,
            duration: Duration::ZERO,
            seed: shared.seed.unwrap_or(random_seed),
            json: shared.json,
            report: shared.report.clone(),
        })
    }
}

fn pattern(direct: &Direct) -> Result<Pattern, PlanError> {
    let pattern = direct.pattern.as_deref().unwrap_or("pairs");
    let is_of_pairs = matches!(pattern, "pairs" | "mixed");
    let useless = |flag, takes| PlanError::Pattern { flag, pattern: pattern.to_owned(), takes };
    if is_of_pairs && direct.users.is_some() {
        return Err(useless("--users", "--pairs"));
    }
    if matches!(pattern, "to-one" | "to-all" | "random") && direct.pairs.is_some() {
        return Err(useless("--pairs", "--users"));
    }
    let pairs = |most| count("--pairs", direct.pairs, 50, (1, most));
    let users = |most| count("--users", direct.users, 20, (2, most));
    Ok(match pattern {
        "pairs" => Pattern::Pairs { pairs: pairs(PAIRS_MAX.into())? },
        "mixed" => Pattern::Mixed { pairs: pairs(MIXED_PAIRS_MAX)? },
        "to-one" => Pattern::ToOne { users: users(TO_ONE_USERS_MAX)? },
        "to-all" => Pattern::ToAll { users: users(TO_ALL_USERS_MAX)? },
        "random" => Pattern::Random { users: users(TO_ALL_USERS_MAX)? },
        other => {
            let (flag, words) = ("--pattern", "pairs, to-one, to-all, random or mixed");
            return Err(PlanError::Word { flag, words, value: other.to_owned() });
        }
    })
}

fn body_len(shared: &Shared) -> Result<usize, PlanError> {
    let body_len = u64::try_from(shared.body_len.unwrap_or(200)).unwrap_or(u64::MAX);
    let len_min = u64::try_from(BODY_LEN_MIN).expect("a small constant");
    let len_max = u64::try_from(BODY_LEN_MAX).expect("a small constant");
    let body_len = within("--body-len", body_len, len_min, len_max)?;
    Ok(usize::try_from(body_len).expect("at most BODY_LEN_MAX"))
}

/// Whether bodies are sealed.
fn mode(direct: &Direct) -> Result<bool, PlanError> {
    match direct.mode.as_deref() {
        None | Some("opaque") => Ok(false),
        Some("sealed") => Ok(true),
        Some(other) => {
            let (flag, words) = ("--mode", "opaque or sealed");
            Err(PlanError::Word { flag, words, value: other.to_owned() })
        }
    }
}

fn keeping(shared: &Shared) -> Result<Keeping, PlanError> {
    match shared.readers_keep.as_deref() {
        None | Some("journal") => Ok(Keeping::Journal),
        Some("nothing") => Ok(Keeping::Nothing),
        Some(other) => {
            let (flag, words) = ("--readers-keep", "journal or nothing");
            Err(PlanError::Word { flag, words, value: other.to_owned() })
        }
    }
}

fn target(shared: &Shared) -> Result<Target, PlanError> {
    let Shared { plaintext, store_all, .. } = *shared;
    match (shared.local, &shared.router, &shared.ca) {
        (Some(servers), None, None) => {
            within("--local", servers.into(), 1, SERVERS_MAX.into())?;
            Ok(Target::Own { servers, plaintext, store_all })
        }
        (None, Some(_), Some(_)) if plaintext || store_all => Err(PlanError::NotOwn),
        (None, Some(router), Some(ca)) => {
            Ok(Target::Running { router: router.clone(), ca: ca.clone() })
        }
        _ => Err(PlanError::Target),
    }
}

fn pace(rate: Option<u64>, window: Option<u64>, default: Pace) -> Result<Pace, PlanError> {
    match (rate, window) {
        (Some(_), Some(_)) => Err(PlanError::Pace),
        (None, Some(window)) => {
            let window = within("--window", window, 1, UNANSWERED_MAX)?;
            Ok(Pace::Closed { window })
        }
        (Some(rate), None) => Ok(Pace::Open { rate: within("--rate", rate, 1, RATE_MAX)? }),
        (None, None) => Ok(default),
    }
}

fn seconds(said: Option<u64>, least: u64, default: u64) -> Result<Duration, PlanError> {
    let seconds = within("--seconds", said.unwrap_or(default), least, SECONDS_MAX)?;
    Ok(Duration::from_secs(seconds))
}

fn count(
    flag: &'static str,
    said: Option<u32>,
    default: u32,
    (min, max): (u64, u64),
) -> Result<u32, PlanError> {
    let value = within(flag, said.unwrap_or(default).into(), min, max)?;
    Ok(u32::try_from(value).expect("it was one"))
}

pub(crate) fn within(flag: &'static str, value: u64, min: u64, max: u64) -> Result<u64, PlanError> {
    if (min..=max).contains(&value) {
        return Ok(value);
    }
    Err(PlanError::Range { flag, min, max, value })
}

#[cfg(test)]
mod tests;
