//! Which content a file had when it was last read, so that an unchanged file is not opened again: git's
//! index for contexts. A cache that is gone, foreign, broken or from another version costs time, nothing
//! else. It knows stat values and digests, not what they are for.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::beneath::split;
use crate::model::Digest;

/// The first bytes of a cache file. Another layout gets another number.
const MAGIC: &[u8; 16] = b"larder-stat-v2\n\0";
/// Path hash, device, inode, size, mtime, ctime: 8 bytes each; the digest; and a checksum of all that.
const RECORD: usize = 6 * 8 + 32 + 8;
/// A file younger than this when it is read may change again without its times showing it: some file
/// systems count in two seconds (git, `racy-git.txt`).
const RACY_NANOS: i64 = 2_000_000_000;
/// Records of files that a run did not look at are kept up to this many, and four times what it looked at.
const KEPT_UNSEEN: usize = 20_000;
/// This many cache files are kept beside each other, the latest written.
const KEPT_FILES: usize = 50;

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
    pub(super) fn of(found: &rustix::fs::Stat) -> Self {
        let nanos = |seconds: i64, nanos: u64| {
            let seconds = seconds.saturating_mul(1_000_000_000);
            seconds.saturating_add_unsigned(nanos)
        };
        Self {
            dev: found.st_dev,
            ino: found.st_ino,
            size: found.st_size.cast_unsigned(),
            mtime: nanos(found.st_mtime, found.st_mtime_nsec),
            ctime: nanos(found.st_ctime, found.st_ctime_nsec),
        }
    }
}

/// The stat cache of one project; its contexts share it.
#[derive(Clone, Debug)]
pub struct StatCache(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: Option<PathBuf>,
    old: Records,
    fresh: Mutex<Fresh>,
    /// The path hashes that were asked for, in the order of the asking.
    asked: Mutex<Vec<Vec<u64>>>,
    draft: OnceLock<Option<Draft>>,
}

/// What this run read, and whether it is written.
#[derive(Debug, Default)]
struct Fresh {
    known: HashMap<u64, (Stat, Digest)>,
    saved: bool,
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
            .and_then(Records::of)
            .unwrap_or_default();
        Self(Arc::new(Inner {
            path: path.map(Path::to_owned),
            old,
            fresh: Mutex::default(),
            asked: Mutex::default(),
            draft: OnceLock::new(),
        }))
    }

    /// Writes what this run learned, when it learned anything: whole, beside the old file, and then in its
    /// place. A folder that cannot be written is no error.
    pub fn save(&self) -> io::Result<()> {
        let mut fresh = self.fresh();
        let (Some(path), Some(Some(draft))) = (&self.0.path, self.0.draft.get()) else {
            return Ok(());
        };
        if fresh.known.is_empty() || fresh.saved {
            return Ok(());
        }
        let mut file = File::create(&draft.path)?;
        file.write_all(&self.merged(&fresh.known))?;
        fs::rename(&draft.path, path)?;
        fresh.saved = true;
        forget_oldest(path)
    }

    /// The next cache: what this run asked for in the order in which the next one will ask, then what it read otherwise,
    /// then the rest of the old one.
    fn merged(&self, fresh: &HashMap<u64, (Stat, Digest)>) -> Vec<u8> {
        let old = &self.0.old;
        let asked = self.0.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let mut written = HashSet::with_capacity(fresh.len());
        let mut bytes = MAGIC.to_vec();
        let mut write = |key: u64| match fresh.get(&key) {
            _ if !written.insert(key) => {}
            Some((stat, digest)) => bytes.extend(record(key, stat, digest)),
            None => bytes.extend(old.find(key).map_or(&[][..], |at| old.at(at))),
        };
        asked.iter().flatten().copied().for_each(&mut write);
        fresh.keys().copied().for_each(&mut write);
        let looked_at = written.len();
        let rest = (0..old.count()).map(|at| old.at(at));
        let rest = rest.filter(|record| !written.contains(&key_of(record)));
        if rest.clone().count() <= KEPT_UNSEEN + 4 * looked_at {
            bytes.extend(rest.flatten());
        }
        bytes
    }

    /// What is known of the files right in one folder below `root`.
    pub(super) fn folder(&self, root: &Path, path: &[u8]) -> Known<'_> {
        let mut hasher = DefaultHasher::new();
        hasher.write(root.as_os_str().as_bytes());
        hasher.write(b"/");
        if !path.is_empty() {
            hasher.write(path);
            hasher.write(b"/");
        }
        Known {
            cache: self,
            hasher,
            has_read: self.0.draft.get().is_some(),
            next: 0,
            asked: Vec::new(),
        }
    }

    /// The digest of the file at `path` below `root`, when it is known and the file has not changed since.
    pub(super) fn get(&self, root: &Path, path: &[u8], stat: &Stat) -> Option<Digest> {
        let (folder, name) = split(path);
        self.folder(root, folder).get(name, stat)
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
            let (folder, name) = split(path);
            let key = self.folder(root, folder).key(name);
            let mut fresh = self.fresh();
            fresh.known.insert(key, (stat, digest));
            fresh.saved = false;
        }
    }

    fn fresh(&self) -> MutexGuard<'_, Fresh> {
        self.0.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of the files of one folder. Asked in the same order as last time, it finds each behind the one before.
