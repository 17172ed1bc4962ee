//! Command lines of series.

use super::*;

#[test]
fn servers_come_one_by_one() {
    let servers = Servers { local: Some(3), ..Servers::default() };
    let plan = Plan::servers(&servers, 7).expect("a good command line");
    let counts: Vec<u64> = plan.runs.iter().map(|(count, _)| *count).collect();
    assert_eq!(counts, [1, 2, 3]);
    let targets = plan.runs.iter().map(|(_, plan)| plan.target.clone());
    let own = |servers| super::super::Target::Own { servers, plaintext: false, store_all: false };
    assert_eq!(targets.collect::<Vec<_>>(), [own(1), own(2), own(3)]);
    assert_eq!(Plan::servers(&Servers::default(), 7), Err(PlanError::Target));
}

#[test]
fn a_sweep_has_a_run_for_each_rate() {
    let sweep = Sweep { local: Some(1), rates: Some("10, 200".to_owned()), ..Sweep::default() };
    let plan = Plan::sweep(&sweep, 7).expect("a good command line");
    let paces: Vec<Pace> = plan.runs.iter().map(|(_, plan)| plan.pace).collect();
    assert_eq!(paces, [Pace::Open { rate: 10 }, Pace::Open { rate: 200 }]);
    let odd = Sweep { rates: Some("10,many".to_owned()), ..sweep };
    let error = Plan::sweep(&odd, 7).expect_err("no number").to_string();
    assert!(error.starts_with("--rates takes numbers"), "{error}");
}

#[test]
fn a_scale_doubles_up_to_what_was_said() {
    let scale = ScaleArgs { local: Some(1), accounts: Some(8_000), ..ScaleArgs::default() };
    let plan = Plan::scale(&scale, 7).expect("a good command line");
    let accounts: Vec<u64> = plan.sizes.iter().map(|size| size.accounts).collect();
    assert_eq!(accounts, [1_000, 2_000, 4_000, 8_000]);
    assert_eq!(plan.sizes[3], Filled { accounts: 8_000, groups: 800, entries: 80_000 });
    assert_eq!(Plan::scale(&ScaleArgs::default(), 7), Err(PlanError::ScaleTarget));
}
