//! Who posts where: users, groups, and lanes. A lane is one writer's way to one log; its posts are
//! numbered as the protocol numbers them.

use std::ops::Range;

use wire::LogHandle;

/// The handle of a user's own mailbox. Its other logs follow, from 1.
pub const MAILBOX: LogHandle = LogHandle(0);

/// Who posts to whom.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pattern {
    /// Users 2p and 2p + 1: the first writes, the second reads.
    Pairs {
        /// How many.
        pairs: u32,
    },
    /// Everybody posts to the first user.
    ToOne {
        /// Users, that one included.
        users: u32,
    },
    /// Everybody posts to everybody in turn.
    ToAll {
        /// Users.
        users: u32,
    },
    /// Each post is of a random user to another random user.
    Random {
        /// Users.
        users: u32,
    },
    /// The first users post to a group that all are members of.
    Group {
        /// Members.
        members: u32,
        /// Members who post.
        senders: u32,
    },
    /// Pairs, whose users are members of one group too; the first of each pair posts to both.
    Mixed {
        /// How many.
        pairs: u32,
    },
}

/// Where a lane leads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Target {
    /// The mailbox of a user.
    Mailbox(usize),
    /// The group that there is.
    Group,
}

/// One writer's way to one log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lane {
    /// The user who posts.
    pub writer: usize,
    /// Where to.
    pub target: Target,
    /// The writer's handle of that log.
    pub handle: LogHandle,
}

/// Everybody, and where they post.
#[derive(Clone, Debug)]
pub struct Layout {
    users: usize,
    members: usize,
    /// What is measured, what silent users post, then what is only there for a greeting.
    lanes: Vec<Lane>,
    measured: usize,
    silent: usize,
    /// Each user's logs beside its own mailbox, in the order of their handles.
    logs: Vec<Vec<Target>>,
    /// For each user, the lane of each handle.
    by_handle: Vec<Vec<Option<usize>>>,
    is_random: bool,
}

impl Pattern {
    /// Users that it needs.
    #[must_use]
    pub fn users(self) -> u32 {
        match self {
            Self::Pairs { pairs } | Self::Mixed { pairs } => 2 * pairs,
            Self::ToOne { users } | Self::ToAll { users } | Self::Random { users } => users,
            Self::Group { members, .. } => members,
        }
    }

    fn members(self) -> u32 {
        match self {
            Self::Group { members, .. } => members,
            Self::Mixed { pairs } => 2 * pairs,
            _ => 0,
        }
    }

    /// Writers and where they post, in turn.
    fn ways(self) -> Vec<(usize, Target)> {
        let users = index(self.users());
        let to = |reader: usize| Target::Mailbox(reader);
        match self {
            Self::Pairs { .. } => (0..users).step_by(2).map(|one| (one, to(one + 1))).collect(),
            Self::ToOne { .. } => (1..users).map(|one| (one, to(0))).collect(),
            Self::ToAll { .. } | Self::Random { .. } => {
                let distances =
                    (1..users).flat_map(|distance| (0..users).map(move |one| (one, distance)));
                distances.map(|(one, distance)| (one, to((one + distance) % users))).collect()
            }
            Self::Group { senders, .. } => {
                (0..index(senders)).map(|one| (one, Target::Group)).collect()
            }
            Self::Mixed { .. } => {
                let writers = || (0..users).step_by(2);
                let direct = writers().map(|one| (one, to(one + 1)));
                direct.chain(writers().map(|one| (one, Target::Group))).collect()
            }
        }
    }
}

impl Layout {
    /// The users of `pattern`, then so many silent ones in pairs who post to each other.
    #[must_use]
    pub fn new(pattern: Pattern, silent: u32) -> Self {
        let first_silent = index(pattern.users());
        let users = first_silent + index(silent);
        let mut layout = Self {
            users,
            members: index(pattern.members()),
            lanes: Vec::new(),
            measured: 0,
            silent: 0,
            logs: vec![Vec::new(); users],
            by_handle: vec![vec![None]; users],
            is_random: matches!(pattern, Pattern::Random { .. }),
        };
        // Members read the group, also those who never post.
        (0..layout.members).for_each(|member| layout.open(member, Target::Group));
        pattern.ways().into_iter().for_each(|(writer, target)| layout.add(writer, target));
        layout.measured = layout.lanes.len();
        (first_silent..users).for_each(|user| layout.add(user, Target::Mailbox(user ^ 1)));
        layout.silent = layout.lanes.len() - layout.measured;
        layout.add_answers();
        layout
    }

    /// All users.
    #[must_use]
    pub fn users(&self) -> usize {
        self.users
    }

    /// Members of the group: the first so many users.
    #[must_use]
    pub fn members(&self) -> usize {
        self.members
    }

    /// Every lane.
    #[must_use]
    pub fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    /// Lanes whose posts are measured.
    #[must_use]
    pub fn measured(&self) -> Range<usize> {
        0..self.measured
    }

    /// Lanes of silent users.
    #[must_use]
    pub fn silent(&self) -> Range<usize> {
        self.measured..self.measured + self.silent
    }

    /// A user's logs beside its own mailbox; the first has the handle 1.
    #[must_use]
    pub fn logs(&self, user: usize) -> &[Target] {
        &self.logs[user]
    }

    /// The lane behind a user's handle.
    #[must_use]
    pub fn lane(&self, user: usize, handle: LogHandle) -> Option<usize> {
        *self.by_handle[user].get(usize::try_from(handle.0).ok()?)?
    }