pub(super) struct Known<'a> {
    cache: &'a StatCache,
    /// Behind the folder's path.
    hasher: DefaultHasher,
    /// Whether this run may have read files.
    has_read: bool,
    /// The record behind the one that was found last.
    next: usize,
    asked: Vec<u64>,
}

impl Known<'_> {
    /// The digest of a file, when it is known and the file has not changed since.
    pub(super) fn get(&mut self, name: &[u8], stat: &Stat) -> Option<Digest> {
        let key = self.key(name);
        self.asked.push(key);
        if self.has_read
            && let Some((known, digest)) = self.cache.fresh().known.get(&key)
        {
            return (known == stat).then_some(*digest);
        }
        let old = &self.cache.0.old;
        let at = if self.next < old.count() && key_of(old.at(self.next)) == key {
            self.next
        } else {
            old.find(key)?
        };
        self.next = at + 1;
        let (known, digest) = parse(old.at(at))?;
        (known == *stat).then_some(digest)
    }

    /// Paths count by a hash: a collision needs equal stat values too before it says anything.
    fn key(&self, name: &[u8]) -> u64 {
        let mut hasher = self.hasher.clone();
        hasher.write(name);
        hasher.finish()
    }
}

impl Drop for Known<'_> {
    fn drop(&mut self) {
        let asked = std::mem::take(&mut self.asked);
        if !asked.is_empty() {
            let all = self.cache.0.asked.lock();
            all.unwrap_or_else(PoisonError::into_inner).push(asked);
        }
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
        let made = Stat::of(&rustix::fs::fstat(File::create(&path)?)?).mtime;
        Ok(Self { path, made })
    }
}

/// The records of a cache file.
#[derive(Debug, Default)]
struct Records {
    bytes: Vec<u8>,
    /// Numbers of records, from 1, in the slot that the path hash says or the next free one; 0 is free. A power of two.
    slots: Vec<u32>,
}

impl Records {
    /// Of a file of this version. Records that are broken are found out one by one, when they are looked at.
    fn of(bytes: Vec<u8>) -> Option<Self> {
        let length = bytes.len().checked_sub(MAGIC.len())?;
        if !bytes.starts_with(MAGIC) || !length.is_multiple_of(RECORD) {
            return None;
        }
        let slots = vec![0; (length / RECORD * 2 + 1).next_power_of_two()];
        let mut records = Self { bytes, slots };
        for at in 0..records.count() {
            let slot = records.slot(key_of(records.at(at)))?;
            if records.slots[slot] != 0 {
                // One path has one record.
                return None;
            }
            records.slots[slot] = u32::try_from(at + 1).ok()?;
        }
        Some(records)
    }

    fn count(&self) -> usize {
        self.bytes.len().saturating_sub(MAGIC.len()) / RECORD
    }

    fn at(&self, index: usize) -> &[u8] {
        &self.bytes[MAGIC.len() + index * RECORD..][..RECORD]
    }

    /// The slot of a path hash, or the free one for it.
    fn slot(&self, key: u64) -> Option<usize> {
        let start = usize::try_from(key).unwrap_or(0) & self.slots.len().checked_sub(1)?;
        let mut slots = (start..self.slots.len()).chain(0..start);
        slots.find(|slot| {
            let number = self.slots[*slot] as usize;
            number == 0 || key_of(self.at(number - 1)) == key
        })
    }

    fn find(&self, key: u64) -> Option<usize> {
        (self.slots[self.slot(key)?] as usize).checked_sub(1)
    }
}

/// Removes the cache files of the projects that nothing was learned of for longest.
fn forget_oldest(path: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path.parent().unwrap_or(Path::new(".")))? {
        let entry = entry?;
        files.push((entry.metadata()?.modified()?, entry.path()));
    }
    files.sort_unstable();
    let surplus = files.len().saturating_sub(KEPT_FILES);
    files
        .iter()
        .take(surplus)
        .try_for_each(|(_, file)| fs::remove_file(file))
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
    record[48..80].copy_from_slice(digest.as_bytes());
    let checksum = checksum(&record[..80]);
    record[80..].copy_from_slice(&checksum);
    record
}

/// What a record says; `None` when it is broken.
fn parse(record: &[u8]) -> Option<(Stat, Digest)> {
    let field = |index: usize| record.get(index * 8..)?.first_chunk::<8>().copied();
    if checksum(record.get(..80)?) != field(10)? {
        return None;
    }
    let stat = Stat {
        dev: u64::from_be_bytes(field(1)?),
        ino: u64::from_be_bytes(field(2)?),
        size: u64::from_be_bytes(field(3)?),
        mtime: i64::from_be_bytes(field(4)?),
        ctime: i64::from_be_bytes(field(5)?),
    };
    let digest = record.get(48..)?.first_chunk::<32>()?;
    Some((stat, Digest::from_bytes(*digest)))
}

