//! What lies here as an archive for a container: files, folders and links, each as it is. Nothing is followed.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use tar::{Builder, EntryType, Header};

/// What is packed.
#[derive(Clone, Debug)]
pub(super) struct Pack {
    /// Where it lies.
    pub(super) path: PathBuf,
    /// Its name in the archive; `None` for what is in it alone.
    pub(super) name: Option<PathBuf>,
}

impl Pack {
    /// Writes the archive; what was left out, as it is neither file, folder nor link.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<Vec<PathBuf>> {
        let mut packing = Packing {
            archive: Builder::new(out),
            links: BTreeMap::new(),
            left_out: Vec::new(),
        };
        let metadata = fs::symlink_metadata(&self.path).map_err(|error| of(&self.path, &error))?;
        match &self.name {
            Some(name) => packing.add(&self.path, name, &metadata)?,
            None => packing.folder(&self.path, Path::new(""))?,
        }
        packing.archive.finish()?;
        Ok(packing.left_out)
    }
}

struct Packing<'a> {
    archive: Builder<&'a mut dyn Write>,
    /// Files that have more names: device and number → the first name in the archive.
    links: BTreeMap<(u64, u64), PathBuf>,
    left_out: Vec<PathBuf>,
}

impl Packing<'_> {
    fn folder(&mut self, path: &Path, name: &Path) -> io::Result<()> {
        let listed = fs::read_dir(path).map_err(|error| of(path, &error))?;
        let entries = listed.map(|entry| entry.map(|entry| entry.file_name()));
        let mut entries = entries
            .collect::<io::Result<Vec<_>>>()
            .map_err(|error| of(path, &error))?;
        entries.sort_unstable();
        for entry in entries {
            let inner = path.join(&entry);
            match fs::symlink_metadata(&inner) {
                Ok(metadata) => self.add(&inner, &name.join(&entry), &metadata)?,
                // Somebody took it away meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(of(&inner, &error)),
            }
        }
        Ok(())
    }

    fn add(&mut self, path: &Path, name: &Path, metadata: &Metadata) -> io::Result<()> {
        let kind = metadata.file_type();
        let mut header = header(metadata);
        if kind.is_dir() {
            header.set_entry_type(EntryType::Directory);
            self.archive.append_data(&mut header, name, io::empty())?;
            return self.folder(path, name);
        }
        if kind.is_symlink() {
            header.set_entry_type(EntryType::Symlink);
            let target = fs::read_link(path).map_err(|error| of(path, &error))?;
            return self.archive.append_link(&mut header, name, target);
        }
        if !kind.is_file() {
            self.left_out.push(path.to_owned());
            return Ok(());
        }
        if metadata.nlink() > 1 {
            let key = (metadata.dev(), metadata.ino());
            if let Some(first) = self.links.get(&key) {
                header.set_entry_type(EntryType::Link);
                return self.archive.append_link(&mut header, name, first);
            }
            self.links.insert(key, name.to_owned());
        }
        self.file(path, name)
    }

    /// A file as it is when it is opened; one that shrinks meanwhile would leave the archive without the rest.
    fn file(&mut self, path: &Path, name: &Path) -> io::Result<()> {
        // What was a file may be a link or a pipe by now.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let flags = i32::try_from(flags.bits()).unwrap_or_default();
        let mut options = File::options();
        let opened = options.read(true).custom_flags(flags).open(path);
        let file = opened.map_err(|error| of(path, &error))?;
        let metadata = file.metadata().map_err(|error| of(path, &error))?;
        let mut header = header(&metadata);
        header.set_entry_type(EntryType::Regular);
        header.set_size(metadata.len());
        let mut content = Exact {
            left: metadata.len(),
            file,
        };
        let added = self.archive.append_data(&mut header, name, &mut content);
        added.map_err(|error| of(path, &error))
    }
}

/// As much of a file as was said.
struct Exact {
    file: File,
    left: u64,
}

impl Read for Exact {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if most == 0 {
            return Ok(0);
        }
        let length = self.file.read(&mut buffer[..most])?;
        if length == 0 {
            return Err(io::Error::other("it was cut while it was read"));
        }
        self.left -= length as u64;
        Ok(length)
    }
}

fn header(metadata: &Metadata) -> Header {
    let mut header = Header::new_gnu();
    header.set_size(0);
    header.set_mode(metadata.mode() & 0o7777);
    header.set_uid(metadata.uid().into());
    header.set_gid(metadata.gid().into());
    header.set_mtime(u64::try_from(metadata.mtime()).unwrap_or(0));
    header
}

/// An error with the path that it is about.
fn of(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(pack: &Pack) -> (Vec<String>, Vec<PathBuf>) {
        let mut bytes = Vec::new();
        let left_out = pack.write(&mut bytes).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let entries = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let link = entry.link_name_bytes();
            let link = link.map(|to| format!(" → {}", String::from_utf8_lossy(&to)));
            format!("{path}{}", link.unwrap_or_default())
        });
        (entries.collect(), left_out)
    }

    #[test]
    fn links_are_data_and_sockets_stay() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("src");
        let long = "n".repeat(150);
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::write(root.join("sub/one"), "1").unwrap();
        fs::hard_link(root.join("sub/one"), root.join("two")).unwrap();
        fs::write(root.join(&long), "").unwrap();
        fs::write(root.join(OsStr::from_bytes(b"\xff odd\n")), "").unwrap();
        symlink("/etc/passwd", root.join("out")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(root.join("sock")).unwrap();
        let pack = |name: Option<&str>| Pack {
            path: root.clone(),
            name: name.map(PathBuf::from),
        };
        let (inner, left_out) = names(&pack(None));
        let mut expected = vec![
            long,
            "out → /etc/passwd".to_owned(),
            "sub".to_owned(),
            "sub/one".to_owned(),
            "two → sub/one".to_owned(),
            "\u{fffd} odd\n".to_owned(),
        ];
        assert_eq!(inner, expected);
        assert_eq!(left_out, [root.join("sock")]);
        for name in &mut expected {
            name.insert_str(0, "new/");
            *name = name.replace("→ sub", "→ new/sub");
        }
        expected.insert(0, "new".to_owned());
        assert_eq!(names(&pack(Some("new"))).0, expected);
    }
}
