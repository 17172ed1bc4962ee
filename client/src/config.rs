//! What the command line and the environment mean.

use std::path::PathBuf;

use wire::{LogId, Name};

use crate::args::Args;
use crate::failure::Failure;

/// Where the cluster is, who the user is, and where things are kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// Routers, `HOST:PORT`; none when nobody said.
    pub routers: Vec<String>,
    /// The cluster's certificate authority.
    pub ca: Option<PathBuf>,
    /// Who the user is, if told.
    pub user: Option<Name>,
    /// The data directory, if told.
    pub data: Option<PathBuf>,
    /// A file with the password, if told.
    pub password_file: Option<PathBuf>,
}

impl Config {
    /// Options count more than the environment, which `variable` reads.
    ///
    /// # Errors
    /// A value is not what it should be; the text names the option.
    pub fn new(args: &Args, variable: impl Fn(&str) -> Option<String>) -> Result<Self, Failure> {
        let text = |option: &Option<String>, name| {
            let value = option.clone().or_else(|| variable(name));
            value.filter(|value| !value.is_empty())
        };
        let path = |option: &Option<PathBuf>, name| {
            let value = option.clone().or_else(|| variable(name).map(PathBuf::from));
            value.filter(|value| !value.as_os_str().is_empty())
        };
        let user =
            text(&args.user, "FASTCHAT_USER").map(|user| user_name(&user, "--user")).transpose()?;
        let routers = text(&args.router, "FASTCHAT_ROUTER").unwrap_or_default();
        Ok(Self {
            routers: routers
                .split(',')
                .map(|router| router.trim().to_owned())
                .filter(|router| !router.is_empty())
                .collect(),
            ca: path(&args.ca, "FASTCHAT_CA"),
            user,
            data: path(&args.data, "FASTCHAT_DATA"),
            password_file: path(&args.password_file, "FASTCHAT_PASSWORD_FILE"),
        })
    }
}

/// A username as typed; `what` names where it came from.
///
/// # Errors
/// It breaks a rule of names; the text says which.
pub fn user_name(text: &str, what: &str) -> Result<Name, Failure> {
    Name::parse(text).map_err(|error| Failure::usage(format!("{what} {text:?}: {error}")))
}

/// A group's name as typed, with or without its `#`.
///
/// # Errors
/// It breaks a rule of names; the text says which.
pub fn group_name(text: &str) -> Result<Name, Failure> {
    user_name(text.strip_prefix('#').unwrap_or(text), "group")
}

/// Whom a message is for as typed: a user, or a group with its `#`.
///
/// # Errors
/// It breaks a rule of names; the text says which.
pub fn target(text: &str) -> Result<LogId, Failure> {
    match text.strip_prefix('#') {
        Some(group) => user_name(group, "group").map(LogId::group),
        None => user_name(text.strip_prefix('@').unwrap_or(text), "user").map(LogId::mailbox),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{Config, target};
    use crate::args::Args;
    use crate::failure::Code;

    fn args(line: &[&str]) -> Args {
        let words: Vec<String> = line.iter().map(|word| (*word).to_owned()).collect();
        Args::parse(&words).expect("good words")
    }

    #[test]
    fn options_count_more_than_the_environment() {
        let environment = |name: &str| match name {
            "FASTCHAT_USER" => Some("Alice".to_owned()),
            "FASTCHAT_ROUTER" => Some("a:1, b:2".to_owned()),
            "FASTCHAT_DATA" => Some(String::new()),
            _ => None,
        };
        let config = Config::new(&args(&["--router", "c:3"]), environment).expect("good");
        assert_eq!(config.routers, ["c:3"]);
        assert_eq!(config.user.expect("a user").as_str(), "alice");
        assert_eq!(config.data, None::<PathBuf>);
        let config = Config::new(&args(&[]), environment).expect("good");
        assert_eq!(config.routers, ["a:1", "b:2"]);
    }

    #[test]
    fn a_hash_makes_a_group_of_a_target() {
        for (typed, log) in [("bob", "@bob"), ("@Bob", "@bob"), ("#rust", "#rust")] {
            assert_eq!(target(typed).expect("good").to_string(), log);
        }
        assert!(target("#").is_err() && target("##x").is_err());
    }

    #[test]
    fn a_bad_name_is_named() {
        let failure = Config::new(&args(&["--user", "9lives"]), |_| None).expect_err("bad");
        assert_eq!(failure.code, Code::Usage);
        assert!(failure.text.contains("--user"), "{failure}");
    }
}
