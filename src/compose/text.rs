//! The text of a file, within a limit: whatever somebody put in its place (a folder, a device, a pipe), reading it ends.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use rustix::fs::OFlags;

use super::error::{Error, ErrorKind};
use crate::model::Place;

/// The largest Compose file that is read, in bytes.
pub(super) const LIMIT: u64 = 8 << 20;
/// The largest env file, in bytes: a process cannot be given as much.
const ENV_LIMIT: u64 = 2 << 20;

/// How often a pipe is looked at that has nothing to read.
const LOOK: Duration = Duration::from_millis(10);
/// So often is a pipe looked at that nobody has open to write.
const LOOKS: usize = 300;
/// As many times is waited for who has one open and writes nothing: half a minute.
const WAITS: usize = 10 * LOOKS;

/// An env file's text.
///
/// # Errors
/// It is missing, a folder, unreadable, too large, or not UTF-8.
pub(super) fn read_env(path: &Path) -> Result<String, Error> {
    read(path, ENV_LIMIT).map_err(|error| match *error.kind {
        ErrorKind::MissingFile(path) => ErrorKind::NoEnvFile(path).into(),
        _ => error,
    })
}

/// A file's text.
///
/// # Errors
/// As [`read_env`].
pub(super) fn read(path: &Path, limit: u64) -> Result<String, Error> {
    let cannot = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => ErrorKind::MissingFile(path.to_owned()),
        _ => ErrorKind::Read {
            path: path.to_owned(),
            source,
        },
    };
    let metadata = path.metadata().map_err(cannot)?;
    if metadata.is_dir() {
        return Err(ErrorKind::Folder(path.to_owned()).into());
    }
    if metadata.file_type().is_fifo() {
        // Opened in the plain way it would be waited for until somebody writes.
        let mut open = OpenOptions::new();
        open.read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed());
        let pipe = Pipe {
            file: open.open(path).map_err(cannot)?,
            begun: false,
        };
        return read_from(pipe, path, limit);
    }
    read_from(File::open(path).map_err(cannot)?, path, limit)
}

/// The same of what is open.
///
/// # Errors
/// As [`read_env`].
pub(super) fn read_from(from: impl Read, path: &Path, limit: u64) -> Result<String, Error> {
    let mut bytes = Vec::new();
    let read = from.take(limit + 1).read_to_end(&mut bytes);
    read.map_err(|source| ErrorKind::Read {
        path: path.to_owned(),
        source,
    })?;
    if bytes.len() as u64 > limit {
        return Err(ErrorKind::TooLarge {
            path: path.to_owned(),
            limit,
        }
        .into());
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        not_text(path, &String::from_utf8_lossy(before))
    })?;
    // A byte order mark would count as a column, and as part of the first key.
    Ok(match text.strip_prefix('\u{feff}') {
        Some(marked) => marked.to_owned(),
        None => text,
    })
}

/// A file that is not text behind `before`.
fn not_text(path: &Path, before: &str) -> Error {
    let line = before.rsplit('\n').next().unwrap_or_default();
    let at = (before.matches('\n').count() + 1, line.chars().count() + 1);
    let place = Some(Place {
        file: path.to_owned(),
        at: Some(at),
    });
    let error = Error::from(ErrorKind::NotText(path.to_owned()));
    Error { place, ..error }
}

/// A pipe, as of `--env-file <(…)`: who has it open to write may take long, and somebody must have it open.
struct Pipe {
    file: File,
    /// Whether somebody has it open.
    begun: bool,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (mut looks, mut waits) = (LOOKS, WAITS);
        let silent = |what| io::Error::new(io::ErrorKind::TimedOut, what);
        loop {
            match self.file.read(buffer) {
                Ok(0) if !self.begun => {
                    looks = looks
                        .checked_sub(1)
                        .ok_or_else(|| silent("nobody writes to this pipe"))?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.begun = true;
                    waits = waits
                        .checked_sub(1)
                        .ok_or_else(|| silent("who has this pipe open writes nothing"))?;
                }
                read => {
                    self.begun = true;
                    return read;
                }
            }
            sleep(LOOK);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;
    use std::thread;

    use super::*;

    #[test]
    fn a_byte_order_mark_is_no_text() {
        let read = read_from("\u{feff}a: 1".as_bytes(), Path::new("x"), LIMIT);
        assert_eq!(read.unwrap(), "a: 1");
    }

    #[test]
    fn what_is_not_text_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, b"a: b\nc: \xffd\n").unwrap();
        let error = read(&file, LIMIT).unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::NotText(_)), "{error}");
        assert_eq!(error.place().unwrap().at, Some((2, 4)));
        let error = read(folder.path(), LIMIT).unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::Folder(_)), "{error}");
        let error = read(Path::new("/dev/zero"), LIMIT).unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::TooLarge { .. }), "{error}");
        fs::File::create(&file).unwrap().set_len(1 << 40).unwrap();
        let error = read_env(&file).unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::TooLarge { .. }), "{error}");
        assert_eq!(read_env(Path::new("/dev/null")).unwrap(), "");
    }

    #[test]
    fn a_pipe_is_read_when_somebody_writes_and_given_up_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let error = read(&pipe, LIMIT).unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::Read { .. }), "{error}");
        let writer = {
            let pipe = pipe.clone();
            thread::spawn(move || {
                sleep(Duration::from_millis(50));
                let mut pipe = OpenOptions::new().write(true).open(pipe).unwrap();
                sleep(Duration::from_millis(50));
                io::Write::write_all(&mut pipe, &vec![b'x'; 200_000]).unwrap();
            })
        };
        assert_eq!(read(&pipe, LIMIT).unwrap().len(), 200_000);
        writer.join().unwrap();
    }
}
