//! A run's report: a table for people, one JSON object for programs.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::chart::{Axis, Chart, ChartError, Scale};
use crate::layout::Pattern;
use crate::machine::Machine;
use crate::page::Page;
use crate::plan::{Course, Keeping, Pace, Plan, Target};
use crate::record::{Latencies, Quantiles, float};
use crate::shell::Measured;
use crate::usage::Reading;

/// Everything a report says.
pub struct Report {
    plan: Plan,
    machine: Machine,
    measured: Measured,
}

impl Report {
    /// The report of `plan`, run on `machine`.
    #[must_use]
    pub fn new(plan: &Plan, machine: Machine, measured: Measured) -> Self {
        let plan = plan.clone();
        Self { plan, machine, measured }
    }

    /// For people: several lines.
    #[must_use]
    pub fn table(&self) -> String {
        let parts = [self.head(), self.latencies(), self.counts(), self.resources()];
        parts.join("\n").trim_end().to_owned()
    }

    /// For programs: one object on one line. What was not measured is `null`.
    #[must_use]
    pub fn json(&self) -> String {
        let record = &self.measured.record;
        let counts = &record.counts;
        let delivered = record.delivered.quantiles();
        let rejected = counts.rejected.iter();
        let rejected = rejected.map(|(code, count)| (code.to_string(), json!(count)));
        let (store, drain) = self.away();
        let object = json!({
            "scenario": self.plan.scenario,
            "version": env!("CARGO_PKG_VERSION"),
            "machine": {
                "cores": self.machine.cores,
                "processor": self.machine.processor,
                "kernel": self.machine.kernel,
                "load": self.machine.load,
                "file_system": self.file_system(),
            },
            "options": self.options(),
            "per_s": rounded(record.per_second()),
            "server_us": self.server_us().map(precise),
            "bench_us": self.bench_us().map(precise),
            "crypto_us": self.crypto_us().map(rounded),
            "p50_us": delivered.map(|quantiles| rounded(quantiles.p50_us)),
            "p99_us": delivered.map(|quantiles| rounded(quantiles.p99_us)),
            "delivered_us": quantiles(&record.delivered),
            "accepted_us": quantiles(&record.accepted),
            "sent_us": quantiles(&record.sent),
            "images_us": quantiles(&record.images),
            "images": counts.named,
            "posted": counts.posted,
            "delivered": counts.delivered,
            "stored": counts.stored,
            "seen": counts.seen,
            "lost": counts.lost,
            "doubled": counts.doubled,
            "errors": counts.errors(),
            "rejected": rejected.collect::<serde_json::Map<_, _>>(),
            "disordered": counts.disordered,
            "damaged": counts.damaged,
            "unanswered": counts.unanswered,
            "unsent": counts.unsent,
            "resent": counts.resent,
            "held": counts.held,
            "unavailable": counts.unavailable,
            "syncs": self.measured.committed.map(|committed| committed.syncs),
            "entries_per_sync": self.entries_per_sync().map(rounded),
            "rss_kib": self.after().map(Reading::rss_kib),
            "silent": self.silent(),
            "store": store,
            "drain": drain,
            "repeated": counts.repeated,
            "overflow": self.measured.overflow,
            "hops": rounded(self.measured.hops),
        });
        object.to_string()
    }

    /// The same for a browser, with the latencies drawn.
    ///
    /// # Errors
    /// [`ChartError`] when they cannot be drawn.
    pub fn html(&self) -> Result<String, ChartError> {
        let record = &self.measured.record;
        let latencies = [
            ("delivered", &record.delivered),
            ("accepted", &record.accepted),
            ("sent", &record.sent),
        ];
        let percentiles = Chart {
            title: "Latency from the intended time".to_owned(),
            x: Axis { title: "so many were at most as late", scale: Scale::Nines },
            y: Axis { title: "µs", scale: Scale::Tenfold },
            lines: latencies.map(|(name, all)| (name.to_owned(), all.curve())).into(),
        };
        let title = format!("fastchat-bench {}", self.plan.scenario);
        Page { title, text: self.table(), charts: vec![percentiles] }.html()
    }

