//! Progress without that of some steps. What fails is told all the same, by whoever returns it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::plan::{Action, Step, StepId};
use crate::runtime::{Event, EventSink};
use crate::settings::Muted;

/// Hands on what is told of all other steps.
pub struct WithoutMuted {
    muted: Muted,
    /// Those under way of which nothing is told.
    steps: Mutex<BTreeSet<StepId>>,
    sink: Arc<dyn EventSink>,
}

impl WithoutMuted {
    /// Leaves out those that are muted.
    pub fn around(muted: Muted, sink: Arc<dyn EventSink>) -> Arc<dyn EventSink> {
        if muted == Muted::default() {
            return sink;
        }
        Arc::new(Self {
            muted,
            steps: Mutex::default(),
            sink,
        })
    }

    fn mutes(&self, step: &Step) -> bool {
        match step.action {
            Action::Pull { .. } => self.muted.pulls,
            Action::Build { .. } | Action::BuildDependencies { .. } => self.muted.builds,
            _ => false,
        }
    }
}

impl EventSink for WithoutMuted {
    fn send(&self, event: Event) {
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        let left_out = match &event {
            Event::Started { step } => self.mutes(step) && steps.insert(step.id),
            Event::Progress { id, .. } | Event::Output { id, .. } => steps.contains(id),
            Event::Finished { id, .. } => steps.remove(id),
            Event::Failed { .. } | Event::Skipped { .. } | Event::Note { .. } => false,
        };
        drop(steps);
        if !left_out {
            self.sink.send(event);
        }
    }
}
