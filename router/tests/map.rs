//! `fastchat-router map`: what it makes and changes, what it says, and what it refuses.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use router::identity::{Identity, read_map};
use tempfile::TempDir;
use wire::limits::SLOTS;
use wire::{LogId, MapFile, Name, ServerId, SignedMap, Slot, SlotMap, StoreId};

/// A cluster's directory.
struct Site(TempDir);

impl Site {
    /// One of three servers and two routers.
    fn new() -> Self {
        let site = Self(tempfile::tempdir().expect("a directory"));
        site.done(&["init", "--servers", "3", "--routers", "2"]);
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("c").join(name)
    }

    fn run(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fastchat-router"));
        command.args(["map", words[0], "--cluster"]).arg(self.path("")).args(&words[1..]);
        command.output().expect("runs")
    }

    /// What it says when it has done it.
    fn done(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let said = String::from_utf8(output.stderr).expect("is text");
        assert!(output.status.success() && said.is_empty(), "{words:?}: {said}");
        String::from_utf8(output.stdout).expect("is text")
    }

    /// What it says when it has not; nothing may have changed.
    fn refused(&self, words: &[&str]) -> String {
        let before = self.files();
        let output = self.run(words);
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert!(output.stdout.is_empty(), "{words:?}");
        assert_eq!(self.files(), before, "{words:?}");
        String::from_utf8(output.stderr).expect("is text")
    }

    fn map(&self) -> SignedMap {
        match read_map(&self.path("")).expect("a map") {
            MapFile::Signed(map) => map,
            MapFile::Unsigned(_) => panic!("it is signed"),
        }
    }

    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.path("")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("lists") {
                let path = entry.expect("lists").path();
                match path.is_dir() {
                    true => folders.push(path),
                    false if path.ends_with("map.lock") => {}
                    false => {
                        let bytes = fs::read(&path).expect("reads");
                        found.insert(path, bytes);
                    }
                }
            }
        }
        found
    }
}

fn owned(map: &SlotMap, server: u16) -> usize {
    Slot::all().filter(|slot| map.home(*slot) == ServerId(server)).count()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("is there").permissions().mode() & 0o777
}

#[test]
fn a_new_cluster_has_all_that_its_servers_and_routers_need() {
    let site = Site::new();
    let map = site.map();
    assert_eq!((map.map().version(), map.map().servers().len()), (1, 3));
    for name in ["ca.key", "operator.key", "opaque.setup", "server-3/key.pem", "router-2/key.pem"] {
        assert_eq!(mode(&site.path(name)), 0o600, "{name}");
    }
    Identity::read(&site.path(""), &site.path("router-2")).expect("fits");
    let made = site.files();
    let said = site.done(&["init", "--servers", "3", "--routers", "2"]);
    assert!(said.contains("3 servers") && said.contains("next: copy"), "{said}");
    assert_eq!(site.files(), made, "nothing is made anew");
    for servers in ["0", "1025"] {
        assert!(site.refused(&["init", "--servers", servers]).contains("from 1"), "{servers}");
    }
    let said = site.refused(&["init", "--servers", "4"]);
    assert!(said.contains("a cluster of 3") && said.contains("map add"), "{said}");
}

#[test]
fn a_server_that_is_added_gets_its_part_and_a_certificate() {
    let site = Site::new();
    let before = site.map();
    let said = site.done(&["add", "--server", "4"]);
    let after = site.map();
    assert!(said.contains("version 1 to 2") && said.contains("server-4 owns 1024"), "{said}");
    assert!(said.contains(&after.hash().to_string()), "{said}");
    assert_eq!((after.map().version(), owned(after.map(), 4)), (2, SLOTS / 4));
    assert_eq!(after.map().previous(), before.hash());
    for slot in Slot::all() {
        let (home, former) = (after.map().home(slot), before.map().home(slot));
        assert!(home == former || home == ServerId(4));
        assert_eq!(after.map().first_home(slot), former, "who holds it until it moves");
    }
    assert_eq!(mode(&site.path("server-4/key.pem")), 0o600);
    assert!(site.path("server-4/cert.pem").exists());
    let said = site.refused(&["add", "--server", "4"]);
    assert!(said.contains("server-4 is in the map already"), "{said}");
}

