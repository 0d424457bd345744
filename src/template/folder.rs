//! What lies in a folder, as far as templates ask: whether a file is there, and its text.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use super::error::Error;

/// The largest file that is read, in bytes. A lock file may be larger: only whether it is there counts.
const LIMIT: u64 = 2 << 20;

/// A folder that an image is to be made from.
#[derive(Clone, Copy)]
pub(super) struct Folder<'a> {
    pub(super) root: &'a Path,
}

impl Folder<'_> {
    /// Whether a file is there.
    pub(super) fn has(self, path: &str) -> bool {
        self.root.join(path).is_file()
    }

    /// Whether a folder is there.
    pub(super) fn has_folder(self, path: &str) -> bool {
        self.root.join(path).is_dir()
    }

    /// The first of some files that is there.
    pub(super) fn first<'a>(self, paths: &[&'a str]) -> Option<&'a str> {
        paths.iter().copied().find(|path| self.has(path))
    }

    /// Those of some files that are there.
    pub(super) fn those(self, paths: &[&str]) -> Vec<String> {
        let there = paths.iter().filter(|path| self.has(path));
        there.map(|path| (*path).to_owned()).collect()
    }

    /// The text of a file; empty where it is not there.
    ///
    /// # Errors
    /// It cannot be read, or is too large.
    pub(super) fn text(self, path: &str) -> Result<String, Error> {
        let path = self.root.join(path);
        // A pipe or a device would be waited for.
        if !path.is_file() {
            return Ok(String::new());
        }
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes));
        if let Err(source) = read {
            return Err(Error::Read { path, source });
        }
        if bytes.len() as u64 > LIMIT {
            return Err(Error::TooLarge { path });
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// How a file begins that may be long; empty where it is not there or cannot be read.
    pub(super) fn beginning(self, path: &str) -> String {
        let path = self.root.join(path);
        let mut bytes = Vec::new();
        if path.is_file() {
            let file = File::open(&path);
            let _ = file.and_then(|file| file.take(4096).read_to_end(&mut bytes));
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The names of what lies in a folder below, sorted; none where it is not there.
    pub(super) fn names(self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.root.join(path)).into_iter().flatten();
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }
}
