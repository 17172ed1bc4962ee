//! What counts of what was set, and how mistakes are told.

use std::fs;
use std::path::PathBuf;

use super::{Known, Reloader, Setting, Settings, SettingsError};

const SETTINGS: &[Setting] = &[
    Setting::fixed("listen"),
    Setting::reloaded("sessions_max"),
    Setting::fixed("router"),
    Setting::fixed("log_format").by("FASTCHAT_LOG_FORMAT"),
];
const KNOWN: Known = Known { prefix: "FASTCHAT_TEST", settings: SETTINGS };

fn nothing(_: &str) -> Option<String> {
    None
}

/// A file with this text, in a directory that lives as long as the first of the pair.
fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("test.toml");
    fs::write(&path, text).expect("writes");
    (directory, path)
}

fn mistakes(text: &str) -> Vec<String> {
    let (_directory, path) = file(text);
    let mut settings = Settings::read(KNOWN, Vec::new(), &nothing, Some(&path));
    let (_, _): (Option<u32>, Option<String>) =
        (settings.one("sessions_max"), settings.one("listen"));
    let all = settings.finish().err().map(|error| error.to_string()).unwrap_or_default();
    let prefix = format!("{}:", path.display());
    all.lines().map(|line| line.strip_prefix(&prefix).unwrap_or(line).to_owned()).collect()
}

#[test]
fn a_flag_counts_before_a_variable_and_that_before_the_file() {
    let (_directory, path) = file("listen = 'file'\nsessions_max = 3\nlog_format = 'human'");
    let environment = |name: &str| match name {
        "FASTCHAT_TEST_LISTEN" | "FASTCHAT_LOG_FORMAT" => Some("variable".to_owned()),
        _ => None,
    };
    let flags = vec![("listen", vec!["flag".to_owned()]), ("router", Vec::new())];
    let mut settings = Settings::read(KNOWN, flags, &environment, Some(&path));
    assert_eq!(settings.one::<String>("listen").as_deref(), Some("flag"));
    assert_eq!(settings.one::<String>("log_format").as_deref(), Some("variable"));
    assert_eq!(settings.one::<u32>("sessions_max"), Some(3));
    assert!(!settings.has("router"));
    let places = ["listen", "log_format", "sessions_max"].map(|key| settings.place(key));
    let line = format!("{}:2: sessions_max", path.display());
    assert_eq!(places, ["--listen".to_owned(), "FASTCHAT_LOG_FORMAT".to_owned(), line]);
    let words = settings.finish().expect("no mistakes");
    assert_eq!(words.get("listen"), Some(&vec!["flag".to_owned()]));
}

#[test]
fn lists_are_written_with_brackets_or_commas() {
    let (_directory, path) = file("router = ['one:1', 'two:2']");
    let settings = Settings::read(KNOWN, Vec::new(), &nothing, Some(&path));
    assert_eq!(settings.many("router"), ["one:1", "two:2"]);
    let environment = |name: &str| (name == "FASTCHAT_TEST_ROUTER").then(|| "a:1, b:2".to_owned());
    let settings = Settings::read(KNOWN, Vec::new(), &environment, None);
    assert_eq!(settings.many("router"), ["a:1", "b:2"]);
    assert!(settings.many("listen").is_empty());
}

#[test]
fn every_mistake_of_a_file_is_named_by_its_line() {
    let found = mistakes("# a comment\nlisten = ['a', 'b']\nports = 7\nsessions_max = -1\n");
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].starts_with("3: there is no \"ports\"; there are listen, "), "{found:?}");
    assert!(found[1].starts_with("4: sessions_max \"-1\": "), "{found:?}");
    assert_eq!(found[2], "2: listen is one value, not a list");
}

#[test]
fn a_flags_spelling_is_put_right_and_a_table_is_none_of_it() {
    assert_eq!(mistakes("sessions-max = 3"), ["1: \"sessions-max\" is written sessions_max here"]);
    let found = mistakes("\n[server]\nlisten = 'a'\n");
    assert!(found[0].starts_with("2: there is no \"server\""), "{found:?}");
    let found = mistakes("listen = true\nrouter = [[1]]");
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn what_is_not_toml_is_named_by_its_line() {
    let found = mistakes("sessions_max = 3\nlisten = 'a\nrouter = \n");
    assert!(found.iter().any(|line| line.starts_with("2: ")), "{found:?}");
    let mut settings =
        Settings::read(KNOWN, Vec::new(), &nothing, Some(&PathBuf::from("no/such.toml")));
    settings.need(&["listen"], "");
    let error = settings.finish().expect_err("there is no such file").to_string();
    assert!(error.starts_with("cannot read no/such.toml"), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    let (_directory, path) = file("sessions_max = 3");
    let mut settings = Settings::read(KNOWN, Vec::new(), &nothing, Some(&path));
    settings.need(&["listen"], "");
    let error = settings.finish().expect_err("it says nothing of listen").to_string();
    assert!(error.starts_with("--listen is missing, and listen in "), "{error}");
}

#[test]
fn what_is_missing_is_named_by_its_flag() {
    let mut settings = Settings::read(KNOWN, Vec::new(), &nothing, None);
    settings.need(&["listen", "router"], " (or else)");
    let error = settings.finish().expect_err("both are missing").to_string();
    assert_eq!(error, "--listen is missing (or else)\n--router is missing (or else)");
}

#[test]
fn what_cannot_be_reloaded_or_is_wrong_changes_nothing() {
    let (_directory, path) = file("listen = 'a'\nsessions_max = 3");
    let read = {
        let path = path.clone();
        move || {
            let mut settings = Settings::read(KNOWN, Vec::new(), &nothing, Some(&path));
            let sessions: Option<u32> = settings.one("sessions_max");
            Ok::<_, SettingsError>((sessions, settings.finish()?))
        }
    };
    let (_, words) = read().expect("no mistakes");
    let mut reloader = Reloader::new(KNOWN, words, Box::new(read));
    fs::write(&path, "listen = 'b'\nsessions_max = 4").expect("writes");
    assert_eq!(reloader.reload(), Some(Some(4)));
    let counts = ["listen", "sessions_max"].map(|key| reloader.words.get(key).cloned());
    assert_eq!(counts, [Some(vec!["a".to_owned()]), Some(vec!["4".to_owned()])]);
    fs::write(&path, "listen = 'b'\nsessions_max = 'many'").expect("writes");
    assert_eq!(reloader.reload(), None);
    fs::write(&path, "listen = 'b'").expect("writes");
    assert_eq!(reloader.reload(), Some(None));
    assert_eq!(reloader.words.get("sessions_max"), None);
}
