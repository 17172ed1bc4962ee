//! What processes have used, from `/proc`: CPU time of all threads, and resident memory.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use thiserror::Error;

/// How far the two ways of counting may be apart when no thread has ended: two steps of ticks.
const STEPS_MAX: Duration = Duration::from_millis(20);

/// A process by its name in the cluster and its id.
pub type Process = (String, u32);

/// What one process has used.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// User and system time of all its threads, those that ended included; in steps of 10 ms.
    pub cpu: Duration,
    /// Time on a processor of the threads that live, to the nanosecond.
    pub threads_cpu: Duration,
    /// Resident memory in KiB.
    pub rss_kib: u64,
}

/// What a cluster's processes have used.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reading(pub Vec<(Process, Usage)>);

/// Why there are no figures.
#[derive(Debug, Error)]
pub enum UsageError {
    /// The file cannot be read: the process is gone.
    #[error("{path}: {error}")]
    Unreadable {
        /// Which file.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// The file does not look as `proc(5)` says.
    #[error("{0} does not look as expected")]
    Unexpected(String),
}

impl Usage {
    /// What the process `pid` has used until now.
    ///
    /// # Errors
    /// [`UsageError`] names the file.
    pub fn of(pid: u32) -> Result<Self, UsageError> {
        let ticks = with(&format!("/proc/{pid}/stat"), cpu_ticks)?;
        let rss_kib = with(&format!("/proc/{pid}/status"), rss_kib)?;
        let per_second = rustix::param::clock_ticks_per_second();
        let nanos = u128::from(ticks) * 1_000_000_000 / u128::from(per_second);
        let cpu = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        Ok(Self { cpu, threads_cpu: threads_cpu(pid)?, rss_kib })
    }

    /// CPU time since `before`, which is of the same process: that of its threads, unless some
    /// have ended meanwhile and taken theirs along.
    #[must_use]
    pub fn cpu_since(&self, before: &Self) -> Duration {
        let exact = self.threads_cpu.saturating_sub(before.threads_cpu);
        let ticks = self.cpu.saturating_sub(before.cpu);
        if exact + STEPS_MAX < ticks { ticks } else { exact }
    }
}

impl Reading {
    /// What these processes have used until now.
    ///
    /// # Errors
    /// [`UsageError`] names the file.
    pub fn of(processes: Vec<Process>) -> Result<Self, UsageError> {
        let each = processes.into_iter().map(|process| {
            let usage = Usage::of(process.1)?;
            Ok((process, usage))
        });
        each.collect::<Result<_, _>>().map(Self)
    }

    /// CPU time since `before`; `None` when the processes are not the same.
    #[must_use]
    pub fn cpu_since(&self, before: &Self) -> Option<Duration> {
        let same = self.processes().eq(before.processes());
        let each = self.0.iter().zip(&before.0);
        same.then(|| each.map(|((_, now), (_, before))| now.cpu_since(before)).sum())
    }

    /// Resident memory of all, in KiB.
    #[must_use]
    pub fn rss_kib(&self) -> u64 {
        self.0.iter().map(|(_, usage)| usage.rss_kib).sum()
    }

    fn processes(&self) -> impl Iterator<Item = &Process> {
        self.0.iter().map(|(process, _)| process)
    }
}

/// What the threads of a process that live have used on processors: `/proc/PID/task/*/schedstat`.
///
/// # Errors
/// [`UsageError`] names the file.
pub fn threads_cpu(pid: u32) -> Result<Duration, UsageError> {
    let path = format!("/proc/{pid}/task");
    let unreadable = |error| UsageError::Unreadable { path: path.clone(), error };
    let mut nanos: u64 = 0;
    for task in fs::read_dir(&path).map_err(unreadable)? {
        nanos += of_task(&task.map_err(unreadable)?.path())?;
    }
    Ok(Duration::from_nanos(nanos))
}

fn of_task(task: &Path) -> Result<u64, UsageError> {
    let path = task.join("schedstat");
    let name = path.display().to_string();
    match fs::read_to_string(&path) {
        Ok(text) => on_cpu(&text).ok_or(UsageError::Unexpected(name)),
        // The thread has ended since it was listed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(UsageError::Unreadable { path: name, error }),
    }
}

/// The first of three numbers: nanoseconds on a processor.
fn on_cpu(schedstat: &str) -> Option<u64> {
    schedstat.split_ascii_whitespace().next()?.parse().ok()
}

fn with(path: &str, parse: fn(&str) -> Option<u64>) -> Result<u64, UsageError> {
    let text = fs::read_to_string(path)
        .map_err(|error| UsageError::Unreadable { path: path.to_owned(), error })?;
    parse(&text).ok_or_else(|| UsageError::Unexpected(path.to_owned()))
}

/// `utime` + `stime` of `/proc/PID/stat`, in clock ticks. The program's name, in parentheses, may
/// hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut times = rest.split(' ').skip(11).map(str::parse::<u64>);
    let (user, system) = (times.next()?.ok()?, times.next()?.ok()?);
    user.checked_add(system)
}

/// `VmRSS` of `/proc/PID/status`.
fn rss_kib(status: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(pid: u32, millis: u64, rss_kib: u64) -> Reading {
        let cpu = Duration::from_millis(millis);
        let usage = Usage { cpu, threads_cpu: cpu, rss_kib };
        Reading(vec![(("server-1".to_owned(), pid), usage)])
    }

    #[test]
    fn cpu_time_is_found_behind_any_program_name() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194560 100 0 0 0 17 25 0 0 20 0 4 0 1 2 3";
        assert_eq!(cpu_ticks(stat), Some(42));
        assert_eq!(cpu_ticks("42 (x) S 1"), None);
        assert_eq!(cpu_ticks(""), None);
    }

    #[test]
    fn threads_are_counted_to_the_nanosecond_unless_some_have_ended() {
        let usage = |millis, nanos| Usage {
            cpu: Duration::from_millis(millis),
            threads_cpu: Duration::from_nanos(nanos),
            rss_kib: 0,
        };
        let spent = usage(110, 1_015_500_001).cpu_since(&usage(100, 1_000_000_000));
        assert_eq!(spent, Duration::from_nanos(15_500_001));
        let ended = usage(400, 7).cpu_since(&usage(100, 1_000_000_000));
        assert_eq!(ended, Duration::from_millis(300));
        assert_eq!(on_cpu("123456789 42 7\n"), Some(123_456_789));
        assert_eq!(on_cpu(""), None);
    }

    #[test]
    fn this_process_uses_more_and_more() {
        let own = || threads_cpu(std::process::id()).expect("this process runs");
        let before = own();
        let mut sum = 0_u64;
        while own() == before {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(own() > before);
    }

    #[test]
    fn resident_memory_is_found() {
        let status = "Name:\tx\nVmHWM:\t  9 kB\nVmRSS:\t  1234 kB\nThreads:\t3\n";
        assert_eq!(rss_kib(status), Some(1234));
        assert_eq!(rss_kib("Name:\tx\n"), None);
    }

    #[test]
    fn this_process_has_used_something() {
        let usage = Usage::of(std::process::id()).expect("this process runs");
        assert!(usage.rss_kib > 100, "{usage:?}");
    }

    #[test]
    fn a_difference_is_only_of_the_same_processes() {
        let before = reading(7, 100, 5);
        let spent = reading(7, 350, 6).cpu_since(&before);
        assert_eq!(spent, Some(Duration::from_millis(250)));
        assert_eq!(reading(8, 350, 6).cpu_since(&before), None);
        assert_eq!(reading(7, 350, 6).rss_kib(), 6);
    }
}
