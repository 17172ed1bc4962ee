//! What one run found: latencies in HDR histograms, and counts.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use hdrhistogram::Histogram;
use wire::message::Class;
use wire::{FaultCode, Instant};

/// The longest latency told apart; a run ends before.
const LATENCY_MAX: Duration = Duration::from_secs(7_200);
/// Steps of a table of percentiles for each halving of what is above.
const HALVING_STEPS: u32 = 5;
/// Significant digits of a latency.
const DIGITS: u8 = 3;

/// Latencies of one kind, in nanoseconds from the intended time.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

/// The figures of a report, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantiles {
    /// Half were at most this.
    pub p50_us: f64,
    /// 90 % were at most this.
    pub p90_us: f64,
    /// 99 % were at most this.
    pub p99_us: f64,
    /// 99.9 % were at most this.
    pub p999_us: f64,
    /// All were at most this.
    pub max_us: f64,
}

impl Default for Latencies {
    fn default() -> Self {
        let max = u64::try_from(LATENCY_MAX.as_nanos()).expect("hours fit");
        let histogram = Histogram::new_with_max(max, DIGITS);
        Self(histogram.expect("the bounds are good"))
    }
}

impl Latencies {
    /// Adds one.
    pub fn add(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.0.saturating_record(nanos);
    }

    /// In the text format of `HdrHistogram`'s plotters (`.hgrm`), in microseconds.
    #[must_use]
    pub fn hgrm(&self) -> String {
        let mut text = format!(
            "{:>12} {:>14} {:>10} {:>14}\n\n",
            "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
        );
        let mut passed = 0;
        for step in self.0.iter_quantiles(HALVING_STEPS) {
            passed += step.count_since_last_iteration();
            let (value, quantile) = (micros(step.value_iterated_to()), step.quantile_iterated_to());
            write!(text, "{value:>12.3} {quantile:>14.12} {passed:>10}").expect("it takes all");
            let rest = if quantile < 1.0 {
                format!(" {:>14.2}", 1.0 / (1.0 - quantile))
            } else {
                String::new()
            };
            writeln!(text, "{rest}").expect("a string takes all");
        }
        let (mean, deviation) = (self.0.mean() / 1_000.0, self.0.stdev() / 1_000.0);
        let (max, count) = (micros(self.0.max()), self.0.len());
        let buckets = self.0.buckets();
        write!(
            text,
            "#[Mean    = {mean:>12.3}, StdDeviation   = {deviation:>12.3}]\n\
             #[Max     = {max:>12.3}, Total count    = {count:>12}]\n\
             #[Buckets = {buckets:>12}, SubBuckets     = {:>12}]\n",
            self.0.distinct_values() / usize::from(buckets).max(1),
        )
        .expect("a string takes all");
        text
    }

    /// Latencies in microseconds over nines: at 1 the one that 90 % do not exceed, at 2 of 99 %.
    #[must_use]
    pub fn curve(&self) -> Vec<(f64, f64)> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let tenths = 0..=50;
        let nines = tenths.map(|tenth| f64::from(tenth) / 10.0);
        let told_apart = nines.take_while(|nines| 10f64.powf(*nines) <= float(self.0.len()));
        let at = |nines: f64| micros(self.0.value_at_quantile(1.0 - 10f64.powf(-nines)));
        told_apart.map(|nines| (nines, at(nines))).collect()
    }

    /// The figures, when there is anything.
    #[must_use]
    pub fn quantiles(&self) -> Option<Quantiles> {
        let at = |quantile| micros(self.0.value_at_quantile(quantile));
        (!self.0.is_empty()).then(|| Quantiles {
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: micros(self.0.max()),
        })
    }
}

/// Counts of the measured posts; greetings are not among them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Sent for the first time.
    pub posted: u64,
    /// Those of them that name an image, beyond what the clock offered.
    pub named: u64,
    /// Sent again after a refusal or a lost link.
    pub resent: u64,
    /// Accepted because they were on the home's disk.
    pub stored: u64,
    /// Accepted because every reader had them.
    pub seen: u64,
    /// Received by the reader, each counted once.
    pub delivered: u64,
    /// What readers must receive: what was accepted, once for each reader.
    pub owed: u64,
    /// Received again.
    pub doubled: u64,
    /// Received again after connections were lost, and dropped as clients drop it.
    pub repeated: u64,
    /// Received after a later one.
    pub disordered: u64,
    /// Received with other bytes, or by somebody else.
    pub damaged: u64,
    /// Accepted and never received.
    pub lost: u64,
    /// Never answered.
    pub unanswered: u64,
    /// Meant to be sent and never sent: the offered rate was above what was carried.
    pub unsent: u64,
    /// Posts that were refused for good, by reason.
    pub rejected: BTreeMap<FaultCode, u64>,
    /// Refusals that asked to go back (busy, or a number was expected).
    pub held: u64,
    /// Times that a home could not be reached.
    pub unavailable: u64,
}

impl Counts {
    /// A post is safe that has so many readers.
    pub fn add_accepted(&mut self, class: Class, readers: u64) {
        self.owed += readers;
        match class {
            Class::Stored => self.stored += 1,
            Class::Seen => self.seen += 1,
        }
    }

    /// Whether what was sent is answered, and what was accepted delivered.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.posted == self.accepted() + self.refused() && self.delivered >= self.owed
    }

    /// Posts that are safe.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.stored + self.seen
    }

    /// Posts refused for good.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.rejected.values().sum()
    }

    /// Everything that went wrong, without what was lost or doubled.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.refused() + self.disordered + self.damaged + self.unanswered
    }

    /// Whether the promise held: nothing lost, doubled, out of order, damaged or unanswered.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let broken = [self.lost, self.doubled, self.disordered, self.damaged, self.unanswered];
        broken.iter().all(|count| *count == 0)
    }
}

