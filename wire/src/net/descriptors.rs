//! How many files and sockets this process may hold open. A crowd of connections must not take the
//! descriptors that a store needs for its files.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the process's soft limit to its hard one. Returns how many of the descriptors may be
/// sockets: three of four.
pub(super) fn raise() -> usize {
    let held = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: held.maximum, maximum: held.maximum };
    let limit = match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => held.maximum,
        Err(_) => held.current,
    };
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    limit - limit / 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_raised_and_a_quarter_kept() {
        let sockets_max = raise();
        let held = getrlimit(Resource::Nofile);
        assert_eq!(held.current, held.maximum);
        assert!(sockets_max > 0);
        let limit = held.current.and_then(|limit| usize::try_from(limit).ok());
        assert!(limit.is_none_or(|limit| sockets_max < limit));
    }
}
