//! How a seat is chosen, by the name that the flag `--strategy` takes.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A way to choose a seat. Each keeps to servers that may be placed on and are below their own
/// `sessions_max`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Strategy {
    /// The home; when it is at its cap, the next server of the ring that is not.
    #[default]
    BoundedHash,
    /// One server after another, by id.
    RoundRobin,
    /// Any, each as likely as the others.
    Random,
    /// The one with the fewest sessions and reservations; of several, the lowest id.
    LeastConnections,
}

/// A strategy, and what it needs to know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Placing {
    /// How a seat is chosen.
    pub strategy: Strategy,
    /// With [`Strategy::BoundedHash`]: a server's cap in percent of the average, at least 1; see
    /// `limits::PERCENT_MIN`.
    pub percent: u32,
}

/// No strategy has this name.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("no strategy is called {0:?}; say bounded-hash, round-robin, random or least-connections")]
pub struct StrategyError(String);

impl Strategy {
    /// All of them, the default first.
    pub const ALL: [Self; 4] =
        [Self::BoundedHash, Self::RoundRobin, Self::Random, Self::LeastConnections];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BoundedHash => "bounded-hash",
            Self::RoundRobin => "round-robin",
            Self::Random => "random",
            Self::LeastConnections => "least-connections",
        }
    }
}

impl FromStr for Strategy {
    type Err = StrategyError;

    fn from_str(text: &str) -> Result<Self, StrategyError> {
        let named = Self::ALL.into_iter().find(|strategy| strategy.name() == text);
        named.ok_or_else(|| StrategyError(text.to_owned()))
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Strategy;

    #[test]
    fn every_strategy_is_found_by_its_name_and_an_error_lists_them() {
        for strategy in Strategy::ALL {
            assert_eq!(strategy.to_string().parse(), Ok(strategy));
        }
        let error = "Random".parse::<Strategy>().expect_err("names are lower case").to_string();
        assert!(error.contains("\"Random\""), "{error}");
        for strategy in Strategy::ALL {
            assert!(error.contains(strategy.name()), "{strategy} in {error}");
        }
    }
}
