//! The menu: a log-in screen, then an endless loop of a few choices. Messages appear meanwhile.

mod dialogue;
mod input;
mod menu;
mod printer;

pub use menu::run;
