//! What must hold, whatever happens: one small file for each property.
//!
//! A world tells the oracle [`Fact`]s. The [`Ledger`] remembers what several properties need; then
//! each [`Property`] looks at the fact, and says what is wrong with it. Nothing here knows a
//! world, so that real processes can be judged by the same properties.

mod alarms;
mod audience;
mod authentic;
mod balance;
mod batches;
mod bounds;
mod deletion;
mod fact;
mod group_durable;
mod group_order;
mod ledger;
mod lost;
mod names;
mod once;
mod order;
mod outcomes;
mod rejection;
mod safe;
mod seats;
mod seen;
mod seqs;
mod served;
mod sessions;
mod stale;
mod takeover;

use std::fmt;

use wire::Instant;

pub use fact::{Attempt, Fact, Place};
pub use ledger::{Ledger, Membership, PostState};

use super::plan::Plan;

/// The most that is said of one world: what follows from one mistake is of little use.
const FOUND_MAX: usize = 5;

/// Something that must hold.
pub trait Property {
    /// What holds, in a few words.
    fn name(&self) -> &'static str;

    /// Something has happened; the ledger knows of it already.
    ///
    /// # Errors
    /// What is wrong with that.
    fn hear(&mut self, now: Instant, fact: &Fact<'_>, ledger: &Ledger) -> Result<(), String>;

    /// Everything has come to rest.
    ///
    /// # Errors
    /// What is missing.
    fn conclude(&mut self, _ledger: &Ledger) -> Result<(), String> {
        Ok(())
    }
}

/// A property that did not hold.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Which property.
    pub property: &'static str,
    /// When.
    pub at: Instant,
    /// What happened.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at {}): {}", self.property, super::trace::Seconds(self.at), self.what)
    }
}

/// All properties, and what they have found.
pub struct Oracle {
    /// What is known.
    pub ledger: Ledger,
    properties: Vec<Box<dyn Property>>,
    found: Vec<Violation>,
}

impl Oracle {
    /// The judge of a world with this plan.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let properties: Vec<Box<dyn Property>> = vec![
            Box::new(alarms::Alarms::new(plan)),
            Box::new(audience::Audience::default()),
            Box::new(authentic::Authentic),
            Box::new(balance::Balance),
            Box::new(batches::Batches::default()),
            Box::new(bounds::Bounds::new(plan)),
            Box::new(deletion::Deletion::new(plan)),
            Box::new(group_durable::GroupDurable::default()),
            Box::new(group_order::GroupOrder::default()),
            Box::new(lost::Lost),
            Box::new(names::Names::default()),
            Box::new(once::Once::default()),
            Box::new(order::Order::default()),
            Box::new(outcomes::Outcomes),
            Box::new(rejection::Rejection),
            Box::new(safe::Safe),
            Box::new(seats::Seats::new(plan)),
            Box::new(seen::Seen),
            Box::new(seqs::Seqs::default()),
            Box::new(served::Served::default()),
            Box::new(sessions::Sessions::default()),
            Box::new(stale::Stale::default()),
            Box::new(takeover::Takeover::default()),
        ];
        Self { ledger: Ledger::default(), properties, found: Vec::new() }
    }

    /// The judge of real processes, of which is known what their people have sent, heard and seen.
    #[must_use]
    pub fn of_people() -> Self {
        let properties: Vec<Box<dyn Property>> = vec![
            Box::new(authentic::Authentic),
            Box::new(group_order::GroupOrder::default()),
            Box::new(lost::Lost),
            Box::new(once::Once::default()),
            Box::new(order::Order::default()),
            Box::new(rejection::Rejection),
        ];
        Self { ledger: Ledger::default(), properties, found: Vec::new() }
    }

    /// Something has happened.
    pub fn hear(&mut self, now: Instant, fact: &Fact<'_>) {
        self.ledger.hear(now, fact);
        for property in &mut self.properties {
            if let Err(what) = property.hear(now, fact, &self.ledger)
                && self.found.len() < FOUND_MAX
            {
                self.found.push(Violation { property: property.name(), at: now, what });
            }
        }
    }

    /// Everything has come to rest, or should have.
    pub fn conclude(&mut self, now: Instant) {
        for property in &mut self.properties {
            if let Err(what) = property.conclude(&self.ledger)
                && self.found.len() < FOUND_MAX
            {
                self.found.push(Violation { property: property.name(), at: now, what });
            }
        }
    }

    /// A world has found something by itself.
    pub fn report(&mut self, property: &'static str, at: Instant, what: String) {
        if self.found.len() < FOUND_MAX {
            self.found.push(Violation { property, at, what });
        }
    }

    /// What was found.
    #[must_use]
    pub fn found(&self) -> &[Violation] {
        &self.found
    }
}
