//! The digests of files: from the stat cache, or of what is read now. Nothing but regular files is read, and none that
//! changes meanwhile.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::beneath::{Root, split};
use super::error::Error;
use super::statcache::{Stat, StatCache};
use super::walk::{Item, Kind, MODE_MASK, is_gone};
use crate::model::Digest;

/// How often a file is read again when it changes meanwhile.
const ATTEMPTS: usize = 3;
/// How much of a file is read at once, in bytes.
const PIECE: usize = 256 * 1024;

/// A regular file, and all of it at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) stat: Stat,
    pub(super) mode: u32,
    pub(super) digest: Digest,
}

/// One thread's way to the files below a root: it keeps the folder it was in last, and its buffer.
pub(super) struct Reader<'a> {
    path: &'a Path,
    cache: &'a StatCache,
    root: Option<Root>,
    last: Option<(Vec<u8>, OwnedFd)>,
    buffer: Vec<u8>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(path: &'a Path, cache: &'a StatCache) -> Self {
        Self {
            path,
            cache,
            root: None,
            last: None,
            buffer: Vec::new(),
        }
    }

    /// The content of a file that was looked at: what is known of it, or what it is now.
    ///
    /// # Errors
    /// It cannot be read, is no such file any more, or does not stand still.
    pub(super) fn content(&mut self, item: &Item) -> Result<Content, Error> {
        if let Kind::File(stat) = &item.kind
            && let Some(digest) = self.cache.get(self.path, &item.path, stat)
        {
            return Ok(Content {
                stat: *stat,
                mode: item.mode,
                digest,
            });
        }
        self.read(&item.path)
    }

    fn read(&mut self, path: &[u8]) -> Result<Content, Error> {
        self.cache.about_to_read();
        for _ in 0..ATTEMPTS {
            match self.once(path) {
                Ok(Some(content)) => {
                    self.cache
                        .put(self.path, path, content.stat, content.digest);
                    return Ok(content);
                }
                Ok(None) => {}
                Err(error) if is_gone(&error) => break,
                Err(source) => {
                    return Err(Error::Read {
                        path: self.absolute(path),
                        source,
                    });
                }
            }
        }
        Err(Error::Changed {
            path: self.absolute(path),
        })
    }

    fn absolute(&self, path: &[u8]) -> std::path::PathBuf {
        self.path.join(OsStr::from_bytes(path))
    }

    fn once(&mut self, path: &[u8]) -> io::Result<Option<Content>> {
        let (folder, name) = split(path);
        let at = match self.last.take() {
            Some(last) if last.0 == folder => last,
            _ => {
                let root = match self.root.take() {
                    Some(root) => root,
                    None => Root::open(self.path)?,
                };
                let opened = root.through(folder);
                self.root = Some(root);
                (folder.to_owned(), opened?)
            }
        };
        let content = read(&at.1, OsStr::from_bytes(name), &mut self.buffer);
        // A folder that was moved away meanwhile is looked for again.
        self.last = Some(at).filter(|_| matches!(content, Ok(Some(_))));
        content
    }
}

