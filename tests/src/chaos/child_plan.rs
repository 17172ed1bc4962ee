//! What a client under load does, in a file that each of its processes reads.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wire::{LogId, Name};

use super::text::log_id;

/// What a child does, and where.
#[derive(Clone, Debug)]
pub struct ChildPlan {
    /// Whose account it is.
    pub name: Name,
    /// The client's data directory.
    pub data: PathBuf,
    /// Where its key is.
    pub keys: PathBuf,
    /// The router's address.
    pub router: String,
    /// The cluster's certificate authority.
    pub ca: PathBuf,
    /// The logs that it writes to, in turn.
    pub logs: Vec<LogId>,
    /// Texts in a second.
    pub rate: u32,
}

impl ChildPlan {
    /// Keeps the plan where the child finds it.
    ///
    /// # Errors
    /// The file system's own.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let logs: Vec<String> = self.logs.iter().map(LogId::to_string).collect();
        let plan = json!({
            "name": self.name.as_str(), "data": self.data, "keys": self.keys,
            "router": self.router, "ca": self.ca, "logs": logs, "rate": self.rate,
        });
        std::fs::write(folder.join("plan"), plan.to_string())
    }

    pub(super) fn read(folder: &Path) -> Option<Self> {
        let plan: Value = serde_json::from_slice(&std::fs::read(folder.join("plan")).ok()?).ok()?;
        let path = |key: &str| plan[key].as_str().map(PathBuf::from);
        let logs = plan["logs"].as_array()?.iter();
        Some(Self {
            name: plan["name"].as_str()?.parse().ok()?,
            data: path("data")?,
            keys: path("keys")?,
            router: plan["router"].as_str()?.to_owned(),
            ca: path("ca")?,
            logs: logs.map(|log| log_id(log.as_str()?)).collect::<Option<_>>()?,
            rate: u32::try_from(plan["rate"].as_u64()?).ok()?,
        })
    }
}
