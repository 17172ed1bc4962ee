//! Where log lines go: standard error, for people or as JSON, filtered by `FASTCHAT_LOG`.

use std::io::{self, IsTerminal};
use std::str::FromStr;

use thiserror::Error;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

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

/// What is logged: `warn`, `info`, `debug`, `server=trace` ….
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Filter(String);

impl Filter {
    /// What the environment names, and without that `default`.
    ///
    /// # Errors
    /// [`LogError`] when that is no filter.
    pub fn told(default: &str) -> Result<Self, LogError> {
        let text = std::env::var(FILTER_VARIABLE).unwrap_or_else(|_| default.to_owned());
        Ok(text.parse()?)
    }

    /// Warnings and errors.
    #[must_use]
    pub fn warnings() -> Self {
        Self("warn".to_owned())
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    fn build(&self) -> EnvFilter {
        EnvFilter::builder().parse(&self.0).expect("it was parsed before")
    }
}

impl Default for Filter {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

impl FromStr for Filter {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        EnvFilter::builder().parse(text)?;
        Ok(Self(text.to_owned()))
    }
}

impl LogFormat {
    /// What the environment names, and without that the default.
    ///
    /// # Errors
    /// [`LogError`] when that is no format.
    pub fn told() -> Result<Self, LogError> {
        Ok(std::env::var(FORMAT_VARIABLE).map_or(Ok(Self::default()), |name| name.parse())?)
    }
}

/// The log of this process, whose filter may be replaced.
pub struct Log(reload::Handle<EnvFilter, Registry>);

impl Log {
    /// Begins to log. Once in a process.
    #[must_use]
    pub fn begin(filter: &Filter, format: LogFormat) -> Self {
        let (filter, handle) = reload::Layer::new(filter.build());
        let registry = tracing_subscriber::registry().with(filter);
        let lines = fmt::layer().with_writer(io::stderr);
        match format {
            LogFormat::Human => {
                registry.with(lines.with_ansi(io::stderr().is_terminal())).init();
            }
            LogFormat::Json => registry.with(lines.json().with_ansi(false)).init(),
        }
        Self(handle)
    }

    /// Logs by another filter from now on.
    pub fn refilter(&self, filter: &Filter) {
        self.0.reload(filter.build()).expect("the log lives as long as the process");
    }
}
