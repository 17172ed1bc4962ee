//! What flags, environment and file mean. Every mistake is named at once, by where it was made.

use std::net::SocketAddr;
use std::path::PathBuf;

use operate::admin;
use operate::log::{FILTER_VARIABLE, FORMAT_VARIABLE, Filter, LogFormat};
use operate::loopback;
use operate::settings::{Known, Loaded, Setting, Settings};
use wire::limits::SERVERS_MAX;

use crate::args::Args;
use crate::core::strategy::{Placing, Strategy};
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
    /// What is logged.
    pub log: Filter,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// Only check that it could run.
    pub is_check: bool,
    /// Clients are served without TLS, for benches: `listen` is a loopback address.
    pub is_plaintext: bool,
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
    /// What is logged, by the servers too; without it warnings, and of the servers a little more.
    pub log: Option<Filter>,
    /// How log lines are written, the servers' too.
    pub log_format: LogFormat,
    /// Router and servers serve clients without TLS, for benches.
    pub is_plaintext: bool,
    /// The servers write every entry, for benches.
    pub stores_all: bool,
}

/// A file with every setting, each with what it means.
pub const SAMPLE: &str = include_str!("../router.toml");

/// What may be set of a router.
pub const KNOWN: Known = Known {
    prefix: "FASTCHAT_ROUTER",
    settings: &[
        Setting::fixed("cluster"),
        Setting::fixed("identity"),
        Setting::fixed("listen"),
        Setting::fixed("server_listen"),
        Setting::reloaded("strategy"),
        Setting::reloaded("percent"),
        Setting::fixed("admin"),
        Setting::reloaded("log").by(FILTER_VARIABLE),
        Setting::fixed("log_format").by(FORMAT_VARIABLE),
    ],
};

impl Config {
    /// What the flags, the environment and the file of `--config` say, and in which words.
    ///
    /// # Errors
    /// [`operate::settings::SettingsError`] names every mistake by where it was made.
    pub fn read(args: &Args, environment: &dyn Fn(&str) -> Option<String>) -> Loaded<Self> {
        let file = args.config.as_deref();
        let mut settings = Settings::read(KNOWN, flags(args), environment, file);
        let placing = placing(&mut settings);
        let config = match args.local {
            Some(servers) => local(servers, placing, args, &mut settings).map(Self::Local),
            None => router(placing, args, &mut settings).map(Self::Router),
        };
        let words = settings.finish()?;
        Ok((config.expect("what is missing is a mistake"), words))
    }
}

fn flags(args: &Args) -> Vec<(&'static str, Vec<String>)> {
    let flags = [
        ("cluster", &args.cluster),
        ("identity", &args.identity),
        ("listen", &args.listen),
        ("server_listen", &args.server_listen),
        ("strategy", &args.strategy),
        ("percent", &args.percent),
        ("admin", &args.admin),
        ("log", &args.log),
        ("log_format", &args.log_format),
    ];
    let flags = flags.into_iter().map(|(key, word)| (key, word.iter().cloned().collect()));
    flags.collect()
}

fn placing(settings: &mut Settings) -> Placing {
    let strategy: Strategy = settings.one("strategy").unwrap_or_default();
    if strategy != Strategy::BoundedHash && settings.has("percent") {
        settings.mistake("percent", format!("is a cap of bounded-hash, not of {strategy}"));
    }
    let percent = settings.one("percent").unwrap_or(PERCENT_DEFAULT);
    if !(PERCENT_MIN..=PERCENT_MAX).contains(&percent) {
        settings.mistake("percent", format!("is from {PERCENT_MIN} to {PERCENT_MAX}"));
    }
    Placing { strategy, percent }
}

