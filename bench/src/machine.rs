//! The machine that a run was made on, for the head of its report.

use std::fs;
use std::thread;

/// What figures depend on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Machine {
    /// Processors that this process may use.
    pub cores: usize,
    /// Their model.
    pub processor: String,
    /// The kernel's release.
    pub kernel: String,
}

impl Machine {
    /// This machine; `unknown` where it does not say.
    #[must_use]
    pub fn here() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self {
            cores: thread::available_parallelism().map_or(1, usize::from),
            processor: named(model(&read("/proc/cpuinfo"))),
            kernel: named(Some(read("/proc/sys/kernel/osrelease").trim())),
        }
    }
}

fn model(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(": ").map(|(_, model)| model.trim())
}

fn named(text: Option<&str>) -> String {
    text.filter(|text| !text.is_empty()).unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_the_first_one_named() {
        let text = "processor\t: 0\nmodel name\t: A 1 @ 2GHz\nmodel name\t: B\n";
        assert_eq!(model(text), Some("A 1 @ 2GHz"));
        assert_eq!(named(model("")), "unknown");
    }

    #[test]
    fn this_machine_has_a_kernel_and_a_core() {
        let machine = Machine::here();
        assert!(machine.cores > 0 && machine.kernel != "unknown");
    }
}
