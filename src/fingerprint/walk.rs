//! Folders of a context, read in parallel: what lies in them after the ignore patterns. Nothing is opened
//! here but folders; links are not followed; an excluded folder is entered only for what may be excepted.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::error::Error;
use super::ignorefile::{Matched, Patterns};
use super::statcache::Stat;
use super::threads;

/// Group's and others' write bits follow the umask of whoever made the checkout, so they do not count.
const MODE_MASK: u32 = 0o7755;
/// This many folders are read before other threads are worth starting.
const ALONE: usize = 32;

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
    File(Stat),
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
        self.root.join(std::ffi::OsStr::from_bytes(path))
    }

    /// What lies at `path`, excluded or not, links not followed; `None` when nothing that counts does.
    pub(super) fn look(&self, path: &[u8]) -> Result<Option<Item>, Error> {
        let absolute = self.absolute(path);
        let metadata = match fs::symlink_metadata(&absolute) {
            Ok(metadata) => metadata,
            Err(error) if is_gone(&error) => return Ok(None),
            Err(source) => {
                return Err(Error::Read {
                    path: absolute,
                    source,
                });
            }
        };
        self.item(path.to_owned(), &metadata)
    }

    /// The names in the folder `path`.
    pub(super) fn names(&self, path: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
        let absolute = self.absolute(path);
        let read = |source| Error::Read {
            path: absolute.clone(),
            source,
        };
        match fs::read_dir(&absolute) {
            Ok(entries) => entries
                .map(|entry| Ok(entry.map_err(read)?.file_name().into_vec()))
                .collect(),
            Err(error) if is_gone(&error) => Ok(Vec::new()),
            Err(error) => Err(read(error)),
        }
    }

    /// Everything below the folders `starts`, the folders themselves left out, in no order.
    pub(super) fn walk(&self, starts: Vec<Vec<u8>>) -> Result<Vec<Item>, Error> {
        let mut jobs: Vec<Job> = Vec::with_capacity(starts.len());
        for start in starts {
            let (excluded, matched) = self.ignore.matches_path(&start);
            if !excluded || self.ignore.may_except_below(&start) {
                jobs.push(Job {
                    path: start,
                    matched,
                });
            }
        }
        let mut items = Vec::new();
        for _ in 0..ALONE {
            let Some(job) = jobs.pop() else {
                return Ok(items);
            };
            self.read(&job, &mut items, &mut jobs)?;
        }
        let queue = Queue::new(jobs);
        let helpers = threads::count() - 1;
        thread::scope(|scope| {
            let handles: Vec<_> = (0..helpers)
                .map(|_| scope.spawn(|| self.drain(&queue)))
                .collect();
            items.extend(self.drain(&queue)?);
            for handle in handles {
                match handle.join() {
                    Ok(found) => items.extend(found?),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            Ok(items)
        })
    }

    fn drain(&self, queue: &Queue) -> Result<Vec<Item>, Error> {
        let mut items = Vec::new();
        while let Some(job) = queue.take() {
            let mut found = Vec::new();
            let result = self.read(&job, &mut items, &mut found);
            queue.done(found, result.is_err());
            result?;
        }
        Ok(items)
    }

    /// Sockets, FIFOs and devices are nothing that counts.
    fn item(&self, path: Vec<u8>, metadata: &Metadata) -> Result<Option<Item>, Error> {
        let file_type = metadata.file_type();
        let (kind, mode) = if file_type.is_symlink() {
            let absolute = self.absolute(&path);
            match fs::read_link(&absolute) {
                Ok(target) => (Kind::Symlink(target.into_os_string().into_vec()), 0o777),
                Err(error) if is_gone(&error) => return Ok(None),
                Err(source) => {
                    return Err(Error::Read {
                        path: absolute,
                        source,
                    });
                }
            }
        } else if file_type.is_dir() {
            (Kind::Directory, metadata.mode() & MODE_MASK)
        } else if file_type.is_file() {
            (Kind::File(Stat::of(metadata)), metadata.mode() & MODE_MASK)
        } else {
            return Ok(None);
        };
        Ok(Some(Item {
            path,
            mode,
            kind,
            provisional: false,
        }))
    }

    /// One folder: what lies in it, and the folders to read next.
    fn read(&self, job: &Job, items: &mut Vec<Item>, folders: &mut Vec<Job>) -> Result<(), Error> {
        let absolute = self.absolute(&job.path);
        let failed = |source| Error::Read {
            path: absolute.clone(),
            source,
        };
        let entries = match fs::read_dir(&absolute) {
            Ok(entries) => entries,
            Err(error) if is_gone(&error) => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let path = child(&job.path, entry.file_name().as_bytes());
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let excluded = self.ignore.is_match(&path, &job.matched);
            if excluded && !(is_folder && self.ignore.may_except_below(&path)) {
                continue;
            }
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                Err(error) if is_gone(&error) => continue,
                Err(source) => {
                    return Err(Error::Read {
                        path: entry.path(),
                        source,
                    });
                }
            };
            let Some(mut item) = self.item(path, &metadata)? else {
                continue;
            };
            item.provisional = excluded;
            if matches!(item.kind, Kind::Directory) {
                let (_, matched) = self.ignore.matches(&item.path, &job.matched);
                folders.push(Job {
                    path: item.path.clone(),
                    matched,
                });
            }
            items.push(item);
        }
        Ok(())
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

/// A folder to read.
struct Job {
    path: Vec<u8>,
    matched: Matched,
}

/// The folders that threads take from and add to; it ends when nobody can add any more.
struct Queue {
    state: Mutex<QueueState>,
    changed: Condvar,
}

struct QueueState {
    jobs: Vec<Job>,
    busy: usize,
    failed: bool,
}

impl Queue {
    fn new(jobs: Vec<Job>) -> Self {
        let state = Mutex::new(QueueState {
            jobs,
            busy: 0,
            failed: false,
        });
        Self {
            state,
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if state.failed {
                return None;
            }
            if let Some(job) = state.jobs.pop() {
                state.busy += 1;
                return Some(job);
            }
            if state.busy == 0 {
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn done(&self, found: Vec<Job>, failed: bool) {
        let mut state = self.lock();
        state.jobs.extend(found);
        state.busy -= 1;
        state.failed |= failed;
        drop(state);
        self.changed.notify_all();
    }
}
