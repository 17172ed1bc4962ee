//! The only source of chance in a world.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A seeded generator, and the few ways in which a world draws from it.
#[derive(Debug)]
pub struct Dice(StdRng);

impl Dice {
    /// The dice of one seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "nothing is below 0");
        self.0.next_u64() % bound
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// An index of something with `len` parts.
    pub fn index(&mut self, len: usize) -> usize {
        let bound = u64::try_from(len).expect("lengths fit 64 bits");
        usize::try_from(self.below(bound)).expect("it is below a length")
    }

    /// True so many times in a thousand.
    pub fn chance(&mut self, permille: u32) -> bool {
        self.below(1000) < u64::from(permille)
    }

    /// A time from `low` to `high`, in whole microseconds.
    pub fn time(&mut self, low: Duration, high: Duration) -> Duration {
        let micros = |time: Duration| u64::try_from(time.as_micros()).expect("short times");
        Duration::from_micros(self.between(micros(low), micros(high)))
    }

    /// One of `choices`, which is not empty.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }

    /// 256 bits for someone else's generator.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.0.fill_bytes(&mut seed);
        seed
    }
}

/// The dice of a world. What was added to worlds later has dice of its own: it changes nothing else
/// until it happens.
#[derive(Debug)]
pub struct Chances {
    /// For everything else.
    pub dice: Dice,
    /// Whether clients lie.
    pub lies: Dice,
    /// Who competes for a session.
    pub rivalries: Dice,
    /// Which servers are emptied before they stop.
    pub drains: Dice,
    /// Where slots move, and who hears of it when.
    pub moves: Dice,
}

impl Chances {
    /// All dice of one seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let dice = Dice::new(seed);
        let lies = Dice::new(!seed);
        let rivalries = Dice::new(seed.rotate_left(32));
        let drains = Dice::new(!seed.rotate_left(32));
        let moves = Dice::new(seed.rotate_left(16));
        Self { dice, lies, rivalries, drains, moves }
    }
}

/// `opaque-ke` speaks the traits of `rand_core` 0.6.
impl rand_core_06::RngCore for Dice {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core_06::Error> {
        self.0.fill_bytes(bytes);
        Ok(())
    }
}

impl rand_core_06::CryptoRng for Dice {}
