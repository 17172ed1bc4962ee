//! The command line as typed; [`crate::config`] gives it meaning.

use std::path::PathBuf;

use argh::FromArgs;

/// FastChat's server: holds sessions, and owns the accounts and logs of its slots.
#[derive(Clone, Debug, Default, Eq, FromArgs, PartialEq)]
#[argh(
    example = "A server whose settings stand in a file:\n{command_name} --sample > server.toml\n\
               {command_name} --config server.toml --check\n{command_name} --config server.toml",
    note = "Each setting is also read from the environment, --peer-listen as\n\
            FASTCHAT_SERVER_PEER_LISTEN. SIGHUP reads the settings again, SIGUSR2 empties the\n\
            server, SIGTERM stops it."
)]
pub struct Args {
    /// file with settings; a flag or a variable of the environment counts before it
    #[argh(option, arg_name = "file")]
    pub config: Option<PathBuf>,

    /// print such a file with every setting and what it means, then end
    #[argh(switch)]
    pub sample: bool,

    /// which server of the cluster's map this is: 1, 2, 3 …
    #[argh(option, arg_name = "number")]
    pub id: Option<String>,

    /// directory of this server's cert.pem and key.pem (default: server-ID in --cluster)
    #[argh(option, arg_name = "dir")]
    pub identity: Option<String>,

    /// directory of the cluster: ca.pem, opaque.setup and map
    #[argh(option, arg_name = "dir")]
    pub cluster: Option<String>,

    /// directory of the store, made when it is not there
    #[argh(option, arg_name = "dir")]
    pub store: Option<String>,

    /// where clients connect, such as 10.0.0.1:7200; port 0: any
    #[argh(option, arg_name = "address")]
    pub listen: Option<String>,

    /// where other servers connect, such as 10.0.0.1:7201; port 0: any
    #[argh(option, arg_name = "address")]
    pub peer_listen: Option<String>,

    /// where clients are told to connect, if not --listen: what forwards to it
    #[argh(option, arg_name = "address")]
    pub advertise: Option<String>,

    /// where other servers are told to connect, if not --peer-listen: what forwards to it
    #[argh(option, arg_name = "address")]
    pub peer_advertise: Option<String>,

    /// a router's address for servers, such as router.example:7101; may be given again
    #[argh(option, arg_name = "host:port")]
    pub router: Vec<String>,

    /// most sessions on this server, at least 1 (default: 10000)
    #[argh(option, arg_name = "sessions")]
    pub sessions_max: Option<String>,

    /// most MiB of messages on their way to clients, at least 1 (default: 256); above it each
    /// client is sent at most 16 KiB ahead of what it has confirmed
    #[argh(option, arg_name = "mib")]
    pub unseen_mib: Option<String>,

    /// sessions that are told to go elsewhere in each second after SIGUSR2, at least 1 (default:
    /// 200)
    #[argh(option, arg_name = "sessions")]
    pub drain_rate: Option<String>,

    /// where metrics and health are served, such as 127.0.0.1:7290; only this machine (default:
    /// nowhere)
    #[argh(option, arg_name = "address")]
    pub admin: Option<String>,

    /// what is logged: warn, info, debug, server=trace … (default: info)
    #[argh(option, arg_name = "filter")]
    pub log: Option<String>,

    /// how log lines are written: human or json (default: human)
    #[argh(option, arg_name = "format")]
    pub log_format: Option<String>,

    /// part of a local cluster: stops when standard input closes; no limit of connections from
    /// this machine, nor of posts per second
    #[argh(switch)]
    pub local: bool,

    /// for benches on this machine: clients are served without TLS, at a loopback address only
    #[argh(switch)]
    pub plaintext: bool,

    /// for benches that compare storing: every message is written, also one that a quick reader has
    /// seen before
    #[argh(switch)]
    pub store_all: bool,

    /// check the settings and the files that they name, name every mistake, then end
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
    /// Empties the server.
    Drain(DrainArgs),
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

/// Empty the running server: nobody new is let in, everybody is sent elsewhere, then it stops. Ends
/// when it has.
#[derive(Clone, Debug, Eq, FromArgs, PartialEq)]
#[argh(subcommand, name = "drain")]
pub struct DrainArgs {
    /// directory of the store, as the server's --store names it
    #[argh(option, arg_name = "dir")]
    pub store: PathBuf,
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
