//! The command line as typed. What it means is decided in `config` and `commands`.

use std::path::PathBuf;
use std::time::Duration;

use argh::{EarlyExit, FromArgs};

use crate::failure::Failure;

pub mod group;

/// Stands for a lone `-`, which the parser would take for an option. No shell can type it.
const STANDARD_INPUT: &str = "\u{1}-";
const SEND_USAGE: &str = "write `fastchat send TARGET \"TEXT\"`, with -- before a text that begins \
                          with a hyphen, or see `fastchat help send`";

/// FastChat: end-to-end encrypted chat. Without a command: a menu.
///
/// Each option may come from the environment instead: FASTCHAT_ROUTER, FASTCHAT_CA, FASTCHAT_USER,
/// FASTCHAT_DATA, FASTCHAT_PASSWORD_FILE. The password itself may be in FASTCHAT_PASSWORD.
#[derive(Debug, FromArgs, PartialEq)]
#[argh(
    help_triggers("-h", "--help", "help"),
    note = "These options come before the command. `fastchat help COMMAND` shows a command's own.",
    error_code(0, "done"),
    error_code(1, "usage, or something you can put right"),
    error_code(2, "unexpected: a defect, or a broken disk"),
    error_code(3, "the network or the cluster is unavailable"),
    error_code(4, "a certificate or a key is not the expected one"),
    error_code(5, "rate limited"),
    error_code(6, "incorrect password"),
    error_code(7, "no such user"),
    error_code(8, "username taken"),
    error_code(9, "already logged in elsewhere"),
    error_code(10, "queued: not accepted yet"),
    error_code(11, "signed out"),
    error_code(12, "no such group"),
    error_code(13, "group name taken"),
    error_code(14, "wrong group password"),
    error_code(15, "not a member of the group"),
    error_code(16, "not the group's admin"),
    error_code(17, "the group is full"),
    error_code(18, "the reader's mailbox is full"),
    error_code(19, "removed from the group"),
    error_code(20, "the reader has not answered yet")
)]
pub struct Args {
    /// routers to ask for a server: HOST:PORT, several separated by commas
    #[argh(option)]
    pub router: Option<String>,
    /// the cluster's certificate authority, a PEM file
    #[argh(option)]
    pub ca: Option<PathBuf>,
    /// your username
    #[argh(option)]
    pub user: Option<String>,
    /// where keys, messages and the session are kept (default: one directory per username)
    #[argh(option)]
    pub data: Option<PathBuf>,
    /// a file whose first line is the password; with it `send` signs in first if need be
    #[argh(option)]
    pub password_file: Option<PathBuf>,
    /// print the version, then end
    #[argh(switch)]
    pub version: bool,
    #[argh(subcommand)]
    /// what to do
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, FromArgs, PartialEq)]
#[argh(subcommand)]
pub enum Command {
    /// See [`SignUp`].
    SignUp(SignUp),
    /// See [`SignIn`].
    SignIn(SignIn),
    /// See [`SignOut`].
    SignOut(SignOut),
    /// See [`Send`].
    Send(Send),
    /// See [`Receive`].
    Receive(Receive),
    /// See [`Save`].
    Save(Save),
    /// See [`WhoAmI`].
    WhoAmI(WhoAmI),
    /// See [`Contacts`].
    Contacts(Contacts),
    /// See [`Verify`].
    Verify(Verify),
    /// See [`Receipts`].
    Receipts(Receipts),
    /// See [`group::Group`].
    Group(group::Group),
}

/// make an account; later commands need no password
#[derive(Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "signup")]
pub struct SignUp {
    /// print JSON
    #[argh(switch)]
    pub json: bool,
}

/// sign in with the password; later commands need none
#[derive(Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "signin")]
pub struct SignIn {
    /// end a live session on another machine
    #[argh(switch)]
    pub takeover: bool,
    /// print JSON
    #[argh(switch)]
    pub json: bool,
}

/// end the session of this machine
#[derive(Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "signout")]
pub struct SignOut {
    /// print JSON
    #[argh(switch)]
    pub json: bool,
}

/// send a message; returns when it is accepted
#[derive(Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "send")]
pub struct Send {
    /// who shall read it (a user, or a group as '#NAME'), then what it says; `-` reads standard
    /// input; with an attachment the text is its caption and may be left out
    #[argh(positional, arg_name = "target-and-text")]
    pub words: Vec<String>,
    /// an image to send: PNG, JPEG, GIF or WebP; what describes it is taken out
    #[argh(option)]
    pub image: Option<PathBuf>,
    /// a file to send, as it is
    #[argh(option)]
    pub file: Option<PathBuf>,
    /// read messages from standard input, one JSON object per line
    #[argh(switch)]
    pub json_stdin: bool,
    /// seconds to wait for acceptance (default: 60); the message stays in the outbox
    #[argh(option, from_str_fn(seconds))]
    pub wait: Option<Duration>,
    /// print JSON
    #[argh(switch)]
    pub json: bool,
}

