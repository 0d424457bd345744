//! Folders of a context, read in parallel: what lies in them after the ignore patterns. Nothing is opened
//! here but folders; links are not followed; an excluded folder is entered only for what may be excepted.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, FileType, fstat, readlinkat, statat};
use rustix::io::Errno;

use super::beneath::Root;
use super::error::Error;
use super::ignorefile::{Matched, Patterns};
use super::listing::{Names, read_on};
use super::order::{Part, in_order};
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
    /// Whether it is of the kind that it had earlier; as a link, whether it leads where it led.
    pub(super) fn is_still(&self, earlier: &Self) -> bool {
        let is_file = |kind: &Kind| matches!(kind, Kind::File(_) | Kind::Known(..));
        match (&self.kind, &earlier.kind) {
            (Kind::Symlink(now), Kind::Symlink(then)) => now == then,
            (Kind::Directory, Kind::Directory) => true,
            (now, then) => is_file(now) && is_file(then),
        }
    }

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
            let folder = Root::open(self.root)?.listed(path)?;
            let (names, _) = read_on(folder, usize::MAX)?;
            Ok(names
                .iter()
                .map(|(name, _)| name.to_bytes().to_owned())
                .collect())
        };
        match names() {
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(Vec::new()),
            names => names.map_err(|error| self.failed(path, error)),
        }
    }

    /// Everything below the folders `starts`, themselves left out, in the order of paths.
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
        let much = |done: &[Part]| {
            let items = done.iter().map(Part::count);
            done.len() >= ALONE.0 || items.sum::<usize>() >= ALONE.1
        };
        let parts = threads::drain(jobs, much, |job, more| walk.carry_out(job, more))?;
        Ok(in_order(parts))
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

/// A folder, and which patterns it matches.
struct Here {
    path: Vec<u8>,
    matched: Matched,
}

/// A folder to read, or the rest of one that another thread may look into at the same time.
struct Job {
    here: Arc<Here>,
    open: Option<Arc<Open>>,
}

/// A folder of which names are read.
struct Open {
    at: OwnedFd,
    /// What it was before the first name was read.
    before: Stat,
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
    fn carry_out(&self, job: Job, more: &mut dyn FnMut(Job)) -> Result<Part, Error> {
        let here = job.here;
        let failed = |error| self.folder.failed(&here.path, error);
        let open = match job.open {
            Some(open) => Ok(open),
            None => self.open(&here.path).map(Arc::new),
        };
        let open = match open {
            Err(Errno::NOENT | Errno::NOTDIR) => {
                return Ok(Part::new(here.path.clone(), Vec::new()));
            }
            open => open.map_err(failed)?,
        };
        let (names, ended) = read_on(&open.at, SLICE).map_err(failed)?;
        if !ended {
            more(Job {
                here: Arc::clone(&here),
                open: Some(Arc::clone(&open)),
            });
        } else if Stat::of(&fstat(&open.at).map_err(failed)?) != open.before {
            // Names may be missing, and others there twice.
            return Err(Error::Changed {
                path: self.folder.absolute(&here.path),
            });
        }
        let items = self.look_at(&here, &open.at, &names.sorted(), more)?;
        Ok(Part::new(here.path.clone(), items))
    }

    fn open(&self, path: &[u8]) -> rustix::io::Result<Open> {
        let at = self.root.listed(path)?;
        let before = Stat::of(&fstat(&at)?);
        Ok(Open { at, before })
    }

    fn look_at(
        &self,
        here: &Here,
        at: &OwnedFd,
        names: &Names,
        more: &mut dyn FnMut(Job),
    ) -> Result<Vec<Item>, Error> {
        let ignore = self.folder.ignore;
        let within = ignore.within(&here.path, &here.matched);
        let mut known = self.cache.folder(self.folder.root, &here.path);
        let mut items = Vec::with_capacity(names.len());
        for (name, said) in names.iter() {
            let path = child(&here.path, name.to_bytes());
            let may_be_folder = matches!(said, FileType::Directory | FileType::Unknown);
            let excluded = within.is_match(&path);
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_walked_comes_in_the_order_of_paths() {
        let root = tempfile::tempdir().unwrap();
        let mut expected: Vec<Vec<u8>> = Vec::new();
        for folder in ["d", "d-e", "d.x"] {
            expected.push(folder.into());
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        // More than one thread reads at once.
        for number in 0..SLICE * 2 + 10 {
            let path = format!("d-e/{number}{}", if number % 50 == 0 { ".d" } else { "" });
            if number % 50 == 0 {
                fs::create_dir(root.path().join(&path)).unwrap();
                let below = format!("{path}/x");
                fs::write(root.path().join(&below), "").unwrap();
                expected.push(below.into_bytes());
            } else {
                fs::write(root.path().join(&path), "").unwrap();
            }
            expected.push(path.into_bytes());
        }
        expected.sort();
        let folder = Folder {
            root: root.path(),
            ignore: &Patterns::default(),
        };
        let items = folder
            .walk(vec![Vec::new()], &StatCache::open(None))
            .unwrap();
        let paths: Vec<Vec<u8>> = items.into_iter().map(|item| item.path).collect();
        assert_eq!(paths, expected);
    }

    #[test]
    fn a_folder_that_changes_while_its_names_are_read_is_told() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder {
            root: root.path(),
            ignore: &Patterns::default(),
        };
        let cache = StatCache::open(None);
        let walk = Walk {
            folder,
            root: Root::open(root.path()).unwrap(),
            cache: &cache,
        };
        let read = |open: Option<Open>| {
            let job = Job {
                open: open.map(Arc::new),
                ..Job::whole(Vec::new(), Matched::default())
            };
            walk.carry_out(job, &mut |_| {}).map(|part| part.count())
        };
        let open = walk.open(b"").unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(root.path().join("new"), "").unwrap();
        assert!(matches!(read(Some(open)), Err(Error::Changed { path }) if path == root.path()));
        assert_eq!(read(None).unwrap(), 1);
    }
}
