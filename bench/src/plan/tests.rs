//! Command lines of scenarios.

use super::*;

fn plan(direct: &Direct) -> Result<Plan, PlanError> {
    Plan::direct(direct, 7)
}

fn local() -> Direct {
    Direct { local: Some(3), ..Direct::default() }
}

#[test]
fn the_defaults_are_fifty_pairs_by_the_clock() {
    let plan = plan(&local()).expect("a good command line");
    assert_eq!(plan.target, Target::Own { servers: 3, plaintext: false, store_all: false });
    assert_eq!(plan.pattern, Pattern::Pairs { pairs: 50 });
    assert_eq!((plan.keeping, plan.body_len, plan.seed), (Keeping::Journal, 200, 7));
    assert_eq!(plan.pace, Pace::Open { rate: 1_000 });
    assert_eq!(plan.duration, Duration::from_secs(10));
}

#[test]
fn a_cluster_is_named_in_exactly_one_way() {
    let neither = Direct::default();
    let both = Direct { router: Some("localhost:1".to_owned()), ..local() };
    let half = Direct { router: Some("localhost:1".to_owned()), ..Direct::default() };
    for direct in [neither, both, half] {
        assert_eq!(plan(&direct), Err(PlanError::Target));
    }
}

#[test]
fn only_an_own_cluster_is_told_how_to_serve() {
    let (router, ca) = (Some("localhost:1".to_owned()), Some("ca.pem".into()));
    let running = Direct { router, ca, ..Direct::default() };
    assert!(plan(&running).is_ok_and(|plan| !plan.target.is_plaintext()));
    for direct in
        [Direct { plaintext: true, ..running.clone() }, Direct { store_all: true, ..running }]
    {
        assert_eq!(plan(&direct), Err(PlanError::NotOwn));
    }
    let own = plan(&Direct { plaintext: true, ..local() }).expect("good");
    assert!(own.target.is_plaintext());
}

#[test]
fn a_pattern_takes_pairs_or_users() {
    let said = |pattern: &str, pairs, users| {
        let pattern = Some(pattern.to_owned());
        plan(&Direct { pattern, pairs, users, ..local() }).map(|plan| plan.pattern)
    };
    for pattern in ["pairs", "mixed"] {
        assert!(said(pattern, Some(4), None).is_ok());
        let error = said(pattern, None, Some(4)).expect_err("of pairs").to_string();
        assert!(error.starts_with("--users is not for --pattern"), "{error}");
    }
    for pattern in ["to-one", "to-all", "random"] {
        assert!(said(pattern, None, Some(4)).is_ok());
        let error = said(pattern, Some(4), None).expect_err("of users").to_string();
        assert!(error.ends_with("which takes --users"), "{error}");
    }
}

#[test]
fn few_pairs_who_are_away_get_as_many_posts_as_they_may() {
    let posts = |pairs| {
        let offline = Offline { local: Some(1), pairs: Some(pairs), ..Offline::default() };
        Plan::offline(&offline, 7).expect("a good command line").course
    };
    assert_eq!(posts(50), Course::Away { posts: 1_000 });
    assert_eq!(posts(200), Course::Away { posts: 500 });
}

#[test]
fn rate_and_window_exclude_each_other() {
    let direct = Direct { rate: Some(1), window: Some(1), ..local() };
    assert_eq!(plan(&direct), Err(PlanError::Pace));
}

#[test]
fn silent_users_are_even_and_beside_an_open_loop() {
    let odd = Direct { silent: Some(3), ..local() };
    let closed = Direct { silent: Some(2), window: Some(1), ..local() };
    for direct in [odd, closed] {
        assert_eq!(plan(&direct), Err(PlanError::Silent));
    }
    let plan = plan(&Direct { silent: Some(10), ..local() }).expect("good");
    assert_eq!(plan.users(), 110);
}

#[test]
fn values_outside_their_range_are_named_with_their_flag() {
    let cases: [(&str, Direct); 6] = [
        ("--pairs", Direct { pairs: Some(0), ..local() }),
        ("--window", Direct { window: Some(65), ..local() }),
        ("--rate", Direct { rate: Some(0), ..local() }),
        ("--body-len", Direct { body_len: Some(15), ..local() }),
        ("--seconds", Direct { seconds: Some(3_601), ..local() }),
        ("--local", Direct { local: Some(0), ..local() }),
    ];
    for (flag, direct) in cases {
        let error = plan(&direct).expect_err("it is out of range");
        assert!(error.to_string().starts_with(flag), "{error}");
    }
}
