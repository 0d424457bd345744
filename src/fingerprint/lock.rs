//! `larder.lock`: the digests that a project's base images are pinned to, in one file beside its Compose file. Read
//! here by whoever takes fingerprints; must not know where a digest comes from.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::inputs;
use super::walk::is_gone;
use crate::model::{ImageRef, Place};

/// The file's name.
pub const LOCK_FILE: &str = "larder.lock";
/// The first line that counts: what the lines behind it mean.
const VERSION: &str = "version 1";
const HEAD: &str = "\
# larder.lock: the digests of the base images that this project's Dockerfiles
# name, so that all its clones build from the same ones. Keep it in version
# control. Only `larder lock` writes it; `larder lock --upgrade IMAGE` takes what
# the registry has now. In a merge conflict, keep one line for each image.
";

/// What a project's base images are pinned to.
#[derive(Clone, Debug, Default)]
pub struct Lock {
    file: PathBuf,
    /// `None` where there is no file.
    entries: Option<BTreeMap<ImageRef, Entry>>,
}

/// One line.
#[derive(Clone, Debug)]
struct Entry {
    digest: String,
    /// From 1.
    line: usize,
}

impl Lock {
    /// The lock of the project in a folder; an empty one where there is none.
    ///
    /// # Errors
    /// The file cannot be read, or a line of it is none of a lock.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let file = folder.join(LOCK_FILE);
        let unreadable = |source| Error::Read {
            path: file.clone(),
            source,
        };
        match fs::metadata(&file) {
            Ok(found) if found.is_file() => {}
            // Opened, a pipe would keep who reads it waiting.
            Ok(_) => return Err(unreadable(std::io::Error::other("it is no file"))),
            Err(error) if is_gone(&error) => {
                let entries = None;
                return Ok(Self { file, entries });
            }
            Err(error) => return Err(unreadable(error)),
        }
        let bytes = inputs::read(&file)?;
        let entries = parse(&bytes).map_err(|(line, problem)| Error::Lock {
            file: file.clone(),
            line,
            problem,
        })?;
        Ok(Self {
            file,
            entries: Some(entries),
        })
    }

    /// Where it is, or would be.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Whether it is there.
    pub fn is_there(&self) -> bool {
        self.entries.is_some()
    }

    /// The digest of an image.
    pub fn digest(&self, image: &ImageRef) -> Option<&str> {
        Some(&self.entries.as_ref()?.get(image)?.digest)
    }

    /// The line of an image.
    pub fn place(&self, image: &ImageRef) -> Option<Place> {
        let entry = self.entries.as_ref()?.get(image)?;
        Some(Place {
            file: self.file.clone(),
            at: Some((entry.line, 1)),
        })
    }

    /// All images with their digests.
    pub fn entries(&self) -> impl Iterator<Item = (&ImageRef, &str)> {
        let entries = self.entries.iter().flatten();
        entries.map(|(image, entry)| (image, entry.digest.as_str()))
    }

    /// The file's text for these images and digests.
    pub fn text(entries: &BTreeMap<ImageRef, String>) -> String {
        let mut lines: Vec<(String, &String)> = entries
            .iter()
            .map(|(image, digest)| (image.familiar(), digest))
            .collect();
        lines.sort_unstable();
        let mut text = format!("{HEAD}{VERSION}\n");
        for (image, digest) in lines {
            let _ = writeln!(text, "{image} {digest}");
        }
        text
    }
}

/// The entries of a text, or the number of a line that is none and what is wrong with it.
fn parse(bytes: &[u8]) -> Result<BTreeMap<ImageRef, Entry>, (usize, String)> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = before.split(|byte| *byte == b'\n').count();
        (line, "this is not UTF-8".to_owned())
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.lines().map(str::trim).zip(1..);
    let mut lines = lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
    let mut entries: BTreeMap<ImageRef, Entry> = BTreeMap::new();
    match lines.next() {
        Some((VERSION, _)) => {}
        Some((line, number)) if is_conflict(line) => return Err((number, conflict(line))),
        Some((line, number)) if line.starts_with("version ") => {
            return Err((number, format!("`{line}` is not known to this larder")));
        }
        Some((_, number)) => {
            return Err((number, format!("`{VERSION}` does not stand in front")));
        }
        None => return Err((1, format!("there is no line `{VERSION}`"))),
    }
    for (line, number) in lines {
        let refused = |problem: String| Err((number, problem));
        if is_conflict(line) {
            return refused(conflict(line));
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, digest] = words[..] else {
            return refused("a line is an image and its digest".to_owned());
        };
        let Some(image) = name
            .parse::<ImageRef>()
            .ok()
            .filter(|own| own.digest.is_none())
        else {
            return refused(format!("`{name}` is no image name with a tag"));
        };
        if format!("{}@{digest}", image.familiar_name())
            .parse::<ImageRef>()
            .is_err()
        {
            return refused(format!(
                "`{digest}` is no digest: `sha256:` and 64 hex digits"
            ));
        }
        if let Some(before) = entries.get(&image) {
            return refused(format!("`{image}` is in line {} already", before.line));
        }
        let entry = Entry {
            digest: digest.to_owned(),
            line: number,
        };
        entries.insert(image, entry);
    }
    Ok(entries)
}

