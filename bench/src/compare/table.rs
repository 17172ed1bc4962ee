//! The comparison as a document, and as one JSON object.

use std::fmt::Write;

use serde_json::{Value, json};

use super::Comparison;
use super::case::{Case, Contender, Figure, Target};
use super::summary::{Row, Spread};

/// The document.
#[must_use]
pub fn markdown(comparison: &Comparison) -> String {
    let mut text = head(comparison);
    text.push_str(&overview(comparison));
    for case in comparison.summary.cases() {
        text.push_str(&details(comparison, case));
    }
    text.push_str(&contenders(comparison));
    text.push_str(&configurations(comparison));
    text
}

fn head(comparison: &Comparison) -> String {
    let Comparison { machine, plan, .. } = comparison;
    format!(
        "# FastChat beside other servers\n\n\
         {runs} on {cores} cores ({processor}, Linux {kernel}, files on {files}, \
         load {load} before), {seconds} s each; bodies of 200 bytes. Server CPU is that of all \
         threads of all processes. Each run is in [`raw.jsonl`](raw.jsonl).\n\n\
         ![Medians of all](plot.svg)\n\n",
        runs = match plan.runs {
            1 => "One run".to_owned(),
            runs => format!("Medians of {runs} runs"),
        },
        cores = machine.cores,
        processor = machine.processor,
        kernel = machine.kernel,
        files = machine.file_system,
        load = machine.load,
        seconds = plan.sizes.seconds,
    )
}

/// One line for each figure, one column for each contender.
fn overview(comparison: &Comparison) -> String {
    let contenders = comparison.plan.contenders();
    let mut text = String::from("| scenario | figure | target |");
    for contender in &contenders {
        write!(text, " {} |", contender.name()).expect("a string takes all");
    }
    let columns = "| --- ".repeat(3 + contenders.len());
    writeln!(text, "\n{columns}|").expect("a string takes all");
    for case in comparison.summary.cases() {
        for (index, figure) in case.figures.iter().enumerate() {
            let Case { key, .. } = case;
            let target = targets(figure);
            write!(text, "| `{key}` | {} | {target} |", figure.title).expect("a string takes all");
            for contender in &contenders {
                let row = comparison.summary.of_case(case).find(|row| row.contender == *contender);
                let cell = overview_cell(row, index);
                write!(text, " {cell} |").expect("a string takes all");
            }
            text.push('\n');
        }
    }
    text.push('\n');
    text
}

/// A median, in bold letters where a target is not reached.
fn overview_cell(row: Option<&Row>, index: usize) -> String {
    let spread = row.and_then(|row| row.spreads[index].map(|spread| (row, spread)));
    let Some((row, spread)) = spread else {
        return "–".to_owned();
    };
    let value = number(spread.median);
    match row.case.figures[index].target_of(row.contender) {
        Some(target) if !target.is_reached(spread.median) => format!("**{value}**"),
        _ => value,
    }
}

fn targets(figure: &Figure) -> String {
    let plain = figure.target.map(target);
    let tls = figure.tls_target.map(|bound| format!("TLS {}", target(bound)));
    let both: Vec<String> = plain.into_iter().chain(tls).collect();
    if both.is_empty() { "–".to_owned() } else { both.join(", ") }
}

fn target(target: Target) -> String {
    match target {
        Target::Most(most) => format!("≤ {}", number(most)),
        Target::Least(least) => format!("≥ {}", number(least)),
    }
}

fn details(comparison: &Comparison, case: &Case) -> String {
    let mut text = format!("## {}\n\n| server |", case.title);
    let titles = case.figures.iter().map(|figure| figure.title);
    for title in titles.chain(["RSS at the end, KiB", "lost", "doubled", "errors", "does not do"]) {
        write!(text, " {title} |").expect("a string takes all");
    }
    let columns = "| --- ".repeat(6 + case.figures.len());
    writeln!(text, "\n{columns}|").expect("a string takes all");
    for row in comparison.summary.of_case(case) {
        text.push_str(&details_row(row));
    }
    text.push('\n');
    text
}

