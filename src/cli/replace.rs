//! Files that commands write: all at once, or not at all.

use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Writes beside a file and renames, so that nobody ever reads half of it. What a link leads to is written. A new file has
/// these permissions, less those that the umask takes.
pub(super) fn replace(file: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let (mut beside, file) = beside(file, mode)?;
    beside.write_all(bytes)?;
    beside.persist(file)?;
    Ok(())
}

/// A file beside another one, that is to be renamed once all is in it; with the path that it gets then.
pub(super) fn beside(file: &Path, mode: u32) -> io::Result<(NamedTempFile, PathBuf)> {
    let there = std::fs::canonicalize(file).ok();
    let file = there.as_deref().unwrap_or(file);
    let permissions = match std::fs::metadata(file) {
        Ok(found) => found.permissions(),
        Err(_) => std::fs::Permissions::from_mode(mode),
    };
    let folder = file.parent().unwrap_or(Path::new("."));
    let beside = tempfile::Builder::new()
        .prefix(file.file_name().unwrap_or_default())
        .permissions(permissions)
        .tempfile_in(folder)?;
    Ok((beside, file.to_owned()))
}
