//! What the command line means. Every mistake is named at once, by its flag.

use std::net::SocketAddr;
use std::path::PathBuf;

use operate::admin::check_address;
use operate::log::LogFormat;
use thiserror::Error;
use wire::limits::SERVERS_MAX;

use crate::args::Args;
use crate::core::strategy::{Placing, Strategy, StrategyError};
use crate::limits::{PERCENT_DEFAULT, PERCENT_MAX, PERCENT_MIN};

/// What to run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Config {
    /// One router of a cluster.
    Router(RouterConfig),
    /// A whole cluster on this machine.
    Local(LocalConfig),
}

/// One router.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RouterConfig {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Where servers connect.
    pub server_listen: SocketAddr,
    /// The directory with `ca.pem` and `map`.
    pub cluster: PathBuf,
    /// The directory with `cert.pem` and `key.pem`.
    pub identity: PathBuf,
    /// How seats are chosen.
    pub placing: Placing,
    /// Where metrics and health are served: a loopback address.
    pub admin: Option<SocketAddr>,
    /// How log lines are written, where the environment does not decide.
    pub log_format: Option<LogFormat>,
    /// Only check that it could run.
    pub is_check: bool,
}

/// A whole cluster on this machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LocalConfig {
    /// How many servers: 1 … 1,024.
    pub servers: u16,
    /// The directory of everything.
    pub data: PathBuf,
    /// How seats are chosen.
    pub placing: Placing,
    /// Most sessions of one server; the server's own default without it.
    pub sessions_max: Option<u32>,
    /// Where the router's metrics and health are served: a loopback address.
    pub admin: Option<SocketAddr>,
    /// How log lines are written, the servers' too, where the environment does not decide.
    pub log_format: Option<LogFormat>,
}

/// What is wrong with the command line: one line for each mistake.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{}", .0.join("\n"))]
pub struct ConfigError(Vec<String>);

impl TryFrom<Args> for Config {
    type Error = ConfigError;

    fn try_from(args: Args) -> Result<Self, ConfigError> {
        let mut mistakes = Vec::new();
        let placing = placing(&args, &mut mistakes);
        if let Some(Err(error)) = args.admin.map(check_address) {
            mistakes.push(error.to_string());
        }
        let config = match args.local {
            Some(servers) => local(servers, placing, &args, &mut mistakes).map(Self::Local),
            None => router(placing, &args, &mut mistakes).map(Self::Router),
        };
        match config {
            Some(config) if mistakes.is_empty() => Ok(config),
            _ => Err(ConfigError(mistakes)),
        }
    }
}

fn placing(args: &Args, mistakes: &mut Vec<String>) -> Placing {
    let named = args.strategy.as_deref().map(str::parse).transpose();
    let strategy = named.unwrap_or_else(|error: StrategyError| {
        mistakes.push(format!("--strategy: {error}"));
        None
    });
    let strategy = strategy.unwrap_or_default();
    if strategy != Strategy::BoundedHash && args.percent.is_some() {
        mistakes.push(format!("--percent is a cap of bounded-hash, not of {strategy}"));
    }
    Placing { strategy, percent: percent(args.percent, mistakes) }
}

fn percent(percent: Option<u32>, mistakes: &mut Vec<String>) -> u32 {
    let percent = percent.unwrap_or(PERCENT_DEFAULT);
    if !(PERCENT_MIN..=PERCENT_MAX).contains(&percent) {
        mistakes.push(format!("--percent is from {PERCENT_MIN} to {PERCENT_MAX}"));
    }
    percent
}

fn router(placing: Placing, args: &Args, mistakes: &mut Vec<String>) -> Option<RouterConfig> {
    let only_local =
        [("--data", args.data.is_some()), ("--sessions-max", args.sessions_max.is_some())];
    for (flag, _) in only_local.iter().filter(|(_, is_given)| *is_given) {
        mistakes.push(format!("{flag} needs --local"));
    }
    let needed = [
        ("--cluster", args.cluster.is_some()),
        ("--listen", args.listen.is_some()),
        ("--server-listen", args.server_listen.is_some()),
    ];
    for (flag, _) in needed.iter().filter(|(_, is_given)| !is_given) {
        mistakes.push(format!("{flag} is missing (or run --local SERVERS --data DIR)"));
    }
    let cluster = args.cluster.clone()?;
    let identity = args.identity.clone();
    Some(RouterConfig {
        listen: args.listen?,
        server_listen: args.server_listen?,
        identity: identity.unwrap_or_else(|| cluster.join("router-1")),
        cluster,
        placing,
        admin: args.admin,
        log_format: args.log_format,
        is_check: args.check,
    })
}

