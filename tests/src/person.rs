//! One person at one machine: a home directory, a data directory, and the `fastchat` commands.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use crate::cluster::Cluster;
use crate::programs::{Finished, program, run};
use crate::terminal::Terminal;

/// A person with a machine of their own.
#[derive(Debug)]
pub struct Person {
    /// The username.
    pub name: String,
    /// The password.
    pub password: String,
    home: PathBuf,
    /// Removes the home directory, unless that is someone else's business.
    _folder: Option<TempDir>,
    environment: Vec<(String, String)>,
}

impl Person {
    /// A new machine with nothing on it, pointed at `cluster`.
    ///
    /// # Panics
    /// When no temporary directory can be made.
    #[must_use]
    pub fn new(cluster: &Cluster, name: &str, password: &str) -> Self {
        let folder = TempDir::new().expect("a temporary directory can be made");
        let person = Self::at(folder.path(), cluster.environment(), name, password);
        Self { _folder: Some(folder), ..person }
    }

    /// People who have signed up, one at each of these homes.
    ///
    /// # Panics
    /// When one cannot sign up.
    #[must_use]
    pub fn signed_up(cluster: &Cluster, homes: &[u16]) -> Vec<Self> {
        let names = cluster.names_at(homes);
        let people: Vec<Self> =
            names.iter().map(|name| Self::new(cluster, name, "correct horse")).collect();
        thread::scope(|scope| {
            for person in &people {
                scope.spawn(|| person.must(&["signup"]));
            }
        });
        people
    }

    /// A machine whose home directory is `home`, with variables that lead to a cluster.
    #[must_use]
    pub fn at(
        home: &Path,
        environment: BTreeMap<String, String>,
        name: &str,
        password: &str,
    ) -> Self {
        Self {
            name: name.to_owned(),
            password: password.to_owned(),
            home: home.to_owned(),
            _folder: None,
            environment: environment.into_iter().collect(),
        }
    }

    /// The machine's home directory; the data directory is `data` in it.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The client's data directory.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// Where the key of the client's store is.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.home.join(".local/state/fastchat/keys")
    }

    /// Sets or replaces a variable of this person's environment.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// `fastchat` with this person's environment and `arguments`.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("fastchat"));
        let inherited = ["PATH", "LANG"].map(|name| (name, std::env::var_os(name)));
        command.env_clear().envs(inherited.into_iter().filter_map(|(k, v)| Some((k, v?))));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.env("HOME", &self.home).env("FASTCHAT_USER", &self.name);
        command.env("FASTCHAT_DATA", self.data());
        command.env("FASTCHAT_PASSWORD", &self.password).args(arguments);
        command
    }

    /// Runs `fastchat` to its end.
    ///
    /// # Panics
    /// When it does not end before the deadline.
    pub fn run(&self, arguments: &[&str]) -> Finished {
        run(&mut self.command(arguments), "").expect("fastchat ends before the deadline")
    }

    /// Runs `fastchat` and expects success.
    ///
    /// # Panics
    /// When it fails; its words are shown.
    pub fn must(&self, arguments: &[&str]) -> Finished {
        let finished = self.run(arguments);
        assert_eq!(finished.code(), 0, "{} {arguments:?}: {finished:#?}", self.name);
        finished
    }

    /// Runs `fastchat` and expects this exit code.
    ///
    /// # Panics
    /// When it ends otherwise; its words are shown.
    pub fn fails(&self, arguments: &[&str], code: i32) -> Finished {
        let finished = self.run(arguments);
        assert_eq!(finished.code(), code, "{} {arguments:?}: {finished:#?}", self.name);
        finished
    }

    /// Runs `fastchat … --json` and reads each line of its output.
    ///
    /// # Panics
    /// When it fails, or a line is not JSON.
    pub fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let finished = self.must(&[arguments, &["--json"]].concat());
        let lines = finished.stdout.lines();
        lines.map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
    }

    /// The texts of what `recv` shows within `seconds`, at most `count`.
    pub fn receive(&self, seconds: u32, count: usize) -> Vec<String> {
        let (seconds, count) = (seconds.to_string(), count.to_string());
        let messages = self.json(&["recv", "--wait", &seconds, "--count", &count]);
        messages.iter().map(|message| text(message, "text")).collect()
    }

    /// Opens `fastchat` in a terminal.
    #[must_use]
    pub fn terminal(&self, arguments: &[&str]) -> Terminal {
        Terminal::open(&self.command(arguments))
    }
}

/// A string member of a JSON object.
///
/// # Panics
/// When it is not there.
#[must_use]
pub fn text(value: &Value, member: &str) -> String {
    let found = value.get(member).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("{member} in {value}")).to_owned()
}
