//! Health checks that passed when larder ran them, kept for a minute in a file of the cache folder: the engine's first
//! probe comes only one `interval` after a start, and a second `up` in between need not ask again what nobody knows
//! better. A proof says what the engine's own "healthy" says, no more: that the newest probe passed. The file may go
//! at any time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};

use crate::docker::{Docker, since_epoch};
use crate::plan::{Container, Health, State};
use crate::remembered;
use crate::runtime::{Engine, EngineError, Proof};

/// An older proof is none: the health check is run again.
const LIFETIME: Duration = Duration::from_mins(1);

/// Container → its proof.
type Kept = BTreeMap<String, Entry>;

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    /// When the container was started, in the engine's words.
    started: String,
    /// When its health check passed, seconds since 1970 by this machine's clock.
    at: u64,
}

/// Keeps proofs for the next run, beside those of other projects.
pub(super) fn keep(cache: Option<&Path>, proofs: &[Proof]) {
    let Some(file) = file(cache).filter(|_| !proofs.is_empty()) else {
        return;
    };
    let mut all = read(&file);
    let at = since_epoch().as_secs();
    all.extend(proofs.iter().map(|proof| {
        let started = proof.started.clone();
        (proof.container.clone(), Entry { started, at })
    }));
    if let Err(error) = remembered::write(&file, &all) {
        tracing::debug!(%error, "the health checks of this run are not remembered");
    }
}

/// Takes containers for healthy of which the engine does not know it yet, where a proof still holds.
///
/// # Errors
/// The engine does not answer.
pub(super) async fn recall(
    cache: Option<&Path>,
    engine: &Docker,
    containers: &mut [Container],
) -> Result<(), EngineError> {
    let starting = |container: &&mut Container| container.state == State::Running(Health::Starting);
    let starting: Vec<&mut Container> = containers.iter_mut().filter(starting).collect();
    if starting.is_empty() {
        return Ok(());
    }
    let kept = file(cache).map(|file| read(&file)).unwrap_or_default();
    let proven = starting.into_iter().filter_map(|container| {
        let started = kept.get(&container.id)?.started.clone();
        let proof = Proof {
            container: container.id.clone(),
            started,
        };
        Some((container, proof))
    });
    let looks = proven.map(async |(container, proof)| {
        let condition = engine.inspect(&proof.container).await?;
        // Its first probe may have come since the look.
        let is_healthy = condition.running && condition.health == Some(Health::Healthy);
        if proof.holds(&condition) || is_healthy {
            container.state = State::Running(Health::Healthy);
        }
        Ok::<_, EngineError>(())
    });
    try_join_all(looks).await.map(drop)
}

fn file(cache: Option<&Path>) -> Option<PathBuf> {
    Some(cache?.join("probes.json"))
}

/// The proofs that are young enough; none from a clock that was ahead.
fn read(file: &Path) -> Kept {
    let mut kept: Kept = remembered::read(file);
    let now = since_epoch().as_secs();
    kept.retain(|_, entry| {
        let age = now.checked_sub(entry.at);
        age.is_some_and(|age| age <= LIFETIME.as_secs())
    });
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_kept_for_a_minute() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Some(folder.path());
        let proof = |container: &str| Proof {
            container: container.to_owned(),
            started: "then".to_owned(),
        };
        keep(cache, &[proof("a")]);
        keep(cache, &[proof("b")]);
        keep(None, &[proof("c")]);
        let file = file(cache).unwrap();
        assert_eq!(read(&file).keys().collect::<Vec<_>>(), ["a", "b"]);
        let now = since_epoch().as_secs();
        for (at, kept) in [(now - 61, 0), (now + 60, 0), (now - 30, 1)] {
            let entry = Entry {
                started: "then".to_owned(),
                at,
            };
            remembered::write(&file, &Kept::from([("a".to_owned(), entry)])).unwrap();
            assert_eq!(read(&file).len(), kept, "{at}");
        }
        std::fs::write(&file, "{half").unwrap();
        assert!(read(&file).is_empty());
    }
}
