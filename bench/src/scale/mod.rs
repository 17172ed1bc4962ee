//! Whether what is stored makes a message dearer: the same loads on one cluster, whose accounts,
//! groups and entries double from run to run.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde_json::{Value, json};

use crate::chart::{Axis, Chart, Scale};
use crate::cluster::Cluster;
use crate::machine::Machine;
use crate::page::Page;
use crate::peers::patience::Patience;
use crate::plan::{Plan, ScalePlan};
use crate::record::float;
use crate::report::Report;
use crate::run::{RunError, make_dir, say, stop_flag, write};
use crate::shell;

pub mod filler;

use filler::{Filled, Filler};

/// How often the servers' CPU time is looked at while they come to rest.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// They rest when they use less than this in such a time.
const REST_CPU: Duration = Duration::from_millis(30);
/// After this long they are measured as they are.
const REST_TIME_MAX: Duration = Duration::from_secs(180);

/// The figures at one size.
#[derive(Clone, Debug)]
struct Step {
    filled: Filled,
    /// Server CPU that one more account cost, with its group and its entries, in µs.
    fill_us: Option<f64>,
    /// Sizes of the stores on disk, in bytes.
    stored_len: u64,
    /// The objects that the runs alone would have printed, by their names.
    runs: Vec<(&'static str, Value)>,
}

/// Runs the plan, prints what it found and writes the files that were asked for; whether nothing
/// was lost, doubled or left unanswered.
///
/// # Errors
/// [`RunError`]; the cluster is stopped then too.
pub fn run(plan: &ScalePlan) -> Result<bool, RunError> {
    make_dir(plan.direct.report.as_deref())?;
    let stop = stop_flag()?;
    let cluster = Cluster::open(&plan.direct.target, &stop)?;
    let (mut steps, mut filled, mut is_sound) = (Vec::new(), Filled::default(), true);
    for size in &plan.sizes {
        let (step, holds) = measure(plan, &cluster, filled, *size, &stop)?;
        is_sound &= holds;
        filled = step.filled;
        steps.push(step);
    }
    drop(cluster);
    let text = if plan.direct.json { object(plan, &steps) } else { table(&steps) };
    writeln!(io::stdout(), "{text}")?;
    if let Some(dir) = &plan.direct.report {
        write(dir, "report.html", &page(&steps).html()?)?;
        write(dir, "report.json", &object(plan, &steps))?;
        for (name, chart) in ["cpu.svg", "memory.svg"].iter().zip(charts(&steps)) {
            write(dir, name, &chart.svg()?)?;
        }
    }
    Ok(is_sound)
}

/// Fills the stores up to `size`, then measures.
fn measure(
    plan: &ScalePlan,
    cluster: &Cluster,
    before: Filled,
    size: Filled,
    stop: &AtomicBool,
) -> Result<(Step, bool), RunError> {
    let wanted = Filled {
        accounts: size.accounts.saturating_sub(before.accounts),
        groups: size.groups.saturating_sub(before.groups),
        entries: size.entries.saturating_sub(before.entries),
    };
    say(&format!("{} accounts more", wanted.accounts));
    let filler = Filler::new(wanted, plan.direct.body_len, shell::secret()?);
    let begun = cluster.usage()?;
    let added = shell::fill(filler, plan.direct.target.is_plaintext(), cluster, stop)?;
    let ended = rest(cluster)?;
    let cost = begun.zip(ended).and_then(|(begun, ended)| ended.cpu_since(&begun));
    let fill_us = cost.map(|cpu| cpu.as_secs_f64() * 1e6 / float(added.accounts.max(1)));
    let filled = Filled {
        accounts: before.accounts + added.accounts,
        groups: before.groups + added.groups,
        entries: before.entries + added.entries,
    };
    let (mut runs, mut is_sound) = (Vec::new(), true);
    for (name, each) in [("direct", &plan.direct), ("offline", &plan.offline)] {
        let report = measured(each, cluster, stop)?;
        is_sound &= report.is_sound();
        runs.push((name, serde_json::from_str(&report.json()).expect("a report is one object")));
    }
    let stored_len = cluster.stored_len()?.unwrap_or(0);
    Ok((Step { filled, fill_us, stored_len, runs }, is_sound))
}

fn measured(plan: &Plan, cluster: &Cluster, stop: &AtomicBool) -> Result<Report, RunError> {
    let machine = Machine::here();
    let measured = shell::run(plan, cluster, stop)?;
    Ok(Report::new(plan, machine, measured))
}

/// Waits until the servers have little left to do with what was written; what they have used then.
fn rest(cluster: &Cluster) -> Result<Option<crate::usage::Reading>, RunError> {
    let patience = Patience::of(REST_TIME_MAX);
    let mut last = cluster.usage()?;
    loop {
        let a_while = Patience::of(LOOK_INTERVAL);
        while a_while.wait() {}
        let now = cluster.usage()?;
        let spent = now.as_ref().zip(last.as_ref()).and_then(|(now, last)| now.cpu_since(last));
        if spent.is_none_or(|spent| spent < REST_CPU) || !patience.wait() {
            return Ok(now);
        }
        last = now;
    }
}

/// What is compared: heading, run, and key of its object.
const COLUMNS: [(&str, &str, &str); 5] = [
    ("direct µs", "direct", "/server_us"),
    ("store µs", "offline", "/store/server_us"),
    ("drain µs", "offline", "/drain/server_us"),
    ("store /s", "offline", "/store/per_s"),
    ("drain /s", "offline", "/drain/per_s"),
];

fn figure(step: &Step, run: &str, key: &str) -> Option<f64> {
    let (_, object) = step.runs.iter().find(|(name, _)| *name == run)?;
    object.pointer(key)?.as_f64()
}

fn table(steps: &[Step]) -> String {
    let mut text = format!(
        "{:>10}{:>10}{:>11}{:>12}{:>12}{:>12}",
        "accounts", "groups", "entries", "disk MiB", "RSS MiB", "fill µs"
    );
    COLUMNS.iter().for_each(|(heading, ..)| {
        write!(text, "{heading:>12}").expect("a string takes all");
    });
    for step in steps {
        let Filled { accounts, groups, entries } = step.filled;
        let (disk, rss) = (step.stored_len / (1024 * 1024), rss_mib(step).unwrap_or(f64::NAN));
        let fill = step.fill_us.unwrap_or(f64::NAN);
        write!(text, "\n{accounts:>10}{groups:>10}{entries:>11}{disk:>12}{rss:>12.0}{fill:>12.0}")
            .expect("a string takes all");
        for (_, run, key) in COLUMNS {
            let value = figure(step, run, key).unwrap_or(f64::NAN);
            write!(text, "{value:>12.2}").expect("a string takes all");
        }
    }
    text
}

fn rss_mib(step: &Step) -> Option<f64> {
    figure(step, "offline", "/rss_kib").map(|kib| kib / 1024.0)
}

fn object(plan: &ScalePlan, steps: &[Step]) -> String {
    let rows = steps.iter().map(|step| {
        let Filled { accounts, groups, entries } = step.filled;
        let runs = step.runs.iter().map(|(name, object)| ((*name).to_owned(), object.clone()));
        json!({
            "accounts": accounts, "groups": groups, "entries": entries,
            "fill_us": step.fill_us, "stored_len": step.stored_len,
            "runs": runs.collect::<serde_json::Map<_, _>>(),
        })
    });
    let rows: Vec<Value> = rows.collect();
    let last = steps.last().and_then(|step| step.runs.first());
    let mut object = last.map_or(Value::Null, |(_, object)| object.clone());
    object["scenario"] = json!("scale");
    object["seconds"] = json!(plan.direct.duration.as_secs());
    object["rows"] = json!(rows);
    object.to_string()
}

fn charts(steps: &[Step]) -> Vec<Chart> {
    let line = |value: &dyn Fn(&Step) -> Option<f64>| {
        let points =
            steps.iter().filter_map(|step| Some((float(step.filled.accounts), value(step)?)));
        points.collect::<Vec<_>>()
    };
    let x = Axis { title: "accounts; groups and entries grow alike", scale: Scale::Tenfold };
    let costs = COLUMNS[..3]
        .iter()
        .map(|(name, run, key)| ((*name).to_owned(), line(&|step| figure(step, run, key))));
    vec![
        Chart {
            title: "Server CPU per message".to_owned(),
            x,
            y: Axis { title: "µs", scale: Scale::Linear },
            lines: costs.collect(),
        },
        Chart {
            title: "Memory of all servers".to_owned(),
            x,
            y: Axis { title: "MiB", scale: Scale::Linear },
            lines: vec![("resident".to_owned(), line(&rss_mib))],
        },
    ]
}

fn page(steps: &[Step]) -> Page {
    Page { title: "fastchat-bench scale".to_owned(), text: table(steps), charts: charts(steps) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(accounts: u64, cost: f64) -> Step {
        Step {
            filled: Filled { accounts, groups: accounts, entries: 10 * accounts },
            fill_us: Some(300.0),
            stored_len: 5 * 1024 * 1024,
            runs: vec![
                ("direct", json!({ "scenario": "direct", "server_us": cost, "lost": 0 })),
                (
                    "offline",
                    json!({ "store": { "server_us": 2.5, "per_s": 9.0 }, "rss_kib": 2048 }),
                ),
            ],
        }
    }

    #[test]
    fn a_row_has_what_was_measured_at_its_size() {
        let table = table(&[step(1_000, 1.25), step(2_000, 1.5)]);
        let rows: Vec<Vec<&str>> =
            table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            rows[1],
            ["1000", "1000", "10000", "5", "2", "300", "1.25", "2.50", "NaN", "9.00", "NaN"]
        );
        assert_eq!(rows[2][6], "1.50");
    }

    #[test]
    fn lines_have_a_point_for_each_size_that_was_measured() {
        let charts = charts(&[step(1_000, 1.0), step(2_000, 1.5)]);
        let lines: Vec<usize> = charts[0].lines.iter().map(|(_, points)| points.len()).collect();
        assert_eq!(lines, [2, 2, 0]);
        assert_eq!(charts[0].lines[0].1, [(1_000.0, 1.0), (2_000.0, 1.5)]);
    }
}
