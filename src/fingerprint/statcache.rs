//! Which content a file had when it was last read, so that an unchanged file is not opened again: git's
//! index for contexts. A cache that is gone, foreign, broken or from another version costs time, nothing
//! else. It knows stat values and digests, not what they are for.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::model::Digest;

/// The first bytes of a cache file. Another layout gets another number.
const MAGIC: &[u8; 16] = b"larder-stat-v1\n\0";
/// Path hash, device, inode, size, mtime, ctime: 8 bytes each; then the digest.
const RECORD: usize = 6 * 8 + 32;
/// A file younger than this when it is read may change again without its times showing it: some file
/// systems count in two seconds (git, `racy-git.txt`).
const RACY_NANOS: i64 = 2_000_000_000;
/// Records of files that a run did not look at are kept up to this many, and four times what it looked at.
const KEPT_UNSEEN: usize = 20_000;

/// The stat values that tell a file from a changed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) dev: u64,
    pub(super) ino: u64,
    pub(super) size: u64,
    mtime: i64,
    ctime: i64,
}

impl Stat {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let nanos =
            |seconds: i64, nanos: i64| seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
        Self {
            dev: metadata.dev(),
            ino: metadata.ino(),
            size: metadata.size(),
            mtime: nanos(metadata.mtime(), metadata.mtime_nsec()),
            ctime: nanos(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// The stat cache of one machine's user or project; clones share it.
#[derive(Clone, Debug)]
pub struct StatCache(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: Option<PathBuf>,
    /// The records on disk, sorted by path hash, and which of them were looked at.
    old: Vec<u8>,
    seen: Vec<AtomicBool>,
    fresh: Mutex<HashMap<u64, (Stat, Digest)>>,
    draft: OnceLock<Option<Draft>>,
}

/// The file that becomes the next cache. Made before anything is read, its own time says what was young then:
/// the file system's clock, not ours.
#[derive(Debug)]
struct Draft {
    path: PathBuf,
    made: i64,
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Gone already when the cache was saved.
        let _ = fs::remove_file(&self.path);
    }
}

impl StatCache {
    /// The cache kept at `path`, or one that lives only as long as this process.
    pub fn open(path: Option<&Path>) -> Self {
        let old = path
            .and_then(|path| fs::read(path).ok())
            .and_then(records)
            .unwrap_or_default();
        let seen = (0..old.len() / RECORD)
            .map(|_| AtomicBool::new(false))
            .collect();
        Self(Arc::new(Inner {
            path: path.map(Path::to_owned),
            old,
            seen,
            fresh: Mutex::default(),
            draft: OnceLock::new(),
        }))
    }

    /// Writes what this run learned, when it learned anything: whole, beside the old file, and then in its
    /// place. A folder that cannot be written is no error.
    pub fn save(&self) -> io::Result<()> {
        let fresh = self.0.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(path), Some(Some(draft))) = (&self.0.path, self.0.draft.get()) else {
            return Ok(());
        };
        if fresh.is_empty() {
            return Ok(());
        }
        let mut all: Vec<[u8; RECORD]> = fresh
            .iter()
            .map(|(key, (stat, digest))| record(*key, stat, digest))
            .collect();
        let keep_unseen = {
            let seen = self
                .0
                .seen
                .iter()
                .filter(|seen| seen.load(Ordering::Relaxed))
                .count();
            self.0.seen.len() - seen <= KEPT_UNSEEN + 4 * (seen + fresh.len())
        };
        for (old, seen) in self.0.old.chunks_exact(RECORD).zip(&self.0.seen) {
            if !fresh.contains_key(&key_of(old)) && (keep_unseen || seen.load(Ordering::Relaxed)) {
                all.extend(<[u8; RECORD]>::try_from(old));
            }
        }
        all.sort_unstable();
        let mut bytes = MAGIC.to_vec();
        bytes.extend(all.as_flattened());
        let checksum = Digest::of(&bytes);
        bytes.extend(checksum.as_bytes());
        let mut file = File::create(&draft.path)?;
        file.write_all(&bytes)?;
        fs::rename(&draft.path, path)
    }

    /// The digest of the file at `path` below `root`, when it is known and the file has not changed since.
    pub(super) fn get(&self, root: &Path, path: &[u8], stat: &Stat) -> Option<Digest> {
        let key = key(root, path);
        if self.0.draft.get().is_some() {
            let fresh = self.0.fresh.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((known, digest)) = fresh.get(&key) {
                return (known == stat).then_some(*digest);
            }
        }
        let index = self.find(key)?;
        let record = &self.0.old[index * RECORD..][..RECORD];
        let (known, digest) = parse(record)?;
        self.0.seen[index].store(true, Ordering::Relaxed);
        (known == *stat).then_some(digest)
    }

    /// Called before a file is read whose digest `put` will be told.
    pub(super) fn about_to_read(&self) {
        let Some(path) = &self.0.path else { return };
        self.0.draft.get_or_init(|| Draft::beside(path).ok());
    }

    /// Remembers a digest, unless the file was too young to be told from a later change.
    pub(super) fn put(&self, root: &Path, path: &[u8], stat: Stat, digest: Digest) {
        let Some(Some(draft)) = self.0.draft.get() else {
            return;
        };
        if stat.mtime.max(stat.ctime).saturating_add(RACY_NANOS) < draft.made {
            let mut fresh = self.0.fresh.lock().unwrap_or_else(PoisonError::into_inner);
            fresh.insert(key(root, path), (stat, digest));
        }
    }

    /// The record of a path hash. The hashes are spread evenly, so a first guess is close.
    fn find(&self, key: u64) -> Option<usize> {
        let count = self.0.seen.len();
        let at = |index: usize| key_of(&self.0.old[index * RECORD..][..RECORD]);
        let guess = usize::try_from((u128::from(key) * count as u128) >> 64).ok()?;
        let (mut low, mut high) = (guess, guess);
        let mut step = 32;
        while low > 0 && at(low) >= key {
            low = low.saturating_sub(step);
            step *= 2;
        }
        step = 32;
        while high < count && at(high) <= key {
            high = (high + step).min(count);
            step *= 2;
        }
        while low < high {
            let middle = usize::midpoint(low, high);
            if at(middle) < key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (low < count && at(low) == key).then_some(low)
    }
}

impl Draft {
    fn beside(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let path = path.with_file_name(name);
        let made = Stat::of(&File::create(&path)?.metadata()?).mtime;
        Ok(Self { path, made })
    }
}

/// The records of a cache file that is whole and of this version.
fn records(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let body = bytes.len().checked_sub(32)?;
    let whole = Digest::of(&bytes[..body]).as_bytes() == &bytes[body..];
    if !whole || !bytes.starts_with(MAGIC) || !(body - MAGIC.len()).is_multiple_of(RECORD) {
        return None;
    }
    bytes.truncate(body);
    Some(bytes.split_off(MAGIC.len()))
}

/// Paths count by a hash: a collision needs equal stat values too before it says anything.
fn key(root: &Path, path: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(root.as_os_str().as_bytes());
    hasher.write(b"/");
    hasher.write(path);
    hasher.finish()
}

fn record(key: u64, stat: &Stat, digest: &Digest) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    let mtime = stat.mtime.to_be_bytes();
    let ctime = stat.ctime.to_be_bytes();
    let fields = [
        key.to_be_bytes(),
        stat.dev.to_be_bytes(),
        stat.ino.to_be_bytes(),
        stat.size.to_be_bytes(),
        mtime,
        ctime,
    ];
    record[..48].copy_from_slice(fields.as_flattened());
    record[48..].copy_from_slice(digest.as_bytes());
    record
}

fn parse(record: &[u8]) -> Option<(Stat, Digest)> {
    let field = |index: usize| record.get(index * 8..)?.first_chunk::<8>().copied();
    let stat = Stat {
        dev: u64::from_be_bytes(field(1)?),
        ino: u64::from_be_bytes(field(2)?),
        size: u64::from_be_bytes(field(3)?),
        mtime: i64::from_be_bytes(field(4)?),
        ctime: i64::from_be_bytes(field(5)?),
    };
    Some((
        stat,
        Digest::from_bytes(*record.get(48..)?.first_chunk::<32>()?),
    ))
}

fn key_of(record: &[u8]) -> u64 {
    record
        .first_chunk()
        .map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(number: u64) -> Stat {
        Stat {
            dev: 1,
            ino: number,
            size: number,
            mtime: 5,
            ctime: 6,
        }
    }

    fn saved(folder: &Path, count: u64) -> PathBuf {
        let path = folder.join("stat");
        let cache = StatCache::open(Some(&path));
        cache.about_to_read();
        for number in 0..count {
            cache.put(
                Path::new("/p"),
                number.to_string().as_bytes(),
                stat(number),
                Digest::of(&number.to_be_bytes()),
            );
        }
        cache.save().unwrap();
        path
    }

    #[test]
    fn what_was_saved_is_found_again_and_only_with_the_same_stat() {
        let folder = tempfile::tempdir().unwrap();
        let path = saved(folder.path(), 3_000);
        let cache = StatCache::open(Some(&path));
        for number in 0..3_000 {
            let get = |stat| cache.get(Path::new("/p"), number.to_string().as_bytes(), &stat);
            assert_eq!(get(stat(number)), Some(Digest::of(&number.to_be_bytes())));
            assert_eq!(get(stat(number + 1)), None);
        }
        assert_eq!(cache.get(Path::new("/p"), b"x", &stat(1)), None);
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "no draft is left"
        );
    }

