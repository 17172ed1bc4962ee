//! Posts and their deliveries, by the clock or by a window, whatever the peer.

use std::collections::BTreeMap;
use std::time::Duration;

use wire::Instant;

use super::adapter::To;
use super::plan::{Pace, Plan};
use super::stage::{Stage, StageError, place};
use crate::record::Latencies;
use crate::schedule::Schedule;

/// How long answers and deliveries are awaited when nothing comes.
const QUIET_MAX: Duration = Duration::from_secs(20);

/// When a writer may go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Finish {
    /// When so many readers have the post.
    Delivered(u32),
    /// When the server has acknowledged it.
    Accepted,
}

/// How much is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Amount {
    /// For so long.
    Time(Duration),
    /// So many posts by each writer.
    Posts(u64),
}

/// What is written and what for.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// Users `0..writers` write.
    pub writers: u32,
    /// Whom a writer writes to.
    pub to: fn(writer: u32, writers: u32) -> To,
    /// How posts are paced.
    pub pace: Pace,
    /// When a post is finished.
    pub finish: Finish,
    /// Deliveries of each post that are awaited at the end.
    pub readers: u64,
    /// How much is written.
    pub amount: Amount,
}

/// What became of it.
#[derive(Debug, Default)]
pub struct Done {
    /// Posts of each writer.
    pub posted: Vec<u64>,
    /// Posts that the server has acknowledged.
    pub accepted: u64,
    /// From the first post to the last that arrived, or was acknowledged.
    pub time: Duration,
    /// From the intended time to the delivery; empty without a clock.
    pub latencies: Latencies,
}

struct Traffic<'a> {
    stage: &'a mut Stage,
    task: Task,
    began: Instant,
    schedule: Option<Schedule>,
    /// Posts of the schedule that were sent.
    scheduled: u64,
    writers: Vec<Writer>,
    delivered_before: u64,
    latencies: Latencies,
}

#[derive(Default)]
struct Writer {
    posted: u64,
    finished: u64,
    /// Readers who lack an unfinished post.
    lacking: BTreeMap<u64, u32>,
}

/// Does `task`, and waits for what it brings.
///
/// # Errors
/// [`StageError`].
pub fn run(stage: &mut Stage, plan: &Plan, task: Task) -> Result<Done, StageError> {
    let mut traffic = Traffic::new(stage, plan, task);
    loop {
        let now = traffic.stage.crowd.now();
        traffic.post_all(now);
        if traffic.is_over(now) {
            return Ok(traffic.finish());
        }
        traffic.stage.turn(traffic.deadline())?;
        traffic.take_arrivals();
    }
}

impl<'a> Traffic<'a> {
    fn new(stage: &'a mut Stage, plan: &Plan, task: Task) -> Self {
        let began = stage.crowd.now();
        stage.hearing.latest = began;
        let schedule = match (task.pace, task.amount) {
            (Pace::Open(rate), Amount::Time(time)) => {
                Some(Schedule::new(began, rate, task.writers, time))
            }
            _ => None,
        };
        let writers = (0..plan.writers).map(|_| Writer::default()).collect();
        let delivered_before = stage.hearing.tally.delivered;
        let (scheduled, latencies) = (0, Latencies::default());
        Self { stage, task, began, schedule, scheduled, writers, delivered_before, latencies }
    }

    fn post_all(&mut self, now: Instant) {
        if let Some(schedule) = self.schedule {
            while self.scheduled < schedule.due(now) {
                let writer = self.scheduled % u64::from(self.task.writers);
                self.post(usize::try_from(writer).expect("writers are few"));
                self.scheduled += 1;
            }
            return;
        }
        for writer in 0..self.writers.len() {
            while self.may_post(writer, now) {
                self.post(writer);
            }
        }
    }

