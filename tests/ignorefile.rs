//! What ignore files leave of a context: the table of `tests/ignorefile/table.txt`, the answer of the BuildKit inside the
//! engine, and larder's own.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use larder::model::Build;
use serde_json::json;
use tempfile::TempDir;

#[path = "engine/recipe.rs"]
mod recipe;

use recipe::recipe;

const TABLE: &str = include_str!("ignorefile/table.txt");
const DOCKERFILE: &str = "FROM scratch\nCOPY . /\n";

/// One ignore file, with what the table says of paths: whether each is left out.
#[derive(Clone)]
struct Case {
    line: usize,
    ignore: String,
    verdicts: Vec<(Vec<u8>, bool)>,
}

/// The rows of the table; those with one ignore file become one case.
fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (at, row) in TABLE.lines().enumerate() {
        if row.is_empty() || row.starts_with("//") {
            continue;
        }
        let columns: Vec<&str> = row.split('|').collect();
        let [ignore, path, verdict] = columns[..] else {
            panic!("line {}: {row}", at + 1)
        };
        let ignore = String::from_utf8(unescaped(ignore)).unwrap();
        let ignored = match verdict {
            "ignored" => true,
            "kept" => false,
            _ => panic!("line {}: {row}", at + 1),
        };
        let row = (unescaped(path), ignored);
        match cases.iter_mut().find(|case| case.ignore == ignore) {
            Some(case) => case.verdicts.push(row),
            None => cases.push(Case {
                line: at + 1,
                ignore,
                verdicts: vec![row],
            }),
        }
    }
    cases
}

/// `%41` is a byte, as nothing else in the table needs a `%`.
fn unescaped(text: &str) -> Vec<u8> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    bytes
}

/// A context that has every path of its rows, and of all others those that BuildKit can send.
fn lay_out(root: &Path, case: &Case, all: &BTreeSet<Vec<u8>>) {
    fs::create_dir(root).unwrap();
    fs::write(root.join(".dockerignore"), &case.ignore).unwrap();
    let own = case.verdicts.iter().map(|(path, _)| path);
    let others = all.iter().filter(|path| std::str::from_utf8(path).is_ok());
    let paths: BTreeSet<&Vec<u8>> = own.chain(others).collect();
    // What is in a folder before the folder itself, which one row may name and another look into.
    for path in paths.into_iter().rev() {
        let is_folder = path.ends_with(b"/");
        let path = root.join(OsStr::from_bytes(path));
        if is_folder {
            fs::create_dir_all(&path).unwrap();
        } else if !path.exists() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
        }
    }
}

/// What larder sends of a context.
fn by_larder(root: &Path) -> BTreeSet<Vec<u8>> {
    let build = Build {
        context: root.to_str().unwrap().to_owned(),
        dockerfile_inline: Some(DOCKERFILE.to_owned()),
        ..Build::default()
    };
    let recipe = recipe("app", build, |_| unreachable!("it has no bases"));
    let entries = recipe.context.entries.iter();
    entries.map(|entry| entry.path.clone()).collect()
}

/// What BuildKit copies of each context, in one go.
fn by_buildkit(folder: &Path, names: &[String]) -> Vec<BTreeSet<Vec<u8>>> {
    let output = |name: &String| folder.join(format!("{name}.tar"));
    let target = |name: &String| {
        let target = json!({
            "context": folder.join(name),
            "dockerfile-inline": DOCKERFILE,
            "output": [format!("type=tar,dest={}", output(name).display())],
            "no-cache": true,
        });
        (name.clone(), target)
    };
    let targets: serde_json::Map<_, _> = names.iter().map(target).collect();
    let file = folder.join("bake.json");
    fs::write(&file, json!({"target": targets}).to_string()).unwrap();
    let done = Command::new("docker")
        .args(["buildx", "bake", "--progress", "plain", "--file"])
        .arg(&file)
        .args(names)
        .env("BUILDX_BAKE_ENTITLEMENTS_FS", "0")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{told}");
    names.iter().map(|name| listed(&output(name))).collect()
}

fn listed(archive: &PathBuf) -> BTreeSet<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut file = fs::File::open(archive).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    let mut archive = tar::Archive::new(bytes.as_slice());
    let entries = archive.entries().unwrap();
    let path = |entry: tar::Entry<'_, &[u8]>| {
        let path = entry.path_bytes().into_owned();
        path.strip_suffix(b"/").map_or(path.clone(), <[u8]>::to_vec)
    };
    entries.map(|entry| path(entry.unwrap())).collect()
}

fn shown(paths: &BTreeSet<Vec<u8>>) -> Vec<String> {
    let text = |path: &Vec<u8>| String::from_utf8_lossy(path).into_owned();
    paths.iter().map(text).collect()
}

/// A tree in which ignore files are tried, one after the other, by larder alone.
struct Probe(PathBuf);

impl Probe {
    /// Whether an ignore file does to paths what the rows say.
    fn holds(&self, case: &Case) -> Result<(), String> {
        fs::write(self.0.join(".dockerignore"), &case.ignore).unwrap();
        let left = by_larder(&self.0);
        for (path, ignored) in &case.verdicts {
            let path = path.strip_suffix(b"/").unwrap_or(path);
            let there = self.0.join(OsStr::from_bytes(path));
            assert!(
                there.symlink_metadata().is_ok(),
                "{} is not there",
                there.display()
            );
            if left.contains(path) == *ignored {
                let path = String::from_utf8_lossy(path);
                return Err(format!("line {}: {:?} {path}", case.line, case.ignore));
            }
        }
        Ok(())
    }

    /// The cases in as few ignore files as leave every row what it is, since a build each takes long.
    fn joined(&self, cases: Vec<Case>) -> Vec<Case> {
        let mut files: Vec<Case> = Vec::new();
        for case in cases {
            let with = |file: &Case| Case {
                line: file.line,
                ignore: format!("{}\n{}", file.ignore, case.ignore),
                verdicts: [file.verdicts.clone(), case.verdicts.clone()].concat(),
            };
            let fits = |file: &&mut Case| self.holds(&with(file)).is_ok();
            match files.iter_mut().rev().take(6).find(fits) {
                Some(file) => *file = with(file),
                None => files.push(case),
            }
        }
        files
    }
}

#[test]
fn ignore_files_leave_out_what_buildkit_leaves_out() {
    let folder = TempDir::new().unwrap();
    let cases = cases();
    let rows = cases.iter().flat_map(|case| case.verdicts.iter());
    let all: BTreeSet<Vec<u8>> = rows.map(|(path, _)| path.clone()).collect();
    let whole = Case {
        line: 0,
        ignore: String::new(),
        verdicts: all.iter().map(|path| (path.clone(), false)).collect(),
    };
    let probe = Probe(folder.path().join("probe"));
    lay_out(&probe.0, &whole, &all);
    for case in &cases {
        probe.holds(case).unwrap();
    }

    let files = probe.joined(cases);
    let name = |file: &Case| format!("line{}", file.line);
    let names: Vec<String> = files.iter().map(name).collect();
    for (file, name) in files.iter().zip(&names) {
        lay_out(&folder.path().join(name), file, &all);
    }
    let built = by_buildkit(folder.path(), &names);
    for ((file, name), built) in files.iter().zip(&names).zip(&built) {
        let own = by_larder(&folder.path().join(name));
        assert_eq!(shown(&own), shown(built), "{:?}", file.ignore);
    }
}
