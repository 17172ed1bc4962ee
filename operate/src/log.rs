//! Where log lines go: standard error, for people or as JSON, filtered by `FASTCHAT_LOG`.

use std::io::{self, IsTerminal};
use std::str::FromStr;

use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// The environment variable with the filter: `warn`, `info`, `debug`, `server=trace` ….
pub const FILTER_VARIABLE: &str = "FASTCHAT_LOG";
/// The environment variable with the format, where no flag says it.
pub const FORMAT_VARIABLE: &str = "FASTCHAT_LOG_FORMAT";

/// How a log line is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LogFormat {
    /// For people; coloured in a terminal.
    #[default]
    Human,
    /// One JSON object a line: `timestamp`, `level`, `target`, `fields`.
    Json,
}

/// A format that there is not.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("is human or json")]
pub struct LogFormatError;

/// The environment says what cannot be.
#[derive(Debug, Error)]
pub enum LogError {
    /// The filter cannot be read.
    #[error("{FILTER_VARIABLE}: {0}")]
    Filter(#[from] ParseError),
    /// The format is none.
    #[error("{FORMAT_VARIABLE} {0}")]
    Format(#[from] LogFormatError),
}

impl FromStr for LogFormat {
    type Err = LogFormatError;

    fn from_str(text: &str) -> Result<Self, LogFormatError> {
        match text {
            "human" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            _ => Err(LogFormatError),
        }
    }
}

impl LogFormat {
    /// As flags and the environment name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Json => "json",
        }
    }
}

/// Begins to log; `default` is the filter when the environment names none. Without `format` the
/// environment decides, and without that people read it.
///
/// # Errors
/// [`LogError`] when the environment's filter or format is none.
pub fn begin(default: &str, format: Option<LogFormat>) -> Result<(), LogError> {
    let filter = std::env::var(FILTER_VARIABLE).unwrap_or_else(|_| default.to_owned());
    let filter = EnvFilter::builder().parse(filter)?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format.map_or_else(from_environment, Ok)? {
        LogFormat::Human => lines.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => lines.json().with_ansi(false).init(),
    }
    Ok(())
}

fn from_environment() -> Result<LogFormat, LogFormatError> {
    std::env::var(FORMAT_VARIABLE).map_or(Ok(LogFormat::default()), |name| name.parse())
}
