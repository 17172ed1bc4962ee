//! What a peer's server has used: all its processes, all their threads.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use crate::usage::{Reading, Usage, UsageError};

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
        Self::read(root, &descendants(root, &parents()))
    }

    fn read(root: u32, ids: &BTreeSet<u32>) -> Result<Self, UsageError> {
        let threads = ids.iter().flat_map(|id| threads_of(*id)).collect();
        let mut reading = Vec::new();
        for id in ids {
            match Usage::of(*id) {
                Ok(usage) => reading.push(((id.to_string(), *id), usage)),
                Err(error) if *id == root => return Err(error),
                // A helper ends while it is looked at.
                Err(_) => {}
            }
        }
        Ok(Self { reading: Reading(reading), threads })
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
    fn a_helper_that_has_ended_is_passed_over_and_the_root_is_missed() {
        let own = std::process::id();
        let mut helper = std::process::Command::new("true").spawn().expect("a helper");
        let (gone, _) = (helper.id(), helper.wait().expect("it ends"));
        let tree = Tree::read(own, &BTreeSet::from([own, gone])).expect("the root runs");
        assert_eq!(tree.reading.0.len(), 1);
        assert!(Tree::read(gone, &BTreeSet::from([own, gone])).is_err());
    }

    #[test]
    fn this_process_has_used_something() {
        let own = std::process::id();
        let tree = Tree::of(own).expect("this process runs");
        assert!(tree.rss_kib() > 100);
        assert!(processes(own).contains(&own));
    }
}