    /// Which log a user reads behind a handle; `None` when it reads none there.
    #[must_use]
    pub fn read_log(&self, user: usize, handle: LogHandle) -> Option<Target> {
        if handle == MAILBOX {
            return Some(Target::Mailbox(user));
        }
        let place = usize::try_from(handle.0).ok()?.checked_sub(1)?;
        let target = *self.logs[user].get(place)?;
        (target == Target::Group).then_some(target)
    }

    /// How many read what is posted on a lane.
    #[must_use]
    pub fn readers(&self, lane: usize) -> usize {
        match self.lanes[lane].target {
            Target::Mailbox(_) => 1,
            Target::Group => self.members,
        }
    }

    /// The measured lane of the post of this index.
    #[must_use]
    pub fn lane_of_post(&self, index: u64) -> usize {
        let lanes = u64::try_from(self.measured).expect("usize fits u64");
        // Steele, Lea, Flood: Fast splittable pseudorandom number generators (2014), the mixer.
        let mixed = |mut z: u64| {
            z = z.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        let place = if self.is_random { mixed(index + 1) } else { index };
        usize::try_from(place % lanes).expect("below a usize")
    }

    fn add(&mut self, writer: usize, target: Target) {
        let known = self.logs[writer].iter().position(|known| *known == target);
        let place = known.unwrap_or_else(|| {
            self.open(writer, target);
            self.logs[writer].len() - 1
        });
        let handle = LogHandle(u32::try_from(place + 1).expect("few logs"));
        self.by_handle[writer][place + 1] = Some(self.lanes.len());
        self.lanes.push(Lane { writer, target, handle });
    }

    fn open(&mut self, user: usize, target: Target) {
        self.logs[user].push(target);
        self.by_handle[user].push(None);
    }

    /// Who is posted to answers once, so that the writer is no stranger.
    fn add_answers(&mut self) {
        for lane in self.lanes.clone() {
            let Target::Mailbox(reader) = lane.target else { continue };
            let answer = Target::Mailbox(lane.writer);
            if !self.logs[reader].contains(&answer) {
                self.add(reader, answer);
            }
        }
    }
}

fn index(count: u32) -> usize {
    usize::try_from(count).expect("32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ways(layout: &Layout) -> Vec<(usize, Target)> {
        let measured = &layout.lanes()[layout.measured()];
        measured.iter().map(|lane| (lane.writer, lane.target)).collect()
    }

    fn check(layout: &Layout) {
        for (index, lane) in layout.lanes().iter().enumerate() {
            assert_eq!(layout.lane(lane.writer, lane.handle), Some(index));
            let place = usize::try_from(lane.handle.0).expect("small") - 1;
            assert_eq!(layout.logs(lane.writer)[place], lane.target);
            if let Target::Mailbox(reader) = lane.target {
                let answer = Target::Mailbox(lane.writer);
                assert!(layout.logs(reader).contains(&answer), "{lane:?} is answered");
            }
        }
    }

    #[test]
    fn pairs_write_one_way_and_answer_once() {
        let layout = Layout::new(Pattern::Pairs { pairs: 2 }, 2);
        check(&layout);
        assert_eq!(ways(&layout), [(0, Target::Mailbox(1)), (2, Target::Mailbox(3))]);
        assert_eq!((layout.users(), layout.silent()), (6, 2..4));
        assert_eq!(layout.lanes().len(), 6, "two answers");
        assert_eq!(layout.read_log(1, MAILBOX), Some(Target::Mailbox(1)));
        assert_eq!(layout.read_log(1, LogHandle(1)), None, "one writes there, and reads nothing");
    }

    #[test]
    fn all_write_to_one_or_to_all() {
        let one = Layout::new(Pattern::ToOne { users: 4 }, 0);
        check(&one);
        assert!(ways(&one).iter().all(|(_, target)| *target == Target::Mailbox(0)));
        assert_eq!(one.logs(0).len(), 3);
        let all = Layout::new(Pattern::ToAll { users: 4 }, 0);
        check(&all);
        assert_eq!((ways(&all).len(), all.lanes().len()), (12, 12));
        assert_eq!((0..4).map(|post| all.lanes()[all.lane_of_post(post)].writer).max(), Some(3));
    }

    #[test]
    fn members_read_the_group_and_some_post() {
        let layout = Layout::new(Pattern::Group { members: 5, senders: 2 }, 0);
        check(&layout);
        assert_eq!(ways(&layout), [(0, Target::Group), (1, Target::Group)]);
        assert_eq!((layout.readers(0), layout.members()), (5, 5));
        assert_eq!(layout.read_log(4, LogHandle(1)), Some(Target::Group));
        assert_eq!(layout.lane(4, LogHandle(1)), None);
        let mixed = Layout::new(Pattern::Mixed { pairs: 2 }, 0);
        check(&mixed);
        assert_eq!(ways(&mixed).len(), 4);
        assert_eq!((mixed.readers(1), mixed.readers(2)), (1, 4));
    }

    #[test]
    fn random_posts_use_every_lane_about_as_often() {
        let layout = Layout::new(Pattern::Random { users: 5 }, 0);
        let mut used = vec![0; layout.measured().len()];
        (0..20_000).for_each(|post| used[layout.lane_of_post(post)] += 1);
        assert!(used.iter().all(|count| (850..1_150).contains(count)), "{used:?}");
        let turns = (0..20).map(|post| layout.lane_of_post(post)).collect::<Vec<_>>();
        assert!(turns.is_sorted().then_some(()).is_none(), "no order: {turns:?}");
    }
}
