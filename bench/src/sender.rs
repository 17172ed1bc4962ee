//! One user's posts to its partner: which may be sent, which are answered, where to go back to.

use std::collections::BTreeSet;

use thiserror::Error;
use wire::message::Refusal;
use wire::{FaultCode, Number};

/// The numbers of one writer's posts to one log. Pure: it sends nothing itself.
#[derive(Debug)]
pub struct Sender {
    window: u64,
    /// Posts up to this may be sent.
    released: u64,
    /// The last number sent in this round; lower than `highest` after going back.
    sent: u64,
    /// The last number ever sent.
    highest: u64,
    /// Every number up to this was answered.
    settled: u64,
    /// Rejected numbers above `settled`.
    rejected: BTreeSet<u64>,
    /// A pause after a refusal.
    is_held: bool,
    /// The home cannot be reached.
    is_down: bool,
}

/// A post to send now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Outgoing {
    /// Its number.
    pub number: u64,
    /// What the post says about earlier ones.
    pub settled: u64,
    /// It was never sent before.
    pub is_first: bool,
}

/// What a refusal leads to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Consequence {
    /// The number is spent; the post is not stored.
    Spent(FaultCode),
    /// The sender goes back and holds until [`Sender::resume`].
    Hold,
    /// Nothing: the sender had gone back already.
    Nothing,
}

/// An answer that fits no post.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Misanswer {
    /// A number that was never sent.
    #[error("an answer to post {0}, which was never sent")]
    NeverSent(u64),
    /// The home says that other bytes were sent before.
    #[error("post {0} is said to conflict with itself")]
    Conflict(u64),
    /// The home expects a number that it has answered.
    #[error("post {0} is expected again after its answer")]
    Forgotten(u64),
}

impl Sender {
    /// A writer with at most `window` unanswered posts.
    #[must_use]
    pub fn new(window: u64) -> Self {
        Self {
            window,
            released: 0,
            sent: 0,
            highest: 0,
            settled: 0,
            rejected: BTreeSet::new(),
            is_held: false,
            is_down: false,
        }
    }

    /// Another unanswered posts allowed at once.
    pub fn set_window(&mut self, window: u64) {
        self.window = window;
    }

    /// Lets `count` more posts be sent when the window allows; the number of the last of them.
    pub fn release(&mut self, count: u64) -> u64 {
        self.released = self.released.saturating_add(count);
        self.released
    }

    /// Takes back what was released and never sent; how many.
    pub fn withdraw(&mut self) -> u64 {
        let unsent = self.released - self.highest;
        self.released = self.highest;
        unsent
    }

    /// Whether there is a post that may be sent now.
    #[must_use]
    pub fn may_send(&self) -> bool {
        let open = self.sent < self.released && self.sent - self.settled < self.window;
        open && !self.is_held && !self.is_down
    }

    /// Whether the next post was sent before.
    #[must_use]
    pub fn is_going_back(&self) -> bool {
        self.sent < self.highest
    }

    /// The next post to send, if one may be sent; it counts as sent.
    pub fn next_post(&mut self) -> Option<Outgoing> {
        if !self.may_send() {
            return None;
        }
        self.sent += 1;
        let is_first = self.sent > self.highest;
        self.highest = self.highest.max(self.sent);
        let (number, settled) = (self.sent, self.settled);
        Some(Outgoing { number, settled, is_first })
    }

    /// Everything up to `upto` is answered: `accepted` hears of each number that is now accepted.
    ///
    /// # Errors
    /// [`Misanswer::NeverSent`].
    pub fn on_accepted(
        &mut self,
        upto: Number,
        mut accepted: impl FnMut(u64),
    ) -> Result<(), Misanswer> {
        let upto = self.check(upto)?;
        for number in self.settled + 1..=upto {
            if !self.rejected.remove(&number) {
                accepted(number);
            }
        }
        self.settle(upto);
        Ok(())
    }

