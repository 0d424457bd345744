//! An archive from a container unpacked here. Whoever made it is not trusted: nothing is written outside of the folder, nor
//! through a link, whenever that was made; what is neither file, folder nor link is left out, and so are the bits by which a
//! program would run as its owner.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Timespec, Timestamps, fchmod, futimens, linkat, mkdirat,
    openat, statat, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;
use tar::{Entry, EntryType};

/// Where an archive goes.
#[derive(Debug)]
pub(super) struct Unpack {
    /// The folder that it is unpacked in.
    pub(super) folder: PathBuf,
    /// Whether its entries stand in a folder, or are a file, whose name is not the one wanted.
    pub(super) wrapped: bool,
    /// The name that takes the place of that one; `None` for what is in it alone.
    pub(super) name: Option<OsString>,
}

impl Unpack {
    /// Unpacks it; what was left out.
    pub(super) fn read(&self, archive: impl Read) -> io::Result<Vec<PathBuf>> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
        let root = openat(rustix::fs::CWD, &self.folder, flags, Mode::empty())?;
        let mut unpacking = Unpacking {
            root,
            made: Vec::new(),
            left_out: Vec::new(),
        };
        let mut archive = tar::Archive::new(archive);
        for entry in archive.entries()? {
            let mut entry = entry?;
            let Some(path) = self.place(&entry.path_bytes())? else {
                continue;
            };
            let done = match entry.link_name_bytes() {
                Some(to) if entry.header().entry_type() == EntryType::Link => {
                    match self.place(&to)? {
                        Some(to) => unpacking.link(&path, &to),
                        None => Ok(()),
                    }
                }
                _ => unpacking.add(&path, &mut entry),
            };
            done.map_err(|error| about(&path, &error))?;
        }
        unpacking.finish()
    }

    /// Where an entry goes, within the folder; `None` for the folder itself.
    fn place(&self, bytes: &[u8]) -> io::Result<Option<PathBuf>> {
        let mut path: PathBuf = self.name.iter().collect();
        let mut wrapped = self.wrapped;
        for part in Path::new(OsStr::from_bytes(bytes)).components() {
            match part {
                Component::Normal(_) if wrapped => wrapped = false,
                Component::Normal(name) => path.push(name),
                Component::ParentDir => {
                    let words = "the archive names a path outside of its folder";
                    return Err(about(
                        Path::new(OsStr::from_bytes(bytes)),
                        &io::Error::other(words),
                    ));
                }
                _ => {}
            }
        }
        Ok((!path.as_os_str().is_empty()).then_some(path))
    }
}

struct Unpacking {
    root: OwnedFd,
    /// The folders that were made, with what they get when all is in them.
    made: Vec<(PathBuf, Mode, Timestamps)>,
    left_out: Vec<PathBuf>,
}

impl Unpacking {
    fn add(&mut self, path: &Path, entry: &mut Entry<'_, impl Read>) -> io::Result<()> {
        let header = entry.header();
        let times = times(header.mtime().unwrap_or(0));
        let mode = header.mode().unwrap_or(0o644);
        let (parent, name) = self.parent(path)?;
        match header.entry_type() {
            EntryType::Directory => {
                match is_folder(&parent, name)? {
                    None => {}
                    Some(true) => return Ok(()),
                    Some(false) => {
                        return Err(io::Error::other("a file or a link of that name is there"));
                    }
                }
                // Until all is in it, others need not look in.
                mkdirat(&parent, name, Mode::RWXU)?;
                let mode = Mode::from_raw_mode(mode & 0o1777);
                self.made.push((path.to_owned(), mode, times));
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                make_room(&parent, name)?;
                let flags = OFlags::CREATE
                    | OFlags::EXCL
                    | OFlags::WRONLY
                    | OFlags::NOFOLLOW
                    | OFlags::CLOEXEC;
                let file = openat(&parent, name, flags, Mode::RUSR | Mode::WUSR)?;
                let mut file = File::from(file);
                io::copy(entry, &mut file)?;
                fchmod(&file, Mode::from_raw_mode(mode & 0o777))?;
                futimens(&file, &times)?;
            }
            EntryType::Symlink => {
                let target = entry.link_name_bytes().unwrap_or_default();
                make_room(&parent, name)?;
                symlinkat(&*target, &parent, name)?;
                utimensat(&parent, name, &times, AtFlags::SYMLINK_NOFOLLOW)?;
            }
            EntryType::XGlobalHeader => {}
            _ => self.left_out.push(path.to_owned()),
        }
        Ok(())
    }