#[test]
fn several_servers_are_added_at_once_and_each_version_is_kept() {
    let site = Site::new();
    site.done(&["add", "--server", "4", "--count", "3"]);
    let map = site.map();
    assert_eq!((map.map().version(), map.map().owners().len()), (4, 6));
    for version in 1..=4 {
        assert!(site.path(&format!("maps/{version}")).exists(), "{version}");
    }
    let said = site.refused(&["add", "--server", "65535", "--count", "2"]);
    assert!(said.contains("--count"), "{said}");
    assert!(site.refused(&["add", "--server", "0"]).contains("numbered from 1"));
}

#[test]
fn a_server_is_removed_and_then_forgotten() {
    let site = Site::new();
    let said = site.refused(&["forget", "--server", "2"]);
    assert!(said.contains("server-2 owns slots") && said.contains("map remove"), "{said}");
    let said = site.done(&["remove", "--server", "2"]);
    assert!(said.contains("owns no slot") && said.contains("map forget"), "{said}");
    let map = site.map();
    assert_eq!((owned(map.map(), 2), map.map().servers().len()), (0, 3));
    assert!(site.refused(&["remove", "--server", "2"]).contains("owns no slot"));
    site.done(&["forget", "--server", "2"]);
    assert_eq!(site.map().map().servers(), [ServerId(1), ServerId(3)]);
    assert!(site.refused(&["forget", "--server", "2"]).contains("not in the map"));
    let said = site.refused(&["add", "--server", "2"]);
    assert!(said.contains("was a server of this cluster once"), "{said}");
    assert!(site.refused(&["remove", "--server", "9"]).contains("not in the map"));
    site.done(&["remove", "--server", "1"]);
    assert!(site.refused(&["remove", "--server", "3"]).contains("the only server"));
}

#[test]
fn slots_are_moved_by_their_numbers() {
    let site = Site::new();
    let before = site.map();
    site.done(&["move", "--slots", "0-99", "--to", "3"]);
    let after = site.map();
    for slot in Slot::all() {
        let home = if slot.index() < 100 { ServerId(3) } else { before.map().home(slot) };
        assert_eq!(after.map().home(slot), home);
    }
    assert!(site.refused(&["move", "--slots", "99", "--to", "3"]).contains("already"));
    assert!(site.refused(&["move", "--slots", "0-99", "--to", "4"]).contains("not in the map"));
    for slots in ["4096", "5-4", "5-", "x", "-1", "0-1-2"] {
        let said = site.refused(&["move", "--slots", slots, "--to", "3"]);
        assert!(said.contains("0-127") && said.contains("4095"), "{said}");
    }
}

#[test]
fn another_store_is_accepted_by_its_id() {
    let site = Site::new();
    let id = "00112233445566778899aabbccddeeff";
    site.done(&["replace", "--server", "2", "--store", id]);
    let member = |map: SignedMap| *map.map().member(ServerId(2)).expect("is listed");
    let (named, store) = (member(site.map()), id.parse::<StoreId>().expect("an id"));
    assert_eq!((named.store, named.accepted), (Some(store), 2));
    site.done(&["replace", "--server", "2"]);
    assert_eq!((member(site.map()).store, member(site.map()).accepted), (None, 3));
    for store in ["", "0011", "zz112233445566778899aabbccddeeff", "+0112233445566778899aabbccddeef"]
    {
        let said = site.refused(&["replace", "--server", "2", "--store", store]);
        assert!(said.contains("32 hexadecimal digits"), "{said}");
    }
    assert!(site.refused(&["replace", "--server", "4"]).contains("not in the map"));
}

#[test]
fn a_map_is_shown_to_people_and_programs() {
    let site = Site::new();
    site.done(&["add", "--server", "4"]);
    let map = site.map();
    let text = site.done(&["show"]);
    assert!(text.contains("version   2") && text.contains(&map.hash().to_string()), "{text}");
    assert!(text.contains("1024 not at their first home; highest epoch 1"), "{text}");
    let line = text.lines().find(|line| line.starts_with("server-4")).expect("is listed");
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words, ["server-4", "1024", "25.00", "%", "0", "any"]);
    let json: serde_json::Value =
        serde_json::from_str(&site.done(&["show", "--json"])).expect("is JSON");
    assert_eq!(json["version"], 2);
    assert_eq!(json["hash"], map.hash().to_string());
    assert_eq!(json["previous"], map.map().previous().to_string());
    assert_eq!(json["servers"][3]["slots"], 1024);
    let home = map.map().home(Slot::new(7).expect("a slot")).0;
    assert_eq!(json["homes"][7], home);
}

