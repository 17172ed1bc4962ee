//! The socket beside the store, `store.socket`, through which a command on the same machine has a
//! running server make a checkpoint, or become empty. Who may connect is decided by the file's
//! mode: the server's user, and root.
//!
//! ```text
//! command ── "checkpoint" ──▶ server      one line each
//!         ◀─ "ready MOMENT" ──            or "failed WHY"; the files are in store.checkpoint/store
//!         ── closes ──────▶               the server removes them
//!
//! command ── "drain" ───────▶ server
//!         ◀─ "clients N" ────             every second
//!         ◀─ "emptied" ──────             or "stopped"
//!         ◀─ closes ─────────             when its process has ended
//! ```
//! One checkpoint at a time; others wait in the socket's queue.

use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use storage::backup::{self, BackupError, Checkpointer, Moment};
use wire::net::LocalAddress;

use super::error::CommandError;
use super::report::{Report, say};
use crate::desk::{Desk, End, Listener, Told};

const CHECKPOINT: &str = "checkpoint";
const DRAIN: &str = "drain";
const CLIENTS: &str = "clients ";
const EMPTIED: &str = "emptied";
const STOPPED: &str = "stopped";
const READY: &str = "ready ";
const FAILED: &str = "failed ";
/// Bytes of a line, at most.
const LINE_LEN_MAX: u64 = 4096;
/// How long who connects may take to say what it wants.
const ASK_TIME_MAX: Duration = Duration::from_secs(5);
/// How long the server waits when it could not accept a connection: mostly for want of files.
const PAUSE: Duration = Duration::from_secs(1);
/// How often who waits looks whether it should say so.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The server's side. Its thread ends with the process; the socket goes when this is dropped.
pub struct Hatch {
    path: PathBuf,
}

impl Hatch {
    /// Listens beside `store`. Without a socket the server goes on: backups have to wait until it
    /// is stopped, and signals empty it.
    pub fn open(store: &Path, checkpointer: Checkpointer, desk: Desk) -> Option<Self> {
        match listen(store, checkpointer, desk) {
            Ok(path) => Some(Self { path }),
            Err(error) => {
                tracing::warn!(%error, "commands cannot reach this server: backup, drain");
                None
            }
        }
    }
}

impl Drop for Hatch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, "the socket was gone already");
        }
    }
}

/// A running server that made a checkpoint. It removes the files when this is dropped.
#[derive(Debug)]
pub(super) struct Asked {
    moment: Moment,
    _stream: UnixStream,
}

impl Asked {
    /// Has the server that serves `store` make a checkpoint; none when no server does.
    pub(super) fn of(store: &Path) -> Result<Option<Self>, CommandError> {
        let Some(stream) = connect(store)? else {
            return Ok(None);
        };
        let answer = ask(&stream).map_err(failed(&socket(store)?))?.ok_or(CommandError::Gone)?;
        match (answer.strip_prefix(READY), answer.strip_prefix(FAILED)) {
            (Some(moment), _) => Ok(Some(Self { moment: moment.parse()?, _stream: stream })),
            (_, Some(why)) => Err(CommandError::Server(why.to_owned())),
            _ => Err(CommandError::Gone),
        }
    }

    pub(super) fn moment(&self) -> Moment {
        self.moment
    }
}

/// Has the server that serves `store` become empty, and waits until it has ended; `hear` is told
/// how many clients are left.
pub(super) fn drain(store: &Path, hear: &mut dyn FnMut(&str)) -> Result<End, CommandError> {
    let mut stream = connect(store)?.ok_or_else(|| CommandError::NotServed(store.to_owned()))?;
    let path = socket(store)?;
    stream.write_all(format!("{DRAIN}\n").as_bytes()).map_err(failed(&path))?;
    let mut end = None;
    for line in BufReader::new(stream).lines() {
        match line {
            Ok(line) if line == EMPTIED => end = Some(End::Emptied),
            Ok(line) if line == STOPPED => end = Some(End::Stopped),
            Ok(line) => hear(line.strip_prefix(CLIENTS).unwrap_or(&line)),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => return Err(failed(&path)(error)),
        }
    }
    end.ok_or(CommandError::Died)
}

/// Whether a server listens beside `store`.
pub(super) fn is_open(store: &Path) -> Result<bool, CommandError> {
    connect(store).map(|stream| stream.is_some())
}

fn socket(store: &Path) -> Result<PathBuf, BackupError> {
    backup::beside(store, ".socket")
}