    /// Another name of a file that was unpacked before.
    fn link(&self, path: &Path, to: &Path) -> io::Result<()> {
        let (from_parent, from) = self.parent(to)?;
        let (parent, name) = self.parent(path)?;
        make_room(&parent, name)?;
        Ok(linkat(&from_parent, from, &parent, name, AtFlags::empty())?)
    }

    /// The folder that a path stands in, opened part by part so that no link is followed, and its name there.
    fn parent<'b>(&self, path: &'b Path) -> io::Result<(OwnedFd, &'b OsStr)> {
        let name = path.file_name().unwrap_or_default();
        let mut folder = self.root.try_clone()?;
        for part in path.parent().into_iter().flat_map(Path::components) {
            folder = match enter(&folder, part.as_os_str()) {
                Err(Errno::NOENT) => {
                    mkdirat(&folder, part.as_os_str(), Mode::from_raw_mode(0o755))?;
                    enter(&folder, part.as_os_str())?
                }
                Err(Errno::LOOP | Errno::NOTDIR) => {
                    return Err(io::Error::other(
                        "a link or a file stands where a folder is needed",
                    ));
                }
                entered => entered?,
            };
        }
        Ok((folder, name))
    }

    /// Gives the folders that were made what they are to have, the inner ones first.
    fn finish(self) -> io::Result<Vec<PathBuf>> {
        for (path, mode, times) in self.made.iter().rev() {
            let done = || -> io::Result<()> {
                let (parent, name) = self.parent(path)?;
                let folder = enter(&parent, name)?;
                fchmod(&folder, *mode)?;
                Ok(futimens(&folder, times)?)
            };
            done().map_err(|error| about(path, &error))?;
        }
        Ok(self.left_out)
    }
}

fn enter(folder: &OwnedFd, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
    openat(folder, name, flags, Mode::empty())
}

