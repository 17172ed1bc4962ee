//! Connections that cannot be: between servers, and with the router.

use wire::ServerId;

use super::{Arrival, End, World};

impl World {
    /// The link between two servers is cut, and cannot come back.
    pub(crate) fn cut(&mut self, a: u16, b: u16) {
        let (low, high) = (ServerId(a.min(b)), ServerId(a.max(b)));
        self.cut.insert((low, high));
        let between = |from: &End, to: &End| match (from, to) {
            (End::Server(from, _), End::Server(to, _)) => (*from, *to) == (low, high),
            _ => false,
        };
        let ends = self.pairs.iter().filter(|(from, to)| between(from, to));
        let ends: Vec<End> = ends.map(|(from, _)| *from).collect();
        for end in ends {
            let other = self.pairs[&end];
            self.part(end);
            self.arrivals.push_back(Arrival::Closed(end));
            assert!(matches!(other, End::Server(..)));
        }
        self.pump();
    }

    /// The router dies, and does not come back.
    pub(crate) fn lose_router(&mut self) {
        self.has_router = false;
        let is_router = |end: &&End| matches!(end, End::Router(_));
        let ends: Vec<End> = self.pairs.keys().filter(is_router).copied().collect();
        for end in ends {
            self.part(end);
        }
        self.reports.clear();
        self.pump();
    }

    /// The servers can reach each other again.
    pub(crate) fn heal(&mut self, a: u16, b: u16) {
        self.cut.remove(&(ServerId(a.min(b)), ServerId(a.max(b))));
    }
}
