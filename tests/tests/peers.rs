//! Other servers under the bench's load: here the bare relay, which is everywhere.

use std::process::Command;

use serde_json::Value;
use tests::programs::{program, run};

fn measured(words: &str) -> (i32, Value, String) {
    let mut command = Command::new(program("fastchat-bench"));
    let told = run(command.args(words.split(' ')), "").expect("it ends");
    let figures = serde_json::from_str(&told.stdout).unwrap_or(Value::Null);
    (told.code(), figures, told.stderr)
}

#[test]
fn nothing_is_lost_on_the_relay() {
    for words in [
        "peer relay direct --writers 3 --window 4 --seconds 1",
        "peer relay direct --writers 3 --rate 500 --seconds 1",
        "peer relay group --users 6 --writers 2 --seconds 1",
    ] {
        let (code, figures, complained) = measured(words);
        assert_eq!((code, complained.as_str()), (0, ""), "{words}");
        let count = |key: &str| figures[key].as_u64().expect("it is a count");
        assert!(count("delivered") >= 400, "{words}: {figures}");
        for key in ["lost", "doubled", "damaged"] {
            assert_eq!(count(key), 0, "{key} by {words}");
        }
        assert!(figures["server_us"].as_f64().is_some(), "{words}: {figures}");
        let is_by_clock = words.contains("--rate");
        assert_eq!(figures["p99_us"].as_f64().is_some(), is_by_clock, "{words}");
    }
}

#[test]
fn what_a_peer_cannot_do_is_said() {
    let (code, figures, complained) = measured("peer relay offline");
    assert_eq!((code, figures), (2, Value::Null));
    assert_eq!(complained, "fastchat-bench: relay: keeps nothing for who is away\n");
}
