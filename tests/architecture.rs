//! The rooms' walls: who may use whom, and which crates stay in which room. Read from the sources themselves.

#![allow(
    clippy::unwrap_used,
    reason = "a file that cannot be read fails the test"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms in the order in which data flows, each with those it may use beside itself.
const MAY_USE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("template", &[]),
    ("compose", &["model", "template"]),
    ("fingerprint", &["model", "template", "compose"]),
    ("plan", &["model", "compose", "fingerprint"]),
    ("runtime", &["model", "compose", "fingerprint", "plan"]),
    (
        "docker",
        &["model", "compose", "fingerprint", "plan", "runtime"],
    ),
    (
        "build",
        &[
            "model",
            "compose",
            "fingerprint",
            "plan",
            "runtime",
            "remembered",
        ],
    ),
    ("bundle", &["model", "compose", "fingerprint"]),
    (
        "registry",
        &["model", "compose", "fingerprint", "plan", "runtime"],
    ),
    (
        "export",
        &["model", "compose", "fingerprint", "plan", "runtime"],
    ),
    ("settings", &["model"]),
    ("remembered", &[]),
    (
        "term",
        &[
            "model",
            "compose",
            "fingerprint",
            "plan",
            "runtime",
            "settings",
            "remembered",
        ],
    ),
    (
        "failure",
        &[
            "model",
            "template",
            "compose",
            "fingerprint",
            "plan",
            "runtime",
            "docker",
            "build",
            "registry",
            "bundle",
            "term",
            "settings",
        ],
    ),
    (
        "cli",
        &[
            "model",
            "template",
            "compose",
            "fingerprint",
            "plan",
            "runtime",
            "docker",
            "build",
            "registry",
            "bundle",
            "export",
            "term",
            "settings",
            "remembered",
            "failure",
        ],
    ),
];

/// The rooms that read files and nothing else: what they give depends on their input alone.
const CORE: [&str; 5] = ["model", "template", "compose", "fingerprint", "plan"];

/// What the core does not know. (Addresses as data and the name of this machine's architecture are fine.)
const NOT_IN_CORE: [&str; 18] = [
    "env::var",
    "env::vars",
    "env::vars_os",
    "env::var_os",
    "env::args",
    "env::current_dir",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "ToSocketAddrs",
    "process::Command",
    "Instant",
    "SystemTime",
    "tokio",
    "bollard",
    "dagger_sdk",
    "anstream",
];

/// Crates that stay in their rooms.
const KEPT: &[(&str, &[&str])] = &[
    ("bollard", &["docker", "build"]),
    ("dagger_sdk", &["build"]),
    ("oci_client", &["registry"]),
    ("minijinja", &["template"]),
    ("unicode_width", &["term"]),
    ("owo_colors", &["term"]),
    ("clap", &["cli", "settings", "main"]),
];

/// A source file's code, without comments and without its tests.
struct Source {
    room: String,
    path: PathBuf,
    code: String,
}

