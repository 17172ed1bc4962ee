//! The ports of the last run, so that `client.env` stays valid over a restart.

use std::path::Path;

use crate::files::{self, FileError, PUBLIC};

/// The router's two ports on the loopback address. 0 = any.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ports {
    /// For clients.
    pub client: u16,
    /// For servers.
    pub server: u16,
}

impl Ports {
    /// No wishes.
    pub const ANY: Self = Self { client: 0, server: 0 };

    /// The ports of the last run; [`Self::ANY`] when there was none. What cannot be read is
    /// only a lost wish.
    ///
    /// # Errors
    /// [`FileError`] when the file is there and cannot be opened.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let bytes = files::read_if_there(path)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let port = |name| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|port| port.trim().parse().ok()).unwrap_or(0)
        };
        Ok(Self { client: port("client "), server: port("server ") })
    }

    /// Keeps the ports for the next run.
    ///
    /// # Errors
    /// [`FileError`] names the file.
    pub fn write(self, path: &Path) -> Result<(), FileError> {
        let Self { client, server } = self;
        let text = format!("client {client}\nserver {server}\n");
        files::write_whole(path, PUBLIC, text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::Ports;

    #[test]
    fn ports_survive_and_damage_is_no_wish() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("ports");
        assert_eq!(Ports::read(&path).expect("reads"), Ports::ANY);
        let ports = Ports { client: 7100, server: 65_535 };
        ports.write(&path).expect("writes");
        assert_eq!(Ports::read(&path).expect("reads"), ports);
        std::fs::write(&path, b"client 70000\n\xff").expect("writes");
        assert_eq!(Ports::read(&path).expect("reads"), Ports::ANY);
    }
}
