//! What one account's person and store say, however the client ran.

use client::crypto::Content;
use client::store::{DataDirectory, OutboxId, PostState, Store};
use wire::{Name, Number, Origin};

use super::child_plan::ChildPlan;
use super::journal::{Answer, Line, Show, read};
use super::people::Human;
use super::text::Text;

/// The user's own messages are numbered in the outbox with the requests of the program between
/// them; so many in a row are not missing.
const MISSING_MAX: usize = 1000;
/// Messages that `fastchat recv` prints before it notes that they were shown.
const PAGE: usize = 256;

/// A post in the sender's own store.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Post {
    /// What it says.
    pub text: Text,
    /// Its number, once it was sealed.
    pub number: Option<Number>,
    /// What became of it; nothing yet when there is no answer.
    pub answer: Option<Answer>,
}

/// One account.
#[derive(Clone, Debug)]
pub struct Party {
    /// Whose it is.
    pub name: Name,
    /// Its installation.
    pub origin: Origin,
    /// Its outbox.
    pub posts: Vec<Post>,
    /// What its person was told.
    pub told: Vec<(Text, Answer)>,
    /// What its person was shown, in order.
    pub shown: Vec<Show>,
    /// Messages that a killed program had printed and not noted: its successor prints them again.
    pub reprinted: usize,
}

impl Party {
    /// A client under load, from its journal and store.
    #[must_use]
    pub fn of_child(plan: &ChildPlan, folder: &std::path::Path) -> Self {
        let (mut told, mut shown) = (Vec::new(), Vec::new());
        for line in read(&folder.join("journal")) {
            match line {
                Line::Told(_, text, answer) => told.push((text, answer)),
                Line::Shown(show) => shown.push(show),
                Line::Began | Line::Wrote(..) | Line::Idle => {}
            }
        }
        let (origin, posts) = outbox(&plan.data, &plan.keys);
        Self { name: plan.name, origin, posts, told, shown, reprinted: 0 }
    }

    /// A person, from what the programs printed, and the store.
    ///
    /// # Panics
    /// When its store cannot be read.
    #[must_use]
    pub fn of_human(human: &Human) -> Self {
        let accepted = human.accepted().into_iter();
        let told = accepted.map(|text| (text, Answer::Accepted)).collect();
        let (shown, reprinted) = joined(human.shown());
        let (origin, posts) = outbox(&human.person.data(), &human.person.keys());
        let name = human.person.name.parse().expect("people have names");
        Self { name, origin, posts, told, shown, reprinted }
    }

    /// Nothing waits for an answer.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.posts.iter().all(|post| post.answer.is_some())
    }
}

/// All posts of a store.
fn outbox(data: &std::path::Path, keys: &std::path::Path) -> (Origin, Vec<Post>) {
    let directory = DataDirectory::open_with_keys(data, keys).expect("a data directory");
    let store = Store::open(&directory).expect("a store that survived");
    let mut posts = Vec::new();
    let mut missing = 0;
    for id in 1.. {
        let Some(record) = store.post(OutboxId(id)).expect("a store that survived") else {
            missing += 1;
            if missing > MISSING_MAX {
                break;
            }
            continue;
        };
        missing = 0;
        let Content::Text(text) = record.content else { continue };
        let text = text.parse().expect("people write nothing else");
        let answer = match record.state {
            PostState::Draft | PostState::Sealed => None,
            PostState::Accepted { .. } => Some(Answer::Accepted),
            PostState::Rejected(code) => Some(Answer::Rejected(code.to_string())),
            PostState::Refused(why) => Some(Answer::Rejected(why)),
            PostState::Conflict => Some(Answer::Rejected("conflict".to_owned())),
        };
        posts.push(Post { text, number: record.number, answer });
    }
    (store.origin().expect("a store that survived"), posts)
}

/// What was shown by one process after the other. Where one was killed between printing and noting
/// that, the next one begins with the same messages, by their seqs: those were shown once before.
fn joined(lives: Vec<Vec<Show>>) -> (Vec<Show>, usize) {
    let mut all: Vec<Show> = Vec::new();
    let mut reprinted = 0;
    for life in lives {
        let recent = all.len().saturating_sub(PAGE);
        let tail = &all[recent..];
        let begin = tail.iter().position(|show| Some(show) == life.first());
        let again = begin.map_or(0, |begin| {
            let pairs = tail[begin..].iter().zip(&life);
            let same = pairs.clone().take_while(|(one, other)| one == other).count();
            // Only what goes on to the end was just printed; anything else is a double.
            if same == pairs.count() { same } else { 0 }
        });
        reprinted += again;
        all.extend(life.into_iter().skip(again));
    }
    (all, reprinted)
}

#[cfg(test)]
mod tests {
    use wire::{Number, Seq};

    use super::joined;
    use crate::chaos::journal::Show;
    use crate::chaos::text::log_id;

    fn shows(seqs: &[u64]) -> Vec<Show> {
        let log = log_id("@alice").expect("a log");
        let show = |seq: &u64| Show {
            id: None,
            log,
            seq: Seq(*seq),
            sender: log.name,
            number: Number::NONE,
            at: None,
            said: Err(String::new()),
        };
        seqs.iter().map(show).collect()
    }

    #[test]
    fn only_what_was_printed_last_may_be_printed_again() {
        let after = |lives: &[&[u64]]| {
            let (all, again) = joined(lives.iter().map(|life| shows(life)).collect());
            (all.iter().map(|show| show.seq.0).collect::<Vec<_>>(), again)
        };
        assert_eq!(after(&[&[1, 2], &[3]]), (vec![1, 2, 3], 0));
        assert_eq!(after(&[&[1, 2, 3], &[2, 3, 4]]), (vec![1, 2, 3, 4], 2));
        assert_eq!(after(&[&[1, 2, 3], &[2], &[2, 3, 4]]), (vec![1, 2, 3, 4], 3));
        assert_eq!(after(&[&[1, 2, 3], &[], &[3]]), (vec![1, 2, 3], 1));
        assert_eq!(after(&[&[1, 2, 3], &[1, 4]]), (vec![1, 2, 3, 1, 4], 0), "a double");
        assert_eq!(after(&[&[1, 2, 2]]), (vec![1, 2, 2], 0), "within one process");
    }
}
