//! Users who post to each other and read nothing for a while: what is posted to them waits, and
//! what others do must not suffer. They are the last of all users, in pairs like the others.

use std::ops::Range;
use std::time::Duration;

use wire::Instant;

use crate::body::Bodies;
use crate::layout::Layout;
use crate::plan::Plan;
use crate::schedule::Schedule;

/// Bytes of a body to a silent user.
const BODY_LEN: usize = 16 * 1024;
/// Posts to each: 208 KiB. Their writers hear no answers, so that they must fit one window.
const POSTS: u64 = 13;

/// See the module.
pub struct Silent {
    users: Range<usize>,
    lanes: Range<usize>,
    bodies: Bodies,
    schedule: Option<Schedule>,
    released: u64,
    duration: Duration,
}

impl Silent {
    /// Those of a plan.
    #[must_use]
    pub fn new(plan: &Plan, layout: &Layout) -> Self {
        let lanes = layout.silent();
        Self {
            users: layout.users() - lanes.len()..layout.users(),
            lanes,
            bodies: Bodies::new(plan.seed, BODY_LEN),
            schedule: None,
            released: 0,
            duration: plan.duration,
        }
    }

    /// Who they are.
    #[must_use]
    pub fn users(&self) -> Range<usize> {
        self.users.clone()
    }

    /// Whether a user is one of them.
    #[must_use]
    pub fn has(&self, user: usize) -> bool {
        self.users.contains(&user)
    }

    /// Their bodies.
    #[must_use]
    pub fn bodies(&self) -> &Bodies {
        &self.bodies
    }

    /// Their posts flow from `start` on, as evenly as the clock allows.
    pub fn begin(&mut self, start: Instant) {
        let users = u32::try_from(self.users.len()).expect("the plan bounds it");
        let posts = u64::from(users) * POSTS;
        let seconds = self.duration.as_secs().max(1);
        if users > 0 {
            let rate = posts.div_ceil(seconds);
            self.schedule = Some(Schedule::new(start, rate, users, self.duration));
        }
    }

    /// Whether a lane is of one of them.
    #[must_use]
    pub fn has_lane(&self, lane: usize) -> bool {
        self.lanes.contains(&lane)
    }

    /// The lanes of the posts that are due now.
    pub fn release(&mut self, now: Instant) -> Vec<usize> {
        let Some(schedule) = self.schedule else {
            return Vec::new();
        };
        let due = schedule.due(now);
        let posts = self.released..due.max(self.released);
        self.released = posts.end;
        posts.map(|index| self.lanes.start + schedule.lane(index)).collect()
    }

    /// When somebody posts next.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let next = self.schedule.filter(|all| self.released < all.posts());
        next.map(|all| all.intended(self.released))
    }

    /// Posts that were released.
    #[must_use]
    pub fn released(&self) -> u64 {
        self.released
    }
}
