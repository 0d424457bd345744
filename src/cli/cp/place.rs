//! Where a copy goes and under which name, from what both sides are: the rules of `docker cp`. Pure.

/// What is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// Whether it is a folder.
    pub(super) folder: bool,
    /// Whether what is in it is meant, and not itself: `folder/.`.
    pub(super) contents: bool,
}

/// What lies where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A folder.
    Folder,
    /// A file.
    File,
    /// Nothing.
    Missing {
        /// Whether it was written as a folder: `new/`.
        as_folder: bool,
    },
}

/// Where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Into the target, under its own name.
    Into,
    /// Into the target, without a folder around it.
    Spread,
    /// In the target's place, under its name.
    As,
}

/// Why it goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misplaced {
    /// A folder where a file is.
    FolderOnFile,
    /// A file into a folder that is not there.
    NoFolder,
}

pub(super) fn place(source: Source, target: Target) -> Result<Place, Misplaced> {
    match target {
        Target::Folder if source.contents => Ok(Place::Spread),
        Target::Folder => Ok(Place::Into),
        Target::File if source.folder => Err(Misplaced::FolderOnFile),
        Target::Missing { as_folder: true } if !source.folder => Err(Misplaced::NoFolder),
        Target::File | Target::Missing { .. } => Ok(Place::As),
    }
}

/// Whether a path is written as a folder's: `a/`, `a/.`, `.` and `..`.
pub(super) fn is_folders(path: &[u8]) -> bool {
    path.ends_with(b"/") || is_contents(path) || path == b".." || path.ends_with(b"/..")
}

/// Whether a path means what is in a folder: `a/.`.
pub(super) fn is_contents(path: &[u8]) -> bool {
    path == b"." || path.ends_with(b"/.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_are_those_of_docker() {
        let [file, folder, contents] = [(false, false), (true, false), (true, true)]
            .map(|(folder, contents)| Source { folder, contents });
        let missing = |as_folder| Target::Missing { as_folder };
        let cases = [
            (file, Target::Folder, Ok(Place::Into)),
            (file, Target::File, Ok(Place::As)),
            (file, missing(false), Ok(Place::As)),
            (file, missing(true), Err(Misplaced::NoFolder)),
            (folder, Target::Folder, Ok(Place::Into)),
            (folder, Target::File, Err(Misplaced::FolderOnFile)),
            (folder, missing(false), Ok(Place::As)),
            (folder, missing(true), Ok(Place::As)),
            (contents, Target::Folder, Ok(Place::Spread)),
            (contents, missing(false), Ok(Place::As)),
        ];
        for (source, target, expected) in cases {
            assert_eq!(place(source, target), expected, "{source:?} {target:?}");
        }
    }

    #[test]
    fn a_path_says_what_it_is_by_its_end() {
        for path in [".", "a/", "a/.", "/", "..", "a/.."] {
            assert!(is_folders(path.as_bytes()), "{path}");
        }
        for path in ["a", "a.", ".a", "a/.b", "a/..b"] {
            assert!(!is_folders(path.as_bytes()), "{path}");
        }
        assert!(is_contents(b".") && is_contents(b"a/."));
        assert!(!is_contents(b"a/") && !is_contents(b".."));
    }
}
