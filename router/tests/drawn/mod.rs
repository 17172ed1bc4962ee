//! What the properties of placement are drawn from.

use proptest::prelude::prop;
use proptest::strategy::Strategy;
use router::core::ring::Seats;
use wire::ServerId;

/// What some servers have said of their seats, each once.
pub(crate) fn seats() -> impl Strategy<Value = Vec<Seats>> {
    let seat = (1u16..40, 0u32..50, 0u32..60);
    prop::collection::vec(seat, 0..20).prop_map(|seats| {
        let seat = |(server, taken, max)| Seats { server: ServerId(server), taken, max };
        let mut seats: Vec<Seats> = seats.into_iter().map(seat).collect();
        seats.sort_by_key(|seat| seat.server);
        seats.dedup_by_key(|seat| seat.server);
        seats
    })
}
