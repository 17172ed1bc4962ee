//! What flags, environment and file mean. Every mistake is named at once, by where it was made.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use operate::admin;
use operate::log::{FILTER_VARIABLE, FORMAT_VARIABLE, Filter, LogFormat};
use operate::loopback;
use operate::settings::{Known, Loaded, Setting, Settings, SettingsError};
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
    /// What is logged.
    pub log: Filter,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// Part of a local cluster.
    pub is_local: bool,
    /// Clients are served without TLS, for benches: both addresses of clients are loopback ones.
    pub is_plaintext: bool,
    /// Every entry is written, also one that its reader has seen before: for benches.
    pub stores_all: bool,
    /// Only check that it could run.
    pub is_check: bool,
}

impl Config {
    /// The files that the server cannot run without.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let shared = ["ca.pem", "opaque.setup", "map"].map(|name| self.cluster.join(name));
        let own = ["cert.pem", "key.pem"].map(|name| self.identity.join(name));
        shared.into_iter().chain(own).collect()
    }
}

/// The store of `--restored`, if that is what the command line asks for.
///
/// # Errors
/// It does not stand alone.
pub fn restored(args: &Args) -> Result<Option<PathBuf>, SettingsError> {
    let alone = Args { restored: args.restored.clone(), ..Args::default() };
    match &args.restored {
        Some(_) if *args != alone => {
            let mistake = "--restored stands alone: afterwards start the server without it";
            Err(SettingsError::of(mistake))
        }
        store => Ok(store.clone()),
    }
}

/// The command that is to be done instead of serving, if the command line names one.
///
/// # Errors
/// Flags of the server stand before it.
pub fn command(args: &Args) -> Result<Option<Command>, SettingsError> {
    let alone = Args { command: args.command.clone(), ..Args::default() };
    if args.command.is_some() && *args != alone {
        let mistake = "flags that stand before a command are the server's: put the command's \
                       own flags after it, and no others";
        return Err(SettingsError::of(mistake));
    }
    Ok(args.command.clone())
}

/// A file with every setting, each with what it means.
pub const SAMPLE: &str = include_str!("../server.toml");

/// What may be set.
pub const KNOWN: Known = Known {
    prefix: "FASTCHAT_SERVER",
    settings: &[
        Setting::fixed("id"),
        Setting::fixed("cluster"),
        Setting::fixed("identity"),
        Setting::fixed("store"),
        Setting::fixed("listen"),
        Setting::fixed("peer_listen"),
        Setting::fixed("advertise"),
        Setting::fixed("peer_advertise"),
        Setting::fixed("router"),
        Setting::reloaded("sessions_max"),
        Setting::reloaded("unseen_mib"),
        Setting::reloaded("drain_rate"),
        Setting::fixed("admin"),
        Setting::reloaded("log").by(FILTER_VARIABLE),
        Setting::fixed("log_format").by(FORMAT_VARIABLE),
    ],
};

impl Config {
    /// What the flags, the environment and the file of `--config` say, and in which words.
    ///
    /// # Errors
    /// [`SettingsError`] names every mistake by where it was made.
    pub fn read(args: &Args, environment: &dyn Fn(&str) -> Option<String>) -> Loaded<Self> {
        let file = args.config.as_deref();
        let mut settings = Settings::read(KNOWN, flags(args), environment, file);
        settings.need(&["id", "cluster", "store", "listen", "peer_listen", "router"], "");
        let config = complete(args, &mut settings);
        let words = settings.finish()?;
        Ok((config.expect("what is missing is a mistake"), words))
    }
}

fn flags(args: &Args) -> Vec<(&'static str, Vec<String>)> {
    let flags = [
        ("id", &args.id),
        ("cluster", &args.cluster),
        ("identity", &args.identity),
        ("store", &args.store),
        ("listen", &args.listen),
        ("peer_listen", &args.peer_listen),
        ("advertise", &args.advertise),
        ("peer_advertise", &args.peer_advertise),
        ("sessions_max", &args.sessions_max),
        ("unseen_mib", &args.unseen_mib),
        ("drain_rate", &args.drain_rate),
        ("admin", &args.admin),
        ("log", &args.log),
        ("log_format", &args.log_format),
    ];
    let flags = flags.into_iter().map(|(key, word)| (key, word.iter().cloned().collect()));
    flags.chain([("router", args.router.clone())]).collect()
}