fn connect(store: &Path) -> Result<Option<UnixStream>, CommandError> {
    let path = socket(store)?;
    let connected = LocalAddress::of(&path).and_then(|address| UnixStream::connect(address.path()));
    match connected {
        Ok(stream) => Ok(Some(stream)),
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => Ok(None),
            _ => Err(failed(&path)(error)),
        },
    }
}

fn failed(socket: &Path) -> impl FnOnce(io::Error) -> CommandError {
    let path = socket.to_owned();
    move |source| CommandError::Socket { path, source }
}

/// The server's answer; none when it ends without one. Says now and then that it is waited for.
fn ask(mut stream: &UnixStream) -> io::Result<Option<String>> {
    stream.write_all(format!("{CHECKPOINT}\n").as_bytes())?;
    stream.set_read_timeout(Some(LOOK_EVERY))?;
    let mut reader = BufReader::new(stream.take(LINE_LEN_MAX));
    let (mut report, mut line) = (Report::new(), String::new());
    loop {
        match reader.read_line(&mut line) {
            Ok(_) => return Ok(line.strip_suffix('\n').map(str::to_owned)),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut if report.is_due() => {
                    say("waiting for the server to make a checkpoint");
                }
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                ErrorKind::ConnectionReset => return Ok(None),
                _ => return Err(error),
            },
        }
    }
}

fn listen(store: &Path, checkpointer: Checkpointer, desk: Desk) -> Result<PathBuf, CommandError> {
    backup::clear(store)?;
    let path = socket(store)?;
    let listener = bind(&path).map_err(failed(&path))?;
    let serve = move || serve(&listener, &checkpointer, &desk);
    let thread = std::thread::Builder::new().name("commands".to_owned());
    thread.spawn(serve).map_err(failed(&path))?;
    Ok(path)
}

/// Nobody else serves the store: a socket that is there is a killed process's.
fn bind(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(LocalAddress::of(path)?.path())?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

fn serve(listener: &UnixListener, checkpointer: &Checkpointer, desk: &Desk) {
    for stream in listener.incoming() {
        match stream.map(|stream| answer(stream, checkpointer, desk)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::info!(%error, "who asked is gone"),
            Err(error) => {
                tracing::warn!(%error, "no command can be heard");
                std::thread::park_timeout(PAUSE);
            }
        }
    }
}

fn answer(stream: UnixStream, checkpointer: &Checkpointer, desk: &Desk) -> io::Result<()> {
    stream.set_read_timeout(Some(ASK_TIME_MAX))?;
    stream.set_write_timeout(Some(ASK_TIME_MAX))?;
    let mut line = String::new();
    BufReader::new((&stream).take(LINE_LEN_MAX)).read_line(&mut line)?;
    match line.trim_end() {
        CHECKPOINT => check_out(&stream, checkpointer),
        DRAIN => {
            let listener = desk.ask();
            let tell = move || {
                let told = tell_end(&stream, &listener);
                drop(listener);
                if let Err(error) = told.and_then(|()| wait_for_end(&stream)) {
                    tracing::info!(%error, "who asked is gone");
                }
            };
            std::thread::Builder::new().name("command-drain".to_owned()).spawn(tell).map(drop)
        }
        // Whoever only wants to know whether somebody listens says nothing.
        _ => Ok(()),
    }
}

fn tell_end(mut stream: &UnixStream, listener: &Listener) -> io::Result<()> {
    loop {
        match listener.wait() {
            Told::Clients(count) => stream.write_all(format!("{CLIENTS}{count}\n").as_bytes())?,
            Told::Ended(end) => {
                let word = if end == End::Emptied { EMPTIED } else { STOPPED };
                return stream.write_all(format!("{word}\n").as_bytes());
            }
        }
    }
}

fn check_out(mut stream: &UnixStream, checkpointer: &Checkpointer) -> io::Result<()> {
    match checkpointer.checkpoint() {
        Ok(checkpoint) => {
            tracing::info!(moment = %checkpoint.moment(), "a checkpoint is copied");
            stream.write_all(format!("{READY}{}\n", checkpoint.moment()).as_bytes())?;
            wait_for_end(stream)?;
            tracing::info!("a checkpoint was copied");
        }
        Err(error) => {
            tracing::warn!(%error, "no checkpoint");
            stream.write_all(format!("{FAILED}{}\n", one_line(&error)).as_bytes())?;
        }
    }
    Ok(())
}

fn wait_for_end(mut stream: &UnixStream) -> io::Result<()> {
    stream.set_read_timeout(None)?;
    match stream.read(&mut [0; 1]) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => Err(error),
        _ => Ok(()),
    }
}

fn one_line(error: &BackupError) -> String {
    error.to_string().replace('\n', "; ")
}