/// What one run found.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The counts of users who read nothing for a while.
    pub silent: Counts,
    /// From the intended time until the reader had it, for posts that were due while others read
    /// nothing.
    pub beside: Latencies,
    /// When those stopped reading.
    pub hushed: Instant,
    /// From the intended time until the post was handed to the socket: the generator's own delay.
    pub sent: Latencies,
    /// From the intended time until accepted.
    pub accepted: Latencies,
    /// From the intended time until the reader had it.
    pub delivered: Latencies,
    /// The counts.
    pub counts: Counts,
    /// From the intended time of an image until its reader had it.
    pub images: Latencies,
    /// CPU time of the generator that sealing, opening and grants took.
    pub crypto: Duration,
    /// When the first post was due.
    pub began: Instant,
    /// When everything was stored for readers who were away.
    pub stored: Instant,
    /// When the last post reached its reader.
    pub ended: Instant,
}

impl Record {
    /// The counts of silent users, or of the others.
    pub fn counts_mut(&mut self, is_silent: bool) -> &mut Counts {
        if is_silent { &mut self.silent } else { &mut self.counts }
    }

    /// Whether the promise held for all.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.counts.is_sound() && self.silent.is_sound()
    }

    /// Posts delivered per second, from the first that was due to the last that arrived.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        rate(self.counts.delivered, self.ended.since(self.began))
    }

    /// Posts stored per second for readers who were away, and delivered per second when they were
    /// back, from the first that dialed.
    #[must_use]
    pub fn away_per_second(&self) -> (f64, f64) {
        let stored = rate(self.counts.accepted(), self.stored.since(self.began));
        (stored, rate(self.counts.delivered, self.ended.since(self.stored)))
    }
}

fn rate(count: u64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { float(count) / time.as_secs_f64() }
}

/// A count as a fraction; exact below 2^53.
#[must_use]
pub fn float(count: u64) -> f64 {
    const HALF: f64 = 4_294_967_296.0;
    let high = u32::try_from(count >> 32).expect("32 bits");
    let low = u32::try_from(count & 0xffff_ffff).expect("32 bits");
    f64::from(high) * HALF + f64::from(low)
}

fn micros(nanos: u64) -> f64 {
    float(nanos) / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_what_was_added() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantiles(), None);
        for micros in 1..=1_000 {
            latencies.add(Duration::from_micros(micros));
        }
        let quantiles = latencies.quantiles().expect("there are some");
        let near = |value: f64, wanted: f64| (value - wanted).abs() <= wanted / 500.0;
        assert!(near(quantiles.p50_us, 500.0), "{quantiles:?}");
        assert!(near(quantiles.p99_us, 990.0), "{quantiles:?}");
        assert!(near(quantiles.max_us, 1_000.0), "{quantiles:?}");
    }

    #[test]
    fn the_table_of_percentiles_is_whole_and_rises() {
        let mut latencies = Latencies::default();
        (1..=1_000).for_each(|micros| latencies.add(Duration::from_micros(micros)));
        let text = latencies.hgrm();
        let rows = text.lines().skip(2).take_while(|line| !line.starts_with('#'));
        let rows: Vec<Vec<f64>> = rows
            .map(|row| row.split_whitespace().map(|word| word.parse().expect("a number")).collect())
            .collect();
        assert!(rows.len() > 20 && rows.is_sorted_by(|one, next| one[0] <= next[0]));
        assert_eq!(rows.last().map(|row| row[2]), Some(1_000.0));
        assert!(text.contains("Total count    =         1000]"), "{text}");
        let curve = latencies.curve();
        assert_eq!(curve.len(), 31, "1,000 values tell 99.9 % and no more");
        assert!(curve.is_sorted_by(|one, next| one.1 <= next.1));
        assert_eq!(Latencies::default().curve(), []);
    }

    #[test]
    fn a_latency_beyond_the_range_still_counts() {
        let mut latencies = Latencies::default();
        latencies.add(Duration::MAX);
        let quantiles = latencies.quantiles().expect("there is one");
        assert!(quantiles.max_us > 7.0e9, "{quantiles:?}");
    }

    #[test]
    fn each_broken_promise_is_unsound_and_a_refusal_is_not() {
        let breaks: [fn(&mut Counts); 5] = [
            |counts| counts.lost = 1,
            |counts| counts.doubled = 1,
            |counts| counts.disordered = 1,
            |counts| counts.damaged = 1,
            |counts| counts.unanswered = 1,
        ];
        for broken in breaks {
            let mut counts = Counts::default();
            broken(&mut counts);
            assert!(!counts.is_sound());
        }
        let mut counts = Counts::default();
        counts.rejected.insert(FaultCode::MAILBOX_FULL, 2);
        assert!(counts.is_sound());
        assert_eq!(counts.errors(), 2);
    }

    #[test]
    fn counts_become_exact_fractions() {
        assert_eq!(float(0), 0.0);
        assert_eq!(float((1 << 52) + 1), 4_503_599_627_370_497.0);
    }

    #[test]
    fn the_rate_is_of_what_arrived() {
        let mut record = Record {
            began: Instant(1_000_000_000),
            ended: Instant(3_000_000_000),
            ..Record::default()
        };
        record.counts.delivered = 500;
        assert_eq!(record.per_second(), 250.0);
        record.ended = record.began;
        assert_eq!(record.per_second(), 0.0);
    }
}
