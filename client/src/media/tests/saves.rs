//! Nothing is overwritten, and half a file never stands under its name.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::media::save::Saving;

fn save(folder: &Path, name: &str, content: &str) -> String {
    let (saving, mut file) = Saving::begin(folder, name, "id").expect("begins");
    file.write_all(content.as_bytes()).expect("writes");
    let place = saving.finish(&file).expect("finishes");
    assert_eq!(place.parent(), Some(folder));
    place.file_name().and_then(|name| name.to_str()).expect("a name").to_owned()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("is there");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("reads").file_name().to_str().expect("UTF-8").to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_name_that_is_taken_gets_a_number() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path().join("new").join("folder");
    assert_eq!(save(&folder, "../cat.png", "one"), "cat.png");
    assert_eq!(save(&folder, "cat.png", "two"), "cat (2).png");
    assert_eq!(save(&folder, "cat.png", "three"), "cat (3).png");
    assert_eq!(names(&folder), ["cat (2).png", "cat (3).png", "cat.png"]);
    assert_eq!(fs::read_to_string(folder.join("cat.png")).expect("reads"), "one");
    assert_eq!(names(place.path()), ["new"]);
}

#[test]
fn a_link_is_not_followed() {
    let place = tempfile::tempdir().expect("a folder");
    let target = place.path().join("target");
    let folder = place.path().join("folder");
    fs::create_dir(&folder).expect("makes");
    std::os::unix::fs::symlink(&target, folder.join("cat.png")).expect("links");
    assert_eq!(save(&folder, "cat.png", "one"), "cat (2).png");
    assert!(!target.exists());
}

#[test]
fn until_the_end_the_name_is_empty_and_afterwards_whole() {
    let place = tempfile::tempdir().expect("a folder");
    let (saving, mut file) = Saving::begin(place.path(), "cat.png", "7f").expect("begins");
    file.write_all(b"half").expect("writes");
    assert_eq!(fs::read(place.path().join("cat.png")).expect("reads"), b"");
    saving.abandon();
    assert!(names(place.path()).is_empty());
}

#[test]
fn others_cannot_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let place = tempfile::tempdir().expect("a folder");
    save(place.path(), "cat.png", "one");
    let mode = fs::metadata(place.path().join("cat.png")).expect("is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
