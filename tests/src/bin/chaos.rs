//! Real processes under kills and a bad network: `fastchat-chaos --kills N`. The last line counts.

use std::path::Path;
use std::process::ExitCode;

use rand::TryRng;
use rand::rngs::SysRng;
use tests::chaos::folders::{clean_up, keep, new_folders};
use tests::chaos::{Options, Outcome, child, run};
use tests::ending::clean_up_whatever_happens;

const USAGE: &str = "usage: fastchat-chaos [--kills N] [--seed 0xSEED] [--rate POSTS_PER_SECOND]";
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, folder] = arguments.as_slice()
        && flag == "--child"
    {
        return match child::run(Path::new(folder)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    match options(&arguments) {
        Ok(options) => watch(&options),
        Err(what) => {
            eprintln!("{what}\n{USAGE}");
            ExitCode::FAILURE
        }
    }
}

fn watch(options: &Options) -> ExitCode {
    let (folder, clients) = new_folders("fastchat-chaos-");
    clean_up_whatever_happens(clean_up);
    println!("seed {:#x}, {} kills; again: {}", options.seed, options.kills, again(options));
    let outcome = run(options, folder.path(), clients.path());
    report(&outcome);
    if !outcome.findings.is_clean() {
        keep(folder, clients);
    }
    let findings = &outcome.findings;
    println!(
        "kills {} accepted {} lost {} doubled {} reordered {}",
        outcome.kills.total(),
        findings.accepted,
        findings.lost,
        findings.doubled,
        findings.reordered
    );
    ExitCode::from(u8::from(!findings.is_clean()))
}

fn report(outcome: &Outcome) {
    let Outcome { findings, kills, struck, faulty, rate, rest } = outcome;
    for violation in &findings.violations {
        println!("violated: {violation}");
    }
    for (why, count) in &findings.rejected {
        println!("rejected {count}: {why}");
    }
    println!(
        "killed: servers {} routers {} clients {}",
        kills.servers, kills.routers, kills.clients
    );
    println!(
        "connections: cut {} delayed {} blackholed {}",
        struck.cuts, struck.delays, struck.blackholes
    );
    println!(
        "shown {} printed again by the next recv after a kill {} not opened {}",
        findings.shown, findings.reprinted, findings.unreadable
    );
    println!(
        "posts/s {rate:.0} over {:.1} s of faults; at rest {:.1} s after them",
        faulty.as_secs_f64(),
        rest.as_secs_f64()
    );
}

fn again(options: &Options) -> String {
    format!("make chaos KILLS={} SEED={:#x}", options.kills, options.seed)
}

fn options(arguments: &[String]) -> Result<Options, String> {
    let seed = SysRng.try_next_u64().map_err(|error| error.to_string())?;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut options = Options { kills: 200, seed, rate: 2600, children: 12, people: 3, program };
    for pair in arguments.chunks(2) {
        let [flag, value] = pair else { return Err(format!("{} needs a value", pair[0])) };
        let number = match value.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => value.parse().ok(),
        };
        let number = number.ok_or_else(|| format!("{flag} {value}: not a number"))?;
        match flag.as_str() {
            "--kills" => options.kills = number,
            "--seed" => options.seed = number,
            "--rate" => options.rate = u32::try_from(number).map_err(|error| error.to_string())?,
            _ => return Err(format!("{flag} is not known")),
        }
    }
    Ok(options)
}
