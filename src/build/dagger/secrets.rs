//! Which secrets the builds of a session use. Dagger knows a secret by its name alone, and takes the last content that it was given
//! for it: builds whose secrets have one name and not one content wait for each other. Must not know what is built.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::model::Digest;

/// The secrets in use: name → content, and by how many builds.
#[derive(Default)]
pub(super) struct InUse {
    all: Mutex<BTreeMap<String, (Digest, usize)>>,
    freed: Notify,
}

impl InUse {
    /// Waits until nobody uses one of these names for another content.
    pub(super) async fn take(&self, secrets: &BTreeMap<String, Vec<u8>>) -> Taken<'_> {
        let digests = secrets.iter();
        let wanted: BTreeMap<String, Digest> = digests
            .map(|(name, content)| (name.clone(), Digest::of(content)))
            .collect();
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            freed.as_mut().enable();
            if self.try_take(&wanted) {
                let names = wanted.into_keys().collect();
                return Taken { of: self, names };
            }
            freed.await;
        }
    }

    fn try_take(&self, wanted: &BTreeMap<String, Digest>) -> bool {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let free = |(name, digest): (&String, &Digest)| {
            let own = all.get(name);
            own.is_none_or(|(other, _)| other == digest)
        };
        if !wanted.iter().all(free) {
            return false;
        }
        for (name, digest) in wanted {
            all.entry(name.clone()).or_insert((*digest, 0)).1 += 1;
        }
        true
    }
}

/// Names that mean one content until this is dropped.
pub(super) struct Taken<'a> {
    of: &'a InUse,
    names: Vec<String>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut all = self.of.all.lock().unwrap_or_else(PoisonError::into_inner);
        for name in &self.names {
            if let Some((_, users)) = all.get_mut(name) {
                *users -= 1;
                if *users == 0 {
                    all.remove(name);
                }
            }
        }
        drop(all);
        self.of.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(all: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
        let all = all.iter();
        all.map(|(name, content)| ((*name).to_owned(), content.as_bytes().to_vec()))
            .collect()
    }

    #[tokio::test]
    async fn a_name_means_one_content_at_a_time() {
        let in_use = InUse::default();
        let one = in_use.take(&secrets(&[("a", "1"), ("b", "1")])).await;
        let same = in_use.take(&secrets(&[("a", "1")])).await;
        let wanted = secrets(&[("a", "2"), ("c", "1")]);
        let mut other = std::pin::pin!(in_use.take(&wanted));
        let mut waits = async || {
            let soon = std::time::Duration::from_millis(20);
            tokio::time::timeout(soon, other.as_mut()).await.is_err()
        };
        assert!(waits().await);
        drop(one);
        assert!(waits().await);
        drop(same);
        assert!(!waits().await);
        assert!(in_use.all.lock().unwrap().is_empty());
    }
}
