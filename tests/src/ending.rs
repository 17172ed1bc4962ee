//! What a program of ours leaves behind when it ends otherwise than it meant to: nothing.

use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Runs `clean_up` when this process panics, and when it is interrupted: then it ends with 130.
///
/// # Panics
/// When signals cannot be watched.
pub fn clean_up_whatever_happens(clean_up: fn()) {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        default(panic);
        clean_up();
    }));
    let mut signals = Signals::new([SIGINT, SIGTERM]).expect("signals can be watched");
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            clean_up();
            std::process::exit(130);
        }
    });
}
