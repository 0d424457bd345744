//! What lies below a folder, opened part by part: no link is followed on the way, nor at its end, so what is swapped for a
//! link meanwhile is gone, and never something outside.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Result;

/// A folder that is only passed through need not be readable.
#[cfg(target_os = "linux")]
const THROUGH: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const THROUGH: OFlags = OFlags::RDONLY;

/// A folder that others are found below.
#[derive(Debug)]
pub(super) struct Root(OwnedFd);

impl Root {
    /// The folder that a person named, behind whatever links.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let flags = THROUGH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(openat(CWD, path, flags, Mode::empty())?))
    }

    /// The folder at `path`, to find in it what has a name.
    pub(super) fn through(&self, path: &[u8]) -> Result<OwnedFd> {
        self.folder(path, THROUGH)
    }

    /// The folder at `path`, to read the names in it.
    pub(super) fn listed(&self, path: &[u8]) -> Result<OwnedFd> {
        self.folder(path, OFlags::RDONLY)
    }

    fn folder(&self, path: &[u8], access: OFlags) -> Result<OwnedFd> {
        let (above, name) = split(path);
        let name = if name.is_empty() { b"." } else { name };
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = |at: &dyn AsFd, part: &[u8], access| {
            openat(
                at.as_fd(),
                std::ffi::OsStr::from_bytes(part),
                access | flags,
                Mode::empty(),
            )
        };
        let mut at: Option<OwnedFd> = None;
        for part in above
            .split(|byte| *byte == b'/')
            .filter(|part| !part.is_empty())
        {
            at = Some(open(at.as_ref().unwrap_or(&self.0), part, THROUGH)?);
        }
        open(at.as_ref().unwrap_or(&self.0), name, access)
    }
}

/// The folder that a path lies in, and the name that it has there.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&[], path),
    }
}
