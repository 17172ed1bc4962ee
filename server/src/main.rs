//! `fastchat-server`: reads the command line, runs, and says in one line why it could not.

use std::error::Error;
use std::io::{Write, stdout};
use std::path::Path;
use std::process::ExitCode;

use operate::log;
use server::args::Args;
use server::backup;
use server::config::{Config, command, restored};
use server::identity::Identity;
use server::mark::Mark;
use server::shell::Shell;
use storage::RocksStorage;

const VERSION: &str = concat!("fastchat-server ", env!("CARGO_PKG_VERSION"));

fn main() -> ExitCode {
    let args: Args = argh::from_env();
    if args.version {
        return ExitCode::from(u8::from(writeln!(stdout(), "{VERSION}").is_err()));
    }
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            for line in error.to_string().lines() {
                eprintln!("fastchat-server: {line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<(), Box<dyn Error>> {
    if let Some(command) = command(&args)? {
        log::begin("warn", None)?;
        return Ok(backup::run(&command)?);
    }
    if let Some(store) = restored(&args)? {
        return restore(&store);
    }
    let config = Config::try_from(args)?;
    log::begin("info", config.log_format)?;
    if config.is_check {
        Identity::read(&config)?;
        return Ok(());
    }
    Ok(Shell::open(&config)?.run()?)
}

fn restore(store: &Path) -> Result<(), Box<dyn Error>> {
    log::begin("warn", None)?;
    let epoch = RocksStorage::restore(store)?.store_epoch;
    Mark::beside(store).lift()?;
    eprintln!("fastchat-server: {} goes on as it is, in epoch {epoch}", store.display());
    Ok(())
}
