//! What the router counts. One thread owns it.

use operate::metrics;

metrics! {
    /// Counters since the process began.
    pub struct Metrics {
        /// Connections opened, of clients and servers.
        conns_opened: Counter,
        /// Connections closed, by either side.
        conns_closed: Counter,
        /// Faults sent.
        faults: Counter,
        /// Load reports that hold.
        reports: Counter,
        /// Load reports that were not newer than the last.
        reports_stale: Counter,
        /// Servers that were turned away because a later process of theirs was heard.
        superseded: Counter,
        /// Times a server fell silent.
        silences: Counter,
        /// Sessions placed on their home.
        placed_home: Counter,
        /// Sessions placed elsewhere: the home was at its cap or not there, or the strategy looks
        /// at no home.
        placed_overflow: Counter,
        /// Clients that were told which servers there are.
        lists: Counter,
        /// Questions that waited for the servers' first reports.
        waited: Counter,
        /// Questions answered `unavailable`.
        unavailable: Counter,
        /// Questions answered `rate-limited`.
        rate_limited: Counter,
    }
}

metrics! {
    /// What there is now.
    pub struct Gauges {
        /// Connections of clients and servers.
        conns: Gauge,
        /// Clients that wait for the servers' first reports.
        waiting: Gauge,
        /// Servers of the map.
        servers: Gauge,
        /// Version of the slot map in force.
        map_version: Gauge,
        /// Servers that are placed on: heard, and open to new sessions.
        placeable: Gauge,
        /// Sessions that those servers report.
        sessions: Gauge,
        /// Reservations that are held.
        reservations: Gauge,
    }
}
