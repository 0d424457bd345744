//! The files of a build: exactly the entries that it reads, each compared with what was fingerprinted while it is
//! read. Must not know who builds.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{Metadata, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use crate::fingerprint::{Context, Entry, EntryKind, Recipe};
use crate::model::Digest;
use crate::runtime::BuildPart;

/// Why a context could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ContextError {
    /// It is no longer what was fingerprinted.
    #[error("`{0}` is not what was fingerprinted")]
    Moved(String),
    /// A file cannot be read.
    #[error("`{path}` cannot be read")]
    Unreadable {
        /// The file, relative to the context.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The builder takes no such name.
    #[error(
        "this engine's BuildKit takes no file name that is not UTF-8: `{0}` can be left out by `.dockerignore`"
    )]
    NotUtf8(String),
    /// Whoever takes it stopped, or has no room for it.
    #[error("the build context cannot be handed over")]
    Dropped(#[source] io::Error),
}

/// The part of a recipe's context that one build reads.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    context: Arc<Context>,
    /// Indexes into `context.entries`, in order.
    entries: Vec<usize>,
}

impl Upload {
    /// What a part of a recipe reads.
    pub(super) fn new(recipe: &Recipe, part: &BuildPart<'_>) -> Self {
        Self {
            entries: reads(recipe, part),
            context: Arc::clone(&recipe.context),
        }
    }

    /// What is read, sorted by path byte for byte; a folder stands in front of what is in it.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries
            .iter()
            .map(|index| &self.context.entries[*index])
    }

    /// One of them, by its number.
    pub(super) fn entry(&self, number: usize) -> &Entry {
        &self.context.entries[self.entries[number]]
    }

    /// When an entry was last modified. Its content aside, it is what was fingerprinted.
    ///
    /// # Errors
    /// It is not, or it cannot be looked at.
    pub(super) fn modified(&self, entry: &Entry) -> Result<SystemTime, ContextError> {
        let path = relative(entry);
        let unreadable = |source| unreadable(path, source);
        let full = self.context.root.join(path);
        let found = std::fs::symlink_metadata(&full).map_err(unreadable)?;
        let same = match &entry.kind {
            EntryKind::Directory => found.is_dir(),
            EntryKind::Symlink { target } => {
                found.is_symlink() && {
                    let now = std::fs::read_link(&full).map_err(unreadable)?;
                    now.as_os_str().as_bytes() == target.as_slice()
                }
            }
            EntryKind::File { size, .. } => {
                found.is_file()
                    && found.len() == *size
                    && is_executable(&found) == (entry.mode & 0o100 != 0)
            }
        };
        if !same {
            return Err(moved(entry));
        }
        found.modified().map_err(unreadable)
    }

    /// Hands a file's content on in pieces, as long as `take` wants more. Behind the last one it is known that the
    /// content is what was fingerprinted.
    ///
    /// # Errors
    /// It is not, or it cannot be read.
    pub(super) fn read(
        &self,
        entry: &Entry,
        mut take: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), ContextError> {
        let EntryKind::File { size, digest } = &entry.kind else {
            return Ok(());
        };
        let path = relative(entry);
        let file = std::fs::File::open(self.context.root.join(path));
        let mut file = file.map_err(|source| unreadable(path, source))?;
        let mut hash = Sha256::new();
        let mut left = *size;
        let mut piece = vec![0; PIECE];
        loop {
            let read = match file.read(&mut piece) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(unreadable(path, source)),
            };
            if read as u64 > left {
                return Err(moved(entry));
            }
            if read == 0 {
                break;
            }
            left -= read as u64;
            hash.update(&piece[..read]);
            take(&piece[..read])?;
        }
        if left > 0 || Digest::from_bytes(hash.finalize().into()) != *digest {
            return Err(moved(entry));
        }
        Ok(())
    }

    /// Writes everything into an empty folder, with the times of modification. Owners are those of this process.
    ///
    /// # Errors
    /// Something is not what was fingerprinted, or the folder cannot be written.
    pub(super) fn unpack(&self, folder: &Path) -> Result<(), ContextError> {
        let mut folders = Vec::new();
        for entry in self.entries() {
            let modified = self.modified(entry)?;
            let path = folder.join(relative(entry));
            match &entry.kind {
                EntryKind::Directory => {
                    std::fs::create_dir(&path)?;
                    folders.push((path, entry.mode, modified));
                }
                EntryKind::Symlink { target } => {
                    std::os::unix::fs::symlink(OsStr::from_bytes(target), &path)?;
                }
                EntryKind::File { .. } => {
                    let mut file = std::fs::File::create_new(&path)?;
                    self.read(entry, |piece| file.write_all(piece))?;
                    file.set_permissions(Permissions::from_mode(entry.mode))?;
                    file.set_modified(modified)?;
                }
            }
        }
        // The innermost first: writing into a folder changes its time, and its mode may forbid it.
        for (path, mode, modified) in folders.into_iter().rev() {
            let folder = std::fs::File::open(&path)?;
            folder.set_modified(modified)?;
            folder.set_permissions(Permissions::from_mode(mode))?;
        }
        Ok(())
    }
}

