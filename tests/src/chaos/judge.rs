//! What must hold of all that people were told and shown, counted by what the texts say; and the
//! simulator's oracle, which looks at the same by numbers and seqs.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use client::store::{Continuity, InboxId, InboxMessage, ReceivedContent};
use wire::{FaultCode, Instant, LogId, LogKind, MessageSession, Name, Seq, Wall};

use super::journal::{Answer, Show};
use super::party::{Party, Post};
use super::text::Text;
use crate::sim::oracle::{Fact, Membership, Oracle};

/// The most that is said of one kind.
const SAID_MAX: usize = 5;

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Texts that their senders know to be accepted.
    pub accepted: u64,
    /// Texts that their senders know not to be.
    pub rejected: BTreeMap<String, u64>,
    /// Times that an accepted text was not shown to one who should see it.
    pub lost: u64,
    /// Times that a text was shown to someone again.
    pub doubled: u64,
    /// Times that a text was shown after a later one of the same sender in the same log.
    pub reordered: u64,
    /// Texts that were shown.
    pub shown: u64,
    /// Messages that a killed `recv` had printed and not noted, printed again by the next.
    pub reprinted: u64,
    /// What was shown in place of a text.
    pub unreadable: u64,
    /// What does not hold, for people.
    pub violations: Vec<String>,
    said: BTreeMap<&'static str, usize>,
}

impl Findings {
    /// Nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty() && (self.lost, self.doubled, self.reordered) == (0, 0, 0)
    }

    fn violate(&mut self, kind: &'static str, what: impl FnOnce() -> String) {
        let said = self.said.entry(kind).or_default();
        *said += 1;
        if *said <= SAID_MAX {
            self.violations.push(format!("{kind}: {}", what()));
        }
    }
}

/// Judges everything that the parties know; `groups` has the members of each group.
#[must_use]
pub fn judge(parties: &[Party], groups: &BTreeMap<Name, Vec<Name>>) -> Findings {
    let mut findings = Findings::default();
    let mut fates: BTreeMap<Text, bool> = BTreeMap::new();
    for party in parties {
        findings.reprinted += u64::try_from(party.reprinted).expect("few");
        judge_sender(party, &mut fates, &mut findings);
    }
    findings.accepted = count(fates.values().filter(|is_accepted| **is_accepted).count());
    judge_seqs(parties, &mut findings);
    let mut seen = BTreeMap::new();
    for party in parties {
        seen.insert(party.name, judge_reader(party, &fates, &mut findings));
    }
    for text in fates.iter().filter(|(_, is_accepted)| **is_accepted).map(|(text, _)| text) {
        for reader in readers(text.log, groups) {
            if !seen.get(&reader).is_some_and(|seen| seen.contains(text)) {
                findings.lost += 1;
                findings.violate("lost", || format!("{text}, which {reader} never saw"));
            }
        }
    }
    ask_oracle(parties, groups, &mut findings);
    findings
}

/// Who is to see what is posted to a log.
fn readers(log: LogId, groups: &BTreeMap<Name, Vec<Name>>) -> Vec<Name> {
    match log.kind {
        LogKind::Mailbox => vec![log.name],
        LogKind::Group => groups.get(&log.name).cloned().unwrap_or_default(),
    }
}

/// Notes which texts are accepted, by the sender's store and by what its person was told.
fn judge_sender(party: &Party, fates: &mut BTreeMap<Text, bool>, findings: &mut Findings) {
    for Post { text, answer, .. } in &party.posts {
        let is_accepted = *answer == Some(Answer::Accepted);
        match answer {
            Some(Answer::Accepted) => {}
            Some(Answer::Rejected(why)) => {
                *findings.rejected.entry(why.clone()).or_default() += 1;
            }
            None => findings.violate("not answered", || text.to_string()),
        }
        if fates.insert(*text, is_accepted).is_some() {
            findings.violate("kept twice by its sender", || text.to_string());
        }
    }
    for (text, answer) in &party.told {
        let was_accepted = *answer == Answer::Accepted;
        let is_accepted = fates.get(text).copied();
        if is_accepted != Some(was_accepted) {
            let store = is_accepted.map_or("nothing", |is| if is { "accepted" } else { "not" });
            findings.violate("told other than kept", || {
                format!("{text}: told {answer:?}, the store says {store}")
            });
        }
        // What was said counts, whatever the store says now.
        *fates.entry(*text).or_default() |= was_accepted;
    }
}

/// What a reader was shown; what is wrong with that.
fn judge_reader(
    party: &Party,
    fates: &BTreeMap<Text, bool>,
    findings: &mut Findings,
) -> BTreeSet<Text> {
    let reader = party.name;
    let mut seen = BTreeSet::new();
    let mut last: BTreeMap<(Name, LogId), u64> = BTreeMap::new();
    for Show { log, seq, sender, said, number, .. } in &party.shown {
        let Ok(text) = said else {
            findings.unreadable += u64::from(number.value() > 0);
            continue;
        };
        findings.shown += 1;
        let place = format!("to {reader} as {log} {} number {}", seq.0, number.value());
        if (text.sender, text.log) != (*sender, *log) {
            findings.violate("shown as another's", || format!("{text}, {place} of {sender}"));
        }
        match fates.get(text) {
            Some(true) => {}
            Some(false) => findings
                .violate("shown, and its sender was told that it was not stored", || {
                    format!("{text}, {place}")
                }),
            None => findings.violate("shown, and never written", || format!("{text}, {place}")),
        }
        let last = last.entry((text.sender, text.log)).or_default();
        if !seen.insert(*text) {
            findings.doubled += 1;
            findings.violate("shown again", || format!("{text}, {place}"));
        } else if text.number < *last {
            findings.reordered += 1;
            findings.violate("shown out of order", || format!("{text} after {last}, {place}"));
        }
        *last = (*last).max(text.number);
    }
    seen
}