#[test]
fn imports_go_one_way() {
    let mut wrong = Vec::new();
    for source in sources() {
        let Some((_, allowed)) = MAY_USE.iter().find(|(room, _)| *room == source.room) else {
            assert!(
                ["lib", "main"].contains(&source.room.as_str()),
                "`{}` is a room that no rule knows: add it to MAY_USE",
                source.room
            );
            continue;
        };
        for used in rooms_used(&source.code) {
            if used != source.room && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{} uses crate::{used}", source.path.display()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_core_reads_files_and_nothing_else() {
    let mut wrong = Vec::new();
    for source in sources()
        .iter()
        .filter(|source| CORE.contains(&source.room.as_str()))
    {
        for word in NOT_IN_CORE
            .iter()
            .filter(|word| mentions(&source.code, word))
        {
            wrong.push(format!("{} mentions {word}", source.path.display()));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn crates_stay_in_their_rooms() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (word, rooms) in KEPT {
            if mentions(&source.code, word) && !rooms.contains(&source.room.as_str()) {
                wrong.push(format!("{} mentions {word}", source.path.display()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// The fuzz package compiles four rooms for itself.
#[test]
fn fuzzers_have_the_crates_that_their_rooms_use() {
    let rooms = ["model", "template", "compose", "fingerprint"];
    let theirs = dependencies("fuzz/Cargo.toml");
    let mut missing = Vec::new();
    for own in dependencies("Cargo.toml") {
        let name = format!("{}::", own.replace('-', "_"));
        let uses = |source: &Source| rooms.contains(&&*source.room) && source.code.contains(&name);
        if sources().iter().any(uses) && !theirs.contains(&own) {
            missing.push(own);
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

/// The crates under `[dependencies]`.
fn dependencies(manifest: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(manifest);
    let text = fs::read_to_string(path).unwrap();
    let (_, rest) = text.split_once("[dependencies]\n").unwrap();
    let own = rest.lines().take_while(|line| !line.starts_with('['));
    let own = own.filter(|line| !line.starts_with('#'));
    own.filter_map(|line| Some(line.split_once(" = ")?.0.to_owned()))
        .collect()
}

/// A room's `mod.rs` is a map and names what it lets out, nothing else.
#[test]
fn maps_hold_no_code() {
    let maps = sources()
        .into_iter()
        .filter(|source| source.path.ends_with("mod.rs"));
    for map in maps {
        let code = ["fn ", "struct ", "enum ", "impl ", "trait ", "const "];
        let found = code.iter().find(|word| map.code.contains(*word));
        assert_eq!(found, None, "{} holds code", map.path.display());
    }
}

#[test]
fn the_reader_sees_every_form_of_an_import() {
    let code = "use crate::model::X;\nuse crate::{compose, plan::{self, Y}, term};\nfn f() { crate::docker::g() }";
    assert_eq!(
        rooms_used(code),
        ["model", "compose", "plan", "term", "docker"]
    );
    assert!(mentions("let x = tokio::spawn(f)", "tokio"));
    assert!(!mentions("let tokio_like = 1", "tokio"));
    assert_eq!(
        strip("a // tokio\n#[cfg(test)]\nmod tests { use tokio; }"),
        "a \n"
    );
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    read(&root, &root, &mut sources);
    assert!(sources.len() > 50, "the sources were not found");
    sources
}

fn read(root: &Path, folder: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(root, &path, sources);
            continue;
        }
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let own = path.strip_prefix(root).unwrap().to_owned();
        // Files that are compiled into tests only, by the names that the rooms give them.
        let name = own.file_stem().unwrap().to_string_lossy().into_owned();
        if ["tests", "lab", "sample"].contains(&name.as_str()) {
            continue;
        }
        let first = own.components().next().unwrap().as_os_str();
        sources.push(Source {
            room: first.to_string_lossy().trim_end_matches(".rs").to_owned(),
            code: strip(&fs::read_to_string(&path).unwrap()),
            path: own,
        });
    }
}

/// The text without line comments and without what stands behind the first `#[cfg(test)] mod`.
fn strip(text: &str) -> String {
    let tests = text.find("#[cfg(test)]\nmod tests").unwrap_or(text.len());
    let mut code = String::new();
    for line in text[..tests].lines() {
        code.push_str(line.split("//").next().unwrap_or_default());
        code.push('\n');
    }
    code
}

/// The rooms behind `crate::`, also those in braces.
fn rooms_used(code: &str) -> Vec<String> {
    let mut used = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => used.extend(listed(list)),
            None => used.push(word(rest)),
        }
    }
    used
}

/// The first words of a braced list, up to its closing brace.
fn listed(list: &str) -> Vec<String> {
    let (mut depth, mut item, mut words) = (0, String::new(), Vec::new());
    for char in list.chars() {
        match char {
            '}' | ',' if depth == 0 => {
                words.push(word(item.trim()));
                item.clear();
                if char == '}' {
                    break;
                }
            }
            '{' => depth += 1,
            '}' => depth -= 1,
            _ if depth == 0 => item.push(char),
            _ => {}
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn word(text: &str) -> String {
    text.chars()
        .take_while(|char| char.is_alphanumeric() || *char == '_')
        .collect()
}

/// Whether the code has the word as a whole.
fn mentions(code: &str, word: &str) -> bool {
    let part = |char: Option<char>| char.is_some_and(|char| char.is_alphanumeric() || char == '_');
    code.match_indices(word).any(|(at, _)| {
        let (before, behind) = (&code[..at], &code[at + word.len()..]);
        !part(before.chars().next_back()) && !part(behind.chars().next())
    })
}