fn details_row(row: &Row) -> String {
    let mut text = format!("| {} |", row.contender.name());
    let spreads = row.spreads.iter().zip(row.case.figures);
    for (spread, figure) in spreads {
        let reached = spread.zip(figure.target_of(row.contender));
        let verdict = match reached {
            Some((spread, target)) if target.is_reached(spread.median) => ", reached",
            Some(_) => ", **not reached**",
            None => "",
        };
        write!(text, " {}{verdict} |", range(*spread)).expect("a string takes all");
    }
    let lacks = row.contender.lacks();
    let last = match &row.failed {
        None => lacks,
        Some(why) if lacks.contains(why) => format!("no figures: {lacks}"),
        Some(why) => format!("no figures: {}; {lacks}", escaped(why)),
    };
    let counts = [row.lost, row.doubled, row.errors].map(|count| match row.runs {
        0 => "–".to_owned(),
        _ => count.to_string(),
    });
    let counts = counts.join(" | ");
    let rss = range(row.rss_kib);
    writeln!(text, " {rss} | {counts} | {last} |").expect("a string takes all");
    text
}

fn contenders(comparison: &Comparison) -> String {
    let mut text = String::from("## Who took part\n\n| server | version | does not do |\n");
    text.push_str("| --- | --- | --- |\n");
    for (contender, version) in &comparison.versions {
        let (name, lacks) = (contender.name(), contender.lacks());
        writeln!(text, "| {name} | {} | {lacks} |", escaped(version)).expect("a string takes all");
    }
    text.push('\n');
    text
}

fn configurations(comparison: &Comparison) -> String {
    let mut text = String::from("## How they were configured\n\n");
    let mut files: Vec<&str> = Vec::new();
    for peer in &comparison.plan.peers {
        files.extend(crate::peers::config::template(*peer).map(|template| template.file));
    }
    files.dedup();
    for file in files {
        writeln!(text, "- [`{file}`](peers/{file})").expect("a string takes all");
    }
    text
}

/// `median (lowest–highest)`.
fn range(spread: Option<Spread>) -> String {
    spread.map_or("–".to_owned(), |Spread { median, min, max }| match min == max {
        true => number(median),
        false => format!("{} ({}–{})", number(median), number(min), number(max)),
    })
}

/// As many digits as are good for something.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        1_000.0.. => thousands(&format!("{value:.0}")),
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn thousands(digits: &str) -> String {
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

/// One object: every median with its lowest and highest.
#[must_use]
pub fn json(comparison: &Comparison) -> Value {
    let Comparison { machine, plan, versions, summary } = comparison;
    json!({
        "scenario": "compare",
        "machine": {
            "cores": machine.cores, "processor": machine.processor, "kernel": machine.kernel,
            "load": machine.load, "file_system": machine.file_system,
        },
        "runs": plan.runs,
        "seconds": plan.sizes.seconds,
        "servers": versions.iter().map(server_json).collect::<Vec<_>>(),
        "rows": summary.0.iter().map(row_json).collect::<Vec<_>>(),
    })
}

fn server_json((contender, version): &(Contender, String)) -> Value {
    json!({ "server": contender.name(), "version": version, "does_not": contender.lacks() })
}

fn row_json(row: &Row) -> Value {
    let spread = |(spread, figure): (&Option<Spread>, &Figure)| {
        let target = figure.target_of(row.contender);
        json!({
            "figure": figure.title,
            "median": spread.map(|spread| spread.median),
            "min": spread.map(|spread| spread.min),
            "max": spread.map(|spread| spread.max),
            "reached": spread.zip(target).map(|(spread, t)| t.is_reached(spread.median)),
        })
    };
    json!({
        "case": row.case.key,
        "server": row.contender.name(),
        "figures": row.spreads.iter().zip(row.case.figures).map(spread).collect::<Vec<_>>(),
        "rss_kib": row.rss_kib.map(|spread| spread.median),
        "lost": row.lost,
        "doubled": row.doubled,
        "errors": row.errors,
        "runs": row.runs,
        "failed": row.failed,
    })
}