fn checksum(bytes: &[u8]) -> [u8; 8] {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish().to_be_bytes()
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

    /// What a cache file of these bytes knows of the ten files of `saved`; all of it has to be right.
    fn known_of(path: &Path, bytes: &[u8]) -> usize {
        fs::write(path, bytes).unwrap();
        let cache = StatCache::open(Some(path));
        let known = (0..10_u64).filter(|number| {
            let name = number.to_string();
            let digest = cache.get(Path::new("/p"), name.as_bytes(), &stat(*number));
            digest.is_some_and(|digest| {
                assert_eq!(digest, Digest::of(&number.to_be_bytes()));
                true
            })
        });
        known.count()
    }

    #[test]
    fn a_foreign_or_future_file_is_an_empty_cache() {
        let folder = tempfile::tempdir().unwrap();
        let path = saved(folder.path(), 10);
        let good = fs::read(&path).unwrap();
        assert_eq!(known_of(&path, &good), 10);
        let future = [&b"larder-stat-v3\n\0"[..], &good[16..]].concat();
        let twice = [&good[..], &good[16..]].concat();
        let zeros = [&good[..16], &vec![0; 100_000 * RECORD]].concat();
        for bytes in [&future, &twice, &zeros, &[][..].to_vec(), &b"{}".to_vec()] {
            assert_eq!(known_of(&path, bytes), 0);
        }
    }

    #[test]
    fn a_broken_file_never_gives_a_wrong_digest() {
        let folder = tempfile::tempdir().unwrap();
        let path = saved(folder.path(), 10);
        let good = fs::read(&path).unwrap();
        for length in 0..good.len() {
            let whole = length >= 16 && (length - 16).is_multiple_of(RECORD);
            let known = if whole { (length - 16) / RECORD } else { 0 };
            assert_eq!(known_of(&path, &good[..length]), known, "length {length}");
        }
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let known = if bit < 16 * 8 { 0 } else { 9 };
            assert_eq!(known_of(&path, &bytes), known, "bit {bit}");
        }
    }

    #[test]
    fn files_are_found_in_any_order_and_stay_in_that_of_the_last_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = saved(folder.path(), 100);
        let ask = |numbers: &[u64]| {
            let cache = StatCache::open(Some(&path));
            let mut known = cache.folder(Path::new("/p"), b"");
            for number in numbers {
                let found = known.get(number.to_string().as_bytes(), &stat(*number));
                let expected = Digest::of(&number.to_be_bytes());
                assert_eq!(found, Some(expected).filter(|_| *number < 100), "{number}");
            }
            drop(known);
            cache
        };
        let orders: [Vec<u64>; 3] = [
            (0..100).rev().collect(),
            (0..100).map(|number| number * 37 % 100).collect(),
            [&[100, 3, 200, 4, 4], &(50..100).collect::<Vec<_>>()[..]].concat(),
        ];
        for order in orders {
            let cache = ask(&order);
            cache.about_to_read();
            cache.put(Path::new("/q"), b"new", stat(1), Digest::of(b"new"));
            cache.save().unwrap();
            let records = Records::of(fs::read(&path).unwrap()).unwrap();
            assert_eq!(records.count(), 101, "none is lost and none is there twice");
            let name = |at| {
                (0..100).find(|n: &u64| {
                    let known = cache.folder(Path::new("/p"), b"");
                    known.key(n.to_string().as_bytes()) == key_of(records.at(at))
                })
            };
            let mut wanted: Vec<u64> = order.into_iter().filter(|n| *n < 100).collect();
            wanted.dedup();
            let kept: Vec<u64> = (0..wanted.len()).filter_map(name).collect();
            assert_eq!(kept, wanted);
        }
    }

    #[test]
    fn only_the_latest_files_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..KEPT_FILES + 5 {
            let path = folder.path().join(number.to_string());
            let cache = StatCache::open(Some(&path));
            cache.about_to_read();
            cache.put(Path::new("/p"), b"1", stat(1), Digest::of(b""));
            cache.save().unwrap();
            assert!(path.exists());
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), KEPT_FILES);
    }

    #[test]
    fn a_young_file_is_not_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stat");
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        let cache = StatCache::open(Some(&path));
        cache.about_to_read();
        let stat = Stat::of(&rustix::fs::stat(&file).unwrap());
        cache.put(folder.path(), b"file", stat, Digest::of(b"x"));
        cache.save().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_run_that_learned_nothing_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = saved(folder.path(), 1);
        let stat_of = |path: &Path| Stat::of(&rustix::fs::stat(path).unwrap());
        let before = stat_of(&path);
        let cache = StatCache::open(Some(&path));
        assert!(cache.get(Path::new("/p"), b"0", &stat(0)).is_some());
        cache.save().unwrap();
        assert_eq!(stat_of(&path), before);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_no_error() {
        let cache = StatCache::open(Some(Path::new("/proc/larder/stat")));
        cache.about_to_read();
        cache.put(Path::new("/p"), b"1", stat(1), Digest::of(b""));
        cache.save().unwrap();
    }
}
