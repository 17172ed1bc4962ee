//! The menu: a log-in screen, then an endless loop of a few choices. Messages appear while it waits.

mod dialogue;
mod input;
mod menu;
mod printer;

pub use menu::run;
