//! The records of fingerprints, a file of the cache folder for each fingerprint: written when an image gets its fingerprint,
//! and for one that is reused where it is missing. They only explain: any of them may go at any time.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs_err as fs;
use tokio::task::JoinHandle;

use crate::fingerprint::{Change, Fingerprinted, Record, RecordError, compare};
use crate::model::{Digest, labels};
use crate::plan::Observed;

/// So many are kept, the newest.
const KEPT: usize = 200;
/// And no more than so many bytes of them: one of 100,000 files takes some 12 MB.
const KEPT_BYTES: u64 = 256 << 20;

/// A plan reads one of so many bytes, some 8,000 files; `why` reads any.
const AT_ONCE: u64 = 1 << 20;

/// Why the record of a fingerprint cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unread {
    /// Nobody wrote it, or it made place for newer ones.
    #[error("it is not in the cache folder of this machine")]
    Absent,
    /// It is none.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Writes the records that are missing, beside whatever else is done. What is there is not opened.
pub(super) fn keep(
    cache: Option<&Path>,
    recipes: &BTreeMap<String, Fingerprinted>,
) -> Option<JoinHandle<()>> {
    let folder = folder(cache?);
    let mut missing = BTreeMap::new();
    for recipe in recipes.values() {
        if let Fingerprinted::Known(recipe) = recipe
            && recipe.unpinned.is_none()
            && !missing.contains_key(&recipe.full)
            && !folder.join(recipe.full.to_string()).exists()
        {
            missing.insert(recipe.full, recipe.clone());
        }
    }
    if missing.is_empty() {
        return None;
    }
    Some(tokio::task::spawn_blocking(move || {
        for (full, recipe) in missing {
            if let Err(error) = write(&folder, &full, &Record::of(&recipe).encode()) {
                tracing::debug!(%error, "what {} is made of is not kept", full.short());
            }
        }
        if let Err(error) = tidy(&folder, KEPT, KEPT_BYTES) {
            tracing::debug!(%error, "old records are not removed");
        }
    }))
}

/// Writes one that came from elsewhere.
pub(super) fn keep_bytes(cache: Option<&Path>, full: &Digest, bytes: &[u8]) {
    let Some(cache) = cache else {
        return;
    };
    if let Err(error) = write(&folder(cache), full, bytes) {
        tracing::debug!(%error, "what {} is made of is not kept", full.short());
    }
}

/// What an image's fingerprint was made of.
///
/// # Errors
/// It is not there, or is not what was written.
pub(super) fn read(cache: Option<&Path>, full: &Digest) -> Result<Record, Unread> {
    let file = folder(cache.ok_or(Unread::Absent)?).join(full.to_string());
    let bytes = fs::read(file).map_err(|_| Unread::Absent)?;
    Ok(Record::decode(&bytes, full)?)
}

/// For each service whose image is not on the engine: what changed first since its last one, where that is known.
pub(super) fn first_changes(
    cache: Option<&Path>,
    recipes: &BTreeMap<String, Fingerprinted>,
    last_image: impl Fn(&str) -> String,
    observed: &Observed,
) -> BTreeMap<String, Change> {
    let of_service = |(service, recipe): (&String, &Fingerprinted)| {
        let Fingerprinted::Known(recipe) = recipe else {
            return None;
        };
        let name = labels::image_name(&recipe.full);
        let is_there = observed.image_named(&name).is_some();
        if is_there || recipe.unpinned.is_some() {
            return None;
        }
        let last = observed.image_named(&last_image(service))?;
        let full: Digest = last.labels.get(labels::FINGERPRINT)?.parse().ok()?;
        // An image of somebody else's has the label of its base.
        if !last.is_for(labels::FINGERPRINT, &full, &labels::image_name(&full)) {
            return None;
        }
        let kept = fs::metadata(folder(cache?).join(full.to_string())).ok()?;
        if kept.len() > AT_ONCE {
            return None;
        }
        let before = read(cache, &full).ok()?;
        let mut changes = compare(&before, &Record::of(recipe)).into_iter();
        Some((service.clone(), changes.next()?))
    };
    recipes.iter().filter_map(of_service).collect()
}

fn folder(cache: &Path) -> PathBuf {
    cache.join("records")
}

/// Beside the file and renamed, so that nobody reads half of it, nor anybody else any of it.
fn write(folder: &Path, full: &Digest, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut beside = tempfile::NamedTempFile::new_in(folder)?;
    beside.write_all(bytes)?;
    beside.persist(folder.join(full.to_string()))?;
    Ok(())
}

/// Removes the oldest beyond so many, and beyond so many bytes.
fn tidy(folder: &Path, most: usize, most_bytes: u64) -> io::Result<()> {
    let mut all: BTreeSet<(SystemTime, PathBuf, u64)> = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // Another run may have removed it meanwhile.
        if let Ok(found) = entry.metadata() {
            all.insert((found.modified()?, entry.path(), found.len()));
        }
    }
    let (mut count, mut bytes) = (0, 0);
    for (_, file, size) in all.into_iter().rev() {
        (count, bytes) = (count + 1, bytes + size);
        // The newest is kept whatever its size.
        if count > most || bytes > most_bytes && count > 1 {
            let _ = fs::remove_file(file);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let names = || {
            let found = std::fs::read_dir(folder.path()).unwrap();
            found.count()
        };
        let digests: Vec<Digest> = (0..6_u8).map(|number| Digest::of(&[number])).collect();
        for digest in &digests {
            write(folder.path(), digest, b"0123456789").unwrap();
            std::thread::sleep(std::time::Duration::from_millis(15));
        }
        tidy(folder.path(), 4, 1000).unwrap();
        assert_eq!(names(), 4);
        assert!(folder.path().join(digests[5].to_string()).exists());
        assert!(!folder.path().join(digests[0].to_string()).exists());
        tidy(folder.path(), 4, 25).unwrap();
        assert_eq!(names(), 2);
        tidy(folder.path(), 4, 5).unwrap();
        assert_eq!(names(), 1);
        assert!(folder.path().join(digests[5].to_string()).exists());
    }

    #[test]
    fn what_is_not_there_is_absent() {
        let folder = tempfile::tempdir().unwrap();
        let full = Digest::of(b"x");
        for cache in [None, Some(folder.path())] {
            assert!(matches!(read(cache, &full), Err(Unread::Absent)));
        }
        write(&super::folder(folder.path()), &full, b"half").unwrap();
        let error = read(Some(folder.path()), &full).unwrap_err();
        assert_eq!(error.to_string(), "it is damaged");
    }
}
