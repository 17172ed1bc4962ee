//! `fastchat-router`: reads the command line, runs, and says in one line why it could not.

use std::error::Error;
use std::io::{Write, stdout};
use std::process::ExitCode;

use operate::log::{Filter, Log};
use operate::settings::{Reloader, environment};
use router::args::{Args, Command};
use router::config::{Config, KNOWN, RouterConfig, SAMPLE};
use router::identity::{Identity, exposed_secrets};
use router::local;
use router::map;
use router::shell::Shell;

const VERSION: &str = concat!("fastchat-router ", env!("CARGO_PKG_VERSION"));

fn main() -> ExitCode {
    let args: Args = argh::from_env();
    if args.version {
        return ExitCode::from(u8::from(writeln!(stdout(), "{VERSION}").is_err()));
    }
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            for line in error.to_string().lines() {
                eprintln!("fastchat-router: {line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<(), Box<dyn Error>> {
    if let Some(Command::Map(args)) = &args.command {
        let text = map::run(args)?;
        return Ok(stdout().write_all(text.as_bytes())?);
    }
    if args.sample {
        return Ok(stdout().write_all(SAMPLE.as_bytes())?);
    }
    let read = move || Config::read(&args, &environment);
    let (config, words) = read()?;
    match config {
        Config::Router(config) => run_router(&config, Reloader::new(KNOWN, words, Box::new(read))),
        Config::Local(config) => {
            let filter = config.log.clone().unwrap_or_else(Filter::warnings);
            drop(Log::begin(&filter, config.log_format));
            Ok(local::run(&config)?)
        }
    }
}

fn run_router(config: &RouterConfig, reloader: Reloader<Config>) -> Result<(), Box<dyn Error>> {
    if config.is_check {
        return check(config);
    }
    let log = Log::begin(&config.log, config.log_format);
    Ok(Shell::open(config)?.run(reloader, &log)?)
}

/// Says what is right, and what should be better.
fn check(config: &RouterConfig) -> Result<(), Box<dyn Error>> {
    let identity = Identity::read(&config.cluster, &config.identity)?;
    for advice in exposed_secrets(&config.identity) {
        eprintln!("fastchat-router: warning: {advice}");
    }
    let version = identity.map.map().version();
    writeln!(stdout(), "settings and files are right; map version {version}")?;
    Ok(())
}
