//! What a simulation found: tables for people, one JSON object for programs.

use std::fmt::Write;

use router::core::strategy::Strategy;
use serde_json::{Value, json};

use super::crowd::Skew;
use super::figures::{Moved, Row};
use super::plan::Plan;
use super::{Outcome, SlotRow};

/// How far from the ideal a change may be, with `bounded-hash` and uniform users, in percent.
pub const OFF_MAX_PERCENT: f64 = 20.0;
/// With fewer users per server chance moves shares by more than some percent.
pub const USERS_PER_SERVER_MIN: u32 = 1_000;

/// Everything a report says.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// What was simulated.
    pub plan: &'a Plan,
    /// What was found.
    pub outcome: &'a Outcome,
}

impl Report<'_> {
    /// By how many percent of the ideal the share that `bounded-hash` moves is off, at most, of
    /// uniform users when a server joins or leaves; as far as enough users show it. `None` when
    /// each number of servers has too few.
    #[must_use]
    pub fn off_percent(&self) -> Option<f64> {
        let judged = self.outcome.rows.iter().filter(|row| {
            row.skew == Skew::Uniform
                && row.strategy == Strategy::BoundedHash
                && self.plan.users >= USERS_PER_SERVER_MIN * u32::from(row.servers)
        });
        let off = |moved: Moved| (moved.ratio() - 1.0).abs() * 100.0;
        judged.map(|row| off(row.joins).max(off(row.leaves))).reduce(f64::max)
    }

    /// Whether it is as it should be: see [`Self::off_percent`].
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.off_percent().is_none_or(|off| off <= OFF_MAX_PERCENT)
    }

    /// For people: several tables.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = self.head();
        for skew in Skew::ALL {
            put(&mut out, format_args!("\n{skew}: {}", about(skew)));
            put(
                &mut out,
                format_args!(
                    "{:>7}  {:<17} {:>6} {:>7} {:>8} {:>8} {:>6} {:>6} {} {}",
                    "servers",
                    "strategy",
                    "max",
                    "sd",
                    "home max",
                    "overflow",
                    "hops",
                    "extra",
                    moved_head("joins"),
                    moved_head("leaves"),
                ),
            );
            for row in self.outcome.rows.iter().filter(|row| row.skew == skew) {
                put_row(&mut out, row);
            }
        }
        let (joins, leaves) = (moved_head("joins"), moved_head("leaves"));
        put(&mut out, format_args!("\nslots of the map that get another home, in percent"));
        put(&mut out, format_args!("servers {joins} {leaves}"));
        for SlotRow { servers, joins, leaves } in &self.outcome.slots {
            put(&mut out, format_args!("{servers:>7} {} {}", moved(*joins), moved(*leaves)));
        }
        out.push('\n');
        out.push_str(&self.tail());
        out
    }

    /// For programs: one object on one line.
    #[must_use]
    pub fn json(&self) -> String {
        let Plan { users, servers, percent, seed, .. } = self.plan;
        let rows: Vec<Value> = self.outcome.rows.iter().map(row_json).collect();
        let slots = self.outcome.slots.iter().map(|row| {
            json!({
                "servers": row.servers,
                "joins": moved_json(row.joins),
                "leaves": moved_json(row.leaves),
            })
        });
        let object = json!({
            "scenario": "balance",
            "version": env!("CARGO_PKG_VERSION"),
            "options": { "users": users, "servers": servers, "percent": percent, "seed": seed },
            "assignments": self.outcome.assignments,
            "above_cap": 0,
            "off_percent": self.off_percent().map(rounded),
            "rows": rows,
            "slots": slots.collect::<Vec<Value>>(),
        });
        object.to_string()
    }

    fn head(&self) -> String {
        let Plan { users, percent, seed, .. } = self.plan;
        format!(
            "fastchat-bench {version} balance: {users} users sign in, and as many times one of \
             them anew; cap of bounded-hash {percent} %; seed {seed}\n{LEGEND}",
            version = env!("CARGO_PKG_VERSION"),
        )
    }

    fn tail(&self) -> String {
        let held = format!("the bound held at each of {} assignments", self.outcome.assignments);
        match self.off_percent() {
            Some(off) => format!(
                "{held}; what bounded-hash moves of uniform users is within {off:.1} % of the ideal"
            ),
            None => format!("{held}; too few users per server to judge what moves"),
        }
    }
}

const LEGEND: &str = "\
max, sd, home max: sessions of a server (if everybody sat at home), as parts of the mean
overflow: sessions away from home, in percent
hops, extra: links between servers that a message crosses, and those that it need not
joins, leaves: sessions that sit elsewhere when all have signed in anew, in percent
";

fn about(skew: Skew) -> &'static str {
    match skew {
        Skew::Uniform => "accounts fall into slots by their names",
        Skew::Zipf => "as uniform, but the k-th slot has 1/k of the accounts of the first",
        Skew::Unequal => "as uniform, but every third server takes 75 % of the average at most",
    }
}

fn put_row(out: &mut String, row: &Row) {
    let (even, travel) = (row.evenness, row.travel);
    put(
        out,
        format_args!(
            "{:>7}  {:<17} {:>6.3} {:>7.4} {:>8.2} {:>8.2} {:>6.3} {:>6.3} {} {}",
            row.servers,
            row.strategy,
            even.max,
            even.deviation,
            even.homes_max,
            travel.overflow * 100.0,
            travel.hops,
            travel.extra,
            moved(row.joins),
            moved(row.leaves),
        ),
    );
}

fn put(out: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(out, "{line}").expect("a string takes everything");
}

fn moved(moved: Moved) -> String {
    let (share, ideal) = (moved.share * 100.0, moved.ideal * 100.0);
    format!("{share:>8.2} {ideal:>6.2} {:>6.2}", moved.ratio())
}

fn moved_head(what: &str) -> String {
    format!("{what:>8} {:>6} {:>6}", "ideal", "ratio")
}

fn row_json(row: &Row) -> Value {
    json!({
        "skew": row.skew.name(),
        "servers": row.servers,
        "strategy": row.strategy.name(),
        "max": rounded(row.evenness.max),
        "deviation": rounded(row.evenness.deviation),
        "homes_max": rounded(row.evenness.homes_max),
        "overflow": rounded(row.travel.overflow),
        "hops": rounded(row.travel.hops),
        "extra_hops": rounded(row.travel.extra),
        "joins": moved_json(row.joins),
        "leaves": moved_json(row.leaves),
    })
}

fn moved_json(moved: Moved) -> Value {
    json!({
        "share": rounded(moved.share),
        "ideal": rounded(moved.ideal),
        "ratio": rounded(moved.ratio()),
    })
}

/// Six digits after the point: more would be noise.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}