#[test]
fn a_map_says_where_somebody_is_at_home() {
    let site = Site::new();
    let map = site.map();
    let name = Name::parse("alice").expect("a name");
    for (of, log) in [("alice", LogId::mailbox(name)), ("#alice", LogId::group(name))] {
        let (slot, home) = (Slot::of(&log).index(), map.map().home(Slot::of(&log)));
        let said = site.done(&["show", "--of", of]);
        assert_eq!(said, format!("{home}, by slot {slot} of epoch 0\n"));
        let json: serde_json::Value =
            serde_json::from_str(&site.done(&["show", "--json", "--of", of])).expect("is JSON");
        assert_eq!((&json["server"], &json["slot"]), (&home.0.into(), &slot.into()));
    }
    assert!(site.refused(&["show", "--of", "not a name"]).contains("--of not a name: "));
}

/// Two versions with one number, or a number given twice, would part the servers for ever.
#[test]
fn nothing_is_made_from_a_map_that_is_not_the_newest_made_here() {
    let site = Site::new();
    let first = fs::read(site.path("map")).expect("reads");
    site.done(&["add", "--server", "4"]);
    fs::write(site.path("map"), &first).expect("writes");
    let said = site.refused(&["add", "--server", "5"]);
    assert!(said.contains("version 1") && said.contains("maps/2 map"), "{said}");
    // Another second version, made from the same first one with the same key.
    let other = Site(tempfile::tempdir().expect("a directory"));
    fs::create_dir(other.path("")).expect("makes it");
    for name in ["map", "operator.key", "operator.pub", "ca.key", "ca.pem"] {
        fs::copy(site.path(name), other.path(name)).expect("copies");
    }
    other.done(&["remove", "--server", "1"]);
    fs::copy(other.path("map"), site.path("map")).expect("copies");
    let said = site.refused(&["add", "--server", "5"]);
    assert!(said.contains("version 2") && said.contains("maps/2"), "{said}");
    other.done(&["remove", "--server", "2"]);
    fs::copy(other.path("map"), site.path("map")).expect("copies");
    let said = site.refused(&["add", "--server", "5"]);
    assert!(said.contains("version 3") && said.contains("maps/2"), "its third follows another");
    fs::copy(site.path("maps/2"), site.path("map")).expect("copies");
    site.done(&["add", "--server", "5"]);
    assert_eq!(site.map().map().version(), 3);
}

#[test]
fn keys_that_are_missing_are_named_with_the_place_to_look() {
    let site = Site::new();
    fs::rename(site.path("ca.key"), site.path("away")).expect("moves");
    let said = site.refused(&["add", "--server", "4"]);
    assert!(said.contains("ca.key") && said.contains("map init"), "{said}");
    site.done(&["remove", "--server", "1"]);
    fs::remove_file(site.path("operator.key")).expect("removes");
    let said = site.refused(&["remove", "--server", "2"]);
    assert!(said.contains("operator.key") && said.contains("map init"), "{said}");
    site.done(&["show"]);
}

#[test]
fn a_map_of_another_operator_is_refused() {
    let (site, other) = (Site::new(), Site::new());
    fs::copy(other.path("map"), site.path("map")).expect("copies");
    for words in [&["show"][..], &["remove", "--server", "1"], &["init", "--servers", "3"]] {
        let said = site.refused(words);
        assert!(said.contains("c/map") && said.contains("operator"), "{said}");
    }
}

#[test]
fn one_process_changes_a_map_at_a_time() {
    let site = Site::new();
    let held = fs::File::create(site.path("map.lock")).expect("opens");
    held.lock().expect("locks");
    let said = site.refused(&["add", "--server", "4"]);
    assert!(said.contains("another process changes this map"), "{said}");
    drop(held);
    site.done(&["add", "--server", "4"]);
}
