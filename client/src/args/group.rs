//! `fastchat group …` as typed.

use std::path::PathBuf;

use argh::FromArgs;

/// create, join and leave groups; see and change who is in them
#[derive(Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "group")]
pub struct Group {
    #[argh(subcommand)]
    /// what to do
    pub command: GroupCommand,
}

/// What to do with a group.
#[derive(Debug, FromArgs, PartialEq)]
#[argh(subcommand)]
pub enum GroupCommand {
    /// See [`Create`].
    Create(Create),
    /// See [`Join`].
    Join(Join),
    /// See [`Leave`].
    Leave(Leave),
    /// See [`List`].
    List(List),
    /// See [`Members`].
    Members(Members),
    /// See [`Trust`].
    Trust(Trust),
    /// See [`Invite`].
    Invite(Invite),
    /// See [`Remove`].
    Remove(Remove),
    /// See [`HandOver`].
    HandOver(HandOver),
    /// See [`Close`].
    Close(Close),
}

/// make a group; you are its admin. Everybody may join it, unless it has a password (one of
/// --password, --group-password-file, FASTCHAT_GROUP_PASSWORD) or is --invite-only
#[derive(Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "create")]
pub struct Create {
    /// the group's name
    #[argh(positional)]
    pub name: String,
    /// only those whom you invite may join
    #[argh(switch)]
    pub invite_only: bool,
    /// ask for a password that whoever joins must know
    #[argh(switch)]
    pub password: bool,
    /// a file whose first line is that password
    #[argh(option)]
    pub group_password_file: Option<PathBuf>,
    /// print JSON
    #[argh(switch)]
    pub json: bool,
}

/// become a member. A group with a password asks for it on a terminal
#[derive(Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "join")]
pub struct Join {
    /// the group's name
    #[argh(positional)]
    pub name: String,
    /// ask for the group's password before anything else
    #[argh(switch)]
    pub password: bool,
    /// a file whose first line is the group's password
    #[argh(option)]
    pub group_password_file: Option<PathBuf>,
    /// print JSON
    #[argh(switch)]
    pub json: bool,
}

/// be a member no more
#[derive(Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "leave")]
pub struct Leave {
    /// the group's name
    #[argh(positional)]
    pub name: String,
    /// print JSON
    #[argh(switch)]
    pub json: bool,
}

/// show the groups you are in
#[derive(Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "list")]
pub struct List {
    /// print JSON, one object per line
    #[argh(switch)]
    pub json: bool,
}

/// show who is in a group
#[derive(Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "members")]
pub struct Members {
    /// the group's name
    #[argh(positional)]
    pub name: String,
    /// print JSON, one object per line
    #[argh(switch)]
    pub json: bool,
}

/// let a user join; for its admin
#[derive(Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "invite")]
pub struct Invite {
    /// the group's name
    #[argh(positional)]
    pub name: String,
    /// who may join
    #[argh(positional)]
    pub user: String,
    /// print JSON
    #[argh(switch)]
    pub json: bool,
}

/// end a user's membership or invitation; for its admin
#[derive(Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "remove")]
pub struct Remove {
    /// the group's name
    #[argh(positional)]
    pub name: String,
    /// who shall be out
    #[argh(positional)]
    pub user: String,
    /// print JSON
    #[argh(switch)]
    pub json: bool,
}

/// go on sending to a group in spite of a warning about its members
#[derive(Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "trust")]
pub struct Trust {
    /// the group's name
    #[argh(positional)]
    pub name: String,
    /// print JSON
    #[argh(switch)]
    pub json: bool,
}

/// make another member the admin instead of you
#[derive(Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "hand-over")]
pub struct HandOver {
    /// the group's name
    #[argh(positional)]
    pub name: String,
    /// the new admin
    #[argh(positional)]
    pub user: String,
    /// print JSON
    #[argh(switch)]
    pub json: bool,
}

/// end a group for everybody; for its admin
#[derive(Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "close")]
pub struct Close {
    /// the group's name
    #[argh(positional)]
    pub name: String,
    /// print JSON
    #[argh(switch)]
    pub json: bool,
}

impl GroupCommand {
    /// Whether the output is for a script.
    #[must_use]
    pub fn is_json(&self) -> bool {
        match self {
            Self::Create(command) => command.json,
            Self::Join(command) => command.json,
            Self::Leave(command) => command.json,
            Self::List(command) => command.json,
            Self::Members(command) => command.json,
            Self::Trust(command) => command.json,
            Self::Invite(command) => command.json,
            Self::Remove(command) => command.json,
            Self::HandOver(command) => command.json,
            Self::Close(command) => command.json,
        }
    }
}
