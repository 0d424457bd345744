//! Folders of a context, read in parallel: what lies in them after the ignore patterns. Nothing is opened
//! here but folders; links are not followed; an excluded folder is entered only for what may be excepted.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, Dir, FileType, readlinkat, statat};
use rustix::io::Errno;

use super::beneath::Root;
use super::error::Error;
use super::ignorefile::{Matched, Patterns};
use super::statcache::{Stat, StatCache};
use super::threads;
use crate::model::Digest;

/// Group's and others' write bits follow the umask of whoever made the checkout, so they do not count.
pub(super) const MODE_MASK: u32 = 0o7755;
/// This many folders, or things in them, are looked at before other threads are worth starting.
const ALONE: (usize, usize) = (32, 512);
/// How many names of one folder a thread looks at before others may help it.
const SLICE: usize = 2048;

/// A context's folder and what is left out of it.
#[derive(Clone, Copy)]
pub(super) struct Folder<'a> {
    pub(super) root: &'a Path,
    pub(super) ignore: &'a Patterns,
}

/// Something in a context, not read yet.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) path: Vec<u8>,
    pub(super) mode: u32,
    pub(super) kind: Kind,
    /// An excluded folder: in the context only when something in it is.
    pub(super) provisional: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// A file of which nothing is known yet.
    File(Stat),
    /// A file that has not changed since its digest was taken, and its size.
    Known(u64, Digest),
    Symlink(Vec<u8>),
    Directory,
}

impl Item {
    /// Whether it is the folder at `path`.
    pub(super) fn is_folder_at(&self, path: &[u8]) -> bool {
        matches!(self.kind, Kind::Directory) && self.path == path
    }
}

impl Folder<'_> {
    /// The absolute path of something in the context.
    pub(super) fn absolute(&self, path: &[u8]) -> PathBuf {
        if path.is_empty() {
            return self.root.to_owned();
        }
        self.root.join(OsStr::from_bytes(path))
    }

    fn failed(&self, path: &[u8], error: Errno) -> Error {
        Error::Read {
            path: self.absolute(path),
            source: error.into(),
        }
    }

    /// What lies at `path`, excluded or not, links not followed; `None` when nothing that counts does.
    pub(super) fn look(&self, path: &[u8]) -> Result<Option<Item>, Error> {
        let failed = |error| self.failed(path, error);
        let name = CString::new(self.absolute(path).as_os_str().as_bytes());
        // No path has a NUL byte in it.
        let Ok(name) = name else { return Ok(None) };
        let looked = look(CWD, &name, |_| None).map_err(failed)?;
        Ok(looked.map(|(mode, kind)| Item {
            path: path.to_owned(),
            mode,
            kind,
            provisional: false,
        }))
    }

    /// The names in the folder `path`.
    pub(super) fn names(&self, path: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
        let names = || {
            let dir = Dir::new(Root::open(self.root)?.listed(path)?)?;
            let names = dir.filter(|entry| !entry.as_ref().is_ok_and(is_dots));
            names
                .map(|entry| Ok(entry?.file_name().to_bytes().to_owned()))
                .collect()
        };
        match names() {
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(Vec::new()),
            names => names.map_err(|error| self.failed(path, error)),
        }
    }

    /// Everything below the folders `starts`, the folders themselves left out, mostly in order.
    pub(super) fn walk(&self, starts: Vec<Vec<u8>>, cache: &StatCache) -> Result<Vec<Item>, Error> {
        let mut jobs = Vec::with_capacity(starts.len());
        for path in starts {
            let (excluded, matched) = self.ignore.matches_path(&path);
            if !excluded || self.ignore.may_except_below(&path) {
                jobs.push(Job::whole(path, matched));
            }
        }
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let root = match Root::open(self.root) {
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Vec::new()),
            root => root.map_err(|error| self.failed(b"", error))?,
        };
        let walk = Walk {
            folder: *self,
            root,
            cache,
        };
        let much = |done: &[Listed]| {
            let items = done.iter().map(|listed| listed.items.len());
            done.len() >= ALONE.0 || items.sum::<usize>() >= ALONE.1
        };
        let mut listed = threads::drain(jobs, much, |job, more| walk.carry_out(job, more))?;
        // In the order of the folders most of it is in the order of paths.
        listed.sort_by(|a, b| a.here.path.cmp(&b.here.path));
        let mut items = Vec::with_capacity(listed.iter().map(|listed| listed.items.len()).sum());
        for listed in listed {
            items.extend(listed.items);
        }
        Ok(items)
    }
}

/// Whether something that was just there is there no more, or was never there.
pub(super) fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// A name in a folder of the context.
pub(super) fn child(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() {
        name.to_owned()
    } else {
        [folder, b"/", name].concat()
    }
}

fn is_dots(entry: &rustix::fs::DirEntry) -> bool {
    matches!(entry.file_name().to_bytes(), b"." | b"..")
}

