//! Our own clock types: std's cannot be built in a simulation. Only shells read a clock.

use std::ops::Add;
use std::time::Duration;

use bytes::{BufMut, BytesMut};

use crate::field::Field;
use crate::reader::{DecodeError, Reader};

/// Monotonic nanoseconds since the process (or the simulation) began. Never crosses a socket.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Instant(pub u64);

impl Instant {
    /// Later than any other: 584 years from the start.
    pub const NEVER: Self = Self(u64::MAX);

    /// Time passed since `earlier`; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// Milliseconds since 1970-01-01 UTC, as one machine's clock says. For people, never for order.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Wall(pub u64);

impl Field for Wall {
    fn put(&self, out: &mut BytesMut) {
        out.put_u64(self.0);
    }

    fn get(reader: &mut Reader, field: &'static str) -> Result<Self, DecodeError> {
        reader.u64(field).map(Self)
    }
}
