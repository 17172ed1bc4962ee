//! The pure core: `handle(now, wall, event, out)` and `deadline()`. No clock, socket, file, thread or
//! ambient randomness is named here; the simulator runs this very code.

pub mod event;
pub mod log;
