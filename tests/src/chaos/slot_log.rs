//! What a server's log says about the moves of one slot.

use std::fs;
use std::path::PathBuf;

use jiff::Timestamp;
use wire::Slot;

/// What a log may say about a slot that moves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Its home begins to copy it.
    Begun,
    /// Its home serves it no more: it stands still.
    Still,
    /// Whoever is to have it says what its copy adds up to.
    Summed,
    /// Its home says that the copy is the same, and lets it go.
    Copied,
    /// Its home has let it go.
    Moved,
    /// Whoever was to have it has it.
    Come,
    /// The attempt came to nothing: its home goes on to serve it.
    Ended,
}

impl Step {
    /// Those of a move that nothing hinders, in order.
    pub const ALL: [Self; 6] =
        [Self::Begun, Self::Still, Self::Summed, Self::Copied, Self::Moved, Self::Come];

    fn of(line: &str) -> Option<Self> {
        let says = |what| line.contains(what);
        [
            ("a slot begins to move", Self::Begun),
            ("a slot stands still", Self::Still),
            ("a slot's copy", Self::Summed),
            ("a slot is copied", Self::Copied),
            ("a slot has moved", Self::Moved),
            ("a slot has come", Self::Come),
            ("a slot does not move now", Self::Ended),
        ]
        .into_iter()
        .find_map(|(what, step)| says(what).then_some(step))
    }
}

/// One line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Said {
    /// What it says.
    pub step: Step,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// What the rows add up to, if it says so.
    pub sum: String,
}

/// A log from some moment on.
#[derive(Clone, Debug)]
pub struct SlotLog {
    path: PathBuf,
    mark: usize,
}

impl SlotLog {
    /// The log in this file, without what it says already.
    #[must_use]
    pub fn from_now_on(path: PathBuf) -> Self {
        let mark = read(&path).len();
        Self { path, mark }
    }

    /// What it has said about this slot, in order.
    #[must_use]
    pub fn said(&self, slot: Slot) -> Vec<Said> {
        let text = read(&self.path);
        let new = text.get(self.mark..).unwrap_or_default();
        new.lines().filter_map(|line| said(line, slot)).collect()
    }
}

fn said(line: &str, slot: Slot) -> Option<Said> {
    let wanted = format!("slot={}", slot.index());
    let is_about = line.split_whitespace().any(|word| word == wanted);
    let step = Step::of(line).filter(|_| is_about)?;
    let time: Timestamp = line.split_whitespace().next()?.parse().ok()?;
    let at_ms = u64::try_from(time.as_millisecond()).ok()?;
    let sum = line.split_once("rows=").map(|(_, sum)| sum.to_owned()).unwrap_or_default();
    Some(Said { step, at_ms, sum })
}

/// A process that has not said anything yet has no log.
fn read(path: &PathBuf) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: [&str; 4] = [
        "2026-11-29T10:00:00.250000Z  INFO a slot stands still slot=7",
        "2026-11-29T10:00:00.251000Z  INFO a slot is copied slot=7 rows=3 sum=[1, 2]",
        "2026-11-29T10:00:00.252000Z  INFO a slot stands still slot=70",
        "2026-11-29T10:00:00.253000Z  INFO something else slot=7",
    ];

    #[test]
    fn lines_about_a_slot_are_found_with_their_time_and_sum() {
        let slot = Slot::new(7).expect("there are more slots");
        let all: Vec<Said> = LINES.iter().filter_map(|line| said(line, slot)).collect();
        let steps: Vec<Step> = all.iter().map(|said| said.step).collect();
        assert_eq!(steps, [Step::Still, Step::Copied]);
        assert_eq!(all[1].at_ms - all[0].at_ms, 1);
        assert_eq!((all[0].sum.as_str(), all[1].sum.as_str()), ("", "3 sum=[1, 2]"));
    }
}