/// show the messages that wait, and acknowledge them
#[derive(Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "recv")]
pub struct Receive {
    /// seconds to wait for a message when none is there
    #[argh(option, from_str_fn(seconds))]
    pub wait: Option<Duration>,
    /// end after this many messages; others stay in place
    #[argh(option)]
    pub count: Option<u32>,
    /// acknowledge nothing: all messages stay in place
    #[argh(switch)]
    pub peek: bool,
    /// save attachments in this folder (without it: later, with `fastchat save`)
    #[argh(option)]
    pub save: Option<PathBuf>,
    /// with --json: attachments' content as base64
    #[argh(switch)]
    pub base64: bool,
    /// print JSON, one object per line
    #[argh(switch)]
    pub json: bool,
}

/// fetch attachments that came and were not saved; without words and --all: show them
#[derive(Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "save")]
pub struct Save {
    /// the log and the seq of the message, as `fastchat save` and `recv --json` show them
    #[argh(positional, arg_name = "log-and-seq")]
    pub words: Vec<String>,
    /// every one that was not saved yet
    #[argh(switch)]
    pub all: bool,
    /// the folder to save in (default: files, in the data directory)
    #[argh(option)]
    pub to: Option<PathBuf>,
    /// print JSON, one object per line
    #[argh(switch)]
    pub json: bool,
}

/// show who you are on this machine
#[derive(Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "whoami")]
pub struct WhoAmI {
    /// print JSON
    #[argh(switch)]
    pub json: bool,
}

/// show the people whose keys are known
#[derive(Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "contacts")]
pub struct Contacts {
    /// print JSON, one object per line
    #[argh(switch)]
    pub json: bool,
}

/// show the safety number of you and someone else
#[derive(Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "verify")]
pub struct Verify {
    /// who
    #[argh(positional)]
    pub user: String,
    /// you have compared the numbers: mark the key verified, also a changed one
    #[argh(switch)]
    pub ok: bool,
    /// print JSON
    #[argh(switch)]
    pub json: bool,
}

/// whether people who write to you hear when you were shown it; on unless you say `off`
#[derive(Debug, FromArgs, PartialEq)]
#[argh(subcommand, name = "receipts")]
pub struct Receipts {
    /// on or off; without it: show which
    #[argh(positional, from_str_fn(on_or_off))]
    pub wish: Option<bool>,
    /// print JSON
    #[argh(switch)]
    pub json: bool,
}

impl Args {
    /// Reads the words after the program's name.
    ///
    /// # Errors
    /// The help that was asked for, or what is wrong with the words.
    pub fn parse(words: &[String]) -> Result<Self, EarlyExit> {
        let words: Vec<&str> = words
            .iter()
            .map(|word| match word.as_str() {
                "-" => STANDARD_INPUT,
                word => word,
            })
            .collect();
        Self::from_args(&["fastchat"], &words)
    }
}

/// What is wrong with the words, on one line, with the next step.
#[must_use]
pub fn mistake(early: &EarlyExit, words: &[String]) -> String {
    let what: Vec<&str> = early.output.split_whitespace().collect();
    let what = what.join(" ");
    let what = what.trim_end_matches('.');
    if let Some(flag) = early_flag(what) {
        return format!("{what}; {flag} stands before the command: `fastchat {flag} … COMMAND`");
    }
    match words.iter().any(|word| word == "send") {
        true => format!(
            "{what}; write `fastchat send USER \"TEXT\"`, with -- before a text that begins with a \
             hyphen, or see `fastchat help send`"
        ),
        false => format!("{what}; see `fastchat help`"),
    }
}

/// The option of `fastchat` itself that a command was given, if that is what is wrong.
fn early_flag(what: &str) -> Option<&'static str> {
    let flag = what.strip_prefix("Unrecognized argument: ")?;
    ["--router", "--ca", "--user", "--data", "--password-file"].into_iter().find(|own| *own == flag)
}

impl Command {
    /// Whether the output is for a script.
    #[must_use]
    pub fn is_json(&self) -> bool {
        match self {
            Self::SignUp(command) => command.json,
            Self::SignIn(command) => command.json,
            Self::SignOut(command) => command.json,
            Self::Send(command) => command.json || command.json_stdin,
            Self::Receive(command) => command.json,
            Self::Save(command) => command.json,
            Self::WhoAmI(command) => command.json,
            Self::Contacts(command) => command.json,
            Self::Verify(command) => command.json,
            Self::Receipts(command) => command.json,
            Self::Group(group) => group.command.is_json(),
        }
    }
}

