//! A server is killed under its sessions, and comes back; `make killed` does it with many.

use std::time::Duration;

use tests::killed::{Plan, run};

#[test]
fn who_sat_there_goes_on_elsewhere_and_whose_home_it_was_waits_for_it() {
    let outcome = run(Plan { sessions: 60, away: Duration::from_secs(5) });
    assert!(outcome.is_good(), "{outcome:#?}");
    assert_eq!((outcome.homeless, outcome.moved > 20), (60, true), "{outcome:#?}");
    assert!(outcome.queued > 0 && outcome.bystanders > 20, "{outcome:#?}");
}
