//! `fastchat-server`: reads the command line, runs, and says in one line why it could not.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use server::args::Args;
use server::config::{Config, restored};
use server::identity::Identity;
use server::log;
use server::shell::Shell;
use storage::RocksStorage;

fn main() -> ExitCode {
    match run(argh::from_env()) {
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
    if let Some(store) = restored(&args)? {
        return restore(&store);
    }
    let config = Config::try_from(args)?;
    log::begin("info")?;
    if config.is_check {
        Identity::read(&config)?;
        return Ok(());
    }
    Ok(Shell::open(&config)?.run()?)
}

fn restore(store: &Path) -> Result<(), Box<dyn Error>> {
    log::begin("warn")?;
    let epoch = RocksStorage::restore(store)?.store_epoch;
    eprintln!("fastchat-server: {} goes on as it is, in epoch {epoch}", store.display());
    Ok(())
}
