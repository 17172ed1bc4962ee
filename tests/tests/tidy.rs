//! The shape of the source, kept by a test: see `docs/TESTING.md`.

use std::collections::BTreeSet;
use std::fs;

use tests::source::{files, functions, root};

const CRATES: [&str; 8] =
    ["wire", "storage", "operate", "router", "server", "client", "bench", "tests"];
const LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const COLUMNS_MAX: usize = 100;

fn rust_files() -> Vec<(String, String)> {
    CRATES.iter().flat_map(|name| files(name, ".rs")).collect()
}

fn assert_none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

/// The part of a file before its tests.
fn code(text: &str) -> &str {
    text.split("#[cfg(test)]").next().expect("split yields at least one part")
}

#[test]
fn files_functions_and_lines_are_short() {
    let mut found = Vec::new();
    for (path, text) in rust_files() {
        let lines = text.lines().count();
        if lines > LINES_MAX {
            found.push(format!("{path}: {lines} lines, at most {LINES_MAX}"));
        }
        let longest = functions(&text).into_iter().take_while(|f| f.0 > FUNCTION_LINES_MAX);
        found.extend(longest.map(|(len, at, line)| format!("{path}:{at}: {len} lines: {line}")));
        let wide = text.lines().enumerate().filter(|(_, l)| l.chars().count() > COLUMNS_MAX);
        found.extend(wide.map(|(at, _)| format!("{path}:{}: wider than {COLUMNS_MAX}", at + 1)));
    }
    assert_none("too long", &found);
}

#[test]
fn every_file_says_what_it_is() {
    let silent = rust_files().into_iter().filter(|(_, text)| !text.starts_with("//! "));
    let silent: Vec<String> = silent.map(|(path, _)| path).collect();
    assert_none("files without a module doc in their first line", &silent);
}

#[test]
fn every_file_is_part_of_its_crate() {
    let all = rust_files();
    let mut found = Vec::new();
    for (path, _) in all.iter().filter(|(path, _)| path.contains("/src/")) {
        let (folder, file) = path.rsplit_once('/').expect("a path has a folder");
        let stem = file.trim_end_matches(".rs");
        if matches!(stem, "main" | "lib") || folder.ends_with("/bin") {
            continue;
        }
        let (parent, name) = match stem {
            "mod" => folder.rsplit_once('/').expect("a module has a parent folder"),
            stem => (folder, stem),
        };
        let outer = [
            format!("{parent}/mod.rs"),
            format!("{parent}/lib.rs"),
            format!("{parent}/main.rs"),
            format!("{parent}.rs"),
        ];
        let declared = |text: &str| {
            text.lines().any(|line| line.trim_end().ends_with(&format!("mod {name};")))
        };
        if !all.iter().any(|(path, text)| outer.contains(path) && declared(text)) {
            found.push(path.clone());
        }
    }
    assert_none("files that no module declares", &found);
}

#[test]
fn cores_are_pure() {
    const BANNED: [&str; 22] = [
        "std::time::Instant",
        "SystemTime",
        "std::fs",
        "std::thread",
        "std::env",
        "std::process",
        "TcpStream",
        "TcpListener",
        "UdpSocket",
        "UnixStream",
        "UnixListener",
        "std::io",
        "mio::",
        "rustls",
        "rocksdb",
        "rusqlite",
        "rand::rng(",
        "SysRng",
        "OsRng",
        "getrandom",
        "println!",
        "thread_rng",
    ];
    let mut found = Vec::new();
    let mut cores = 0;
    for (path, text) in rust_files() {
        if !path.contains("/src/core/") || path.ends_with("tests.rs") {
            continue;
        }
        cores += 1;
        for (at, line) in code(&text).lines().enumerate() {
            let line = line.split("//").next().expect("split yields at least one part");
            let banned = BANNED.iter().filter(|word| line.contains(**word));
            found.extend(banned.map(|word| format!("{path}:{}: {word}", at + 1)));
        }
    }
    assert!(cores > 20, "the cores were found: {cores} files");
    assert_none("a core names a clock, socket, file, thread or random source", &found);
}