/// The whole, or `None` when something is missing or cannot be read.
fn complete(args: &Args, settings: &mut Settings) -> Option<Config> {
    let id = server_id(settings);
    let cluster: Option<PathBuf> = settings.one("cluster");
    let identity: Option<PathBuf> = settings.one("identity");
    let store = settings.one("store");
    let (listen, advertise) = told(("listen", "advertise"), settings);
    if args.plaintext {
        loopback::need([("listen", listen), ("advertise", advertise)], settings);
    }
    let (peer_listen, peer_advertise) = told(("peer_listen", "peer_advertise"), settings);
    let routers = routers(settings);
    let sessions_max = at_least_one("sessions_max", SESSIONS_MAX_DEFAULT, settings);
    let unseen_mib = at_least_one("unseen_mib", UNSEEN_MIB_DEFAULT, settings);
    let drain_rate = at_least_one("drain_rate", DRAIN_RATE_DEFAULT, settings);
    let admin = admin::configured(settings);
    let (log, log_format) = (settings.one::<Filter>("log"), settings.one("log_format"));
    let (id, cluster) = (id?, cluster?);
    Some(Config {
        id,
        identity: identity.unwrap_or_else(|| cluster.join(format!("server-{}", id.0))),
        cluster,
        store: store?,
        listen: listen?,
        peer_listen: peer_listen?,
        advertise,
        peer_advertise,
        routers,
        sessions_max,
        unseen_max: mebibytes(unseen_mib),
        drain_rate,
        admin,
        log: log.unwrap_or_default(),
        log_format: log_format.unwrap_or_default(),
        is_local: args.local,
        is_plaintext: args.plaintext,
        stores_all: args.store_all,
        is_check: args.check,
    })
}

fn at_least_one(key: &'static str, default: u32, settings: &mut Settings) -> u32 {
    let count = settings.one(key).unwrap_or(default);
    if count == 0 {
        settings.mistake(key, "is at least 1");
    }
    count
}

fn server_id(settings: &mut Settings) -> Option<ServerId> {
    let id: u16 = settings.one("id")?;
    if id == 0 || usize::from(id) > SERVERS_MAX {
        settings.mistake("id", format!("is from 1 to {SERVERS_MAX}"));
    }
    Some(ServerId(id))
}

/// Where it listens, and what others are told if not that: which must name a machine; and a port,
/// where that is not any that was free.
fn told(
    (listen_key, advertise_key): (&'static str, &'static str),
    settings: &mut Settings,
) -> (Option<SocketAddr>, Option<SocketAddr>) {
    let listen: Option<SocketAddr> = settings.one(listen_key);
    let advertise: Option<SocketAddr> = settings.one(advertise_key);
    let key = if advertise.is_some() { advertise_key } else { listen_key };
    let told = advertise.or(listen);
    if let Some(ip) = told.map(|told| told.ip()).filter(IpAddr::is_unspecified) {
        settings.mistake(key, format!("is told to others, who cannot connect to {ip}"));
    }
    if advertise.is_some_and(|told| told.port() == 0) {
        settings.mistake(key, "is told to others, who cannot connect to port 0");
    }
    (listen, advertise)
}

fn routers(settings: &mut Settings) -> Vec<SocketAddr> {
    let mut routers = Vec::new();
    for name in settings.many("router") {
        match name.to_socket_addrs().map(|mut found| found.next()) {
            Ok(Some(address)) => routers.push(address),
            Ok(None) => settings.mistake("router", format!("{name}: no address has this name")),
            Err(error) => settings.mistake("router", format!("{name}: {error}")),
        }
    }
    routers
}

fn mebibytes(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(1 << 20)
}

#[cfg(test)]
mod tests {
    use argh::FromArgs;
    use wire::ServerId;

    use super::{
        Command, Config, KNOWN, SAMPLE, SESSIONS_MAX_DEFAULT, SettingsError, command, restored,
    };
    use crate::args::{Args, BackupArgs};

    const WHOLE: &str = "--id 2 --cluster c --store s --listen 127.0.0.1:0 \
                         --peer-listen 127.0.0.1:0 --router 127.0.0.1:7101";

    fn parse(line: &str) -> Result<Config, SettingsError> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let args = Args::from_args(&["fastchat-server"], &words).expect("parses");
        Config::read(&args, &|_| None).map(|(config, _)| config)
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
    fn plaintext_is_for_this_machine_only() {
        assert!(
            parse(&format!("{WHOLE} --plaintext --store-all"))
                .is_ok_and(|config| { config.is_plaintext && config.stores_all })
        );
        let line = "--id 2 --cluster c --store s --router 127.0.0.1:7101 --listen 10.0.0.1:7200 \
                    --peer-listen 10.0.0.1:7201 --advertise 10.0.0.2:7200";
        parse(line).expect("with TLS it may be anywhere");
        let error = parse(&format!("{line} --plaintext --check")).expect_err("mistakes");
        let error = error.to_string();
        assert_eq!(error.lines().count(), 2, "{error}");
        for flag in ["--listen", "--advertise"] {
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
        let defaults = ["sessions_max", "unseen_mib", "drain_rate", "log", "log_format"];
        let mut text = SAMPLE.to_owned();
        for key in defaults {
            text = text.replace(&format!("# {key} ="), &format!("{key} ="));
        }
        assert_ne!(text, SAMPLE);
        assert_eq!(read(&text).expect("they are defaults"), config);
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