fn router(placing: Placing, args: &Args, settings: &mut Settings) -> Option<RouterConfig> {
    let only_local = [
        ("--data", args.data.is_some()),
        ("--sessions-max", args.sessions_max.is_some()),
        ("--store-all", args.store_all),
    ];
    for (flag, _) in only_local.iter().filter(|(_, is_given)| *is_given) {
        settings.misuse(format!("{flag} needs --local"));
    }
    let instead = " (or run --local SERVERS --data DIR)";
    settings.need(&["cluster", "listen", "server_listen"], instead);
    let cluster: Option<PathBuf> = settings.one("cluster");
    let identity: Option<PathBuf> = settings.one("identity");
    let (listen, server_listen) = (settings.one("listen"), settings.one("server_listen"));
    if args.plaintext {
        loopback::need([("listen", listen)], settings);
    }
    let admin = admin::configured(settings);
    let (log, log_format) = (settings.one::<Filter>("log"), settings.one("log_format"));
    let cluster = cluster?;
    Some(RouterConfig {
        listen: listen?,
        server_listen: server_listen?,
        identity: identity.unwrap_or_else(|| cluster.join("router-1")),
        cluster,
        placing,
        admin,
        log: log.unwrap_or_default(),
        log_format: log_format.unwrap_or_default(),
        is_check: args.check,
        is_plaintext: args.plaintext,
    })
}

fn local(
    servers: u16,
    placing: Placing,
    args: &Args,
    settings: &mut Settings,
) -> Option<LocalConfig> {
    for key in ["cluster", "identity", "listen", "server_listen"] {
        if settings.has(key) {
            settings.mistake(key, "does not go with --local");
        }
    }
    for (flag, is_given) in [("--check", args.check), ("--config", args.config.is_some())] {
        if is_given {
            settings.misuse(format!("{flag} does not go with --local"));
        }
    }
    if servers == 0 || usize::from(servers) > SERVERS_MAX {
        settings.misuse(format!("--local is from 1 to {SERVERS_MAX} servers"));
    }
    if args.sessions_max == Some(0) {
        settings.misuse("--sessions-max is at least 1".to_owned());
    }
    if args.data.is_none() {
        settings.misuse("--data is missing: a directory for the cluster".to_owned());
    }
    let log_format = settings.one("log_format");
    Some(LocalConfig {
        servers,
        data: args.data.clone()?,
        placing,
        sessions_max: args.sessions_max,
        admin: admin::configured(settings),
        log: settings.one("log"),
        log_format: log_format.unwrap_or_default(),
        is_plaintext: args.plaintext,
        stores_all: args.store_all,
    })
}

#[cfg(test)]
mod tests {
    use argh::FromArgs;

    use super::{Config, KNOWN, RouterConfig, SAMPLE};
    use crate::args::Args;
    use crate::core::strategy::{Placing, Strategy};

    fn parse(line: &str) -> Result<Config, operate::settings::SettingsError> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let args = Args::from_args(&["fastchat-router"], &words).expect("parses");
        Config::read(&args, &|_| None).map(|(config, _)| config)
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
    fn the_sample_is_whole_and_names_every_setting_with_its_default() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let read = |text: &str| {
            std::fs::write(file.path(), text).expect("writes");
            let args = Args { config: Some(file.path().to_owned()), ..Args::default() };
            Config::read(&args, &|_| None).map(|(config, _)| config)
        };
        let config = read(SAMPLE).expect("the sample can be used");
        for setting in KNOWN.settings {
            let key = setting.key;
            let line = |line: &&str| line.trim_start_matches("# ").starts_with(&format!("{key} ="));
            let line = SAMPLE.lines().find(line);
            line.unwrap_or_else(|| panic!("the sample says nothing of {key}"));
        }
        let mut text = SAMPLE.to_owned();
        for key in ["strategy", "percent", "log", "log_format"] {
            text = text.replace(&format!("# {key} ="), &format!("{key} ="));
        }
        assert_ne!(text, SAMPLE);
        assert_eq!(read(&text).expect("they are defaults"), config);
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
    fn plaintext_is_for_this_machine_only() {
        let line = "--cluster c --server-listen 10.0.0.1:2 --plaintext --listen";
        let config = parse(&format!("{line} [::1]:1"));
        assert!(matches!(config, Ok(Config::Router(RouterConfig { is_plaintext: true, .. }))));
        let error = parse(&format!("{line} 10.0.0.1:1 --check")).expect_err("a mistake");
        assert!(error.to_string().starts_with("--listen"), "{error}");
        let error = parse(&format!("{line} [::1]:1 --store-all")).expect_err("a mistake");
        assert!(error.to_string().starts_with("--store-all"), "{error}");
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
