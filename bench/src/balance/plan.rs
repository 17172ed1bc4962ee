//! What is simulated: the command line with its meaning. Every error names its flag.

use std::path::PathBuf;

use router::limits::{PERCENT_DEFAULT, PERCENT_MAX, PERCENT_MIN};

use crate::args::Balance;
use crate::plan::{PlanError, within};

/// Fewest users: with fewer, chance alone decides.
pub const USERS_MIN: u32 = 1_000;
/// Most users.
pub const USERS_MAX: u32 = 1_000_000;
/// Fewest servers: one of them leaves.
pub const SERVERS_MIN: u16 = 2;
/// Most servers: one more joins, and a map has at most 1,024.
pub const SERVERS_MAX: u16 = 1_000;
/// Most numbers of servers in one run.
pub const SIZES_MAX: usize = 16;

/// One simulation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Plan {
    /// Users, all of whom are on in the end.
    pub users: u32,
    /// Numbers of servers, rising.
    pub servers: Vec<u16>,
    /// The cap of `bounded-hash` in percent of the average.
    pub percent: u32,
    /// Seed of the users' names and of the order in which they come.
    pub seed: u64,
    /// Where the plots go.
    pub plots: Option<PathBuf>,
    /// One JSON object instead of the table.
    pub json: bool,
}

impl Plan {
    /// Checks the command line.
    ///
    /// # Errors
    /// [`PlanError`] names the flag.
    pub fn new(args: &Balance) -> Result<Self, PlanError> {
        let users = args.users.unwrap_or(100_000);
        let percent = args.percent.unwrap_or(PERCENT_DEFAULT);
        within("--users", users.into(), USERS_MIN.into(), USERS_MAX.into())?;
        within("--percent", percent.into(), PERCENT_MIN.into(), PERCENT_MAX.into())?;
        let servers = match &args.servers {
            None => vec![3, 5, 10, 20, 50, 100],
            Some(text) => sizes(text)?,
        };
        let (seed, plots, json) = (args.seed.unwrap_or(1), args.plots.clone(), args.json);
        Ok(Self { users, servers, percent, seed, plots, json })
    }
}

fn sizes(text: &str) -> Result<Vec<u16>, PlanError> {
    let wrong = || PlanError::Sizes(text.to_owned());
    let numbers = text.split(',').map(|word| word.trim().parse().map_err(|_| wrong()));
    let mut sizes = numbers.collect::<Result<Vec<u16>, PlanError>>()?;
    sizes.sort_unstable();
    sizes.dedup();
    if sizes.len() > SIZES_MAX {
        return Err(wrong());
    }
    for size in &sizes {
        within("--servers", (*size).into(), SERVERS_MIN.into(), SERVERS_MAX.into())?;
    }
    Ok(sizes)
}

#[cfg(test)]
mod tests {
    use argh::FromArgs;

    use super::Plan;
    use crate::args::{Args, Scenario};
    use crate::plan::PlanError;

    fn parse(line: &str) -> Result<Plan, PlanError> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let args = Args::from_args(&["fastchat-bench"], &words).expect("parses");
        let Some(Scenario::Balance(balance)) = args.scenario else {
            panic!("{line}: {:?}", args.scenario);
        };
        Plan::new(&balance)
    }

    #[test]
    fn the_defaults_are_3_to_100_servers_and_the_routers_own_cap() {
        let plan = parse("balance").expect("good");
        assert_eq!(plan.servers, [3, 5, 10, 20, 50, 100]);
        assert_eq!((plan.users, plan.percent, plan.seed), (100_000, 125, 1));
        assert_eq!((plan.plots, plan.json), (None, false));
    }

    #[test]
    fn numbers_of_servers_are_a_list() {
        assert_eq!(parse("balance --servers 10,3,10").expect("good").servers, [3, 10]);
        let long: Vec<String> = (2..19).map(|size| size.to_string()).collect();
        for wrong in ["3;5", "", "3,", "3,-1", "3,70000", &long.join(",")] {
            let error = Plan::new(&crate::args::Balance {
                servers: Some(wrong.to_owned()),
                ..Default::default()
            });
            assert_eq!(error, Err(PlanError::Sizes(wrong.to_owned())));
        }
    }

    #[test]
    fn values_outside_their_range_are_named_with_their_flag() {
        let cases = [
            "--users 999",
            "--users 1000001",
            "--servers 1,3",
            "--servers 3,1001",
            "--percent 99",
            "--percent 1001",
        ];
        for case in cases {
            let error = parse(&format!("balance {case}")).expect_err("it is out of range");
            let flag = case.split(' ').next().expect("a flag");
            assert!(error.to_string().starts_with(flag), "{case}: {error}");
        }
        parse("balance --users 1000000 --servers 2,1000 --percent 1000").expect("in range");
    }
}
