//! The faults of a world: which kinds there are, and how often each has happened.

use std::fmt;

macro_rules! faults {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        /// A kind of fault.
        #[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
        pub enum FaultKind {
            $($(#[$doc])* $kind,)*
        }

        impl FaultKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// Its name in tables.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }
    };
}

faults! {
    /// A connection breaks; each side hears of it in its own time, perhaps after a new one stands.
    BrokenConnection = "connection broken",
    /// Two hosts do not hear each other for a while.
    Cut = "cut, both ways",
    /// One host does not hear another, which hears it.
    CutOneWay = "cut, one way",
    /// A host is alone.
    Isolated = "host cut off from all",
    /// A dial comes to nothing.
    DialFailed = "dial failed",
    /// Bytes arrive in pieces.
    Split = "bytes split",
    /// A server is killed.
    ServerKilled = "server killed",
    /// A server is killed between two effects of one event.
    ServerKilledMidway = "server killed between effects",
    /// A server's machine loses its power: nobody is told.
    ServerDark = "server's machine dark",
    /// A server is asked to stop.
    ServerStopped = "server stopped",
    /// A router is killed.
    RouterKilled = "router killed",
    /// A client is killed.
    ClientKilled = "client killed",
    /// A client is killed between two effects of one event.
    ClientKilledMidway = "client killed between effects",
    /// A client's machine loses its power, or its network for good.
    ClientDark = "client's machine dark",
    /// A process rests for less than a lease.
    Paused = "process paused",
    /// A process rests for longer than a lease.
    PausedLong = "process paused beyond its lease",
    /// A wall clock is set anew.
    ClockSet = "wall clock set",
    /// A disk takes long for one operation.
    DiskStalled = "disk stalled",
    /// A disk is slow for a while.
    DiskSlow = "disk slow",
    /// A sync fails; the batch may be on the disk or not.
    SyncFailed = "sync failed",
    /// A read fails.
    ReadFailed = "read failed",
    /// A disk has no room for a while.
    DiskFull = "disk full",
    /// A store's folder is put back from a copy before its server starts: it must not serve.
    RolledBack = "store rolled back",
    /// A store's folder is empty when its server starts: it must not serve.
    Emptied = "store emptied",
    /// A store's watermark is gone when its server starts: it must not serve.
    WatermarkLost = "watermark lost",
    /// What was being synced when the process died is not on the disk.
    TailLost = "unsynced tail lost",
    /// What was being synced when the process died is on the disk.
    TailKept = "unsynced tail kept",
    /// Slots get other homes. Worlds draw this by themselves.
    MapChanged = "map changed",
    /// A slot has moved.
    SlotMoved = "slot moved",
}

/// How often each kind has happened.
#[derive(Clone, Debug)]
pub struct Tally([u64; FaultKind::ALL.len()]);

impl Tally {
    /// Nothing has.
    #[must_use]
    pub fn new() -> Self {
        Self([0; FaultKind::ALL.len()])
    }

    /// A fault has happened.
    pub fn count(&mut self, kind: FaultKind) {
        let index = FaultKind::ALL.iter().position(|other| *other == kind);
        self.0[index.expect("ALL has every kind")] += 1;
    }

    /// Adds those of another world.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }

    /// How many in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, count) in FaultKind::ALL.iter().zip(self.0) {
            writeln!(f, "{:<34}{count:>10}", kind.name())?;
        }
        Ok(())
    }
}
