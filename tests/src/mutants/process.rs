//! Programs that are run to their end, and end with this one.

use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

/// A build, or a run of all seeds, that says nothing for so long hangs.
const SILENCE_MAX: Duration = Duration::from_secs(600);

/// What runs now: the leader of its process group.
static RUNNING: Mutex<Option<Pid>> = Mutex::new(None);

/// Runs a program: whether it succeeded, and its lines.
///
/// # Errors
/// When it cannot be started, or hangs.
pub fn finish(command: &mut Command) -> io::Result<(bool, Vec<String>)> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = {
        let mut running = RUNNING.lock().expect("nobody panics with it");
        let child = command.spawn()?;
        *running = Some(Pid::from_child(&child));
        child
    };
    let (tell, heard) = channel();
    read(child.stdout.take(), tell.clone());
    read(child.stderr.take(), tell);
    let lines = lines(&heard);
    if lines.is_err() {
        end(*RUNNING.lock().expect("nobody panics with it"))?;
    }
    let is_good = child.wait()?.success();
    *RUNNING.lock().expect("nobody panics with it") = None;
    Ok((is_good, lines?))
}

/// Ends what runs. Nothing more is begun while what this gives is held.
///
/// # Errors
/// When it cannot be ended.
pub fn end_all() -> io::Result<MutexGuard<'static, Option<Pid>>> {
    let running = RUNNING.lock().expect("nobody panics with it");
    end(*running).map(|()| running)
}

fn end(group: Option<Pid>) -> io::Result<()> {
    match group.map(|group| kill_process_group(group, Signal::KILL)) {
        Some(Err(error)) => Err(error.into()),
        _ => Ok(()),
    }
}

fn read(stream: Option<impl Read + Send + 'static>, tell: Sender<io::Result<String>>) {
    thread::spawn(move || {
        for line in stream.into_iter().flat_map(|stream| BufReader::new(stream).lines()) {
            if tell.send(line).is_err() {
                return;
            }
        }
    });
}

/// All lines until both streams end.
fn lines(heard: &Receiver<io::Result<String>>) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        match heard.recv_timeout(SILENCE_MAX) {
            Ok(line) => lines.push(line?),
            Err(RecvTimeoutError::Disconnected) => return Ok(lines),
            Err(RecvTimeoutError::Timeout) => return Err(io::Error::other("it hangs")),
        }
    }
}
