//! `fastchat-server`: reads the command line, runs, and says in one line why it could not.

use std::error::Error;
use std::io::{Write, stdout};
use std::path::Path;
use std::process::ExitCode;

use operate::log::{Filter, Log, LogError, LogFormat};
use operate::settings::{Reloader, environment};
use server::args::Args;
use server::backup;
use server::config::{Config, KNOWN, SAMPLE, command, restored};
use server::identity::{Identity, exposed_secrets};
use server::mark::Mark;
use server::setup_mark::SetupMark;
use server::shell::Shell;
use storage::RocksStorage;
use tikv_jemallocator::Jemalloc;

/// Memory of thousands of users who came and went leaves the system's allocator searching.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

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
    if args.sample {
        return Ok(stdout().write_all(SAMPLE.as_bytes())?);
    }
    if let Some(command) = command(&args)? {
        begin_log_of_command()?;
        return Ok(backup::run(&command)?);
    }
    if let Some(store) = restored(&args)? {
        return restore(&store);
    }
    let read = move || Config::read(&args, &environment);
    let (config, words) = read()?;
    if config.is_check {
        return check(&config);
    }
    let log = Log::begin(&config.log, config.log_format);
    let mut shell = Shell::open(&config)?;
    shell.reload_by(Reloader::new(KNOWN, words, Box::new(read)), log);
    Ok(shell.run()?)
}

/// Says what is right, and what should be better.
fn check(config: &Config) -> Result<(), Box<dyn Error>> {
    let identity = Identity::read(config)?;
    SetupMark::beside(&config.store).check(&identity.setup)?;
    for advice in exposed_secrets(config) {
        eprintln!("fastchat-server: warning: {advice}");
    }
    let version = identity.map.map().version();
    writeln!(stdout(), "{}: settings and files are right; map version {version}", config.id)?;
    Ok(())
}

fn restore(store: &Path) -> Result<(), Box<dyn Error>> {
    begin_log_of_command()?;
    let epoch = RocksStorage::restore(store)?.store_epoch;
    Mark::beside(store).lift()?;
    eprintln!("fastchat-server: {} goes on as it is, in epoch {epoch}", store.display());
    Ok(())
}

fn begin_log_of_command() -> Result<(), LogError> {
    let (filter, format) = (Filter::told("warn")?, LogFormat::told()?);
    drop(Log::begin(&filter, format));
    Ok(())
}
