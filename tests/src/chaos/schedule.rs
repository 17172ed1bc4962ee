//! What goes wrong and when, decided by a seed alone.

use std::time::Duration;

use wire::ServerId;

use super::proxy::{Blow, Place, Ways};
use crate::sim::dice::Dice;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Between two kills.
const KILL_GAP: (Duration, Duration) = (ms(300), ms(1700));
/// Between two blows of the network.
const BLOW_GAP: (Duration, Duration) = (ms(100), ms(1200));
/// How long a killed process is away.
const AWAY: (Duration, Duration) = (ms(20), ms(1200));
/// How much later bytes come.
const DELAY: (Duration, Duration) = (ms(2), ms(250));
/// How long a blow lasts.
const LASTING: (Duration, Duration) = (ms(200), ms(2500));
/// How long the longest blackholes last: beyond the silence that ends a link.
const LASTING_LONG: (Duration, Duration) = (ms(6000), ms(9000));
/// Whom the kills hit, in turn; which one of them is chance.
const VICTIMS: [Kind; 10] = [
    Kind::Server,
    Kind::Child,
    Kind::Reader,
    Kind::Server,
    Kind::Router,
    Kind::Child,
    Kind::Server,
    Kind::Writer,
    Kind::Child,
    Kind::Server,
];

/// What is killed.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Target {
    /// The router.
    Router,
    /// A server.
    Server(ServerId),
    /// A client under load.
    Child(usize),
    /// A person's `fastchat recv`.
    Reader(usize),
    /// A person's `fastchat send`.
    Writer(usize),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Server,
    Router,
    Child,
    Reader,
    Writer,
}

/// Who is there to be struck.
#[derive(Clone, Copy, Debug)]
pub struct Cast {
    /// Servers.
    pub servers: u16,
    /// Clients under load.
    pub children: usize,
    /// People with programs of their own.
    pub people: usize,
}

/// A kill.
#[derive(Clone, Copy, Debug)]
pub struct Kill {
    /// After the kill before.
    pub after: Duration,
    /// What dies.
    pub target: Target,
    /// How long it is away.
    pub away: Duration,
}

/// A blow of the network.
#[derive(Clone, Copy, Debug)]
pub struct Gust {
    /// After the blow before.
    pub after: Duration,
    /// Where.
    pub place: Place,
    /// One connection there, or all.
    pub which: Option<u64>,
    /// What happens to it.
    pub blow: Blow,
}

/// Draws kills and blows, each from dice of their own: how long the one takes moves nothing in the
/// other.
#[derive(Debug)]
pub struct Schedule {
    cast: Cast,
    kills: Dice,
    gusts: Dice,
    killed: usize,
}

impl Schedule {
    /// The schedule of a seed.
    #[must_use]
    pub fn new(seed: u64, cast: Cast) -> Self {
        let mut dice = Dice::new(seed);
        let (kills, gusts) = (Dice::new(dice.below(u64::MAX)), Dice::new(dice.below(u64::MAX)));
        Self { cast, kills, gusts, killed: 0 }
    }

    /// The next kill.
    pub fn kill(&mut self) -> Kill {
        let dice = &mut self.kills;
        let after = dice.time(KILL_GAP.0, KILL_GAP.1);
        let target = match VICTIMS[self.killed % VICTIMS.len()] {
            Kind::Server => Target::Server(server(dice, self.cast.servers)),
            Kind::Router => Target::Router,
            Kind::Child => Target::Child(dice.index(self.cast.children)),
            Kind::Reader => Target::Reader(dice.index(self.cast.people)),
            Kind::Writer => Target::Writer(dice.index(self.cast.people)),
        };
        self.killed += 1;
        Kill { after, target, away: dice.time(AWAY.0, AWAY.1) }
    }

    /// The next blow.
    pub fn gust(&mut self) -> Gust {
        let dice = &mut self.gusts;
        let after = dice.time(BLOW_GAP.0, BLOW_GAP.1);
        let place = match dice.below(8) {
            0..=3 => Place::Clients(server(dice, self.cast.servers)),
            4..=5 => Place::Peers(server(dice, self.cast.servers)),
            6 => Place::RouterForClients,
            _ => Place::RouterForServers,
        };
        // Most of what breaks is one connection; sometimes it is a whole network.
        let which = if dice.chance(850) { Some(dice.below(1 << 32)) } else { None };
        Gust { after, place, which, blow: blow(dice) }
    }
}

fn server(dice: &mut Dice, servers: u16) -> ServerId {
    let index = u16::try_from(dice.below(u64::from(servers))).expect("below a number of servers");
    ServerId(1 + index)
}

fn blow(dice: &mut Dice) -> Blow {
    let lasting = if dice.chance(40) { LASTING_LONG } else { LASTING };
    let lasting = dice.time(lasting.0, lasting.1);
    match dice.below(4) {
        0 | 1 => Blow::Cut,
        2 => Blow::Delay { by: dice.time(DELAY.0, DELAY.1), lasting },
        _ => {
            let ways = dice.pick(&[Ways::There, Ways::Back, Ways::Both]);
            Blow::Blackhole { ways, lasting, is_swallowed: dice.chance(500) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Cast, Schedule};

    #[test]
    fn a_seed_decides_the_schedule() {
        let cast = Cast { servers: 3, children: 12, people: 3 };
        let draw = |seed| {
            let mut schedule = Schedule::new(seed, cast);
            let kills: Vec<_> = (0..50).map(|_| format!("{:?}", schedule.kill())).collect();
            let gusts: Vec<_> = (0..50).map(|_| format!("{:?}", schedule.gust())).collect();
            (kills, gusts)
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }
}
