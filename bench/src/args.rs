//! The command line as typed; [`crate::plan`] gives it meaning.

use std::net::SocketAddr;
use std::path::PathBuf;

use argh::FromArgs;

/// Measures FastChat servers: latencies, server CPU per message, losses and doubles.
#[derive(Debug, FromArgs)]
pub struct Args {
    /// print the version, then end
    #[argh(switch)]
    pub version: bool,

    /// what is measured
    #[argh(subcommand)]
    pub scenario: Option<Scenario>,
}

/// What is measured.
#[derive(Debug, FromArgs)]
#[argh(subcommand)]
pub enum Scenario {
    /// See [`Direct`].
    Direct(Direct),
    /// See [`Seal`].
    Seal(Seal),
    /// See [`Balance`].
    Balance(Balance),
    /// See [`Compare`].
    Compare(Compare),
    /// See [`PeerRun`].
    Peer(PeerRun),
    /// See [`Relay`].
    Relay(Relay),
}

/// FastChat and other servers side by side: one table, one plot, raw figures.
#[derive(Debug, Default, FromArgs)]
#[argh(subcommand, name = "compare")]
pub struct Compare {
    /// other servers (default: relay,nats,jetstream,mosquitto,inspircd,ngircd,ejabberd,prosody)
    #[argh(option, arg_name = "list")]
    pub peers: Option<String>,

    /// what is compared (default: direct,group,offline,connect)
    #[argh(option, arg_name = "list")]
    pub scenarios: Option<String>,

    /// runs of each, of which the table has the median (default: 5)
    #[argh(option, arg_name = "count")]
    pub runs: Option<u64>,

    /// how long posts are sent, 1 to 3600 (default: 10)
    #[argh(option, arg_name = "seconds")]
    pub seconds: Option<u64>,

    /// posts to users who are away, 1000 to 100000 (default: 100000)
    #[argh(option, arg_name = "posts")]
    pub posts: Option<u64>,

    /// idle connections, 100 to 60000 (default: 10000)
    #[argh(option, arg_name = "users")]
    pub users: Option<u64>,

    /// directory for the table, the plot, the raw figures and the configurations
    /// (default: docs/bench/<date>)
    #[argh(option, arg_name = "dir")]
    pub out: Option<PathBuf>,

    /// print one JSON object instead of the table
    #[argh(switch)]
    pub json: bool,
}

/// Another server under the same load, as `compare` runs it: prints one JSON object.
#[derive(Debug, Default, FromArgs)]
#[argh(subcommand, name = "peer")]
pub struct PeerRun {
    /// relay, nats, jetstream, jetstream-sync, mosquitto, mosquitto-qos1, inspircd, ngircd,
    /// ejabberd or prosody
    #[argh(positional)]
    pub peer: String,

    /// direct, group, offline or connect
    #[argh(positional)]
    pub scenario: String,

    /// users who write (default: 50 in direct, 5 in group, 100 in offline)
    #[argh(option, arg_name = "users")]
    pub writers: Option<u64>,

    /// all users (default: 500 in group, 10000 in connect)
    #[argh(option, arg_name = "users")]
    pub users: Option<u64>,

    /// posts per second over all writers, sent by the clock
    #[argh(option, arg_name = "per-second")]
    pub rate: Option<u64>,

    /// unfinished posts per writer (default: 64, in group 4)
    #[argh(option, arg_name = "posts")]
    pub window: Option<u64>,

    /// posts to users who are away (default: 100000)
    #[argh(option, arg_name = "posts")]
    pub posts: Option<u64>,

    /// how long posts are sent, 1 to 3600 (default: 10)
    #[argh(option, arg_name = "seconds")]
    pub seconds: Option<u64>,

    /// seed of the texts (default: a random one, printed)
    #[argh(option, arg_name = "number")]
    pub seed: Option<u64>,
}

/// The bare relay that peers are compared with, until it is killed.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "relay")]
pub struct Relay {
    /// where it listens
    #[argh(option, arg_name = "host:port")]
    pub address: SocketAddr,
}

/// Sealing and opening on one core, without servers.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "seal")]
pub struct Seal {
    /// bytes of a text, up to 60000 (default: 200)
    #[argh(option, arg_name = "bytes", default = "200")]
    pub text_len: usize,

    /// print one JSON object instead of the table
    #[argh(switch)]
    pub json: bool,
}

/// Seats for simulated users, by the router's own code: evenness, overflow, hops, moved sessions.
#[derive(Debug, Default, FromArgs)]
#[argh(subcommand, name = "balance")]
pub struct Balance {
    /// users, 1000 to 1000000 (default: 100000)
    #[argh(option, arg_name = "users")]
    pub users: Option<u32>,

    /// numbers of servers, each 2 to 1000 (default: 3,5,10,20,50,100)
    #[argh(option, arg_name = "list")]
    pub servers: Option<String>,

    /// cap of bounded-hash in percent of the average, 100 to 1000 (default: 125)
    #[argh(option, arg_name = "percent")]
    pub percent: Option<u32>,

    /// seed of the users and of their order (default: 1)
    #[argh(option, arg_name = "number")]
    pub seed: Option<u64>,

    /// write plots, as SVG, into this directory
    #[argh(option, arg_name = "dir")]
    pub plots: Option<PathBuf>,

    /// print one JSON object instead of the table
    #[argh(switch)]
    pub json: bool,
}

/// Pairs of users: one of each pair writes to the other, who reads.
#[derive(Debug, Default, FromArgs)]
#[argh(subcommand, name = "direct")]
pub struct Direct {
    /// start a cluster of this many servers in a temporary directory
    #[argh(option, arg_name = "servers")]
    pub local: Option<u16>,

    /// use a running cluster: its router, as HOST:PORT (needs --ca)
    #[argh(option, arg_name = "host:port")]
    pub router: Option<String>,

    /// with --router: the cluster's CA certificate
    #[argh(option, arg_name = "file")]
    pub ca: Option<PathBuf>,

    /// pairs of users, 1 to 5000 (default: 50)
    #[argh(option, arg_name = "pairs")]
    pub pairs: Option<u32>,

    /// posts per second over all pairs, sent by the clock (default: 1000)
    #[argh(option, arg_name = "per-second")]
    pub rate: Option<u64>,

    /// instead of --rate: unanswered posts per pair, 1 to 64; measures throughput only
    #[argh(option, arg_name = "posts")]
    pub window: Option<u64>,

    /// bytes of a body, 16 to 63488 (default: 200)
    #[argh(option, arg_name = "bytes")]
    pub body_len: Option<usize>,

    /// how long posts are sent, 1 to 3600 (default: 10)
    #[argh(option, arg_name = "seconds")]
    pub seconds: Option<u64>,

    /// so many more users, up to 4000 and even, who after --seconds read nothing for as long again,
    /// while 200 KiB are posted to each; they begin to read at the end (needs --local and --rate)
    #[argh(option, arg_name = "users")]
    pub silent: Option<u32>,

    /// seed of the bodies (default: a random one, printed)
    #[argh(option, arg_name = "number")]
    pub seed: Option<u64>,

    /// print one JSON object instead of the table
    #[argh(switch)]
    pub json: bool,
}
