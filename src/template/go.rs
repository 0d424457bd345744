//! Go: which package is the program.

use super::facts::{Facts, Start, copies, is_plain};
use super::folder::Folder;

/// Newer ones build what is written for older ones.
const VERSION: &str = "1";
const PORT: u16 = 8080;

pub(super) fn facts(here: Folder<'_>, port: Option<u16>) -> Facts {
    let (package, because) = program(here);
    let start = Start {
        command: vec!["/app/app".to_owned()],
        because,
    };
    let mut facts = Facts::new();
    facts
        .set("copies", copies(&here.those(&["go.mod", "go.sum"])))
        .set("package", package)
        .set("version", VERSION)
        .set("port", port.unwrap_or(PORT).to_string())
        .start(start);
    facts
}

/// The package in the folder itself, or the only one below `cmd`.
fn program(here: Folder<'_>) -> (String, Option<String>) {
    let is_main = |file: &str| {
        here.text(file)
            .is_ok_and(|text| text.lines().any(|line| line.trim_end() == "package main"))
    };
    let is_go = |name: &str| name.rsplit_once('.').is_some_and(|(_, kind)| kind == "go");
    let in_folder = |folder: &str| {
        let files = here.names(folder).into_iter();
        let mut files = files.filter(|name| is_go(name) && !name.ends_with("_test.go"));
        files.find(|name| is_main(&format!("{folder}{name}")))
    };
    if let Some(file) = in_folder("") {
        return (".".to_owned(), Some(format!("`{file}` is there")));
    }
    let below = here.names("cmd").into_iter().filter(|name| is_plain(name));
    let below: Vec<String> = below
        .filter(|name| in_folder(&format!("cmd/{name}/")).is_some())
        .collect();
    match &below[..] {
        [only] => (
            format!("./cmd/{only}"),
            Some(format!("`cmd/{only}` is the only program")),
        ),
        [first, ..] => (format!("./cmd/{first}"), None),
        [] => (".".to_owned(), None),
    }
}
