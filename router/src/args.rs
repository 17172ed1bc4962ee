//! The command line as typed; [`crate::config`] gives it meaning.

use std::net::SocketAddr;
use std::path::PathBuf;

use argh::FromArgs;
use operate::log::LogFormat;

/// FastChat's router: tells clients where to sit and servers who their peers are.
#[derive(Debug, Default, FromArgs)]
#[argh(
    example = "A whole cluster on this machine:\n{command_name} --local 3 --data DIR",
    example = "One router of a cluster:\n{command_name} --cluster DIR --listen 0.0.0.0:7100 \
               --server-listen 10.0.0.1:7101",
    note = "FASTCHAT_LOG names what is logged: warn, info, debug, router=trace …"
)]
pub struct Args {
    /// directory of the cluster: ca.pem and map
    #[argh(option, arg_name = "dir")]
    pub cluster: Option<PathBuf>,

    /// directory of this router's cert.pem and key.pem (default: router-1 in --cluster)
    #[argh(option, arg_name = "dir")]
    pub identity: Option<PathBuf>,

    /// where clients connect, such as 0.0.0.0:7100
    #[argh(option, arg_name = "address")]
    pub listen: Option<SocketAddr>,

    /// where servers connect, such as 10.0.0.1:7101
    #[argh(option, arg_name = "address")]
    pub server_listen: Option<SocketAddr>,

    /// how seats are chosen: bounded-hash, round-robin, random or least-connections
    /// (default: bounded-hash)
    #[argh(option, arg_name = "name")]
    pub strategy: Option<String>,

    /// with bounded-hash: most sessions of one server, in percent of the average: 100 to 1000
    /// (default: 125)
    #[argh(option, arg_name = "percent")]
    pub percent: Option<u32>,

    /// where metrics and health are served, such as 127.0.0.1:7190; only this machine (default:
    /// nowhere)
    #[argh(option, arg_name = "address")]
    pub admin: Option<SocketAddr>,

    /// how log lines are written: human or json (default: human)
    #[argh(option, arg_name = "format")]
    pub log_format: Option<LogFormat>,

    /// check the flags and files, then end
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

    /// print the version, then end
    #[argh(switch)]
    pub version: bool,
}