/// Reads a file once: `None` when it is no regular file, or changed meanwhile.
fn read(folder: impl AsFd, name: &OsStr, buffer: &mut Vec<u8>) -> io::Result<Option<Content>> {
    // Something else may have its name by now: opening a FIFO would wait for its other end.
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let mut file = match openat(folder, name, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        // A link, a socket.
        Err(Errno::LOOP | Errno::NXIO) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let found = fstat(&file)?;
    if !FileType::from_raw_mode(found.st_mode).is_file() {
        return Ok(None);
    }
    let stat = Stat::of(&found);
    let (digest, length) = hash(&mut file, stat.size, buffer)?;
    let steady = length == stat.size && Stat::of(&fstat(&file)?) == stat;
    Ok(steady.then_some(Content {
        stat,
        mode: found.st_mode & MODE_MASK,
        digest,
    }))
}

/// The digest of all that can be read, and how much that is, where `size` bytes are expected.
fn hash(file: &mut File, size: u64, buffer: &mut Vec<u8>) -> io::Result<(Digest, u64)> {
    // One byte more than there should be: a small file is read whole, and its end seen, in one call.
    let piece = usize::try_from(size).map_or(PIECE, |size| PIECE.min(size + 1));
    if buffer.len() < piece {
        buffer.resize(piece, 0);
    }
    let mut hasher = Sha256::new();
    let mut length = 0;
    loop {
        match file.read(buffer) {
            Ok(0) => break,
            Ok(count) => {
                hasher.update(&buffer[..count]);
                length += count as u64;
                if length == size && count < buffer.len() {
                    break;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok((Digest::from_bytes(hasher.finalize().into()), length))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;
    use std::process::Command;
    use std::thread;

    use rustix::fs::Uid;
    use rustix::thread::set_thread_uid;

    use super::*;
    use crate::fingerprint::ignorefile::Patterns;
    use crate::fingerprint::lab::Lab;
    use crate::fingerprint::walk::Folder;

    /// What `path` was when it was looked at.
    fn looked(root: &Path, path: &str) -> Item {
        let folder = Folder {
            root,
            ignore: &Patterns::default(),
        };
        folder.look(path.as_bytes()).unwrap().unwrap()
    }

    fn file(folder: &Path, path: &str, content: &[u8]) {
        fs::create_dir_all(folder.join(path).parent().unwrap()).unwrap();
        fs::write(folder.join(path), content).unwrap();
    }

    #[test]
    fn a_file_is_read_to_its_end_whatever_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let cache = StatCache::open(None);
        let mut reader = Reader::new(folder.path(), &cache);
        for size in [0, 1, 4096, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 5, 10] {
            let bytes: Vec<u8> = (0..=250).cycle().take(size).collect();
            file(folder.path(), "a/b/file", &bytes);
            let content = reader.content(&looked(folder.path(), "a/b/file")).unwrap();
            assert_eq!(content.digest, Digest::of(&bytes), "{size}");
            assert_eq!(content.stat.size, size as u64);
        }
    }

    #[test]
    fn what_changed_since_it_was_looked_at_is_what_it_is_now() {
        let folder = tempfile::tempdir().unwrap();
        file(folder.path(), "file", b"one");
        let before = looked(folder.path(), "file");
        file(folder.path(), "file", b"other");
        fs::set_permissions(
            folder.path().join("file"),
            fs::Permissions::from_mode(0o755),
        )
        .unwrap();
        let cache = StatCache::open(None);
        let content = Reader::new(folder.path(), &cache).content(&before).unwrap();
        let mode = looked(folder.path(), "file").mode;
        assert_eq!((content.digest, content.mode), (Digest::of(b"other"), mode));
    }

    type Become<'a> = &'a dyn Fn(&Path);

    /// Were one of them opened, read or followed, the test would wait for ever or see a digest.
    #[test]
    fn what_became_something_else_is_never_read() {
        let outside = tempfile::tempdir().unwrap();
        file(outside.path(), "folder/file", b"secret");
        let becomes: [(&str, Become<'_>); 6] = [
            ("a FIFO", &|path| {
                fs::remove_file(path).unwrap();
                assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
            }),
            ("a socket", &|path| {
                fs::remove_file(path).unwrap();
                drop(UnixListener::bind(path).unwrap());
            }),
            ("a link", &|path| {
                fs::remove_file(path).unwrap();
                symlink(outside.path().join("folder/file"), path).unwrap();
            }),
            ("a folder", &|path| {
                fs::remove_file(path).unwrap();
                fs::create_dir(path).unwrap();
            }),
            ("gone", &|path| fs::remove_file(path).unwrap()),
            ("behind a link", &|path| {
                let folder = path.parent().unwrap();
                fs::rename(folder, folder.with_file_name("moved")).unwrap();
                symlink(outside.path().join("folder"), folder).unwrap();
            }),
        ];
        for (what, become_it) in becomes {
            let folder = tempfile::tempdir().unwrap();
            file(folder.path(), "folder/file", b"content");
            let before = looked(folder.path(), "folder/file");
            become_it(&folder.path().join("folder/file"));
            let cache = StatCache::open(None);
            let read = Reader::new(folder.path(), &cache).content(&before);
            assert!(matches!(read, Err(Error::Changed { .. })), "{what}");
        }
    }

    /// What `work` gives in a thread that is no root: one of `nobody` where this process is root's.
    fn as_no_root<T: Send>(work: impl FnOnce() -> T + Send) -> T {
        let nobody = || {
            if rustix::process::geteuid().is_root() {
                set_thread_uid(Uid::from_raw(65534)).unwrap();
            }
            work()
        };
        thread::scope(|scope| scope.spawn(nobody).join().unwrap())
    }

    fn context() -> Lab {
        let lab = Lab::new("FROM base\nCOPY . /app\n").files(&["src/deep/a", "src/b", "run"]);
        lab.mode("..", 0o755).link("src/link", "b")
    }

    #[test]
    fn every_user_gets_the_same_fingerprint() {
        let lab = context();
        assert_eq!(as_no_root(|| lab.full()), lab.full());
    }

    #[test]
    fn what_cannot_be_read_is_an_error_that_names_it() {
        for (path, mode) in [("src/b", 0o222), ("src/deep", 0o333), ("src/deep", 0o444)] {
            let lab = context().mode(path, mode);
            let unreadable = match mode {
                0o444 => "src/deep/a",
                _ => path,
            };
            let error = as_no_root(|| lab.try_recipe()).unwrap_err();
            let text = error.to_string();
            assert!(
                text.contains(&format!("{unreadable}`")),
                "{path} {mode:o}: {text}"
            );
            lab.mode(path, 0o700);
        }
    }
}
