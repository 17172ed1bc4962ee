//! The command line as typed; [`crate::plan`] gives it meaning.

use std::net::SocketAddr;
use std::path::PathBuf;

use argh::FromArgs;

pub use crate::connect::args::Connect;

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
    /// See [`Connect`].
    Connect(Connect),
    /// See [`Group`].
    Group(Group),
    /// See [`Offline`].
    Offline(Offline),
    /// See [`Faults`].
    Faults(Faults),
    /// See [`Servers`].
    Servers(Servers),
    /// See [`Sweep`].
    Sweep(Sweep),
    /// See [`ScaleArgs`].
    Scale(ScaleArgs),
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
    /// other servers, the relay always among them, jetstream and mosquitto in two settings each
    /// (default: relay,nats,jetstream,mosquitto,inspircd,ngircd,ejabberd,prosody)
    #[argh(option, arg_name = "list")]
    pub peers: Option<String>,

    /// what is compared (default: direct,group,offline,connect)
    #[argh(option, arg_name = "list")]
    pub scenarios: Option<String>,

    /// runs of each, of which the table has the median (default: 5)
    #[argh(option, arg_name = "count")]
    pub runs: Option<u64>,

    /// how long posts are sent, 1 to 600 (default: 10)
    #[argh(option, arg_name = "seconds")]
    pub seconds: Option<u64>,

    /// posts to users who are away, 1000 to 100000 (default: 100000)
    #[argh(option, arg_name = "posts")]
    pub posts: Option<u64>,

    /// idle connections, 100 to 60000 (default: 10000)
    #[argh(option, arg_name = "users")]
    pub users: Option<u64>,

    /// directory for the table, the plot, the raw figures and the configurations
    /// (default: docs/bench and the date)
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

