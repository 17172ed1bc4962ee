//! What a person and scripts are told about a local cluster: progress, `client.env`, `pids`, and
//! the line to type.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use wire::{Instant, ServerId};

use super::LocalError;
use super::children::{Children, beside_this};
use crate::core::Core;
use crate::files::{self, FileError, PUBLIC};

/// Tells each thing once, when it becomes true.
#[derive(Debug)]
pub struct Announcer {
    data: PathBuf,
    router: SocketAddr,
    reported: usize,
    is_ready: bool,
}

/// Removes what an earlier run left for scripts: they wait for it to appear.
///
/// # Errors
/// [`FileError`] names the file.
pub fn withdraw(data: &Path) -> Result<(), FileError> {
    files::remove(&data.join("client.env"))?;
    forget_pids(data)
}

/// Removes the list of processes, which have ended.
///
/// # Errors
/// [`FileError`] names the file.
pub fn forget_pids(data: &Path) -> Result<(), FileError> {
    files::remove(&data.join("pids"))
}

/// One line for a person, on standard error.
pub fn say(line: &str) {
    if writeln!(io::stderr(), "fastchat-router: {line}").is_err() {
        tracing::debug!("nobody reads standard error");
    }
}

impl Announcer {
    /// The cluster in `data` whose clients connect to `router`.
    #[must_use]
    pub fn new(data: &Path, router: SocketAddr) -> Self {
        Self { data: data.to_owned(), router, reported: 0, is_ready: false }
    }

    /// Looks what has changed, and tells it.
    ///
    /// # Errors
    /// [`LocalError`] when a file cannot be written.
    pub fn look(
        &mut self,
        core: &Core,
        now: Instant,
        children: &mut Children,
    ) -> Result<(), LocalError> {
        if let Some(pids) = children.changed_pids() {
            self.write_pids(&pids)?;
        }
        if self.is_ready {
            return Ok(());
        }
        let (reported, servers) = (core.placeable(now), core.servers().len());
        if reported != self.reported {
            say(&format!("servers ready: {reported} of {servers}"));
            self.reported = reported;
        }
        if reported == servers {
            self.write_client_env()?;
            self.print_line()?;
            self.is_ready = true;
        }
        Ok(())
    }

    fn write_pids(&self, pids: &[(ServerId, u32)]) -> Result<(), FileError> {
        let mut text = format!("router {}\n", std::process::id());
        for (server, pid) in pids {
            writeln!(text, "{server} {pid}").expect("a string takes all");
        }
        files::write_whole(&self.data.join("pids"), PUBLIC, text.as_bytes())
    }

    fn write_client_env(&self) -> Result<(), FileError> {
        let ca = self.data.join("cluster").join("ca.pem");
        let (router, ca) = (self.router, ca.display());
        let text = format!("FASTCHAT_ROUTER={router}\nFASTCHAT_CA={ca}\n");
        files::write_whole(&self.data.join("client.env"), PUBLIC, text.as_bytes())
    }

    fn print_line(&self) -> Result<(), LocalError> {
        let line = chat_line(&self.data, &beside_this("fastchat")?);
        say("to chat, type this in another terminal, with another folder for each person:");
        let printed = writeln!(io::stdout(), "{line}").and_then(|()| io::stdout().flush());
        if printed.is_err() {
            tracing::debug!("nobody reads standard output");
        }
        Ok(())
    }
}

/// The line to type in another terminal.
fn chat_line(data: &Path, client: &Path) -> String {
    let env = quoted(&data.join("client.env"));
    let alice = quoted(&data.join("clients").join("alice"));
    let client = quoted(client);
    format!("env $(cat {env}) FASTCHAT_DATA={alice} {client}")
}

/// `path` as one word of a shell's command line.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,=".contains(c);
    if text.chars().all(is_plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{chat_line, quoted};

    #[test]
    fn paths_are_one_word_of_a_shell() {
        assert_eq!(quoted(Path::new("/tmp/a-b_c.d")), "/tmp/a-b_c.d");
        assert_eq!(quoted(Path::new("/a b/$x")), "'/a b/$x'");
        assert_eq!(quoted(Path::new("/it's")), r"'/it'\''s'");
    }

    #[test]
    fn the_line_to_type_names_all_three_paths() {
        let line = chat_line(Path::new("/d"), Path::new("/bin/fastchat"));
        assert_eq!(line, "env $(cat /d/client.env) FASTCHAT_DATA=/d/clients/alice /bin/fastchat");
    }
}
