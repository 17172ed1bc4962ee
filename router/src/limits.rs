//! The router's own limits, each with its reason. Those of the protocol are in `wire::limits`.

use std::time::Duration;

use wire::limits;

/// Points of one server on the ring: shares then differ by about one part in √512, or 4.4 %.
pub const POINTS_PER_SERVER: u32 = 512;
/// The cap of a server's sessions, in percent of the average, unless set.
pub const PERCENT_DEFAULT: u32 = 125;
/// Smallest cap in percent: below 100 not everyone would find a seat under a cap.
pub const PERCENT_MIN: u32 = 100;
/// Largest cap in percent: ten times the average is no bound worth computing.
pub const PERCENT_MAX: u32 = 1_000;

/// Questions that wait for the servers' first reports, one per client; as many clients as may be
/// connected and not signed in.
pub const WAITING_MAX: usize = 4_096;
/// A client that says nothing for this long is closed.
pub const CLIENT_IDLE_MAX: Duration = Duration::from_secs(10);
/// Reservations that are neither redeemed nor lapsed: about 25 MiB.
pub const RESERVATIONS_MAX: usize = 131_072;
/// Reservations of one address that are neither redeemed nor lapsed: a stranger's reservations
/// must not fill every seat (loopback exempt under `--local`).
pub const RESERVATIONS_PER_ADDRESS_MAX: u32 = 256;
/// A server's connection that is silent for this long is closed, so that the server dials anew.
pub const LINK_SILENCE_MAX: Duration = Duration::from_secs(10);
/// After its start the router places nothing for this long, unless every server has reported.
/// Servers that have missed it dial within this, so that it knows all sessions.
pub const START_TIME_MAX: Duration = Duration::from_secs(3);

const _: () = assert!(PERCENT_MIN <= PERCENT_DEFAULT && PERCENT_DEFAULT <= PERCENT_MAX);
const _: () = assert!(CLIENT_IDLE_MAX.as_millis() > START_TIME_MAX.as_millis());
const _: () = assert!(START_TIME_MAX.as_millis() > limits::REDIAL_MAX.as_millis());
const _: () = assert!(LINK_SILENCE_MAX.as_millis() > limits::REPORT_SILENCE_MAX.as_millis());
