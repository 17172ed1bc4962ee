//! What the router counts. One thread owns it.

/// Counters since the process began.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Metrics {
    /// Connections opened, of clients and servers.
    pub conns_opened: u64,
    /// Connections closed, by either side.
    pub conns_closed: u64,
    /// Faults sent.
    pub faults: u64,
    /// Load reports that hold.
    pub reports: u64,
    /// Load reports that were not newer than the last.
    pub reports_stale: u64,
    /// Times a server fell silent.
    pub silences: u64,
    /// Sessions placed on their home.
    pub placed_home: u64,
    /// Sessions placed elsewhere: the home was at its cap or not there, or the strategy looks at
    /// no home.
    pub placed_overflow: u64,
    /// Questions that waited for the servers' first reports.
    pub waited: u64,
    /// Questions answered `unavailable`.
    pub unavailable: u64,
    /// Questions answered `rate-limited`.
    pub rate_limited: u64,
}
