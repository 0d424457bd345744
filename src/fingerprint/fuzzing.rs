//! What fuzzers feed, and what must hold whatever they feed: the Dockerfile parser, the matcher of ignore files, and
//! that of wildcards. `fuzz/` calls it, and a test does so with the fuzzers' seeds.

use std::collections::BTreeMap;

use super::dockerfile::StageBase;
use super::extras::Extra;
use super::glob::Glob;
use super::ignorefile::Patterns;
use super::parse::parse;
use super::platform::Platform;
use super::reading::{self, Bases};
use super::recipe::Base;
use super::stages::{Request, lay_out};
use super::words::expand;

/// Reads a Dockerfile to its end, bases and all.
///
/// # Panics
/// It is not read as it should be.
pub fn dockerfile(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let script = parse(&text);
    let count = text.lines().count();
    let mut last = 0;
    for instruction in &script.instructions {
        let (first, end) = instruction.lines;
        assert!(last < first && first <= end && end <= count.max(1), "lines");
        last = end;
        assert_eq!(
            instruction.keyword,
            instruction.keyword.to_ascii_uppercase()
        );
    }
    for line in text.lines().take(64) {
        let known = |name: &str| {
            Ok(name
                .len()
                .is_multiple_of(2)
                .then(|| format!("{name}-value")))
        };
        let _ = expand(line, script.escape, &known);
    }
    let request = Request {
        given: BTreeMap::from([("A".to_owned(), "a b".to_owned())]),
        target: None,
        platform: Platform::parse("linux/amd64"),
        native: Platform::parse("linux/amd64"),
        asked: None,
        contexts: BTreeMap::from([("ctx".to_owned(), Extra::Folder("/ctx".into()))]),
    };
    let Ok(layout) = lay_out(&script, "Dockerfile", &text, &request) else {
        return;
    };
    for (number, stage) in layout.dockerfile.stages.iter().enumerate() {
        if let StageBase::Stage(base) = stage.base {
            assert!(base < number, "a stage starts from one behind it");
        }
    }
    let first = reading::read(&layout, &request, None);
    let mut bases = Bases::new();
    for image in &first.images {
        let base = Base {
            identity: "id".to_owned(),
            onbuild: vec!["COPY --from=ctx $B x".to_owned()],
            env: vec!["B=b/*.c".to_owned()],
            working_dir: "/w".to_owned(),
            volumes: Vec::new(),
        };
        bases.insert(image.clone(), base);
    }
    let second = reading::read(&layout, &request, Some(&bases));
    for reading in [&first, &second] {
        let needed = reading.stages.keys();
        assert!(needed.into_iter().all(|stage| *stage <= layout.target));
        assert!(reading.doubt.is_some() || reading.stages.contains_key(&layout.target));
    }
    // A base tells more of what is read, and takes nothing back.
    if second.doubt.is_none() {
        assert!(first.doubt.is_none() && first.images.is_subset(&second.images));
    }
}

/// Holds an ignore file against paths: the data up to the first NUL, and what follows between further ones.
///
/// # Panics
/// Its answers contradict each other.
pub fn ignore_file(data: &[u8]) {
    let mut parts = data.split(|byte| *byte == 0);
    let text = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let Ok(patterns) = Patterns::parse(&text) else {
        return;
    };
    let paths: Vec<&[u8]> = parts.filter(|path| is_path(path)).take(32).collect();
    for path in &paths {
        let (ignored, _) = patterns.matches_path(path);
        let end = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        let folder = &path[..end];
        let within = patterns.within(folder, &patterns.matches_path(folder).1);
        assert_eq!(within.is_match(path), ignored, "two ways");
        assert_eq!(patterns.leaves_out(path).is_some(), ignored, "the reason");
        for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            let folder = &path[..at];
            let left_out = patterns.matches_path(folder).0;
            let reaches = patterns.may_except_below(folder);
            assert!(
                ignored || !left_out || reaches,
                "a folder is not looked into"
            );
        }
    }
}

/// What an ignore file says of one path; `None` where it is refused.
pub fn ignored(text: &str, path: &str) -> Option<bool> {
    let patterns = Patterns::parse(text).ok()?;
    Some(patterns.matches_path(path.as_bytes()).0)
}

/// Holds a wildcard against a name, parted by a NUL.
///
/// # Panics
/// The plainest way to match gives another answer.
pub fn wildcard(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let pattern = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let name = parts.next().unwrap_or_default();
    let Ok(glob) = Glob::parse(&pattern) else {
        return;
    };
    let found = glob.matches(name);
    if name.len() <= 24 && pattern.len() <= 24 {
        assert_eq!(glob.matches_plainly(name), found, "{pattern:?} {name:?}");
    }
}

fn is_path(path: &[u8]) -> bool {
    let mut parts = path.split(|byte| *byte == b'/');
    parts.all(|part| !part.is_empty() && part != b"." && part != b"..")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_seeds_of_the_fuzzers_hold() {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
        let feed = |target: &str, feed: fn(&[u8])| {
            let all = fs::read_dir(seeds.join(target)).unwrap();
            let fed = all.map(|entry| feed(&fs::read(entry.unwrap().path()).unwrap()));
            assert!(fed.count() > 2, "{target}");
        };
        feed("dockerfile", dockerfile);
        feed("ignore_file", ignore_file);
        feed("wildcard", wildcard);
    }
}
