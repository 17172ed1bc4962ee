//! The command line as typed; [`crate::config`] gives it meaning.

use std::net::SocketAddr;
use std::path::PathBuf;

use argh::FromArgs;
use operate::log::LogFormat;

/// FastChat's server: holds sessions, and owns the accounts and logs of its slots.
#[derive(Clone, Debug, Default, Eq, FromArgs, PartialEq)]
pub struct Args {
    /// which server of the cluster's map this is: 1, 2, 3 …
    #[argh(option, arg_name = "number")]
    pub id: Option<u16>,

    /// directory of this server's cert.pem and key.pem (default: server-ID in --cluster)
    #[argh(option, arg_name = "dir")]
    pub identity: Option<PathBuf>,

    /// directory of the cluster: ca.pem, opaque.setup and map
    #[argh(option, arg_name = "dir")]
    pub cluster: Option<PathBuf>,

    /// directory of the store, made when it is not there
    #[argh(option, arg_name = "dir")]
    pub store: Option<PathBuf>,

    /// where clients connect, such as 10.0.0.1:7200; port 0: any
    #[argh(option, arg_name = "address")]
    pub listen: Option<SocketAddr>,

    /// where other servers connect, such as 10.0.0.1:7201; port 0: any
    #[argh(option, arg_name = "address")]
    pub peer_listen: Option<SocketAddr>,

    /// where clients are told to connect, if not --listen: what forwards to it
    #[argh(option, arg_name = "address")]
    pub advertise: Option<SocketAddr>,

    /// where other servers are told to connect, if not --peer-listen: what forwards to it
    #[argh(option, arg_name = "address")]
    pub peer_advertise: Option<SocketAddr>,

    /// a router's address for servers, such as router.example:7101; may be given again
    #[argh(option, arg_name = "host:port")]
    pub router: Vec<String>,

    /// most sessions on this server, at least 1 (default: 10000)
    #[argh(option, arg_name = "sessions")]
    pub sessions_max: Option<u32>,

    /// most MiB of messages on their way to clients, at least 1 (default: 256); above it each
    /// client is sent at most 16 KiB ahead of what it has confirmed
    #[argh(option, arg_name = "mib")]
    pub unseen_mib: Option<u32>,

    /// sessions that are told to go elsewhere in each second after SIGUSR2, at least 1 (default:
    /// 200)
    #[argh(option, arg_name = "sessions")]
    pub drain_rate: Option<u32>,

    /// where metrics and health are served, such as 127.0.0.1:7290; only this machine (default:
    /// nowhere)
    #[argh(option, arg_name = "address")]
    pub admin: Option<SocketAddr>,

    /// how log lines are written: human or json (default: human)
    #[argh(option, arg_name = "format")]
    pub log_format: Option<LogFormat>,

    /// part of a local cluster: stops when standard input closes; no limit of connections from
    /// this machine, nor of posts per second
    #[argh(switch)]
    pub local: bool,

    /// check the flags and files, then end
    #[argh(switch)]
    pub check: bool,

    /// take this store for what it is, then end: for one that was put back from a copy, or that a
    /// server refuses because something of it is lost. Stands alone
    #[argh(option, arg_name = "dir")]
    pub restored: Option<PathBuf>,

    /// print the version, then end
    #[argh(switch)]
    pub version: bool,

    /// what is done instead of serving
    #[argh(subcommand)]
    pub command: Option<Command>,
}

/// What is done instead of serving. Each ends when it is done.
#[derive(Clone, Debug, Eq, FromArgs, PartialEq)]
#[argh(subcommand)]
pub enum Command {
    /// Makes a backup.
    Backup(BackupArgs),
    /// Checks a backup.
    Verify(VerifyArgs),
    /// Puts a store back.
    Restore(RestoreArgs),
}

/// Copy a store to a new directory and check the copy; its server may run meanwhile.
#[derive(Clone, Debug, Eq, FromArgs, PartialEq)]
#[argh(subcommand, name = "backup")]
pub struct BackupArgs {
    /// directory of the store, as the server's --store names it
    #[argh(option, arg_name = "dir")]
    pub store: PathBuf,

    /// directory of the backup, which must not be there yet; best on another disk
    #[argh(option, arg_name = "dir")]
    pub to: PathBuf,
}

/// Check every file and every record of a backup.
#[derive(Clone, Debug, Eq, FromArgs, PartialEq)]
#[argh(subcommand, name = "verify")]
pub struct VerifyArgs {
    /// directory of the backup
    #[argh(option, arg_name = "dir")]
    pub from: PathBuf,
}

/// Put the store of a backup back, with the server stopped. The backup stays as it is.
#[derive(Clone, Debug, Eq, FromArgs, PartialEq)]
#[argh(subcommand, name = "restore")]
pub struct RestoreArgs {
    /// directory of the backup
    #[argh(option, arg_name = "dir")]
    pub from: PathBuf,

    /// directory of the store, which must be empty or not there
    #[argh(option, arg_name = "dir")]
    pub store: PathBuf,

    /// go on though the lost store is known to have held more than the backup
    #[argh(switch)]
    pub accept_loss: bool,
}