    /// Latencies until delivery as a table of percentiles.
    #[must_use]
    pub fn hgrm(&self) -> String {
        self.measured.record.delivered.hgrm()
    }

    /// Whether the promise held.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.measured.record.is_sound()
    }

    /// What users found who read nothing for a while, and the pairs beside them.
    fn silent(&self) -> Value {
        if self.plan.silent == 0 {
            return Value::Null;
        }
        let Measured { record, hushed, cluster, .. } = &self.measured;
        let counts = &record.silent;
        json!({
            "users": self.plan.silent,
            "posted": counts.posted,
            "stored": counts.stored,
            "delivered": counts.delivered,
            "lost": counts.lost,
            "doubled": counts.doubled,
            "errors": counts.errors(),
            "beside_us": quantiles(&record.beside),
            "rss_before_kib": cluster.as_ref().map(|(before, _)| before.rss_kib()),
            "rss_hushed_kib": hushed.as_ref().map(Reading::rss_kib),
        })
    }

    fn options(&self) -> Value {
        let plan = &self.plan;
        let (rate, window) = match plan.pace {
            Pace::Open { rate } => (Some(rate), None),
            Pace::Closed { window } => (None, Some(window)),
        };
        let (servers, store_all) = match plan.target {
            Target::Own { servers, store_all, .. } => (Some(servers), Some(store_all)),
            Target::Running { .. } => (None, None),
        };
        let plaintext = plan.target.is_plaintext();
        let mode = if plan.is_sealed { "sealed" } else { "opaque" };
        json!({
            "local": servers, "rate": rate, "window": window, "users": plan.users(),
            "pattern": described(plan.pattern), "body_len": plan.body_len,
            "seconds": plan.duration.as_secs(), "seed": plan.seed, "mode": mode,
            "tls": !plaintext, "plaintext": plaintext, "store_all": store_all,
            "readers_keep": plan.keeping.name(),
        })
    }

    /// What was stored for readers who were away, and how fast they took it.
    fn away(&self) -> (Value, Value) {
        let Measured { record, stored, cluster, .. } = &self.measured;
        if !matches!(self.plan.course, Course::Away { .. }) {
            return (Value::Null, Value::Null);
        }
        let (stored_per_s, drained_per_s) = record.away_per_second();
        let costs = cluster.as_ref().zip(stored.as_ref()).map(|((before, after), stored)| {
            let first = stored.cpu_since(before).and_then(|cpu| self.per_message(cpu));
            let then = after.cpu_since(stored).and_then(|cpu| self.per_message(cpu));
            (first.map(precise), then.map(precise))
        });
        let (stored_us, drained_us) = costs.unwrap_or_default();
        (
            json!({ "per_s": rounded(stored_per_s), "server_us": stored_us }),
            json!({ "per_s": rounded(drained_per_s), "server_us": drained_us }),
        )
    }

    fn head(&self) -> String {
        let (plan, machine) = (&self.plan, &self.machine);
        let pace = match plan.pace {
            Pace::Open { rate } => {
                let seconds = plan.duration.as_secs();
                format!("open loop, {rate} posts/s offered, {seconds} s")
            }
            Pace::Closed { window } => {
                format!("closed loop, window {window} per writer: throughput only")
            }
        };
        let target = match &plan.target {
            Target::Own { servers, store_all, .. } => {
                let storing = if *store_all { " that store everything" } else { "" };
                format!("{servers} servers of its own{storing} on {}", machine.file_system)
            }
            Target::Running { router, .. } => format!("the cluster of {router}"),
        };
        format!(
            "fastchat-bench {version} {scenario}: {pace}\n\
             {pattern}, {bodies}, {security}, {target}; readers keep {kept}\n\
             {cores} cores, {processor}, Linux {kernel}, load {load} before; seed {seed}\n",
            version = env!("CARGO_PKG_VERSION"),
            scenario = plan.scenario,
            pattern = described(plan.pattern),
            security = if plan.target.is_plaintext() { "no TLS" } else { "TLS" },
            kept = match plan.keeping {
                Keeping::Journal => "a journal",
                Keeping::Nothing => "nothing",
            },
            bodies = match plan.is_sealed {
                true => format!("sealed texts of {} bytes", plan.body_len),
                false => format!("bodies of {} random bytes", plan.body_len),
            },
            cores = machine.cores,
            processor = machine.processor,
            kernel = machine.kernel,
            load = machine.load,
            seed = plan.seed,
        )
    }

    fn latencies(&self) -> String {
        let record = &self.measured.record;
        let mut rows = vec![
            ("delivered", &record.delivered),
            ("accepted", &record.accepted),
            ("sent", &record.sent),
        ];
        if self.plan.images > 0 {
            rows.push(("images fetched", &record.images));
        }
        if self.plan.silent > 0 {
            rows.insert(1, ("delivered, with silent", &record.beside));
        }
        let mut text = format!(
            "{:<23}{:>11}{:>11}{:>11}{:>11}{:>11}\n",
            "µs from intended time", "p50", "p90", "p99", "p99.9", "max"
        );
        for (name, latencies) in rows {
            let row = match latencies.quantiles() {
                Some(quantiles) => row(quantiles),
                None => "           not measured".to_owned(),
            };
            writeln!(text, "{name:<23}{row}").expect("a string takes all");
        }
        text
    }

    fn counts(&self) -> String {
        let record = &self.measured.record;
        let counts = &record.counts;
        let mut text = format!(
            "{per_s:.0} delivered per second; {posted} posted, {delivered} delivered, \
             {stored} accepted when stored, {seen} when seen\n\
             lost {lost}, doubled {doubled}, errors {errors}\n",
            per_s = record.per_second(),
            posted = counts.posted,
            delivered = counts.delivered,
            stored = counts.stored,
            seen = counts.seen,
            lost = counts.lost,
            doubled = counts.doubled,
            errors = counts.errors(),
        );
        if self.plan.silent > 0 {
            let silent = &record.silent;
            writeln!(
                text,
                "to {users} silent users: {posted} posted, {stored} stored, {delivered} delivered \
                 when they read again; lost {lost}, doubled {doubled}, errors {errors}",
                users = self.plan.silent,
                posted = silent.posted,
                stored = silent.stored,
                delivered = silent.delivered,
                lost = silent.lost,
                doubled = silent.doubled,
                errors = silent.errors(),
            )
            .expect("a string takes all");
        }
        for (count, what) in self.oddities() {
            writeln!(text, "{count} {what}").expect("a string takes all");
        }
        text
    }

    /// What should be 0 and is not.
    fn oddities(&self) -> Vec<(u64, String)> {
        let counts = &self.measured.record.counts;
        let plain = [
            (counts.disordered, "arrived out of order"),
            (counts.damaged, "arrived changed, or at the wrong reader"),
            (counts.unanswered, "were never answered"),
            (counts.resent, "were sent again"),
            (counts.repeated, "came again after a connection was lost, and were dropped"),
            (counts.held, "times a home asked to go back"),
            (counts.unavailable, "times a home could not be reached"),
            (
                counts.unsent,
                "were due and never sent: the rate is above what was carried, \
                 and the latencies above lack them",
            ),
        ];
        let plain = plain.map(|(count, what)| (count, what.to_owned()));
        let rejected = counts.rejected.iter();
        let rejected = rejected.map(|(code, count)| (*count, format!("were rejected: {code}")));
        let all = plain.into_iter().chain(rejected);
        all.filter(|(count, _)| *count > 0).collect()
    }

    fn resources(&self) -> String {
        let mut text = String::new();
        let mut add = |line: String| writeln!(text, "{line}").expect("a string takes all");
        if let Course::Away { .. } = self.plan.course {
            let (store, drain) = self.away();
            let cost = |part: &Value| part["server_us"].as_f64().unwrap_or(f64::NAN);
            let (stored, drained) = self.measured.record.away_per_second();
            add(format!("stored {stored:.0} per second, server CPU {:.2} µs each", cost(&store)));
            add(format!("drained {drained:.0} per second, server CPU {:.2} µs each", cost(&drain)));
        }
        match (self.server_us(), &self.measured.cluster) {
            (Some(cost), _) => add(format!("server CPU {cost:.2} µs per delivered message")),
            (None, Some(_)) => add("server CPU not measured: a server was restarted".to_owned()),
            (None, None) => add("server CPU not measured: only with --local".to_owned()),
        }
        if let (Some(all), Some(each)) = (self.measured.committed, self.entries_per_sync()) {
            add(format!("{} syncs of stores, {each:.1} entries each", all.syncs));
        }
        if let Some(cost) = self.bench_us() {
            add(format!("generator CPU {cost:.2} µs per delivered message"));
        }
        if let Some(cost) = self.crypto_us() {
            add(format!("of it {cost:.1} µs for sealing, opening and grants"));
        }
        if let (Some((before, _)), Some(hushed)) = (&self.measured.cluster, &self.measured.hushed) {
            let (before, hushed) = (before.rss_kib(), hushed.rss_kib());
            add(format!("all held {before} KiB before, {hushed} KiB when the silent read least"));
        }
        for ((name, _), usage) in self.after().map_or(&[][..], |after| &after.0) {
            add(format!("{name} holds {} KiB", usage.rss_kib));
        }
        text
    }

    fn entries_per_sync(&self) -> Option<f64> {
        let committed = self.measured.committed?;
        (committed.syncs > 0).then(|| float(committed.entries) / float(committed.syncs))
    }

    /// Where our own cluster keeps its stores.
    fn file_system(&self) -> Option<&str> {
        let is_own = matches!(self.plan.target, Target::Own { .. });
        is_own.then_some(self.machine.file_system.as_str())
    }

    fn after(&self) -> Option<&Reading> {
        self.measured.cluster.as_ref().map(|(_, after)| after)
    }

    /// CPU time of all processes of the cluster, per delivered message, in microseconds.
    fn server_us(&self) -> Option<f64> {
        let (before, after) = self.measured.cluster.as_ref()?;
        self.per_message(after.cpu_since(before)?)
    }

    fn bench_us(&self) -> Option<f64> {
        self.per_message(self.measured.own_cpu)
    }

    /// What of that sealing, opening and grants took.
    fn crypto_us(&self) -> Option<f64> {
        let is_sealed = self.plan.is_sealed;
        self.per_message(self.measured.record.crypto).filter(|_| is_sealed)
    }

    fn per_message(&self, cpu: std::time::Duration) -> Option<f64> {
        let delivered = self.measured.record.counts.delivered;
        (delivered > 0).then(|| cpu.as_secs_f64() * 1e6 / float(delivered))
    }
}