/// Whether git wrote a line to tell two sides of a merge apart.
fn is_conflict(line: &str) -> bool {
    ["<<<<<<<", "|||||||", "=======", ">>>>>>>"]
        .iter()
        .any(|mark| line.starts_with(mark))
}

fn conflict(line: &str) -> String {
    format!(
        "`{}` is left of a merge",
        line.chars().take(7).collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digest(digit: char) -> String {
        format!("sha256:{}", digit.to_string().repeat(64))
    }

    fn refused(text: &str) -> (usize, String) {
        parse(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn what_is_written_is_read_and_written_alike() {
        let images = ["redis:7", "ghcr.io/a/b:1", "python", "127.0.0.1:5000/x:1"];
        let entries: BTreeMap<ImageRef, String> = images
            .iter()
            .map(|image| (image.parse().unwrap(), digest('a')))
            .collect();
        let text = Lock::text(&entries);
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let line = |image: &str| format!("{image} {}", digest('a'));
        assert_eq!(
            lines,
            [
                "version 1",
                &line("127.0.0.1:5000/x:1"),
                &line("ghcr.io/a/b:1"),
                &line("python:latest"),
                &line("redis:7"),
            ]
        );
        let windows = format!("\u{feff}{}", text.replace('\n', "\r\n"));
        for text in [text.clone(), windows] {
            let read = parse(text.as_bytes()).unwrap();
            let read = read.into_iter().map(|(image, entry)| (image, entry.digest));
            assert_eq!(
                Lock::text(&read.collect()),
                text.replace(['\r', '\u{feff}'], "")
            );
        }
    }

    #[test]
    fn what_is_no_line_of_a_lock_is_named_with_its_number() {
        let a = digest('a');
        let cases = [
            (String::new(), 1, "there is no line"),
            (format!("redis:7 {a}\n"), 1, "does not stand in front"),
            (
                "# x\n\nversion 2\n".to_owned(),
                3,
                "`version 2` is not known",
            ),
            ("<<<<<<< HEAD\nversion 1\n".to_owned(), 1, "`<<<<<<<`"),
            (format!("version 1\nredis:7 {a}\n=======\n"), 3, "`=======`"),
            (
                "version 1\nredis:7\n".to_owned(),
                2,
                "an image and its digest",
            ),
            (
                format!("version 1\nredis:7 {a} x\n"),
                2,
                "an image and its digest",
            ),
            (
                format!("version 1\nRedis:7 {a}\n"),
                2,
                "`Redis:7` is no image",
            ),
            (
                format!("version 1\nredis@{a} {a}\n"),
                2,
                "is no image name with a tag",
            ),
            (
                "version 1\nredis:7 sha256:aa\n".to_owned(),
                2,
                "`sha256:aa` is no digest",
            ),
            (
                format!("version 1\nredis {a}\ndocker.io/library/redis:latest {a}\n"),
                3,
                "`redis:latest` is in line 2 already",
            ),
        ];
        for (text, line, problem) in cases {
            let (at, told) = refused(&text);
            assert_eq!(at, line, "{text}");
            assert!(told.contains(problem), "{told}");
        }
        assert_eq!(parse(b"version 1\n\n\xff").unwrap_err().0, 3);
    }

    #[test]
    fn only_a_file_of_some_size_is_read() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!Lock::read(folder.path()).unwrap().is_there());
        let file = folder.path().join(LOCK_FILE);
        std::fs::write(&file, vec![b'#'; 3 << 20]).unwrap();
        let error = Lock::read(folder.path()).unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
        std::fs::remove_file(&file).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&file).status();
        assert!(made.unwrap().success());
        let error = Lock::read(folder.path()).unwrap_err();
        assert!(matches!(error, Error::Read { .. }), "{error}");
    }

    proptest! {
        #[test]
        fn whatever_stands_there_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let lines = bytes.split(|byte| *byte == b'\n').count();
            if let Err((line, _)) = parse(&bytes) {
                prop_assert!((1..=lines).contains(&line));
            }
        }
    }
}
