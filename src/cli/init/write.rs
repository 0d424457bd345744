//! Writes a file that is not there, whole or not at all, and never over another one, whoever else writes at the same time.

use std::fs::Permissions;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::failure::Failure;

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It is new.
    New,
    /// There was one.
    Kept,
}

pub(super) fn write(path: &Path, text: &str) -> Result<Written, Failure> {
    match create(path, text) {
        Ok(()) => Ok(Written::New),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Written::Kept),
        Err(source) => Err(Failure::Unwritten {
            path: path.to_owned(),
            source,
        }),
    }
}

fn create(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut beside = tempfile::Builder::new()
        .prefix(".larder-init")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)?;
    beside.write_all(text.as_bytes())?;
    beside.persist_noclobber(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_at_once_one_writes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("Dockerfile");
        let texts: Vec<String> = (0..16)
            .map(|number| format!("{number}").repeat(9999))
            .collect();
        let new = std::thread::scope(|scope| {
            let written = texts
                .iter()
                .map(|text| scope.spawn(|| write(&path, text).unwrap()));
            let written: Vec<_> = written.collect();
            let written = written.into_iter().map(|own| own.join().unwrap());
            written.filter(|own| *own == Written::New).count()
        });
        assert_eq!(new, 1);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(texts.contains(&text));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_that_leads_nowhere_is_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("Dockerfile");
        std::os::unix::fs::symlink("nowhere", &path).unwrap();
        assert_eq!(write(&path, "x").unwrap(), Written::Kept);
    }
}
