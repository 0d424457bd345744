//! What a run tells while it runs. Rooms report here; the term room decides what a person sees of it.

use std::sync::{Arc, Mutex, PoisonError};
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
    /// What the step was doing when it last said so.
    last: Arc<Mutex<String>>,
}

impl Progress {
    /// Reports for a step.
    pub fn new(id: StepId, sink: Arc<dyn EventSink>) -> Self {
        Self {
            id,
            sink,
            last: Arc::default(),
        }
    }

    /// What the step is doing now; sent when it is something else than before.
    pub fn doing(&self, doing: impl Into<String>) {
        let doing = doing.into();
        if self.is_news(&doing) {
            self.sink.send(Event::Progress {
                id: self.id,
                doing,
                done: None,
            });
        }
    }

    fn is_news(&self, doing: &str) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let news = *last != doing;
        if news {
            doing.clone_into(&mut last);
        }
        news
    }

    /// What the step is doing now, and how much of it is done.
    pub fn amount(&self, doing: impl Into<String>, done: u64, of: u64) {
        let doing = doing.into();
        self.is_news(&doing);
        self.sink.send(Event::Progress {
            id: self.id,
            doing,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Told(Mutex<Vec<(String, bool)>>);

    impl EventSink for Told {
        fn send(&self, event: Event) {
            if let Event::Progress { doing, done, .. } = event {
                self.0.lock().unwrap().push((doing, done.is_some()));
            }
        }
    }

    #[test]
    fn what_a_step_does_is_told_when_it_changes() {
        let told = Arc::new(Told::default());
        let progress = Progress::new(StepId(0), told.clone());
        progress.doing("a");
        progress.clone().doing("a");
        progress.amount("b", 1, 2);
        progress.amount("b", 2, 2);
        progress.doing("b");
        progress.doing("a");
        let all = told.0.lock().unwrap().clone();
        let expected = [("a", false), ("b", true), ("b", true), ("a", false)];
        assert_eq!(
            all,
            expected.map(|(doing, amount)| (doing.to_owned(), amount))
        );
    }
}
