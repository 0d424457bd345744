//! The key under which BuildKit keeps the files of a build until the next one, so that only what changed is sent again.
//! BuildKit takes a file of the same path, mode, size and time for the same one, and a folder of the same path whatever its
//! mode (tonistiigi/fsutil `diff_containerd.go`, `sameFile`; seen with engine 20.10). So what was sent under a key is
//! remembered, and a key under which that would be wrong is given up.
//! Must not know how files are sent.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::session::unique;
use crate::model::Digest;
use crate::remembered;

/// What nobody asked for in this time is forgotten; BuildKit itself forgets files sooner (buildkit `gcpolicy`).
const LIFETIME: Duration = Duration::from_hours(30 * 24);

/// Under how many memories of files a key is kept whatever the size of the build.
const MOST: usize = 10_000;

/// Files and folders by what BuildKit compares of them (its digest), each with what it does not: content, or mode.
pub(super) type Sent = BTreeMap<String, String>;

/// A key, and what was ever sent under it: which of it BuildKit has now is its own affair.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Memory {
    key: String,
    sent: Sent,
}

/// The key of one build.
#[derive(Debug)]
pub(super) struct SharedKey {
    memory: Memory,
    file: Option<PathBuf>,
}

impl SharedKey {
    /// The key of the last build of this kind, where BuildKit would take no file of `sent` for another one; otherwise a
    /// new one. It is taken out of `folder`: while a build has it no other one does, and a build that does not say
    /// how it ended does not give it back, since nobody knows what BuildKit has under it then.
    pub(super) fn take(folder: Option<&Path>, kind: &Digest, sent: Sent) -> Self {
        let file = folder.map(|folder| folder.join("sent").join(format!("{kind}.json")));
        let last = file.as_deref().and_then(take_out).unwrap_or_default();
        let same = |(seen, content): (&String, &String)| {
            last.sent.get(seen).is_none_or(|known| known == content)
        };
        let fits = last.sent.len() <= MOST.max(2 * sent.len());
        let memory = if !last.key.is_empty() && fits && sent.iter().all(same) {
            let mut memory = last;
            memory.sent.extend(sent);
            memory
        } else {
            let key = unique("files");
            Memory { key, sent }
        };
        Self { memory, file }
    }

    pub(super) fn name(&self) -> &str {
        &self.memory.key
    }

    /// Gives the key back: BuildKit has all files, and nothing else, under it.
    pub(super) fn keep(self) {
        let Some(file) = self.file else { return };
        if let Err(error) = remembered::write(&file, &self.memory) {
            tracing::debug!(%error, "the files of this build will be sent again");
        }
        forget_old(file.parent().unwrap_or(&file));
    }
}

/// Reads a file that is gone then, whoever else wants it.
fn take_out(file: &Path) -> Option<Memory> {
    let own = file.with_extension(unique("taken"));
    fs::rename(file, &own).ok()?;
    let memory = remembered::read(&own);
    // Nobody reads it under this name.
    let _ = fs::remove_file(&own);
    Some(memory)
}

fn forget_old(folder: &Path) {
    let now = SystemTime::now();
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_old = |entry: &fs::DirEntry| {
        let modified = entry.metadata().and_then(|found| found.modified());
        let age = modified.map(|modified| now.duration_since(modified).unwrap_or_default());
        age.is_ok_and(|age| age > LIFETIME)
    };
    for entry in entries.filter(is_old) {
        let _ = fs::remove_file(entry.path());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(files: &[(&str, &str)]) -> Sent {
        let files = files.iter();
        files
            .map(|(seen, content)| ((*seen).to_owned(), (*content).to_owned()))
            .collect()
    }

    fn take(folder: &Path, sent: &[(&str, &str)]) -> SharedKey {
        SharedKey::take(Some(folder), &Digest::of(b"api"), files(sent))
    }

    #[test]
    fn a_key_stays_until_buildkit_would_take_one_file_for_another() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let first = take(folder, &[("a at 1", "x"), ("b at 1", "y")]);
        let name = first.name().to_owned();
        first.keep();
        // Edited, removed, added: BuildKit sees it.
        let next = take(folder, &[("a at 2", "z"), ("c at 1", "y")]);
        assert_eq!(next.name(), name);
        next.keep();
        // Edited, and the time put back: BuildKit would not.
        let other = take(folder, &[("a at 2", "other")]);
        assert_ne!(other.name(), name);
        let name = other.name().to_owned();
        other.keep();
        let next = take(folder, &[]);
        assert_eq!(next.name(), name);
        next.keep();
        // Another content of a build before the last: BuildKit may still have it.
        assert_ne!(take(folder, &[("a at 2", "z")]).name(), name);
    }

    #[test]
    fn a_key_does_not_remember_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let many = |from: usize| {
            let sent = (from..from + MOST).map(|n| (n.to_string(), "x".to_owned()));
            SharedKey::take(Some(folder.path()), &Digest::of(b"api"), sent.collect())
        };
        let names: Vec<String> = (0..4)
            .map(|round| {
                let key = many(round * MOST);
                let name = key.name().to_owned();
                key.keep();
                name
            })
            .collect();
        assert!(names[0] == names[1] && names[1] == names[2], "{names:?}");
        assert_ne!(names[2], names[3]);
    }

    #[test]
    fn a_key_is_one_builds_until_it_is_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let first = take(folder, &[]);
        let name = first.name().to_owned();
        first.keep();
        let holds = take(folder, &[]);
        assert_eq!(holds.name(), name);
        assert_ne!(take(folder, &[]).name(), name, "another build has it");
        drop(holds);
        assert_ne!(take(folder, &[]).name(), name, "nobody said how that ended");
        let kind = Digest::of(b"web");
        let other = SharedKey::take(Some(folder), &kind, Sent::new());
        assert_ne!(other.name(), name);
        assert_ne!(
            SharedKey::take(None, &kind, Sent::new()).name(),
            other.name()
        );
    }

    #[test]
    fn what_is_broken_or_old_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let first = take(folder.path(), &[]);
        let (name, file) = (first.name().to_owned(), first.file.clone().unwrap());
        first.keep();
        fs::write(&file, "{half").unwrap();
        let next = take(folder.path(), &[]);
        assert_ne!(next.name(), name);
        next.keep();
        let old = SystemTime::now() - LIFETIME - Duration::from_secs(1);
        let stale = file.with_file_name("old.json");
        fs::write(&stale, "{}").unwrap();
        let opened = std::fs::File::options().write(true).open(&stale).unwrap();
        opened.set_modified(old).unwrap();
        take(folder.path(), &[]).keep();
        assert!(file.exists() && !stale.exists());
    }
}
