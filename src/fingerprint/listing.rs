//! The names in a folder as the system hands them over, a part of a large folder at a time. Knows nothing of contexts.

use std::ffi::CStr;
use std::ops::Range;
use std::os::fd::AsFd;

use rustix::fs::FileType;
use rustix::io::{Errno, Result};

/// Names, and what the folder says of their kinds.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Each with a NUL byte behind it.
    bytes: Vec<u8>,
    each: Vec<(Range<usize>, FileType)>,
}

impl Names {
    /// The names in their order, each once.
    pub(super) fn sorted(mut self) -> Self {
        let bytes = &self.bytes;
        let name = |one: &(Range<usize>, FileType)| &bytes[one.0.clone()];
        self.each.sort_unstable_by(|a, b| name(a).cmp(name(b)));
        self.each.dedup_by(|a, b| name(a) == name(b));
        self
    }

    pub(super) fn len(&self) -> usize {
        self.each.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&CStr, FileType)> {
        let name = |at: &Range<usize>| CStr::from_bytes_with_nul(&self.bytes[at.clone()]);
        let each = self.each.iter();
        each.map(move |(at, kind)| (name(at).unwrap_or_default(), *kind))
    }

    fn add(&mut self, name: &CStr, kind: FileType) {
        if !matches!(name.to_bytes(), b"." | b"..") {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(name.to_bytes_with_nul());
            self.each.push((start..self.bytes.len(), kind));
        }
    }
}

/// The next names in an open folder, at least `count` where there are so many, and whether they are the last ones.
#[cfg(target_os = "linux")]
pub(super) fn read_on(folder: impl AsFd, count: usize) -> Result<(Names, bool)> {
    /// As much as the C library asks for at once, in bytes.
    const AT_ONCE: usize = 32 * 1024;
    let mut names = Names::default();
    let mut buffer = Vec::with_capacity(AT_ONCE);
    let mut listing = rustix::fs::RawDir::new(folder, buffer.spare_capacity_mut());
    while let Some(entry) = listing.next() {
        let entry = match entry {
            // It was removed meanwhile.
            Err(Errno::NOENT) => break,
            Err(Errno::INTR) => continue,
            entry => entry?,
        };
        names.add(entry.file_name(), entry.file_type());
        // What is in the buffer would be lost to whoever reads on.
        if listing.is_buffer_empty() && names.len() >= count {
            return Ok((names, false));
        }
    }
    Ok((names, true))
}

/// The names in an open folder, all of them.
#[cfg(not(target_os = "linux"))]
pub(super) fn read_on(folder: impl AsFd, _count: usize) -> Result<(Names, bool)> {
    let mut names = Names::default();
    for entry in rustix::fs::Dir::read_from(folder)? {
        let entry = entry?;
        names.add(entry.file_name(), entry.file_type());
    }
    Ok((names, true))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    #[test]
    fn a_folder_that_was_removed_has_no_names() {
        let folder = tempfile::tempdir().unwrap();
        let open = File::open(folder.path()).unwrap();
        fs::remove_dir(folder.path()).unwrap();
        let (names, last) = read_on(&open, 1).unwrap();
        assert!(last && names.len() == 0);
    }

    #[test]
    fn a_name_that_is_listed_twice_is_there_once() {
        let mut names = Names::default();
        for name in [c"b", c"a", c"b", c".", c".."] {
            names.add(name, FileType::RegularFile);
        }
        let names = names.sorted();
        let names: Vec<&CStr> = names.iter().map(|(name, _)| name).collect();
        assert_eq!(names, [c"a", c"b"]);
    }

    #[test]
    fn every_name_is_read_once_in_parts_of_any_size() {
        let folder = tempfile::tempdir().unwrap();
        let mut expected: Vec<String> = (0..3_000)
            .map(|n| format!("{n}-{}", "x".repeat(n % 90)))
            .collect();
        for name in &expected {
            File::create(folder.path().join(name)).unwrap();
        }
        fs::create_dir(folder.path().join("0")).unwrap();
        expected.push("0".to_owned());
        expected.sort();
        for count in [0, 1, 700, usize::MAX] {
            let open = File::open(folder.path()).unwrap();
            let mut found = Vec::new();
            let mut ended = false;
            while !ended {
                let (names, last) = read_on(&open, count).unwrap();
                assert!(last || names.len() >= count);
                let names = names.sorted();
                let part: Vec<_> = names
                    .iter()
                    .map(|(name, kind)| (name.to_owned(), kind))
                    .collect();
                assert!(part.is_sorted_by(|a, b| a.0 <= b.0));
                found.extend(part);
                ended = last;
            }
            found.sort_by(|a, b| a.0.cmp(&b.0));
            let names: Vec<_> = found
                .iter()
                .map(|(name, _)| name.to_str().unwrap())
                .collect();
            assert_eq!(names, expected, "{count}");
            assert_eq!(found[0].1, FileType::Directory);
        }
    }
}
