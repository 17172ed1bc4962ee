//! What a server has committed to its store, from its metrics: batches, each with one sync, and the
//! entries in them.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::{AddAssign, Sub};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use thiserror::Error;

/// How long a server may take to answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
/// Bytes of an answer that are looked at.
const ANSWER_LEN_MAX: u64 = 1024 * 1024;

/// Batches and entries.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Committed {
    /// Batches, each with one sync.
    pub syncs: u64,
    /// Entries in them.
    pub entries: u64,
}

/// Why a server does not say.
#[derive(Debug, Error)]
pub enum CommittedError {
    /// It cannot be asked.
    #[error("the metrics of {log}: {error}")]
    Io {
        /// Its log.
        log: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Its log does not say where it serves them, or what it says is not as expected.
    #[error("the metrics of {0} are not found")]
    Missing(PathBuf),
}

impl AddAssign for Committed {
    fn add_assign(&mut self, other: Self) {
        self.syncs += other.syncs;
        self.entries += other.entries;
    }
}

impl Sub for Committed {
    type Output = Self;

    /// What is missing when a server was restarted meanwhile: it counts anew then.
    fn sub(self, other: Self) -> Self {
        Self {
            syncs: self.syncs.saturating_sub(other.syncs),
            entries: self.entries.saturating_sub(other.entries),
        }
    }
}

/// What the server with this log, in JSON, has committed.
///
/// # Errors
/// [`CommittedError`] names the log.
pub fn of(log: &Path) -> Result<Committed, CommittedError> {
    let failed = |error| CommittedError::Io { log: log.to_owned(), error };
    let missing = || CommittedError::Missing(log.to_owned());
    let text = fs::read_to_string(log).map_err(failed)?;
    let address = address(&text).ok_or_else(missing)?;
    let metrics = ask(address).map_err(failed)?;
    parse(&metrics).ok_or_else(missing)
}

/// Where the last process that wrote the log serves its metrics.
fn address(log: &str) -> Option<SocketAddr> {
    log.lines().rev().find_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        let said = line.get("fields").unwrap_or(&line);
        let is_it = said.get("message")?.as_str()? == "admin listening";
        is_it.then(|| said.get("address")?.as_str()?.parse().ok())?
    })
}

fn ask(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_TIME_MAX)?;
    stream.set_read_timeout(Some(ANSWER_TIME_MAX))?;
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(ANSWER_LEN_MAX).read_to_string(&mut answer)?;
    Ok(answer)
}

fn parse(metrics: &str) -> Option<Committed> {
    let value = |name: &str| {
        let mut lines = metrics.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(key, _)| *key == name)?.1.trim().parse().ok()
    };
    Some(Committed {
        syncs: value("fastchat_server_commits_total")?,
        entries: value("fastchat_server_log_committed_total")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_process_says_where_it_is() {
        let log = "{\"fields\":{\"message\":\"admin listening\",\"address\":\"127.0.0.1:7\"}}\n\
                   no JSON\n\
                   {\"fields\":{\"message\":\"admin listening\",\"address\":\"127.0.0.1:9\"}}\n\
                   {\"fields\":{\"message\":\"ready\",\"address\":\"127.0.0.1:8\"}}\n";
        assert_eq!(address(log), "127.0.0.1:9".parse().ok());
        assert_eq!(address("nothing"), None);
    }

    #[test]
    fn counts_are_found_among_the_metrics() {
        let text = "# HELP fastchat_server_commits_total Batches\r\n\
                    fastchat_server_commits_total 12\n\
                    fastchat_server_log_committed_total 340\n";
        assert_eq!(parse(text), Some(Committed { syncs: 12, entries: 340 }));
        assert_eq!(parse("fastchat_server_commits_total 12\n"), None);
    }
}