/// Declares a scenario that runs users on real servers: its own flags, and those that all have.
macro_rules! measured {
    (
        $(#[$attribute:meta])* $scenario:ident {
            $($(#[$field_attribute:meta])* $field:ident: Option<$type:ident>,)*
        }
    ) => {
        #[derive(Clone, Debug, Default, FromArgs)]
        $(#[$attribute])*
        pub struct $scenario {
            $($(#[$field_attribute])* pub $field: Option<$type>,)*

            /// start a cluster of this many servers in a temporary directory
            #[argh(option, arg_name = "servers")]
            pub local: Option<u16>,

            /// use a running cluster: its router, as HOST:PORT (needs --ca)
            #[argh(option, arg_name = "host:port")]
            pub router: Option<String>,

            /// with --router: the cluster's CA certificate
            #[argh(option, arg_name = "file")]
            pub ca: Option<PathBuf>,

            /// with --local: clients speak without TLS
            #[argh(switch)]
            pub plaintext: bool,

            /// with --local: servers write every entry, also those that readers were quick to see
            #[argh(switch)]
            pub store_all: bool,

            /// what readers do before they say that they have seen: journal (write, with a sync)
            /// or nothing (default: journal)
            #[argh(option, arg_name = "what")]
            pub readers_keep: Option<String>,

            /// bytes of a body, 16 to 63488 (default: 200)
            #[argh(option, arg_name = "bytes")]
            pub body_len: Option<usize>,

            /// seed of the bodies (default: a random one, printed)
            #[argh(option, arg_name = "number")]
            pub seed: Option<u64>,

            /// print one JSON object instead of the table
            #[argh(switch)]
            pub json: bool,

            /// write report.html, and latencies.hgrm or report.json, into this directory
            #[argh(option, arg_name = "dir")]
            pub report: Option<PathBuf>,
        }

        impl $scenario {
            /// The flags that all scenarios have.
            #[must_use]
            pub fn shared(&self) -> Shared {
                Shared {
                    local: self.local,
                    router: self.router.clone(),
                    ca: self.ca.clone(),
                    plaintext: self.plaintext,
                    store_all: self.store_all,
                    readers_keep: self.readers_keep.clone(),
                    body_len: self.body_len,
                    seed: self.seed,
                    json: self.json,
                    report: self.report.clone(),
                }
            }
        }
    };
}

/// The flags that all scenarios with real servers have.
#[derive(Clone, Debug, Default)]
pub struct Shared {
    /// `--local`.
    pub local: Option<u16>,
    /// `--router`.
    pub router: Option<String>,
    /// `--ca`.
    pub ca: Option<PathBuf>,
    /// `--plaintext`.
    pub plaintext: bool,
    /// `--store-all`.
    pub store_all: bool,
    /// `--readers-keep`.
    pub readers_keep: Option<String>,
    /// `--body-len`.
    pub body_len: Option<usize>,
    /// `--seed`.
    pub seed: Option<u64>,
    /// `--json`.
    pub json: bool,
    /// `--report`.
    pub report: Option<PathBuf>,
}

measured! {
    /// People who write to each other.
    #[argh(subcommand, name = "direct")]
    Direct {
        /// who writes to whom: pairs, to-one, to-all, random, or mixed (pairs and a group of all)
        /// (default: pairs)
        #[argh(option, arg_name = "name")]
        pattern: Option<String>,

        /// what bodies are: opaque (random bytes: measures the servers) or sealed (real message
        /// sessions under real grants: measures everything) (default: opaque)
        #[argh(option, arg_name = "what")]
        mode: Option<String>,

        /// pairs of users, with the patterns pairs and mixed, 1 to 5000 (default: 50)
        #[argh(option, arg_name = "pairs")]
        pairs: Option<u32>,

        /// users, with the other patterns, 2 to 1000, with to-all and random to 64 (default: 20)
        #[argh(option, arg_name = "users")]
        users: Option<u32>,

        /// posts per second over all, sent by the clock (default: 1000)
        #[argh(option, arg_name = "per-second")]
        rate: Option<u64>,

        /// instead of --rate: unanswered posts of a user to another, 1 to 64; measures throughput
        /// only
        #[argh(option, arg_name = "posts")]
        window: Option<u64>,

        /// how long posts are sent, 1 to 3600 (default: 10)
        #[argh(option, arg_name = "seconds")]
        seconds: Option<u64>,

        /// so many images per second too, of 150 kB each (needs --rate)
        #[argh(option, arg_name = "per-second")]
        images: Option<u64>,

        /// so many more users, up to 4000 and even, who after --seconds read nothing for as long
        /// again, while 200 KiB are posted to each; they begin to read at the end (needs --local
        /// and --rate)
        #[argh(option, arg_name = "users")]
        silent: Option<u32>,
    }
}

measured! {
    /// A group: some of its members write to all.
    #[argh(subcommand, name = "group")]
    Group {
        /// members, 2 to 1024 (default: 500)
        #[argh(option, arg_name = "users")]
        members: Option<u32>,

        /// members who post (default: 5)
        #[argh(option, arg_name = "users")]
        senders: Option<u32>,

        /// posts per second over all, sent by the clock
        #[argh(option, arg_name = "per-second")]
        rate: Option<u64>,

        /// instead of --rate: unanswered posts of each sender, 1 to 64 (default: 4)
        #[argh(option, arg_name = "posts")]
        window: Option<u64>,

        /// how long posts are sent, 1 to 3600 (default: 10)
        #[argh(option, arg_name = "seconds")]
        seconds: Option<u64>,
    }
}

measured! {
    /// Posts to people who are away: first they are stored, then their readers come back.
    #[argh(subcommand, name = "offline")]
    Offline {
        /// posts in all, up to 1000 for each pair (default: 100000, or 1000 for each pair)
        #[argh(option, arg_name = "posts")]
        posts: Option<u64>,

        /// pairs of users, 1 to 5000 (default: 100)
        #[argh(option, arg_name = "pairs")]
        pairs: Option<u32>,
    }
}

measured! {
    /// Pairs of users, while a server is emptied and later one is killed (needs --local 2 or more).
    #[argh(subcommand, name = "faults")]
    Faults {
        /// pairs of users, 1 to 5000 (default: 50)
        #[argh(option, arg_name = "pairs")]
        pairs: Option<u32>,

        /// posts per second over all, sent by the clock (default: 1000)
        #[argh(option, arg_name = "per-second")]
        rate: Option<u64>,

        /// how long posts are sent, 8 to 3600 (default: 24)
        #[argh(option, arg_name = "seconds")]
        seconds: Option<u64>,
    }
}

measured! {
    /// The same pairs over one server, over two, and so on to --local.
    #[argh(subcommand, name = "servers")]
    Servers {
        /// pairs of users, 1 to 5000 (default: 50)
        #[argh(option, arg_name = "pairs")]
        pairs: Option<u32>,

        /// posts per second over all, sent by the clock (default: 1000)
        #[argh(option, arg_name = "per-second")]
        rate: Option<u64>,

        /// instead of --rate: unanswered posts of each writer, 1 to 64; measures throughput only
        #[argh(option, arg_name = "posts")]
        window: Option<u64>,

        /// how long posts are sent in each run, 1 to 3600 (default: 10)
        #[argh(option, arg_name = "seconds")]
        seconds: Option<u64>,
    }
}

measured! {
    /// The same pairs at one rate after the other, to where latencies grow.
    #[argh(subcommand, name = "sweep")]
    Sweep {
        /// posts per second over all, with commas between (default:
        /// 1000,2000,5000,10000,20000,50000,100000,200000)
        #[argh(option, arg_name = "list")]
        rates: Option<String>,

        /// pairs of users, 1 to 5000 (default: 50)
        #[argh(option, arg_name = "pairs")]
        pairs: Option<u32>,

        /// how long posts are sent in each run, 1 to 3600 (default: 10)
        #[argh(option, arg_name = "seconds")]
        seconds: Option<u64>,
    }
}

measured! {
    /// The same loads while accounts, groups and stored entries double (needs --local).
    #[argh(subcommand, name = "scale")]
    ScaleArgs {
        /// accounts in the end, 1000 to 10000000, with a tenth as many groups and ten times as many
        /// entries (default: 1000000)
        #[argh(option, arg_name = "accounts")]
        accounts: Option<u64>,

        /// how often they double, 1 to 10 (default: 3)
        #[argh(option, arg_name = "times")]
        doublings: Option<u64>,

        /// how long posts are sent in each run, 1 to 3600 (default: 10)
        #[argh(option, arg_name = "seconds")]
        seconds: Option<u64>,
    }
}