/// Notes places in logs that two texts have.
fn judge_seqs(parties: &[Party], findings: &mut Findings) {
    let mut places: BTreeMap<(LogId, Seq), Text> = BTreeMap::new();
    for Show { log, seq, said, .. } in parties.iter().flat_map(|party| &party.shown) {
        let Ok(text) = said else { continue };
        let first = *places.entry((*log, *seq)).or_insert(*text);
        if first != *text {
            findings
                .violate("a seq given twice", || format!("{log} {} is {first}, and {text}", seq.0));
        }
    }
}

fn count(len: usize) -> u64 {
    u64::try_from(len).expect("few")
}

/// Tells the simulator's oracle the same story.
fn ask_oracle(parties: &[Party], groups: &BTreeMap<Name, Vec<Name>>, findings: &mut Findings) {
    let mut oracle = Oracle::of_people();
    let now = Instant(0);
    for (group, members) in groups {
        let members = members.iter().map(|name| (*name, Membership { joined: Seq(0) }));
        oracle.ledger.members.insert(*group, members.collect());
    }
    for (client, party) in parties.iter().enumerate() {
        for post in &party.posts {
            tell_post(&mut oracle, (client, party), post);
        }
    }
    let origins: BTreeMap<Name, _> = parties.iter().map(|p| (p.name, p.origin)).collect();
    for (client, party) in parties.iter().enumerate() {
        for (show, text) in
            party.shown.iter().filter_map(|show| Some((show, show.said.as_ref().ok()?)))
        {
            let Some(origin) = origins.get(&show.sender).copied() else { continue };
            let (log, seq, sender, number) = (show.log, show.seq, show.sender, show.number);
            let (text, sent) = (text.to_string(), Wall(0));
            let content = ReceivedContent::Text { text, sent, previous: [0; 32], verified: true };
            let (id, at, continuity) = (InboxId(0), Wall(0), Continuity::Unknown);
            let message =
                InboxMessage { id, log, seq, sender, origin, number, at, continuity, content };
            oracle.hear(now, &Fact::Shown { client, reader: party.name, message: &message });
        }
    }
    oracle.conclude(now);
    for violation in oracle.found() {
        findings.violations.push(format!("{}: {}", violation.property, violation.what));
    }
}

fn tell_post(oracle: &mut Oracle, (client, party): (usize, &Party), post: &Post) {
    let Some(number) = post.number else { return };
    let place = (party.name, party.origin, post.text.log, number);
    let text = post.text.to_string();
    let body = &Bytes::new();
    let (text, draft) = (Some(text.as_str()), post.text.number.cast_signed());
    let message_session = MessageSession(0);
    let sealed = Fact::Sealed { client, place, message_session, body, text, draft };
    oracle.hear(Instant(0), &sealed);
    match &post.answer {
        Some(Answer::Accepted) => oracle.hear(Instant(0), &Fact::Accepted { client, place }),
        Some(Answer::Rejected(_)) => {
            let code = FaultCode::MAILBOX_FULL;
            oracle.hear(Instant(0), &Fact::Rejected { client, place, code });
        }
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use wire::{Name, Number, Origin, Seq, Wall};

    use super::judge;
    use crate::chaos::journal::{Answer, Show};
    use crate::chaos::party::{Party, Post};
    use crate::chaos::text::{Text, log_id};

    /// Two accepted posts to oneself, shown at these seqs.
    fn party(seqs: [u64; 2]) -> Party {
        let name: Name = "alice".parse().expect("a name");
        let log = log_id("@alice").expect("a log");
        let (mut posts, mut shown) = (Vec::new(), Vec::new());
        for (number, seq) in [1, 2].into_iter().zip(seqs) {
            let text = Text { sender: name, log, number, at: Wall(0) };
            let number = Number::new(number).expect("a number");
            posts.push(Post { text, number: Some(number), answer: Some(Answer::Accepted) });
            let (id, seq, sender, said) = (None, Seq(seq), name, Ok(text));
            shown.push(Show { id, log, seq, sender, number, at: None, said });
        }
        Party { name, origin: Origin([7; 16]), posts, told: Vec::new(), shown, reprinted: 0 }
    }

    #[test]
    fn two_texts_have_two_seqs() {
        let violations = |seqs| judge(&[party(seqs)], &BTreeMap::new()).violations;
        assert_eq!(violations([5, 6]), Vec::<String>::new());
        let found = violations([5, 5]);
        let expected = "a seq given twice: @alice 5 is 1 by alice to @alice at 0, \
                        and 2 by alice to @alice at 0";
        assert_eq!(found, [expected]);
    }
}
