//! What a run tells while it runs. Rooms report here; the term room decides what a person sees of it.

use std::sync::Arc;
use std::time::Duration;

use crate::plan::{Step, StepId};

/// Something a person or a program may want to know.
#[derive(Clone, Debug)]
pub enum Event {
    /// A step began.
    Started {
        /// The step.
        step: Step,
    },
    /// A step got on.
    Progress {
        /// The step.
        id: StepId,
        /// What it is doing, a few words: `RUN pip install -r requirements.txt`.
        doing: String,
        /// How much of how much is done, in the unit of the thing (bytes for a pull).
        done: Option<(u64, u64)>,
    },
    /// A step's tool printed a line.
    Output {
        /// The step.
        id: StepId,
        /// The line, without its end.
        line: String,
    },
    /// A step succeeded.
    Finished {
        /// The step.
        id: StepId,
        /// How long it took.
        took: Duration,
    },
    /// A step failed. The error itself comes with the run's outcome.
    Failed {
        /// The step.
        id: StepId,
        /// How long it took.
        took: Duration,
    },
    /// A step is not carried out, because one that it needs failed or the run was interrupted.
    Skipped {
        /// The step.
        id: StepId,
    },
    /// Something to know that is no failure.
    Note {
        /// One sentence.
        text: String,
    },
}

/// Where events go. Called from many tasks; must not block.
pub trait EventSink: Send + Sync {
    /// Takes one event.
    fn send(&self, event: Event);
}

/// Reports one step's progress.
#[derive(Clone)]
pub struct Progress {
    id: StepId,
    sink: Arc<dyn EventSink>,
}

impl Progress {
    /// Reports for a step.
    pub fn new(id: StepId, sink: Arc<dyn EventSink>) -> Self {
        Self { id, sink }
    }

    /// What the step is doing now.
    pub fn doing(&self, doing: impl Into<String>) {
        self.sink.send(Event::Progress {
            id: self.id,
            doing: doing.into(),
            done: None,
        });
    }

    /// What the step is doing now, and how much of it is done.
    pub fn amount(&self, doing: impl Into<String>, done: u64, of: u64) {
        self.sink.send(Event::Progress {
            id: self.id,
            doing: doing.into(),
            done: Some((done, of)),
        });
    }

    /// A line that the step's tool printed.
    pub fn output(&self, line: impl Into<String>) {
        self.sink.send(Event::Output {
            id: self.id,
            line: line.into(),
        });
    }

    /// Something to know that is no failure.
    pub fn note(&self, text: impl Into<String>) {
        self.sink.send(Event::Note { text: text.into() });
    }
}
