//! What a peer's server has used: all its processes, all their threads.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use crate::usage::{Reading, UsageError};

/// What a tree of processes has used until now.
///
/// CPU time is read in two ways. `/proc/PID/task/TID/schedstat` has the nanoseconds that each
/// living thread has run; when a thread ends, its line ends with it. `/proc/PID/stat` includes
/// threads that have ended, in steps of 10 ms for each process. A difference of two readings is
/// taken from the first when the same threads live at both ends, and else from the second.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    reading: Reading,
    /// Nanoseconds of each living thread.
    threads: BTreeMap<u32, u64>,
}

impl Tree {
    /// What the process `root` and all that descend from it have used.
    ///
    /// # Errors
    /// [`UsageError`] when the root is gone.
    pub fn of(root: u32) -> Result<Self, UsageError> {
        let ids = descendants(root, &parents());
        let mut threads = BTreeMap::new();
        for id in &ids {
            threads.extend(threads_of(*id));
        }
        let each = ids.into_iter().map(|id| (id.to_string(), id));
        // A helper may have ended since it was listed.
        let alive = each.filter(|(_, id)| *id == root || fs::exists(proc_of(*id)).unwrap_or(false));
        Ok(Self { reading: Reading::of(alive.collect())?, threads })
    }

    /// CPU time since `before`.
    #[must_use]
    pub fn cpu_since(&self, before: &Self) -> Duration {
        let mut exact = 0;
        for (thread, nanos) in &before.threads {
            let Some(now) = self.threads.get(thread) else {
                return self.coarse_since(before);
            };
            exact += now.saturating_sub(*nanos);
        }
        let new = self.threads.iter().filter(|(thread, _)| !before.threads.contains_key(thread));
        Duration::from_nanos(exact + new.map(|(_, nanos)| nanos).sum::<u64>())
    }

    /// Resident memory of all, in KiB.
    #[must_use]
    pub fn rss_kib(&self) -> u64 {
        self.reading.rss_kib()
    }

    fn coarse_since(&self, before: &Self) -> Duration {
        let total =
            |tree: &Self| -> Duration { tree.reading.0.iter().map(|(_, usage)| usage.cpu).sum() };
        total(self).saturating_sub(total(before))
    }
}

/// The process `root` and all that descend from it.
#[must_use]
pub fn processes(root: u32) -> BTreeSet<u32> {
    descendants(root, &parents())
}

fn proc_of(id: u32) -> String {
    format!("/proc/{id}")
}

/// Each process with its parent.
fn parents() -> Vec<(u32, u32)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter_map(|id: u32| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        Some((id, parent(&stat)?))
    })
    .collect()
}

/// The fourth field; the second, in parentheses, may hold anything.
fn parent(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok()
}

fn descendants(root: u32, parents: &[(u32, u32)]) -> BTreeSet<u32> {
    let mut found = BTreeSet::from([root]);
    loop {
        let known = found.len();
        let children = parents.iter().filter(|(_, parent)| found.contains(parent));
        let children: Vec<u32> = children.map(|(child, _)| *child).collect();
        found.extend(children);
        if found.len() == known {
            return found;
        }
    }
}

fn threads_of(process: u32) -> Vec<(u32, u64)> {
    let entries = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let each = entries.filter_map(|entry| {
        let thread = entry.file_name().to_str()?.parse().ok()?;
        let text = fs::read_to_string(entry.path().join("schedstat")).ok()?;
        Some((thread, text.split(' ').next()?.parse().ok()?))
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descendants_are_found_in_any_order() {
        let parents = [(9, 4), (4, 2), (2, 1), (3, 1), (5, 3), (1, 0)];
        assert_eq!(descendants(2, &parents), BTreeSet::from([2, 4, 9]));
        assert_eq!(descendants(7, &parents), BTreeSet::from([7]));
    }

    #[test]
    fn the_parent_is_found_behind_any_program_name() {
        assert_eq!(parent("42 (a ) b) S 17 42 42"), Some(17));
        assert_eq!(parent("42 (x"), None);
    }

    #[test]
    fn threads_that_live_are_counted_exactly() {
        let of = |threads: &[(u32, u64)]| Tree {
            threads: threads.iter().copied().collect(),
            ..Tree::default()
        };
        let spent = of(&[(1, 50), (2, 9)]).cpu_since(&of(&[(1, 20)]));
        assert_eq!(spent, Duration::from_nanos(39));
        assert_eq!(of(&[(2, 9)]).cpu_since(&of(&[(1, 20)])), Duration::ZERO);
    }

    #[test]
    fn this_process_has_used_something() {
        let own = std::process::id();
        let tree = Tree::of(own).expect("this process runs");
        assert!(tree.rss_kib() > 100);
        assert!(processes(own).contains(&own));
    }
}
