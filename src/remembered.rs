//! What is remembered from run to run, each kind in a small JSON file of the cache folder. One that is broken or cannot be
//! read is as good as none. Knows nothing of what it keeps.

use std::io::{self, Write};
use std::path::Path;

use fs_err as fs;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a file holds; nothing where it cannot be read.
pub(crate) fn read<T: DeserializeOwned + Default>(file: &Path) -> T {
    let text = fs::read(file).ok();
    text.and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default()
}

/// Writes beside the file and renames, so that nobody ever reads half of it. Makes its folder where there is none.
///
/// # Errors
/// The folder cannot be written.
pub(crate) fn write<T: Serialize>(file: &Path, kept: &T) -> io::Result<()> {
    fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
    let beside = file.with_extension(format!("{}.tmp", std::process::id()));
    let mut out = fs::File::create(&beside)?;
    out.write_all(&serde_json::to_vec(kept)?)?;
    fs::rename(&beside, file)
}
