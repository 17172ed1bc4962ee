//! How each peer's server is started: its configuration, its command, its version.

use std::env;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::peer::Peer;

/// A configuration with places to fill in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Template {
    /// Its file's name.
    pub file: &'static str,
    /// Its text, with `{PORT}`, `{DIR}` and `{SYNC}`.
    pub text: &'static str,
}

macro_rules! template {
    ($file:literal) => {
        Some(Template { file: $file, text: include_str!(concat!("../../peers/", $file)) })
    };
}

/// The configuration of a peer; the relay has none.
#[must_use]
pub fn template(peer: Peer) -> Option<Template> {
    match peer {
        Peer::Relay => None,
        Peer::Nats => template!("nats.conf"),
        Peer::JetStream | Peer::JetStreamSync => template!("jetstream.conf"),
        Peer::Mosquitto | Peer::MosquittoQos1 => template!("mosquitto.conf"),
        Peer::InspIrcd => template!("inspircd.conf"),
        Peer::NgIrcd => template!("ngircd.conf"),
        Peer::Ejabberd => template!("ejabberd.yml"),
        Peer::Prosody => template!("prosody.cfg.lua"),
    }
}

impl Template {
    /// The text for a server at `port` with its files in `folder`.
    #[must_use]
    pub fn fill(&self, peer: Peer, port: u16, folder: &Path) -> String {
        let sync = if peer == Peer::JetStreamSync { "sync_interval: always" } else { "" };
        self.text
            .replace("{PORT}", &port.to_string())
            .replace("{DIR}", &folder.to_string_lossy())
            .replace("{SYNC}", sync)
    }
}

/// The command that runs a peer's server in the foreground, with what it needs written into
/// `folder`.
///
/// # Errors
/// When a file cannot be written, or a program that prepares one fails.
pub fn command(peer: Peer, address: SocketAddr, folder: &Path) -> io::Result<Command> {
    let config = match template(peer) {
        None => PathBuf::new(),
        Some(template) => {
            let path = folder.join(template.file);
            fs::write(&path, template.fill(peer, address.port(), folder))?;
            path
        }
    };
    match peer {
        Peer::Relay => {
            let mut command = Command::new(env::current_exe()?);
            command.args(["relay", "--address", &address.to_string()]);
            Ok(command)
        }
        Peer::Nats | Peer::JetStream | Peer::JetStreamSync => {
            Ok(with_path("nats-server", &["-c"], &config))
        }
        Peer::Mosquitto | Peer::MosquittoQos1 => {
            let passwords = folder.join("passwords");
            let mut make = with_path("mosquitto_passwd", &["-b", "-c"], &passwords);
            succeed(make.args(["bench", "secret"]))?;
            Ok(with_path("mosquitto", &["-c"], &config))
        }
        Peer::InspIrcd => {
            fs::write(folder.join("motd"), "bench\n")?;
            let mut command = with_path("inspircd", &["--nofork", "--config"], &config);
            if rustix::process::geteuid().is_root() {
                command.arg("--runasroot");
            }
            Ok(command)
        }
        Peer::NgIrcd => Ok(with_path("ngircd", &["-n", "-f"], &config)),
        Peer::Ejabberd => ejabberd(&config, folder),
        Peer::Prosody => {
            fs::create_dir(folder.join("data"))?;
            Ok(with_path("prosody", &["-F", "--config"], &config))
        }
    }
}

/// A program, also where systems keep those of services, which users may not look.
fn program(name: &str) -> Command {
    let path = env::var("PATH").unwrap_or_default();
    let mut command = Command::new(name);
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command
}

fn with_path(name: &str, args: &[&str], path: &Path) -> Command {
    let mut command = program(name);
    command.args(args).arg(path);
    command
}

/// Erlang's own program instead of `ejabberdctl`, which wants to be root and then becomes another
/// user. Without a node name it listens for no other node and starts no `epmd`.
fn ejabberd(config: &Path, folder: &Path) -> io::Result<Command> {
    let (libraries, _) = ejabberd_home()?;
    let store = format!("\"{}\"", folder.join("mnesia").display());
    let mut command = program("erl");
    command
        .args(["+K", "true", "+P", "1000000", "+Q", "65536", "-noinput"])
        .args(["-mnesia", "dir", &store, "-s", "ejabberd"])
        .current_dir(folder)
        .env("HOME", folder)
        .env("EJABBERD_CONFIG_PATH", config)
        .env("EJABBERD_LOG_PATH", folder.join("log"))
        .env("ERL_CRASH_DUMP", folder.join("crash"))
        .env("ERL_LIBS", libraries);
    Ok(command)
}

/// The folder of Erlang's libraries that has ejabberd, and ejabberd's version.
fn ejabberd_home() -> io::Result<(PathBuf, String)> {
    for folder in fs::read_dir("/usr/lib")?.flatten() {
        let Ok(libraries) = fs::read_dir(folder.path()) else {
            continue;
        };
        for library in libraries.flatten() {
            let name = library.file_name().to_string_lossy().into_owned();
            let is_there = library.path().join("ebin/ejabberd.app").exists();
            if let (true, Some(version)) = (is_there, name.strip_prefix("ejabberd-")) {
                return Ok((folder.path(), format!("ejabberd {version}")));
            }
        }
    }
    Err(io::Error::new(io::ErrorKind::NotFound, "ejabberd is not below /usr/lib"))
}

/// What a peer's server calls itself.
#[must_use]
pub fn version(peer: Peer) -> String {
    let said = match peer {
        Peer::Relay => return concat!("fastchat-bench ", env!("CARGO_PKG_VERSION")).to_owned(),
        Peer::Nats | Peer::JetStream | Peer::JetStreamSync => says("nats-server", &["--version"]),
        Peer::Mosquitto | Peer::MosquittoQos1 => says("mosquitto", &["-h"]),
        Peer::InspIrcd => says("inspircd", &["--version"]),
        Peer::NgIrcd => says("ngircd", &["--version"]),
        Peer::Ejabberd => ejabberd_home().ok().map(|(_, version)| version),
        // The program itself knows no such question: it would start.
        Peer::Prosody => says("dpkg-query", &["-W", "-f", "prosody ${Version}", "prosody"]),
    };
    said.unwrap_or_else(|| "unknown".to_owned())
}

/// The first line that a program prints.
fn says(name: &str, args: &[&str]) -> Option<String> {
    let output = program(name).args(args).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
}

fn succeed(command: &mut Command) -> io::Result<()> {
    let Output { status, stderr, .. } = command.stdin(Stdio::null()).output()?;
    match status.success() {
        true => Ok(()),
        false => Err(io::Error::other(String::from_utf8_lossy(&stderr).trim().to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_of_a_template_is_filled() {
        for peer in Peer::ALL {
            let Some(template) = template(peer) else {
                continue;
            };
            let text = template.fill(peer, 4_222, Path::new("/there"));
            for place in ["{PORT}", "{DIR}", "{SYNC}"] {
                // The comment at the top names them.
                let places = text.lines().filter(|line| line.contains(place)).count();
                assert_eq!(places, 0, "{place} in {}", template.file);
            }
            assert!(text.contains("4222"), "{}", template.file);
            assert_eq!(text.contains("sync_interval"), peer == Peer::JetStreamSync);
        }
    }
}
