//! The machine that a run was made on, for the head of its report.

use std::env;
use std::fs;
use std::path::Path;
use std::thread;

/// What figures depend on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Machine {
    /// Processors that this process may use.
    pub cores: usize,
    /// Their model.
    pub processor: String,
    /// The kernel's release.
    pub kernel: String,
    /// Kind of the file system that temporary directories are on: on `tmpfs` a sync costs nothing.
    pub file_system: String,
    /// Processes that were running or waiting to run in the last minute, on average, before the
    /// run: above 0 something else used the machine.
    pub load: String,
}

impl Machine {
    /// This machine; `unknown` where it does not say.
    #[must_use]
    pub fn here() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self {
            cores: thread::available_parallelism().map_or(1, usize::from),
            processor: named(model(&read("/proc/cpuinfo"))),
            kernel: named(Some(read("/proc/sys/kernel/osrelease").trim())),
            file_system: named(file_system(&read("/proc/self/mounts"), &env::temp_dir())),
            load: named(read("/proc/loadavg").split(' ').next()),
        }
    }
}

fn model(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(": ").map(|(_, model)| model.trim())
}

/// The kind of the innermost mount that holds `folder`; of several on one place, the last.
fn file_system<'a>(mounts: &'a str, folder: &Path) -> Option<&'a str> {
    let each = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    });
    let holding = each.filter(|(place, _)| folder.starts_with(place));
    let innermost = holding.max_by_key(|(place, _)| place.len());
    innermost.map(|(_, kind)| kind)
}

fn named(text: Option<&str>) -> String {
    text.filter(|text| !text.is_empty()).unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_the_first_one_named() {
        let text = "processor\t: 0\nmodel name\t: A 1 @ 2GHz\nmodel name\t: B\n";
        assert_eq!(model(text), Some("A 1 @ 2GHz"));
        assert_eq!(named(model("")), "unknown");
    }

    #[test]
    fn the_innermost_mount_holds_a_folder() {
        let mounts = "x /tmp/deep zfs rw 0 0\n/dev/a / ext4 rw 0 0\ntmpfs /tm tmpfs rw 0 0\n\
                      /dev/b /tmp btrfs rw 0 0\n/dev/c /tmp xfs rw 0 0\n";
        assert_eq!(file_system(mounts, Path::new("/tmp")), Some("xfs"));
        assert_eq!(file_system(mounts, Path::new("/var/tmp")), Some("ext4"));
        assert_eq!(file_system(mounts, Path::new("/tmp/deep/x")), Some("zfs"));
        assert_eq!(file_system("", Path::new("/tmp")), None);
    }

    #[test]
    fn this_machine_has_a_kernel_and_a_core() {
        let machine = Machine::here();
        assert!(machine.cores > 0);
        for text in [machine.kernel, machine.file_system, machine.load] {
            assert_ne!(text, "unknown");
        }
    }
}