/// How much of a file is read at once, in bytes.
const PIECE: usize = 128 * 1024;

fn relative(entry: &Entry) -> &Path {
    Path::new(OsStr::from_bytes(&entry.path))
}

fn moved(entry: &Entry) -> ContextError {
    ContextError::Moved(relative(entry).display().to_string())
}

impl From<io::Error> for ContextError {
    fn from(error: io::Error) -> Self {
        Self::Dropped(error)
    }
}

/// What the instructions that are carried out read, and the folders above it.
fn reads(recipe: &Recipe, part: &BuildPart<'_>) -> Vec<usize> {
    let entries = &recipe.context.entries;
    if recipe.opaque.is_some() {
        return (0..entries.len()).collect();
    }
    let cut = |stage: usize| {
        recipe
            .cuts
            .iter()
            .find(|cut| cut.stage == stage)
            .map_or(0, |cut| cut.instructions)
    };
    let carried_out = |stage: usize, instruction: usize| match part {
        BuildPart::Dependencies { stage: last } => {
            stage < *last || stage == *last && instruction <= cut(stage)
        }
        BuildPart::Target { on } => !on.contains_key(&stage) || instruction > cut(stage),
    };
    let mut wanted: BTreeSet<usize> = recipe
        .chain
        .iter()
        .filter(|link| carried_out(link.stage, link.instruction))
        .flat_map(|link| link.reads.iter().copied())
        .collect();
    let above: Vec<usize> = wanted
        .iter()
        .flat_map(|index| folders_above(&entries[*index].path))
        .filter_map(|folder| {
            entries
                .binary_search_by(|entry| entry.path.as_slice().cmp(folder))
                .ok()
        })
        .collect();
    wanted.extend(above);
    wanted.into_iter().collect()
}

fn folders_above(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'/')
        .map(|(at, _)| &path[..at])
}

fn is_executable(found: &Metadata) -> bool {
    found.permissions().mode() & 0o100 != 0
}