    /// A post was not appended.
    ///
    /// # Errors
    /// [`Misanswer`].
    pub fn on_refused(
        &mut self,
        number: Number,
        refusal: Refusal,
    ) -> Result<Consequence, Misanswer> {
        let number = self.check(number)?;
        match refusal {
            Refusal::Conflict => Err(Misanswer::Conflict(number)),
            _ if number <= self.settled => Ok(Consequence::Nothing),
            Refusal::Busy => Ok(self.go_back(number)),
            Refusal::Expected(number) if number.value() <= self.settled => {
                Err(Misanswer::Forgotten(number.value()))
            }
            Refusal::Expected(number) => Ok(self.go_back(number.value())),
            Refusal::Rejected(code) if self.rejected.insert(number) => {
                self.settle(self.settled);
                Ok(Consequence::Spent(code))
            }
            Refusal::Rejected(_) => Ok(Consequence::Nothing),
        }
    }

    /// The home cannot be reached: what is unanswered will be sent again.
    pub fn on_down(&mut self) {
        self.is_down = true;
        self.sent = self.settled;
    }

    /// The home is back.
    pub fn on_up(&mut self) {
        self.is_down = false;
    }

    /// The pause after a refusal is over.
    pub fn resume(&mut self) {
        self.is_held = false;
    }

