//! The calls of a traced server that can fail: each is the N-th of its kind on one file.

use super::folder::Folder;
use std::collections::BTreeMap;
use std::fmt;

/// A call, and the errors it fails with.
struct Kind {
    call: &'static str,
    errors: &'static [&'static str],
    /// What it should have made durable may be lost: the server must not go on.
    is_change: bool,
}

const KINDS: [Kind; 11] = [
    Kind { call: "write", errors: &["ENOSPC", "EIO"], is_change: true },
    Kind { call: "pwrite64", errors: &["ENOSPC", "EIO"], is_change: true },
    Kind { call: "fdatasync", errors: &["EIO"], is_change: true },
    Kind { call: "fsync", errors: &["EIO"], is_change: true },
    Kind { call: "rename", errors: &["EIO"], is_change: false },
    Kind { call: "openat", errors: &["EIO"], is_change: false },
    Kind { call: "read", errors: &["EIO"], is_change: false },
    Kind { call: "pread64", errors: &["EIO"], is_change: false },
    Kind { call: "ftruncate", errors: &["EIO"], is_change: false },
    Kind { call: "fallocate", errors: &["ENOSPC"], is_change: false },
    Kind { call: "unlink", errors: &["EIO"], is_change: false },
];

/// RocksDB's text log, of which nothing is ever read back.
const TEXT_LOG: &str = "LOG";
/// What the keeper writes.
pub(super) const WATERMARK: &str = "store.watermark";
/// What that is renamed to carries the time: no other run has the same name.
const OLD_TEXT_LOG: &str = "LOG.old";

/// One call that fails.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Fault {
    /// The system call.
    pub call: &'static str,
    /// On which file, from the folder that holds the store.
    pub file: String,
    /// Only while it serves: opening the store comes before.
    pub is_serving: bool,
    /// The how manieth of these in its thread, from 1.
    pub nth: u64,
    /// What it fails with.
    pub error: &'static str,
    /// A server that goes on after it would serve what may not be on the disk.
    pub must_stop: bool,
}

impl Fault {
    /// It may be one of the keeper, which works once a second.
    #[must_use]
    pub fn is_of_keeper(&self) -> bool {
        self.is_serving && self.file == WATERMARK
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, file, is_serving, nth, error, .. } = self;
        let when = if *is_serving { " while serving" } else { "" };
        write!(f, "{call} {nth} of {file}{when}: {error}")
    }
}

/// Every call that can fail, by name and separated by commas.
#[must_use]
pub fn calls() -> String {
    KINDS.map(|kind| kind.call).join(",")
}

/// What a trace says that can fail.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Each of the calls, and what it may fail with.
    pub faults: Vec<Fault>,
    /// Calls that have the number of another one in another thread: `strace` fails both, and the
    /// server hears of the earlier.
    pub hidden: u64,
}

/// All calls of a trace on files of the victim.
#[must_use]
pub fn list(trace: &str, folder: &Folder) -> Listed {
    let mut counts: BTreeMap<(usize, bool, &str), BTreeMap<&str, u64>> = BTreeMap::new();
    for is_serving in [false, true] {
        let folder = format!("{}/", folder.name(is_serving).display());
        for (thread, kind, file) in trace.lines().filter_map(|line| parse(line, &folder)) {
            let threads = counts.entry((kind, is_serving, file)).or_default();
            *threads.entry(thread).or_default() += 1;
        }
    }
    let (mut faults, mut hidden) = (Vec::new(), 0);
    for ((kind, is_serving, file), threads) in counts {
        let Kind { call, errors, is_change } = KINDS[kind];
        let (all, most) =
            threads.into_values().fold((0, 0), |(all, most), one| (all + one, most.max(one)));
        hidden += all - most;
        let must_stop = is_change && !file.ends_with(&format!("/{TEXT_LOG}"));
        let each = (1..=most).flat_map(|nth| errors.iter().map(move |error| (nth, *error)));
        let file = file.to_owned();
        faults.extend(each.map(|(nth, error)| {
            let file = file.clone();
            Fault { call, file, is_serving, nth, error, must_stop }
        }));
    }
    Listed { faults, hidden }
}

/// A line of a trace, where a call begins: its thread, its kind, and its first file.
fn parse<'a>(line: &'a str, folder: &str) -> Option<(&'a str, usize, &'a str)> {
    let (thread, rest) = line.split_once(' ')?;
    let (call, arguments) = rest.trim_start().split_once('(')?;
    let kind = KINDS.iter().position(|kind| kind.call == call)?;
    let (_, path) = arguments.split_once(folder)?;
    let file = path.split(['>', '"']).next()?;
    let is_same_next_time = !file.contains(OLD_TEXT_LOG) && !file.ends_with("(deleted)");
    is_same_next_time.then_some((thread, kind, file))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::list;
    use crate::diskfail::folder::Folder;

    #[test]
    fn every_call_of_a_trace_is_found_once() {
        let trace = "7  openat(AT_FDCWD, \"/d/store/LOG\", O_RDWR) = 3</d/store/LOG>\n\
                     7  write(3</d/store/LOG>, \"\"..., 5) = 5\n\
                     7  write(4</d/store/000004.log>, \"\"..., 5 <unfinished ...>\n\
                     8  write(4</d/store/000004.log>, \"\"..., 5) = 5\n\
                     7  <... write resumed>) = 5\n\
                     8  write(4</d/store/000004.log>, \"\"..., 5) = 5\n\
                     8  write(5</elsewhere/000004.log>, \"\"..., 5) = 5\n\
                     8  fdatasync(4</d/store/000004.log>) = 0\n\
                     8  unlink(\"/d/store/LOG.old.17\") = 0\n\
                     8  fsync(9</d-serving/store>) = 0\n\
                     8  pread64(6</d/store/000009.sst (deleted)>, \"\"..., 5, 0) = 5\n\
                     9  pwrite64(6</d/store.watermark>, \"\"..., 5, 0) = 5\n";
        let listed = list(trace, &Folder::new(Path::new("/d")));
        assert_eq!(listed.hidden, 1, "the first of one of two threads");
        let found = listed.faults;
        let must: Vec<String> =
            found.iter().filter(|fault| fault.must_stop).map(ToString::to_string).collect();
        assert_eq!(
            must,
            [
                "write 1 of store/000004.log: ENOSPC",
                "write 1 of store/000004.log: EIO",
                "write 2 of store/000004.log: ENOSPC",
                "write 2 of store/000004.log: EIO",
                "pwrite64 1 of store.watermark: ENOSPC",
                "pwrite64 1 of store.watermark: EIO",
                "fdatasync 1 of store/000004.log: EIO",
                "fsync 1 of store while serving: EIO",
            ]
        );
        let may: Vec<String> =
            found.iter().filter(|fault| !fault.must_stop).map(ToString::to_string).collect();
        let expected = [
            "write 1 of store/LOG: ENOSPC",
            "write 1 of store/LOG: EIO",
            "openat 1 of store/LOG: EIO",
        ];
        assert_eq!(may, expected);
    }
}
