//! The options of one world, drawn from its seed, so that each seed tries another corner.

use std::fmt;
use std::time::Duration;

use router::core::strategy::{Placing, Strategy};

use super::dice::Dice;
use super::fault::FaultKind;

/// Everything that is decided before a world begins.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Servers of the cluster: 1 to 5.
    pub servers: u16,
    /// Routers: 1 or 2.
    pub routers: usize,
    /// Accounts.
    pub users: usize,
    /// Installations: one for each account, then second ones.
    pub installations: usize,
    /// Groups that people talk about.
    pub groups: usize,
    /// People write to accounts that are not made yet, and to groups that they are not in.
    pub has_strangers: bool,
    /// The bounds of logs are so small that they are reached.
    pub is_tiny: bool,
    /// Sessions that may sit on one server.
    pub sessions_max: u32,
    /// How routers choose seats, and a server's cap in percent of the average.
    pub placing: Placing,
    /// Posts per second are not limited.
    pub is_unmetered: bool,
    /// RSA is computed, not imitated: see `work`.
    pub is_real_crypto: bool,
    /// How long there are faults.
    pub safety: Duration,
    /// The longest pause of a person between two things.
    pub pause: Duration,
    /// One way over a link.
    pub delay: (Duration, Duration),
    /// Bytes that a connection carries before its reader takes them.
    pub window: usize,
    /// How often bytes arrive in pieces, in thousandths.
    pub splits: u32,
    /// How often a dial fails for no reason, in thousandths.
    pub dial_failures: u32,
    /// How long a commit takes.
    pub commit: (Duration, Duration),
    /// How long a read takes.
    pub read: (Duration, Duration),
    /// The longest pause between two faults.
    pub calm: Duration,
    /// The faults of this world.
    pub faults: Vec<FaultKind>,
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl Plan {
    /// Draws the options.
    #[must_use]
    pub fn draw(dice: &mut Dice) -> Self {
        let users = dice.pick(&[2, 2, 3, 3, 4, 5]);
        let delay = dice.pick(&[ms(1), ms(5), ms(40), ms(300)]);
        let commit = dice.pick(&[ms(1), ms(5), ms(30), ms(400)]);
        let read = dice.pick(&[ms(1), ms(5), ms(200)]);
        let servers = dice.pick(&[1, 2, 2, 3, 3, 4, 5]);
        let installations = users + dice.index(3);
        let enough = u32::try_from(installations.div_ceil(usize::from(servers))).expect("few");
        let faults: Vec<FaultKind> =
            FaultKind::ALL.iter().copied().filter(is_drawn).filter(|_| dice.chance(600)).collect();
        Self {
            servers,
            routers: dice.pick(&[1, 1, 2]),
            users,
            installations,
            groups: dice.index(3),
            has_strangers: dice.chance(500),
            is_tiny: dice.chance(300),
            sessions_max: dice.pick(&[2, 5, 1000, 1000]).max(enough),
            placing: draw_placing(dice),
            is_unmetered: dice.chance(500),
            is_real_crypto: dice.chance(4),
            safety: Duration::from_secs(dice.between(10, 50)),
            pause: dice.pick(&[ms(200), ms(1000), ms(3000)]),
            delay: (delay / 10, delay),
            window: dice.pick(&[2 * 1024, 16 * 1024, 256 * 1024, 256 * 1024]),
            splits: dice.pick(&[0, 20, 200, 700]),
            dial_failures: dice.pick(&[0, 0, 50, 300]),
            commit: (commit / 20, commit),
            read: (read / 20, read),
            calm: dice.pick(&[ms(500), ms(2000), ms(8000)]),
            faults,
        }
    }
}

/// Maps change, or do not, by dice of their own.
fn is_drawn(kind: &FaultKind) -> bool {
    !matches!(kind, FaultKind::MapChanged | FaultKind::SlotMoved)
}

/// Half of the worlds use the strategy that routers use unless told otherwise.
fn draw_placing(dice: &mut Dice) -> Placing {
    let percent = dice.pick(&[100, 125, 125, 200]);
    let others = [Strategy::RoundRobin, Strategy::Random, Strategy::LeastConnections];
    let strategy = if dice.chance(500) { dice.pick(&others) } else { Strategy::BoundedHash };
    Placing { strategy, percent }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
