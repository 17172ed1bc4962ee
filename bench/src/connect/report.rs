//! A run's report: a table for people, one JSON object for programs.

use std::time::Duration;

use serde_json::{Value, json};

use super::Outcome;
use super::plan::Plan;
use super::shell::Measured;
use crate::machine::Machine;

/// Everything a report says.
pub struct Report<'a> {
    /// What was asked for.
    pub plan: &'a Plan,
    /// Where.
    pub machine: &'a Machine,
    /// What was found.
    pub outcome: &'a Outcome,
}

impl Report<'_> {
    /// For programs: one object on one line.
    #[must_use]
    pub fn json(&self) -> String {
        let (plan, machine, outcome) = (self.plan, self.machine, self.outcome);
        let resume = &outcome.resume;
        let quantiles = resume.found.latencies.quantiles();
        let object = json!({
            "scenario": "connect",
            "version": env!("CARGO_PKG_VERSION"),
            "machine": {
                "cores": machine.cores, "processor": machine.processor, "kernel": machine.kernel,
                "load": machine.load, "file_system": machine.file_system,
            },
            "options": {
                "local": plan.servers, "users": plan.users, "addresses": plan.addresses,
                "password_sign_ins": plan.password_sign_ins, "seconds": plan.idle.as_secs(),
                "tls": !plan.plaintext, "plaintext": plan.plaintext, "stretch": "toy",
            },
            "per_s": rounded(per_second(resume)),
            "server_us": rounded(micros_each(resume.server_cpu, resume)),
            "bench_us": rounded(micros_each(resume.own_cpu, resume)),
            "p50_us": quantiles.map(|quantiles| rounded(quantiles.p50_us)),
            "p99_us": quantiles.map(|quantiles| rounded(quantiles.p99_us)),
            "lost": 0,
            "doubled": 0,
            "stored": 0,
            "seen": 0,
            "rss_kib": outcome.rss_kib,
            "sign_in": of(&outcome.sign_in),
            "resume": of(resume),
            "attach": of(&outcome.attach),
            "connections": plan.users,
            "empty_rss_kib": outcome.empty_rss_kib,
            "full_rss_kib": outcome.full_rss_kib,
            "kib_per_connection": hundredths(self.kib_per_connection()),
            "idle_cpu_percent": hundredths(self.idle_cpu_percent()),
            "idle_pings": outcome.idle.pongs,
            "stretch_us": rounded(micros(outcome.stretch)),
        });
        object.to_string()
    }

    /// For people: several lines.
    #[must_use]
    pub fn table(&self) -> String {
        let (plan, machine, outcome) = (self.plan, self.machine, self.outcome);
        let head = format!(
            "fastchat-bench {version} connect: {users} users, {security}, {servers} servers of \
             its own on {file_system}\n\
             {cores} cores, {processor}, Linux {kernel}, load {load} before",
            version = env!("CARGO_PKG_VERSION"),
            users = plan.users,
            security = if plan.plaintext { "no TLS" } else { "TLS" },
            servers = plan.servers,
            file_system = machine.file_system,
            cores = machine.cores,
            processor = machine.processor,
            kernel = machine.kernel,
            load = machine.load,
        );
        let columns = format!(
            "{:<23}{:>9}{:>11}{:>12}{:>12}{:>11}{:>11}",
            "", "users", "per second", "server µs", "bench µs", "p50 µs", "p99 µs"
        );
        let rows = [
            ("password", &outcome.sign_in),
            ("resume", &outcome.resume),
            ("resume and attach", &outcome.attach),
        ];
        let rows = rows.map(|(name, measured)| row(name, measured)).join("\n");
        format!("{head}\n\n{columns}\n{rows}\n\n{}", self.rest())
    }

    fn rest(&self) -> String {
        let outcome = self.outcome;
        format!(
            "{kib:.2} KiB per connection: servers hold {empty} KiB with nobody connected, {full} \
             KiB with all\n\
             {percent:.2} % of a core while nobody says anything for {seconds} s; {pings} pings \
             were answered\n\
             passwords are stretched by a toy, on the users' side; the real stretching takes them \
             {stretch} ms each, and the servers nothing",
            kib = self.kib_per_connection(),
            empty = outcome.empty_rss_kib,
            full = outcome.full_rss_kib,
            percent = self.idle_cpu_percent(),
            seconds = outcome.idle.took.as_secs(),
            pings = outcome.idle.pongs,
            stretch = outcome.stretch.as_millis(),
        )
    }

    /// What the servers hold more with everybody connected; below zero when they hold less.
    fn kib_per_connection(&self) -> f64 {
        let kib = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let Outcome { empty_rss_kib, full_rss_kib, .. } = *self.outcome;
        (kib(full_rss_kib) - kib(empty_rss_kib)) / f64::from(self.plan.users)
    }

    fn idle_cpu_percent(&self) -> f64 {
        let idle = &self.outcome.idle;
        100.0 * idle.server_cpu.as_secs_f64() / idle.took.as_secs_f64().max(1e-9)
    }
}

fn of(measured: &Measured) -> Value {
    let quantiles = measured.found.latencies.quantiles();
    json!({
        "count": measured.found.count,
        "per_s": rounded(per_second(measured)),
        "server_us": rounded(micros_each(measured.server_cpu, measured)),
        "bench_us": rounded(micros_each(measured.own_cpu, measured)),
        "p50_us": quantiles.map(|quantiles| rounded(quantiles.p50_us)),
        "p99_us": quantiles.map(|quantiles| rounded(quantiles.p99_us)),
    })
}

fn row(name: &str, measured: &Measured) -> String {
    let quantiles = measured.found.latencies.quantiles();
    let (p50, p99) = quantiles.map_or((0.0, 0.0), |all| (all.p50_us, all.p99_us));
    format!(
        "{name:<23}{count:>9}{per_s:>11.0}{server:>12.1}{bench:>12.1}{p50:>11.0}{p99:>11.0}",
        count = measured.found.count,
        per_s = per_second(measured),
        server = micros_each(measured.server_cpu, measured),
        bench = micros_each(measured.own_cpu, measured),
    )
}

fn per_second(measured: &Measured) -> f64 {
    count(measured) / measured.found.took.as_secs_f64().max(1e-9)
}

fn micros_each(cpu: Duration, measured: &Measured) -> f64 {
    micros(cpu) / count(measured).max(1.0)
}

fn count(measured: &Measured) -> f64 {
    f64::from(u32::try_from(measured.found.count).unwrap_or(u32::MAX))
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// One decimal is all that these figures are good for.
fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
