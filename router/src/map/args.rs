//! The words of `fastchat-router map`.

use std::path::PathBuf;

use argh::FromArgs;

/// Make a cluster's files, and change which server is the home of which slots.
#[derive(Clone, Debug, Eq, FromArgs, PartialEq)]
#[argh(
    subcommand,
    name = "map",
    example = "The files of a cluster of three servers and two routers:\n\
               {command_name} init --cluster DIR --servers 3 --routers 2",
    example = "A fourth server:\n{command_name} add --cluster DIR --server 4",
    note = "A change is told in a new version of DIR/map. It holds for a process when that has \
            read it; the data of slots with another home stay where they are until they have \
            moved. Only who has DIR/operator.key can change the map, and only who has DIR/ca.key \
            can add a server."
)]
pub struct MapArgs {
    /// what to do
    #[argh(subcommand)]
    pub edit: Edit,
}

/// What to do with a map.
#[derive(Clone, Debug, Eq, FromArgs, PartialEq)]
#[argh(subcommand)]
pub enum Edit {
    /// Makes a cluster's files.
    Init(InitArgs),
    /// Adds servers.
    Add(AddArgs),
    /// Takes a server's slots away.
    Remove(RemoveArgs),
    /// Takes a server out of the list.
    Forget(ForgetArgs),
    /// Accepts another store.
    Replace(ReplaceArgs),
    /// Moves slots.
    Move(MoveArgs),
    /// Shows the map.
    Show(ShowArgs),
}

/// Make the files of a new cluster: its CA, its operator's key, its OPAQUE setup, its map, and a
/// certificate for each server and router. What is there already is kept.
#[derive(Clone, Debug, Eq, FromArgs, PartialEq)]
#[argh(subcommand, name = "init")]
pub struct InitArgs {
    /// directory of the cluster's files, made when it is not there
    #[argh(option, arg_name = "dir")]
    pub cluster: PathBuf,

    /// how many servers, numbered from 1
    #[argh(option, arg_name = "servers")]
    pub servers: u16,

    /// how many routers, numbered from 1 (default: 1)
    #[argh(option, arg_name = "routers", default = "1")]
    pub routers: u16,
}

/// Add a server, with its even part of the slots and a certificate. No other slot moves.
#[derive(Clone, Debug, Eq, FromArgs, PartialEq)]
#[argh(subcommand, name = "add")]
pub struct AddArgs {
    /// directory of the cluster's files
    #[argh(option, arg_name = "dir")]
    pub cluster: PathBuf,

    /// number of the new server; one that left may come back
    #[argh(option, arg_name = "number")]
    pub server: u16,

    /// how many servers, with the numbers from there on (default: 1)
    #[argh(option, arg_name = "servers", default = "1")]
    pub count: u16,
}

/// Give all slots of a server to the others. It stays in the list, so that they can move.
#[derive(Clone, Debug, Eq, FromArgs, PartialEq)]
#[argh(subcommand, name = "remove")]
pub struct RemoveArgs {
    /// directory of the cluster's files
    #[argh(option, arg_name = "dir")]
    pub cluster: PathBuf,

    /// number of the server
    #[argh(option, arg_name = "number")]
    pub server: u16,
}

/// Take a server out of the list that was removed, and holds nothing any more.
#[derive(Clone, Debug, Eq, FromArgs, PartialEq)]
#[argh(subcommand, name = "forget")]
pub struct ForgetArgs {
    /// directory of the cluster's files
    #[argh(option, arg_name = "dir")]
    pub cluster: PathBuf,

    /// number of the server
    #[argh(option, arg_name = "number")]
    pub server: u16,
}

/// Accept another store for a server, such as one made anew. A restored backup needs none.
#[derive(Clone, Debug, Eq, FromArgs, PartialEq)]
#[argh(subcommand, name = "replace")]
pub struct ReplaceArgs {
    /// directory of the cluster's files
    #[argh(option, arg_name = "dir")]
    pub cluster: PathBuf,

    /// number of the server
    #[argh(option, arg_name = "number")]
    pub server: u16,

    /// the store's id, 32 hexadecimal digits (default: whichever the others see first from now on)
    #[argh(option, arg_name = "id")]
    pub store: Option<String>,
}

/// Give slots to a server.
#[derive(Clone, Debug, Eq, FromArgs, PartialEq)]
#[argh(subcommand, name = "move")]
pub struct MoveArgs {
    /// directory of the cluster's files
    #[argh(option, arg_name = "dir")]
    pub cluster: PathBuf,

    /// which slots: one, such as 17, or from the first to the last, such as 0-127
    #[argh(option, arg_name = "slots")]
    pub slots: String,

    /// number of the server that becomes their home
    #[argh(option, arg_name = "number")]
    pub to: u16,
}

/// Show the map of a cluster.
#[derive(Clone, Debug, Eq, FromArgs, PartialEq)]
#[argh(subcommand, name = "show")]
pub struct ShowArgs {
    /// directory of the cluster's files
    #[argh(option, arg_name = "dir")]
    pub cluster: PathBuf,

    /// show it as one JSON object
    #[argh(switch)]
    pub json: bool,

    /// show only where this user, or this '#group', is at home
    #[argh(option, arg_name = "name")]
    pub of: Option<String>,
}
