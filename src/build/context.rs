//! A build context as a tar stream: exactly the entries that a build reads, in their order, each compared with
//! what was fingerprinted while it is read. Must not know who builds.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::pieces::{Pieces, pieces};
use crate::fingerprint::{Context, Entry, EntryKind, Recipe};
use crate::model::Digest;
use crate::runtime::BuildPart;

/// Why a context could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
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
    /// Whoever takes the stream stopped.
    #[error("the context is no longer taken")]
    Dropped(#[source] io::Error),
}

/// The part of a recipe's context that one build reads, and the Dockerfile that goes with it.
#[derive(Clone, Debug)]
pub struct Upload {
    context: Arc<Context>,
    /// Indexes into `context.entries`, in order.
    entries: Vec<usize>,
    dockerfile: String,
    text: String,
}

impl Upload {
    /// What a part of a recipe reads, with the Dockerfile's text to build it from.
    pub fn new(recipe: &Recipe, part: &BuildPart<'_>, text: String) -> Self {
        Self {
            entries: reads(recipe, part),
            dockerfile: free_name(&recipe.context, &text),
            context: Arc::clone(&recipe.context),
            text,
        }
    }

    /// The name under which the Dockerfile lies in the context: no file of the context has it.
    pub fn dockerfile(&self) -> &str {
        &self.dockerfile
    }

    /// Writes the tar archive. Owners are 0:0; times are the files' own in whole seconds, since web servers
    /// make their ETags from them.
    pub fn write(&self, out: impl Write) -> Result<(), ContextError> {
        let mut archive = tar::Builder::new(out);
        let mut header = header(tar::EntryType::Regular, 0o644, 0);
        header.set_size(self.text.len() as u64);
        archive
            .append_data(&mut header, &self.dockerfile, self.text.as_bytes())
            .map_err(ContextError::Dropped)?;
        for index in &self.entries {
            append(
                &mut archive,
                &self.context.root,
                &self.context.entries[*index],
            )?;
        }
        archive.finish().map_err(ContextError::Dropped)
    }

    /// The tar archive as a stream that is made while it is taken. The task's result says whether all of it was
    /// what was fingerprinted; when it was not, the stream ends in an error and never in an end of archive.
    pub fn stream(self) -> (Pieces, tokio::task::JoinHandle<Result<(), ContextError>>) {
        pieces(move |out| self.write(out))
    }

    /// Writes the files into a folder, with the Dockerfile and an ignore file of its own, so that a builder that
    /// looks for one applies none.
    pub fn unpack(&self, folder: &Path) -> Result<(), ContextError> {
        let (reader, writer) = io::pipe()?;
        let unpacked = std::thread::scope(|scope| {
            let writing = scope.spawn(move || self.write(writer));
            let mut archive = tar::Archive::new(reader);
            archive.set_preserve_mtime(true);
            let unpacked = archive.unpack(folder);
            // Whoever writes learns from the closed pipe that nobody reads any more.
            drop(archive);
            match writing.join() {
                Ok(Err(error)) if !matches!(error, ContextError::Dropped(_)) => Err(error),
                _ => unpacked.map_err(ContextError::Dropped),
            }
        });
        unpacked?;
        let ignore = folder.join(format!("{}.dockerignore", self.dockerfile));
        // An empty one would not count.
        Ok(std::fs::write(ignore, "# everything here is read\n")?)
    }
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
        // A stage that `resume` cannot rewrite is built whole, so what its prefix reads is sent too.
        BuildPart::Target { on } => {
            !on.contains_key(&stage)
                || instruction > cut(stage)
                || !super::resume::can_start_from_image(&recipe.dockerfile, stage, cut(stage))
        }
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

/// A name for the Dockerfile that nothing in the context has.
fn free_name(context: &Context, text: &str) -> String {
    let mut name = format!(".larder-{}.Dockerfile", Digest::of(text.as_bytes()).short());
    while context
        .entries
        .iter()
        .any(|entry| entry.path == name.as_bytes())
    {
        name.insert(1, '_');
    }
    name
}

fn header(kind: tar::EntryType, mode: u32, time: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(time);
    header.set_size(0);
    header
}

fn append(
    archive: &mut tar::Builder<impl Write>,
    root: &Path,
    entry: &Entry,
) -> Result<(), ContextError> {
    let relative = Path::new(OsStr::from_bytes(&entry.path));
    let path = root.join(relative);
    let moved = || ContextError::Moved(relative.display().to_string());
    let found = std::fs::symlink_metadata(&path).map_err(|source| unreadable(relative, source))?;
    let time = u64::try_from(found.mtime()).unwrap_or(0);
    match &entry.kind {
        EntryKind::Directory if found.is_dir() => {
            let mut header = header(tar::EntryType::Directory, entry.mode, time);
            archive
                .append_data(&mut header, relative, io::empty())
                .map_err(ContextError::Dropped)
        }
        EntryKind::Symlink { target } if found.is_symlink() => {
            let now = std::fs::read_link(&path).map_err(|source| unreadable(relative, source))?;
            if now.as_os_str().as_bytes() != target.as_slice() {
                return Err(moved());
            }
            append_link(archive, relative, target, time).map_err(ContextError::Dropped)
        }
        EntryKind::File { size, digest } if found.is_file() => {
            if found.len() != *size || is_executable(&found) != (entry.mode & 0o100 != 0) {
                return Err(moved());
            }
            let file = std::fs::File::open(&path).map_err(|source| unreadable(relative, source))?;
            let mut header = header(tar::EntryType::Regular, entry.mode, time);
            header.set_size(*size);
            let mut content = Verified::new(file, *size, *digest);
            let sent = archive.append_data(&mut header, relative, &mut content);
            match (sent, content.fault) {
                (_, Some(Fault::Moved)) => Err(moved()),
                (_, Some(Fault::Unreadable(source))) => Err(unreadable(relative, source)),
                (sent, None) => sent.map_err(ContextError::Dropped),
            }
        }
        _ => Err(moved()),
    }
}

fn is_executable(found: &Metadata) -> bool {
    found.mode() & 0o100 != 0
}

/// A file that was there when it was fingerprinted and is gone has moved; anything else is an error of its own.
fn unreadable(path: &Path, source: io::Error) -> ContextError {
    let path = path.display().to_string();
    match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ContextError::Moved(path),
        _ => ContextError::Unreadable { path, source },
    }
}

