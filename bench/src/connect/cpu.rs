//! CPU time of processes to the nanosecond, from `/proc/PID/task/*/schedstat`: what threads that
//! live have used. The ticks of `/proc/PID/stat` would be 10 ms each.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::usage::UsageError;

/// What the threads of the process `pid` have used until now.
///
/// # Errors
/// [`UsageError`] names the file.
pub fn of(pid: u32) -> Result<Duration, UsageError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_counts() {
        assert_eq!(on_cpu("123456789 42 7\n"), Some(123_456_789));
        assert_eq!(on_cpu(""), None);
    }

    #[test]
    fn this_process_uses_more_and_more() {
        let own = || of(std::process::id()).expect("this process runs");
        let before = own();
        let mut sum = 0_u64;
        while own() == before {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(own() > before);
    }
}