fn local(
    servers: u16,
    placing: Placing,
    args: &Args,
    mistakes: &mut Vec<String>,
) -> Option<LocalConfig> {
    let only_router = [
        ("--cluster", args.cluster.is_some()),
        ("--identity", args.identity.is_some()),
        ("--listen", args.listen.is_some()),
        ("--server-listen", args.server_listen.is_some()),
        ("--check", args.check),
    ];
    for (flag, _) in only_router.iter().filter(|(_, is_given)| *is_given) {
        mistakes.push(format!("{flag} does not go with --local"));
    }
    if servers == 0 || usize::from(servers) > SERVERS_MAX {
        mistakes.push(format!("--local is from 1 to {SERVERS_MAX} servers"));
    }
    if args.sessions_max == Some(0) {
        mistakes.push("--sessions-max is at least 1".to_owned());
    }
    let Some(data) = args.data.clone() else {
        mistakes.push("--data is missing: a directory for the cluster".to_owned());
        return None;
    };
    let Args { sessions_max, admin, log_format, .. } = *args;
    Some(LocalConfig { servers, data, placing, sessions_max, admin, log_format })
}

#[cfg(test)]
mod tests {
    use argh::FromArgs;

    use super::{Config, ConfigError};
    use crate::args::Args;
    use crate::core::strategy::{Placing, Strategy};

    fn parse(line: &str) -> Result<Config, ConfigError> {
        let words: Vec<&str> = line.split_whitespace().collect();
        Config::try_from(Args::from_args(&["fastchat-router"], &words).expect("parses"))
    }

    #[test]
    fn a_router_needs_its_addresses_and_cluster() {
        let config = parse("--cluster c --listen 1.2.3.4:1 --server-listen [::1]:2");
        let Ok(Config::Router(config)) = config else {
            panic!("{config:?}");
        };
        let placing = Placing { strategy: Strategy::BoundedHash, percent: 125 };
        assert_eq!(config.placing, placing);
        assert_eq!(config.identity, std::path::Path::new("c/router-1"));
    }

    #[test]
    fn every_mistake_is_named_by_its_flag() {
        let error =
            parse("--percent 99 --data d --admin 0.0.0.0:1").expect_err("mistakes").to_string();
        let flags = ["--percent", "--data", "--cluster", "--listen", "--server-listen", "--admin"];
        assert_eq!(error.lines().count(), flags.len());
        for flag in flags {
            assert!(error.contains(flag), "{flag} in {error}");
        }
    }

    #[test]
    fn a_strategy_is_named_by_its_flag_and_only_one_has_a_percentage() {
        let config = parse("--local 3 --data d --strategy least-connections");
        let Ok(Config::Local(config)) = config else {
            panic!("{config:?}");
        };
        assert_eq!(config.placing.strategy, Strategy::LeastConnections);
        parse("--local 3 --data d --strategy bounded-hash --percent 150").expect("they fit");
        let mistakes =
            [("--strategy", "--strategy least"), ("--percent", "--strategy random --percent 150")];
        for (flag, words) in mistakes {
            let error = parse(&format!("--local 3 --data d {words}")).expect_err("a mistake");
            assert!(error.to_string().starts_with(flag), "{error}");
        }
    }

    #[test]
    fn a_local_cluster_takes_no_addresses() {
        let error = parse("--local 0 --listen 1.2.3.4:1 --sessions-max 0").expect_err("mistakes");
        let error = error.to_string();
        for flag in ["--local", "--listen", "--sessions-max", "--data"] {
            assert!(error.contains(flag), "{flag} in {error}");
        }
        assert!(matches!(parse("--local 3 --data d"), Ok(Config::Local(_))));
    }
}