/// Appends a symbolic link whose text is kept byte for byte: `tar` itself would tidy `./a` to `a`.
fn append_link(
    archive: &mut tar::Builder<impl Write>,
    path: &Path,
    target: &[u8],
    time: u64,
) -> io::Result<()> {
    /// The room for a link's text in a header.
    const SHORT: usize = 100;
    if target.len() > SHORT {
        let mut long = header(tar::EntryType::GNULongLink, 0o644, 0);
        long.set_size(target.len() as u64 + 1);
        let text = PathBuf::from("././@LongLink");
        archive.append_data(&mut long, text, target.chain(&b"\0"[..]))?;
    }
    let mut header = header(tar::EntryType::Symlink, 0o777, time);
    header.set_link_name_literal(&target[..target.len().min(SHORT)])?;
    archive.append_data(&mut header, path, io::empty())
}

/// A file's content that ends in an error when it is not the content that was fingerprinted.
struct Verified<R> {
    from: R,
    left: u64,
    hash: Option<Sha256>,
    digest: Digest,
    fault: Option<Fault>,
}

enum Fault {
    Moved,
    Unreadable(io::Error),
}

impl<R: Read> Verified<R> {
    fn new(from: R, size: u64, digest: Digest) -> Self {
        Self {
            from,
            left: size,
            hash: Some(Sha256::new()),
            digest,
            fault: None,
        }
    }

    fn moved(&mut self) -> io::Error {
        self.fault = Some(Fault::Moved);
        io::ErrorKind::InvalidData.into()
    }

    /// At the end of what was fingerprinted: there must be no more, and it must be the same.
    fn end(&mut self) -> io::Result<usize> {
        let Some(hash) = self.hash.take() else {
            return Ok(0);
        };
        let more = self.from.read(&mut [0])?;
        if more > 0 || Digest::from_bytes(hash.finalize().into()) != self.digest {
            return Err(self.moved());
        }
        Ok(0)
    }
}

