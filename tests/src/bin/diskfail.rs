//! Lets the system calls of a real server fail, one in each story: `fastchat-diskfail --every N`.
//! The last line counts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;

use tempfile::TempDir;
use tests::chaos::process::kill_all;
use tests::diskfail::tracer::can_trace;
use tests::diskfail::{Counts, Options, Tally, run};
use tests::ending::clean_up_whatever_happens;

const USAGE: &str = "usage: fastchat-diskfail [--every N] [--only WORDS]";
/// Where files cost no disk: that it fails is told by `strace`, not by a disk.
const MEMORY: &str = "/dev/shm";

/// What must not stay behind when this process ends early.
static FOLDER: Mutex<Option<PathBuf>> = Mutex::new(None);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some(options) = options(&words) else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    if !can_trace() {
        eprintln!(
            "fastchat-diskfail: nothing was tested: strace is missing or may not trace here; \
             install it (apt-get install strace), and allow ptrace"
        );
        return ExitCode::FAILURE;
    }
    let folder = new_folder();
    clean_up_whatever_happens(clean_up);
    let tally = run(&options, folder.path());
    report(&tally);
    if !tally.is_good() {
        println!("what the processes left stays in {}", folder.keep().display());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn options(words: &[String]) -> Option<Options> {
    let mut options = Options { every: 1, only: String::new() };
    for pair in words.chunks(2) {
        match pair {
            [flag, number] if flag == "--every" => {
                options.every = number.parse().ok().filter(|every| *every > 0)?;
            }
            [flag, word] if flag == "--only" => options.only.clone_from(word),
            _ => return None,
        }
    }
    Some(options)
}

fn report(tally: &Tally) {
    for ((call, error), counts) in &tally.counts {
        println!("{call} {error}: {}", told(*counts));
    }
    println!(
        "shown {} not made this time {} unheard {}",
        tally.shown, tally.not_made, tally.unheard
    );
    let Tally { lost, doubled, reordered, .. } = tally;
    println!("{} lost {lost} doubled {doubled} reordered {reordered}", told(tally.total()));
}

fn told(counts: Counts) -> String {
    let Counts { calls, stopped, refused, went_on } = counts;
    format!("calls {calls} stopped {stopped} refused {refused} went-on {went_on}")
}

fn new_folder() -> TempDir {
    let memory = Path::new(MEMORY);
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let folder = tempfile::Builder::new().prefix("fastchat-diskfail-").tempdir_in(parent);
    let folder = folder.expect("a temporary directory can be made");
    *FOLDER.lock().expect("nothing panics while it is held") = Some(folder.path().to_owned());
    folder
}

fn clean_up() {
    kill_all();
    let folder = FOLDER.lock().expect("nothing panics while it is held");
    if let Some(folder) = folder.as_ref().filter(|folder| folder.exists())
        && let Err(error) = fs::remove_dir_all(folder)
    {
        eprintln!("{} stays behind: {error}", folder.display());
    }
}
