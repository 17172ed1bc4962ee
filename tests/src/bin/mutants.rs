//! Plants one bug after the other in a copy of the project, and sees whether the simulator finds
//! it.

use std::io::{self, IsTerminal, Write, stderr, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::{fs, thread};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tests::mutants::process::end_all;
use tests::mutants::scratch::{Ran, Scratch};
use tests::mutants::table::{HEAD, document, known_row, last, row};
use tests::mutants::{Mutant, all};
use tests::source::root;

const USAGE: &str = "usage: fastchat-mutants [--seeds N] [--only WORD]";
/// Where all of them together are written down.
const DOCUMENT: &str = "docs/MUTANTS.md";
/// How a shell says that a signal ended a program.
const INTERRUPTED: i32 = 130;

struct Options {
    seeds_max: u64,
    /// Only mutants with this in their names; what is written of the others stays.
    only: Option<String>,
}

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(what) => {
            eprintln!("{what}\n{USAGE}");
            return ExitCode::from(1);
        }
    };
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// Whether all were found.
fn run(options: &Options) -> io::Result<bool> {
    let mutants = chosen(options)?;
    let scratch = Scratch::new()?;
    clean_up_on_signals(scratch.tree().to_owned())?;
    print!("{HEAD}");
    let (mut rows, mut found) = (Vec::new(), 0);
    for (at, mutant) in mutants.iter().enumerate() {
        show(&format!("{} of {}, {found} found: {}", at + 1, mutants.len(), mutant.name));
        let ran = scratch.run(mutant, options.seeds_max)?;
        show("");
        found += usize::from(matches!(ran, Ran::Found { .. }));
        let row = row(mutant, &ran);
        print!("{row}");
        stdout().flush()?;
        rows.push(row);
        write_down(&rows)?;
    }
    print!("{}", last(mutants.len(), found));
    Ok(found == mutants.len())
}

/// Writes the table with these rows, and those that it had of others.
fn write_down(rows: &[String]) -> io::Result<()> {
    let path = root().join(DOCUMENT);
    let before = match fs::read_to_string(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        before => before.unwrap_or_default(),
    };
    let names = all()?.into_iter().map(|(name, _)| name);
    let known = names.map(|name| known_row(&name, rows, &before));
    fs::write(path, document(&known.collect::<Vec<_>>()))
}

fn chosen(options: &Options) -> io::Result<Vec<Mutant>> {
    let mut mutants = Vec::new();
    for (name, mutant) in all()? {
        if options.only.as_ref().is_none_or(|word| name.contains(word.as_str())) {
            mutants.push(mutant.map_err(|why| io::Error::other(format!("{name}: {why}")))?);
        }
    }
    Ok(mutants)
}

/// A program that is interrupted leaves no copy and nothing that runs.
fn clean_up_on_signals(tree: PathBuf) -> io::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    thread::spawn(move || {
        if signals.forever().next().is_none() {
            return;
        }
        let ended = end_all();
        let removed = fs::remove_dir_all(&tree);
        for error in [ended.as_ref().err(), removed.as_ref().err()].into_iter().flatten() {
            eprintln!("{}: {error}", tree.display());
        }
        std::process::exit(INTERRUPTED);
    });
    Ok(())
}

/// One line of progress in place of the one before, on a terminal.
fn show(text: &str) {
    if stderr().is_terminal() {
        eprint!("\r\x1b[K{text}");
    }
}

fn options(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options { seeds_max: 2000, only: None };
    while let Some(arg) = args.next() {
        let value = args.next().ok_or_else(|| format!("{arg} needs a value"))?;
        match arg.as_str() {
            "--seeds" => {
                let number = value.parse().map_err(|_| format!("{arg} {value}: not a number"))?;
                options.seeds_max = number;
            }
            "--only" => options.only = Some(value),
            _ => return Err(format!("{arg} is not known")),
        }
    }
    Ok(options)
}
