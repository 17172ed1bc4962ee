//! `fastchat`: the commands, and without one the menu.

use std::ffi::OsString;
use std::io::stderr;
use std::process::ExitCode;

use client::args::{Args, mistake};
use client::commands;
use client::config::Config;
use client::failure::Failure;
use client::{output, ui};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_env("FASTCHAT_LOG").unwrap_or_default())
        .with_writer(stderr)
        .init();
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let is_json = words.iter().any(|word| word == "--json" || word == "--json-stdin");
    match run(words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::failure(&failure, is_json);
            ExitCode::from(failure.code.exit_status())
        }
    }
}

fn run(words: Vec<OsString>) -> Result<(), Failure> {
    let words: Result<Vec<_>, _> = words.into_iter().map(OsString::into_string).collect();
    let words = words.map_err(|_| Failure::usage("the command line is not UTF-8"))?;
    let args = match Args::parse(&words) {
        Ok(args) => args,
        Err(early) if early.status.is_ok() => return output::data(early.output.trim_end()),
        Err(early) => return Err(Failure::usage(mistake(&early, &words))),
    };
    if args.version {
        return output::data(concat!("fastchat ", env!("CARGO_PKG_VERSION")));
    }
    let config = Config::new(&args, |name| std::env::var(name).ok())?;
    match args.command {
        Some(command) => commands::run(command, config),
        None => ui::run(config),
    }
}
