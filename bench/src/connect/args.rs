//! The flags of the scenario `connect`; [`super::plan`] gives them meaning.

use argh::FromArgs;

/// Signing in, and being signed in: CPU per sign-in and resume, memory and CPU of idle connections.
#[derive(Clone, Debug, Default, FromArgs)]
#[argh(subcommand, name = "connect")]
pub struct Connect {
    /// start a cluster of this many servers in a temporary directory
    #[argh(option, arg_name = "servers")]
    pub local: u16,

    /// users, 1 to 1000000 (default: 10000)
    #[argh(option, arg_name = "users")]
    pub users: Option<u64>,

    /// how many of them sign in with their passwords (default: 300)
    #[argh(option, arg_name = "users")]
    pub password_sign_ins: Option<u64>,

    /// how long all are connected and do nothing, 1 to 3600; servers ping after 30 s (default: 40)
    #[argh(option, arg_name = "seconds")]
    pub seconds: Option<u64>,

    /// loopback addresses that connections come from, up to 200 (default: as many as are needed)
    #[argh(option, arg_name = "addresses")]
    pub addresses: Option<u64>,

    /// clients are served without TLS
    #[argh(switch)]
    pub plaintext: bool,

    /// print one JSON object instead of the table
    #[argh(switch)]
    pub json: bool,
}
