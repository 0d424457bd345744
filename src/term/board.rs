//! The steps that are under way, so that whoever shows them need not keep count. Knows no stream.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::plan::{Step, StepId};

/// A step under way.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) step: Step,
    pub(super) since: Instant,
    /// What it said last about itself.
    pub(super) doing: Option<String>,
}

impl Running {
    pub(super) fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }
}

/// All steps under way.
#[derive(Debug, Default)]
pub(super) struct Board(BTreeMap<StepId, Running>);

impl Board {
    pub(super) fn start(&mut self, step: Step) {
        let running = Running {
            since: Instant::now(),
            doing: None,
            step,
        };
        self.0.insert(running.step.id, running);
    }

    pub(super) fn get(&self, id: StepId) -> Option<&Running> {
        self.0.get(&id)
    }

    /// Notes what a step is doing; whether that is news.
    pub(super) fn doing(&mut self, id: StepId, doing: &str) -> bool {
        let Some(running) = self.0.get_mut(&id) else {
            return false;
        };
        let news = running.doing.as_deref() != Some(doing);
        running.doing = Some(doing.to_owned());
        news
    }

    pub(super) fn end(&mut self, id: StepId) -> Option<Running> {
        self.0.remove(&id)
    }

    /// The steps under way, the one that began first in front.
    pub(super) fn running(&self) -> Vec<&Running> {
        let mut running: Vec<&Running> = self.0.values().collect();
        running.sort_by_key(|running| running.since);
        running
    }
}
