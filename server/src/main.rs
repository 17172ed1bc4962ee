//! `fastchat-server`: reads the command line, runs, and says in one line why it could not.

use std::error::Error;
use std::process::ExitCode;

use server::args::Args;
use server::config::Config;
use server::identity::Identity;
use server::log;
use server::shell::Shell;

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
    let config = Config::try_from(args)?;
    log::begin("info")?;
    if config.is_check {
        Identity::read(&config)?;
        return Ok(());
    }
    Ok(Shell::open(&config)?.run()?)
}
