//! What the command line means. Every mistake is named at once, by its flag.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use operate::admin::check_address;
use operate::log::LogFormat;
use thiserror::Error;
use wire::ServerId;
use wire::limits::SERVERS_MAX;

use crate::args::{Args, Command};

/// Sessions of one server unless the flag says otherwise.
pub const SESSIONS_MAX_DEFAULT: u32 = 10_000;

/// MiB of entries that may be sent to sessions and not seen, unless the flag says otherwise.
pub const UNSEEN_MIB_DEFAULT: u32 = 256;

/// Sessions that a server which is emptied lets go in each second, unless the flag says otherwise.
pub const DRAIN_RATE_DEFAULT: u32 = 200;

/// One server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// Which server of the map.
    pub id: ServerId,
    /// The directory with `cert.pem` and `key.pem`.
    pub identity: PathBuf,
    /// The directory with `ca.pem`, `opaque.setup` and `map`.
    pub cluster: PathBuf,
    /// The directory of the store.
    pub store: PathBuf,
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Where peers connect.
    pub peer_listen: SocketAddr,
    /// Where clients are told to connect, if not at `listen`.
    pub advertise: Option<SocketAddr>,
    /// Where peers are told to connect, if not at `peer_listen`.
    pub peer_advertise: Option<SocketAddr>,
    /// The routers' addresses for servers.
    pub routers: Vec<SocketAddr>,
    /// Most sessions.
    pub sessions_max: u32,
    /// Bytes of entries that may be sent to sessions and not seen, in all.
    pub unseen_max: usize,
    /// Sessions that are let go in each second when the server is emptied.
    pub drain_rate: u32,
    /// Where metrics and health are served: a loopback address.
    pub admin: Option<SocketAddr>,
    /// How log lines are written, where the environment does not decide.
    pub log_format: Option<LogFormat>,
    /// Part of a local cluster.
    pub is_local: bool,
    /// Only check that it could run.
    pub is_check: bool,
}

/// What is wrong with the command line: one line for each mistake.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{}", .0.join("\n"))]
pub struct ConfigError(Vec<String>);

/// The store of `--restored`, if that is what the command line asks for.
///
/// # Errors
/// It does not stand alone.
pub fn restored(args: &Args) -> Result<Option<PathBuf>, ConfigError> {
    let alone = Args { restored: args.restored.clone(), ..Args::default() };
    match &args.restored {
        Some(_) if *args != alone => {
            let mistake = "--restored stands alone: afterwards start the server without it";
            Err(ConfigError(vec![mistake.to_owned()]))
        }
        store => Ok(store.clone()),
    }
}

/// The command that is to be done instead of serving, if the command line names one.
///
/// # Errors
/// Flags of the server stand before it.
pub fn command(args: &Args) -> Result<Option<Command>, ConfigError> {
    let alone = Args { command: args.command.clone(), ..Args::default() };
    if args.command.is_some() && *args != alone {
        let mistake = "flags that stand before a command are the server's: put the command's \
                       own flags after it, and no others";
        return Err(ConfigError(vec![mistake.to_owned()]));
    }
    Ok(args.command.clone())
}

impl TryFrom<Args> for Config {
    type Error = ConfigError;

    fn try_from(args: Args) -> Result<Self, ConfigError> {
        let mut mistakes = missing(&args);
        let routers = routers(&args.router, &mut mistakes);
        if args.sessions_max == Some(0) {
            mistakes.push("--sessions-max is at least 1".to_owned());
        }
        if args.unseen_mib == Some(0) {
            mistakes.push("--unseen-mib is at least 1".to_owned());
        }
        if args.drain_rate == Some(0) {
            mistakes.push("--drain-rate is at least 1: at 0 nobody ever leaves".to_owned());
        }
        if let Some(Err(error)) = args.admin.map(check_address) {
            mistakes.push(error.to_string());
        }
        let config = complete(args, routers, &mut mistakes);
        match config {
            Some(config) if mistakes.is_empty() => Ok(config),
            _ => Err(ConfigError(mistakes)),
        }
    }
}

fn missing(args: &Args) -> Vec<String> {
    let needed = [
        ("--id", args.id.is_some()),
        ("--cluster", args.cluster.is_some()),
        ("--store", args.store.is_some()),
        ("--listen", args.listen.is_some()),
        ("--peer-listen", args.peer_listen.is_some()),
        ("--router", !args.router.is_empty()),
    ];
    let missing = needed.iter().filter(|(_, is_given)| !is_given);
    missing.map(|(flag, _)| format!("{flag} is missing")).collect()
}

fn complete(args: Args, routers: Vec<SocketAddr>, mistakes: &mut Vec<String>) -> Option<Config> {
    let id = server_id(args.id?, mistakes);
    let (listen, peer_listen) = (args.listen?, args.peer_listen?);
    check_told(("--listen", listen), ("--advertise", args.advertise), mistakes);
    let peer_advertise = ("--peer-advertise", args.peer_advertise);
    check_told(("--peer-listen", peer_listen), peer_advertise, mistakes);
    let cluster = args.cluster?;
    let beside = || cluster.join(format!("server-{}", id.0));
    Some(Config {
        id,
        identity: args.identity.unwrap_or_else(beside),
        cluster,
        store: args.store?,
        listen,
        peer_listen,
        advertise: args.advertise,
        peer_advertise: args.peer_advertise,
        routers,
        sessions_max: args.sessions_max.unwrap_or(SESSIONS_MAX_DEFAULT),
        unseen_max: mebibytes(args.unseen_mib.unwrap_or(UNSEEN_MIB_DEFAULT)),
        drain_rate: args.drain_rate.unwrap_or(DRAIN_RATE_DEFAULT),
        admin: args.admin,
        log_format: args.log_format,
        is_local: args.local,
        is_check: args.check,
    })
}

