//! The child's file-system calls, as `strace` writes them down: what changes files and folders,
//! what makes that durable, and what the child said meanwhile.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io};

use crate::child::Plan;

/// Every call that may change a file, a name or what is durable. Others of this kind would show in
/// the replay: files would not be what they were.
const CALLS: &str = "openat,creat,write,pwrite64,writev,pwritev,pwritev2,fsync,fdatasync,\
                     ftruncate,truncate,fallocate,rename,renameat,renameat2,unlink,unlinkat,\
                     mkdir,mkdirat,link,linkat,symlink,copy_file_range,sendfile";

/// A call that succeeded; it had its effect at some moment between its two lines.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) begin: usize,
    pub(crate) end: usize,
    pub(crate) deed: Deed,
}

/// What it did.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Deed {
    /// Opened for writing, made when it was not there, emptied when it was.
    Open { path: PathBuf, empty: bool },
    /// Wrote at a place, or behind what was written before.
    Write { path: PathBuf, at: Option<usize>, bytes: Vec<u8> },
    /// Set the length.
    Cut { path: PathBuf, len: usize },
    /// Made a file or a folder durable.
    Sync { path: PathBuf },
    /// Gave a file another name.
    Rename { from: PathBuf, to: PathBuf },
    /// Took a file's name away.
    Remove { path: PathBuf },
    /// Made a folder.
    MakeFolder { path: PathBuf },
}

/// Runs the child under `strace`; its calls in the order they began.
pub(crate) fn record(plan: &Plan, folder: &Path) -> io::Result<Vec<Call>> {
    let trace = folder.join("trace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-xx", "-s", "16777216", "--seccomp-bpf", "-o"]).arg(&trace);
    strace.arg("-e").arg(format!("trace={CALLS}")).arg(std::env::current_exe()?);
    strace.arg("--child").args(plan.words()).stdin(Stdio::null());
    let status = strace.status()?;
    assert!(status.success(), "the child ends well: {status}");
    Ok(parse(&fs::read_to_string(&trace)?))
}

/// Reads the trace.
fn parse(text: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut begun: Vec<(&str, usize, String)> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let (thread, rest) = line.split_once(' ').expect("a thread's number is first");
        let rest = rest.trim_start();
        if let Some(call) = rest.strip_suffix(" <unfinished ...>") {
            begun.push((thread, at, call.to_owned()));
        } else if rest.starts_with("<... ") {
            let place = begun.iter().position(|(other, ..)| *other == thread);
            let (_, begin, call) = begun.remove(place.expect("what resumes was begun"));
            let (_, end) = rest.split_once(" resumed>").expect("it says that it resumes");
            calls.extend(parse_call(&format!("{call}{end}"), begin, at));
        } else {
            calls.extend(parse_call(rest, at, at));
        }
    }
    calls.sort_by_key(|call| call.begin);
    calls
}

fn parse_call(text: &str, begin: usize, end: usize) -> Option<Call> {
    let (text, result) = text.rsplit_once(" = ")?;
    let (name, arguments) = text.trim_end().strip_suffix(')')?.split_once('(')?;
    // A result may be a descriptor with its path, or an error with its name.
    let result: i64 = result.split([' ', '<']).next()?.parse().ok()?;
    if result < 0 {
        return None;
    }
    let arguments: Vec<&str> = arguments.split(", ").collect();
    let deed = deed(name, &arguments, usize::try_from(result).expect("not negative"))?;
    Some(Call { begin, end, deed })
}

fn deed(name: &str, arguments: &[&str], result: usize) -> Option<Deed> {
    let deed = match (name, arguments) {
        ("openat", [_, path, flags, ..]) => {
            if !flags.contains("O_CREAT") && !flags.contains("O_TRUNC") {
                return None;
            }
            Deed::Open { path: text(path), empty: flags.contains("O_TRUNC") }
        }
        ("write", [file, bytes, ..]) => written(file, None, bytes, result),
        ("pwrite64", [file, bytes, _, at]) => written(file, at.parse().ok(), bytes, result),
        ("fsync" | "fdatasync", [file]) => Deed::Sync { path: described(file) },
        ("ftruncate", [file, len]) => Deed::Cut { path: described(file), len: number(len) },
        ("fallocate", [_, flags, ..]) if flags.contains("KEEP_SIZE") => return None,
        ("rename", [from, to]) => Deed::Rename { from: text(from), to: text(to) },
        ("unlink", [path]) => Deed::Remove { path: text(path) },
        ("mkdir", [path, _]) => Deed::MakeFolder { path: text(path) },
        _ => panic!("the replay does not know {name}{arguments:?}"),
    };
    Some(deed)
}

fn written(file: &str, at: Option<usize>, text: &str, len: usize) -> Deed {
    let mut bytes = bytes(text);
    bytes.truncate(len);
    Deed::Write { path: described(file), at, bytes }
}

fn number(text: &str) -> usize {
    text.parse().expect("a number")
}

/// `"\x2f\x61"`.
fn bytes(text: &str) -> Vec<u8> {
    let inner = text.trim_matches('"');
    let pairs = inner.split("\\x").skip(1);
    pairs.map(|pair| u8::from_str_radix(pair, 16).expect("two digits")).collect()
}

fn text(text: &str) -> PathBuf {
    PathBuf::from(String::from_utf8(bytes(text)).expect("tests use UTF-8 paths"))
}

/// `5<\x2f\x61>`: the path of an open file.
fn described(file: &str) -> PathBuf {
    let (_, path) = file.split_once('<').expect("strace -y names the file");
    text(path.split('>').next().expect("split yields at least one part"))
}