fn row(quantiles: Quantiles) -> String {
    let all =
        [quantiles.p50_us, quantiles.p90_us, quantiles.p99_us, quantiles.p999_us, quantiles.max_us];
    all.iter().map(|micros| format!("{micros:>11.0}")).collect()
}

fn quantiles(latencies: &Latencies) -> Value {
    latencies.quantiles().map_or(Value::Null, |quantiles| {
        json!({
            "p50": rounded(quantiles.p50_us),
            "p90": rounded(quantiles.p90_us),
            "p99": rounded(quantiles.p99_us),
            "p99_9": rounded(quantiles.p999_us),
            "max": rounded(quantiles.max_us),
        })
    })
}

fn described(pattern: Pattern) -> String {
    match pattern {
        Pattern::Pairs { pairs } => format!("{pairs} pairs"),
        Pattern::ToOne { users } => format!("{users} users, all to one"),
        Pattern::ToAll { users } => format!("{users} users, all to all"),
        Pattern::Random { users } => format!("{users} users, random pairs"),
        Pattern::Group { members, senders } => {
            format!("a group of {members}, {senders} of them post")
        }
        Pattern::Mixed { pairs } => format!("{pairs} pairs, and a group of all of them"),
    }
}

/// CPU time for each message: below a microsecond it is what is compared.
fn precise(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// One decimal is all that these figures are good for.
fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests;
