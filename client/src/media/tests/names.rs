//! No name of others harms a file system or a terminal.

use proptest::prelude::*;

use crate::media::name::{numbered, sanitise};

#[test]
fn harmful_names_become_harmless() {
    for (given, safe) in [
        ("cat.png", "cat.png"),
        ("Grüße aus Łódź.jpeg", "Grüße aus Łódź.jpeg"),
        ("../../x", "x"),
        ("..\\..\\x.exe", "x.exe"),
        ("/etc/passwd", "passwd"),
        ("", "attachment"),
        ("..", "attachment"),
        ("a/", "attachment"),
        (" . ", "attachment"),
        (".bashrc", "bashrc"),
        ("trailing. ", "trailing"),
        ("-rf", "_-rf"),
        ("~root", "_~root"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("com1.png", "_com1.png"),
        ("comet.png", "comet.png"),
        ("a\u{1b}[31m\nb\0.png", "a_[31m_b_.png"),
        ("gpj.\u{202e}exe", "gpj._exe"),
        ("what?*<>|\":.png", "what_______.png"),
    ] {
        assert_eq!(sanitise(given), safe, "{given:?}");
    }
}

#[test]
fn overlong_names_keep_their_extension() {
    let long = sanitise(&format!("{}.jpeg", "ü".repeat(300)));
    assert!(long.len() <= 200 && long.ends_with("ü.jpeg"), "{long}");
    let odd = sanitise(&format!("x.{}", "y".repeat(300)));
    assert!(odd.len() <= 200 && odd.starts_with('x'), "{odd}");
}

#[test]
fn numbers_stand_before_the_extension() {
    assert_eq!(numbered("cat.png", 2), "cat (2).png");
    assert_eq!(numbered("cat", 3), "cat (3)");
    assert_eq!(numbered("a.tar.gz", 2), "a.tar (2).gz");
}

proptest! {
    #[test]
    fn every_name_is_one_plain_component(given in "\\PC{0,80}|[./\\\\a-z \\x00-\\x1f]{0,300}") {
        let safe = sanitise(&given);
        prop_assert!((1..=200).contains(&safe.len()));
        let is_harmless = !safe.contains(['/', '\\', '\0', '\n', '\u{1b}']);
        prop_assert!(is_harmless);
        prop_assert!(!safe.starts_with(['.', '-', ' ', '~']));
        prop_assert_eq!(sanitise(&safe), safe.clone(), "is at rest");
        let path = std::path::Path::new("folder").join(&safe);
        prop_assert_eq!(path.parent(), Some(std::path::Path::new("folder")));
    }
}
