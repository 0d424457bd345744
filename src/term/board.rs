//! How far each step of a plan is, so that whoever shows it need not keep count. Knows no stream.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::phrase;
use crate::plan::{Step, StepId};

/// A step and how far it is.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) step: Step,
    pub(super) state: State,
}

/// How far a step is.
#[derive(Clone, Debug)]
pub(super) enum State {
    Open,
    Running(Running),
    Ended {
        how: Ending,
        /// `None` for a step that never began.
        since: Option<Instant>,
        at: Instant,
    },
}

/// A step under way.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) since: Instant,
    /// What it said last about itself.
    pub(super) doing: Option<String>,
    /// How much of how much is done, in bytes.
    pub(super) amount: Option<(u64, u64)>,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Done,
    Failed,
    /// Never begun, or broken off.
    Skipped,
}

impl Entry {
    pub(super) fn subject(&self) -> &str {
        phrase::subject(&self.step)
    }

    pub(super) fn running(&self) -> Option<&Running> {
        match &self.state {
            State::Running(running) => Some(running),
            _ => None,
        }
    }

    pub(super) fn ended(&self) -> Option<Ending> {
        match &self.state {
            State::Ended { how, .. } => Some(*how),
            _ => None,
        }
    }

    /// When it began.
    pub(super) fn since(&self) -> Option<Instant> {
        match &self.state {
            State::Open => None,
            State::Running(running) => Some(running.since),
            State::Ended { since, .. } => *since,
        }
    }

    /// When it ended.
    pub(super) fn at(&self) -> Option<Instant> {
        match &self.state {
            State::Ended { at, .. } => Some(*at),
            _ => None,
        }
    }

    /// How long it took, once it has ended.
    pub(super) fn took(&self) -> Option<Duration> {
        Some(self.at()?.duration_since(self.since()?))
    }
}

/// All steps.
#[derive(Debug)]
pub(super) struct Board {
    entries: BTreeMap<StepId, Entry>,
    /// When the first of them could begin.
    pub(super) begun: Instant,
}

impl Board {
    pub(super) fn new(steps: &[Step], now: Instant) -> Self {
        let entry = |step: &Step| {
            let entry = Entry {
                step: step.clone(),
                state: State::Open,
            };
            (step.id, entry)
        };
        Self {
            entries: steps.iter().map(entry).collect(),
            begun: now,
        }
    }

    pub(super) fn start(&mut self, step: Step, now: Instant) {
        let running = Running {
            since: now,
            doing: None,
            amount: None,
        };
        let entry = Entry {
            state: State::Running(running),
            step,
        };
        self.entries.insert(entry.step.id, entry);
    }

    pub(super) fn get(&self, id: StepId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    /// Notes what a step is doing.
    pub(super) fn doing(&mut self, id: StepId, doing: &str, amount: Option<(u64, u64)>) {
        let entry = self.entries.get_mut(&id);
        let Some(State::Running(running)) = entry.map(|entry| &mut entry.state) else {
            return;
        };
        running.doing = Some(doing.to_owned());
        running.amount = amount;
    }

    /// Notes how a step ended; the step, unless it had ended before.
    pub(super) fn end(&mut self, id: StepId, how: Ending, now: Instant) -> Option<&Entry> {
        let entry = self.entries.get_mut(&id)?;
        if entry.ended().is_some() {
            return None;
        }
        entry.state = State::Ended {
            how,
            since: entry.since(),
            at: now,
        };
        Some(entry)
    }

    /// Ends whatever has not: the run is over.
    pub(super) fn close(&mut self, now: Instant) {
        let open: Vec<StepId> = self.entries.keys().copied().collect();
        for id in open {
            self.end(id, Ending::Skipped, now);
        }
    }

    /// The steps under way with what they are doing, the one that began first in front.
    pub(super) fn running(&self) -> Vec<(&Step, &Running)> {
        let entries = self.entries.values();
        let mut running: Vec<_> = entries
            .filter_map(|entry| Some((&entry.step, entry.running()?)))
            .collect();
        running.sort_by_key(|(_, running)| running.since);
        running
    }

    /// What the steps are done for, each with its steps in order. Networks and volumes are there in no time,
    /// and left out.
    pub(super) fn subjects(&self) -> BTreeMap<&str, Vec<&Entry>> {
        let mut subjects: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
        for entry in self.entries.values().filter(|entry| is_shown(&entry.step)) {
            subjects.entry(entry.subject()).or_default().push(entry);
        }
        subjects
    }

    /// Whom the next of these steps, which have one subject, waits for.
    pub(super) fn blockers(&self, entries: &[&Entry]) -> BTreeSet<&str> {
        let mut open = entries
            .iter()
            .filter(|entry| matches!(entry.state, State::Open));
        let foreign = |entry: &&Entry| -> BTreeSet<&str> {
            let prerequisites = entry.step.after.iter().chain(&entry.step.settled);
            prerequisites
                .filter_map(|id| self.get(*id))
                .filter(|needed| needed.ended().is_none() && is_shown(&needed.step))
                .map(Entry::subject)
                .filter(|subject| *subject != entry.subject())
                .collect()
        };
        open.find_map(|entry| Some(foreign(entry)).filter(|names| !names.is_empty()))
            .unwrap_or_default()
    }

    /// Whose failure made a step be skipped; `None` when it was interrupted. Steps are skipped in the order of their
    /// numbers and may wait for later ones, so one on the way there may still be open.
    pub(super) fn culprit(&self, entry: &Entry) -> Option<&str> {
        let mut open: Vec<StepId> = entry.step.after.clone();
        let mut seen = BTreeSet::new();
        while let Some(id) = open.pop() {
            let Some(needed) = self.get(id).filter(|_| seen.insert(id)) else {
                continue;
            };
            match needed.ended() {
                Some(Ending::Failed) => return Some(needed.subject()),
                Some(Ending::Skipped) | None => open.extend(&needed.step.after),
                Some(_) => {}
            }
        }
        None
    }
}

/// Whether a step has a place among what is shown.
fn is_shown(step: &Step) -> bool {
    step.service.is_some() || phrase::is_slow(&step.action) || phrase::is_removal(&step.action)
}