impl Send {
    /// The text is to be read from standard input.
    #[must_use]
    pub fn reads_standard_input(&self) -> bool {
        self.text() == STANDARD_INPUT
    }

    /// Who shall read it, as typed.
    ///
    /// # Errors
    /// Nobody was named, or words are left over.
    pub fn target(&self) -> Result<&str, Failure> {
        match self.words.as_slice() {
            [target] if self.image.is_some() || self.file.is_some() => Ok(target),
            [target, _] => Ok(target),
            [] => Err(Failure::usage(format!("to whom? {SEND_USAGE}"))),
            [_] => Err(Failure::usage(format!("what shall be sent? {SEND_USAGE}"))),
            _ => Err(Failure::usage(format!("a text is one word to the shell: {SEND_USAGE}"))),
        }
    }

    /// What it says; empty when nothing was typed.
    #[must_use]
    pub fn text(&self) -> &str {
        self.words.get(1).map_or("", String::as_str)
    }
}

fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("{text:?} is neither `on` nor `off`")),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| format!("{text:?} is not a number of seconds"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Args, Command, mistake};
    use crate::failure::Code;

    fn parse(line: &str) -> Args {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        Args::parse(&words).expect("a good line")
    }

    #[test]
    fn options_come_before_the_command_and_its_own_after_it() {
        let args = parse("--user alice --router a:1,b:2 send --wait 1.5 bob hello --json");
        assert_eq!(args.user.as_deref(), Some("alice"));
        let Some(Command::Send(send)) = args.command else {
            panic!("a send");
        };
        assert_eq!((send.target(), send.text()), (Ok("bob"), "hello"));
        assert_eq!(send.wait, Some(Duration::from_millis(1500)));
        assert!(send.json && !send.reads_standard_input());
    }

    #[test]
    fn a_send_says_to_whom_and_what() {
        let target = |line: &str| match parse(line).command {
            Some(Command::Send(send)) => send.target().map(str::to_owned),
            other => panic!("{other:?}"),
        };
        for line in ["send bob hello", "send bob --file x", "send bob caption --image x.png"] {
            assert_eq!(target(line), Ok("bob".to_owned()), "{line}");
        }
        for line in ["send", "send bob", "send bob hello there", "send --file x"] {
            let failure = target(line).expect_err(line);
            assert!(failure.text.contains("`fastchat help send`"), "{failure}");
        }
    }

    #[test]
    fn a_lone_hyphen_means_standard_input() {
        let Some(Command::Send(send)) = parse("send bob - --wait 2").command else {
            panic!("a send");
        };
        assert!(send.reads_standard_input());
    }

    #[test]
    fn every_command_is_understood() {
        for line in [
            "signup",
            "signin --takeover",
            "signout",
            "recv --wait 3 --count 2 --peek",
            "save",
            "save --all --to folder",
            "save @bob 1099511627776",
            "whoami",
            "contacts",
            "verify bob --ok",
            "receipts",
            "receipts off",
            "group create rust --invite-only",
            "group create rust --password",
            "group join rust --group-password-file secret",
            "group leave rust",
            "group list",
            "group members rust",
            "group invite rust bob",
            "group remove rust bob",
            "group hand-over rust bob",
            "group close rust",
        ] {
            let args = parse(&format!("{line} --json"));
            assert!(args.command.expect("a command").is_json(), "{line}");
        }
    }

    #[test]
    fn wrong_words_are_refused_and_help_is_not_an_error() {
        for line in [
            "sing",
            "send --nonsense",
            "recv --wait soon",
            "--nonsense",
            "group",
            "group join",
            "receipts no",
        ] {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let early = Args::parse(&words).expect_err(line);
            assert!(early.status.is_err());
            let text = mistake(&early, &words);
            assert!(!text.contains('\n') && text.contains("`fastchat help"), "{text}");
        }
        let words = ["signup", "--user", "alice"].map(str::to_owned);
        let early = Args::parse(&words).expect_err("--user belongs elsewhere");
        let text = mistake(&early, &words);
        assert!(text.contains("`fastchat --user … COMMAND`"), "{text}");
        let help = Args::parse(&["--help".to_owned()]).expect_err("help");
        assert!(help.status.is_ok() && help.output.contains("recv"));
        for code in Code::ALL {
            let status = format!("\n  {} ", code.exit_status());
            assert!(help.output.contains(&status), "{}", help.output);
        }
    }
}