    /// Whether everything that may be sent was sent and answered.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.highest == self.released && self.unanswered() == 0
    }

    /// Posts that were sent and not answered.
    #[must_use]
    pub fn unanswered(&self) -> u64 {
        let rejected = u64::try_from(self.rejected.len()).expect("usize fits u64");
        self.highest - self.settled - rejected
    }

    fn check(&self, number: Number) -> Result<u64, Misanswer> {
        let number = number.value();
        if number == 0 || number > self.highest {
            return Err(Misanswer::NeverSent(number));
        }
        Ok(number)
    }

    /// Further answers to posts sent before going back ask for the same again: they change nothing.
    /// An answer that asks for an earlier one goes back further, within the same pause.
    fn go_back(&mut self, number: u64) -> Consequence {
        if self.sent < number {
            return Consequence::Nothing;
        }
        self.sent = number - 1;
        match std::mem::replace(&mut self.is_held, true) {
            true => Consequence::Nothing,
            false => Consequence::Hold,
        }
    }

    fn settle(&mut self, upto: u64) {
        self.settled = self.settled.max(upto);
        while self.rejected.remove(&(self.settled + 1)) {
            self.settled += 1;
        }
        self.sent = self.sent.max(self.settled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: u64) -> Number {
        Number::new(value).expect("in range")
    }

    fn sent(sender: &mut Sender) -> Vec<u64> {
        std::iter::from_fn(|| sender.next_post().map(|post| post.number)).collect()
    }

    fn accepted(sender: &mut Sender, upto: u64) -> Vec<u64> {
        let mut found = Vec::new();
        let result = sender.on_accepted(number(upto), |number| found.push(number));
        assert_eq!(result, Ok(()));
        found
    }

    fn ready(window: u64, released: u64) -> Sender {
        let mut sender = Sender::new(window);
        sender.release(released);
        sender
    }

    #[test]
    fn a_window_is_never_exceeded() {
        let mut sender = ready(3, 10);
        assert_eq!(sent(&mut sender), [1, 2, 3]);
        assert_eq!(accepted(&mut sender, 2), [1, 2]);
        assert_eq!(sent(&mut sender), [4, 5]);
        assert_eq!(accepted(&mut sender, 2), [0; 0], "cumulative: said twice");
        assert_eq!(sender.unanswered(), 3);
    }

    #[test]
    fn nothing_is_sent_before_it_is_released() {
        let mut sender = ready(64, 0);
        assert_eq!(sender.next_post(), None);
        sender.release(1);
        assert_eq!(sent(&mut sender), [1]);
        sender.release(5);
        assert_eq!(sent(&mut sender), [2, 3, 4, 5, 6]);
        assert_eq!(sender.withdraw(), 0);
    }

    #[test]
    fn a_rejected_number_is_spent_and_not_accepted() {
        let mut sender = ready(4, 10);
        sent(&mut sender);
        let rejected = Refusal::Rejected(FaultCode::MAILBOX_FULL);
        let spent = Ok(Consequence::Spent(FaultCode::MAILBOX_FULL));
        assert_eq!(sender.on_refused(number(2), rejected), spent);
        assert_eq!(sender.on_refused(number(2), rejected), Ok(Consequence::Nothing));
        assert_eq!(sender.unanswered(), 3);
        assert_eq!(accepted(&mut sender, 3), [1, 3]);
        assert_eq!(sender.on_refused(number(4), rejected), spent);
        assert_eq!(sender.unanswered(), 0);
        assert_eq!(sent(&mut sender), [5, 6, 7, 8]);
    }

    #[test]
    fn busy_and_expected_go_back_once() {
        let mut sender = ready(5, 5);
        sent(&mut sender);
        assert_eq!(accepted(&mut sender, 1), [1]);
        let busy = sender.on_refused(number(2), Refusal::Busy);
        assert_eq!(busy, Ok(Consequence::Hold));
        let expected = Refusal::Expected(number(2));
        for later in 3..=5 {
            let answer = sender.on_refused(number(later), expected);
            assert_eq!(answer, Ok(Consequence::Nothing));
        }
        assert_eq!(sender.next_post(), None, "held");
        sender.resume();
        let again = sender.next_post().expect("it goes on");
        assert_eq!((again.number, again.is_first), (2, false));
        assert_eq!(sent(&mut sender), [3, 4, 5]);
        assert_eq!(accepted(&mut sender, 5), [2, 3, 4, 5]);
    }

    #[test]
    fn an_earlier_number_goes_back_further_within_the_same_pause() {
        let mut sender = ready(5, 5);
        sent(&mut sender);
        assert_eq!(sender.on_refused(number(4), Refusal::Busy), Ok(Consequence::Hold));
        let expected = Refusal::Expected(number(2));
        assert_eq!(accepted(&mut sender, 1), [1]);
        assert_eq!(sender.on_refused(number(5), expected), Ok(Consequence::Nothing));
        sender.resume();
        assert_eq!(sent(&mut sender), [2, 3, 4, 5]);
    }

    #[test]
    fn an_unreachable_home_gets_everything_unanswered_again() {
        let mut sender = ready(5, 5);
        sent(&mut sender);
        accepted(&mut sender, 3);
        sender.on_down();
        assert_eq!(sender.next_post(), None);
        sender.on_up();
        assert_eq!(sent(&mut sender), [4, 5]);
    }

    #[test]
    fn what_was_never_sent_can_be_withdrawn() {
        let mut sender = ready(2, 10);
        sent(&mut sender);
        sender.on_down();
        assert_eq!(sender.withdraw(), 8);
        sender.on_up();
        assert_eq!(sent(&mut sender), [1, 2]);
        assert_eq!(accepted(&mut sender, 2), [1, 2]);
        assert_eq!(sent(&mut sender), [0; 0]);
    }

    #[test]
    fn answers_to_nothing_are_found() {
        let mut sender = ready(2, 10);
        sent(&mut sender);
        let accepted = sender.on_accepted(number(3), |_| {});
        assert_eq!(accepted, Err(Misanswer::NeverSent(3)));
        let refused = sender.on_refused(number(9), Refusal::Busy);
        assert_eq!(refused, Err(Misanswer::NeverSent(9)));
        let conflict = sender.on_refused(number(1), Refusal::Conflict);
        assert_eq!(conflict, Err(Misanswer::Conflict(1)));
        assert_eq!(sender.on_accepted(number(1), |_| {}), Ok(()));
        let forgotten = sender.on_refused(number(2), Refusal::Expected(number(1)));
        assert_eq!(forgotten, Err(Misanswer::Forgotten(1)));
    }
}
