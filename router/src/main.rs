//! `fastchat-router`: reads the command line, runs, and says in one line why it could not.

use std::error::Error;
use std::io::{Write, stdout};
use std::process::ExitCode;

use operate::log;
use router::args::Args;
use router::config::{Config, RouterConfig};
use router::identity::Identity;
use router::local;
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
    match Config::try_from(args)? {
        Config::Router(config) => run_router(&config),
        Config::Local(config) => {
            log::begin("warn", config.log_format)?;
            Ok(local::run(&config)?)
        }
    }
}

fn run_router(config: &RouterConfig) -> Result<(), Box<dyn Error>> {
    log::begin("info", config.log_format)?;
    if config.is_check {
        Identity::read(&config.cluster, &config.identity)?;
        return Ok(());
    }
    Ok(Shell::open(config)?.run()?)
}