/// The mode and the kind of what has a name in a folder. Sockets, FIFOs and devices are nothing that counts.
fn look(
    at: BorrowedFd<'_>,
    name: &CStr,
    known: impl FnOnce(&Stat) -> Option<Digest>,
) -> rustix::io::Result<Option<(u32, Kind)>> {
    let looked = || {
        let found = statat(at, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let mode = found.st_mode & MODE_MASK;
        Ok(match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => {
                let stat = Stat::of(&found);
                let file = match known(&stat) {
                    Some(digest) => Kind::Known(stat.size, digest),
                    None => Kind::File(stat),
                };
                Some((mode, file))
            }
            FileType::Directory => Some((mode, Kind::Directory)),
            FileType::Symlink => {
                let target = readlinkat(at, name, Vec::new())?;
                Some((0o777, Kind::Symlink(target.into_bytes())))
            }
            _ => None,
        })
    };
    match looked() {
        // It is gone, or no link any more.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::INVAL) => Ok(None),
        looked => looked,
    }
}

/// One walk through a context.
struct Walk<'a> {
    folder: Folder<'a>,
    root: Root,
    cache: &'a StatCache,
}

/// What of one folder was looked at at once, sorted.
struct Listed {
    here: Arc<Here>,
    items: Vec<Item>,
}

/// A folder, and which patterns it matches.
struct Here {
    path: Vec<u8>,
    matched: Matched,
}

/// A folder to read, or the rest of one.
struct Job {
    here: Arc<Here>,
    open: Option<Open>,
}

/// A folder of which some names were read already.
struct Open {
    /// Where the names are looked at, while another thread may read on.
    at: Arc<OwnedFd>,
    names: Dir,
}

impl Job {
    fn whole(path: Vec<u8>, matched: Matched) -> Self {
        Self {
            here: Arc::new(Here { path, matched }),
            open: None,
        }
    }
}

impl Walk<'_> {
    /// Looks at what lies in a folder, up to a slice of it; the rest, and the folders in it, are further jobs.
    fn carry_out(&self, job: Job, more: &mut dyn FnMut(Job)) -> Result<Listed, Error> {
        let here = job.here;
        let failed = |error| self.folder.failed(&here.path, error);
        let open = match job.open {
            Some(open) => Ok(open),
            None => self.open(&here.path),
        };
        let mut open = match open {
            Err(Errno::NOENT | Errno::NOTDIR) => {
                let items = Vec::new();
                return Ok(Listed { here, items });
            }
            open => open.map_err(failed)?,
        };
        let mut names = Vec::new();
        let mut ended = false;
        while names.len() < SLICE {
            let Some(entry) = open.names.read() else {
                ended = true;
                break;
            };
            let entry = entry.map_err(failed)?;
            if !is_dots(&entry) {
                names.push(entry);
            }
        }
        let at = Arc::clone(&open.at);
        if !ended {
            more(Job {
                here: Arc::clone(&here),
                open: Some(open),
            });
        }
        names.sort_unstable_by(|a, b| a.file_name().cmp(b.file_name()));
        let items = self.look_at(&here, &at, &names, more)?;
        Ok(Listed { here, items })
    }

    fn open(&self, path: &[u8]) -> rustix::io::Result<Open> {
        let at = self.root.listed(path)?;
        let names = Dir::new(
            at.try_clone()
                .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::MFILE))?,
        )?;
        Ok(Open {
            at: Arc::new(at),
            names,
        })
    }

    fn look_at(
        &self,
        here: &Here,
        at: &OwnedFd,
        names: &[rustix::fs::DirEntry],
        more: &mut dyn FnMut(Job),
    ) -> Result<Vec<Item>, Error> {
        let ignore = self.folder.ignore;
        let mut known = self.cache.folder(self.folder.root, &here.path);
        let mut items = Vec::with_capacity(names.len());
        for entry in names {
            let name = entry.file_name();
            let path = child(&here.path, name.to_bytes());
            let listed = entry.file_type();
            let may_be_folder = matches!(listed, FileType::Directory | FileType::Unknown);
            let excluded = ignore.is_match(&path, &here.matched);
            if excluded && !(may_be_folder && ignore.may_except_below(&path)) {
                continue;
            }
            let found = look(at.as_fd(), name, |stat| known.get(name.to_bytes(), stat));
            let found = found.map_err(|error| self.folder.failed(&path, error))?;
            let Some((bits, kind)) = found else { continue };
            let is_folder = matches!(kind, Kind::Directory);
            if excluded && !is_folder {
                continue;
            }
            if is_folder {
                let (_, matched) = ignore.matches(&path, &here.matched);
                more(Job::whole(path.clone(), matched));
            }
            items.push(Item {
                path,
                mode: bits,
                kind,
                provisional: excluded,
            });
        }
        Ok(items)
    }
}