#[test]
fn only_the_shell_and_net_touch_sockets_and_only_rocks_touches_rocksdb() {
    let mut found = Vec::new();
    for (path, text) in rust_files() {
        let shell = path.contains("/shell")
            || path.contains("wire/src/net/")
            || path.contains("operate/src/admin/");
        let rocks = path.contains("storage/src/rocks");
        let uses = |word: &str| {
            code(&text)
                .lines()
                .any(|line| !line.trim_start().starts_with("//") && line.contains(word))
        };
        if uses("mio::") && !shell && !path.starts_with("tests/") && !path.starts_with("bench/") {
            found.push(format!("{path}: mio"));
        }
        if uses("rocksdb::") && !rocks && !path.starts_with("storage/tests/") {
            found.push(format!("{path}: rocksdb"));
        }
    }
    found.retain(|line| !line.starts_with("tests/tests/tidy.rs"));
    assert_none("outside its place", &found);
}

#[test]
fn crates_depend_one_way() {
    let allowed: [(&str, &[&str]); 8] = [
        ("wire", &[]),
        ("storage", &["wire"]),
        ("operate", &["wire"]),
        ("router", &["operate", "wire"]),
        ("server", &["operate", "storage", "wire"]),
        ("client", &["wire"]),
        ("bench", &CRATES),
        ("tests", &CRATES),
    ];
    for (name, allowed) in allowed {
        let manifest = fs::read_to_string(root().join(name).join("Cargo.toml"));
        let manifest = manifest.expect("each crate has a manifest");
        let depends = CRATES.iter().filter(|other| {
            manifest.lines().any(|line| {
                line.starts_with(&format!("{other}.workspace"))
                    || line.starts_with(&format!("{other} = "))
            })
        });
        let wrong: Vec<_> = depends.filter(|other| !allowed.contains(other)).collect();
        assert!(wrong.is_empty(), "{name} must not depend on {wrong:?}");
    }
}

#[test]
fn nothing_is_left_undone_or_silenced() {
    let words = ["todo!(", "unimplemented!(", "FIXME", "TODO", "XXX", "thread::sleep("];
    let mut found = Vec::new();
    for (path, text) in rust_files().iter().filter(|(path, _)| !path.ends_with("tidy.rs")) {
        for (at, line) in text.lines().enumerate() {
            let hits = words.iter().filter(|word| line.contains(**word));
            found.extend(hits.map(|word| format!("{path}:{}: {word}", at + 1)));
            let silenced = line.contains("#[allow(") || line.contains("#![allow(");
            if silenced && !line.contains("//") {
                found.push(format!("{path}:{}: a lint is silenced without a reason", at + 1));
            }
        }
    }
    assert_none("left undone", &found);
}

#[test]
fn the_top_level_is_what_the_readme_says() {
    let wanted: BTreeSet<&str> = CRATES
        .into_iter()
        .chain(["Cargo.toml", "Cargo.lock", "README.md", "Makefile", "docs", "LICENSE"])
        .collect();
    let entries = fs::read_dir(root()).expect("the root can be read");
    let names = entries.map(|entry| entry.expect("the root can be read").file_name());
    let names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    let visible = names.iter().map(String::as_str);
    let visible: BTreeSet<&str> =
        visible.filter(|name| !name.starts_with('.') && *name != "target").collect();
    assert_eq!(visible, wanted);
}

#[test]
fn every_dependency_has_its_reason() {
    let reasons = fs::read_to_string(root().join("docs/DEPENDENCIES.md")).expect("it is there");
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("it is there");
    let section = manifest.split("[workspace.dependencies]").nth(1).expect("it has the section");
    let section = section.split("\n[").next().expect("split yields at least one part");
    let lines = section.lines().filter(|line| !line.contains("path = "));
    let names = lines.filter_map(|line| line.split_once(" = ")).map(|(name, _)| name);
    let silent: Vec<String> =
        names.filter(|name| !reasons.contains(&format!("`{name}`"))).map(str::to_owned).collect();
    assert_none("dependencies without a line in docs/DEPENDENCIES.md", &silent);
}

#[test]
fn links_in_the_documents_lead_somewhere() {
    let mut documents = files("docs", ".md");
    let readme = fs::read_to_string(root().join("README.md")).expect("it is there");
    documents.push(("README.md".to_owned(), readme));
    let mut found = Vec::new();
    for (path, text) in documents {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().expect("split yields at least one part");
            let outside = target.starts_with("http") || file.is_empty();
            if !outside && !root().join(folder).join(file).exists() {
                found.push(format!("{path}: {target}"));
            }
        }
    }
    assert_none("links that lead nowhere", &found);
}