    fn may_post(&self, writer: usize, now: Instant) -> bool {
        let Writer { posted, finished, .. } = self.writers[writer];
        let is_open = match self.task.pace {
            Pace::Open(_) => true,
            Pace::Closed(window) => posted - finished < window,
        };
        is_open
            && match self.task.amount {
                Amount::Time(time) => now.since(self.began) < time,
                Amount::Posts(posts) => posted < posts,
            }
    }

    fn post(&mut self, writer: usize) {
        let user = u32::try_from(writer).expect("writers are few");
        let Writer { posted, lacking, .. } = &mut self.writers[writer];
        *posted += 1;
        if let Finish::Delivered(readers) = self.task.finish {
            lacking.insert(*posted, readers);
        }
        let text = self.stage.hearing.tally.compose(user, *posted);
        let to = (self.task.to)(user, self.task.writers);
        self.stage.crowd.say(writer, |adapter, out| adapter.post(to, &text, out));
    }

    fn take_arrivals(&mut self) {
        for (_, identity, at) in self.stage.hearing.arrivals.drain(..) {
            let writer = place(identity.user);
            if let Some(schedule) = self.schedule {
                // Writers take turns.
                let rounds = (identity.number - 1) * u64::from(self.task.writers);
                let intended = schedule.intended(rounds + u64::from(identity.user));
                self.latencies.add(at.since(intended));
            }
            if let Some(writer) = self.writers.get_mut(writer) {
                writer.hear(identity.number);
            }
        }
        if self.task.finish == Finish::Accepted {
            for (writer, accepted) in self.writers.iter_mut().zip(&self.stage.hearing.accepted) {
                // A server that acknowledges more than it was sent opens no window.
                writer.finished = (*accepted).min(writer.posted);
            }
        }
    }

    /// Everything was sent, and has arrived or will not.
    fn is_over(&self, now: Instant) -> bool {
        let is_written = match (self.schedule, self.task.amount) {
            (Some(schedule), _) => self.scheduled == schedule.posts(),
            (None, Amount::Time(time)) => now.since(self.began) >= time,
            (None, Amount::Posts(posts)) => self.writers.iter().all(|w| w.posted == posts),
        };
        let quiet = now.since(self.stage.hearing.latest.max(self.began));
        let posted: u64 = self.writers.iter().map(|writer| writer.posted).sum();
        let finished: u64 = self.writers.iter().map(|writer| writer.finished).sum();
        let delivered = self.stage.hearing.tally.delivered - self.delivered_before;
        let is_settled = finished == posted && delivered >= posted * self.task.readers;
        // A server may also stop before all is written.
        quiet > QUIET_MAX && !self.is_by_clock_and_early() || is_written && is_settled
    }

    /// By the clock, a slow rate is no silence.
    fn is_by_clock_and_early(&self) -> bool {
        self.schedule.is_some_and(|schedule| self.scheduled < schedule.posts())
    }

    fn deadline(&self) -> Option<Instant> {
        let schedule = self.schedule?;
        (self.scheduled < schedule.posts()).then(|| schedule.intended(self.scheduled))
    }

    fn finish(self) -> Done {
        let writers = self.stage.hearing.accepted.iter().take(self.writers.len());
        Done {
            accepted: writers.sum(),
            posted: self.writers.iter().map(|writer| writer.posted).collect(),
            time: self.stage.hearing.latest.since(self.began),
            latencies: self.latencies,
        }
    }
}

impl Writer {
    /// One more reader has the post of this number.
    fn hear(&mut self, number: u64) {
        if let Some(readers) = self.lacking.get_mut(&number) {
            *readers = readers.saturating_sub(1);
            if *readers == 0 {
                self.lacking.remove(&number);
                self.finished += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_is_finished_when_its_last_reader_has_it() {
        let mut writer = Writer { posted: 2, ..Writer::default() };
        writer.lacking.extend([(1, 2), (2, 1)]);
        writer.hear(1);
        assert_eq!(writer.finished, 0);
        writer.hear(2);
        writer.hear(2);
        assert_eq!(writer.finished, 1);
        writer.hear(1);
        assert_eq!(writer.finished, 2);
    }
}
