//! Whether a program takes new work, and why not.

/// What `/readyz` says. A shell computes it at the end of each turn, so that whatever begins a
/// drain or a stop has only to be visible there.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Readiness {
    /// Files are read, the store is opened, or a router waits for its servers' first reports.
    #[default]
    Starting,
    /// A server that no router places sessions on, because none hears its reports.
    NoRouter,
    /// A router that can place nobody: no server reports, or all are closed to new sessions.
    NoServer,
    /// New sessions are refused and those that are there are sent elsewhere.
    Draining,
    /// The process ends soon.
    Stopping,
    /// New sessions are taken.
    Ready,
}

impl Readiness {
    /// In a few words, for people and scripts.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::NoRouter => "no router reached",
            Self::NoServer => "no server to place on",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
            Self::Ready => "ready",
        }
    }
}
