//! The same load several times, with one thing changed: the offered rate, or the number of servers.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use serde_json::{Value, json};

use crate::chart::{Axis, Chart, Scale};
use crate::page::Page;
use crate::plan::{Plan, SeriesPlan, Varied};
use crate::run::{RunError, make_dir, measure, stop_flag, write};

/// One run of a series.
#[derive(Clone, Debug)]
pub struct Point {
    /// What was changed to what.
    pub at: u64,
    /// The object that the run alone would have printed.
    pub figures: Value,
}

/// Runs a series, prints it and writes the files that were asked for; whether nothing was lost,
/// doubled or left unanswered in any run.
///
/// # Errors
/// [`RunError`] of the first run that gives no result.
pub fn run(plan: &SeriesPlan) -> Result<bool, RunError> {
    let first = &plan.runs.first().expect("a series has runs").1;
    make_dir(first.report.as_deref())?;
    let stop = stop_flag()?;
    let mut points = Vec::new();
    let mut is_sound = true;
    for (at, each) in &plan.runs {
        let report = measure(each, &stop)?;
        is_sound &= report.is_sound();
        let figures = serde_json::from_str(&report.json()).expect("a report is one object");
        points.push(Point { at: *at, figures });
    }
    let text = if first.json { json(plan, &points) } else { table(plan, &points) };
    writeln!(io::stdout(), "{text}")?;
    if let Some(dir) = &first.report {
        write(dir, "report.html", &page(plan, first, &points).html()?)?;
        write(dir, "report.json", &json(plan, &points))?;
    }
    Ok(is_sound)
}

/// The last run's object, with all of them in `rows`.
fn json(plan: &SeriesPlan, points: &[Point]) -> String {
    let mut object = points.last().map_or(Value::Null, |point| point.figures.clone());
    object["scenario"] = json!(plan.scenario);
    object["rows"] = points.iter().map(|point| point.figures.clone()).collect();
    object.to_string()
}

/// Columns of a table: heading, and key of the object.
const COLUMNS: [(&str, &str); 10] = [
    ("per second", "per_s"),
    ("server µs", "server_us"),
    ("p50 µs", "p50_us"),
    ("p99 µs", "p99_us"),
    ("stored", "stored"),
    ("seen", "seen"),
    ("hops", "hops"),
    ("overflow", "overflow"),
    ("RSS KiB", "rss_kib"),
    ("lost", "lost"),
];

fn table(plan: &SeriesPlan, points: &[Point]) -> String {
    let mut text = format!("{:>16}", plan.varied.name());
    for (heading, _) in COLUMNS {
        write!(text, " {heading:>11}").expect("a string takes all");
    }
    for point in points {
        write!(text, "\n{:>16}", point.at).expect("a string takes all");
        for (_, key) in COLUMNS {
            let value = &point.figures[key];
            let shown = if value.is_null() { "-".to_owned() } else { value.to_string() };
            write!(text, " {shown:>11}").expect("a string takes all");
        }
    }
    text
}

fn page(plan: &SeriesPlan, first: &Plan, points: &[Point]) -> Page {
    let scale = match plan.varied {
        Varied::Rate => Scale::Tenfold,
        Varied::Servers => Scale::Linear,
    };
    let x = Axis { title: plan.varied.name(), scale };
    let chart = |title: &str, y, keys: &[(&str, &str)]| Chart {
        title: title.to_owned(),
        x,
        y,
        lines: keys.iter().map(|(name, key)| ((*name).to_owned(), line(points, key))).collect(),
    };
    let micros = Axis { title: "µs", scale: Scale::Tenfold };
    let linear = |title| Axis { title, scale: Scale::Linear };
    let latencies = [("p50", "/delivered_us/p50"), ("p99", "/delivered_us/p99")];
    let cost = [("server", "/server_us"), ("generator", "/bench_us")];
    Page {
        title: format!("fastchat-bench {}", plan.scenario),
        text: format!(
            "bodies of {} bytes, seed {}\n{}",
            first.body_len,
            first.seed,
            table(plan, points)
        ),
        charts: vec![
            chart("Latency from the intended time", micros, &latencies),
            chart("CPU per delivered message", linear("µs"), &cost),
            chart("Delivered", linear("per second"), &[("delivered", "/per_s")]),
            chart("Memory of all servers", linear("KiB"), &[("resident", "/rss_kib")]),
        ],
    }
}

/// The points that were measured.
fn line(points: &[Point], key: &str) -> Vec<(f64, f64)> {
    let figure = |point: &Point| {
        Some((crate::record::float(point.at), point.figures.pointer(key)?.as_f64()?))
    };
    points.iter().filter_map(figure).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> SeriesPlan {
        SeriesPlan { scenario: "servers", varied: Varied::Servers, runs: Vec::new() }
    }

    fn points() -> Vec<Point> {
        let figures =
            |cost: f64| json!({ "scenario": "direct", "per_s": 1000.0, "server_us": cost });
        vec![Point { at: 1, figures: figures(2.0) }, Point { at: 2, figures: figures(3.5) }]
    }

    #[test]
    fn the_object_is_the_last_runs_with_all_of_them() {
        let object: Value = serde_json::from_str(&json(&plan(), &points())).expect("an object");
        assert_eq!((&object["scenario"], &object["server_us"]), (&json!("servers"), &json!(3.5)));
        assert_eq!(object["rows"][0]["server_us"], 2.0);
    }

    #[test]
    fn the_table_has_a_row_for_each_run() {
        let table = table(&plan(), &points());
        let rows: Vec<&str> = table.lines().collect();
        assert_eq!(rows.len(), 3);
        assert!(rows[2].trim_start().starts_with('2') && rows[2].contains("3.5"), "{table}");
    }

    #[test]
    fn what_was_not_measured_is_no_point() {
        assert_eq!(line(&points(), "/server_us"), [(1.0, 2.0), (2.0, 3.5)]);
        assert_eq!(line(&points(), "/delivered_us/p50"), []);
    }
}
