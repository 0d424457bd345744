//! What lies at a path of this machine, as the source or the target of a copy.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::place::{Source, Target, is_contents, is_folders};
use super::uncopied;
use crate::failure::Failure;

/// The source of a copy.
pub(super) struct Local {
    /// Where it lies; no link where it was to be followed.
    pub(super) path: PathBuf,
    /// The name that it has where it goes.
    pub(super) name: PathBuf,
    pub(super) source: Source,
}

impl Local {
    /// Looks at a path, read from `folder`. A link is meant itself, unless it is to be followed, or written as a folder.
    pub(super) fn of(folder: &Path, typed: &Path, follow: bool) -> Result<Self, Failure> {
        let bytes = typed.as_os_str().as_bytes();
        let shown = typed.display();
        let mut path = folder.join(typed);
        let follow = follow || is_folders(bytes);
        let mut name = path.file_name().map(PathBuf::from);
        let found = if follow {
            path.canonicalize().and_then(|real| {
                path = real;
                path.symlink_metadata()
            })
        } else {
            path.symlink_metadata()
        };
        let found = found.map_err(|error| unreadable(typed, &error))?;
        let kind = found.file_type();
        if is_folders(bytes) && !kind.is_dir() {
            let text = format!("`{shown}` is written as a folder, and is none");
            return Err(uncopied(text, "leave out what stands behind its name"));
        }
        if !(kind.is_dir() || kind.is_file() || kind.is_symlink()) {
            let text = format!("`{shown}` is neither file, folder nor link");
            return Err(uncopied(text, "name a file or a folder"));
        }
        if name.is_none() {
            // `..` has one all the same; the root has none.
            name = path.file_name().map(PathBuf::from);
        }
        Ok(Self {
            source: Source {
                folder: kind.is_dir(),
                contents: is_contents(bytes) || name.is_none(),
            },
            name: name.unwrap_or_default(),
            path,
        })
    }
}

/// What lies at a path to which something is copied, and where that leads to.
pub(super) fn target_here(folder: &Path, typed: &Path) -> Result<(PathBuf, Target), Failure> {
    let path = folder.join(typed);
    let as_folder = is_folders(typed.as_os_str().as_bytes());
    match fs::metadata(&path) {
        Ok(found) if found.is_dir() => Ok((path, Target::Folder)),
        Ok(found) if found.is_file() => {
            // What a link leads to is replaced, and not the link.
            let real = path.canonicalize();
            let real = real.map_err(|error| unreadable(typed, &error))?;
            Ok((real, Target::File))
        }
        Ok(_) => {
            let text = format!("`{}` is no file or folder", typed.display());
            Err(uncopied(text, "`-` in its place means standard output"))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let parent = split(&path)?.0;
            if parent.is_dir() {
                return Ok((path, Target::Missing { as_folder }));
            }
            let text = format!("folder `{}` is not there", parent.display());
            Err(uncopied(text, "make it first"))
        }
        Err(error) => Err(unreadable(typed, &error)),
    }
}

/// The folder that a path stands in, and its name there.
pub(super) fn split(path: &Path) -> Result<(PathBuf, Option<OsString>), Failure> {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => Ok((parent.to_owned(), Some(OsStr::to_owned(name)))),
        _ => Err(uncopied(
            format!("`{}` names nothing that could be made", path.display()),
            "name a file or a folder",
        )),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let kind = error.kind();
    let path = path.display();
    if kind == ErrorKind::NotFound {
        return uncopied(
            format!("`{path}` is not there"),
            "paths here are read from the current folder",
        );
    }
    if kind == ErrorKind::NotADirectory {
        let text = format!("`{path}` goes through something that is no folder");
        return uncopied(text, "leave out what stands behind the name of a file");
    }
    uncopied(
        format!("`{path}` cannot be read: {error}"),
        "name a path that you may read",
    )
}