    #[test]
    fn a_broken_foreign_or_future_file_is_an_empty_cache() {
        let folder = tempfile::tempdir().unwrap();
        let path = saved(folder.path(), 10);
        let good = fs::read(&path).unwrap();
        let known = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            StatCache::open(Some(&path))
                .get(Path::new("/p"), b"1", &stat(1))
                .is_some()
        };
        assert!(known(&good));
        for at in [0, 14, 16, 40, good.len() / 2, good.len() - 1] {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            assert!(!known(&bytes), "byte {at}");
        }
        for length in [0, 1, 31, 47, good.len() - 1, good.len() - RECORD] {
            assert!(!known(&good[..length]), "length {length}");
        }
        assert!(!known(&[good.clone(), good.clone()].concat()));
    }

    #[test]
    fn a_young_file_is_not_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stat");
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        let cache = StatCache::open(Some(&path));
        cache.about_to_read();
        let stat = Stat::of(&fs::metadata(&file).unwrap());
        cache.put(folder.path(), b"file", stat, Digest::of(b"x"));
        cache.save().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_run_that_learned_nothing_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = saved(folder.path(), 1);
        let before = Stat::of(&fs::metadata(&path).unwrap());
        let cache = StatCache::open(Some(&path));
        assert!(cache.get(Path::new("/p"), b"0", &stat(0)).is_some());
        cache.save().unwrap();
        assert_eq!(Stat::of(&fs::metadata(&path).unwrap()), before);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_no_error() {
        let cache = StatCache::open(Some(Path::new("/proc/larder/stat")));
        cache.about_to_read();
        cache.put(Path::new("/p"), b"1", stat(1), Digest::of(b""));
        cache.save().unwrap();
    }
}