fn mebibytes(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(1 << 20)
}

fn server_id(id: u16, mistakes: &mut Vec<String>) -> ServerId {
    if id == 0 || usize::from(id) > SERVERS_MAX {
        mistakes.push(format!("--id is from 1 to {SERVERS_MAX}"));
    }
    ServerId(id)
}

/// What clients or peers are told must name a machine; and a port, where that is not any that was
/// free.
fn check_told(
    (listen_flag, listen): (&str, SocketAddr),
    (flag, advertise): (&str, Option<SocketAddr>),
    mistakes: &mut Vec<String>,
) {
    let (flag, told) = advertise.map_or((listen_flag, listen), |told| (flag, told));
    if told.ip().is_unspecified() {
        let ip = told.ip();
        mistakes.push(format!("{flag} is told to others, who cannot connect to {ip}"));
    }
    if advertise.is_some() && told.port() == 0 {
        mistakes.push(format!("{flag} is told to others, who cannot connect to port 0"));
    }
}

fn routers(names: &[String], mistakes: &mut Vec<String>) -> Vec<SocketAddr> {
    let mut routers = Vec::new();
    for name in names {
        match name.to_socket_addrs().map(|mut found| found.next()) {
            Ok(Some(address)) => routers.push(address),
            Ok(None) => mistakes.push(format!("--router {name}: no address has this name")),
            Err(error) => mistakes.push(format!("--router {name}: {error}")),
        }
    }
    routers
}

#[cfg(test)]
mod tests {
    use argh::FromArgs;
    use wire::ServerId;

    use super::{Command, Config, ConfigError, SESSIONS_MAX_DEFAULT, command, restored};
    use crate::args::{Args, BackupArgs};

    const WHOLE: &str = "--id 2 --cluster c --store s --listen 127.0.0.1:0 \
                         --peer-listen 127.0.0.1:0 --router 127.0.0.1:7101";

    fn parse(line: &str) -> Result<Config, ConfigError> {
        let words: Vec<&str> = line.split_whitespace().collect();
        Config::try_from(Args::from_args(&["fastchat-server"], &words).expect("parses"))
    }

    #[test]
    fn the_identity_is_beside_the_map_unless_named() {
        let config = parse(WHOLE).expect("complete");
        assert_eq!(config.id, ServerId(2));
        assert_eq!(config.identity, std::path::Path::new("c/server-2"));
        assert_eq!(config.sessions_max, SESSIONS_MAX_DEFAULT);
        let named = parse(&format!("{WHOLE} --identity i")).expect("complete");
        assert_eq!(named.identity, std::path::Path::new("i"));
    }

    #[test]
    fn what_is_told_may_differ_from_where_it_listens() {
        let line = "--id 2 --cluster c --store s --router 127.0.0.1:7101 --listen 0.0.0.0:7200 \
                    --peer-listen [::]:7201 --advertise 10.0.0.1:72 --peer-advertise 10.0.0.1:73";
        let config = parse(line).expect("complete");
        assert_eq!(config.advertise, Some(([10, 0, 0, 1], 72).into()));
        assert_eq!(config.peer_advertise, Some(([10, 0, 0, 1], 73).into()));
        let wrong = format!("{WHOLE} --advertise 10.0.0.1:0 --peer-advertise 0.0.0.0:1");
        let error = parse(&wrong).expect_err("mistakes").to_string();
        assert_eq!(error.lines().count(), 2, "{error}");
        for flag in ["--advertise", "--peer-advertise"] {
            assert!(error.contains(flag), "{flag} in {error}");
        }
    }

    #[test]
    fn restored_stands_alone() {
        let args = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            Args::from_args(&["fastchat-server"], &words).expect("parses")
        };
        assert_eq!(restored(&args(WHOLE)), Ok(None));
        assert_eq!(restored(&args("--restored s")), Ok(Some("s".into())));
        restored(&args(&format!("{WHOLE} --restored s"))).expect_err("it does not stand alone");
    }

    #[test]
    fn a_command_has_its_own_flags_only() {
        let args = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            Args::from_args(&["fastchat-server"], &words).expect("parses")
        };
        assert_eq!(command(&args(WHOLE)), Ok(None));
        let (store, to) = ("s".into(), "b".into());
        let backup = Command::Backup(BackupArgs { store, to });
        assert_eq!(command(&args("backup --store s --to b")), Ok(Some(backup)));
        command(&args(&format!("{WHOLE} verify --from b"))).expect_err("it does not stand alone");
        command(&args("--restored s verify --from b")).expect_err("one thing at a time");
    }

    #[test]
    fn every_missing_flag_is_named() {
        let error = parse("").expect_err("mistakes").to_string();
        let flags = ["--id", "--cluster", "--store", "--listen", "--peer-listen", "--router"];
        assert_eq!(error.lines().count(), flags.len());
        for flag in flags {
            assert!(error.contains(flag), "{flag} in {error}");
        }
    }

    #[test]
    fn every_wrong_value_is_named() {
        let line = "--id 0 --cluster c --store s --listen 0.0.0.0:1 --peer-listen [::]:2 \
                    --router nowhere --sessions-max 0 --unseen-mib 0 --drain-rate 0 \
                    --admin 10.0.0.1:7290";
        let error = parse(line).expect_err("mistakes").to_string();
        let addresses = ["--listen", "--peer-listen", "--router", "--admin"];
        let numbers = ["--id", "--sessions-max", "--unseen-mib", "--drain-rate"];
        for flag in addresses.into_iter().chain(numbers) {
            assert!(error.contains(flag), "{flag} in {error}");
        }
    }
}
