//! Medians of runs, with the lowest and the highest.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::case::{Case, Contender, Figure};
use crate::peers::peer::Peer;

/// What one run found.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Counted from 1.
    pub run: u64,
    /// What was compared.
    pub case: &'static Case,
    /// Who took part.
    pub contender: Contender,
    /// The command line.
    pub command: Vec<String>,
    /// Its JSON object, or why there is none.
    pub figures: Result<Value, String>,
}

/// A figure of several runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The one in the middle; of two, their mean.
    pub median: f64,
    /// The lowest.
    pub min: f64,
    /// The highest.
    pub max: f64,
}

/// What one contender did in one case.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was compared.
    pub case: &'static Case,
    /// Who took part.
    pub contender: Contender,
    /// As many as the case has figures.
    pub spreads: Vec<Option<Spread>>,
    /// Resident memory at the end, in KiB.
    pub rss_kib: Option<Spread>,
    /// Of all runs together.
    pub lost: u64,
    /// Of all runs together.
    pub doubled: u64,
    /// Damaged, refused, out of order or not sent, of all runs together.
    pub errors: u64,
    /// Runs that found something.
    pub runs: usize,
    /// Why the others did not: the last reason.
    pub failed: Option<String>,
}

/// All rows, by case and contender as they were run.
#[derive(Clone, Debug, Default)]
pub struct Summary(pub Vec<Row>);

impl Outcome {
    /// One line of the raw figures.
    #[must_use]
    pub fn json(&self) -> Value {
        let (figures, failed) = match &self.figures {
            Ok(figures) => (Some(figures), None),
            Err(why) => (None, Some(why)),
        };
        json!({
            "run": self.run,
            "case": self.case.key,
            "contender": self.contender.name(),
            "command": self.command,
            "figures": figures,
            "failed": failed,
        })
    }

    /// Whether nothing was lost, doubled, damaged, refused or left out, as far as it ran; FastChat
    /// runs.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let is_ours = matches!(self.contender, Contender::FastChat { .. });
        if is_ours && self.figures.is_err() {
            return false;
        }
        self.count("lost") == 0 && self.count("doubled") == 0 && self.errors() == 0
    }

    /// What else should be 0: latencies lack the posts that were due and not sent.
    fn errors(&self) -> u64 {
        ["errors", "damaged", "unsent"].map(|key| self.count(key)).iter().sum()
    }

    fn count(&self, key: &str) -> u64 {
        let figures = self.figures.as_ref().ok();
        figures.and_then(|figures| figures[key].as_u64()).unwrap_or(0)
    }

    fn value(&self, figure: &Figure) -> Option<f64> {
        let figures = self.figures.as_ref().ok()?;
        figure.pointers.iter().find_map(|pointer| figures.pointer(pointer)?.as_f64())
    }
}

impl Spread {
    /// Of some values, when there are any.
    #[must_use]
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        Some(Self { median: f64::midpoint(low, high), min, max })
    }
}

impl Summary {
    /// Of all `outcomes`.
    #[must_use]
    pub fn of(outcomes: &[Outcome]) -> Self {
        let mut rows: Vec<Vec<&Outcome>> = Vec::new();
        let mut places = BTreeMap::new();
        for outcome in outcomes {
            let key = (outcome.case.key, outcome.contender);
            let place = *places.entry(key).or_insert(rows.len());
            if place == rows.len() {
                rows.push(Vec::new());
            }
            rows[place].push(outcome);
        }
        Self(rows.iter().map(|mine| row(mine, outcomes)).collect())
    }

    /// The rows of one case.
    pub fn of_case(&self, case: &Case) -> impl Iterator<Item = &Row> {
        self.0.iter().filter(move |row| row.case.key == case.key)
    }

    /// Each case that has rows, once.
    #[must_use]
    pub fn cases(&self) -> Vec<&'static Case> {
        let mut cases: Vec<&'static Case> = Vec::new();
        for row in &self.0 {
            if !cases.iter().any(|case| case.key == row.case.key) {
                cases.push(row.case);
            }
        }
        cases
    }
}

fn row(mine: &[&Outcome], all: &[Outcome]) -> Row {
    let (case, contender) = (mine[0].case, mine[0].contender);
    let spread = |figure: &Figure| {
        let values = mine.iter().filter_map(|outcome| match figure.is_relative {
            false => outcome.value(figure),
            true => Some(outcome.value(figure)? / relay_beside(outcome, all)?.value(figure)?),
        });
        Spread::of(values.filter(|value| value.is_finite()).collect())
    };
    let rss = mine.iter().filter_map(|outcome| outcome.figures.as_ref().ok()?["rss_kib"].as_f64());
    Row {
        case,
        contender,
        spreads: case.figures.iter().map(spread).collect(),
        rss_kib: Spread::of(rss.collect()),
        lost: mine.iter().map(|outcome| outcome.count("lost")).sum(),
        doubled: mine.iter().map(|outcome| outcome.count("doubled")).sum(),
        errors: mine.iter().map(|outcome| outcome.errors()).sum(),
        runs: mine.iter().filter(|outcome| outcome.figures.is_ok()).count(),
        failed: mine.iter().rev().find_map(|outcome| outcome.figures.as_ref().err().cloned()),
    }
}

/// The relay in the same run of the same case.
fn relay_beside<'a>(outcome: &Outcome, all: &'a [Outcome]) -> Option<&'a Outcome> {
    let relay = Contender::Peer(Peer::Relay);
    all.iter().find(|other| {
        other.contender == relay && other.run == outcome.run && other.case.key == outcome.case.key
    })
}
