//! What registries said of base images that an engine does not have, kept for each engine in a file of the cache folder: as the
//! engine itself remembers what a tag meant when it pulled it. Once the engine has a base, that counts and nothing here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::docker::Docker;
use crate::failure::Failure;
use crate::fingerprint::{Base, BaseRef, Platform};
use crate::model::Digest;
use crate::remembered;

/// So many are kept for an engine.
const MOST: usize = 500;

/// Name, digest and platform → what a build gets from it.
type Kept = BTreeMap<String, Base>;

/// What is remembered, and what is to be.
#[derive(Default)]
pub(super) struct BaseMemory {
    file: Option<PathBuf>,
    kept: Kept,
    added: Kept,
    gone: BTreeSet<String>,
    used: BTreeSet<String>,
}

impl BaseMemory {
    /// Of an engine. It is not asked who it is where nothing is remembered of any, unless something `comes`.
    ///
    /// # Errors
    /// The engine does not answer.
    pub(super) async fn open(
        engine: &Docker,
        cache: Option<&Path>,
        comes: bool,
    ) -> Result<Self, Failure> {
        let folder = cache.map(|cache| cache.join("bases"));
        let Some(folder) = folder.filter(|own| comes || own.is_dir()) else {
            return Ok(Self::default());
        };
        let name = Digest::of(engine.identity().await?.as_bytes()).to_string();
        let file = folder.join(name);
        Ok(Self {
            kept: remembered::read(&file),
            file: Some(file),
            ..Self::default()
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// What was said of a base. One that is locked is that, or it is not known.
    pub(super) fn get(&mut self, base: &BaseRef, native: &Platform) -> Option<Base> {
        let key = key(base, native);
        let found = self.added.get(&key).or_else(|| self.kept.get(&key))?;
        let locked = base.wanted().digest;
        if locked.is_some_and(|locked| locked != found.identity) {
            return None;
        }
        let found = found.clone();
        self.used.insert(key);
        Some(found)
    }

    pub(super) fn add(&mut self, base: &BaseRef, native: &Platform, said: Base) {
        self.add_under(key(base, native), said);
    }

    /// Takes in what was said elsewhere, under the key that it had there.
    pub(super) fn add_under(&mut self, key: String, said: Base) {
        self.used.insert(key.clone());
        self.gone.remove(&key);
        self.added.insert(key, said);
    }

    /// The engine has it.
    pub(super) fn forget(&mut self, base: &BaseRef, native: &Platform) {
        let key = key(base, native);
        self.added.remove(&key);
        self.gone.insert(key);
    }

    /// Keeps it, over what others kept meanwhile. Where that fails, bases are asked for again.
    pub(super) fn save(&self) {
        let Some(file) = &self.file else {
            return;
        };
        let before: Kept = remembered::read(file);
        let mut now = before.clone();
        now.retain(|key, _| !self.gone.contains(key));
        now.extend(self.added.clone());
        if now.len() > MOST {
            now.retain(|key, _| self.used.contains(key));
        }
        if now != before
            && let Err(error) = remembered::write(file, &now)
        {
            tracing::debug!(%error, "what registries said of base images is not remembered");
        }
    }
}

/// What a base is remembered by.
pub(super) fn key(base: &BaseRef, native: &Platform) -> String {
    let platform = base.platform.as_ref().unwrap_or(native);
    format!("{} {platform}", base.wanted().canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(locked: Option<&str>) -> BaseRef {
        BaseRef {
            image: "python:3".parse().unwrap(),
            platform: None,
            locked: locked.map(str::to_owned),
        }
    }

    fn said(digit: char) -> Base {
        Base {
            identity: format!("sha256:{}", digit.to_string().repeat(64)),
            onbuild: Vec::new(),
            env: Vec::new(),
            working_dir: String::new(),
            volumes: Vec::new(),
        }
    }

    #[test]
    fn what_the_engine_has_is_forgotten_and_what_others_kept_meanwhile_stays() {
        let folder = tempfile::tempdir().unwrap();
        let open = || BaseMemory {
            file: Some(folder.path().join("engine")),
            kept: remembered::read(&folder.path().join("engine")),
            ..BaseMemory::default()
        };
        let native = Platform::parse("linux/amd64");
        let mut one = open();
        let mut other = open();
        one.add(&base(None), &native, said('1'));
        one.save();
        other.add_under("redis linux/amd64".to_owned(), said('2'));
        other.save();
        let mut now = open();
        assert_eq!(now.get(&base(None), &native), Some(said('1')));
        now.forget(&base(None), &native);
        now.save();
        let mut now = open();
        assert_eq!(now.get(&base(None), &native), None);
        assert_eq!(now.kept.len(), 1);
    }

    #[test]
    fn a_locked_base_is_what_the_lock_says() {
        let native = Platform::parse("linux/amd64");
        let locked = said('1').identity;
        let own = base(Some(&locked));
        let mut memory = BaseMemory::default();
        memory.add(&own, &native, said('2'));
        assert_eq!(memory.get(&own, &native), None);
        memory.add(&own, &native, said('1'));
        assert_eq!(memory.get(&own, &native), Some(said('1')));
    }
}