impl<R: Read> Read for Verified<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return self.end();
        }
        let room = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        match self.from.read(&mut buffer[..room]) {
            Ok(0) => Err(self.moved()),
            Ok(read) => {
                self.left -= read as u64;
                if let Some(hash) = &mut self.hash {
                    hash.update(&buffer[..read]);
                }
                Ok(read)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let kind = error.kind();
                self.fault = Some(Fault::Unreadable(error));
                Err(kind.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::sample::{on, recipe};
    use std::collections::BTreeMap;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    const TEXT: &str = "FROM base\nCOPY need /need\nRUN make\nCOPY src /src\n";

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("src/deep")).unwrap();
        fs::write(root.join("need"), "one").unwrap();
        fs::write(root.join("src/deep/a"), vec![7; 200_000]).unwrap();
        fs::write(root.join("src/run"), "#!").unwrap();
        fs::set_permissions(root.join("src/run"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(root.join("unread"), "never").unwrap();
        folder
    }

    fn whole<'a>() -> BuildPart<'a> {
        static NONE: BTreeMap<usize, Digest> = BTreeMap::new();
        BuildPart::Target { on: &NONE }
    }

    fn archive(root: &Path, part: &BuildPart<'_>, cuts: &[(usize, usize)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let upload = Upload::new(&recipe(root, TEXT, cuts), part, TEXT.to_owned());
        upload.write(&mut bytes).unwrap();
        bytes
    }

    fn names(archive: &[u8]) -> Vec<String> {
        let mut archive = tar::Archive::new(archive);
        let entries = archive.entries().unwrap();
        let name =
            |entry: tar::Entry<'_, _>| String::from_utf8(entry.path_bytes().to_vec()).unwrap();
        entries
            .map(|entry: io::Result<tar::Entry<'_, &[u8]>>| name(entry.unwrap()))
            .skip(1)
            .collect()
    }

    #[test]
    fn only_what_is_read_is_sent_in_order() {
        let folder = folder();
        let sent = names(&archive(folder.path(), &whole(), &[]));
        assert_eq!(sent, ["need", "src", "src/deep", "src/deep/a", "src/run"]);
    }

    #[test]
    fn a_part_is_sent_what_its_own_instructions_read() {
        let folder = folder();
        let cuts = [(0, 2)];
        let dependencies = BuildPart::Dependencies { stage: 0 };
        assert_eq!(
            names(&archive(folder.path(), &dependencies, &cuts)),
            ["need"]
        );
        let on = on(&recipe(folder.path(), TEXT, &cuts));
        let rest = names(&archive(
            folder.path(),
            &BuildPart::Target { on: &on },
            &cuts,
        ));
        assert_eq!(rest, ["src", "src/deep", "src/deep/a", "src/run"]);
    }

    #[test]
    fn modes_times_and_content_arrive_and_owners_do_not() {
        let folder = folder();
        let time = fs::metadata(folder.path().join("src/run")).unwrap().mtime();
        let bytes = archive(folder.path(), &whole(), &[]);
        let mut archive = tar::Archive::new(bytes.as_slice());
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let header = entry.header().clone();
            assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
            match entry.path().unwrap().to_str().unwrap() {
                "src/run" => {
                    assert_eq!(header.mode().unwrap(), 0o755);
                    assert_eq!(i64::try_from(header.mtime().unwrap()).unwrap(), time);
                }
                "src/deep/a" => {
                    let mut content = Vec::new();
                    entry.read_to_end(&mut content).unwrap();
                    assert_eq!(content, vec![7; 200_000]);
                }
                _ => {}
            }
        }
    }

    #[test]
    fn long_odd_and_linked_names_arrive_byte_for_byte() {
        let folder = tempfile::tempdir().unwrap();
        let src = folder.path().join("src");
        fs::create_dir(&src).unwrap();
        fs::write(src.join("l".repeat(200)), "").unwrap();
        fs::write(src.join(OsStr::from_bytes(b"\xff\xfe")), "").unwrap();
        let texts = ["./a//b/".to_owned(), "t".repeat(100), "t".repeat(150)];
        for (number, text) in texts.iter().enumerate() {
            symlink(text, src.join(format!("link{number}"))).unwrap();
        }
        let bytes = archive(folder.path(), &whole(), &[]);
        let mut archive = tar::Archive::new(bytes.as_slice());
        let found: BTreeMap<Vec<u8>, Option<Vec<u8>>> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                (
                    entry.path_bytes().to_vec(),
                    entry.link_name_bytes().map(|text| text.to_vec()),
                )
            })
            .collect();
        assert!(found.contains_key(format!("src/{}", "l".repeat(200)).as_bytes()));
        assert!(found.contains_key(&b"src/\xff\xfe"[..]));
        for (number, text) in texts.iter().enumerate() {
            let link = &found[format!("src/link{number}").as_bytes()];
            assert_eq!(link.as_deref(), Some(text.as_bytes()));
        }
    }

    #[test]
    fn what_moved_since_the_fingerprint_ends_the_stream() {
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
                let mode = fs::Permissions::from_mode(0o644);
                fs::set_permissions(root.join("src/run"), mode).unwrap();
            }),
        ];
        for (path, change) in changes {
            let folder = folder();
            let recipe = recipe(folder.path(), TEXT, &[]);
            change(folder.path());
            let mut sent = Vec::new();
            let result = Upload::new(&recipe, &whole(), TEXT.to_owned()).write(&mut sent);
            match result.unwrap_err() {
                ContextError::Moved(moved) => assert_eq!(moved, path),
                other => panic!("{other}"),
            }
        }
    }

    #[tokio::test]
    async fn a_stream_of_what_moved_ends_in_an_error() {
        use futures_util::StreamExt as _;
        let folder = folder();
        let recipe = recipe(folder.path(), TEXT, &[]);
        fs::write(folder.path().join("src/deep/a"), vec![8; 200_000]).unwrap();
        let (pieces, task) = Upload::new(&recipe, &whole(), TEXT.to_owned()).stream();
        let pieces: Vec<_> = pieces.collect().await;
        assert!(pieces.last().unwrap().is_err());
        assert!(matches!(task.await.unwrap(), Err(ContextError::Moved(_))));
    }

    #[test]
    fn the_dockerfile_takes_no_files_name() {
        let folder = folder();
        let name =
            Upload::new(&recipe(folder.path(), TEXT, &[]), &whole(), TEXT.to_owned()).dockerfile;
        fs::write(folder.path().join(&name), "mine").unwrap();
        let again =
            Upload::new(&recipe(folder.path(), TEXT, &[]), &whole(), TEXT.to_owned()).dockerfile;
        assert_ne!(name, again);
    }
}
