//! The command line as typed; [`crate::config`] gives it meaning.

use std::path::PathBuf;

use argh::FromArgs;

use crate::map::args::MapArgs;

/// FastChat's router: tells clients where to sit and servers who their peers are.
#[derive(Debug, Default, FromArgs)]
#[argh(
    example = "A whole cluster on this machine:\n{command_name} --local 3 --data DIR",
    example = "One router of a cluster:\n{command_name} --cluster DIR --listen 0.0.0.0:7100 \
               --server-listen 10.0.0.1:7101",
    example = "The files of a cluster of three servers:\n{command_name} map init --cluster DIR \
               --servers 3",
    example = "The same from a file:\n{command_name} --sample > router.toml\n\
               {command_name} --config router.toml --check\n{command_name} --config router.toml",
    note = "Each setting is also read from the environment, --server-listen as\n\
            FASTCHAT_ROUTER_SERVER_LISTEN. SIGHUP reads the settings again, SIGTERM stops it."
)]
pub struct Args {
    /// file with settings; a flag or a variable of the environment counts before it
    #[argh(option, arg_name = "file")]
    pub config: Option<PathBuf>,

    /// print such a file with every setting and what it means, then end
    #[argh(switch)]
    pub sample: bool,

    /// directory of the cluster: ca.pem and map
    #[argh(option, arg_name = "dir")]
    pub cluster: Option<String>,

    /// directory of this router's cert.pem and key.pem (default: router-1 in --cluster)
    #[argh(option, arg_name = "dir")]
    pub identity: Option<String>,

    /// where clients connect, such as 0.0.0.0:7100
    #[argh(option, arg_name = "address")]
    pub listen: Option<String>,

    /// where servers connect, such as 10.0.0.1:7101
    #[argh(option, arg_name = "address")]
    pub server_listen: Option<String>,

    /// how seats are chosen: bounded-hash, round-robin, random or least-connections
    /// (default: bounded-hash)
    #[argh(option, arg_name = "name")]
    pub strategy: Option<String>,

    /// with bounded-hash: most sessions of one server, in percent of the average: 100 to 1000
    /// (default: 125)
    #[argh(option, arg_name = "percent")]
    pub percent: Option<String>,

    /// where metrics and health are served, such as 127.0.0.1:7190; only this machine (default:
    /// nowhere)
    #[argh(option, arg_name = "address")]
    pub admin: Option<String>,

    /// what is logged: warn, info, debug, router=trace … (default: info; with --local warn)
    #[argh(option, arg_name = "filter")]
    pub log: Option<String>,

    /// how log lines are written: human or json (default: human)
    #[argh(option, arg_name = "format")]
    pub log_format: Option<String>,

    /// check the settings and the files that they name, name every mistake, then end
    #[argh(switch)]
    pub check: bool,

    /// run a router and this many servers on this machine until SIGTERM or Ctrl-C
    #[argh(option, arg_name = "servers")]
    pub local: Option<u16>,

    /// with --local: directory of the whole cluster, made when it is not there
    #[argh(option, arg_name = "dir")]
    pub data: Option<PathBuf>,

    /// with --local: most sessions of one server, at least 1
    #[argh(option, arg_name = "sessions")]
    pub sessions_max: Option<u32>,

    /// for benches on this machine: clients are served without TLS, at a loopback address only;
    /// with --local by the servers too
    #[argh(switch)]
    pub plaintext: bool,

    /// with --local, for benches: servers write every message, also one that a quick reader has
    /// seen before
    #[argh(switch)]
    pub store_all: bool,

    /// print the version, then end
    #[argh(switch)]
    pub version: bool,

    /// what is done instead of routing
    #[argh(subcommand)]
    pub command: Option<Command>,
}

/// What is done instead of routing. It ends when it is done.
#[derive(Clone, Debug, Eq, FromArgs, PartialEq)]
#[argh(subcommand)]
pub enum Command {
    /// Makes a cluster's files, and changes its map.
    Map(MapArgs),
}
