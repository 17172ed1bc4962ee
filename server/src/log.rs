//! Where log lines go: standard error, filtered by `FASTCHAT_LOG`.

use std::io::{self, IsTerminal};

use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// The environment variable with the filter: `warn`, `info`, `debug`, `server=trace` ….
const VARIABLE: &str = "FASTCHAT_LOG";

/// The filter cannot be read.
#[derive(Debug, Error)]
#[error("{VARIABLE}: {0}")]
pub struct LogError(#[from] ParseError);

/// Begins to log; `default` is the filter when the environment names none.
///
/// # Errors
/// [`LogError`] when the environment's filter is not one.
pub fn begin(default: &str) -> Result<(), LogError> {
    let filter = std::env::var(VARIABLE).unwrap_or_else(|_| default.to_owned());
    let filter = EnvFilter::builder().parse(filter)?;
    let colours = io::stderr().is_terminal();
    let format = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours);
    format.with_writer(io::stderr).init();
    Ok(())
}
