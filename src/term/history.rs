//! How long each kind of step took last time, in a small file of the cache folder. It only tells a person
//! what to expect: one that is broken or cannot be written is as good as none.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use super::phrase;
use crate::plan::Step;
use crate::remembered;

/// More entries than this are not kept: the file would outgrow its use.
const MOST: usize = 4096;

/// Durations by project, service and kind of step, in milliseconds.
type Durations = BTreeMap<String, u64>;

/// How long steps took last time.
#[derive(Debug)]
pub struct History {
    file: Option<PathBuf>,
    project: String,
    last: Durations,
    new: Mutex<Durations>,
}

impl History {
    /// Reads what is remembered of a project; nothing where there is no folder for it.
    pub fn open(folder: Option<&Path>, project: &str) -> Self {
        let file = folder.map(|folder| folder.join("durations.json"));
        Self {
            last: file.as_deref().map(remembered::read).unwrap_or_default(),
            file,
            project: project.to_owned(),
            new: Mutex::default(),
        }
    }

    /// How long a step of this kind took for its service last time.
    pub(super) fn last(&self, step: &Step) -> Option<Duration> {
        self.last
            .get(&self.key(step))
            .copied()
            .map(Duration::from_millis)
    }

    /// Notes how long a step took.
    pub(super) fn record(&self, step: &Step, took: Duration) {
        if !phrase::is_slow(&step.action) {
            return;
        }
        if let Ok(mut new) = self.new.lock() {
            let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            new.insert(self.key(step), millis);
        }
    }

    /// Writes what was noted, beside what another run wrote meanwhile.
    pub fn save(&self) {
        let Ok(mut new) = self.new.lock() else { return };
        let Some(file) = self.file.as_deref().filter(|_| !new.is_empty()) else {
            return;
        };
        let mut all: Durations = remembered::read(file);
        if all.len() + new.len() > MOST {
            all.clear();
        }
        all.append(&mut new);
        if let Err(error) = remembered::write(file, &all) {
            tracing::debug!(%error, "the durations of this run are not remembered");
        }
    }

    fn key(&self, step: &Step) -> String {
        let kind = phrase::kind(&step.action);
        format!("{}/{}/{kind}", self.project, phrase::subject(step))
    }
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::*;
    use crate::plan::{Action, ContainerSource, Readiness, StepId};

    fn wait() -> Step {
        Step {
            id: StepId(0),
            service: Some("db".to_owned()),
            action: Action::Wait {
                container: ContainerSource::Id("c".to_owned()),
                until: Readiness::Healthy,
            },
            cause: String::new(),
            after: Vec::new(),
            settled: Vec::new(),
        }
    }

    #[test]
    fn what_took_long_is_known_next_time() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("not/yet/there");
        let first = History::open(Some(&cache), "hub");
        assert_eq!(first.last(&wait()), None);
        first.record(&wait(), Duration::from_millis(4100));
        first.save();
        let second = History::open(Some(&cache), "hub");
        assert_eq!(second.last(&wait()), Some(Duration::from_millis(4100)));
        assert_eq!(History::open(Some(&cache), "other").last(&wait()), None);
    }

    #[test]
    fn a_broken_file_is_as_good_as_none_and_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("durations.json"), "{\"a\": tru").unwrap();
        let history = History::open(Some(folder.path()), "hub");
        assert_eq!(history.last(&wait()), None);
        history.record(&wait(), Duration::from_secs(1));
        history.save();
        assert!(
            History::open(Some(folder.path()), "hub")
                .last(&wait())
                .is_some()
        );
    }

    #[test]
    fn nowhere_to_write_is_no_failure() {
        let history = History::open(Some(Path::new("/proc/larder")), "hub");
        history.record(&wait(), Duration::from_secs(1));
        history.save();
    }
}