/// A file that was there when it was fingerprinted and is gone has moved; anything else is an error of its own.
fn unreadable(path: &Path, source: io::Error) -> ContextError {
    let path = path.display().to_string();
    match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ContextError::Moved(path),
        _ => ContextError::Unreadable { path, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::sample::{on, recipe};
    use std::collections::BTreeMap;
    use std::fs;
    use std::os::unix::fs::symlink;

    const TEXT: &str = "FROM base\nCOPY need /need\nRUN make\nCOPY src /src\n";

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("src/deep")).unwrap();
        fs::write(root.join("need"), "one").unwrap();
        fs::write(root.join("src/deep/a"), vec![7; 200_000]).unwrap();
        fs::write(root.join("src/run"), "#!").unwrap();
        fs::set_permissions(root.join("src/run"), Permissions::from_mode(0o755)).unwrap();
        fs::write(root.join("unread"), "never").unwrap();
        folder
    }

    fn whole<'a>() -> BuildPart<'a> {
        static NONE: BTreeMap<usize, Digest> = BTreeMap::new();
        BuildPart::Target { on: &NONE }
    }

    fn names(upload: &Upload) -> Vec<&str> {
        let names = upload
            .entries()
            .map(|entry| relative(entry).to_str().unwrap());
        names.collect()
    }

    #[test]
    fn only_what_is_read_is_sent_in_order() {
        let folder = folder();
        let upload = Upload::new(&recipe(folder.path(), TEXT, &[]), &whole());
        assert_eq!(
            names(&upload),
            ["need", "src", "src/deep", "src/deep/a", "src/run"]
        );
    }

    #[test]
    fn a_part_is_sent_what_its_own_instructions_read() {
        let folder = folder();
        let recipe = recipe(folder.path(), TEXT, &[(0, 2)]);
        let dependencies = BuildPart::Dependencies { stage: 0 };
        assert_eq!(names(&Upload::new(&recipe, &dependencies)), ["need"]);
        let on = on(&recipe);
        let rest = Upload::new(&recipe, &BuildPart::Target { on: &on });
        assert_eq!(names(&rest), ["src", "src/deep", "src/deep/a", "src/run"]);
    }

    #[test]
    fn an_unpacked_context_is_the_context() {
        let folder = folder();
        let odd = OsStr::from_bytes(b"src/\xff\xfe");
        fs::write(folder.path().join(odd), "odd").unwrap();
        symlink("./deep//a/", folder.path().join("src/link")).unwrap();
        let deep = folder.path().join("src/deep");
        fs::set_permissions(&deep, Permissions::from_mode(0o555)).unwrap();
        let out = tempfile::tempdir().unwrap();
        let recipe = recipe(folder.path(), TEXT, &[]);
        Upload::new(&recipe, &whole()).unpack(out.path()).unwrap();
        assert!(!out.path().join("unread").exists());
        for path in ["need", "src/deep/a", "src/run", "src/deep"] {
            let of = |root: &Path| fs::metadata(root.join(path)).unwrap();
            let (one, other) = (of(folder.path()), of(out.path()));
            assert_eq!(one.modified().unwrap(), other.modified().unwrap(), "{path}");
            let mode = |found: &Metadata| found.permissions().mode() & 0o7755;
            assert_eq!(mode(&one), mode(&other), "{path}");
        }
        assert_eq!(fs::read(out.path().join(odd)).unwrap(), b"odd");
        assert_eq!(
            fs::read(out.path().join("src/deep/a")).unwrap(),
            vec![7; 200_000]
        );
        let link = fs::read_link(out.path().join("src/link")).unwrap();
        assert_eq!(link.as_os_str(), "./deep//a/");
    }

    #[test]
    fn what_moved_since_the_fingerprint_is_an_error() {
        type Change = fn(&Path);
        let changes: [(&str, Change); 6] = [
            ("need", |root| fs::write(root.join("need"), "two").unwrap()),
            ("need", |root| {
                fs::write(root.join("need"), "longer").unwrap();
            }),
            ("need", |root| fs::remove_file(root.join("need")).unwrap()),
            ("need", |root| {
                fs::rename(root.join("need"), root.join("other")).unwrap();
                symlink("other", root.join("need")).unwrap();
            }),
            ("src/deep", |root| {
                fs::rename(root.join("src/deep"), root.join("gone")).unwrap();
            }),
            ("src/run", |root| {
                let mode = Permissions::from_mode(0o644);
                fs::set_permissions(root.join("src/run"), mode).unwrap();
            }),
        ];
        for (path, change) in changes {
            let folder = folder();
            let recipe = recipe(folder.path(), TEXT, &[]);
            change(folder.path());
            let out = tempfile::tempdir().unwrap();
            let result = Upload::new(&recipe, &whole()).unpack(out.path());
            match result.unwrap_err() {
                ContextError::Moved(moved) => assert_eq!(moved, path),
                other => panic!("{other}"),
            }
        }
    }
}
