//! Large groups over three servers, on real programs: `fastchat-crowd MEMBERS SENDERS POSTS`, or
//! `fastchat-crowd MEMBERS` for one that is as large as groups get.

use std::time::Duration;

use tests::crowd::{Plan, run};
use tests::multitude;

const HELP: &str = "usage: fastchat-crowd MEMBERS SENDERS POSTS (for example 50 5 1000)
       fastchat-crowd MEMBERS (for example 1000: one message, opened by every member)";

fn main() {
    let numbers: Option<Vec<usize>> =
        std::env::args().skip(1).map(|word| word.parse().ok()).collect();
    match numbers.as_deref() {
        Some([members, senders, posts]) => crowd(*members, *senders, *posts),
        Some([members]) if *members > 2 => multitude::run(*members),
        _ => {
            eprintln!("{HELP}");
            std::process::exit(1);
        }
    }
}

fn crowd(members: usize, senders: usize, posts: usize) {
    let limit = Duration::from_secs(1800);
    let outcome = run(Plan { members, senders, posts, limit });
    println!(
        "members {} posts {} seconds {:.1}: the same entries in the same order for all, each once",
        outcome.members,
        outcome.posts,
        outcome.took.as_secs_f64()
    );
}
