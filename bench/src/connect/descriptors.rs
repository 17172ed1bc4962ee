//! Each connection is an open file, in a server as here.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Open files that this process, and those that it starts, need for so many connections: a server
/// takes connections for three quarters of its files, see `wire::net`.
#[must_use]
pub fn needed(users: u32) -> u64 {
    let users = u64::from(users) + 1_000;
    users + users.div_ceil(3)
}

/// Sees to it that there may be so many, where this process may raise its own bound.
///
/// # Errors
/// How many there may be.
pub fn allow(needed: u64) -> Result<(), u64> {
    let held = getrlimit(Resource::Nofile);
    let Some(most) = held.maximum.filter(|most| *most < needed) else {
        return Ok(());
    };
    let wanted = Rlimit { current: Some(needed), maximum: Some(needed) };
    setrlimit(Resource::Nofile, wanted).map_err(|_| most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_is_left_for_other_files() {
        for users in [1, 10_000, 100_000] {
            let limit = needed(users);
            assert!(limit - limit / 4 >= u64::from(users), "{users}");
        }
    }

    #[test]
    fn what_there_may_be_already_needs_nothing() {
        assert_eq!(allow(1), Ok(()));
    }
}
