//! Rust: which program of the package is meant, and the files that stand for its sources while dependencies are built.

use super::error::Error;
use super::facts::{Facts, Start, copies, is_plain};
use super::folder::Folder;
use super::toml;

/// Newer ones build what is written for older ones.
const VERSION: &str = "1";
const PORT: u16 = 8080;

pub(super) fn facts(here: Folder<'_>, port: Option<u16>) -> Result<Facts, Error> {
    let manifest = here.text("Cargo.toml")?;
    if toml::has_key(&manifest, "workspace", "members") {
        return Err(Error::Beyond {
            template: "rust",
            file: here.root.join("Cargo.toml"),
            what: "that of a workspace",
        });
    }
    let (program, because) = program(here, &manifest);
    let start = Start {
        command: vec![format!("/app/{program}")],
        because,
    };
    let mut sources = vec!["src/main.rs".to_owned()];
    for section in ["bin", "lib", "example", "bench", "test"] {
        let paths = toml::values(&manifest, section, "path").into_iter();
        let paths =
            paths.filter(|path| is_plain(path) && *path != "src/lib.rs" && !path.contains(".."));
        sources.extend(paths.map(str::to_owned));
    }
    sources.extend(
        toml::values(&manifest, "package", "build")
            .into_iter()
            .filter(|path| is_plain(path))
            .map(str::to_owned),
    );
    sources.sort();
    sources.dedup();
    let parents = sources
        .iter()
        .filter_map(|path| Some(path.rsplit_once('/')?.0.to_owned()));
    let mut folders: Vec<String> = parents.collect();
    folders.sort();
    folders.dedup();
    let files = [
        "Cargo.toml",
        "Cargo.lock",
        "rust-toolchain.toml",
        "rust-toolchain",
        ".cargo/config.toml",
    ];
    let mut facts = Facts::new();
    facts
        .set("copies", copies(&here.those(&files)))
        .set("sources", sources.join(" "))
        .set("folders", folders.join(" "))
        .set(
            "locked",
            if here.has("Cargo.lock") {
                " --locked"
            } else {
                ""
            },
        )
        .set("program", program)
        .set("version", VERSION)
        .set("port", port.unwrap_or(PORT).to_string())
        .start(start);
    Ok(facts)
}

/// The program that is run by default: the only one there is, or the one with the package's name.
fn program(here: Folder<'_>, manifest: &str) -> (String, Option<String>) {
    let plain = |name: &&str| is_plain(name) && !name.contains('/');
    let one = |section, key| toml::values(manifest, section, key).into_iter().find(plain);
    if let Some(name) = one("package", "default-run") {
        return (
            name.to_owned(),
            Some("`Cargo.toml` has `default-run`".to_owned()),
        );
    }
    let own = one("package", "name");
    let said: Vec<&str> = toml::values(manifest, "bin", "name")
        .into_iter()
        .filter(plain)
        .collect();
    match (&said[..], own) {
        (_, Some(own)) if here.has("src/main.rs") && (said.is_empty() || said.contains(&own)) => {
            (own.to_owned(), Some("`src/main.rs` is there".to_owned()))
        }
        ([only], _) => (
            (*only).to_owned(),
            Some("`Cargo.toml` has one `[[bin]]`".to_owned()),
        ),
        _ => {
            let names = here.names("src/bin").into_iter();
            let names = names.filter_map(|name| Some(name.strip_suffix(".rs")?.to_owned()));
            let names: Vec<String> = names.filter(|name| is_plain(name)).collect();
            match &names[..] {
                [only] => (
                    only.clone(),
                    Some(format!("`src/bin/{only}.rs` is the only program")),
                ),
                _ => (own.unwrap_or("app").to_owned(), None),
            }
        }
    }
}
