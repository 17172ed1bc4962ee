//! The interrupt key and a reader that has gone: what ends a program elsewhere, ends this one too,
//! but leaves the terminal as it was.
//!
//! While a password is typed the terminal shows nothing. The prompt raises SIGINT for the interrupt
//! key; were the process to end there, the terminal would stay silent.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGINT, SIGPIPE};
use signal_hook::flag::register_conditional_default;
use signal_hook::low_level::emulate_default_handler;

use crate::failure::Failure;

/// Whether an interrupt ends the process; only then.
static ENDS: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// While this is there, an interrupt does not end the process.
#[derive(Debug)]
pub struct Held(Arc<AtomicBool>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// From now on an interrupt does not end the process.
///
/// # Errors
/// The operating system does not take the handler.
pub fn hold() -> io::Result<Held> {
    let ends = match ENDS.get() {
        Some(ends) => Arc::clone(ends),
        None => {
            let ends = Arc::new(AtomicBool::new(true));
            register_conditional_default(SIGINT, Arc::clone(&ends))?;
            Arc::clone(ENDS.get_or_init(|| ends))
        }
    };
    ends.store(false, Ordering::SeqCst);
    Ok(Held(ends))
}

/// Ends the process as an interrupt does, so that a shell sees what it was.
pub fn obey() -> Failure {
    end(SIGINT, "interrupted")
}

/// Nobody reads standard output any more: ends the process as its first write would have done.
/// What was not shown yet is shown the next time.
pub fn on_closed_output() -> Failure {
    end(SIGPIPE, "nobody reads standard output")
}

fn end(signal: i32, what: &str) -> Failure {
    match emulate_default_handler(signal) {
        Ok(()) => Failure::usage(what),
        Err(error) => Failure::unexpected(format!("{what}: {error}")),
    }
}