/// Whether a folder has a folder of that name, or something else; `None` for nothing.
fn is_folder(folder: &OwnedFd, name: &OsStr) -> io::Result<Option<bool>> {
    match statat(folder.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => Ok(Some(
            FileType::from_raw_mode(found.st_mode) == FileType::Directory,
        )),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Takes away what is there, a link itself and not what it leads to. A folder stays.
fn make_room(folder: &OwnedFd, name: &OsStr) -> io::Result<()> {
    match is_folder(folder, name)? {
        None => Ok(()),
        Some(false) => Ok(unlinkat(folder, name, AtFlags::empty())?),
        Some(true) => Err(io::Error::other("a folder of that name is there")),
    }
}

fn times(seconds: u64) -> Timestamps {
    let time = Timespec {
        tv_sec: i64::try_from(seconds).unwrap_or_default(),
        tv_nsec: 0,
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

/// An error with the path that it is about.
fn about(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use tar::{Builder, Header};

    use super::*;

    type Listed<'a> = (EntryType, &'a [u8], &'a str, u32);

    /// An archive of entries: kind, path as it is written, content or target, mode.
    fn archive(entries: &[Listed<'_>]) -> Vec<u8> {
        let mut archive = Builder::new(Vec::new());
        for (kind, path, content, mode) in entries {
            let mut header = Header::new_gnu();
            // tar itself would refuse what a hostile one has.
            header.as_old_mut().name[..path.len()].copy_from_slice(path);
            header.set_entry_type(*kind);
            header.set_mode(*mode);
            header.set_mtime(1_577_934_245);
            let is_file = *kind == EntryType::Regular;
            if !is_file {
                let link = &mut header.as_old_mut().linkname;
                link[..content.len()].copy_from_slice(content.as_bytes());
            }
            let content = if is_file { content.as_bytes() } else { b"" };
            header.set_size(content.len() as u64);
            header.set_cksum();
            archive.append(&header, content).unwrap();
        }
        archive.into_inner().unwrap()
    }

    fn unpack(
        folder: &Path,
        name: Option<&str>,
        entries: &[Listed<'_>],
    ) -> io::Result<Vec<PathBuf>> {
        let unpack = Unpack {
            folder: folder.to_owned(),
            wrapped: true,
            name: name.map(OsString::from),
        };
        unpack.read(archive(entries).as_slice())
    }

    const FILE: EntryType = EntryType::Regular;
    const FOLDER: EntryType = EntryType::Directory;
    const LINK: EntryType = EntryType::Symlink;
    const HARD: EntryType = EntryType::Link;

    #[test]
    fn what_comes_has_its_modes_and_times_under_the_new_name() {
        let folder = tempfile::tempdir().unwrap();
        let entries: &[Listed<'_>] = &[
            (FOLDER, b"old/", "", 0o555),
            (FILE, b"old/one", "1", 0o4751),
            (HARD, b"old/two", "old/one", 0o644),
            (LINK, b"old/out", "/etc/passwd", 0o777),
            (EntryType::Char, b"old/dev", "", 0o666),
            (FILE, b"old/\xff", "odd", 0o600),
        ];
        let left_out = unpack(folder.path(), Some("new"), entries).unwrap();
        assert_eq!(left_out, [Path::new("new/dev")]);
        let new = folder.path().join("new");
        let found = |name: &str| fs::symlink_metadata(new.join(name)).unwrap();
        assert_eq!(found("one").mode() & 0o7777, 0o751);
        assert_eq!(found("one").ino(), found("two").ino());
        assert_eq!(
            fs::read_link(new.join("out")).unwrap(),
            Path::new("/etc/passwd")
        );
        assert_eq!(fs::metadata(&new).unwrap().mode() & 0o7777, 0o555);
        assert_eq!(found("one").mtime(), 1_577_934_245);
        assert_eq!(found("").mtime(), 1_577_934_245);
        assert!(new.join(OsStr::from_bytes(b"\xff")).exists());
        // So that it can be taken away.
        fs::set_permissions(&new, PermissionsExt::from_mode(0o755)).unwrap();
    }

    #[test]
    fn nothing_is_written_outside() {
        let folder = tempfile::tempdir().unwrap();
        let (inside, outside) = (folder.path().join("in"), folder.path().join("out"));
        fs::create_dir(&inside).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "kept").unwrap();
        let to = outside.to_str().unwrap();
        let kept = outside.join("kept");
        let hostile: &[&[Listed<'_>]] = &[
            &[(FILE, b"a/../../out/x", "x", 0o644)],
            &[(FILE, b"../out/x", "x", 0o644)],
            &[(LINK, b"a/l", to, 0o777), (FILE, b"a/l/x", "x", 0o644)],
            &[(LINK, b"a/m", to, 0o777), (FOLDER, b"a/m/x", "", 0o755)],
            &[(LINK, b"a", to, 0o777), (FILE, b"a/x", "x", 0o644)],
            &[(HARD, b"a/h", "a/../../out/kept", 0o644)],
            &[(LINK, b"a/n", to, 0o777), (HARD, b"a/o", "a/n/kept", 0o644)],
        ];
        for entries in hostile {
            let done = unpack(&inside, Some("a"), entries);
            assert!(done.is_err(), "{entries:?}");
            let _ = fs::remove_file(inside.join("a"));
            let _ = fs::remove_dir_all(inside.join("a"));
        }
        // An absolute one is read from the folder, and a file takes the place of a link.
        let link = kept.to_str().unwrap();
        let entries: &[Listed<'_>] = &[
            (FILE, b"/a/abs", "x", 0o644),
            (LINK, b"a/k", link, 0o777),
            (FILE, b"a/k", "x", 0o644),
        ];
        unpack(&inside, None, entries).unwrap();
        assert_eq!(fs::read_to_string(inside.join("abs")).unwrap(), "x");
        assert!(fs::symlink_metadata(inside.join("k")).unwrap().is_file());
        assert_eq!(fs::read_to_string(&kept).unwrap(), "kept");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
        assert_eq!(fs::metadata(&kept).unwrap().nlink(), 1);
    }

    #[test]
    fn what_is_there_is_replaced_by_its_like_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("sub")).unwrap();
        fs::write(folder.path().join("file"), "old").unwrap();
        symlink("file", folder.path().join("link")).unwrap();
        let one = |kind, path: &[u8]| unpack(folder.path(), None, &[(kind, path, "new", 0o644)]);
        one(FILE, b"a/file").unwrap();
        assert_eq!(
            fs::read_to_string(folder.path().join("file")).unwrap(),
            "new"
        );
        one(FOLDER, b"a/sub").unwrap();
        for (kind, path) in [
            (FILE, &b"a/sub"[..]),
            (FOLDER, b"a/file"),
            (FOLDER, b"a/link"),
        ] {
            assert!(one(kind, path).is_err(), "{kind:?} {path:?}");
        }
        assert!(folder.path().join("sub").is_dir());
    }
}
